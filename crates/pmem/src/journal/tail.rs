//! The file `tail`: how far a journal is durable, in a page that all processes of this boot share.
//!
//! One process writes `next`, everyone else only says that it waits. The page is reached by atomics alone, since other
//! processes store to it at any time.

use std::fs::File;
use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use crate::os::mapping::{Access, Mapping};
use crate::os::{boot, deliberate, errno, file, futex, seam};
use crate::{Error, Result};

const NAME: &str = "tail";

/// The size of the file.
const PAGE: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

const MAGIC: u64 = u64::from_le_bytes(*b"PMEMTAIL");
const VERSION: u32 = 1;

/// Where the fields are.
mod at {
    pub(super) const MAGIC: u64 = 0;
    pub(super) const VERSION: u64 = 8;
    pub(super) const WAITERS: u64 = 12;
    pub(super) const BOOT: u64 = 16;
    pub(super) const DEVICE: u64 = 32;
    pub(super) const INODE: u64 = 40;
    pub(super) const UUID: u64 = 48;
    pub(super) const NEXT: u64 = 64;
}

/// How often a file may be found cut while it is taken over.
const MOST_TRIES: usize = 10;

/// The shared page of a journal.
#[derive(Debug)]
pub(crate) struct Tail {
    mapping: Mapping,
    file: File,
    identity: Identity,
    /// Whether this process may say that it waits.
    writable: bool,
}

/// Whose page it must be.
#[derive(Clone, Copy, Debug)]
struct Identity {
    boot: [u64; 2],
    id: (u64, u64),
    uuid: [u64; 2],
}

impl Identity {
    fn new(file: &File, boot: [u8; 16], uuid: [u8; 16]) -> std::io::Result<Self> {
        Ok(Self { boot: halves(boot), id: file::file_id(file)?, uuid: halves(uuid) })
    }

    /// The fields but for the boot, the version and `next`.
    fn fields(&self) -> [(u64, u64); 5] {
        [
            (at::MAGIC, MAGIC),
            (at::DEVICE, self.id.0),
            (at::INODE, self.id.1),
            (at::UUID, self.uuid[0]),
            (at::UUID + 8, self.uuid[1]),
        ]
    }
}

/// Eight and eight bytes, as numbers that are in a file as the bytes are.
fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let number = u128::from_le_bytes(bytes);
    [number as u64, (number >> 64) as u64]
}

impl Tail {
    /// The page for who writes the journal, and has locked it. Readers see `next` from now on.
    ///
    /// None where the system tells no boot apart, and where a full disk has no room for the file: readers go by the frames
    /// then.
    ///
    /// # Errors
    /// A folder in its place, and others that cannot be replaced; [`Error::Fault`] where someone cuts it all the time.
    pub(crate) fn publish_to(folder: &Path, uuid: [u8; 16], next: u64, mode: u32) -> Result<Option<Self>> {
        boot::boot_id().map_or(Ok(None), |boot| Self::publish_in(folder, uuid, next, mode, boot))
    }

    fn publish_in(folder: &Path, uuid: [u8; 16], next: u64, mode: u32, boot: [u8; 16]) -> Result<Option<Self>> {
        let path = folder.join(NAME);
        for _ in 0..MOST_TRIES {
            let Some(file) = take_or_make(&path, mode)? else { return Ok(None) };
            let tail = Self::over(file, boot, uuid, true).map_err(|error| Error::io(&error, "mmap", Some(&path)))?;
            tail.claim(next);
            if tail.is_current(folder) {
                return Ok(Some(tail));
            }
        }
        Err(Error::Fault { path: Some(path) })
    }

    /// The page for who reads, if it holds for this boot and journal.
    pub(crate) fn look(folder: &Path, uuid: [u8; 16]) -> Option<Self> {
        Self::look_in(folder, uuid, boot::boot_id()?)
    }

    fn look_in(folder: &Path, uuid: [u8; 16], boot: [u8; 16]) -> Option<Self> {
        let path = folder.join(NAME);
        let open = |readonly| file::open_itself(&path, readonly).ok().filter(|file| is_page(file, &path));
        let map = |file, writable| Self::over(file, boot, uuid, writable).ok();
        let writable = open(false).and_then(|file| map(file, true));
        let tail = writable.or_else(|| map(open(true)?, false))?;
        tail.holds().then_some(tail)
    }

