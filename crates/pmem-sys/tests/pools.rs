//! The linked libraries work, with and without libndctl, and nothing of them is linked dynamically.

#![allow(unsafe_code, reason = "the tests call C functions")]

mod common;

use pmem_sys::*;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::RwLock;
use std::{env, fs, io, ptr, slice};

/// Written while a process is started, read while a pool is used.
///
/// The C libraries open pools without `O_CLOEXEC`: a process started just then inherits the descriptor, and with it
/// the pool's lock, for as long as it runs.
static STARTING: RwLock<()> = RwLock::new(());

#[test]
fn versions() {
    // SAFETY: the functions take numbers and return null or a static string.
    unsafe {
        assert!(pmem_check_version(PMEM_MAJOR_VERSION, PMEM_MINOR_VERSION).is_null());
        assert!(pmemlog_check_version(PMEMLOG_MAJOR_VERSION, PMEMLOG_MINOR_VERSION).is_null());
        assert!(pmemblk_check_version(PMEMBLK_MAJOR_VERSION, PMEMBLK_MINOR_VERSION).is_null());
        assert!(text(pmem_check_version(PMEM_MAJOR_VERSION + 1, 0)).contains("major version mismatch"));
    }
    assert!(PMDK_VERSION.starts_with(|first: char| first.is_ascii_digit()), "{PMDK_VERSION}");
}

#[test]
fn region() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(folder.path(), "region");
    let (mut length, mut is_pmem) = (0, -1);
    // SAFETY: the path ends with NUL, the copies stay within the mapping, which is unmapped once.
    unsafe {
        let flags = PMEM_FILE_CREATE | PMEM_FILE_EXCL;
        let region = pmem_map_file(file.as_ptr(), 8192, flags, 0o600, &raw mut length, &raw mut is_pmem);
        assert!(!region.is_null(), "{}", text(pmem_errormsg()));
        assert_eq!(length, 8192);
        assert_eq!(is_pmem, pmem_is_pmem(region, length));
        assert_eq!(pmem_memcpy(region, b"hello".as_ptr().cast(), 5, PMEM_F_MEM_NODRAIN), region);
        assert_eq!(pmem_memset(region.add(5), b'!'.into(), 3, 0), region.add(5));
        assert_eq!(pmem_memmove_nodrain(region.add(2), region, 8), region.add(2));
        pmem_drain();
        assert_eq!(pmem_msync(region, length), 0);
        assert_eq!(pmem_unmap(region, length), 0);
    }
    assert_eq!(&fs::read(folder.path().join("region")).unwrap()[..12], b"hehello!!!\0\0");
}

#[test]
fn log() {
    let _no_process_starts = STARTING.read().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = path(folder.path(), "log");
    // SAFETY: the path ends with NUL, the buffers outlive the calls, the pool is not used after it was closed, and
    // the callback gets the vector it expects.
    unsafe {
        let log = pmemlog_create(file.as_ptr(), PMEMLOG_MIN_POOL, 0o600);
        assert!(!log.is_null(), "{}", text(pmemlog_errormsg()));
        assert!((1..PMEMLOG_MIN_POOL).contains(&pmemlog_nbyte(log)));
        assert_eq!(pmemlog_append(log, b"one ".as_ptr().cast(), 4), 0);
        let parts = ["two ", "three"]
            .map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() });
        assert_eq!(pmemlog_appendv(log, parts.as_ptr(), 2), 0);
        pmemlog_close(log);

        assert_eq!(pmemlog_check(file.as_ptr()), 1);
        let log = pmemlog_open(file.as_ptr());
        assert!(!log.is_null(), "{}", text(pmemlog_errormsg()));
        assert_eq!(pmemlog_tell(log), 13);
        assert_eq!(walk(log, 0), [b"one two three".to_vec()]);
        assert_eq!(walk(log, 8), [b"one two ".to_vec(), b"three".to_vec()]);
        pmemlog_rewind(log);
        assert_eq!(pmemlog_tell(log), 0);
        pmemlog_close(log);

        assert!(pmemlog_open(path(folder.path(), "none").as_ptr()).is_null());
        assert_eq!(io::Error::last_os_error().kind(), io::ErrorKind::NotFound);
        assert!(!text(pmemlog_errormsg()).is_empty());
    }
}

