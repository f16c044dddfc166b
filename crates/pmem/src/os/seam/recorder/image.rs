//! Contents of files, cheap to copy.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use super::WORD;
use crate::os::file::{read_exact_at, write_all_at};

const PAGE: usize = 4096;

/// Bytes, zeros where nothing was put. Clones share the pages that are alike.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Image {
    len: u64,
    pages: BTreeMap<u64, Arc<[u8; PAGE]>>,
}

impl Image {
    /// `len` zeros.
    pub(crate) fn zeros(len: u64) -> Self {
        Self { len, pages: BTreeMap::new() }
    }

    /// The contents of a file.
    pub(crate) fn of(file: &File) -> Self {
        let len = file.metadata().expect("an open file has a size").len();
        let (mut image, mut page) = (Self::zeros(len), [0; PAGE]);
        for at in (0..len).step_by(PAGE) {
            let count = (len - at).min(PAGE as u64) as usize;
            read_exact_at(file, &mut page[..count], at).expect("a file is readable up to its size");
            if page[..count].iter().any(|&byte| byte != 0) {
                image.put(at, &page[..count]);
            }
        }
        image
    }

    /// Gives a new file these contents.
    pub(crate) fn write_to(&self, file: &File) -> io::Result<()> {
        file.set_len(self.len)?;
        self.pages.iter().try_for_each(|(page, bytes)| {
            let at = page * PAGE as u64;
            write_all_at(file, &bytes[..(self.len - at).min(PAGE as u64) as usize], at)
        })
    }

    /// The number of bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Cuts, or adds zeros.
    pub(super) fn resize(&mut self, len: u64) {
        if len < self.len {
            let rest = self.pages.split_off(&(len / PAGE as u64));
            if let Some(page) = rest.get(&(len / PAGE as u64)) {
                let kept = (len % PAGE as u64) as usize;
                let mut cut = [0; PAGE];
                cut[..kept].copy_from_slice(&page[..kept]);
                self.pages.insert(len / PAGE as u64, Arc::new(cut));
            }
        }
        self.len = len;
    }

    /// Copies out.
    pub(crate) fn get(&self, offset: u64, target: &mut [u8]) {
        let mut done = 0;
        while done < target.len() {
            let (page, at, count) = self.part(offset, done, target.len());
            match self.pages.get(&page) {
                Some(page) => target[done..done + count].copy_from_slice(&page[at..at + count]),
                None => target[done..done + count].fill(0),
            }
            done += count;
        }
    }

    /// Copies in.
    pub(crate) fn put(&mut self, offset: u64, data: &[u8]) {
        let mut done = 0;
        while done < data.len() {
            let (page, at, count) = self.part(offset, done, data.len());
            let part = &data[done..done + count];
            done += count;
            if part.iter().all(|&byte| byte == 0) && !self.pages.contains_key(&page) {
                continue;
            }
            let page = self.pages.entry(page).or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(page)[at..at + count].copy_from_slice(part);
        }
    }

    /// What of `len` bytes at `offset` comes next and lies in one page, once some are `done`: the page, where in it, and
    /// how many bytes.
    fn part(&self, offset: u64, done: usize, len: usize) -> (u64, usize, usize) {
        assert!(offset + len as u64 <= self.len);
        let at = offset + done as u64;
        let in_page = (at % PAGE as u64) as usize;
        (at / PAGE as u64, in_page, (PAGE - in_page).min(len - done))
    }

    /// Copies eight aligned bytes in, as far as there is room.
    pub(super) fn put_word(&mut self, word: u64, value: u64) {
        let room = self.len.saturating_sub(word * WORD).min(WORD) as usize;
        self.put(word * WORD, &value.to_le_bytes()[..room]);
    }

    /// Eight aligned bytes, zeros behind the end.
    pub(super) fn word(&self, word: u64) -> u64 {
        let mut bytes = [0; WORD as usize];
        let count = self.len.saturating_sub(word * WORD).min(WORD) as usize;
        self.get(word * WORD, &mut bytes[..count]);
        u64::from_le_bytes(bytes)
    }
}

/// Numbers that look random and are the same for the same seed.
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// A number from 0 to below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
