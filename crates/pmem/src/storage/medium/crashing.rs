//! The media of the engines over a recorder: they stop, fail, and tell what a crash may leave. For tests.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, OnceLock};

use super::{Failed, FileMedium, Locked, Medium, MemoryMedium, Range};
use crate::os::errno;
use crate::os::fault::FaultFlag;
use crate::os::mapping::Access;
use crate::os::seam::recorder::{Disk, Recorder, images};

pub(crate) use crate::os::seam::recorder::{Image, Random};

/// The two kinds of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Memory,
}

thread_local! {
    static KIND: Cell<Kind> = const { Cell::new(Kind::File) };
}

/// Runs a test on each kind of medium.
pub(crate) fn on_each_medium(test: impl Fn()) {
    for kind in [Kind::File, Kind::Memory] {
        println!("on {kind:?}");
        KIND.set(kind);
        test();
        images::tell(kind == Kind::Memory);
    }
}

/// The kind of medium that this thread makes.
pub(crate) fn kind() -> Kind {
    KIND.get()
}

/// A file in memory that is written as all files are, behind a recorder.
pub(crate) struct CrashMedium {
    inner: Box<dyn Medium>,
    file: File,
    recorder: Arc<Recorder>,
}

const NAME: &str = "pool";

impl CrashMedium {
    /// A medium with these bytes, all durable.
    pub(crate) fn new(image: Image) -> Self {
        Self::over(Disk::new(image))
    }

    fn over(disk: Disk) -> Self {
        let shm = Path::new("/dev/shm");
        let file = if shm.is_dir() { tempfile::tempfile_in(shm) } else { tempfile::tempfile() }.unwrap();
        disk.cached().write_to(&file).unwrap();
        let (recorder, len) = (Recorder::new(), disk.cached().len());
        recorder.adopt(Path::new(NAME), &file, disk);
        let _attached = recorder.attach();
        let locked = Locked::new(file.try_clone().unwrap(), false, Path::new(NAME), "open").unwrap();
        let inner: Box<dyn Medium> = match kind() {
            Kind::File => Box::new(FileMedium::new(locked, len).unwrap()),
            Kind::Memory => Box::new(MemoryMedium::new(locked, len, Access::Shared).unwrap()),
        };
        Self { inner, file, recorder: Arc::clone(&recorder) }
    }

    /// The same file as another process has it open that only reads: by another open file.
    #[cfg(target_os = "linux")]
    pub(crate) fn read_by(&self, file: Locked) -> Self {
        let _attached = self.recorder.attach();
        let len = self.inner.len();
        let inner: Box<dyn Medium> = match kind() {
            Kind::File => Box::new(FileMedium::new(file, len).unwrap()),
            Kind::Memory => Box::new(MemoryMedium::new(file, len, Access::Read).unwrap()),
        };
        Self { inner, file: self.file.try_clone().unwrap(), recorder: Arc::clone(&self.recorder) }
    }

