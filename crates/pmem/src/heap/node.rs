//! Nodes of the tree as they lie in a block: sorted cells behind a common prefix. `docs/heap-format.md` has the layout.
//!
//! A block comes from a file that anyone may have damaged, so [`Page`] looks at every bound and gives none where one does not
//! hold. [`validate`] looks at all of them at once: what it let pass can be edited.

use std::cmp::Ordering;

use crate::Result;
use crate::os::deliberate;
use crate::storage::bytes::{put, u16_at, u32_at, u64_at};

/// What stands before the prefix, and behind the cells, in bytes.
pub(super) const HEADER: usize = 16;
pub(super) const TRAILER: usize = 16;

const SLOT: usize = 8;

/// The part of a run's place in a cell, in bytes: a reference, and how many bytes there are.
const PLACE: usize = 16;

/// Set in a slot's key length where the key goes on in a run, and in a value's length where the value is one.
const IN_RUN: u16 = 1 << 15;

const KIND: u8 = 0x4e;

/// How many bytes of a key stand in a node of this size; of longer ones the rest is in a run.
pub(super) const fn most_key(node_size: usize) -> usize {
    node_size / 8
}

/// The longest prefix of a node of this size: the four bytes behind it, which are compared first, stand in the node too.
const fn most_prefix(node_size: usize) -> usize {
    most_key(node_size) - 4
}

/// The longest value that stands in a node of this size.
pub(super) const fn most_value(node_size: usize) -> usize {
    node_size / 4
}

/// Bytes in a run: a reference to it, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) reference: u64,
    pub(super) len: u64,
}

/// A value as it stands in a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored<'a> {
    Inline(&'a [u8]),
    Run(Place),
}

/// A key with what belongs to it. The key's first bytes are those of `prefix` and of `suffix`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell<'a> {
    pub(super) prefix: &'a [u8],
    pub(super) suffix: &'a [u8],
    /// Where the key's rest is.
    pub(super) rest: Option<Place>,
    /// A value with its length, or a child.
    pub(super) payload: &'a [u8],
}

impl<'a> Cell<'a> {
    /// The first bytes of the key, without `skipped` ones.
    fn key_from(&self, skipped: usize) -> (&'a [u8], &'a [u8]) {
        match self.prefix.get(skipped..) {
            Some(rest) => (rest, self.suffix),
            None => (&[], &self.suffix[skipped - self.prefix.len()..]),
        }
    }

    fn key_len(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    fn bytes(&self) -> impl Iterator<Item = &'a u8> {
        self.prefix.iter().chain(self.suffix)
    }

    /// The first bytes of the key.
    pub(super) fn head(&self) -> Vec<u8> {
        [self.prefix, self.suffix].concat()
    }

    fn starts_with(&self, prefix: &[u8]) -> bool {
        match prefix.strip_prefix(self.prefix) {
            Some(rest) => self.suffix.starts_with(rest),
            None => self.prefix.starts_with(prefix),
        }
    }

    fn size(&self, prefix: usize) -> usize {
        SLOT + self.key_len().saturating_sub(prefix) + self.rest.map_or(0, |_| PLACE) + self.payload.len()
    }

    /// The value of a leaf's cell.
    pub(super) fn stored(&self) -> Option<Stored<'a>> {
        let len = u16::from_le_bytes(self.payload.get(..2)?.try_into().ok()?);
        let value = self.payload.get(2..)?;
        match len & IN_RUN {
            0 => Some(Stored::Inline(value)),
            _ => Some(Stored::Run(place_at(value, 0)?)),
        }
    }

    /// The child of an inner node's cell.
    pub(super) fn child(&self) -> Option<u64> {
        Some(u64::from_le_bytes(self.payload.try_into().ok()?))
    }
}

/// A leaf's payload for a value.
pub(super) fn value_payload(stored: Stored<'_>) -> Vec<u8> {
    match stored {
        Stored::Inline(value) => [&(value.len() as u16).to_le_bytes(), value].concat(),
        Stored::Run(Place { reference, len }) => {
            [&IN_RUN.to_le_bytes()[..], &reference.to_le_bytes(), &len.to_le_bytes()].concat()
        }
    }
}

