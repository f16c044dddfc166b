//! Freeing what nobody can reach: what waits in the free queue, and circles.

use std::collections::HashSet;
use std::time::Duration;

use super::changing::Changing;
use super::keys::Key;
use super::{Helper, keys, reading, values};
use crate::heap::View;
use crate::{Error, Result};

/// How many entries one transaction frees, where nothing else is done in it.
const SLICE: usize = 4096;

/// How often it is looked for a moment in which nobody has an older view, and how long is waited between.
const LOOKS: usize = 200;
const PAUSE: Duration = Duration::from_millis(5);

impl Helper {
    /// Frees what waits to be freed, and what nobody can reach from the root or from what a session has pinned. Returns how many
    /// containers it were.
    ///
    /// # Errors
    /// As [`Heap::begin`](crate::heap::Heap::begin), and what reading says.
    pub fn collect(&self) -> Result<u64> {
        let drained = self.drain_all()?;
        let view = self.heap.view()?;
        let sequence = view.sequence();
        let all = containers(&view)?;
        self.common.looked(all.len() as u64);
        let mut reached = self.mark(&view)?;
        // No view may live longer than it is needed: it keeps blocks.
        let mut garbage: Vec<u64> = all.into_iter().filter(|id| !reached.contains(id)).collect();
        if garbage.is_empty() {
            return Ok(drained);
        }
        for _ in 0..LOOKS {
            if self.common.oldest_view() >= sequence {
                let mut changing = Changing::new(&self.heap, self.heap.begin()?);
                // Nobody comes to them any more, unless over one that was pinned before.
                let held: Vec<u64> = garbage.iter().copied().filter(|id| self.common.is_pinned(*id)).collect();
                if self.common.oldest_view() >= sequence {
                    self.reach(&view, held, &mut reached)?;
                    garbage.retain(|id| !reached.contains(id));
                    for id in &garbage {
                        if changing.exists(*id)? {
                            changing.condemn(*id)?;
                        }
                    }
                    drop(view);
                    changing.commit(&self.common, 0)?;
                    self.common.set_may_drain(true);
                    return Ok(drained + self.drain_all()?);
                }
            }
            std::thread::sleep(PAUSE);
        }
        Ok(drained)
    }

    /// All that is reached from the root and from what is pinned.
    fn mark(&self, view: &View) -> Result<HashSet<u64>> {
        let mut first = self.common.pinned();
        first.extend(view.get(&Key::own(keys::ROOT))?.and_then(|root| values::reference(&root)));
        let mut reached = HashSet::new();
        self.reach(view, first, &mut reached)?;
        Ok(reached)
    }

    /// Adds what is reached from these.
    fn reach(&self, view: &View, from: Vec<u64>, reached: &mut HashSet<u64>) -> Result<()> {
        let mut left = from;
        while let Some(id) = left.pop() {
            if !reached.insert(id) {
                continue;
            }
            let referred = reading::referred(view, id)?.ok_or_else(|| Error::Broken {
                file: self.heap.path().to_path_buf(),
                offset: 0,
                what: format!("an entry of the container {id} is no values"),
            })?;
            left.extend(referred);
        }
        Ok(())
    }

    /// Frees all that waits to be freed and nobody has pinned. Returns how many containers it were.
    pub(super) fn drain_all(&self) -> Result<u64> {
        let mut freed = 0;
        loop {
            let mut changing = Changing::new(&self.heap, self.heap.begin()?);
            self.common.set_drained_to(0);
            let (count, is_more) = changing.drain(&self.common, SLICE)?;
            let is_done = changing.is_unchanged();
            changing.commit(&self.common, 0)?;
            freed += count;
            if is_done || !is_more {
                return Ok(freed);
            }
        }
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
