//! The tree: nodes in memory over nodes in the file. Reading follows references; changing takes what is changed into memory,
//! with all that leads to it, and copies what someone else sees too.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering as Order};
use std::sync::{Arc, OnceLock};

use super::format::{Geometry, IN_MEMORY, block_of, seal_block};
use super::node::{Cell, HEADER, Page, PageMut, Place, Stored, TRAILER, most_key, most_value, split_at, value_payload};
use super::store::{MOST_RUN, Store};
use crate::Result;
use crate::os::deliberate;

/// The first block of something, and how many it has.
pub(super) type Extent = (u64, u64);

/// A root.
#[derive(Clone)]
pub(super) enum Root {
    None,
    /// A reference.
    File(u64),
    Memory(Arc<Node>),
}

/// A node in memory. What of it is in memory too is in `links`, to which its references are indices.
pub(super) struct Node {
    bytes: Box<[u8]>,
    links: Vec<Option<Link>>,
    /// Where a checkpoint writes it, or wrote it; 0 since it changed.
    block: AtomicU64,
    /// What leads to it there, once it is written.
    reference: AtomicU64,
}

#[derive(Clone)]
enum Link {
    Node(Arc<Node>),
    Run(Arc<Run>),
}

/// A run in memory.
pub(super) struct Run {
    bytes: Vec<u8>,
    /// Where a checkpoint writes its parts, or wrote them.
    parts: OnceLock<Vec<Extent>>,
    reference: AtomicU64,
    /// The tree that is being changed has it no more, though others may see it.
    is_dropped: AtomicBool,
}

/// A value, as it is taken out of a tree, and put into it.
pub(super) enum Value {
    Inline(Vec<u8>),
    Memory(Arc<Run>),
    File(Place),
}

impl Run {
    fn new(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self {
            bytes,
            parts: OnceLock::new(),
            reference: AtomicU64::new(0),
            is_dropped: AtomicBool::new(false),
        })
    }

    /// How many blocks its parts take.
    pub(super) fn needs(&self, geometry: &Geometry) -> Vec<u64> {
        let (len, most) = (self.bytes.len() as u64, geometry.run_len(MOST_RUN));
        if len <= most {
            return vec![geometry.run_blocks(len)];
        }
        let pieces = len.div_ceil(most);
        let mut needs: Vec<u64> = (0..pieces).map(|piece| geometry.run_blocks(most.min(len - piece * most))).collect();
        needs.push(geometry.run_blocks(8 * pieces));
        needs
    }
}

/// A node, in memory or in the file.
#[derive(Clone, Copy)]
pub(super) struct NodeRef<'a> {
    store: &'a Store,
    page: Page<'a>,
    links: &'a [Option<Link>],
    block: u64,
}

impl<'a> NodeRef<'a> {
    fn in_memory(store: &'a Store, node: &'a Node) -> Self {
        Self { store, page: node.page(), links: &node.links, block: 0 }
    }

    #[inline]
    fn of(store: &'a Store, reference: u64) -> Result<Self> {
        Ok(Self { store, page: store.node(reference)?, links: &[], block: block_of(reference) })
    }

    #[cold]
    fn damaged<T>(self) -> Result<T> {
        self.store.check()?;
        Err(self.store.damaged(self.block, "a node is not one"))
    }

    /// What there must be in a node.
    #[inline]
    fn known<T>(self, found: Option<T>) -> Result<T> {
        match found {
            Some(found) => Ok(found),
            None => self.damaged(),
        }
    }

    #[inline]
    fn follow(self, reference: u64) -> Result<Self> {
        if reference & IN_MEMORY == 0 {
            return Self::of(self.store, reference);
        }
        match self.links.get((reference ^ IN_MEMORY) as usize) {
            Some(Some(Link::Node(node))) => Ok(Self::in_memory(self.store, node)),
            _ => self.damaged(),
        }
    }

    #[inline]
    fn child(self, index: usize) -> Result<Self> {
        let child = self.follow(self.known(self.page.child(index))?)?;
        // So a reference that leads upwards ends somewhere.
        if is_above(self.page, child.page) { Ok(child) } else { child.damaged() }
    }

