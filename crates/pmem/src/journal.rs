//! A durable sequence of records in a folder of segments, written by one process and read by any.
//!
//! `docs/journal-format.md` says what lies in the files.

mod active;
mod chain;
mod check;
mod cursors;
mod format;
mod lock;
mod making;
mod opening;
mod reader;
mod retention;
mod scan;
mod segment;
mod shelf;
mod tail;
mod waits;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::os::{errno, file, volume};
use crate::storage::registry::{Reference, Registry, Shared};
use crate::{Error, Result, Ticket};
use cursors::Cursors;
use lock::WriterLock;
use reader::Reader;
use shelf::{Limits, Shelf};
use waits::Waits;
use writer::Writer;

/// How a journal is opened.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// A journal is made where there is none.
    pub create: bool,
    /// Records are read only, also beside a process that writes.
    pub readonly: bool,
    /// The size of large segments, in bytes.
    pub segment_size: u64,
    /// How many bytes all segments may have.
    pub max_bytes: Option<u64>,
    /// How old a segment's last record may become, in microseconds.
    pub max_age: Option<u64>,
    /// Records go by `max_bytes` and `max_age` also where a cursor has not come to them.
    pub drop_unread: bool,
    /// The sequence of a new journal's first record.
    pub first_sequence: u64,
    /// The permissions of new files, subject to the umask; folders may be searched by who may read.
    pub mode: u32,
}

/// What an open journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalState {
    /// The sequence of the oldest record that is kept.
    pub first: u64,
    /// The sequence behind the last durable record.
    pub next: u64,
    /// The bytes of frames in all segments.
    pub byte_len: u64,
    /// The number of segments.
    pub segments: u64,
}

/// What [`Journal::check`] finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalReport {
    /// How many records are sound.
    pub records: u64,
    /// The bytes of their frames.
    pub bytes: u64,
    /// How many segments there are.
    pub segments: u64,
    /// How many bytes an unfinished write left behind the last record.
    pub torn: u64,
    /// What is damaged.
    pub damage: Vec<JournalDamage>,
}

/// A damaged place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalDamage {
    /// The file.
    pub file: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// The sequence that was expected there.
    pub sequence: u64,
    /// What is wrong.
    pub what: String,
}

/// Where reading goes on. What is behind `sequence` is only a hint, which makes it fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalPosition {
    /// The sequence of the next record.
    pub sequence: u64,
    /// The first sequence of its segment.
    pub segment: u64,
    /// Where in the segment it is; 0 where that is not known.
    pub offset: u64,
}

/// What [`Journal::read`] gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalRead {
    /// So many bytes of whole frames; 0 at the end.
    Frames(usize),
    /// The next frame alone needs so many bytes.
    Needs(usize),
}

/// A handle on an open journal. Clones, and handles from opening the same folder again in this process, share it; the last
/// one's drop closes it.
#[derive(Clone)]
pub struct Journal {
    core: Core,
    readonly: bool,
}

/// The journals that this process writes, and those that it reads, by folder.
static WRITERS: Registry<Writer> = Registry::new();
static READERS: Registry<Reader> = Registry::new();

#[derive(Clone)]
enum Core {
    Writer(Shared<Writer>),
    Reader(Shared<Reader>),
}

const OPEN: &str = "open";

