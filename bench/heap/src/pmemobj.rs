//! libpmemobj: NVM Library's transactions, here under a hash map of our own (`c/pmemobj.c`), since the library has
//! none.
//!
//! - A transaction is durable at return: undo log, and cache lines flushed where the pool is persistent memory or
//!   `PMEM_IS_PMEM_FORCE` is 1, msync elsewhere.
//! - A hash map has no order: its scan visits the buckets, and so is no like for like with a scan by key. It also
//!   need not keep an order when it inserts.
//! - It never grows: the array of chains and the pool are made for all that the benchmark will put in. That is in its
//!   favour.
//! - There are no read transactions and no isolation: a get is a look-up, alone or among many, and safe only since
//!   nothing else runs. That is in its favour too.
//! - A value of the same length is overwritten in place.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::slice;

use crate::stores::{Entry, Kind, Room, Store, digest, file_in, touch};

#[repr(C)]
struct RawStore {
    _private: [u8; 0],
}

#[repr(C)]
struct Pair {
    key: *const u8,
    key_length: usize,
    value: *const u8,
    value_length: usize,
}

impl Pair {
    fn of((key, value): Entry<'_>) -> Self {
        Pair { key: key.as_ptr(), key_length: key.len(), value: value.as_ptr(), value_length: value.len() }
    }
}

type Visit = unsafe extern "C" fn(*mut c_void, *const Pair);

unsafe extern "C" {
    fn heap_bench_pmemobj_create(path: *const c_char, size: usize, buckets: u64) -> *mut RawStore;
    fn heap_bench_pmemobj_open(path: *const c_char) -> *mut RawStore;
    fn heap_bench_pmemobj_close(store: *mut RawStore);
    fn heap_bench_pmemobj_get(store: *const RawStore, key: *const u8, length: usize, value: *mut usize) -> *const u8;
    fn heap_bench_pmemobj_put(store: *mut RawStore, pairs: *const Pair, count: usize) -> c_int;
    fn heap_bench_pmemobj_scan(store: *const RawStore, visit: Visit, context: *mut c_void);
    fn heap_bench_pmemobj_error() -> *const c_char;
}

pub fn kind() -> Kind {
    Kind { name: "libpmemobj", ordered: false, create, open }
}

fn create(folder: &Path, room: &Room) -> Box<dyn Store> {
    let buckets = room.entries.next_power_of_two() as u64;
    // SAFETY: the path ends in a zero.
    opened(unsafe { heap_bench_pmemobj_create(path_in(folder).as_ptr(), room.bytes(), buckets) })
}

fn open(folder: &Path, _room: &Room) -> Box<dyn Store> {
    // SAFETY: the path ends in a zero.
    opened(unsafe { heap_bench_pmemobj_open(path_in(folder).as_ptr()) })
}

fn path_in(folder: &Path) -> CString {
    CString::new(file_in(folder).as_os_str().as_bytes()).expect("the path has no zero")
}

fn opened(raw: *mut RawStore) -> Box<dyn Store> {
    let raw = NonNull::new(raw).unwrap_or_else(|| fail());
    Box::new(Pmemobj { raw, pairs: Vec::new() })
}

fn fail() -> ! {
    let error = io::Error::last_os_error();
    // SAFETY: libpmemobj keeps its message, which ends in a zero, until it fails again.
    let message = unsafe { CStr::from_ptr(heap_bench_pmemobj_error()) };
    panic!("libpmemobj: {}: {error}", message.to_string_lossy());
}

struct Pmemobj {
    raw: NonNull<RawStore>,
    /// A batch as C takes it; kept, so that it is allocated once.
    pairs: Vec<Pair>,
}

impl Store for Pmemobj {
    fn name(&self) -> &'static str {
        "libpmemobj"
    }

    fn get(&self, key: &[u8]) -> Option<usize> {
        let mut length = 0;
        // SAFETY: the store is open, and the key is read only during the call.
        let value = unsafe { heap_bench_pmemobj_get(self.raw.as_ptr(), key.as_ptr(), key.len(), &raw mut length) };
        if value.is_null() {
            return None;
        }
        // SAFETY: a value lies in the mapping for as long as no transaction runs, and none does.
        Some(touch(unsafe { slice::from_raw_parts(value, length) }))
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        let pair = Pair::of((key, value));
        // SAFETY: the store is open, and the pair is read only during the call.
        if unsafe { heap_bench_pmemobj_put(self.raw.as_ptr(), &raw const pair, 1) } != 0 {
            fail();
        }
    }

    fn batch(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>) {
        self.pairs.extend(entries.map(Pair::of));
        // SAFETY: the store is open, and the entries outlive the call, as they do the iterator.
        let result = unsafe { heap_bench_pmemobj_put(self.raw.as_ptr(), self.pairs.as_ptr(), self.pairs.len()) };
        self.pairs.clear();
        if result != 0 {
            fail();
        }
    }

    fn scan(&self) -> (usize, u64) {
        let mut totals = (0usize, 0u64);
        // SAFETY: the store is open; `visit` gets the totals, which nothing else uses meanwhile.
        unsafe { heap_bench_pmemobj_scan(self.raw.as_ptr(), visit, ptr::from_mut(&mut totals).cast()) };
        totals
    }

    fn close(self: Box<Self>) {
        // SAFETY: the store is open, and nobody has it after this.
        unsafe { heap_bench_pmemobj_close(self.raw.as_ptr()) };
    }
}

/// # Safety
///
/// `context` are the totals of a scan, `pair` an entry of the store.
unsafe extern "C" fn visit(context: *mut c_void, pair: *const Pair) {
    // SAFETY: as the caller promises.
    let (totals, pair) = unsafe { (&mut *context.cast::<(usize, u64)>(), &*pair) };
    // SAFETY: the entry's bytes lie in the mapping during the scan.
    let (key, value) = unsafe {
        (slice::from_raw_parts(pair.key, pair.key_length), slice::from_raw_parts(pair.value, pair.value_length))
    };
    totals.0 += 1;
    totals.1 = totals.1.wrapping_add(digest(key, value));
}