    fn run(self, place: Place) -> Result<Cow<'a, [u8]>> {
        if place.reference & IN_MEMORY == 0 {
            return self.store.run(place);
        }
        match self.links.get((place.reference ^ IN_MEMORY) as usize) {
            Some(Some(Link::Run(run))) => Ok(Cow::Borrowed(&run.bytes)),
            _ => self.damaged(),
        }
    }

    fn compare_rest(self, place: Place, rest: &[u8]) -> Result<Ordering> {
        self.run(place).map(|run| rest.cmp(&run))
    }

    #[inline]
    fn find(self, key: &[u8]) -> Result<std::result::Result<usize, usize>> {
        let found = self.page.find(key, |place, rest| self.compare_rest(place, rest))?;
        self.known(found)
    }

    #[inline]
    fn child_for(self, key: &[u8]) -> Result<usize> {
        let found = self.page.child_for(key, |place, rest| self.compare_rest(place, rest))?;
        self.known(found)
    }

    fn cell(self, index: usize) -> Result<Cell<'a>> {
        self.known(self.page.cell(index))
    }

    /// Puts the key of a cell into `key`.
    fn key(self, cell: &Cell<'a>, key: &mut Vec<u8>) -> Result<()> {
        key.clear();
        key.extend_from_slice(cell.prefix);
        key.extend_from_slice(cell.suffix);
        if let Some(place) = cell.rest {
            key.extend_from_slice(&self.run(place)?);
        }
        Ok(())
    }

    fn value(self, cell: &Cell<'a>) -> Result<Cow<'a, [u8]>> {
        match self.known(cell.stored())? {
            Stored::Inline(value) => Ok(Cow::Borrowed(value)),
            Stored::Run(place) => self.run(place),
        }
    }
}

/// Whether a node is one level above another.
#[inline]
fn is_above(node: Page<'_>, child: Page<'_>) -> bool {
    node.level().checked_sub(1) == Some(child.level())
}

/// The node at the root.
#[inline]
fn top<'a>(store: &'a Store, root: &'a Root) -> Result<Option<NodeRef<'a>>> {
    match root {
        Root::None => Ok(None),
        Root::File(reference) => NodeRef::of(store, *reference).map(Some),
        Root::Memory(node) => Ok(Some(NodeRef::in_memory(store, node))),
    }
}

/// The value of a key.
#[inline]
pub(super) fn get<'a>(store: &'a Store, root: &'a Root, key: &[u8]) -> Result<Option<Cow<'a, [u8]>>> {
    let Some(mut node) = top(store, root)? else { return Ok(None) };
    while node.page.level() > 0 {
        node = node.child(node.child_for(key)?)?;
    }
    let value = match node.find(key)? {
        Ok(index) => Some(node.value(&node.cell(index)?)?),
        Err(_) => None,
    };
    store.check()?;
    Ok(value)
}

/// Goes through entries in the order of their keys, or the other way round.
pub(super) struct Cursor<'a> {
    store: &'a Store,
    /// The nodes down to a leaf, each with how many of its cells are still to come.
    path: Vec<(NodeRef<'a>, usize)>,
    key: Vec<u8>,
    reverse: bool,
    /// How many nodes of the file are still to come at most: one that several references lead to would come again and again.
    most: u64,
}

impl<'a> Cursor<'a> {
    /// Forwards from `from` on, backwards from it to the first one; where it is not given, from the first one or the last one on.
    pub(super) fn new(store: &'a Store, root: &'a Root, from: Option<&[u8]>, reverse: bool) -> Result<Self> {
        let most = store.file.len() / store.geometry.node_size;
        let mut cursor = Self { store, path: Vec::new(), key: Vec::new(), reverse, most };
        let mut next = top(store, root)?;
        while let Some(node) = next {
            let (level, count) = (node.page.level(), node.page.count());
            let at = match from {
                None if reverse => count,
                None => 0,
                Some(key) if level > 0 => node.child_for(key)? + usize::from(reverse),
                Some(key) => match node.find(key)? {
                    Ok(index) => index + usize::from(reverse),
                    Err(index) => index,
                },
            };
            // Of an inner node, the child that is gone down to is not to come any more.
            let (left, child) = match (level > 0, reverse) {
                (true, false) => (count.saturating_sub(at + 1), Some(at)),
                (true, true) => (at.saturating_sub(1), at.checked_sub(1)),
                (false, false) => (count.saturating_sub(at), None),
                (false, true) => (at, None),
            };
            cursor.path.push((node, left));
            next = child.map(|child| node.child(child)).transpose()?;
        }
        Ok(cursor)
    }

    /// The next entry.
    pub(super) fn next(&mut self) -> Result<Option<super::Entry<'_, 'a>>> {
        while let Some((node, left)) = self.path.last_mut() {
            if *left == 0 {
                self.path.pop();
                continue;
            }
            *left -= 1;
            let (node, index) = (*node, if self.reverse { *left } else { node.page.count() - *left - 1 });
            if node.page.level() == 0 {
                let cell = node.cell(index)?;
                node.key(&cell, &mut self.key)?;
                let value = node.value(&cell)?;
                self.store.check()?;
                return Ok(Some((&self.key, value)));
            }
            let child = node.child(index)?;
            if child.block != 0 && !deliberate::is_on("heap: nodes read without end") {
                self.most = node.known(self.most.checked_sub(1))?;
            }
            self.path.push((child, child.page.count()));
        }
        Ok(None)
    }
}

/// A tree that is being changed.
pub(super) struct Tree {
    pub(super) root: Root,
    pub(super) entries: u64,
    pub(super) changes: Changes,
}