    fn over(file: File, boot: [u8; 16], uuid: [u8; 16], writable: bool) -> std::io::Result<Self> {
        let access = if writable { Access::Shared } else { Access::Read };
        let mapping = Mapping::new(file::descriptor(&file), 0, PAGE, access)?;
        let identity = Identity::new(&file, boot, uuid)?;
        Ok(Self { mapping, file, identity, writable })
    }

    /// Makes the page this journal's and this boot's. Nobody takes it for valid before all fields are right.
    fn claim(&self, next: u64) {
        if self.holds() {
            self.publish(next);
            return;
        }
        self.set(at::BOOT, 0);
        self.set(at::BOOT + 8, 0);
        for (offset, value) in self.identity.fields() {
            self.set(offset, value);
        }
        self.mapping.word(at::VERSION).store(VERSION.to_le(), SeqCst);
        self.publish(next);
        self.set(at::BOOT, self.identity.boot[0]);
        self.set(at::BOOT + 8, self.identity.boot[1]);
    }

    /// Whether the page is this journal's and this boot's, and was not lost.
    fn holds(&self) -> bool {
        let is_version = u32::from_le(self.mapping.word(at::VERSION).load(SeqCst)) == VERSION;
        let is_ours = || self.identity.fields().iter().all(|(offset, value)| self.get(*offset) == *value);
        // The boot goes first and comes last when the others change.
        is_version && self.is_this_boot() && is_ours() && self.is_this_boot() && !self.is_lost()
    }

    fn is_this_boot(&self) -> bool {
        let boot = [self.get(at::BOOT), self.get(at::BOOT + 8)];
        boot == self.identity.boot || deliberate::is_on("tail: boot not looked at")
    }

    fn get(&self, offset: u64) -> u64 {
        u64::from_le(self.mapping.double_word(offset).load(SeqCst))
    }

    fn set(&self, offset: u64, value: u64) {
        self.mapping.double_word(offset).store(value.to_le(), SeqCst);
    }

    /// Says that all records before `next` are durable, and wakes who waits for that. False once the page is lost: then
    /// readers see nothing of it, and another one has to be made, by [`Tail::publish_to`].
    #[inline]
    pub(crate) fn publish(&self, next: u64) -> bool {
        self.publish_while(next, || ())
    }

    /// [`Tail::publish`], with what others may do between the store and the look at who waits.
    #[inline(always)]
    fn publish_while(&self, next: u64, others: impl FnOnce()) -> bool {
        let late = deliberate::is_on("tail: waiters cleared late");
        // Who says that it waits before the store may mean this change. Who says so after it has seen this one already and
        // means the next, so that it must not be cleared then.
        let waits = !late && self.clear_waiters();
        self.set(at::NEXT, next);
        others();
        if waits || (late && self.clear_waiters()) || self.mapping.word(at::WAITERS).load(SeqCst) != 0 {
            self.interrupt();
        }
        !self.is_lost()
    }

    /// Forgets who waits. Whether someone did.
    #[inline(always)]
    fn clear_waiters(&self) -> bool {
        let waiters = self.mapping.word(at::WAITERS);
        waiters.load(SeqCst) != 0 && waiters.swap(0, SeqCst) != 0
    }

    /// Says that someone waits.
    fn say_that_one_waits(&self) {
        self.mapping.word(at::WAITERS).store(1u32.to_le(), SeqCst);
    }

    /// The sequence behind the last durable record; none once the page is lost, or overwritten by someone who does not know
    /// what it is.
    #[inline]
    pub(crate) fn next(&self) -> Option<u64> {
        let next = self.get(at::NEXT);
        self.holds().then_some(next)
    }

    /// Whether the page was lost: it says nothing any more.
    #[inline]
    pub(crate) fn is_lost(&self) -> bool {
        self.mapping.is_faulted()
    }