fn place_at(bytes: &[u8], at: usize) -> Option<Place> {
    let bytes = bytes.get(at..at + PLACE)?;
    Some(Place { reference: u64_at(bytes, 0), len: u64_at(bytes, 8) })
}

/// The first four bytes, so that most comparisons are of numbers.
fn head_of(suffix: &[u8]) -> u32 {
    match suffix.first_chunk() {
        Some(head) => u32::from_be_bytes(*head),
        None => {
            let mut head = [0; 4];
            head[..suffix.len()].copy_from_slice(suffix);
            u32::from_be_bytes(head)
        }
    }
}

fn common<'a>(one: impl IntoIterator<Item = &'a u8>, other: impl IntoIterator<Item = &'a u8>) -> usize {
    one.into_iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// A node's bytes, for reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a>(&'a [u8]);

#[derive(Clone, Copy)]
struct Slot {
    offset: usize,
    len: usize,
    is_long: bool,
}

impl<'a> Page<'a> {
    /// None where the bytes are not those of a node.
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() > HEADER + TRAILER && bytes[0] == KIND).then_some(Self(bytes))
    }

    /// All of them.
    pub(super) fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// How far it is from a leaf, which is at level 0.
    #[inline]
    pub(super) fn level(self) -> u8 {
        self.0[1]
    }

    #[inline]
    pub(super) fn count(self) -> usize {
        u16_at(self.0, 2).into()
    }

    pub(super) fn prefix_len(self) -> usize {
        u16_at(self.0, 4).into()
    }

    fn content(self) -> usize {
        u16_at(self.0, 6).into()
    }

    fn slots_end(self) -> usize {
        HEADER + self.prefix_len() + SLOT * self.count()
    }

    #[inline]
    fn prefix(self) -> Option<&'a [u8]> {
        self.0.get(HEADER..HEADER + self.prefix_len())
    }

    #[inline]
    fn slots(self) -> Option<&'a [u8]> {
        self.0.get(HEADER + self.prefix_len()..self.slots_end())
    }

    fn slot(self, index: usize) -> Option<Slot> {
        let slot = self.slots()?.get(index * SLOT..(index + 1) * SLOT)?;
        let len = u16_at(slot, 6);
        Some(Slot { offset: u16_at(slot, 4).into(), len: (len & !IN_RUN).into(), is_long: len & IN_RUN != 0 })
    }

    /// The cell of this number.
    pub(super) fn cell(self, index: usize) -> Option<Cell<'a>> {
        let Slot { offset, len, is_long } = self.slot(index)?;
        let suffix = self.0.get(offset..offset + len)?;
        let rest = if is_long { Some(place_at(self.0, offset + len)?) } else { None };
        let at = offset + len + if is_long { PLACE } else { 0 };
        let payload_len = if self.level() > 0 {
            8
        } else {
            let len = u16::from_le_bytes(self.0.get(at..at + 2)?.try_into().ok()?);
            2 + if len & IN_RUN != 0 { PLACE } else { len.into() }
        };
        let payload = self.0.get(at..at + payload_len)?;
        Some(Cell { prefix: self.prefix()?, suffix, rest, payload })
    }

    /// Where a child or a value's run is noted in the cell of this number, and where the rest of its key is.
    fn places(self, index: usize) -> Option<[Option<usize>; 2]> {
        let Slot { offset, len, is_long } = self.slot(index)?;
        let at = offset + len + if is_long { PLACE } else { 0 };
        let is_run = self.level() == 0 && u16_at(self.0.get(at..at + 2)?, 0) & IN_RUN != 0;
        let payload = if self.level() > 0 { Some(at) } else { is_run.then_some(at + 2) };
        Some([is_long.then_some(offset + len), payload])
    }

    /// The child of this number.
    #[inline]
    pub(super) fn child(self, index: usize) -> Option<u64> {
        self.cell(index)?.child()
    }

    /// Where `key` is, or would be. `rest` compares what follows the key's bytes that stand in a node with what a run holds.
    /// None where the node is not one.
    #[inline]
    pub(super) fn find(
        self,
        key: &[u8],
        mut rest: impl FnMut(Place, &[u8]) -> Result<Ordering>,
    ) -> Result<Option<std::result::Result<usize, usize>>> {
        let (Some(prefix), Some(slots)) = (self.prefix(), self.slots()) else { return Ok(None) };
        // The first child of an inner node is for all keys below the second one's: its own key says nothing.
        let (mut low, mut high) = (usize::from(self.level() > 0), self.count());
        let shared = key.len().min(prefix.len());
        match key[..shared].cmp(&prefix[..shared]) {
            Ordering::Equal if key.len() >= prefix.len() => {}
            Ordering::Greater => return Ok(Some(Err(high))),
            _ => return Ok(Some(Err(low))),
        }
        let key = &key[prefix.len()..];
        let head = head_of(key);
        while low < high {
            let middle = low.midpoint(high);
            let ordering = match head.cmp(&u32_at(slots, middle * SLOT)) {
                Ordering::Equal => match self.compare(key, middle, &mut rest)? {
                    Some(ordering) => ordering,
                    None => return Ok(None),
                },
                ordering => ordering,
            };
            match ordering {
                Ordering::Less => high = middle,
                Ordering::Greater => low = middle + 1,
                Ordering::Equal => return Ok(Some(Ok(middle))),
            }
        }
        Ok(Some(Err(low)))
    }

    fn compare(
        self,
        key: &[u8],
        index: usize,
        rest: &mut impl FnMut(Place, &[u8]) -> Result<Ordering>,
    ) -> Result<Option<Ordering>> {
        let Some(Slot { offset, len, is_long }) = self.slot(index) else { return Ok(None) };
        let Some(suffix) = self.0.get(offset..offset + len) else { return Ok(None) };
        if !is_long {
            return Ok(Some(key.cmp(suffix)));
        }
        let shared = key.len().min(len);
        match key[..shared].cmp(&suffix[..shared]) {
            Ordering::Equal if key.len() <= len => Ok(Some(Ordering::Less)),
            Ordering::Equal => match place_at(self.0, offset + len) {
                Some(place) => rest(place, &key[len..]).map(Some),
                None => Ok(None),
            },
            ordering => Ok(Some(ordering)),
        }
    }

    /// The child whose keys `key` is among.
    #[inline]
    pub(super) fn child_for(
        self,
        key: &[u8],
        rest: impl FnMut(Place, &[u8]) -> Result<Ordering>,
    ) -> Result<Option<usize>> {
        let found = self.find(key, rest)?;
        Ok(found.map(|found| found.unwrap_or_else(|behind| behind.saturating_sub(1))))
    }

    /// How many bytes its cells take, with their slots.
    pub(super) fn used(self) -> usize {
        (0..self.count()).filter_map(|index| self.cell(index)).map(|cell| cell.size(cell.prefix.len())).sum()
    }
}