/// What changing a tree leads to.
#[derive(Default)]
pub(super) struct Changes {
    /// How many blocks the next checkpoint needs for nodes.
    pub(super) dirty: u64,
    /// New runs, which have no place in the file yet.
    pub(super) runs: Vec<Arc<Run>>,
    /// The blocks that the tree does not need any more.
    pub(super) freed: Vec<Extent>,
    /// A change failed halfway: what is in memory is of no use any more.
    pub(super) is_torn: bool,
}

impl Changes {
    /// A node goes.
    fn drop_node(&mut self, block: u64) {
        match block {
            0 => self.dirty -= 1,
            block => self.freed.push((block, 1)),
        }
    }

    /// A run goes.
    fn drop_run(&mut self, run: &Run) {
        run.is_dropped.store(true, Order::Relaxed);
        self.freed.extend(run.parts.get().into_iter().flatten());
    }

    /// The runs that need a place.
    pub(super) fn unplaced(&mut self) -> Vec<Arc<Run>> {
        let is_needed = |run: &Arc<Run>| Arc::strong_count(run) > 1 && !run.is_dropped.load(Order::Relaxed);
        self.runs.retain(|run| is_needed(run) && run.parts.get().is_none());
        self.runs.clone()
    }

    /// The runs that needed a place have one.
    pub(super) fn place(&mut self, runs: &[Arc<Run>], places: Vec<Vec<Extent>>) {
        for (run, parts) in runs.iter().zip(places) {
            let _ = run.parts.set(parts);
        }
        self.runs.clear();
    }
}

/// What came of adding a cell to a node: it fits, or there is one more node, for keys from `separator` on.
type Grown = Option<(Vec<u8>, Arc<Node>)>;

impl Node {
    fn new(len: usize) -> Self {
        let bytes = vec![0; len].into_boxed_slice();
        Self { bytes, links: Vec::new(), block: AtomicU64::new(0), reference: AtomicU64::new(0) }
    }

    /// A node of the file, in memory.
    fn load(store: &Store, reference: u64) -> Result<Self> {
        // Memory that a file shows may change. What is edited is what was looked at.
        let bytes = store.node_copy(reference)?;
        Ok(Self { bytes, links: Vec::new(), block: AtomicU64::new(0), reference: AtomicU64::new(0) })
    }

    /// What leads to it in the file, once it is written.
    pub(super) fn reference(&self) -> u64 {
        self.reference.load(Order::Acquire)
    }

