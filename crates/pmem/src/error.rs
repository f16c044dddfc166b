//! Why an operation failed: one variant per kind of failure.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::os::errno;

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation failed. [`Error::code`] is the name JavaScript sees.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a call.
    #[error("{}: {}, {syscall}{}{}", errno::name(*errno), errno::text(*errno), quoted(path), hinted(hint))]
    Os {
        /// The positive error number.
        errno: i32,
        /// The function that failed, under the NVM Library's or the operating system's name.
        syscall: &'static str,
        /// The file, where it is known by a path.
        path: Option<PathBuf>,
        /// What the caller can do about it.
        hint: Option<Cow<'static, str>>,
    },
    /// The handle was closed before this call.
    #[error("the {0} is closed")]
    Closed(&'static str),
    /// An argument lies outside the values that are possible here.
    #[error("The value of \"{name}\" is out of range. It must be {expected}. Received {received}")]
    OutOfRange {
        /// The argument's public name.
        name: &'static str,
        /// The values that would have been accepted.
        expected: String,
        /// The value that was given.
        received: String,
    },
    /// Two arguments contradict each other, or one lacks another.
    #[error("The argument \"{name}\" is not valid here: {reason}")]
    InvalidValue {
        /// The argument's public name.
        name: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// This build, runtime or file cannot do what was asked.
    #[error("{0}")]
    Unsupported(&'static str),
    /// A pool is damaged, or no pool of the kind asked for. It was left untouched.
    #[error("the pool{} was refused: {field} at byte {offset}: {detail}; the file was left untouched", quoted(path))]
    Corrupt {
        /// The file, where it is known by a path.
        path: Option<PathBuf>,
        /// What is wrong.
        field: &'static str,
        /// Where it lies, in bytes from the start of the file.
        offset: u64,
        /// What is wrong with it.
        detail: String,
    },
    /// A segment of a journal is damaged. Nothing was changed.
    #[error("the journal's segment '{}' is damaged at byte {offset}, where the record {sequence} should be: {what}; nothing was changed", file.display())]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// The sequence of the record that should be there.
        sequence: u64,
        /// What is wrong.
        what: String,
    },
    /// A store is damaged, or no store. Nothing was changed.
    #[error("the store '{}' is damaged at byte {offset}: {what}; nothing was changed. Restore a backup of it, or read what lies elsewhere where it opens", file.display())]
    Broken {
        /// The file.
        file: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// Someone else changes a store, for longer than was waited.
    #[error("'{}' is being changed by {holder}, for {waited} ms by now: end that transaction first, or wait longer by busyTimeout", path.display())]
    Held {
        /// The file.
        path: PathBuf,
        /// Who changes it.
        holder: String,
        /// For how long that one has, in milliseconds.
        waited: u64,
    },
    /// A newer version of this package made a file.
    #[error("'{}' was made by a newer version of this package: {what}; nothing was changed", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// What is not known here.
        what: String,
    },
    /// A page of a mapped file was lost: what was stored there, or would be, does not reach the file.
    #[error(
        "a page of the mapped file{} is lost: the file was cut, its disk is full or its medium failed; nothing more can be \
         made durable, so close it",
        quoted(path)
    )]
    Fault {
        /// The file, where it is known by a path.
        path: Option<PathBuf>,
    },
    /// So much waits to be written that no more was taken.
    #[error("{pending} bytes wait to be written to '{}', and at most {most} may: await earlier calls first, or allow more by maxPending", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
        /// How many bytes wait.
        pending: u64,
        /// How many may.
        most: u64,
    },
    /// The sequence that an append expected is not the next one. Nothing was written.
    #[error("the next record of '{}' has the sequence {next}, not {expected}: someone else appended", path.display())]
    Conflict {
        /// The journal's folder.
        path: PathBuf,
        /// The next sequence, after all appends that wait.
        next: u64,
        /// The one that was expected.
        expected: u64,
    },
    /// Records were asked for that are not kept any more.
    #[error("the records of '{}' before {first} are not kept any more, and {sequence} was asked for: go on from {first}", path.display())]
    Gap {
        /// The journal's folder.
        path: PathBuf,
        /// The sequence that was asked for.
        sequence: u64,
        /// The oldest one that is kept.
        first: u64,
    },
    /// Making records durable failed, now or before: which of those that are not acknowledged are there is unknown.
    #[error("{}: {}, {syscall} '{}' (a flush failed, so nothing more is acknowledged: close it and open it again, which says what is there)", errno::name(*errno), errno::text(*errno), path.display())]
    Uncertain {
        /// The positive error number.
        errno: i32,
        /// The function that failed.
        syscall: &'static str,
        /// The journal's folder, or the file.
        path: PathBuf,
    },
    /// The interface asked for is not the one this build has.
    #[error("{library} {have} does not provide version {major}.{minor}")]
    Version {
        /// The library that was asked.
        library: &'static str,
        /// The version that is there.
        have: &'static str,
        /// The major version that was required.
        major: u32,
        /// The minor version that was required.
        minor: u32,
    },
}

