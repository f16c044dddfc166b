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

/// The number of bytes of a page.
const PAGE: u64 = 4 * FAN as u64;

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

    /// Sets words, which are in ascending order, and calls `write` for those of each page: with an aligned offset and whole
    /// words of eight bytes. `load` finds what the mapping has. Words that are not written are what they were.
    pub(super) fn store(
        &self,
        words: &[(u64, u32)],
        load: impl Fn(u64) -> u32,
        write: impl Fn(u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        words
            .chunk_by(|(one, _), (other, _)| one / PAGE == other / PAGE)
            .try_for_each(|words| self.store_in_page(words, &load, &write))
    }

    fn store_in_page(
        &self,
        words: &[(u64, u32)],
        load: impl Fn(u64) -> u32,
        write: impl Fn(u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let (Some(&(first, _)), Some(&(last, _))) = (words.first(), words.last()) else { return Ok(()) };
        let page = self.page_or(&Position::of(first), |word| load(first / PAGE * PAGE + 4 * word as u64));
        fence(Ordering::SeqCst);
        let swap = |&(offset, value): &(u64, u32)| page[Position::of(offset).word].swap(value, Ordering::SeqCst);
        let before: Vec<u32> = words.iter().map(swap).collect();
        let range = Position::of(first).word & !1..(Position::of(last).word | 1) + 1;
        let bytes: Vec<u8> = page[range].iter().flat_map(|word| word.load(Ordering::SeqCst).to_le_bytes()).collect();
        write(first & !7, &bytes).inspect_err(|_| {
            if deliberate::is_on("words: failed write seen") {
                return;
            }
            for ((offset, _), before) in words.iter().zip(before) {
                page[Position::of(*offset).word].store(before, Ordering::SeqCst);
            }
        })
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
    use std::cell::RefCell;

    #[test]
    fn words_that_changed_are_read_from_memory_with_their_neighbours() {
        let words = Words::default();
        for offset in [4, 4096 * 5 + 8, (5 << 30) + 12, (3 << 40) + 4096] {
            let mapped = |at: u64| (at / 4) as u32;
            assert_eq!(words.load(offset, || mapped(offset)), mapped(offset));
            let written = RefCell::new(Vec::new());
            let write = |at, bytes: &[u8]| {
                written.borrow_mut().push((at, bytes.to_vec()));
                Ok(())
            };
            words.store(&[(offset, 7)], mapped, write).unwrap();
            let word = |at: u64| if at == offset { 7 } else { mapped(at) };
            let whole = [offset & !7, offset & !7 | 4].map(|at| word(at).to_le_bytes()).concat();
            assert_eq!(written.into_inner(), [(offset & !7, whole)]);
            assert_eq!(words.load(offset, || unreachable!()), 7);
            assert_eq!(words.load(offset ^ 4, || unreachable!()), mapped(offset ^ 4));
        }
    }

    #[test]
    fn words_of_one_page_are_one_write() {
        let (words, written) = (Words::default(), RefCell::new(Vec::new()));
        let write = |at, bytes: &[u8]| {
            let words: Vec<u32> = bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
            written.borrow_mut().push((at, words));
            Ok(())
        };
        words.store(&[(4, 1), (16, 2), (4092, 3), (4096, 4)], |at| 1000 + (at / 4) as u32, write).unwrap();
        let written = written.into_inner();
        assert_eq!((written[0].0, written[0].1.len(), &written[0].1[..5]), (0, 1024, &[1000, 1, 1002, 1003, 2][..]));
        assert_eq!((written[0].1[1023], &written[1]), (3, &(4096, vec![4, 2025])));
    }

    #[test]
    fn a_word_that_is_not_written_stays() {
        let words = Words::default();
        let refused = words.store(&[(8, 7), (12, 8)], |_| 3, |_, _| Err(io::ErrorKind::StorageFull.into()));
        assert!(refused.is_err());
        assert_eq!((words.load(8, || 3), words.load(12, || 3)), (3, 3));
    }
}
