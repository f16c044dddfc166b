//! Freeing what nobody can reach: what waits in the free queue, and circles.

use std::collections::HashSet;
use std::time::Duration;

use super::changing::Changing;
use super::keys::Key;
use super::sharing::{Common, locked};
use super::{Helper, keys, reading, values};
use crate::heap::View;
use crate::os::deliberate;
use crate::{Error, Result};

/// How many entries one transaction frees, where nothing else is done in it.
const SLICE: usize = 4096;

/// How often it is looked for a moment in which nobody has an older view, and how long is waited between.
const LOOKS: usize = if cfg!(test) { 20 } else { 200 };
const PAUSE: Duration = Duration::from_millis(5);

/// Pins are remembered as long as this is there.
struct Remembering<'a>(&'a Common);

impl Drop for Remembering<'_> {
    fn drop(&mut self) {
        self.0.forget_pins();
    }
}

impl Helper {
    /// Frees what waits to be freed, and what nobody can reach from the root or from what a session has pinned. Returns how many
    /// containers it were.
    ///
    /// # Errors
    /// As [`Heap::begin`](crate::heap::Heap::begin), and what reading says.
    pub fn collect(&self) -> Result<u64> {
        let freed = self.free_unreachable()?;
        // What that took, and all else that was replaced, can be used from then on.
        self.heap.checkpoint()?;
        Ok(freed)
    }

    /// As `collect`, but what that took can be used only after the next checkpoint.
    pub(super) fn free_unreachable(&self) -> Result<u64> {
        let _turn = locked(&self.common.collecting);
        self.common.begin_look();
        let drained = self.drain_all()?;
        // First what is held, then what there is: all that can be reached at any time from now on is reached in this view from the root,
        // from what is held now, or from what someone holds later, if only for a moment.
        let held = self.common.remember_pins();
        let _remembering = Remembering(&self.common);
        // What was attached by a commit that others do not see yet may be held by nobody any more.
        self.heap.flush()?;
        let view = self.heap.view()?;
        let sequence = view.sequence();
        let all = containers(&view)?;
        self.common.looked(all.len() as u64);
        let Some(mut reached) = self.mark(&view, held)? else { return Ok(drained) };
        let mut garbage: Vec<u64> = all.into_iter().filter(|id| !reached.contains(id)).collect();
        if garbage.is_empty() || !self.wait_for_views(sequence) {
            return Ok(drained);
        }
        // No older view is left. Who had one has pinned by now what it goes on with.
        if !self.reach(&view, self.common.pinned_meanwhile(), &mut reached)? {
            return Ok(drained);
        }
        // The view keeps blocks that a full store may need.
        drop(view);
        garbage.retain(|id| !reached.contains(id));
        for slice in garbage.chunks(SLICE) {
            if self.common.is_left() {
                break;
            }
            self.condemn(slice)?;
        }
        Ok(drained + self.drain_all()?)
    }

    /// Waits until nobody has a view that is older than this commit. False where that takes too long.
    fn wait_for_views(&self, sequence: u64) -> bool {
        (0..LOOKS).any(|look| {
            if look > 0 {
                std::thread::sleep(PAUSE);
            }
            self.common.oldest_view() >= sequence || deliberate::is_on("objects: circles of older views freed")
        })
    }

    /// Puts what nobody can come to any more into the free queue, whatever refers to it.
    fn condemn(&self, ids: &[u64]) -> Result<()> {
        let mut changing = Changing::new(&self.heap, self.heap.begin()?);
        for id in ids {
            if changing.exists(*id)? {
                changing.condemn(*id)?;
            }
        }
        changing.commit(&self.common, 0).map(|_| ())
    }

    /// All that is reached from the root and from these. None where all sessions are gone.
    fn mark(&self, view: &View, mut from: Vec<u64>) -> Result<Option<HashSet<u64>>> {
        from.extend(view.get(&Key::own(keys::ROOT))?.and_then(|root| values::reference(&root)));
        let mut reached = HashSet::new();
        Ok(self.reach(view, from, &mut reached)?.then_some(reached))
    }

    /// Adds what is reached from these. False where all sessions are gone.
    fn reach(&self, view: &View, from: Vec<u64>, reached: &mut HashSet<u64>) -> Result<bool> {
        let mut left = from;
        while let Some(id) = left.pop() {
            if !reached.insert(id) {
                continue;
            }
            if self.common.is_left() {
                return Ok(false);
            }
            let referred = reading::referred(view, id)?.ok_or_else(|| Error::Broken {
                file: self.heap.path().to_path_buf(),
                offset: 0,
                what: format!("an entry of the container {id} is no values"),
            })?;
            left.extend(referred);
        }
        Ok(true)
    }

    /// Frees all that waits to be freed and nobody has pinned. Returns how many containers it were.
    pub(super) fn drain_all(&self) -> Result<u64> {
        let (mut freed, mut is_anew, mut entries) = (0, true, 0);
        while !self.common.is_left() {
            let mut changing = Changing::new(&self.heap, self.heap.begin()?);
            if is_anew {
                self.common.set_next_in_queue(0);
                entries = 0;
            }
            let drained = changing.drain(&self.common, SLICE, SLICE)?;
            changing.finish(&self.common, 0)?;
            freed += drained.containers;
            entries += drained.entries;
            is_anew = drained.is_over;
            // What was freed may have led others into the queue.
            if drained.is_over && entries == 0 {
                break;
            }
        }
        Ok(freed)
    }
}

/// The ids of all containers.
fn containers(view: &View) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    let mut from = 1;
    while let Some((id, _)) = reading::container_from(view, from)? {
        found.push(id);
        from = id + 1;
    }
    Ok(found)
}
