//! Flushing by the processor's own instructions, chosen at run time.
#![allow(unsafe_code)]

use crate::os::cpu::{FlushInstruction, flush_instruction};
use crate::os::{deliberate, seam};

/// The smallest cache line among the processors supported.
const LINE: usize = 64;

/// Writes the caches of `[start, start + len)` back; [`drain`] waits for it.
pub(crate) fn flush(start: *const u8, len: usize) {
    if len == 0 {
        return;
    }
    let (first, end) = (start as usize & !(LINE - 1), start as usize + len);
    let end = if deliberate::is_on("flush: last line left out") { end.saturating_sub(LINE) } else { end };
    seam::write_back(start, end.saturating_sub(start as usize), || {
        let instruction = flush_instruction();
        if instruction == FlushInstruction::None {
            return;
        }
        for line in (first..end).step_by(LINE) {
            write_back(instruction, line);
        }
    });
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
    if deliberate::is_on("drain: empty") {
        return;
    }
    seam::fence(|| {
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
    });
}

/// Copies and writes caches back, or goes past them, without draining.
///
/// # Safety
/// `target` is writable and `source` readable for `len` bytes; they may overlap.
pub(crate) unsafe fn copy(target: *mut u8, source: *const u8, len: usize) {
    let apart = (target as usize).abs_diff(source as usize) >= len;
    // A line that is copied past the caches starts with the target's first whole one.
    let head = (target as usize).next_multiple_of(LINE) - target as usize;
    let body = len.saturating_sub(head) & !(LINE - 1);
    if !apart || len < NON_TEMPORAL || !can_stream() {
        // SAFETY: as the caller promises; `copy` allows overlap.
        seam::store(target, len, || unsafe { std::ptr::copy(source, target, len) });
        flush(target, len);
        return;
    }
    // Head, body and tail are the ranges' parts in a row, and the ranges do not overlap.
    let part = |at: usize, len: usize| {
        let (from, to) = (source.wrapping_add(at), target.wrapping_add(at));
        // SAFETY: the part lies in both ranges.
        seam::store(to, len, || unsafe { std::ptr::copy_nonoverlapping(from, to, len) });
    };
    let (tail_at, tail) = (head + body, len - head - body);
    part(0, head);
    let (from, to) = (source.wrapping_add(head), target.wrapping_add(head));
    if deliberate::is_on("copy: body left in the caches") {
        part(head, body);
    } else {
        // SAFETY: the body lies in both ranges, from a line's start on.
        seam::stream(to, body, || unsafe { stream(to, from, body) });
    }
    part(tail_at, tail);
    if !deliberate::is_on("copy: head not flushed") {
        flush(target, head);
    }
    if !deliberate::is_on("copy: tail not flushed") {
        flush(target.wrapping_add(tail_at), tail);
    }
}

/// The length from which a copy goes past the caches, as in libpmem.
const NON_TEMPORAL: usize = 256;

#[cfg(target_arch = "x86_64")]
fn can_stream() -> bool {
    true
}

/// Copies whole lines past the caches.
///
/// # Safety
/// `target` is aligned to a line and writable, `source` readable, for `len` bytes, a multiple of a line; they are apart.
#[cfg(target_arch = "x86_64")]
unsafe fn stream(target: *mut u8, source: *const u8, len: usize) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
    for offset in (0..len).step_by(LINE) {
        // SAFETY: the line lies in both ranges, every x86-64 processor has SSE2, and the target is aligned.
        unsafe {
            let (from, to) = (source.add(offset).cast::<__m128i>(), target.add(offset).cast::<__m128i>());
            let (a, b) = (_mm_loadu_si128(from), _mm_loadu_si128(from.add(1)));
            let (c, d) = (_mm_loadu_si128(from.add(2)), _mm_loadu_si128(from.add(3)));
            _mm_stream_si128(to, a);
            _mm_stream_si128(to.add(1), b);
            _mm_stream_si128(to.add(2), c);
            _mm_stream_si128(to.add(3), d);
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn can_stream() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
unsafe fn stream(_: *mut u8, _: *const u8, _: usize) {}

/// Fills and writes caches back, without draining.
///
/// # Safety
/// `target` is writable for `len` bytes.
pub(crate) unsafe fn fill(target: *mut u8, value: u8, len: usize) {
    // SAFETY: as the caller promises.
    seam::store(target, len, || unsafe { std::ptr::write_bytes(target, value, len) });
    if !deliberate::is_on("fill: not flushed") {
        flush(target, len);
    }
}

/// No supported processor needs more than a fence to drain.
#[cfg(not(feature = "pmdk"))]
pub(crate) fn has_hw_drain() -> bool {
    false
}

#[cfg(not(feature = "pmdk"))]
pub(crate) fn has_auto_flush() -> bool {
    crate::os::cpu::has_auto_flush()
}

/// The version of libpmem's interface that this module implements is 1.1.
#[cfg(not(feature = "pmdk"))]
pub(crate) fn check_version(major: u32, minor: u32) -> bool {
    major == 1 && minor <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_any_length_and_alignment_are_exact() {
        let source: Vec<u8> = (0..2000u32).map(|number| (number % 251) as u8).collect();
        for (from, to, len) in [0, 1, 17, 63, 64]
            .into_iter()
            .flat_map(|from| [0, 5, 64].map(|to| (from, to)))
            .flat_map(|(from, to)| [0, 1, 63, 64, 255, 256, 257, 320, 1000, 1500].map(|len| (from, to, len)))
        {
            let mut target = vec![255; 2000];
            // SAFETY: both ranges lie in their vectors.
            unsafe { copy(target.as_mut_ptr().add(to), source.as_ptr().add(from), len) };
            drain();
            assert_eq!(target[to..to + len], source[from..from + len]);
            assert!(target[..to].iter().chain(&target[to + len..]).all(|&byte| byte == 255));
        }
    }

    #[test]
    fn overlapping_copies_are_exact() {
        for (from, to) in [(0, 10), (10, 0), (0, 300), (300, 0), (0, 700), (5, 5)] {
            let mut data: Vec<u8> = (0..2000u32).map(|number| (number % 251) as u8).collect();
            let mut expected = data.clone();
            expected.copy_within(from..from + 600, to);
            // SAFETY: both ranges lie in `data`.
            unsafe { copy(data.as_mut_ptr().add(to), data.as_ptr().add(from), 600) };
            assert_eq!(data, expected);
        }
    }

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
