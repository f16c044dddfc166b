//! LMDB by way of heed: a copy-on-write B-tree in C, read through a mapping of the file, written with system calls.
//!
//! - A transaction is durable at return: no flag is set, so that the pages are written, synced, and then the meta page
//!   is written synchronously. `WRITEMAP` is off, as is everything that makes LMDB faster and less safe.
//! - The map has room for all that the benchmark writes; it is never resized.
//! - A get by itself begins a read transaction and ends it, as a user does who has one key to look up; many gets share
//!   one. heed has no way to renew an ended one.
//! - It is heed's default table of readers, with a slot for each thread.

use std::path::Path;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, RoTxn, WithTls};

use crate::stores::{Entry, Kind, Room, Store, digest, touch};

pub fn kind() -> Kind {
    Kind { name: "LMDB", ordered: true, create: open, open }
}

/// LMDB has a folder for its two files.
fn open(folder: &Path, room: &Room) -> Box<dyn Store> {
    let mut options = EnvOpenOptions::new();
    options.map_size(room.bytes().next_multiple_of(1 << 30) * 2);
    // SAFETY: nothing but this process knows the folder, and it has the environment open once.
    let env = unsafe { options.open(folder) }.expect("LMDB opens");
    let snapshot = env.read_txn().expect("LMDB begins to read");
    let database = env
        .open_databases_and_commit(snapshot, |opener, snapshot| {
            opener.open_database(snapshot, None).map(CommitOrAbort::<_, ()>::Commit)
        })
        .expect("LMDB opens its database")
        .unwrap_commit()
        .expect("the unnamed database is always there");
    Box::new(Lmdb { env, database })
}

struct Lmdb {
    env: Env,
    database: Database<'static, Bytes, Bytes>,
}

impl Lmdb {
    fn snapshot(&self) -> RoTxn<'_, WithTls> {
        self.env.read_txn().expect("LMDB begins to read")
    }

    fn get_in(&self, snapshot: &RoTxn<'_, WithTls>, key: &[u8]) -> Option<usize> {
        self.database.get(snapshot, key).expect("LMDB reads").map(touch)
    }
}

impl Store for Lmdb {
    fn name(&self) -> &'static str {
        "LMDB"
    }

    fn get(&self, key: &[u8]) -> Option<usize> {
        self.get_in(&self.snapshot(), key)
    }

    fn get_many(&self, keys: &mut dyn Iterator<Item = &[u8]>) -> usize {
        let snapshot = self.snapshot();
        keys.filter(|key| self.get_in(&snapshot, key).is_some()).count()
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        self.batch(&mut std::iter::once((key, value)));
    }

    fn batch(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>) {
        let mut transaction = self.env.write_txn().expect("LMDB begins to write");
        for (key, value) in entries {
            self.database.put(&mut transaction, key, value).expect("LMDB puts");
        }
        transaction.commit().expect("LMDB commits");
    }

    fn scan(&self) -> (usize, u64) {
        let snapshot = self.snapshot();
        let (mut count, mut sum) = (0, 0u64);
        for entry in self.database.iter(&snapshot).expect("LMDB scans") {
            let (key, value) = entry.expect("LMDB reads");
            count += 1;
            sum = sum.wrapping_add(digest(key, value));
        }
        (count, sum)
    }

    fn close(self: Box<Self>) {
        self.env.prepare_for_closing().wait();
    }
}
