//! Readers beside a writer: who may have a file open that one process writes and others read.
//!
//! Two kinds of locks say who is there. Other programs on the NVM Library's formats know the first kind alone.
//!
//! | lock | who holds it |
//! |---|---|
//! | `flock` | a writer exclusively; a reader shared, where there is no writer |
//! | byte [`WRITER`] | a writer of ours exclusively: the mark |
//! | byte [`READERS`] | a reader of ours shared, beside a writer and while it follows; a writer exclusively, while it takes contents back |
//! | byte [`NEXT`] | a writer of ours exclusively, from before it asks for `flock` until it has the mark |
//!
//! The bytes lie far behind the end of any pool, from 2^62 on. What must hold:
//!
//! 1. *The mark stands only under the exclusive `flock` of the same process.* A writer takes `flock` first and gives the mark
//!    up first. Where it dies, the system gives up byte locks before the `flock` of the same open file. So whoever sees the
//!    mark knows that no other program writes.
//! 2. *A reader that copies holds `flock`, or holds READERS and saw the mark before its copy and after.* It takes READERS
//!    before it looks for the mark, and keeps it as long as it has no `flock`. So a writer of ours, also one that came
//!    later, finds READERS held before it takes contents back, and refuses.
//! 3. *A reader that misses the mark takes `flock`, or ends.* No mark and no `flock` to be had means that a writer of ours is
//!    just coming, which NEXT says, or just going, or that another program has the file: the reader tries for a while, then
//!    takes the latter for granted. What that program does to the contents it cannot know, so it gives nothing more.
//! 4. *A reader gives `flock` up only to a writer of ours that comes*, which NEXT says, while it holds READERS; it reads
//!    nothing until it sees the mark, or has `flock` again, which it does not ask for while NEXT is held. Another program that
//!    comes in between has the file, by 3. Readers that look often (that follow) make room so; a writer waits for those, not
//!    for others.
//!
//! Byte locks cannot tell one mark from another. A program of the other kind that comes after the one and goes before the
//! other, all of it between two looks of a reader, is not noticed; the reader finds contents that shrank, no others.

use std::fs::{File, TryLockError};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use super::lock::Locked;
use crate::os::byte_locks::{self, Hold, holder};
use crate::os::{deliberate, errno};
use crate::{Error, Result};

// Apart, since the system makes one lock of two neighbours that one holder has.
const WRITER: u64 = 1 << 62;
const READERS: u64 = WRITER + 16;
const NEXT: u64 = WRITER + 32;

/// How long a try is apart from the next.
const PAUSE: Duration = Duration::from_millis(1);

/// How often a file that seems to be another program's is tried again: a writer of ours may be just coming or going.
const TRIES: usize = if byte_locks::AVAILABLE { 20 } else { 1 };

/// The same for a reader that would end.
const LAST_TRIES: usize = 10 * TRIES;

/// How often a writer tries while it waits for readers that look at least each 50 ms, if nothing holds them up.
const WRITER_TRIES: usize = 1000;

/// How often a reader tries while a writer of ours is at something that ends.
const READER_TRIES: usize = 2000;

fn is_marked(file: &File) -> bool {
    matches!(holder(file, WRITER), Ok(Some(Hold::Exclusive)))
}

/// Whether a writer of ours is coming.
fn is_awaited(file: &File) -> bool {
    matches!(holder(file, NEXT), Ok(Some(Hold::Exclusive)))
}

fn duplicate(file: &File, path: &Path, syscall: &'static str) -> Result<File> {
    file.try_clone().map_err(|error| Error::io(&error, syscall, Some(path)))
}

/// How a file is open.
pub(crate) enum Seat {
    /// It is written: it has the lock against all others, and no mark yet.
    Writer(Locked, Option<Turn>),
    /// It is read.
    Reader(Locked, Place),
}

impl Seat {
    pub(crate) fn take(file: File, readonly: bool, path: &Path, syscall: &'static str) -> Result<Self> {
        if readonly {
            return Place::take(file, path, syscall).map(|(file, place)| Seat::Reader(file, place));
        }
        let (file, turn) = lock_as_writer(file, path, syscall)?;
        Ok(Seat::Writer(file, turn))
    }
}

impl Deref for Seat {
    type Target = File;

