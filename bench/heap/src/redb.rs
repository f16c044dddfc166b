//! redb: a copy-on-write B-tree in Rust, one file, read and written with system calls through a cache of its own.
//!
//! - A transaction is durable at return: `Durability::Immediate`, which is redb's default, one phase. On a disk that is
//!   one fdatasync.
//! - The cache holds the whole store, where redb's default of 1 GiB would not.
//! - A get by itself begins a read transaction and opens the table in it; many gets share both.
//! - Locking between processes is redb's default, one writer that excludes everyone else.

use std::path::Path;

use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};

use crate::stores::{Entry, Kind, Room, Store, digest, file_in, touch};

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("entries");

pub fn kind() -> Kind {
    Kind { name: "redb", ordered: true, create: open, open }
}

fn open(folder: &Path, room: &Room) -> Box<dyn Store> {
    let cache = room.bytes().max(1 << 30);
    let database = Database::builder().set_cache_size(cache).create(file_in(folder)).expect("redb opens");
    Box::new(Redb { database })
}

struct Redb {
    database: Database,
}

impl Redb {
    fn table(&self) -> ReadOnlyTable<&'static [u8], &'static [u8]> {
        let transaction = self.database.begin_read().expect("redb begins to read");
        // The table keeps the transaction's snapshot.
        transaction.open_table(TABLE).expect("redb has the table")
    }
}

fn get(table: &ReadOnlyTable<&'static [u8], &'static [u8]>, key: &[u8]) -> Option<usize> {
    table.get(key).expect("redb reads").map(|value| touch(value.value()))
}

impl Store for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn get(&self, key: &[u8]) -> Option<usize> {
        get(&self.table(), key)
    }

    fn get_many(&self, keys: &mut dyn Iterator<Item = &[u8]>) -> usize {
        let table = self.table();
        keys.filter(|key| get(&table, key).is_some()).count()
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        self.batch(&mut std::iter::once((key, value)));
    }

    fn batch(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>) {
        let mut transaction = self.database.begin_write().expect("redb begins to write");
        transaction.set_durability(Durability::Immediate).expect("redb is durable");
        let mut table = transaction.open_table(TABLE).expect("redb has the table");
        for (key, value) in entries {
            table.insert(key, value).expect("redb inserts");
        }
        drop(table);
        transaction.commit().expect("redb commits");
    }

    fn scan(&self) -> (usize, u64) {
        let table = self.table();
        let (mut count, mut sum) = (0, 0u64);
        for entry in table.iter().expect("redb scans") {
            let (key, value) = entry.expect("redb reads");
            count += 1;
            sum = sum.wrapping_add(digest(key.value(), value.value()));
        }
        (count, sum)
    }

    fn close(self: Box<Self>) {
        self.database.close().expect("redb closes");
    }
}
