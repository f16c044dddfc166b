//! A medium for tests: it stops, fails, and tells what a crash may leave.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};

use super::Medium;
use crate::nvml::format::Source;
use crate::os::errno;

const PAGE: usize = 4096;

/// The number of bytes that a crash leaves whole.
const WORD: u64 = 8;

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

    /// The number of bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
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
            let page = self.pages.entry(page).or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(page)[at..at + count].copy_from_slice(&data[done..done + count]);
            done += count;
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

    fn word(&self, word: u64) -> u64 {
        let mut bytes = [0; WORD as usize];
        self.get(word * WORD, &mut bytes);
        u64::from_le_bytes(bytes)
    }
}

impl Source for Image {
    fn len(&self) -> io::Result<u64> {
        Ok(Image::len(self))
    }

    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<()> {
        if offset + target.len() as u64 > Image::len(self) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.get(offset, target);
        Ok(())
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

/// One thing that a medium was asked to do, with its first byte and the number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Store(u64, u64),
    Sync(u64, u64),
}

/// A medium in memory. Each store and each sync of a range is a step.
pub(crate) struct CrashMedium {
    state: Mutex<State>,
    pause: Option<Arc<Barrier>>,
}

#[derive(Clone)]
struct State {
    /// What loads see.
    cached: Image,
    /// What every crash leaves.
    durable: Image,
    /// The words stored since they were synced, each with its values in their order: a crash leaves any one of them, or
    /// what is durable.
    dirty: BTreeMap<u64, Vec<u64>>,
    steps: Vec<Step>,
    syncs: usize,
    stop_after: usize,
    failing_sync: usize,
    random: Random,
    /// What a crash might have left after each step.
    crashes: Option<Vec<Image>>,
}

impl CrashMedium {
    /// A medium with these bytes, all durable.
    pub(crate) fn new(image: Image) -> Self {
        let state = State {
            durable: image.clone(),
            cached: image,
            dirty: BTreeMap::new(),
            steps: Vec::new(),
            syncs: 0,
            stop_after: usize::MAX,
            failing_sync: usize::MAX,
            random: Random::new(1),
            crashes: None,
        };
        Self { state: Mutex::new(state), pause: None }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the choices of a crash by this seed.
    pub(crate) fn with_seed(self, seed: u64) -> Self {
        self.state().random = Random::new(seed);
        self
    }

    /// Ignores all stores and fails all syncs after this number of steps.
    pub(crate) fn stopping_after(self, steps: usize) -> Self {
        self.state().stop_after = steps;
        self
    }

    /// Fails the sync of this number, from 0 on. What of its range gets durable is left to chance, and none of the rest
    /// counts as stored any more, as in Linux's page cache.
    pub(crate) fn failing_sync(self, number: usize) -> Self {
        self.state().failing_sync = number;
        self
    }

    /// Meets someone else at `pause` twice in each sync, so that the other one sees what is possible meanwhile.
    pub(crate) fn pausing_syncs(self, pause: &Arc<Barrier>) -> Self {
        Self { pause: Some(Arc::clone(pause)), ..self }
    }

    /// Keeps what a crash might leave after each step, for [`CrashMedium::take_crashes`].
    pub(crate) fn recording_crashes(self) -> Self {
        self.state().crashes = Some(Vec::new());
        self
    }

    /// The same bytes for another user, cached and durable, with no stop and no failure to come.
    pub(crate) fn reopened(&self) -> Self {
        let mut state = self.state().clone();
        (state.stop_after, state.failing_sync) = (usize::MAX, usize::MAX);
        (state.steps, state.syncs, state.crashes) = (Vec::new(), 0, None);
        Self { state: Mutex::new(state), pause: None }
    }

    /// What the steps so far were.
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.state().steps.clone()
    }

    /// How many syncs there were.
    pub(crate) fn syncs(&self) -> usize {
        self.state().syncs
    }

    /// What loads see.
    pub(crate) fn image(&self) -> Image {
        self.state().cached.clone()
    }

    /// What a crash now might leave: all that is durable, and any of what was stored since.
    pub(crate) fn crash(&self) -> Image {
        self.state().crash()
    }

    /// What crashes might have left since the last call.
    pub(crate) fn take_crashes(&self) -> Vec<Image> {
        self.state().crashes.replace(Vec::new()).unwrap_or_default()
    }
}

impl State {
    fn store(&mut self, offset: u64, data: &[u8]) {
        if !self.step(Step::Store(offset, data.len() as u64)) {
            return;
        }
        self.cached.put(offset, data);
        for word in words(offset, data.len() as u64) {
            self.dirty.entry(word).or_default().push(self.cached.word(word));
        }
        self.keep_crash();
    }

