//! Cursors: how far named readers have come, each in a file of its own.
//!
//! A file has two slots that are written by turns, so that one of them is whole at any time. For that the one that holds must
//! be durable before the other is overwritten; and the first slot's magic, without which there is no slot, is written last.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::os::lock::Byte;
use crate::os::{self, deliberate, errno, file, futex, seam};
use crate::storage::lock::{NamedLock, lock};
use crate::{Error, Result};
use slot::{PAGE, SIZE, Slot};

mod slot;
#[cfg(test)]
mod tests;

/// The folder with the cursors, in the journal's.
const FOLDER: &str = "cursors";

/// The most bytes of a file's name.
const MOST_NAME: usize = 100;

/// How long a change waits for another process's change of the same cursor.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a file is read again that two changes made look damaged meanwhile.
const MOST_READS: usize = 5;

/// The cursors of a journal.
#[derive(Debug)]
pub(crate) struct Cursors {
    /// The journal's.
    journal: PathBuf,
    folder: PathBuf,
    uuid: [u8; 16],
    mode: u32,
    /// The slots that were made durable here, by the cursor's file name. Held during changes.
    durable: Mutex<HashMap<String, [u8; SIZE]>>,
}

/// Keeps others from consuming by a cursor, until it is dropped.
#[derive(Debug)]
pub(crate) struct CursorLock(#[allow(dead_code, reason = "its drop unlocks")] NamedLock);

impl Cursors {
    /// Those of the journal in this folder. New files get these permissions.
    pub(crate) fn new(journal: &Path, uuid: [u8; 16], mode: u32) -> Self {
        Self { journal: journal.to_path_buf(), folder: journal.join(FOLDER), uuid, mode, durable: Mutex::default() }
    }

    /// The names of the cursors that there are, in order. One that was locked and never committed is one, too.
    ///
    /// # Errors
    /// What the operating system says of the folder.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let failed = |error: io::Error| Error::io(&error, "scandir", Some(&self.folder));
        let entries = match std::fs::read_dir(self.folder()?) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            names.extend(entry.file_name().to_str().filter(|_| is_file).and_then(decode));
        }
        names.sort();
        Ok(names)
    }

    /// A cursor's position; none for one that was never committed.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a name that cannot be one; [`Error::Corrupt`].
    pub(crate) fn position(&self, name: &str) -> Result<Option<u64>> {
        let path = self.folder()?.join(encode(name)?);
        let file = match file::open_itself(&path, true) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|error| Error::io(&error, "open", Some(&path)))?,
        };
        let mut held = self.held(&file, &path);
        for _ in 1..MOST_READS {
            if !matches!(held, Err(Error::Corrupt { .. })) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
            held = self.held(&file, &path);
        }
        Ok(held?.slot.map(|slot| slot.position))
    }

    /// The cursor with the smallest position, of those that were committed.
    ///
    /// # Errors
    /// As [`Cursors::names`] and [`Cursors::position`].
    pub(crate) fn least(&self) -> Result<Option<(String, u64)>> {
        let mut least = None;
        for name in self.names()? {
            if let Some(position) = self.position(&name)?
                && least.as_ref().is_none_or(|(_, least)| position < *least)
            {
                least = Some((name, position));
            }
        }
        Ok(least)
    }

    /// Moves a cursor, durably, and back only by `force`. Returns where it is then.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] beyond `next`, the end of the journal; [`Error::InvalidValue`]; [`Error::Corrupt`]; `EAGAIN`
    /// where another process takes too long to change it; what the operating system says of the file. The cursor is where it
    /// was then.
    pub(crate) fn commit(&self, name: &str, position: u64, force: bool, next: u64) -> Result<u64> {
        let file_name = encode(name)?;
        if position > next {
            // Callers commit the record before the position.
            let expected = format!("< {next}, the end of the journal");
            return Err(Error::out_of_range("sequence", expected, position - 1));
        }
        let mut durable = self.durable();
        let change = Change::start(&self.folder()?.join(&file_name), || self.open_or_make(&file_name))?;
        let page = self.held(&change.file, &change.path)?;
        let Some(slot) = &page.slot else {
            let slot = Slot { count: 1, uuid: self.uuid, position, time: now() };
            self.begin(&change, &slot)?;
            durable.insert(file_name, slot.bytes());
            return Ok(position);
        };
        // Someone may have been killed before it was synced, and the other slot is overwritten now.
        if durable.get(&file_name) != Some(&slot.bytes()) && !deliberate::is_on("cursor: trusted") {
            change.sync()?;
            durable.insert(file_name.clone(), slot.bytes());
        }
        if position <= slot.position && !force {
            return Ok(slot.position);
        }
        let slot = Slot { count: slot.count + 1, position, time: now(), ..*slot };
        change.write_slot(&page, &slot)?;
        durable.insert(file_name, slot.bytes());
        Ok(position)
    }

    /// Removes a cursor, durably. One that is not there is removed already.
    ///
    /// # Errors
    /// `EAGAIN` while someone consumes by it; [`Error::InvalidValue`]; what the operating system says of the file.
    pub(crate) fn delete(&self, name: &str) -> Result<()> {
        let path = self.folder()?.join(encode(name)?);
        let mut durable = self.durable();
        let open = || file::open_itself(&path, false).map_err(|error| Error::io(&error, "open", Some(path.as_path())));
        let is_missing = |error: &io::Error| error.kind() == ErrorKind::NotFound;
        if path.symlink_metadata().is_err_and(|error| is_missing(&error)) {
            return self.sync_folder().or_else(|error| if self.folder.exists() { Err(error) } else { Ok(()) });
        }
        let Some(held) = NamedLock::take(&path, open)? else { return Err(consumed(name, &path)) };
        let _change = Change::of(held.file().try_clone(), &path)?;
        durable.remove(&encode(name)?);
        match seam::remove(&path) {
            Err(error) if !is_missing(&error) => return Err(Error::io(&error, "unlink", Some(&path))),
            _ => {}
        }
        self.sync_folder()
    }

    /// Keeps others from consuming by a cursor, in other processes and in this one, until the lock is dropped. The cursor's
    /// file is made where there is none.
    ///
    /// # Errors
    /// `EAGAIN` while someone else does; [`Error::InvalidValue`]; what the operating system says of the file.
    pub(crate) fn lock(&self, name: &str) -> Result<CursorLock> {
        let file_name = encode(name)?;
        let path = self.folder()?.join(&file_name);
        let held = NamedLock::take(&path, || self.open_or_make(&file_name))?;
        held.map(CursorLock).ok_or_else(|| consumed(name, &path))
    }

    /// The folder with the cursors, which no link leads to: files elsewhere are none of the journal's.
    fn folder(&self) -> Result<&Path> {
        if !self.folder.is_symlink() {
            return Ok(&self.folder);
        }
        let linked = Error::os(errno::ENOTDIR, "open", Some(&self.folder));
        Err(linked.with_hint("it is a symbolic link, and the cursors of a journal lie in its own folder"))
    }

    fn durable(&self) -> MutexGuard<'_, HashMap<String, [u8; SIZE]>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_or_make(&self, file_name: &str) -> Result<File> {
        let path = self.folder.join(file_name);
        let file = match file::open_or_make_itself(&path, self.mode) {
            Err(error) if error.kind() == ErrorKind::NotFound => file::make_folder(&self.folder, self.mode)
                .map_err(|error| Error::io(&error, "mkdir", Some(&self.folder)))
                .and_then(|()| {
                    file::open_or_make_itself(&path, self.mode).map_err(|error| Error::io(&error, "open", Some(&path)))
                })?,
            file => file.map_err(|error| Error::io(&error, "open", Some(&path)))?,
        };
        Ok(file)
    }

    /// What a cursor's file holds.
    fn held(&self, file: &File, path: &Path) -> Result<Held> {
        let size = file::regular_size(file::descriptor(file), Some(path), "fstat")?;
        let mut page = Box::new([0; PAGE]);
        file::read_exact_at(file, &mut page[..PAGE.min(size as usize)], 0)
            .map_err(|error| Error::io(&error, "read", Some(path)))?;
        let corrupt =
            |field, detail: String| Error::Corrupt { path: Some(path.to_path_buf()), field, offset: 0, detail };
        let slot = Slot::latest(&page);
        match &slot {
            Some(slot) if slot.uuid != self.uuid => {
                Err(corrupt("uuid", "the cursor is another journal's: remove it".to_owned()))
            }
            None if !Slot::are_unwritten(&page) => Err(corrupt(
                "slots",
                "neither slot has its checksum, so that the cursor's position is not known: delete the cursor"
                    .to_owned(),
            )),
            _ => Ok(Held { page, slot }),
        }
    }

    /// Writes the first slot of a file, and makes the file durable, with its name. The slot is none before all that.
    fn begin(&self, change: &Change, slot: &Slot) -> Result<()> {
        const MAGIC: usize = 8;
        let (mut page, bytes) = ([0; PAGE], slot.bytes());
        page[MAGIC..SIZE].copy_from_slice(&bytes[MAGIC..]);
        if deliberate::is_on("cursor: begun at once") {
            page[..SIZE].copy_from_slice(&bytes);
        }
        change.write(&page, 0)?;
        change.sync_all()?;
        if !deliberate::is_on("cursor: folder not synced") && !(self.sync_folders()?) {
            change.sync_all()?;
        }
        change.write_durably(&bytes[..MAGIC], 0, &[0; MAGIC])
    }

    /// Makes the name of a cursor's file durable, and that of their folder. False where a folder cannot be synced.
    fn sync_folders(&self) -> Result<bool> {
        let sync = |path: &Path| file::sync_folder(path).map_err(|error| Error::io(&error, "fsync", Some(path)));
        Ok(sync(&self.folder)? && sync(&self.journal)?)
    }

    fn sync_folder(&self) -> Result<()> {
        if deliberate::is_on("cursor: deleting not synced") {
            return Ok(());
        }
        file::sync_folder(&self.folder).map(drop).map_err(|error| Error::io(&error, "fsync", Some(&self.folder)))
    }
}