impl Journal {
    /// Opens a journal, or makes one. What an interrupted write left behind is cut, which [`Journal::recovered`] tells of.
    /// Where this process has it open for writing, options other than `readonly` are those of the first opening.
    ///
    /// # Errors
    /// `EAGAIN` where another process writes it; [`Error::Damaged`] where it is damaged, and nothing has changed; `ENOENT`;
    /// `ENOTDIR`; `ENOTEMPTY` for a folder of something else; [`Error::Unsupported`] for writing on a network; what the
    /// operating system says of its files.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// let journal = pmem::Journal::open(&folder.path().join("journal"), &pmem::JournalOptions::default())?;
    /// assert_eq!(journal.append(&[b"one", b"two"], None, true)?, 0);
    /// assert_eq!(journal.state()?.next, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(folder: &Path, options: &JournalOptions) -> Result<Self> {
        if options.readonly {
            return Self::open_readonly(folder);
        }
        opening::prepare_folder(folder, options)?;
        let open = |opened| opening::open(folder, opened, options, WriterLock::take(folder, options.mode)?);
        let writer = WRITERS.open(open_folder(folder)?, folder, OPEN, |_| Ok(()), open)?;
        Ok(Self { core: Core::Writer(writer), readonly: false })
    }

    fn open_readonly(folder: &Path) -> Result<Self> {
        let opened = open_folder(folder)?;
        if let Some(writer) = WRITERS.find(&opened, folder, OPEN)? {
            return Ok(Self { core: Core::Writer(writer), readonly: true });
        }
        let is_remote = is_remote(folder);
        let reader =
            READERS.open(opened, folder, OPEN, |_| Ok(()), |opened| Reader::open(folder, opened, is_remote))?;
        Ok(Self { core: Core::Reader(reader), readonly: true })
    }

    /// What is sound and what is not. It changes nothing, and works beside a writer.
    ///
    /// # Errors
    /// A missing folder, one that holds no journal, and files that cannot be read.
    pub fn check(folder: &Path) -> Result<JournalReport> {
        check::check(folder, is_remote(folder))
    }

    /// What there is.
    ///
    /// # Errors
    /// [`Error::Fault`]; [`Error::Damaged`]; what the operating system says of the folder.
    pub fn state(&self) -> Result<JournalState> {
        let Limits { first, next } = match &self.core {
            Core::Writer(writer) => Limits { first: writer.first(), next: writer.next() },
            Core::Reader(reader) => reader.view().fresh_limits()?,
        };
        let (byte_len, segments) = self.shelf().used(next)?;
        Ok(JournalState { first, next, byte_len, segments })
    }

    /// The sequences of the oldest record and behind the last durable one, without a look at the folder: another process may
    /// have given records up since the last one.
    ///
    /// # Errors
    /// As [`Journal::state`].
    pub fn limits(&self) -> Result<(u64, u64)> {
        self.limits_now().map(|Limits { first, next }| (first, next))
    }

    /// The sequence of the oldest record.
    ///
    /// # Errors
    /// As [`Journal::state`].
    pub fn first(&self) -> Result<u64> {
        match &self.core {
            Core::Writer(writer) => Ok(writer.first()),
            Core::Reader(reader) => Ok(reader.view().fresh_limits()?.first),
        }
    }

    /// The sequence behind the last durable record.
    ///
    /// # Errors
    /// As [`Journal::state`].
    pub fn next(&self) -> Result<u64> {
        Ok(self.limits_now()?.next)
    }

    #[inline]
    fn limits_now(&self) -> Result<Limits> {
        match &self.core {
            Core::Writer(writer) => Ok(Limits { first: writer.first(), next: writer.next() }),
            Core::Reader(reader) => reader.view().limits(),
        }
    }

    fn shelf(&self) -> &Shelf {
        match &self.core {
            Core::Writer(writer) => &writer.shelf,
            Core::Reader(reader) => &reader.view().shelf,
        }
    }

    fn waits(&self) -> &Arc<Waits> {
        match &self.core {
            Core::Writer(writer) => &writer.waits,
            Core::Reader(reader) => &reader.waits,
        }
    }

    fn all_cursors(&self) -> &Cursors {
        match &self.core {
            Core::Writer(writer) => &writer.cursors,
            Core::Reader(reader) => &reader.cursors,
        }
    }

    #[inline]
    fn writer(&self) -> Result<&Shared<Writer>> {
        match &self.core {
            Core::Writer(writer) if !self.readonly => Ok(writer),
            Core::Writer(_) | Core::Reader(_) => Err(self.refused()),
        }
    }

    #[cold]
    fn refused(&self) -> Error {
        let refused = Error::os(errno::EROFS, writer::APPEND, Some(self.shelf().folder()));
        refused.with_hint("the journal is open readonly")
    }

    /// Whether appending is refused.
    pub fn is_readonly(&self) -> bool {
        self.readonly
    }

    /// What names the journal, as bytes by chance that it was made with. Copies of its folder have the same one.
    pub fn uuid(&self) -> [u8; 16] {
        match &self.core {
            Core::Writer(writer) => writer.uuid,
            Core::Reader(reader) => reader.view().uuid,
        }
    }

    /// How many bytes opening has cut.
    pub fn recovered(&self) -> u64 {
        match &self.core {
            Core::Writer(writer) => writer.torn,
            Core::Reader(_) => 0,
        }
    }

    /// Appends a batch of records: all or none of them, durable on return if that is asked for. Returns the first one's
    /// sequence; for no records, the one that would be next.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the next sequence, after all that was put off, is not the one `expected`; `ENOSPC` where
    /// the disk or `max_bytes` leave no room, and nothing is appended; `EROFS` for a readonly journal;
    /// [`Error::OutOfRange`] for a record of more than 1 GiB; [`Error::Uncertain`] once a flush failed.
    pub fn append(&self, records: &[&[u8]], expected: Option<u64>, durable: bool) -> Result<u64> {
        self.writer()?.append(records, expected, durable)
    }

    /// Puts an append off. Its sequence is known at once, and holds unless the append, or one before it, fails.
    ///
    /// # Errors
    /// [`Error::Conflict`]; `EROFS`; [`Error::Busy`] where too much waits already.
    pub fn enqueue(&self, records: Vec<Vec<u8>>, expected: Option<u64>, durable: bool) -> Result<(u64, Ticket)> {
        let writer = self.writer()?;
        let (sequence, ticket) = writer.enqueue(records, expected, durable)?;
        Ok((sequence, Ticket::new(JournalTicket { writer: writer.reference(), ticket })))
    }

    /// Makes all that was appended before durable.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn flush(&self) -> Result<()> {
        self.writer()?.flush()
    }

    /// Puts a flush off.
    ///
    /// # Errors
    /// As [`Journal::enqueue`].
    pub fn enqueue_flush(&self) -> Result<Ticket> {
        let writer = self.writer()?;
        Ok(Ticket::new(JournalTicket { writer: writer.reference(), ticket: writer.enqueue_flush()? }))
    }

    /// How many bytes were put off and are not appended yet.
    pub fn pending(&self) -> u64 {
        match &self.core {
            Core::Writer(writer) => writer.pending(),
            Core::Reader(_) => 0,
        }
    }

    /// How many bytes may be put off, from now on and for all handles on this journal.
    pub fn limit_pending(&self, most: u64) {
        if let Core::Writer(writer) = &self.core {
            writer.limit_pending(most);
        }
    }

    /// Does all that was put off.
    pub fn settle(&self) {
        if let Core::Writer(writer) = &self.core {
            writer.settle();
        }
    }

    /// Copies whole frames out, as they lie in the file, from the position on, which moves behind them. At the end of the
    /// journal there are none.
    ///
    /// `skip_damaged` passes over records that are damaged.
    ///
    /// # Errors
    /// [`Error::Gap`] for a sequence that is not kept any more; [`Error::Damaged`] for a damaged record.
    pub fn read(&self, position: &mut JournalPosition, skip_damaged: bool, target: &mut [u8]) -> Result<JournalRead> {
        let limits = self.limits_now()?;
        match &self.core {
            Core::Writer(writer) => writer.shelf.read(position, limits, skip_damaged, target, || Ok(None)),
            Core::Reader(reader) => {
                let view = reader.view();
                view.shelf.read(position, limits, skip_damaged, target, || view.refresh())
            }
        }
    }

    /// The sequence of the first record, by sequence, whose time is `time`, in microseconds, or later; the journal's next one
    /// if there is none.
    ///
    /// # Errors
    /// As [`Journal::read`].
    pub fn locate(&self, time: u64) -> Result<u64> {
        let limits = self.limits_now()?;
        self.shelf().locate(limits, time)
    }

    /// Forgets the records before `sequence`, durably. Their space comes back a segment at a time.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] beyond the next sequence; as [`Journal::append`].
    pub fn truncate_before(&self, sequence: u64) -> Result<()> {
        self.writer()?.truncate_before(sequence)
    }

    /// The names of the cursors.
    ///
    /// # Errors
    /// What the operating system says of their folder.
    pub fn cursors(&self) -> Result<Vec<String>> {
        self.all_cursors().names()
    }

    /// A cursor's position; `None` for one that was never committed.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a name that is empty or too long; [`Error::Corrupt`].
    pub fn cursor(&self, name: &str) -> Result<Option<u64>> {
        self.all_cursors().position(name)
    }

    /// Moves a cursor, durably: back only by `force`. Returns its position.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] beyond the next sequence; what the operating system says of its file.
    pub fn commit_cursor(&self, name: &str, position: u64, force: bool) -> Result<u64> {
        let next = self.limits_now()?.next;
        self.all_cursors().commit(name, position, force, next)
    }

    /// Removes a cursor, durably. One that is not there is removed already.
    ///
    /// # Errors
    /// `EAGAIN` while someone consumes by it.
    pub fn delete_cursor(&self, name: &str) -> Result<()> {
        self.all_cursors().delete(name)
    }

    /// Keeps others from consuming by a cursor, until the lock is dropped. The cursor is made where there is none.
    ///
    /// # Errors
    /// `EAGAIN` while someone else does.
    pub fn lock_cursor(&self, name: &str) -> Result<JournalCursorLock> {
        self.all_cursors().lock(name).map(JournalCursorLock)
    }

    /// Calls `wake`, from some thread and once, when there may be a record of `sequence`, or when a second has passed, or on
    /// [`JournalWait::cancel`]. At once where there is one. It may be called in the midst of an append, so that it must neither
    /// append nor flush itself.
    pub fn wait(&self, sequence: u64, wake: Box<dyn FnOnce() + Send>) -> JournalWait {
        let waits = Arc::clone(self.waits());
        JournalWait { id: waits.add(sequence, wake), waits }
    }
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            create: true,
            readonly: false,
            segment_size: 64 << 20,
            max_bytes: None,
            max_age: None,
            drop_unread: false,
            first_sequence: 0,
            mode: 0o666,
        }
    }
}