    fn sync(&mut self, offset: u64, len: u64) -> io::Result<()> {
        if !self.step(Step::Sync(offset, len)) {
            return Err(errno::failure(errno::EIO));
        }
        let fails = self.syncs == self.failing_sync;
        self.syncs += 1;
        let range = words(offset, len);
        let synced: Vec<u64> = self.dirty.range(range).map(|(word, _)| *word).collect();
        for word in synced {
            let value = self.dirty.remove(&word).and_then(|values| values.last().copied()).unwrap_or_default();
            if !fails || self.random.below(2) == 0 {
                self.durable.put(word * WORD, &value.to_le_bytes());
            }
        }
        self.keep_crash();
        if fails { Err(errno::failure(errno::ENOSPC)) } else { Ok(()) }
    }

    /// Counts a step; `false` if it is not to be done.
    fn step(&mut self, step: Step) -> bool {
        let goes_on = self.steps.len() < self.stop_after;
        if goes_on {
            self.steps.push(step);
        }
        goes_on
    }

    fn keep_crash(&mut self) {
        if self.crashes.is_none() {
            return;
        }
        let crash = self.crash();
        self.crashes.get_or_insert_default().push(crash);
    }

    /// A third of the time nothing that is not durable survives a crash, a third all, and a third any part.
    fn crash(&mut self) -> Image {
        let mut image = self.durable.clone();
        let how = self.random.below(3);
        for (word, values) in &self.dirty {
            let choice = match how {
                0 => 0,
                1 => values.len(),
                _ => self.random.below(values.len() as u64 + 1) as usize,
            };
            if choice > 0 {
                image.put(word * WORD, &values[choice - 1].to_le_bytes());
            }
        }
        image
    }
}

/// The words that hold any of these bytes.
fn words(offset: u64, len: u64) -> std::ops::Range<u64> {
    offset / WORD..(offset + len).div_ceil(WORD)
}

impl Medium for CrashMedium {
    fn len(&self) -> u64 {
        self.state().cached.len()
    }

    fn load(&self, offset: u64, target: &mut [u8]) {
        self.state().cached.get(offset, target);
    }

    fn store(&self, offset: u64, data: &[u8]) {
        self.state().store(offset, data);
    }

    fn store_zeros(&self, offset: u64, len: u64) {
        self.state().store(offset, &vec![0; len as usize]);
    }

    fn load_u32(&self, offset: u64) -> u32 {
        let mut bytes = [0; 4];
        self.load(offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn store_u32(&self, offset: u64, value: u32) {
        assert!(offset.is_multiple_of(4));
        self.store(offset, &value.to_le_bytes());
    }

    fn store_u64(&self, offset: u64, value: u64) {
        assert!(offset.is_multiple_of(8));
        self.store(offset, &value.to_le_bytes());
    }

    fn sync(&self, offset: u64, len: u64) -> io::Result<()> {
        if let Some(pause) = &self.pause {
            pause.wait();
            pause.wait();
        }
        self.state().sync(offset, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_leaves_what_was_synced_and_any_of_the_rest() {
        let medium = CrashMedium::new(Image::zeros(8192));
        medium.store(4090, &[1; 12]);
        medium.sync(4090, 12).unwrap();
        medium.store_u64(16, 2);
        medium.store_u64(16, 3);
        let mut seen = [false; 4];
        for _ in 0..100 {
            let crash = medium.crash();
            let mut bytes = [0; 12];
            crash.get(4090, &mut bytes);
            assert_eq!(bytes, [1; 12]);
            seen[crash.word(2) as usize] = true;
        }
        assert_eq!(seen, [true, false, true, true]);
    }

    #[test]
    fn it_stops_and_fails_when_told() {
        let medium = CrashMedium::new(Image::zeros(4096)).failing_sync(0).stopping_after(3);
        medium.store_u32(0, 1);
        assert_eq!(errno::of(&medium.sync(0, 4).unwrap_err()), errno::ENOSPC);
        medium.sync(0, 4).unwrap();
        medium.store_u32(0, 2);
        assert!(medium.sync(0, 4).is_err());
        assert_eq!((medium.load_u32(0), medium.syncs(), medium.steps().len()), (1, 2, 3));
        assert_eq!(medium.reopened().load_u32(0), 1);
    }
}
