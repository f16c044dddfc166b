//! The heap of the crate pmem. NOT DONE: a stub that is built only with the cargo feature `heap`, until the heap is
//! there.

use std::path::Path;

use crate::stores::{Entry, Kind, Room, Store};

pub fn kind() -> Kind {
    Kind { name: "pmem", ordered: true, create: open, open }
}

fn open(_folder: &Path, _room: &Room) -> Box<dyn Store> {
    todo!("open the heap, and return Box::new(Heap)")
}

#[expect(dead_code, reason = "a stub")]
struct Heap;

impl Store for Heap {
    fn name(&self) -> &'static str {
        "pmem"
    }

    fn get(&self, _key: &[u8]) -> Option<usize> {
        todo!("look the key up, and stores::touch its value")
    }

    fn set(&mut self, _key: &[u8], _value: &[u8]) {
        todo!("one durable transaction")
    }

    fn batch(&mut self, _entries: &mut dyn Iterator<Item = Entry<'_>>) {
        todo!("one durable transaction for all")
    }

    fn scan(&self) -> (usize, u64) {
        todo!("count the entries in the order of their keys, and add up stores::digest of each")
    }

    fn close(self: Box<Self>) {
        todo!("close the file")
    }
}
