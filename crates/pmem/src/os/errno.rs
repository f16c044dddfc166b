//! Error numbers, under the names that Node.js has for them.

#[cfg_attr(unix, path = "errno/unix.rs")]
#[cfg_attr(windows, path = "errno/windows.rs")]
mod platform;

#[cfg(any(test, feature = "recorder"))]
pub(crate) use platform::failure;
pub(crate) use platform::{
    EACCES, EAGAIN, EEXIST, EFBIG, EINVAL, EIO, EISDIR, ENODEV, ENOENT, ENOMEM, ENOSPC, ENOTDIR, ENOTEMPTY, EROFS,
    name, of, text,
};

use std::io;

/// Makes a call again as long as signals interrupt it. What the standard library calls it makes again by itself, apart from
/// locking, naming, removing and looking at files.
pub(crate) fn uninterrupted<T, E: Into<io::Error>>(mut call: impl FnMut() -> Result<T, E>) -> io::Result<T> {
    loop {
        match call().map_err(Into::into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
