//! Flushing by the processor's own instructions, chosen at run time.
#![allow(unsafe_code)]

use crate::cpu::{FlushInstruction, flush_instruction};

/// The smallest cache line among the processors supported.
const LINE: usize = 64;

/// Writes the caches of `[start, start + len)` back; [`drain`] waits for it.
pub(crate) fn flush(start: *const u8, len: usize) {
    let instruction = flush_instruction();
    if len == 0 || instruction == FlushInstruction::None {
        return;
    }
    let first = start as usize & !(LINE - 1);
    for line in (first..start as usize + len).step_by(LINE) {
        write_back(instruction, line);
    }
}

#[cfg(target_arch = "x86_64")]
fn write_back(instruction: FlushInstruction, line: usize) {
    use std::arch::asm;
    // SAFETY: each instruction changes no data, exists on this processor (it was detected), and `line` is mapped.
    unsafe {
        match instruction {
            FlushInstruction::Clwb => asm!("clwb [{}]", in(reg) line, options(nostack, preserves_flags)),
            FlushInstruction::Clflushopt => asm!("clflushopt [{}]", in(reg) line, options(nostack, preserves_flags)),
            _ => asm!("clflush [{}]", in(reg) line, options(nostack, preserves_flags)),
        }
    }
}

#[cfg(target_arch = "aarch64")]
fn write_back(instruction: FlushInstruction, line: usize) {
    use std::arch::asm;
    // SAFETY: neither instruction changes data, `dc cvap` was detected, and `line` is mapped.
    unsafe {
        match instruction {
            // `dc cvap` by its encoding, since assemblers know the name only for newer targets.
            FlushInstruction::DcCvap => {
                asm!("sys #3, C7, C12, #1, {}", in(reg) line, options(nostack, preserves_flags))
            }
            _ => asm!("dc cvac, {}", in(reg) line, options(nostack, preserves_flags)),
        }
    }
}

/// Waits until earlier flushes and stores past the caches are in the persistence domain.
pub(crate) fn drain() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has SSE.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a barrier has no precondition.
    unsafe {
        std::arch::asm!("dsb sy", options(nostack, preserves_flags));
    }
}

/// Copies and writes caches back, without draining.
///
/// # Safety
/// `target` is writable and `source` readable for `len` bytes; they may overlap.
pub(crate) unsafe fn copy(target: *mut u8, source: *const u8, len: usize) {
    // SAFETY: as the caller promises; `copy` allows overlap.
    unsafe { std::ptr::copy(source, target, len) };
    flush(target, len);
}

/// Fills and writes caches back, without draining.
///
/// # Safety
/// `target` is writable for `len` bytes.
pub(crate) unsafe fn fill(target: *mut u8, value: u8, len: usize) {
    // SAFETY: as the caller promises.
    unsafe { std::ptr::write_bytes(target, value, len) };
    flush(target, len);
}

/// No supported processor needs more than a fence to drain.
pub(crate) fn has_hw_drain() -> bool {
    false
}

pub(crate) fn has_auto_flush() -> bool {
    crate::cpu::has_auto_flush()
}

/// The version of libpmem's interface that this module implements is 1.1.
pub(crate) fn check_version(major: u32, minor: u32) -> bool {
    major == 1 && minor <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushes_any_alignment_and_keeps_data() {
        let mut data = vec![7u8; 1000];
        for start in [0, 1, 63, 64, 65, 500] {
            for len in [0, 1, 63, 64, 65, 400] {
                flush(data[start..].as_ptr(), len);
            }
        }
        drain();
        assert!(data.iter().all(|&byte| byte == 7));
        // SAFETY: both ranges lie in `data`.
        unsafe { copy(data.as_mut_ptr().add(10), data.as_ptr(), 500) };
        // SAFETY: the range lies in `data`.
        unsafe { fill(data.as_mut_ptr(), 9, 500) };
        assert_eq!((data[499], data[500]), (9, 7));
    }
}
