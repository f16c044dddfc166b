//! Pages that cannot be had: of a file that someone else cut, of a sparse one on a full disk, on a bad medium.
//!
//! An access to such a page is a signal that ends the process. Ranges that are watched survive it: the signal's handler
//! puts zeros in the page's place and raises the range's flag, which is asked after the work and before anything is
//! acknowledged.
#![allow(unsafe_code)]
#![cfg_attr(windows, allow(dead_code, reason = "nothing calls a handler there"))]

#[cfg_attr(unix, path = "fault/unix.rs")]
#[cfg_attr(windows, path = "fault/windows.rs")]
mod platform;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, compiler_fence};

use crate::os::deliberate;
use crate::os::page::page_size;
use crate::{Error, Result};
use table::{Entry, Slot, Table};

/// Whether a page of a mapping was lost. Once raised it stays so.
#[derive(Debug, Default)]
pub(crate) struct FaultFlag(AtomicBool);

impl FaultFlag {
    /// Whether an access of this thread before the call raised it, or an earlier one of any thread.
    #[inline]
    pub(crate) fn is_raised(&self) -> bool {
        // A processor takes a fault before it goes on; this keeps the compiler from looking earlier.
        compiler_fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed)
    }

    fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

static WATCHES: Table = Table::new();
static ALARMS: Table = Table::new();

/// A range of mapped addresses in which losing a page raises a flag instead of ending the process, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    slot: &'static Slot,
    flag: Arc<FaultFlag>,
    /// What the start of a range that is cut off as a whole keeps.
    _kept: Option<Box<[u8]>>,
}

impl Watch {
    /// Watches the pages of `len` bytes from `start`, which is a page's. A page that is lost is replaced by zeros.
    pub(crate) fn over(start: *const u8, len: usize, flag: Arc<FaultFlag>) -> Self {
        Self::over_pages(start, len, page_size(), flag)
    }

    /// [`Watch::over`] of pages of so many bytes.
    pub(crate) fn over_pages(start: *const u8, len: usize, page: usize, flag: Arc<FaultFlag>) -> Self {
        Self::entered(start, len.next_multiple_of(page), page, flag, None)
    }

    /// Watches `len` bytes from `start`. Where a page is lost and something is `kept`, all of the range is let go at once: its
    /// start becomes what is kept, the rest zeros.
    #[cfg(feature = "pmdk")]
    pub(crate) fn with(start: *const u8, len: usize, flag: Arc<FaultFlag>, kept: Option<Box<[u8]>>) -> Self {
        Self::entered(start, len, page_size(), flag, kept)
    }

    fn entered(start: *const u8, len: usize, page: usize, flag: Arc<FaultFlag>, kept: Option<Box<[u8]>>) -> Self {
        platform::install_handler();
        let (copy, copied) = kept.as_ref().map_or((std::ptr::null(), 0), |kept| (kept.as_ptr(), kept.len()));
        let entry = Entry { start: start as usize, len, page, flag: Arc::as_ptr(&flag), kept: copy, kept_len: copied };
        Self { slot: WATCHES.add(&entry), flag, _kept: kept }
    }

    #[inline]
    pub(crate) fn is_raised(&self) -> bool {
        self.flag.is_raised()
    }

    /// Raises the flag, for a loss that no access has met.
    pub(crate) fn raise(&self) {
        self.flag.raise();
        raise_alarm();
    }

    /// Watches so many bytes from the same start on, which are no fewer.
    pub(crate) fn extend(&self, len: usize) {
        self.slot.extend(len);
    }

    pub(crate) fn flag(&self) -> Arc<FaultFlag> {
        Arc::clone(&self.flag)
    }

    /// The same watch, over memory that may be given to something else without notice. Single pages are replaced there,
    /// never all.
    pub(crate) fn into_stale(self) -> Self {
        self.slot.make_stale();
        self
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHES.remove(self.slot);
    }
}

