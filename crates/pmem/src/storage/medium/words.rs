//! Words of a file that are read while they are written.
//!
//! The kernel may copy a few bytes one by one, so that a mapping shows half of them. Words that change are therefore kept
//! in memory too, a page of them from the first change on, and read there.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use crate::os::deliberate;

/// How many words a page has, and how many parts each level of the tree over the pages: 4 KiB, 4 MiB, 4 GiB.
const FAN: usize = 1024;

type Page = [AtomicU32; FAN];
type Table<T> = Box<[OnceLock<T>]>;

/// The words that changed, by offset. Opening costs the same for each size of a file.
#[derive(Debug, Default)]
pub(super) struct Words {
    root: OnceLock<Table<Table<Table<Box<Page>>>>>,
}

impl Words {
    /// The word at `offset`: the one in memory, or else what `load` finds in the mapping.
    #[inline]
    pub(super) fn load(&self, offset: u64, load: impl FnOnce() -> u32) -> u32 {
        let at = Position::of(offset);
        if let Some(page) = self.page(&at).filter(|_| !deliberate::is_on("words: read from the mapping")) {
            return page[at.word].load(Ordering::SeqCst);
        }
        let found = load();
        // Who writes puts the page here before. So what was just loaded is whole, or there is a page by now.
        fence(Ordering::SeqCst);
        let page = self.page(&at).filter(|_| !deliberate::is_on("words: read from the mapping"));
        page.map_or(found, |page| page[at.word].load(Ordering::SeqCst))
    }

    /// Sets the word at `offset` and calls `write` with the eight aligned bytes that hold it, and their offset. `load` finds
    /// what the mapping has. Where writing fails the word is what it was.
    pub(super) fn store(
        &self,
        offset: u64,
        value: u32,
        load: impl Fn(u64) -> u32,
        write: impl FnOnce(u64, [u8; 8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let at = Position::of(offset);
        let page = self.page_or(&at, |word| load(offset - 4 * at.word as u64 + 4 * word as u64));
        fence(Ordering::SeqCst);
        let before = page[at.word].swap(value, Ordering::SeqCst);
        let first = at.word & !1;
        let [low, high] = [first, first + 1].map(|word| page[word].load(Ordering::SeqCst));
        let bytes = (u64::from(high) << 32 | u64::from(low)).to_le_bytes();
        write(offset & !7, bytes).inspect_err(|_| page[at.word].store(before, Ordering::SeqCst))
    }

    /// Whether a word was written to the page of this one.
    pub(super) fn has_page(&self, offset: u64) -> bool {
        self.page(&Position::of(offset)).is_some()
    }

    #[inline]
    fn page(&self, at: &Position) -> Option<&Page> {
        let [high, middle, low] = at.path;
        self.root.get()?.get(high)?.get()?[middle].get()?[low].get().map(|page| &**page)
    }

    fn page_or(&self, at: &Position, load: impl Fn(usize) -> u32) -> &Page {
        let [high, middle, low] = at.path;
        let root = self.root.get_or_init(table);
        root[high].get_or_init(table)[middle].get_or_init(table)[low].get_or_init(|| {
            let words: Vec<AtomicU32> = (0..FAN).map(|word| AtomicU32::new(load(word))).collect();
            let Ok(page) = words.into_boxed_slice().try_into() else { unreachable!("a page has {FAN} words") };
            page
        })
    }
}

/// Where a word is in the tree.
struct Position {
    path: [usize; 3],
    word: usize,
}

impl Position {
    fn of(offset: u64) -> Self {
        let word = offset / 4;
        let level = |number: u32| (word / (FAN as u64).pow(number)) as usize;
        Self { path: [level(3), level(2) % FAN, level(1) % FAN], word: word as usize % FAN }
    }
}

fn table<T>() -> Table<T> {
    (0..FAN).map(|_| OnceLock::new()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_changed_are_read_from_memory_with_their_neighbours() {
        let words = Words::default();
        for offset in [4, 4096 * 5 + 8, (5 << 30) + 12, (3 << 40) + 4096] {
            let mapped = |at: u64| (at / 4) as u32;
            assert_eq!(words.load(offset, || mapped(offset)), mapped(offset));
            let mut written = None;
            words
                .store(offset, 7, mapped, |at, bytes| {
                    written = Some((at, u64::from_le_bytes(bytes)));
                    Ok(())
                })
                .unwrap();
            let other = u64::from(mapped(offset ^ 4));
            let expected = if offset % 8 == 0 { other << 32 | 7 } else { 7 << 32 | other };
            assert_eq!(written, Some((offset & !7, expected)));
            assert_eq!(words.load(offset, || unreachable!()), 7);
            assert_eq!(words.load(offset ^ 4, || unreachable!()), mapped(offset ^ 4));
        }
    }

    #[test]
    fn a_word_that_is_not_written_stays() {
        let words = Words::default();
        let refused = words.store(8, 7, |_| 3, |_, _| Err(io::ErrorKind::StorageFull.into()));
        assert!(refused.is_err());
        assert_eq!(words.load(8, || 3), 3);
    }
}
