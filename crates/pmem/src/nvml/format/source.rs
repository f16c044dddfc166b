//! Where the bytes of a pool come from.

use std::fs::File;
use std::io;

use super::{Damage, Invalid};

/// The bytes of a pool file.
pub(crate) trait Source {
    /// The number of bytes.
    fn len(&self) -> io::Result<u64>;

    /// Fills `target` with the bytes at `offset`; [`io::ErrorKind::UnexpectedEof`] where they end before that.
    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<()>;
}

impl Source for File {
    fn len(&self) -> io::Result<u64> {
        crate::os::file::size_of(self)
    }

    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<()> {
        crate::os::file::read_exact_at(self, target, offset)
    }
}

#[cfg(test)]
impl Source for crate::os::seam::recorder::Image {
    fn len(&self) -> io::Result<u64> {
        Ok(Self::len(self))
    }

    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<()> {
        if offset + target.len() as u64 > Self::len(self) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.get(offset, target);
        Ok(())
    }
}

impl Source for [u8] {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<()> {
        let bytes = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)?.get(..target.len()));
        target.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// The `len` bytes at `offset`, which hold `field`.
pub(super) fn read<S: Source + ?Sized>(
    source: &S,
    field: &'static str,
    offset: u64,
    len: usize,
) -> Result<Vec<u8>, Invalid> {
    let mut target = vec![0; len];
    read_into(source, field, offset, &mut target)?;
    Ok(target)
}

/// Fills `target` with the bytes at `offset`, which hold `field`.
pub(super) fn read_into<S: Source + ?Sized>(
    source: &S,
    field: &'static str,
    offset: u64,
    target: &mut [u8],
) -> Result<(), Invalid> {
    source.read_at(offset, target).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Damage::new(field, offset, "the file ends before it does").into(),
        _ => Invalid::Io(error),
    })
}