/// A number in someone else's memory that is not 0 once any region or pool of this process may be broken: a page was lost,
/// or a region that others hold was uncovered. Who sees it asks each that it uses.
#[derive(Debug)]
pub struct Alarm(&'static Slot);

impl Alarm {
    /// Sets `number`, which should be 0, until the alarm is dropped. What happened before counts too.
    ///
    /// # Safety
    /// The number stays writable until the alarm is dropped.
    pub unsafe fn new(number: *mut f64) -> Self {
        let entry = Entry { start: number as usize, ..Entry::EMPTY };
        let alarm = Self(ALARMS.add(&entry));
        if RAISED.load(Ordering::SeqCst) && !deliberate::is_on("fault: new alarms not told") {
            ring(&entry);
        }
        alarm
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        ALARMS.remove(self.0);
    }
}

static RAISED: AtomicBool = AtomicBool::new(false);

/// Sets the number of every alarm.
pub(crate) fn raise_alarm() {
    let _scan = table::scan();
    RAISED.store(true, Ordering::SeqCst);
    ALARMS.used().for_each(|(_, entry)| ring(&entry));
}

/// That data does not lie in a mapping of which a page was lost. It reads a byte of each page.
///
/// # Errors
/// [`Error::Fault`].
pub fn check_source(data: &[u8]) -> Result<()> {
    for byte in data.chunks(page_size()).filter_map(<[u8]>::first).chain(data.last()) {
        // SAFETY: a reference is readable.
        unsafe { std::ptr::from_ref(byte).read_volatile() };
    }
    if !RAISED.load(Ordering::SeqCst) || deliberate::is_on("fault: source not looked at") {
        return Ok(());
    }
    let _scan = table::scan();
    let (start, len) = (data.as_ptr() as usize, data.len());
    // SAFETY: the flags live as long as their watches, whose drops wait for this scan.
    let is_lost = |entry: &Entry| entry.overlaps(start, len) && unsafe { (*entry.flag).is_raised() };
    if WATCHES.used().any(|(_, entry)| is_lost(&entry)) { Err(Error::Fault { path: None }) } else { Ok(()) }
}

/// After so many lost pages all of a range is let go: each is a mapping of its own, of which a process may have so many.
const MOST_PAGES: usize = 256;

/// Handles an access to `address` that failed, on the thread and at the moment of the access. False where it lies in no
/// watched range.
fn handle(address: usize) -> bool {
    let _scan = table::scan();
    let mut handled = false;
    // A range may be watched by a stale entry too, whose memory went before it: each is told, and the pages go once.
    for (slot, entry) in WATCHES.used().filter(|(_, entry)| entry.contains(address)) {
        // SAFETY: the flag lives as long as its watch, whose drop waits for this scan.
        unsafe { (*entry.flag).raise() };
        let whole = slot.count_loss() >= MOST_PAGES && !slot.is_stale();
        handled = handled || platform::replace(&entry, address, whole);
        if deliberate::is_on("fault: one of several watches told") {
            break;
        }
    }
    if handled && !deliberate::is_on("fault: no alarm") {
        raise_alarm();
    }
    handled
}

fn ring(alarm: &Entry) {
    // SAFETY: the number is writable as long as its alarm lives, whose drop waits for scans.
    unsafe { AtomicU64::from_ptr(alarm.start as *mut u64) }.store(1f64.to_bits(), Ordering::SeqCst);
}

#[cfg(all(test, unix))]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use super::*;
    use crate::os::file::descriptor;
    use crate::os::mapping::{Access, Mapping};

    /// The mapping of a file that was cut, of which no access has met a lost page.
    fn cut() -> Mapping {
        let file = tempfile::tempfile().unwrap();
        file.set_len(page_size() as u64).unwrap();
        let mapping =
            Mapping::new(descriptor(&file), 0, NonZeroUsize::new(page_size()).unwrap(), Access::Shared).unwrap();
        file.set_len(0).unwrap();
        mapping
    }

    #[test]
    fn a_lost_page_is_told_to_each_who_watches_it() {
        let mapping = cut();
        let flags = [(); 2].map(|()| Arc::<FaultFlag>::default());
        let _watches =
            flags.each_ref().map(|flag| Watch::over(mapping.start().as_ptr(), page_size(), Arc::clone(flag)));
        assert!(!mapping.is_faulted());
        mapping.touch(0, 1);
        assert!(mapping.is_faulted() && flags.iter().all(|flag| flag.is_raised()));
    }

    #[test]
    fn a_lost_page_rings_alarms_and_those_that_come_later() {
        let (mut before, mut after) = (0.0, 0.0);
        let mapping = cut();
        // SAFETY: the numbers outlive the alarms.
        let _before = unsafe { Alarm::new(&raw mut before) };
        mapping.touch(0, 1);
        // SAFETY: as above.
        let _after = unsafe { Alarm::new(&raw mut after) };
        // SAFETY: both are initialised, and whoever rings is done.
        let rung = unsafe { [(&raw const before).read_volatile(), (&raw const after).read_volatile()] };
        assert_eq!(rung, [1.0, 1.0]);
    }

    #[test]
    fn what_lies_in_a_lost_page_is_no_source() {
        let mapping = cut();
        // SAFETY: the page is mapped, and read alone.
        let data = unsafe { std::slice::from_raw_parts(mapping.start().as_ptr(), page_size()) };
        assert_eq!(check_source(data).unwrap_err().code(), "ERR_PMEM_FAULT");
        assert!(check_source(&[1]).is_ok());
    }

    #[test]
    fn what_a_scan_may_look_at_stays_until_it_is_over() {
        let (start, is_gone) = ([0; 8], AtomicBool::new(false));
        let watch = Watch::over(start.as_ptr(), 8, Arc::default());
        std::thread::scope(|scope| {
            let scan = table::scan();
            scope.spawn(|| {
                drop(watch);
                is_gone.store(true, Ordering::SeqCst);
            });
            std::thread::sleep(Duration::from_millis(20));
            assert!(!is_gone.load(Ordering::SeqCst));
            drop(scan);
        });
        assert!(is_gone.into_inner());
    }
}