/// Whether all cells lie in the node, no two of them in the same bytes, and say what they may.
pub(super) fn validate(bytes: &[u8]) -> bool {
    let Some(page) = Page::new(bytes) else { return false };
    let (most_key, end) = (most_key(bytes.len()), bytes.len() - TRAILER);
    let (content, slots_end) = (page.content(), page.slots_end());
    if slots_end > content
        || content > end
        || page.prefix_len() > most_prefix(bytes.len())
        || (page.level() > 0 && page.count() == 0)
    {
        return false;
    }
    let extent = |index: usize| -> Option<(usize, usize)> {
        let (slot, cell) = (page.slot(index)?, page.cell(index)?);
        let size = cell.size(cell.prefix.len()) - SLOT;
        let is_head = cell.key_len() <= most_key && (cell.rest.is_none() || cell.key_len() == most_key);
        let is_value = page.level() > 0 || cell.payload.len() <= 2 + most_value(bytes.len());
        let is_slot = u32_at(page.slots()?, index * SLOT) == head_of(cell.suffix);
        let (from, to) = (slot.offset, slot.offset + size);
        (is_head && is_value && is_slot && from >= content && to <= end).then_some((from, to))
    };
    let extents: Option<Vec<(usize, usize)>> = (0..page.count()).map(extent).collect();
    let Some(mut extents) = extents else { return false };
    extents.sort_unstable();
    extents.windows(2).all(|pair| pair[0].1 <= pair[1].0) || deliberate::is_on("heap: cells may overlap")
}