    fn deref(&self) -> &File {
        match self {
            Seat::Writer(file, _) | Seat::Reader(file, _) => file,
        }
    }
}

/// Locks a file against all others. Readers that look often are waited for.
fn lock_as_writer(file: File, path: &Path, syscall: &'static str) -> Result<(Locked, Option<Turn>)> {
    let again = duplicate(&file, path, syscall)?;
    let turn = Turn::take(&again);
    let busy = match Locked::new(file, false, path, syscall) {
        Ok(locked) => return Ok((locked, turn)),
        Err(error) => error,
    };
    let is_read = !is_marked(&again) && matches!(holder(&again, READERS), Ok(Some(Hold::Shared)));
    if turn.is_none() || !is_read {
        return Err(busy);
    }
    for _ in 0..WRITER_TRIES {
        sleep(PAUSE);
        if let Ok(locked) = Locked::new(duplicate(&again, path, syscall)?, false, path, syscall) {
            return Ok((locked, turn));
        }
    }
    Err(busy)
}

/// Says that a writer of ours is coming, until it has the mark.
pub(crate) struct Turn(File);

impl Turn {
    fn take(file: &File) -> Option<Self> {
        let file = file.try_clone().ok().filter(|_| !deliberate::is_on("beside: coming writer says nothing"))?;
        byte_locks::lock(&file, NEXT, Hold::Exclusive).unwrap_or(false).then(|| Self(file))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        byte_locks::unlock(&self.0, NEXT);
    }
}

/// A writer's mark.
pub(crate) struct Mark(File);

impl Mark {
    /// Marks a file that this process has locked against all others, by whichever open file. None where there are no marks:
    /// then readers elsewhere are refused.
    pub(crate) fn set(file: &File) -> Option<Self> {
        if deliberate::is_on("beside: no mark") {
            return None;
        }
        let file = file.try_clone().ok()?;
        byte_locks::lock(&file, WRITER, Hold::Exclusive).unwrap_or(false).then(|| Self(file))
    }

    /// Keeps readers of other processes away; none where there are some.
    pub(crate) fn without_readers(&self) -> Option<WithoutReaders<'_>> {
        let alone = deliberate::is_on("beside: readers not asked")
            || byte_locks::lock(&self.0, READERS, Hold::Exclusive).unwrap_or(false);
        alone.then(|| WithoutReaders(&self.0))
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        byte_locks::unlock(&self.0, WRITER);
    }
}

/// As long as this is there no reader of another process is.
pub(crate) struct WithoutReaders<'mark>(&'mark File);

impl Drop for WithoutReaders<'_> {
    fn drop(&mut self) {
        byte_locks::unlock(self.0, READERS);
    }
}

/// Why a reader may read, and how often that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cover(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// A writer of ours was there when the reader last looked. READERS is held.
    Beside,
    /// `flock` is held: nobody writes.
    Alone,
    /// It may not.
    Out,
}

impl Cover {
    fn after(self, why: Why) -> Self {
        Self((self.0 | 3) + 1 + why as u64)
    }

    fn why(self) -> Why {
        [Why::Beside, Why::Alone, Why::Out][(self.0 & 3) as usize]
    }

    /// Whether nothing changes as long as this stands.
    pub(crate) fn is_quiet(self) -> bool {
        self.why() == Why::Alone
    }
}

/// A reader's place.
pub(crate) struct Place {
    file: File,
    path: PathBuf,
    /// A [`Cover`], which changes under the lock below.
    cover: AtomicU64,
    held: Mutex<Held>,
}

/// What a reader holds beside `flock`.
#[derive(Default)]
struct Held {
    readers: bool,
    /// Whether it looks often, and so makes room for a writer.
    follows: bool,
}

impl Place {
    /// A place for a reader, and the file, with the lock that it takes and gives up.
    pub(crate) fn take(file: File, path: &Path, syscall: &'static str) -> Result<(Locked, Self)> {
        let place = Self {
            file: duplicate(&file, path, syscall)?,
            path: path.to_path_buf(),
            cover: AtomicU64::new(Why::Out as u64),
            held: Mutex::default(),
        };
        let file = Locked::by_reader(file);
        let (mut others, mut ours) = (TRIES, READER_TRIES);
        loop {
            if place.enter(&mut place.held(), syscall)? {
                return Ok((file, place));
            }
            let left = if is_marked(&place.file) || is_awaited(&place.file) { &mut ours } else { &mut others };
            *left -= 1;
            if *left == 0 {
                return Err(Locked::busy(path, syscall));
            }
            sleep(PAUSE);
        }
    }

