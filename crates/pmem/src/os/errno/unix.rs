//! The numbers of the operating system itself.

use std::io;

pub(crate) use nix::libc::{
    EACCES, EAGAIN, EEXIST, EFBIG, EINVAL, EIO, EISDIR, ENODEV, ENOENT, ENOMEM, ENOSPC, ENOTDIR, ENOTEMPTY, EROFS,
};

/// The number of a failure; `EIO` where it has none.
pub(crate) fn of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(EIO)
}

/// The name, such as `ENOSPC`.
pub(crate) fn name(errno: i32) -> String {
    format!("{:?}", nix::errno::Errno::from_raw(errno))
}

/// What the operating system says of it, in lower case.
pub(crate) fn text(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string().to_lowercase();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// A failure of that number.
#[cfg(any(test, feature = "recorder"))]
pub(crate) fn failure(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}