    fn page(&self) -> Page<'_> {
        Page::new(&self.bytes).expect("a node in memory is one")
    }

    fn page_mut(&mut self) -> PageMut<'_> {
        PageMut(&mut self.bytes)
    }

    /// The node, to change it: a copy where someone else sees it. It lies nowhere any more.
    fn own<'n>(node: &'n mut Arc<Node>, changes: &mut Changes) -> &'n mut Node {
        let block = node.block.load(Order::Relaxed);
        if block != 0 {
            changes.freed.push((block, 1));
            changes.dirty += 1;
        }
        if Arc::get_mut(node).is_none() {
            let mut copy = Node::new(node.bytes.len());
            copy.bytes.copy_from_slice(&node.bytes);
            copy.links.clone_from(&node.links);
            *node = Arc::new(copy);
        }
        let node = Arc::get_mut(node).expect("nobody else has it");
        *node.block.get_mut() = 0;
        *node.reference.get_mut() = 0;
        node
    }

    fn add_link(&mut self, link: Link) -> u64 {
        let free = self.links.iter().position(Option::is_none).unwrap_or(self.links.len());
        if free == self.links.len() {
            self.links.push(None);
        }
        self.links[free] = Some(link);
        IN_MEMORY | free as u64
    }

    fn take_link(&mut self, reference: u64) -> Option<Link> {
        self.links.get_mut((reference ^ IN_MEMORY) as usize)?.take()
    }

    /// Forgets the links that no cell leads to: what is split and joined again and again has no more of them than cells.
    fn prune(&mut self) {
        let (mut before, mut kept) = (std::mem::take(&mut self.links), Vec::new());
        self.page_mut().map_references(|reference| match reference & IN_MEMORY {
            0 => reference,
            _ => {
                kept.push(before[(reference ^ IN_MEMORY) as usize].take());
                IN_MEMORY | (kept.len() as u64 - 1)
            }
        });
        self.links = kept;
    }

    /// A child, to change it.
    fn child_mut(&mut self, index: usize, store: &Store, changes: &mut Changes) -> Result<&mut Node> {
        let mut reference = self.page().child(index).expect("the node was looked at");
        if reference & IN_MEMORY == 0 {
            let node = Node::load(store, reference)?;
            if !is_above(self.page(), node.page()) {
                return Err(store.damaged(block_of(reference), "a node is not one"));
            }
            changes.freed.push((block_of(reference), 1));
            changes.dirty += 1;
            reference = self.add_link(Link::Node(Arc::new(node)));
            self.page_mut().set_child(index, reference);
        }
        match &mut self.links[(reference ^ IN_MEMORY) as usize] {
            Some(Link::Node(node)) => Ok(Node::own(node, changes)),
            _ => unreachable!("a child's link is a node"),
        }
    }

    /// The part of a key that stands in a node, and a run of the rest where there is one.
    fn key_parts<'k>(&mut self, key: &'k [u8], changes: &mut Changes) -> (&'k [u8], Option<Place>) {
        let most = most_key(self.bytes.len());
        if key.len() <= most {
            return (key, None);
        }
        let run = Run::new(key[most..].to_vec());
        changes.runs.push(Arc::clone(&run));
        let len = run.bytes.len() as u64;
        (&key[..most], Some(Place { reference: self.add_link(Link::Run(run)), len }))
    }

    /// Forgets a run of this node's.
    fn drop_place(&mut self, place: Place, store: &Store, changes: &mut Changes) -> Result<()> {
        if place.reference & IN_MEMORY == 0 {
            changes.freed.extend(store.run_blocks(place)?);
        } else if let Some(Link::Run(run)) = self.take_link(place.reference) {
            changes.drop_run(&run);
        }
        Ok(())
    }

    /// A leaf's payload for a value.
    fn payload(&mut self, value: Value, changes: &mut Changes) -> Vec<u8> {
        let run = match value {
            Value::Inline(value) if value.len() <= most_value(self.bytes.len()) => {
                return value_payload(Stored::Inline(&value));
            }
            Value::File(place) => return value_payload(Stored::Run(place)),
            Value::Memory(run) => run,
            Value::Inline(value) => {
                let run = Run::new(value);
                changes.runs.push(Arc::clone(&run));
                run
            }
        };
        let len = run.bytes.len() as u64;
        value_payload(Stored::Run(Place { reference: self.add_link(Link::Run(run)), len }))
    }

    /// Takes the value of a cell out, which is then replaced or removed.
    fn take_value(&mut self, index: usize, store: &Store) -> Result<Value> {
        let stored = self.page().cell(index).and_then(|cell| cell.stored()).expect("the node was looked at");
        match stored {
            Stored::Inline(value) => Ok(Value::Inline(value.to_vec())),
            Stored::Run(place) if place.reference & IN_MEMORY == 0 => {
                // Whoever frees it later must be able to.
                store.run_blocks(place)?;
                Ok(Value::File(place))
            }
            Stored::Run(place) => match self.take_link(place.reference) {
                Some(Link::Run(run)) => Ok(Value::Memory(run)),
                _ => unreachable!("a run's link is one"),
            },
        }
    }

    fn set(
        &mut self,
        key: &[u8],
        value: Value,
        store: &Store,
        changes: &mut Changes,
    ) -> Result<(Option<Value>, Grown)> {
        if self.page().level() > 0 {
            let index = NodeRef::in_memory(store, self).child_for(key)?;
            let (old, grown) = self.child_mut(index, store, changes)?.set(key, value, store, changes)?;
            let Some((separator, right)) = grown else { return Ok((old, None)) };
            let (head, rest) = self.key_parts(&separator, changes);
            let child = self.add_link(Link::Node(right)).to_le_bytes();
            let cell = Cell { prefix: head, suffix: &[], rest, payload: &child };
            return Ok((old, self.add(index + 1, &cell, store, changes)?));
        }
        match NodeRef::in_memory(store, self).find(key)? {
            Ok(index) => {
                let old = self.take_value(index, store)?;
                let payload = self.payload(value, changes);
                if self.page_mut().replace(index, &payload) {
                    return Ok((Some(old), None));
                }
                let cell = self.page().cell(index).expect("the node was looked at");
                let (head, rest) = (cell.head(), cell.rest);
                self.page_mut().remove(index);
                let cell = Cell { prefix: &head, suffix: &[], rest, payload: &payload };
                Ok((Some(old), self.add(index, &cell, store, changes)?))
            }
            Err(index) => {
                let payload = self.payload(value, changes);
                let (head, rest) = self.key_parts(key, changes);
                let cell = Cell { prefix: head, suffix: &[], rest, payload: &payload };
                Ok((None, self.add(index, &cell, store, changes)?))
            }
        }
    }

    /// Adds a cell, to one more node where it does not fit into this one.
    fn add(&mut self, index: usize, cell: &Cell<'_>, store: &Store, changes: &mut Changes) -> Result<Grown> {
        if self.page_mut().insert(index, cell) {
            return Ok(None);
        }
        // What was changed before, such as a child that was split, is lost where this fails.
        self.split(index, cell, store, changes).inspect_err(|_| changes.is_torn = true)
    }

    fn split(&mut self, index: usize, cell: &Cell<'_>, store: &Store, changes: &mut Changes) -> Result<Grown> {
        let before = self.bytes.clone();
        let page = Page::new(&before).expect("a node in memory is one");
        let (level, cells) = (page.level(), page.cells_with(Some((index, cell))));
        let (mut left, mut right) = (before.clone(), Node::new(self.bytes.len()));
        let at = [split_at(&cells, index, page.prefix_len()), index, index + 1].into_iter().find(|&at| {
            let inside = (1..cells.len()).contains(&at);
            inside && PageMut(&mut left).fill(level, &cells[..at]) && right.page_mut().fill(level, &cells[at..])
        });
        // Two nodes have room for the cells of one and one more, but for such as are out of order.
        let at = at.ok_or_else(|| store.damaged(0, "a node has keys out of order"))?;
        let separator = self.separator(level, &cells[at - 1], &cells[at], store)?;
        if let Some(place) = cells[at].rest.filter(|_| level > 0) {
            self.drop_place(place, store, changes)?;
        }
        changes.dirty += 1;
        self.bytes = left;
        right.links.clone_from(&self.links);
        self.prune();
        right.prune();
        Ok(Some((separator, Arc::new(right))))
    }

    /// The key that parts the cells of two nodes: as short as it can be between leaves.
    fn separator(&self, level: u8, last: &Cell<'_>, first: &Cell<'_>, store: &Store) -> Result<Vec<u8>> {
        let (left, right) = (last.head(), first.head());
        if level == 0 {
            let shared = left.iter().zip(&right).take_while(|(left, right)| left == right).count();
            if shared < right.len() {
                return Ok(right[..=shared].to_vec());
            }
        }
        self.whole_key(right, first.rest, store)
    }

    fn whole_key(&self, mut head: Vec<u8>, rest: Option<Place>, store: &Store) -> Result<Vec<u8>> {
        if let Some(place) = rest {
            // The links of what it is called for are those of this node.
            let view = NodeRef { store, page: self.page(), links: &self.links, block: 0 };
            head.extend_from_slice(&view.run(place)?);
        }
        Ok(head)
    }

    fn remove(&mut self, key: &[u8], store: &Store, changes: &mut Changes) -> Result<Option<Value>> {
        if self.page().level() == 0 {
            let Ok(index) = NodeRef::in_memory(store, self).find(key)? else { return Ok(None) };
            let rest = self.page().cell(index).expect("the node was looked at").rest;
            if let Some(place) = rest.filter(|place| place.reference & IN_MEMORY == 0) {
                store.run_blocks(place)?;
            }
            let old = self.take_value(index, store)?;
            if let Some(place) = rest {
                self.drop_place(place, store, changes)?;
            }
            self.page_mut().remove(index);
            return Ok(Some(old));
        }
        let index = NodeRef::in_memory(store, self).child_for(key)?;
        let child = self.child_mut(index, store, changes)?;
        let old = child.remove(key, store, changes)?;
        if child.page().count() == 0 {
            self.drop_child(index, store, changes);
        } else if child.page().used() < (child.bytes.len() - HEADER - TRAILER) / 4 {
            self.join(index, store, changes);
        }
        Ok(old)
    }

    /// Takes an empty child away.
    fn drop_child(&mut self, index: usize, store: &Store, changes: &mut Changes) {
        let cell = self.page().cell(index).expect("the node was looked at");
        let (child, rest) = (cell.child().expect("an inner node has children"), cell.rest);
        if let Some(Link::Node(node)) = self.take_link(child) {
            changes.drop_node(node.block.load(Order::Relaxed));
        }
        self.take_cell(index, rest, store, changes);
    }

    /// Takes a child's cell away, and the run of its key; the first one's key is not kept.
    fn take_cell(&mut self, index: usize, rest: Option<Place>, store: &Store, changes: &mut Changes) {
        let next = if index == 0 { self.page().cell(1).and_then(|cell| cell.rest) } else { None };
        for place in [rest, next].into_iter().flatten() {
            // A run that cannot be found keeps its blocks.
            let _ = self.drop_place(place, store, changes);
        }
        self.page_mut().remove(index);
        if index == 0 && self.page().count() > 0 {
            let before = self.bytes.clone();
            let page = Page::new(&before).expect("a node in memory is one");
            let is_in = self.page_mut().fill(page.level(), &page.cells_with(None));
            debug_assert!(is_in);
        }
    }

    /// Makes one node of a child and its neighbour, if they fit.
    fn join(&mut self, index: usize, store: &Store, changes: &mut Changes) {
        let count = self.page().count();
        if count < 2 {
            return;
        }
        let left = if index + 1 < count { index } else { index - 1 };
        // What cannot be read stays what it is.
        let _ = self.try_join(left, store, changes);
    }

    fn try_join(&mut self, left: usize, store: &Store, changes: &mut Changes) -> Result<()> {
        let here = NodeRef::in_memory(store, self);
        let (one, other) = (here.child(left)?, here.child(left + 1)?);
        let room = store.geometry.node_size as usize - HEADER - TRAILER;
        if one.page.used() + other.page.used() > room * 9 / 10 {
            return Ok(());
        }
        let (level, mut moved) = (other.page.level(), other.clone_bytes());
        let separator = here.cell(left + 1)?;
        let (separator_head, mut separator_rest) = (separator.head(), separator.rest);
        let (right, right_links) = (separator.child(), other.links.to_vec());
        let one = self.child_mut(left, store, changes)?;
        let base = one.links.len() as u64;
        PageMut(&mut moved).map_references(|reference| match reference & IN_MEMORY {
            0 => reference,
            _ => reference + base,
        });
        let before = one.bytes.clone();
        let mut cells = Page::new(&before).expect("a node in memory is one").cells_with(None);
        let mut others = Page::new(&moved).expect("a node in memory is one").cells_with(None);
        let behind = base + right_links.len() as u64;
        let run_link = separator_rest.filter(|_| level > 0).filter(|place| place.reference & IN_MEMORY != 0);
        let run = run_link.map(|place| place.reference);
        if level > 0 {
            if run.is_some() {
                separator_rest = separator_rest.map(|place| Place { reference: IN_MEMORY | behind, ..place });
            }
            others[0] = Cell { prefix: &separator_head, suffix: &[], rest: separator_rest, payload: others[0].payload };
        }
        cells.append(&mut others);
        if !one.page_mut().fill(level, &cells) {
            return Ok(());
        }
        one.links.extend(right_links);
        let link = run.map(|reference| self.take_link(reference));
        let one = self.child_mut(left, store, changes)?;
        one.links.extend(link);
        one.prune();
        let right = right.expect("an inner node has children");
        match right & IN_MEMORY {
            0 => changes.freed.push((block_of(right), 1)),
            _ => {
                if let Some(Link::Node(node)) = self.take_link(right) {
                    changes.drop_node(node.block.load(Order::Relaxed));
                }
            }
        }
        let own_rest = if level > 0 { None } else { separator_rest };
        self.take_cell(left + 1, own_rest, store, changes);
        Ok(())
    }
}