    /// Whether it is still the page that others find in this folder, whole, and this journal's.
    pub(crate) fn is_current(&self, folder: &Path) -> bool {
        let path = folder.join(NAME);
        file::leads_to(&path, &self.file) && is_page(&self.file, &path) && self.holds()
    }

    /// Returns once `next` is not `seen` any more, or after the timeout, or for no reason.
    pub(crate) fn wait(&self, seen: u64, timeout: Duration) {
        let is_over = || self.next() != Some(seen);
        if !self.writable || !futex::WAKES {
            return futex::poll(timeout, is_over);
        }
        self.say_that_one_waits();
        // Also where the page is lost: the store did not reach anyone then.
        if !is_over() {
            futex::wait(self.mapping.word(at::NEXT), (seen as u32).to_le(), timeout);
        }
    }

    /// Lets every wait return that has begun, in all processes.
    pub(crate) fn interrupt(&self) {
        futex::wake_all(self.mapping.word(at::NEXT));
    }
}

/// Whether the file is a whole page.
fn is_page(file: &File, path: &Path) -> bool {
    let size = file::regular_size(file::descriptor(file), Some(path), "fstat");
    size.is_ok_and(|size| size == PAGE.get() as u64)
}

/// The file that is there, if it can be used; otherwise a new one, of zeros. None where there is no room for it.
fn take_or_make(path: &Path, mode: u32) -> Result<Option<File>> {
    match file::open_itself(path, false) {
        Ok(file) if is_page(&file, path) => return Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) if !is_replaceable(&error, path) => return Err(Error::io(&error, "open", Some(path))),
        // Another user's, a link, one that was cut. Who has it mapped sees that its name leads elsewhere.
        Ok(_) | Err(_) => remove(path)?,
    }
    make(path, mode)
}

fn is_replaceable(error: &std::io::Error, path: &Path) -> bool {
    error.kind() == ErrorKind::PermissionDenied || path.is_symlink()
}

fn remove(path: &Path) -> Result<()> {
    match seam::remove(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(&error, "unlink", Some(path))
            .with_hint("it is not the journal's file, or another user's, and cannot be replaced: remove it")),
        _ => Ok(()),
    }
}