/// Why there is no mapping of a regular file.
const UNMAPPABLE: &str = "the file system maps no file shared: keep the file on another one";

impl Error {
    /// The failure's name: an operating system's error name such as `ENOSPC`, or one that starts with `ERR_`.
    pub fn code(&self) -> Cow<'static, str> {
        match self {
            Error::Os { errno, .. } => Cow::Owned(errno::name(*errno)),
            Error::Uncertain { errno, .. } => Cow::Owned(errno::name(*errno)),
            Error::Conflict { .. } => Cow::Borrowed("ERR_PMEM_CONFLICT"),
            Error::Gap { .. } => Cow::Borrowed("ERR_PMEM_GAP"),
            Error::Busy { .. } | Error::Held { .. } => Cow::Borrowed("ERR_PMEM_BUSY"),
            Error::Closed(_) => Cow::Borrowed("ERR_PMEM_CLOSED"),
            Error::OutOfRange { .. } => Cow::Borrowed("ERR_OUT_OF_RANGE"),
            Error::InvalidValue { .. } => Cow::Borrowed("ERR_INVALID_ARG_VALUE"),
            Error::Corrupt { .. } | Error::Damaged { .. } | Error::Broken { .. } => Cow::Borrowed("ERR_PMEM_CORRUPT"),
            Error::Fault { .. } => Cow::Borrowed("ERR_PMEM_FAULT"),
            Error::Unsupported(_) => Cow::Borrowed("ERR_PMEM_UNSUPPORTED"),
            Error::Version { .. } | Error::Newer { .. } => Cow::Borrowed("ERR_PMEM_VERSION"),
        }
    }

    /// The failure of `syscall` on `path`.
    pub(crate) fn io(error: &std::io::Error, syscall: &'static str, path: Option<&Path>) -> Self {
        Self::os(errno::of(error), syscall, path).with_hint_on(errno::ENODEV, UNMAPPABLE)
    }

    /// The failure of `syscall` on `path` with the positive error number `errno`.
    pub(crate) fn os(errno: i32, syscall: &'static str, path: Option<&Path>) -> Self {
        Error::Os { errno, syscall, path: path.map(Path::to_path_buf), hint: None }
    }

    /// The same failure, with advice where there was none.
    pub(crate) fn with_hint(self, advice: impl Into<Cow<'static, str>>) -> Self {
        match self {
            Error::Os { errno, syscall, path, hint: None } => {
                Error::Os { errno, syscall, path, hint: Some(advice.into()) }
            }
            other => other,
        }
    }

    /// As `with_hint`, where the operating system failed with this error number.
    pub(crate) fn with_hint_on(self, number: i32, advice: impl Into<Cow<'static, str>>) -> Self {
        match self {
            Error::Os { errno, .. } if errno == number => self.with_hint(advice),
            other => other,
        }
    }

    pub(crate) fn out_of_range(name: &'static str, expected: String, received: impl ToString) -> Self {
        Error::OutOfRange { name, expected, received: received.to_string() }
    }
}

fn quoted(path: &Option<PathBuf>) -> String {
    path.as_ref().map(|path| format!(" '{}'", path.display())).unwrap_or_default()
}

fn hinted(hint: &Option<Cow<'static, str>>) -> String {
    hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same everywhere.
    const ENOENT: i32 = 2;

    #[test]
    fn an_os_error_reads_like_nodes_own() {
        let error = Error::os(ENOENT, "open", Some(Path::new("/no/such")));
        assert_eq!(error.to_string(), "ENOENT: no such file or directory, open '/no/such'");
        assert_eq!(error.code(), "ENOENT");
    }

    #[test]
    fn a_file_system_without_shared_mappings_is_named() {
        let error = Error::io(&errno::failure(errno::ENODEV), "mmap", Some(Path::new("/f")));
        assert!(
            error
                .to_string()
                .ends_with("mmap '/f' (the file system maps no file shared: keep the file on another one)")
        );
    }

    #[test]
    fn the_first_hint_stays() {
        let error = Error::os(errno::EACCES, "mmap", None).with_hint("one").with_hint("two");
        assert!(error.to_string().ends_with("mmap (one)"), "{error}");
    }
}