/// What a cursor's file holds: its bytes, and the slot that counts.
struct Held {
    page: Box<[u8; PAGE]>,
    slot: Option<Slot>,
}

/// The right to change a cursor's file, which one has at a time.
struct Change {
    file: File,
    path: PathBuf,
}

impl Change {
    /// Starts a change of the file that `open` opens, and that has the name after that.
    fn start(path: &Path, open: impl Fn() -> Result<File>) -> Result<Self> {
        loop {
            let change = Self::of(Ok(open()?), path)?;
            if file::leads_to(path, &change.file) || deliberate::is_on("cursor: name not looked at") {
                return Ok(change);
            }
        }
    }

    fn of(file: io::Result<File>, path: &Path) -> Result<Self> {
        let file = file.map_err(|error| Error::io(&error, "open", Some(path)))?;
        let locked = std::cell::RefCell::new(Ok(false));
        futex::poll(PATIENCE, || {
            let is_free = deliberate::is_on("cursor: changed without the lock");
            *locked.borrow_mut() = if is_free { Ok(true) } else { lock(&file, Byte::Change, path) };
            *locked.borrow() != Ok(false)
        });
        if locked.into_inner()? {
            return Ok(Self { file, path: path.to_path_buf() });
        }
        let busy = Error::os(errno::EAGAIN, "lock", Some(path));
        Err(busy.with_hint("another process does not finish its change of the cursor: is it stopped?"))
    }

