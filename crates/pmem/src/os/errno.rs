//! Error numbers, under the names that Node.js has for them.

#[cfg_attr(unix, path = "errno/unix.rs")]
#[cfg_attr(windows, path = "errno/windows.rs")]
mod platform;

#[cfg(test)]
pub(crate) use platform::failure;
pub(crate) use platform::{
    EACCES, EAGAIN, EEXIST, EFBIG, EINVAL, EIO, EISDIR, ENODEV, ENOMEM, ENOSPC, EROFS, name, of, text,
};
