//! Stores of later versions, and what this one has no meaning for.

use super::*;
use crate::objects::keys::{self, Key};

/// Opens the store as a heap, and changes the value of an entry.
fn put(path: &Path, key: &[u8], value: &[u8]) {
    let heap = Heap::open(path, &options().heap).unwrap();
    let mut transaction = heap.begin().unwrap();
    transaction.set(key, value).unwrap();
    transaction.commit().unwrap();
    heap.close().unwrap();
}

#[test]
fn each_other_version_is_refused() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        drop(open(&path));
        for bit in 0..32 {
            put(&path, &Key::own(keys::FORMAT), &(1u32 ^ 1 << bit).to_le_bytes());
            let refused = Session::open(&path, &options()).err();
            assert!(matches!(refused, Some(Error::Newer { .. })), "bit {bit}: {refused:?}");
        }
        put(&path, &Key::own(keys::FORMAT), &1u32.to_le_bytes());
        open(&path);
    });
}

#[test]
fn a_header_with_reserved_bits_is_none() {
    for kind in 0..=255 {
        let header = Header::new(kind);
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        let is_known = (header::MAP..=header::INSTANCE).contains(&kind);
        assert_eq!(Header::decode(&bytes), is_known.then_some(header), "kind {kind}");
        for bit in (8 + 3)..32 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bytes), None, "kind {kind}, bit {bit}");
        }
    }
}