    /// The file, opened again.
    #[cfg(target_os = "linux")]
    pub(crate) fn open_again(&self) -> File {
        use std::os::fd::AsRawFd;
        File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd())).unwrap()
    }

    /// The file as its writer has it open.
    #[cfg(target_os = "linux")]
    pub(crate) fn written(&self) -> &File {
        &self.file
    }

    /// Gives the writer's lock up.
    #[cfg(target_os = "linux")]
    pub(crate) fn unlock(&self) {
        self.file.unlock().unwrap();
    }

    /// As [`CrashMedium::with_seed`].
    #[cfg(target_os = "linux")]
    pub(crate) fn seed(&self, seed: u64) {
        self.recorder.seed(seed);
    }

    /// As [`CrashMedium::failing_sync`], of which there were some.
    #[cfg(target_os = "linux")]
    pub(crate) fn fail_sync_number(&self, number: usize) {
        self.recorder.fail_sync(number);
    }

    /// After a stop nothing must be built on words that were not written.
    fn check_goes_on(&self) -> io::Result<()> {
        if self.recorder.is_stopped() { Err(errno::failure(errno::EIO)) } else { Ok(()) }
    }

    /// Makes the choices of a crash by this seed.
    pub(crate) fn with_seed(self, seed: u64) -> Self {
        self.recorder.seed(seed);
        self
    }

    /// Ignores all stores and fails all syncs after this number of steps.
    pub(crate) fn stopping_after(self, steps: usize) -> Self {
        self.recorder.stop_after(steps);
        self
    }

    /// Fails the sync of this number, from 0 on.
    pub(crate) fn failing_sync(self, number: usize) -> Self {
        self.recorder.fail_sync(number);
        self
    }

    /// Fails the write of this number, from 0 on, as on a full disk.
    pub(crate) fn failing_write(self, number: usize) -> Self {
        self.recorder.fail_write(number);
        self
    }

    /// Meets someone else at `pause` twice in each sync, so that the other one sees what is possible meanwhile.
    pub(crate) fn pausing_syncs(self, pause: &Arc<Barrier>) -> Self {
        self.recorder.pause_syncs(pause);
        self
    }

    /// Keeps what a crash might leave after each step, for [`CrashMedium::take_crashes`].
    pub(crate) fn recording_crashes(self) -> Self {
        self.recorder.record_crashes();
        self
    }

    /// The same bytes for another user, cached and durable, with no stop and no failure to come.
    pub(crate) fn reopened(&self) -> Self {
        Self::over(self.recorder.disk(&self.file))
    }

    /// How many stores and syncs there were.
    pub(crate) fn steps(&self) -> usize {
        self.recorder.steps()
    }

    /// How many syncs there were.
    pub(crate) fn syncs(&self) -> usize {
        self.recorder.counts().barriers
    }

    /// What loads see.
    pub(crate) fn image(&self) -> Image {
        self.recorder.disk(&self.file).cached().clone()
    }

    /// What a crash now might leave: all that is durable, and any of what was stored since.
    pub(crate) fn crash(&self) -> Image {
        self.recorder.crash_of(&self.file)
    }

    /// What crashes might have left since the last call.
    pub(crate) fn take_crashes(&self) -> Vec<Image> {
        self.recorder.take_crashes().into_iter().filter_map(|mut crash| crash.remove(Path::new(NAME))).collect()
    }
}

/// A medium that outlives the engine on it.
pub(crate) struct SharedMedium(pub(crate) Arc<CrashMedium>);

/// A medium on which something happens between two of a reader's steps: once, after a word at `at` was loaded, or before
/// bytes at `at` are copied out.
pub(crate) struct Interrupted {
    medium: CrashMedium,
    at: u64,
    interruption: OnceLock<Box<dyn Fn() + Send + Sync>>,
    is_armed: AtomicBool,
}

impl Interrupted {
    pub(crate) fn new(medium: CrashMedium, at: u64) -> Self {
        Self { medium, at, interruption: OnceLock::new(), is_armed: AtomicBool::new(false) }
    }

    /// From now on `interruption` happens at the next such step.
    pub(crate) fn arm(&self, interruption: impl Fn() + Send + Sync + 'static) {
        assert!(self.interruption.set(Box::new(interruption)).is_ok());
        self.is_armed.store(true, Ordering::SeqCst);
    }

    /// Whether it did not happen yet.
    pub(crate) fn is_armed(&self) -> bool {
        self.is_armed.load(Ordering::SeqCst)
    }

    fn interrupt(&self, offset: u64) {
        if offset == self.at && self.is_armed.swap(false, Ordering::SeqCst) {
            self.interruption.get().unwrap()();
        }
    }
}

impl Medium for CrashMedium {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn is_concurrent(&self) -> bool {
        self.inner.is_concurrent()
    }

    fn load(&self, offset: u64, target: &mut [u8]) {
        self.inner.load(offset, target);
    }

    fn load_long(&self, offset: u64) -> u64 {
        self.inner.load_long(offset)
    }

    fn sync_loaded(&self, offset: u64, len: u64) -> io::Result<()> {
        let _attached = self.recorder.attach();
        self.inner.sync_loaded(offset, len)
    }

    fn load_word(&self, offset: u64) -> u32 {
        self.inner.load_word(offset)
    }

