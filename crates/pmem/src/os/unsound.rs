//! What sanitizers, valgrind and Miri have to find: `npm run test:sanitizers` has them do so first. Nothing else runs these tests.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::thread;

#[test]
#[ignore = "reads memory that was freed"]
fn freed_memory_is_read() {
    let place = Box::into_raw(Box::new(7_u8));
    // SAFETY: none, which is the point: the memory is freed before it is read.
    let byte = unsafe {
        drop(Box::from_raw(place));
        place.read_volatile()
    };
    black_box(byte);
}

#[test]
#[ignore = "writes from two threads without an order"]
fn threads_race() {
    static mut COUNT: u64 = 0;
    // SAFETY: none, which is the point: nothing keeps the threads from each other.
    let count = || (0..1000).for_each(|_| unsafe { COUNT += 1 });
    let threads = [thread::spawn(count), thread::spawn(count)];
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
