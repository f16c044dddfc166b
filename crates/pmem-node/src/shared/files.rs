//! Files as JavaScript names them: by the bytes of a path, or by a descriptor.
#![allow(unsafe_code)]

#[cfg_attr(unix, path = "files/unix.rs")]
#[cfg_attr(windows, path = "files/windows.rs")]
mod platform;

use pmem::{Descriptor, Error};

pub(crate) use platform::path_of;

/// The open file that a number names, for the call that it came with. What JavaScript closed is -1, or a number that names
/// no file any more.
pub(crate) fn borrow<'call>(descriptor: i32) -> pmem::Result<Descriptor<'call>> {
    const EBADF: i32 = 9;
    let closed = Error::Os { errno: EBADF, syscall: "fstat", path: None, hint: Some("the file is closed".into()) };
    if descriptor < 0 {
        return Err(closed);
    }
    // SAFETY: it is not -1, and is used during the call alone.
    unsafe { platform::borrow(descriptor) }.ok_or(closed)
}
