//! Paths are UTF-16 here, and a descriptor is a number of the C runtime that is linked into the program, not into this
//! module.

use std::ffi::{c_int, c_void};
use std::mem::transmute;
use std::os::windows::io::BorrowedHandle;
use std::path::PathBuf;
use std::ptr;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};

/// libuv's way from a descriptor to the handle behind it.
type GetOsfhandle = unsafe extern "C" fn(c_int) -> *mut c_void;

/// The path whose UTF-8 TypeScript gave. What is no UTF-8 becomes the replacement character, as in Node.js.
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// The handle behind a descriptor; `None` for one that is not open, and in programs that do not export libuv.
///
/// # Safety
///
/// The result is used while the call lasts that brought the number.
pub(super) unsafe fn borrow<'call>(descriptor: i32) -> Option<BorrowedHandle<'call>> {
    // SAFETY: the function takes any number.
    let handle: HANDLE = unsafe { get_osfhandle()?(descriptor) };
    // INVALID_HANDLE_VALUE says that nothing is open, -2 that it has no handle.
    if handle.is_null() || matches!(handle as isize, -1 | -2) {
        return None;
    }
    // SAFETY: the handle is open, and as the caller says.
    Some(unsafe { BorrowedHandle::borrow_raw(handle) })
}

fn get_osfhandle() -> Option<GetOsfhandle> {
    static FOUND: OnceLock<Option<GetOsfhandle>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: null means the running program, which stays loaded, and the name ends with a NUL.
        let found = unsafe { GetProcAddress(GetModuleHandleW(ptr::null()), c"uv_get_osfhandle".as_ptr().cast()) };
        // SAFETY: this is the function's type in every release of libuv.
        found.map(|function| unsafe { transmute::<unsafe extern "system" fn() -> isize, GetOsfhandle>(function) })
    })
}