impl NodeRef<'_> {
    fn clone_bytes(self) -> Vec<u8> {
        self.page.bytes().to_vec()
    }
}

impl Tree {
    pub(super) fn new(root: u64, entries: u64) -> Self {
        let root = if root == 0 { Root::None } else { Root::File(root) };
        Self { root, entries, changes: Changes::default() }
    }

    /// The root, to change it.
    fn root_mut(&mut self, store: &Store) -> Result<Option<&mut Node>> {
        if let Root::File(reference) = self.root {
            let node = Node::load(store, reference)?;
            self.changes.freed.push((block_of(reference), 1));
            self.changes.dirty += 1;
            self.root = Root::Memory(Arc::new(node));
        }
        match &mut self.root {
            Root::Memory(node) => Ok(Some(Node::own(node, &mut self.changes))),
            _ => Ok(None),
        }
    }

    /// Sets a value. Returns what it was before.
    pub(super) fn set(&mut self, store: &Store, key: &[u8], value: Value) -> Result<Option<Value>> {
        if matches!(self.root, Root::None) {
            let mut leaf = Node::new(store.geometry.node_size as usize);
            leaf.page_mut().fill(0, &[]);
            self.changes.dirty += 1;
            self.root = Root::Memory(Arc::new(leaf));
        }
        self.root_mut(store)?;
        let Root::Memory(root) = &mut self.root else { unreachable!("the root is in memory") };
        if root.page().level() == u8::MAX {
            return Err(store.damaged(0, "the tree is as high as none can be"));
        }
        let root_node = Arc::get_mut(root).expect("nobody else has it");
        let (old, grown) = root_node.set(key, value, store, &mut self.changes)?;
        if let Some((separator, right)) = grown {
            let level = root.page().level() + 1;
            let mut above = Node::new(store.geometry.node_size as usize);
            let left = above.add_link(Link::Node(Arc::clone(root))).to_le_bytes();
            let (head, rest) = above.key_parts(&separator, &mut self.changes);
            let right = above.add_link(Link::Node(right)).to_le_bytes();
            let first = Cell { prefix: &[], suffix: &[], rest: None, payload: &left };
            let is_in =
                above.page_mut().fill(level, &[first, Cell { prefix: head, suffix: &[], rest, payload: &right }]);
            debug_assert!(is_in);
            self.changes.dirty += 1;
            *root = Arc::new(above);
        }
        self.entries += u64::from(old.is_none());
        Ok(old)
    }