fn make(path: &Path, mode: u32) -> Result<Option<File>> {
    let made = file::make_itself(path, mode).and_then(|file| {
        // Room for the page: without, the first store to it would lose it.
        seam::pwrite(&file, &[0; PAGE.get()], 0).inspect_err(|_| drop(seam::remove(path)))?;
        Ok(file)
    });
    match made {
        Ok(file) => Ok(Some(file)),
        Err(error) if errno::of(&error) == errno::ENOSPC => Ok(None),
        Err(error) => Err(Error::io(&error, "open", Some(path))),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64};
    use std::time::Instant;

    use super::*;

    const UUID: [u8; 16] = *b"a journal's uuid";
    const OTHER: [u8; 16] = *b"another journals";
    const BOOT: [u8; 16] = *b"this very boot..";

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" }).unwrap()
    }

    fn publish(folder: &Path, next: u64) -> Tail {
        Tail::publish_to(folder, UUID, next, 0o600).unwrap().unwrap()
    }

    fn seen(folder: &Path) -> Option<u64> {
        Tail::look(folder, UUID)?.next()
    }

    #[test]
    fn readers_see_what_the_writer_publishes_also_when_it_is_gone() {
        let folder = folder();
        let path = folder.path();
        assert_eq!(seen(path), None);
        let tail = publish(path, 7);
        let reader = Tail::look(path, UUID).unwrap();
        assert_eq!(reader.next(), Some(7));
        assert!(tail.publish(1 << 40 | 5));
        assert_eq!(reader.next(), Some(1 << 40 | 5));
        drop(tail);
        assert_eq!(seen(path), Some(1 << 40 | 5));
        // The next writer takes it over, where readers have it mapped.
        let tail = publish(path, 1 << 41);
        assert_eq!(reader.next(), Some(1 << 41));
        assert!(reader.is_current(path) && tail.is_current(path));
    }

    #[test]
    fn the_bytes_are_as_the_format_says() {
        let folder = folder();
        let _tail = publish(folder.path(), 0x0102_0304_0506_0708);
        let bytes = std::fs::read(folder.path().join("tail")).unwrap();
        let id = file::file_id(File::open(folder.path().join("tail")).unwrap()).unwrap();
        assert_eq!(bytes.len(), 4096);
        assert_eq!(&bytes[..16], b"PMEMTAIL\x01\0\0\0\0\0\0\0");
        assert_eq!(&bytes[16..32], boot::boot_id().unwrap());
        assert_eq!((&bytes[32..40], &bytes[40..48]), (&id.0.to_le_bytes()[..], &id.1.to_le_bytes()[..]));
        assert_eq!((&bytes[48..64], &bytes[64..72]), (&UUID[..], &[8, 7, 6, 5, 4, 3, 2, 1][..]));
        assert_eq!(bytes[72..], [0; 4096 - 72]);
    }

    #[test]
    fn it_holds_for_one_boot_one_journal_and_one_file() {
        let folder = folder();
        let path = folder.path();
        drop(Tail::publish_in(path, UUID, 7, 0o600, BOOT).unwrap());
        assert_eq!(Tail::look_in(path, UUID, BOOT).unwrap().next(), Some(7));
        assert!(Tail::look_in(path, OTHER, BOOT).is_none());
        let mut next_boot = BOOT;
        for byte in [0, 15] {
            next_boot[byte] ^= 1;
            assert!(Tail::look_in(path, UUID, next_boot).is_none());
        }
        // A copy, as of the whole folder.
        let copied = folder.path().join("copy");
        std::fs::create_dir(&copied).unwrap();
        std::fs::copy(path.join("tail"), copied.join("tail")).unwrap();
        assert!(Tail::look_in(&copied, UUID, BOOT).is_none());
        for offset in [0, 8, 16, 24, 32, 40, 48, 56] {
            let tail = Tail::publish_in(path, UUID, 7, 0o600, BOOT).unwrap().unwrap();
            assert!(tail.is_current(path));
            tail.set(offset, tail.get(offset) ^ 1 << 7);
            assert!(Tail::look_in(path, UUID, BOOT).is_none() && !tail.is_current(path), "{offset}");
        }
        let taken = Tail::publish_in(path, OTHER, 3, 0o600, next_boot).unwrap().unwrap();
        assert_eq!((Tail::look_in(path, OTHER, next_boot).unwrap().next(), taken.next()), (Some(3), Some(3)));
        assert!(Tail::look_in(path, UUID, BOOT).is_none());
    }

    #[test]
    fn what_is_no_page_is_made_again() {
        let folder = folder();
        let path = folder.path().join("tail");
        let old = publish(folder.path(), 5);
        let replaced: [&dyn Fn(); 4] = [
            &|| std::fs::write(&path, b"short").unwrap(),
            &|| std::fs::write(&path, [1; 5000]).unwrap(),
            &|| std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap(),
            &|| nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap(),
        ];
        for put in replaced {
            std::fs::remove_file(&path).unwrap();
            put();
            assert_eq!(seen(folder.path()), None);
            let tail = publish(folder.path(), 7);
            assert_eq!((seen(folder.path()), tail.is_current(folder.path())), (Some(7), true));
            assert!(!old.is_current(folder.path()) && !folder.path().join("elsewhere").exists());
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(Tail::publish_to(folder.path(), UUID, 1, 0o600).unwrap_err().code(), "EISDIR");
        assert_eq!(seen(folder.path()), None);
    }

    #[test]
    fn a_page_that_is_cut_is_lost_and_another_is_made() {
        let folder = folder();
        let (tail, reader) = (publish(folder.path(), 5), Tail::look(folder.path(), UUID).unwrap());
        File::options().write(true).open(folder.path().join("tail")).unwrap().set_len(0).unwrap();
        assert_eq!((reader.next(), tail.publish(6)), (None, false));
        reader.wait(5, Duration::from_secs(100));
        assert!(tail.is_lost() && !tail.is_current(folder.path()) && !reader.is_current(folder.path()));
        assert_eq!(seen(folder.path()), None);
        let tail = publish(folder.path(), 7);
        assert_eq!((seen(folder.path()), tail.publish(8)), (Some(7), true));
        // Grown again it is a page of zeros, of which nobody is told.
        let cut = File::options().write(true).open(folder.path().join("tail")).unwrap();
        cut.set_len(0).unwrap();
        cut.set_len(4096).unwrap();
        assert!(!tail.is_current(folder.path()));
    }

    #[test]
    fn a_page_that_is_overwritten_says_nothing() {
        let folder = folder();
        let (tail, reader) = (publish(folder.path(), 5), Tail::look(folder.path(), UUID).unwrap());
        let page = File::options().write(true).open(folder.path().join("tail")).unwrap();
        seam::pwrite(&page, &[0xff; 4096], 0).unwrap();
        assert_eq!((reader.next(), seen(folder.path())), (None, None));
        reader.wait(5, Duration::from_secs(100));
        tail.publish(6);
        assert_eq!(reader.next(), None);
        assert_eq!((publish(folder.path(), 7).next(), seen(folder.path()), reader.next()), (Some(7), Some(7), Some(7)));
    }

    #[test]
    fn without_room_there_is_none() {
        use crate::os::seam::recorder::Recorder;
        let (folder, recorder) = (folder(), Recorder::new());
        let _attached = recorder.attach();
        recorder.fail_write(0);
        assert!(Tail::publish_to(folder.path(), UUID, 5, 0o600).unwrap().is_none());
        assert!(!folder.path().join("tail").exists());
    }

    #[test]
    fn waits_end_by_a_change_by_an_interruption_and_by_time() {
        for writable in [true, false] {
            let folder = folder();
            let tail = publish(folder.path(), 5);
            let mut reader = Tail::look(folder.path(), UUID).unwrap();
            reader.writable = writable;
            reader.wait(4, Duration::from_secs(100));
            let start = Instant::now();
            reader.wait(5, Duration::from_millis(20));
            assert!(start.elapsed() >= Duration::from_millis(20));
            std::thread::scope(|scope| {
                scope.spawn(|| reader.wait(5, Duration::from_secs(100)));
                std::thread::sleep(Duration::from_millis(20));
                tail.publish(6);
            });
            assert_eq!(tail.mapping.word(at::WAITERS).load(SeqCst), 0);
        }
        let folder = folder();
        let tail = publish(folder.path(), 5);
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                tail.wait(5, Duration::from_secs(100));
                ended.store(true, SeqCst);
            });
            while !ended.load(SeqCst) {
                tail.interrupt();
            }
        });
    }

    #[test]
    fn who_waits_for_the_next_change_is_not_forgotten_by_this_one() {
        let folder = folder();
        let (tail, reader) = (publish(folder.path(), 5), Tail::look(folder.path(), UUID).unwrap());
        let waiters = tail.mapping.word(at::WAITERS);
        reader.say_that_one_waits();
        tail.publish_while(6, || assert_eq!(reader.next(), Some(6)));
        assert_eq!(waiters.load(SeqCst), 0);
        tail.publish_while(7, || reader.say_that_one_waits());
        assert_eq!(waiters.load(SeqCst), 1);
    }

    /// Two readers wait by turns for each change, and none of the waits may be forgotten: it would end after a minute.
    #[test]
    fn no_wait_is_forgotten() {
        const ROUNDS: u64 = 20_000;
        let folder = folder();
        let tail = publish(folder.path(), 0);
        let seen: [Arc<AtomicU64>; 2] = Default::default();
        std::thread::scope(|scope| {
            for seen in &seen {
                let reader = Tail::look(folder.path(), UUID).unwrap();
                scope.spawn(move || {
                    while seen.load(SeqCst) < ROUNDS {
                        let next = reader.next().unwrap();
                        if next == seen.swap(next, SeqCst) {
                            reader.wait(next, Duration::from_secs(60));
                        }
                    }
                });
            }
            for next in 1..=ROUNDS {
                tail.publish(next);
                let reader = &seen[next as usize % 2];
                while reader.load(SeqCst) < next && next % 3 != 0 {
                    std::hint::spin_loop();
                }
            }
        });
    }
}
