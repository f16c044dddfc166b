//! Windows has codes of its own, which say less to the user of a package that reads the same everywhere. They become the
//! names and texts of Node.js, with the numbers of `errno.h`, which are also those of `os.constants.errno`.

use std::io::{self, ErrorKind};

use windows_sys::Win32::Foundation::{
    ERROR_CANT_RESOLVE_FILENAME, ERROR_COMMITMENT_LIMIT, ERROR_FILE_INVALID, ERROR_FILENAME_EXCED_RANGE,
    ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_LOCK_VIOLATION, ERROR_MAPPED_ALIGNMENT,
    ERROR_NOT_ENOUGH_QUOTA, ERROR_PRIVILEGE_NOT_HELD, ERROR_SHARING_VIOLATION, ERROR_TOO_MANY_OPEN_FILES,
    ERROR_USER_MAPPED_FILE, WIN32_ERROR,
};

const EPERM: i32 = 1;
pub(crate) const ENOENT: i32 = 2;
pub(crate) const EIO: i32 = 5;
const EBADF: i32 = 9;
pub(crate) const EAGAIN: i32 = 11;
pub(crate) const ENOMEM: i32 = 12;
pub(crate) const EACCES: i32 = 13;
const EBUSY: i32 = 16;
pub(crate) const EEXIST: i32 = 17;
pub(crate) const ENODEV: i32 = 19;
pub(crate) const ENOTDIR: i32 = 20;
pub(crate) const EISDIR: i32 = 21;
pub(crate) const EINVAL: i32 = 22;
const EMFILE: i32 = 24;
pub(crate) const EFBIG: i32 = 27;
pub(crate) const ENOSPC: i32 = 28;
pub(crate) const EROFS: i32 = 30;
const ENAMETOOLONG: i32 = 38;
pub(crate) const ENOTEMPTY: i32 = 41;
const ELOOP: i32 = 114;
const ENOTSUP: i32 = 129;

/// Every number, with its name and what Node.js says of it.
const KNOWN: &[(i32, &str, &str)] = &[
    (EPERM, "EPERM", "operation not permitted"),
    (ENOENT, "ENOENT", "no such file or directory"),
    (EIO, "EIO", "i/o error"),
    (EBADF, "EBADF", "bad file descriptor"),
    (EAGAIN, "EAGAIN", "resource temporarily unavailable"),
    (ENOMEM, "ENOMEM", "not enough memory"),
    (EACCES, "EACCES", "permission denied"),
    (EBUSY, "EBUSY", "resource busy or locked"),
    (EEXIST, "EEXIST", "file already exists"),
    (ENODEV, "ENODEV", "no such device"),
    (ENOTDIR, "ENOTDIR", "not a directory"),
    (EISDIR, "EISDIR", "illegal operation on a directory"),
    (EINVAL, "EINVAL", "invalid argument"),
    (EMFILE, "EMFILE", "too many open files"),
    (EFBIG, "EFBIG", "file too large"),
    (ENOSPC, "ENOSPC", "no space left on device"),
    (EROFS, "EROFS", "read-only file system"),
    (ENAMETOOLONG, "ENAMETOOLONG", "name too long"),
    (ENOTEMPTY, "ENOTEMPTY", "directory not empty"),
    (ELOOP, "ELOOP", "too many symbolic links encountered"),
    (ENOTSUP, "ENOTSUP", "operation not supported"),
];

/// The number of a failure; `EIO` where nothing says more.
pub(crate) fn of(error: &io::Error) -> i32 {
    error.raw_os_error().and_then(|code| of_code(code as WIN32_ERROR)).unwrap_or_else(|| of_kind(error.kind()))
}

/// The number of a code that the standard library puts into no kind, or into another one.
fn of_code(code: WIN32_ERROR) -> Option<i32> {
    Some(match code {
        ERROR_CANT_RESOLVE_FILENAME => ELOOP,
        ERROR_COMMITMENT_LIMIT | ERROR_NOT_ENOUGH_QUOTA => ENOMEM,
        ERROR_FILE_INVALID | ERROR_INVALID_PARAMETER | ERROR_MAPPED_ALIGNMENT => EINVAL,
        ERROR_FILENAME_EXCED_RANGE => ENAMETOOLONG,
        ERROR_INVALID_HANDLE => EBADF,
        ERROR_LOCK_VIOLATION | ERROR_SHARING_VIOLATION | ERROR_USER_MAPPED_FILE => EBUSY,
        ERROR_PRIVILEGE_NOT_HELD => EPERM,
        ERROR_TOO_MANY_OPEN_FILES => EMFILE,
        _ => return None,
    })
}

fn of_kind(kind: ErrorKind) -> i32 {
    match kind {
        // What is no possible name is the name of nothing.
        ErrorKind::NotFound | ErrorKind::InvalidFilename => ENOENT,
        ErrorKind::PermissionDenied => EACCES,
        ErrorKind::AlreadyExists => EEXIST,
        ErrorKind::WouldBlock => EAGAIN,
        ErrorKind::NotADirectory => ENOTDIR,
        ErrorKind::IsADirectory => EISDIR,
        ErrorKind::DirectoryNotEmpty => ENOTEMPTY,
        ErrorKind::ReadOnlyFilesystem => EROFS,
        ErrorKind::InvalidInput => EINVAL,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ENOSPC,
        ErrorKind::FileTooLarge => EFBIG,
        ErrorKind::ResourceBusy => EBUSY,
        ErrorKind::Unsupported => ENOTSUP,
        ErrorKind::OutOfMemory => ENOMEM,
        _ => EIO,
    }
}

/// The name, such as `ENOSPC`.
pub(crate) fn name(errno: i32) -> String {
    known(errno).map_or("UNKNOWN", |(_, name, _)| name).to_owned()
}

/// What Node.js says of it.
pub(crate) fn text(errno: i32) -> String {
    known(errno).map_or("unknown error", |(_, _, text)| text).to_owned()
}

fn known(errno: i32) -> Option<&'static (i32, &'static str, &'static str)> {
    KNOWN.iter().find(|(number, _, _)| *number == errno)
}

/// A failure of that number.
#[cfg(any(test, feature = "recorder"))]
pub(crate) fn failure(errno: i32) -> io::Error {
    let kind = if errno == ENOSPC { ErrorKind::StorageFull } else { ErrorKind::Other };
    kind.into()
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Foundation::{
        ERROR_ACCESS_DENIED, ERROR_DISK_FULL, ERROR_FILE_EXISTS, ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND,
    };

    use super::*;

    #[test]
    fn codes_of_windows_get_nodes_names() {
        for (code, expected) in [
            (ERROR_ACCESS_DENIED, "EACCES"),
            (ERROR_DISK_FULL, "ENOSPC"),
            (ERROR_FILE_EXISTS, "EEXIST"),
            (ERROR_FILE_NOT_FOUND, "ENOENT"),
            (ERROR_PATH_NOT_FOUND, "ENOENT"),
            (ERROR_USER_MAPPED_FILE, "EBUSY"),
            (ERROR_INVALID_HANDLE, "EBADF"),
        ] {
            assert_eq!(name(of(&io::Error::from_raw_os_error(code as i32))), expected);
        }
    }
}