    /// Removes a key. Returns what its value was.
    pub(super) fn remove(&mut self, store: &Store, key: &[u8]) -> Result<Option<Value>> {
        if get(store, &self.root, key)?.is_none() {
            return Ok(None);
        }
        if self.entries == 0 {
            return Err(store.damaged(0, "there are more entries than it says"));
        }
        self.root_mut(store)?;
        let Root::Memory(root) = &mut self.root else { unreachable!("the root is in memory") };
        let root = Arc::get_mut(root).expect("nobody else has it");
        let old = root.remove(key, store, &mut self.changes)?;
        self.entries -= u64::from(old.is_some());
        self.lower(store);
        Ok(old)
    }

    /// Takes roots away that have one child, or none.
    fn lower(&mut self, store: &Store) {
        while let Root::Memory(root) = &mut self.root {
            let (level, count) = (root.page().level(), root.page().count());
            if count > 1 || level == 0 && count == 1 {
                return;
            }
            let block = root.block.load(Order::Relaxed);
            let next = match (level, count) {
                (0, _) | (_, 0) => Root::None,
                _ => {
                    let reference = root.page().child(0).expect("an inner node has children");
                    match reference & IN_MEMORY {
                        // What is not known to be a node is not made the root.
                        0 if NodeRef::of(store, reference).is_ok_and(|child| is_above(root.page(), child.page)) => {
                            Root::File(reference)
                        }
                        0 => return,
                        _ => match Arc::get_mut(root).and_then(|root| root.take_link(reference)) {
                            Some(Link::Node(node)) => Root::Memory(node),
                            _ => return,
                        },
                    }
                }
            };
            self.changes.drop_node(block);
            self.root = next;
        }
    }