    /// Does `work`, which reads, as often as it takes to have done it while nothing could be taken back.
    pub(crate) fn read<R>(&self, syscall: &'static str, mut work: impl FnMut(Cover) -> R) -> Result<R> {
        loop {
            let cover = self.look(syscall)?;
            let done = work(cover);
            fence(Ordering::Acquire);
            if deliberate::is_on("beside: not looked again") || self.stands(cover) {
                return Ok(done);
            }
        }
    }

    /// The cover, if nothing can change under it without this place knowing.
    pub(crate) fn quiet(&self) -> Option<Cover> {
        Some(self.cover()).filter(|cover| cover.is_quiet())
    }

    /// Makes room for a writer of ours that comes, from now on each time. False while one is on its way: nothing can be read
    /// then without waiting for it.
    pub(crate) fn make_room(&self) -> bool {
        let mut held = self.held();
        held.follows = true;
        match self.cover().why() {
            Why::Out => true,
            Why::Beside => is_marked(&self.file) || !is_awaited(&self.file),
            Why::Alone => {
                // Nobody keeps it from this reader, since nobody writes.
                let stays = deliberate::is_on("beside: no room made");
                if stays || !self.hold_readers(&mut held) || !is_awaited(&self.file) {
                    return true;
                }
                self.change(Why::Beside);
                let _ = self.file.unlock();
                false
            }
        }
    }

    fn cover(&self) -> Cover {
        Cover(self.cover.load(Ordering::Acquire))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, why: Why) {
        self.cover.store(self.cover().after(why).0, Ordering::Release);
    }

    fn stands(&self, cover: Cover) -> bool {
        self.cover() == cover && (cover.is_quiet() || is_marked(&self.file))
    }

    /// The cover, found or taken; `EAGAIN` once there is none.
    fn look(&self, syscall: &'static str) -> Result<Cover> {
        if let Some(cover) = self.quiet() {
            return Ok(cover);
        }
        let mut held = self.held();
        let (mut others, mut ours) = (LAST_TRIES, READER_TRIES);
        while self.cover().why() != Why::Out {
            if self.cover().is_quiet() || is_marked(&self.file) || self.enter(&mut held, syscall)? {
                return Ok(self.cover());
            }
            let left = if is_awaited(&self.file) { &mut ours } else { &mut others };
            *left -= 1;
            if *left == 0 {
                self.change(Why::Out);
                self.release_readers(&mut held);
            }
            sleep(PAUSE);
        }
        Err(Error::os(errno::EAGAIN, syscall, Some(&self.path)).with_hint(
            "its writer has left, and another program has it open now, which may change what was read: close it, and open it \
             again once that program has left",
        ))
    }

    /// Takes `flock`, or comes beside a writer of ours.
    fn enter(&self, held: &mut Held, syscall: &'static str) -> Result<bool> {
        if !is_awaited(&self.file) {
            match self.file.try_lock_shared() {
                Ok(()) => {
                    self.change(Why::Alone);
                    if !held.follows {
                        self.release_readers(held);
                    }
                    return Ok(true);
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(false),
                Err(TryLockError::Error(error)) => return Err(Locked::without_locks(&error, &self.path, syscall)),
            }
        }
        let was_held = held.readers;
        if !self.hold_readers(held) {
            return Ok(false);
        }
        if is_marked(&self.file) {
            self.change(Why::Beside);
            return Ok(true);
        }
        if !was_held {
            self.release_readers(held);
        }
        Ok(false)
    }

    fn hold_readers(&self, held: &mut Held) -> bool {
        held.readers = held.readers || byte_locks::lock(&self.file, READERS, Hold::Shared).unwrap_or(false);
        held.readers
    }

    fn release_readers(&self, held: &mut Held) {
        if std::mem::take(&mut held.readers) {
            byte_locks::unlock(&self.file, READERS);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.release_readers(&mut self.held());
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