#[test]
fn blocks() {
    let _no_process_starts = STARTING.read().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = path(folder.path(), "blocks");
    let mut block = [0_u8; PMEMBLK_MIN_BLK];
    // SAFETY: the path ends with NUL, the buffers hold a block, and the pool is not used after it was closed.
    unsafe {
        let blocks = pmemblk_create(file.as_ptr(), block.len(), PMEMBLK_MIN_POOL, 0o600);
        assert!(!blocks.is_null(), "{}", text(pmemblk_errormsg()));
        assert_eq!(pmemblk_bsize(blocks), block.len());
        let last = i64::try_from(pmemblk_nblock(blocks)).unwrap() - 1;
        assert_eq!(pmemblk_write(blocks, [7_u8; PMEMBLK_MIN_BLK].as_ptr().cast(), last), 0);
        pmemblk_close(blocks);

        assert_eq!(pmemblk_check(file.as_ptr(), block.len()), 1);
        let blocks = pmemblk_open(file.as_ptr(), 0);
        assert!(!blocks.is_null(), "{}", text(pmemblk_errormsg()));
        assert_eq!(pmemblk_read(blocks, block.as_mut_ptr().cast(), last), 0);
        assert_eq!(block, [7; PMEMBLK_MIN_BLK]);
        assert_eq!(pmemblk_set_zero(blocks, last), 0);
        assert_eq!(pmemblk_read(blocks, block.as_mut_ptr().cast(), last), 0);
        assert_eq!(block, [0; PMEMBLK_MIN_BLK]);
        assert_eq!(pmemblk_set_error(blocks, last), 0);
        assert_eq!(pmemblk_read(blocks, block.as_mut_ptr().cast(), last), -1);
        assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::EIO));
        assert_eq!(pmemblk_write(blocks, block.as_ptr().cast(), last + 1), -1);
        pmemblk_close(blocks);
    }
}

unsafe extern "C" {
    fn ndctl_new(context: *mut *mut c_void) -> c_int;
    fn ndctl_bus_get_provider(bus: *mut c_void) -> *const c_char;
    fn ndctl_unref(context: *mut c_void) -> *mut c_void;
}

#[test]
fn libndctl_is_used_where_it_is_installed() {
    let mut context = ptr::null_mut();
    // SAFETY: the context is the one that ndctl_new made.
    let status = unsafe { ndctl_new(&raw mut context) };
    assert_eq!(status, 0);
    assert!(!context.is_null());

    let used = fs::read_to_string("/proc/self/maps").unwrap().contains("/libndctl.so.6");
    // SAFETY: the name ends with NUL.
    let installed = unsafe { !libc::dlopen(c"libndctl.so.6".as_ptr(), libc::RTLD_NOW).is_null() };
    assert_eq!(used, installed);
    if !used {
        // SAFETY: without libndctl, no function looks into its arguments.
        unsafe { assert!(ndctl_bus_get_provider(context).is_null()) };
    }
    // SAFETY: the context is not used afterwards.
    unsafe { assert!(ndctl_unref(context).is_null()) };
}

/// Runs the other tests in a process that cannot load libndctl.
#[test]
fn everything_works_without_libndctl() {
    let _no_pool_is_used = STARTING.write().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("libndctl.so.6"), "not a library").unwrap();
    let mut child = Command::new(env::current_exe().unwrap());
    child.env("LD_LIBRARY_PATH", folder.path());
    child.args(["--exact", "region", "log", "blocks", "libndctl_is_used_where_it_is_installed"]);
    let report = common::output(&mut child);
    assert!(report.contains("4 passed"), "{report}");
}

#[test]
fn nothing_is_linked_dynamically() {
    let _no_pool_is_used = STARTING.write().unwrap();
    let libraries = common::output(Command::new("ldd").arg(env::current_exe().unwrap()));
    assert!(libraries.contains("libc.so"), "{libraries}");
    for library in ["libpmem", "libndctl", "libdaxctl"] {
        assert!(!libraries.contains(library), "{libraries}");
    }
}

fn path(folder: &Path, name: &str) -> CString {
    CString::new(folder.join(name).into_os_string().into_encoded_bytes()).unwrap()
}

/// # Safety
///
/// The pointer must point to a string that ends with NUL.
unsafe fn text(message: *const c_char) -> String {
    // SAFETY: the caller passes a string that ends with NUL.
    unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned()
}

/// The chunks that a walk hands out.
///
/// # Safety
///
/// The log must be open.
unsafe fn walk(log: *mut PMEMlogpool, chunk_size: usize) -> Vec<Vec<u8>> {
    unsafe extern "C" fn collect(chunk: *const c_void, length: usize, chunks: *mut c_void) -> c_int {
        // SAFETY: the walk passes a chunk of this length and the vector.
        let (chunk, chunks) =
            unsafe { (slice::from_raw_parts(chunk.cast::<u8>(), length), &mut *chunks.cast::<Vec<Vec<u8>>>()) };
        chunks.push(chunk.to_vec());
        1
    }

    let mut chunks = Vec::new();
    // SAFETY: the log is open, and the callback gets the vector that it expects.
    unsafe { pmemlog_walk(log, chunk_size, Some(collect), (&raw mut chunks).cast()) };
    chunks
}