    /// Gives up a value that was taken out.
    pub(super) fn discard(&mut self, store: &Store, value: &Value) {
        match value {
            Value::Inline(_) => {}
            Value::Memory(run) => self.changes.drop_run(run),
            // It was looked at when it was taken out.
            Value::File(place) => self.changes.freed.extend(store.run_blocks(*place).unwrap_or_default()),
        }
    }

    /// The most links that a node in memory has.
    #[cfg(test)]
    pub(super) fn most_links(&self) -> usize {
        fn most(node: &Node) -> usize {
            let below = node.links.iter().flatten().map(|link| match link {
                Link::Node(node) => most(node),
                Link::Run(_) => 0,
            });
            below.max().unwrap_or(0).max(node.links.len())
        }
        match &self.root {
            Root::Memory(root) => most(root),
            _ => 0,
        }
    }

    /// What the next checkpoint writes, each after all that it leads to.
    pub(super) fn dirty(&self) -> Vec<Dirty> {
        let mut dirty = Vec::new();
        if let Root::Memory(root) = &self.root {
            root.collect(&mut dirty);
        }
        dirty
    }

    /// Lets go of what is in the file by now.
    pub(super) fn settle(&mut self) {
        let Root::Memory(root) = &mut self.root else { return };
        match root.reference.load(Order::Acquire) {
            0 => Node::settle(root),
            reference => self.root = Root::File(reference),
        }
    }
}

/// Something in memory that is to be written.
pub(super) enum Dirty {
    Node(Arc<Node>),
    Run(Arc<Run>),
}

impl Dirty {
    /// A node, which has no place in the file yet.
    pub(super) fn assign(&self, block: u64) {
        if let Dirty::Node(node) = self {
            node.block.store(block, Order::Relaxed);
        }
    }

    pub(super) fn is_node(&self) -> bool {
        matches!(self, Dirty::Node(_))
    }

