//! The heap of the crate pmem: one file, read through a mapping, a log and checkpoints for what is written.
//!
//! - A transaction is durable at return: one write to the log and one barrier.
//! - A get by itself takes a view of the last commit; many gets share one.
//! - Checkpoints are written by a thread of their own, as is the default.

use std::path::Path;

use pmem::heap::{Heap, HeapOptions, View};

use crate::stores::{Entry, Kind, Room, Store, digest, file_in, touch};

pub fn kind() -> Kind {
    Kind { name: "pmem", ordered: true, create: open, open }
}

fn open(folder: &Path, _room: &Room) -> Box<dyn Store> {
    Box::new(Pmem(Heap::open(&file_in(folder), &HeapOptions::default()).expect("the heap opens")))
}

struct Pmem(Heap);

fn get(view: &View, key: &[u8]) -> Option<usize> {
    view.get(key).expect("the heap reads").map(|value| touch(&value))
}

impl Store for Pmem {
    fn name(&self) -> &'static str {
        "pmem"
    }

    fn get(&self, key: &[u8]) -> Option<usize> {
        get(&self.0.view().expect("the heap has a view"), key)
    }

    fn get_many(&self, keys: &mut dyn Iterator<Item = &[u8]>) -> usize {
        let view = self.0.view().expect("the heap has a view");
        keys.filter(|key| get(&view, key).is_some()).count()
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        self.batch(&mut std::iter::once((key, value)));
    }

    fn batch(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>) {
        let mut transaction = self.0.begin().expect("the heap begins to write");
        for (key, value) in entries {
            transaction.set(key, value).expect("the heap inserts");
        }
        transaction.commit().expect("the heap commits");
    }

    fn scan(&self) -> (usize, u64) {
        let view = self.0.view().expect("the heap has a view");
        let mut entries = view.entries(None, false).expect("the heap scans");
        let (mut count, mut sum) = (0, 0u64);
        while let Some((key, value)) = entries.next().expect("the heap reads") {
            count += 1;
            sum = sum.wrapping_add(digest(key, &value));
        }
        (count, sum)
    }

    fn close(self: Box<Self>) {
        self.0.close().expect("the heap closes");
    }
}
