//! A log pool: the descriptor at 4096, the data from 8192 to the end.

use super::bytes::{put, u64_at};
use super::header::{self, Header, Kind};
use super::source::{self, Source};
use super::{Damage, Invalid, PAGE, used_size};

/// Where the data starts, in bytes from the start of the file.
pub(crate) const DATA_START: u64 = 2 * PAGE;

/// Where the file has the write offset: eight bytes, stored as one.
pub(crate) const WRITE_OFFSET: u64 = DESCRIPTOR + 16;

const DESCRIPTOR: u64 = PAGE;
const START: u64 = DESCRIPTOR;
const END: u64 = DESCRIPTOR + 8;

/// The bytes of the descriptor that have a meaning; what follows is left over from the C library's running state.
const DESCRIPTOR_LEN: usize = 24;

/// A log pool that was found valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    /// The pool's header.
    pub header: Header,
    /// Where the room for data ends, in bytes from the start of the file.
    pub end: u64,
    /// Where the next append goes: from [`DATA_START`] on to `end`.
    pub write_offset: u64,
}

/// Reads and validates a log pool, which costs two small reads. There is nothing more to check in one.
///
/// # Errors
/// [`Invalid`] for what is not a valid log pool.
pub(crate) fn read<S: Source + ?Sized>(source: &S) -> Result<Log, Invalid> {
    let header = header::read(source, Kind::Log)?;
    let end = used_size(source.len().map_err(Invalid::Io)?);
    let descriptor = source::read(source, "log descriptor", DESCRIPTOR, DESCRIPTOR_LEN)?;
    let write_offset = check(&descriptor, end)?;
    Ok(Log { header, end, write_offset })
}

/// Makes the page at 4096 of an empty log in a file of `size` bytes.
pub(crate) fn make(size: u64) -> [u8; PAGE as usize] {
    let mut bytes = [0; PAGE as usize];
    put(&mut bytes, 0, DATA_START.to_le_bytes());
    put(&mut bytes, 8, used_size(size).to_le_bytes());
    put(&mut bytes, 16, DATA_START.to_le_bytes());
    bytes
}

/// The write offset of the descriptor in `bytes`, whose log ends at `end`.
fn check(bytes: &[u8], end: u64) -> Result<u64, Damage> {
    let start = u64_at(bytes, 0);
    if start != DATA_START {
        return Err(Damage::new("log start", START, format!("it is {start}, not {DATA_START}")));
    }
    let found = u64_at(bytes, 8);
    if found != end {
        let detail = format!("it is {found}, not {end} as the file's size says: the file was resized or is damaged");
        return Err(Damage::new("log end", END, detail));
    }
    let write_offset = u64_at(bytes, 16);
    if !(DATA_START..=end).contains(&write_offset) {
        let detail = format!("it is {write_offset}, outside {DATA_START} to {end}");
        return Err(Damage::new("log write offset", WRITE_OFFSET, detail));
    }
    Ok(write_offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nvml::format::header::Machine;
    use crate::nvml::format::tests::{damage, identity};

    const SIZE: u64 = 2 << 20;

    fn pool(len: u64) -> Vec<u8> {
        let mut bytes = vec![0; len as usize];
        put(&mut bytes, 0, header::make(Kind::Log, &identity(), 1, Machine::X86_64));
        put(&mut bytes, header::SIZE, make(len));
        bytes
    }

    #[test]
    fn what_is_made_is_read() {
        for tail in [0, 1, PAGE - 1] {
            let log = read(&pool(SIZE + tail)[..]).unwrap();
            assert_eq!((log.end, log.write_offset), (SIZE, DATA_START));
        }
    }

    #[test]
    fn offsets_must_fit_the_file() {
        let refused = |at: u64, value: u64| {
            let mut bytes = pool(SIZE);
            put(&mut bytes, at as usize, value.to_le_bytes());
            damage(read(&bytes[..]))
        };
        for (field, at, values) in [
            ("log start", START, [0, DATA_START - 1, DATA_START + PAGE]),
            ("log end", END, [0, SIZE - PAGE, SIZE + 1]),
            ("log write offset", WRITE_OFFSET, [0, SIZE + 1, u64::MAX]),
        ] {
            for value in values {
                let damage = refused(at, value);
                assert_eq!((damage.field, damage.offset), (field, at), "{value}");
            }
        }
        let mut full = pool(SIZE);
        put(&mut full, WRITE_OFFSET as usize, SIZE.to_le_bytes());
        assert_eq!(read(&full[..]).unwrap().write_offset, SIZE);
    }

    #[test]
    fn a_resized_log_is_refused() {
        let longer = pool(2 * SIZE);
        assert_eq!(damage(read(&longer[..SIZE as usize])).field, "log end");
        let shorter = [pool(SIZE), vec![0; SIZE as usize]].concat();
        assert_eq!(damage(read(&shorter[..])).field, "log end");
    }
}