    /// Writes it where it is to be, by `write`, which takes a block and what goes there.
    pub(super) fn write(
        &self,
        store: &Store,
        epoch: u64,
        mut write: impl FnMut(u64, &[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let mut put = |bytes: &mut [u8], block: u64| {
            let checksum = seal_block(bytes, store.salt, block, epoch);
            write(block, bytes).map(|()| super::format::reference(block, checksum))
        };
        match self {
            Dirty::Node(node) => {
                let mut bytes = node.bytes.clone();
                PageMut(&mut bytes).map_references(|reference| node.written(reference));
                let reference = put(&mut bytes, node.block.load(Order::Relaxed))?;
                node.reference.store(reference, Order::Release);
            }
            Dirty::Run(run) => {
                let parts = run.parts.get().expect("a run that is written has its place");
                let mut part = |bytes: &[u8], (block, blocks): Extent| {
                    let mut padded = bytes.to_vec();
                    padded.resize((blocks * store.geometry.node_size) as usize, 0);
                    put(&mut padded, block)
                };
                let most = store.geometry.run_len(MOST_RUN) as usize;
                let (last, pieces) = parts.split_last().expect("a run has a part");
                let reference = if pieces.is_empty() {
                    part(&run.bytes, *last)?
                } else {
                    let mut index = Vec::new();
                    for (bytes, extent) in run.bytes.chunks(most).zip(pieces) {
                        index.extend_from_slice(&part(bytes, *extent)?.to_le_bytes());
                    }
                    part(&index, *last)?
                };
                run.reference.store(reference, Order::Release);
            }
        }
        Ok(())
    }
}

impl Node {
    fn collect(self: &Arc<Self>, dirty: &mut Vec<Dirty>) {
        if self.block.load(Order::Relaxed) != 0 {
            return;
        }
        for link in self.links.iter().flatten() {
            match link {
                Link::Node(node) => node.collect(dirty),
                Link::Run(run) if run.reference.load(Order::Acquire) == 0 => dirty.push(Dirty::Run(Arc::clone(run))),
                Link::Run(_) => {}
            }
        }
        dirty.push(Dirty::Node(Arc::clone(self)));
    }

    /// What leads to the same in the file, all of which is written.
    fn written(&self, reference: u64) -> u64 {
        if reference & IN_MEMORY == 0 {
            return reference;
        }
        match &self.links[(reference ^ IN_MEMORY) as usize] {
            Some(Link::Node(node)) => node.reference.load(Order::Acquire),
            Some(Link::Run(run)) => run.reference.load(Order::Acquire),
            None => unreachable!("a reference leads to something"),
        }
    }

    fn settle(node: &mut Arc<Node>) {
        // What someone else sees too stays as it is.
        let Some(node) = Arc::get_mut(node) else { return };
        let links = &mut node.links;
        PageMut(&mut node.bytes).map_references(|reference| {
            if reference & IN_MEMORY == 0 {
                return reference;
            }
            let link = &mut links[(reference ^ IN_MEMORY) as usize];
            let written = match link {
                Some(Link::Node(node)) => node.reference.load(Order::Acquire),
                Some(Link::Run(run)) => run.reference.load(Order::Acquire),
                None => unreachable!("a reference leads to something"),
            };
            match (written, link) {
                (0, Some(Link::Node(node))) => Node::settle(node),
                (0, _) => {}
                (_, link) => *link = None,
            }
            if written == 0 { reference } else { written }
        });
    }
}

/// Goes through all of a tree. `reach` is told of each extent, and says whether it was reached the first time.
pub(super) fn walk(
    store: &Store,
    root: &Root,
    report: &mut super::Report,
    damage: &mut Vec<String>,
    reach: &mut dyn FnMut(u64, u64) -> bool,
) {
    let node = match top(store, root) {
        Ok(None) => return,
        Ok(Some(node)) => node,
        Err(error) => return damage.push(error.to_string()),
    };
    report.depth = u64::from(node.page.level()) + 1;
    let mut walk = Walk { store, report, damage, reach, last: None, from: Vec::new() };
    walk.node(node);
}

struct Walk<'w> {
    store: &'w Store,
    report: &'w mut super::Report,
    damage: &'w mut Vec<String>,
    reach: &'w mut dyn FnMut(u64, u64) -> bool,
    last: Option<Vec<u8>>,
    /// What the keys of the child begin at that is gone through.
    from: Vec<u8>,
}

impl Walk<'_> {
    fn node(&mut self, node: NodeRef<'_>) {
        self.report.nodes += 1;
        // What is reached again leads to the same.
        if node.block != 0 && !self.reach(node.block, 1) {
            return;
        }
        for index in 0..node.page.count() {
            if let Err(error) = self.cell(node, index) {
                self.damage.push(error.to_string());
            }
        }
    }

    fn reach(&mut self, block: u64, count: u64) -> bool {
        let is_new = (self.reach)(block, count);
        if !is_new {
            self.damage.push(format!("the block {block} is reached twice, or lies outside"));
        }
        is_new
    }

    fn run(&mut self, node: NodeRef<'_>, place: Place) -> Result<()> {
        self.report.runs += 1;
        node.run(place)?;
        if place.reference & IN_MEMORY == 0 {
            for (block, count) in self.store.run_blocks(place)? {
                self.reach(block, count);
            }
        }
        Ok(())
    }

    fn cell(&mut self, node: NodeRef<'_>, index: usize) -> Result<()> {
        let (cell, mut key) = (node.cell(index)?, Vec::new());
        if let Some(place) = cell.rest {
            self.run(node, place)?;
        }
        node.key(&cell, &mut key)?;
        if node.page.level() > 0 {
            if index > 0 {
                if self.last.as_ref().is_some_and(|last| *last >= key) {
                    self.damage.push(format!("the block {} has keys out of order", node.block));
                }
                self.from = key;
            }
            self.node(node.child(index)?);
            return Ok(());
        }
        if self.last.as_ref().is_some_and(|last| *last >= key) || key < self.from {
            self.damage.push(format!("the block {} has keys out of order", node.block));
        }
        self.last = Some(key);
        self.report.entries += 1;
        match node.known(cell.stored())? {
            Stored::Run(place) => self.run(node, place),
            Stored::Inline(_) => Ok(()),
        }
    }
}

#[cfg(test)]
impl Tree {
    pub(super) fn nodes_in_memory(&self) -> u64 {
        fn count(node: &Node) -> u64 {
            let below = node.links.iter().flatten().map(|link| match link {
                Link::Node(node) => count(node),
                Link::Run(_) => 0,
            });
            1 + below.sum::<u64>()
        }
        match &self.root {
            Root::Memory(root) => count(root),
            _ => 0,
        }
    }
}