    fn failed(&self, syscall: &'static str) -> impl Fn(io::Error) -> Error {
        move |error| Error::io(&error, syscall, Some(&self.path))
    }

    fn write(&self, data: &[u8], offset: u64) -> Result<()> {
        seam::pwrite(&self.file, data, offset).map_err(self.failed("write"))
    }

    fn sync(&self) -> Result<()> {
        if deliberate::is_on("cursor: not synced") {
            return Ok(());
        }
        seam::sync_data(&self.file).map_err(self.failed("fdatasync"))
    }

    fn sync_all(&self) -> Result<()> {
        seam::sync_all(&self.file).map_err(self.failed("fsync"))
    }

    /// Writes and syncs. Where that fails, what was there `before` is put back: the next change must not take the slot for
    /// a durable one, and overwrite the other.
    fn write_durably(&self, data: &[u8], offset: u64, before: &[u8]) -> Result<()> {
        let written = self.write(data, offset).and_then(|()| self.sync());
        written.inspect_err(|_| {
            if !deliberate::is_on("cursor: failed position left there") {
                drop(seam::pwrite(&self.file, before, offset));
            }
        })
    }

    fn write_slot(&self, held: &Held, slot: &Slot) -> Result<()> {
        let at = slot.place();
        self.write_durably(&slot.bytes(), at as u64, &held.page[at..at + SIZE])
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        os::lock::unlock(&self.file, Byte::Change);
    }
}

fn consumed(name: &str, path: &Path) -> Error {
    let hint = format!("someone consumes by the cursor '{name}', in this process or another: end that first");
    Error::os(errno::EAGAIN, "lock", Some(path)).with_hint(hint)
}

/// In microseconds.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')
}

/// The name of a cursor's file.
fn encode(name: &str) -> Result<String> {
    let invalid = |reason| Err(Error::InvalidValue { name: "name", reason });
    let mut encoded = String::new();
    for byte in name.bytes() {
        match is_plain(byte) {
            true => encoded.push(byte.into()),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    match encoded.len() {
        0 => invalid("a cursor's name is not empty"),
        1..=MOST_NAME => Ok(encoded),
        _ => invalid(
            "a cursor's name takes at most 100 bytes, and three each for those other than a to z, 0 to 9, _ and -",
        ),
    }
}

/// The cursor whose file has this name; none where no cursor's has.
fn decode(file_name: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), file_name.as_bytes());
    while let Some((&first, behind)) = rest.split_first() {
        let (byte, behind) = match first {
            b'%' => (u8::from_str_radix(std::str::from_utf8(behind.get(..2)?).ok()?, 16).ok()?, &behind[2..]),
            _ => (first, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
    let name = String::from_utf8(bytes).ok()?;
    encode(&name).is_ok_and(|encoded| encoded == file_name).then_some(name)
}