/// Whether another machine may have the folder's files.
fn is_remote(folder: &Path) -> bool {
    matches!(volume::refuse_network(folder), Err(Error::Unsupported(_)))
}

fn open_folder(folder: &Path) -> Result<std::fs::File> {
    let opened = file::open_folder(folder).map_err(|error| Error::io(&error, OPEN, Some(folder)))?;
    if opened.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(opened);
    }
    Err(Error::os(errno::ENOTDIR, OPEN, Some(folder)).with_hint("a journal is a folder"))
}

/// What was put off. It does not keep its journal open, whose closing does it.
struct JournalTicket {
    writer: Reference<Writer>,
    ticket: writer::Ticket,
}

impl crate::ticket::Pending for JournalTicket {
    fn wait(&self) {
        if let Some(writer) = self.writer.share() {
            writer.commit_until(&self.ticket);
        }
    }

    fn outcome(&self) -> Option<&Result<()>> {
        self.ticket.outcome()
    }
}

/// Keeps a cursor for one consumer.
pub struct JournalCursorLock(#[allow(dead_code, reason = "its drop unlocks")] cursors::CursorLock);

/// A wait that is under way, or over.
pub struct JournalWait {
    waits: Arc<Waits>,
    id: waits::WaitId,
}

impl JournalWait {
    /// Ends the wait, if it is not over.
    pub fn cancel(self) {
        self.waits.cancel(self.id);
    }
}

#[cfg(test)]
mod tests;