/// A node's bytes, for editing.
pub(super) struct PageMut<'a>(pub(super) &'a mut [u8]);

impl PageMut<'_> {
    pub(super) fn page(&self) -> Page<'_> {
        Page(self.0)
    }

    fn set_u16(&mut self, at: usize, value: usize) {
        put(self.0, at, (value as u16).to_le_bytes());
    }

    /// Makes it a node of these cells, if they fit. They do not lie in it.
    pub(super) fn fill(&mut self, level: u8, cells: &[Cell<'_>]) -> bool {
        let compared = if level > 0 { cells.get(1..).unwrap_or_default() } else { cells };
        let prefix = match compared {
            // All of them are looked at: those of a damaged node may be out of order.
            [first, others @ ..] if !others.is_empty() => {
                let shared = others.iter().map(|cell| common(first.bytes(), cell.bytes())).min();
                shared.unwrap_or(0).min(most_prefix(self.0.len()))
            }
            _ => 0,
        };
        let bare = |index: usize| level > 0 && index == 0;
        let size = |(index, cell): (usize, &Cell<'_>)| match bare(index) {
            true => SLOT + cell.payload.len(),
            false => cell.size(prefix),
        };
        let used: usize = cells.iter().enumerate().map(size).sum();
        let end = self.0.len() - TRAILER;
        if HEADER + prefix + used > end {
            return false;
        }
        self.0.fill(0);
        self.0[0] = KIND;
        self.0[1] = level;
        self.set_u16(2, cells.len());
        self.set_u16(4, prefix);
        self.set_u16(6, end);
        if let [first, ..] = compared {
            self.0[HEADER..HEADER + prefix].copy_from_slice(&first.head()[..prefix]);
        }
        for (index, cell) in cells.iter().enumerate() {
            let nameless = Cell { prefix: &[], suffix: &[], rest: None, payload: cell.payload };
            let (cell, skipped) = if bare(index) { (&nameless, 0) } else { (cell, prefix) };
            self.place(index, cell, skipped);
        }
        true
    }

    /// Puts a cell before all others, and its slot at `index`, which is free.
    fn place(&mut self, index: usize, cell: &Cell<'_>, skipped: usize) {
        let (one, other) = cell.key_from(skipped);
        let len = one.len() + other.len();
        let size = len + cell.rest.map_or(0, |_| PLACE) + cell.payload.len();
        let start = self.page().content() - size;
        self.set_u16(6, start);
        self.0[start..start + one.len()].copy_from_slice(one);
        self.0[start + one.len()..start + len].copy_from_slice(other);
        let mut at = start + len;
        if let Some(Place { reference, len }) = cell.rest {
            put(self.0, at, reference.to_le_bytes());
            put(self.0, at + 8, len.to_le_bytes());
            at += PLACE;
        }
        self.0[at..at + cell.payload.len()].copy_from_slice(cell.payload);
        let head = head_of(&self.0[start..start + len]);
        let slot = HEADER + self.page().prefix_len() + index * SLOT;
        put(self.0, slot, head.to_le_bytes());
        self.set_u16(slot + 4, start);
        self.set_u16(slot + 6, len | if cell.rest.is_some() { IN_RUN.into() } else { 0 });
    }

    /// Adds a cell at `index`, if it fits. It does not lie in the node.
    pub(super) fn insert(&mut self, index: usize, cell: &Cell<'_>) -> bool {
        let prefix = self.page().prefix_len();
        let has_prefix = self.page().prefix().is_some_and(|prefix| cell.starts_with(prefix));
        if !has_prefix || self.page().slots_end() + cell.size(prefix) > self.page().content() {
            return self.rebuild(Some((index, cell)));
        }
        let (start, end) = (HEADER + prefix + index * SLOT, self.page().slots_end());
        self.0.copy_within(start..end, start + SLOT);
        let count = self.page().count();
        self.set_u16(2, count + 1);
        self.place(index, cell, prefix);
        true
    }

    /// Lays the cells out anew, with one more.
    fn rebuild(&mut self, more: Option<(usize, &Cell<'_>)>) -> bool {
        let before = self.0.to_vec();
        let page = Page(&before);
        let cells = page.cells_with(more);
        self.fill(page.level(), &cells)
    }

    /// Takes a cell away.
    pub(super) fn remove(&mut self, index: usize) {
        let page = self.page();
        let (start, end, count) = (HEADER + page.prefix_len() + index * SLOT, page.slots_end(), page.count());
        self.0.copy_within(start + SLOT..end, start);
        self.set_u16(2, count - 1);
        if count == 1 {
            let end = self.0.len() - TRAILER;
            self.set_u16(6, end);
        }
    }

    /// Puts another payload into a cell, if it fits.
    pub(super) fn replace(&mut self, index: usize, payload: &[u8]) -> bool {
        let before = self.page().cell(index).expect("the node was looked at");
        if before.payload.len() == payload.len() {
            let slot = self.page().slot(index).expect("the node was looked at");
            let at = slot.offset + slot.len + if slot.is_long { PLACE } else { 0 };
            self.0[at..at + payload.len()].copy_from_slice(payload);
            return true;
        }
        let (head, rest) = (before.head(), before.rest);
        let cell = Cell { prefix: &head, suffix: &[], rest, payload };
        let copy = self.0.to_vec();
        self.remove(index);
        let is_in = self.insert(index, &cell);
        if !is_in {
            self.0.copy_from_slice(&copy);
        }
        is_in
    }

    /// Replaces the child of a cell.
    pub(super) fn set_child(&mut self, index: usize, child: u64) {
        let at = self.page().places(index).and_then(|places| places[1]).expect("the node was looked at");
        put(self.0, at, child.to_le_bytes());
    }

    /// Replaces every reference by what `change` makes of it.
    pub(super) fn map_references(&mut self, mut change: impl FnMut(u64) -> u64) {
        for index in 0..self.page().count() {
            let places = self.page().places(index).expect("the node was looked at");
            for at in places.into_iter().flatten() {
                let changed = change(u64_at(self.0, at));
                put(self.0, at, changed.to_le_bytes());
            }
        }
    }
}

/// Whether no reference of a node that was looked at is one in memory, which a file never has.
pub(super) fn is_of_file(bytes: &[u8]) -> bool {
    let Some(page) = Page::new(bytes) else { return false };
    let is_outside = |at: usize| u64_at(bytes, at) & super::format::IN_MEMORY == 0;
    (0..page.count()).all(|index| page.places(index).is_some_and(|places| places.into_iter().flatten().all(is_outside)))
}

impl<'a> Page<'a> {
    /// All cells of a node that was looked at, with one more before that of its number.
    pub(super) fn cells_with<'b>(self, more: Option<(usize, &Cell<'b>)>) -> Vec<Cell<'b>>
    where
        'a: 'b,
    {
        let mut cells: Vec<Cell<'b>> = (0..self.count()).filter_map(|index| self.cell(index)).collect();
        if let Some((index, cell)) = more {
            cells.insert(index, *cell);
        }
        cells
    }
}

/// Where to split cells that do not fit into one node behind a prefix of so many bytes, the one at `added` being new: in ascending
/// and in descending order the new one goes alone, so that nodes stay full; otherwise into halves.
pub(super) fn split_at(cells: &[Cell<'_>], added: usize, prefix: usize) -> usize {
    if added + 1 == cells.len() {
        return added;
    }
    if added == 0 {
        return 1;
    }
    let total: usize = cells.iter().map(|cell| cell.size(prefix)).sum();
    let mut left = 0;
    for (index, cell) in cells.iter().enumerate() {
        let size = cell.size(prefix);
        if 2 * left + size >= total {
            return index.clamp(1, cells.len() - 1);
        }
        left += size;
    }
    cells.len() - 1
}