    fn write_word(&self, offset: u64, value: u32) -> io::Result<()> {
        let _attached = self.recorder.attach();
        self.inner.write_word(offset, value)?;
        self.check_goes_on()
    }

    fn write_words(&self, words: &[(u64, u32)]) -> io::Result<()> {
        let _attached = self.recorder.attach();
        self.inner.write_words(words)?;
        self.check_goes_on()
    }

    fn reserve_word(&self, offset: u64) -> io::Result<()> {
        let _attached = self.recorder.attach();
        self.inner.reserve_word(offset)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let _attached = self.recorder.attach();
        self.inner.write(offset, data)
    }

    fn write_zeros(&self, offset: u64, len: u64) -> io::Result<()> {
        let _attached = self.recorder.attach();
        self.inner.write_zeros(offset, len)
    }

    /// A fence cannot fail by itself; here it can.
    fn commit(&self, writes: &[(u64, &[u8])], earlier: &[Range]) -> Result<(), Failed> {
        let _attached = self.recorder.attach();
        self.inner.commit(writes, earlier)?;
        match self.recorder.fence_failure() {
            None => Ok(()),
            Some(errno) => Err(Failed::Sync(errno::failure(errno))),
        }
    }

    fn fault_flag(&self) -> Arc<FaultFlag> {
        self.inner.fault_flag()
    }
}

impl Medium for SharedMedium {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn is_concurrent(&self) -> bool {
        self.0.is_concurrent()
    }

    fn load(&self, offset: u64, target: &mut [u8]) {
        self.0.load(offset, target);
    }

    fn load_long(&self, offset: u64) -> u64 {
        self.0.load_long(offset)
    }

    fn sync_loaded(&self, offset: u64, len: u64) -> io::Result<()> {
        self.0.sync_loaded(offset, len)
    }

    fn load_word(&self, offset: u64) -> u32 {
        self.0.load_word(offset)
    }

    fn write_word(&self, offset: u64, value: u32) -> io::Result<()> {
        self.0.write_word(offset, value)
    }

    fn write_words(&self, words: &[(u64, u32)]) -> io::Result<()> {
        self.0.write_words(words)
    }

    fn reserve_word(&self, offset: u64) -> io::Result<()> {
        self.0.reserve_word(offset)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn write_zeros(&self, offset: u64, len: u64) -> io::Result<()> {
        self.0.write_zeros(offset, len)
    }

    fn commit(&self, writes: &[(u64, &[u8])], earlier: &[Range]) -> Result<(), Failed> {
        self.0.commit(writes, earlier)
    }

    fn fault_flag(&self) -> Arc<FaultFlag> {
        self.0.fault_flag()
    }
}

impl Medium for Interrupted {
    fn len(&self) -> u64 {
        self.medium.len()
    }

    fn is_concurrent(&self) -> bool {
        self.medium.is_concurrent()
    }

    fn load(&self, offset: u64, target: &mut [u8]) {
        self.interrupt(offset);
        self.medium.load(offset, target);
    }

    fn load_long(&self, offset: u64) -> u64 {
        self.medium.load_long(offset)
    }

    fn sync_loaded(&self, offset: u64, len: u64) -> io::Result<()> {
        self.medium.sync_loaded(offset, len)
    }

    fn load_word(&self, offset: u64) -> u32 {
        let value = self.medium.load_word(offset);
        self.interrupt(offset);
        value
    }

    fn write_word(&self, offset: u64, value: u32) -> io::Result<()> {
        self.medium.write_word(offset, value)
    }

    fn write_words(&self, words: &[(u64, u32)]) -> io::Result<()> {
        self.medium.write_words(words)
    }

    fn reserve_word(&self, offset: u64) -> io::Result<()> {
        self.medium.reserve_word(offset)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.medium.write(offset, data)
    }

    fn write_zeros(&self, offset: u64, len: u64) -> io::Result<()> {
        self.medium.write_zeros(offset, len)
    }

    fn commit(&self, writes: &[(u64, &[u8])], earlier: &[Range]) -> Result<(), Failed> {
        self.medium.commit(writes, earlier)
    }

    fn fault_flag(&self) -> Arc<FaultFlag> {
        self.medium.fault_flag()
    }
}
