//! What a crash can leave of files, after each thing that was done to them. For tests.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use arc_swap::ArcSwapOption;

use super::super::file::{self, Descriptor, write_all_at};
use crate::os::errno;

pub(crate) use image::{Image, Random};

mod image;
#[cfg(test)]
pub(crate) mod images;

/// The number of bytes that a crash leaves whole.
const WORD: u64 = 8;

/// The number of bytes that are written back from a processor's caches at once.
const LINE: usize = 64;

/// The number of bytes that a disk writes as a whole.
const SECTOR: u64 = 512;

/// The number of bytes of which a sync looks at what was stored around its range.
const PAGE: u64 = 4096;

/// The device and the number of a file.
type FileId = (u64, u64);

thread_local! {
    static ATTACHED: RefCell<Vec<Arc<Recorder>>> = const { RefCell::new(Vec::new()) };
}

/// What threads are attached to that are not attached to another one.
static EVERYWHERE: ArcSwapOption<Recorder> = ArcSwapOption::const_empty();

/// Records what threads that are attached to it do. Each store, sync and name is a step.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<State>);

/// Ends the attachment of this thread.
pub(crate) struct Attached(());

impl Drop for Attached {
    fn drop(&mut self) {
        ATTACHED.with_borrow_mut(|attached| attached.pop());
    }
}

/// What a crash leaves: the files by their names.
pub(crate) type Crash = BTreeMap<PathBuf, Image>;

/// A crash, and when it was.
#[derive(Clone)]
pub(crate) struct Cut {
    pub(crate) crash: Crash,
    /// How many steps and marks could have been the last before it.
    pub(crate) point: usize,
    /// How many marks there were.
    pub(crate) marks: usize,
    /// How much was not durable: names, sizes and sectors.
    pub(crate) pending: usize,
}

/// Crashes of which no more are kept than `most`, each with the same chance.
#[derive(Clone)]
struct Sample {
    most: usize,
    points: usize,
    kept: Vec<Cut>,
    random: Random,
}

impl Sample {
    /// The place of the next one among those that are kept. None where it is not.
    fn place(&mut self) -> Option<usize> {
        self.points += 1;
        let is_early = self.points <= self.most;
        let place = if is_early { self.points - 1 } else { self.random.below(self.points as u64) as usize };
        (place < self.most).then_some(place)
    }

    fn keep(&mut self, place: usize, cut: Cut) {
        match self.kept.get_mut(place) {
            Some(kept) => *kept = cut,
            None => self.kept.push(cut),
        }
    }
}

#[derive(Clone)]
struct State {
    disks: HashMap<FileId, Disk>,
    mappings: Vec<(usize, usize, FileId, u64)>,
    /// The words that each thread started to write back, and how many of their values that covers.
    flushed: HashMap<ThreadId, Vec<(FileId, u64, u64)>>,
    names: BTreeMap<PathBuf, Name>,
    steps: usize,
    counts: Counts,
    stop_after: usize,
    failing_sync: usize,
    failing_write: usize,
    room: u64,
    link_refusal: Option<i32>,
    random: Random,
    crashes: Option<Vec<Crash>>,
    /// Up to how many units every crash is kept, rather than one.
    most_units: Option<usize>,
    sample: Option<Sample>,
    marks: usize,
    pause: Option<Arc<Barrier>>,
    failed_fences: HashMap<ThreadId, i32>,
}

/// What a crash leaves as a whole or not at all, of what is not durable.
enum Unit {
    /// That a name leads to another file by now.
    Name(PathBuf),
    Size(FileId),
    /// 512 bytes, by their number.
    Sector(FileId, u64),
}

/// How often what was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Stores and writes.
    pub(crate) writes: usize,
    /// Fences and syncs: what a caller waits for.
    pub(crate) barriers: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            disks: HashMap::new(),
            mappings: Vec::new(),
            flushed: HashMap::new(),
            names: BTreeMap::new(),
            steps: 0,
            counts: Counts::default(),
            stop_after: usize::MAX,
            failing_sync: usize::MAX,
            failing_write: usize::MAX,
            room: u64::MAX,
            link_refusal: None,
            random: Random::new(1),
            crashes: None,
            most_units: None,
            sample: None,
            marks: 0,
            pause: None,
            failed_fences: HashMap::new(),
        }
    }
}

/// A file's contents, as they are seen and as they last.
#[derive(Clone)]
pub(crate) struct Disk {
    cached: Image,
    durable: Image,
    /// The words stored since they were durable, each with its values in their order: a crash leaves any one of them, or
    /// what is durable.
    dirty: BTreeMap<u64, Word>,
    /// Whether a store counts of what is durable. It changes nothing of what a crash leaves, but what one by a seed chooses.
    is_exact: bool,
}

#[derive(Clone, Default)]
struct Word {
    /// The number of the first value.
    first: u64,
    values: Vec<u64>,
}

#[derive(Clone, Copy, Default)]
struct Name {
    current: Option<FileId>,
    durable: Option<FileId>,
}

impl Disk {
    /// A file of these bytes, all durable.
    pub(crate) fn new(image: Image) -> Self {
        Self { cached: image.clone(), durable: image, dirty: BTreeMap::new(), is_exact: true }
    }

    pub(crate) fn cached(&self) -> &Image {
        &self.cached
    }

    fn put(&mut self, offset: u64, data: &[u8]) {
        self.cached.put(offset, data);
        for word in words(offset, data.len() as u64) {
            let value = self.cached.word(word);
            let is_clean = self.dirty.get(&word).is_none_or(|word| word.values.is_empty());
            if self.is_exact || !is_clean || self.durable.word(word) != value {
                self.dirty.entry(word).or_default().values.push(value);
            }
        }
    }

    /// Makes a word durable as it was when it had so many values.
    fn settle(&mut self, word: u64, upto: u64) {
        let Some(dirty) = self.dirty.get_mut(&word) else { return };
        let count = upto.saturating_sub(dirty.first) as usize;
        if count == 0 || count > dirty.values.len() {
            return;
        }
        self.durable.put_word(word, dirty.values[count - 1]);
        dirty.values.drain(..count);
        dirty.first = upto;
    }

    fn dirty_words(&self, range: std::ops::Range<u64>) -> Vec<u64> {
        self.dirty.range(range).filter(|(_, word)| !word.values.is_empty()).map(|(word, _)| *word).collect()
    }

    /// Makes what was stored to a range durable; where that fails, any part of it, and none of the rest counts as stored any
    /// more, as in Linux's page cache.
    fn sync(&mut self, range: std::ops::Range<u64>, fails: bool, random: &mut Random) {
        if !fails {
            self.durable.resize(self.cached.len());
        }
        for word in self.dirty_words(range) {
            let Some(dirty) = self.dirty.get_mut(&word) else { continue };
            let last = dirty.values.last().copied();
            dirty.first += dirty.values.len() as u64;
            dirty.values.clear();
            if (!fails || random.below(2) == 0)
                && let Some(value) = last
            {
                self.durable.put_word(word, value);
            }
        }
    }

    /// The sectors that a crash would change.
    fn changed_sectors(&self) -> Vec<u64> {
        let is_changed = |(word, dirty): &(&u64, &Word)| {
            let is_in = (**word + 1) * WORD <= self.durable.len();
            dirty.values.last().is_some_and(|&last| last != if is_in { self.durable.word(**word) } else { 0 })
        };
        let mut sectors: Vec<u64> =
            self.dirty.iter().filter(is_changed).map(|(word, _)| word * WORD / SECTOR).collect();
        sectors.dedup();
        sectors
    }

    /// What is durable, with these sectors as they were stored last.
    fn with(&self, has_size: bool, sectors: impl Iterator<Item = u64>) -> Image {
        let mut image = self.durable.clone();
        if has_size {
            image.resize(self.cached.len());
        }
        for sector in sectors {
            for (word, dirty) in self.dirty.range(words(sector * SECTOR, SECTOR)) {
                if let Some(&last) = dirty.values.last() {
                    image.put_word(*word, last);
                }
            }
        }
        image
    }

    /// Any of what is not durable survives a crash: nothing, all, or some words, sectors or pages of it.
    fn crash(&self, random: &mut Random) -> Image {
        let mut image = self.durable.clone();
        if image.len() != self.cached.len() && random.below(2) == 0 {
            image.resize(self.cached.len());
        }
        let unit = [None, Some(u64::MAX), Some(8), Some(512), Some(4096)][random.below(5) as usize];
        let Some(unit) = unit else { return image };
        let (mut last, mut survives) = (None, false);
        for (word, Word { values, .. }) in self.dirty.iter().filter(|(_, word)| !word.values.is_empty()) {
            let place = Some(word * WORD / unit);
            if place != last {
                (last, survives) = (place, unit == u64::MAX || random.below(2) == 0);
            }
            if survives {
                // A single word may be caught at any of its values; what is written as a whole, at its last.
                let choice = if unit == WORD { random.below(values.len() as u64) as usize } else { values.len() - 1 };
                image.put_word(*word, values[choice]);
            }
        }
        image
    }
}

/// What this thread is attached to.
pub(crate) fn attached() -> Option<Arc<Recorder>> {
    ATTACHED.with_borrow(|attached| attached.last().cloned())
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records what this thread does, until the value returned is dropped.
    pub(crate) fn attach(self: &Arc<Self>) -> Attached {
        ATTACHED.with_borrow_mut(|attached| attached.push(Arc::clone(self)));
        Attached(())
    }

    /// Records what every thread does that is attached to none, until it is called with another one or none.
    pub(crate) fn attach_everywhere(recorder: Option<Arc<Self>>) {
        EVERYWHERE.store(recorder);
    }

    /// Takes `file` to have these contents, and this name, durably.
    pub(crate) fn adopt(&self, path: &Path, file: &File, disk: Disk) {
        let (mut state, id) = (self.state(), id(file));
        let is_exact = state.sample.is_none();
        state.disks.insert(id, Disk { is_exact, ..disk });
        state.names.insert(path.to_path_buf(), Name { current: Some(id), durable: Some(id) });
    }

    /// Takes `file` to be durable as it is, under this name.
    pub(crate) fn adopt_as_it_is(&self, path: &Path, file: &File) {
        self.adopt(path, file, Disk::new(Image::of(file)));
    }

    /// Meets someone else at `pause` twice before each sync or fence.
    pub(crate) fn pause_syncs(&self, pause: &Arc<Barrier>) {
        self.state().pause = Some(Arc::clone(pause));
    }

    /// Meets nobody any more, once a meeting that has begun is over.
    pub(crate) fn stop_pausing(&self) {
        self.state().pause = None;
    }

    /// Why this thread's last fence should count as failed, if it should.
    pub(crate) fn fence_failure(&self) -> Option<i32> {
        self.state().failed_fences.remove(&std::thread::current().id())
    }

    /// What is known of a file.
    pub(crate) fn disk(&self, file: &File) -> Disk {
        self.state().disk(file).clone()
    }

    /// Makes the choices of a crash by this seed.
    pub(crate) fn seed(&self, seed: u64) {
        self.state().random = Random::new(seed);
    }

    /// Ignores all stores and fails all syncs after this number of steps.
    pub(crate) fn stop_after(&self, steps: usize) {
        self.state().stop_after = steps;
    }

    /// Fails the sync of this number, from 0 on.
    pub(crate) fn fail_sync(&self, number: usize) {
        self.state().failing_sync = number;
    }

    /// Fails the write of this number, from 0 on, as on a full disk.
    pub(crate) fn fail_write(&self, number: usize) {
        self.state().failing_write = number;
    }

    /// Fails writes past this offset of any file, as on a full disk.
    pub(crate) fn limit_room(&self, room: u64) {
        self.state().room = room;
    }

    /// Refuses to name files that are there already, with this number.
    pub(crate) fn refuse_links(&self, errno: i32) {
        self.state().link_refusal = Some(errno);
    }

    /// Keeps what a crash might leave after each step, for [`Recorder::take_crashes`].
    pub(crate) fn record_crashes(&self) {
        self.state().crashes = Some(Vec::new());
    }

    /// [`Recorder::record_crashes`], and of each step all that it might leave where it has up to `most` units that may survive by
    /// themselves, of so many otherwise.
    pub(crate) fn record_every_crash(&self, most: usize) {
        self.record_crashes();
        self.state().most_units = Some(most);
    }

    /// Keeps what a crash might leave after each step and mark, of `most` of them at random where they are more.
    pub(crate) fn sample_crashes(&self, most: usize, seed: u64) {
        let random = Random::new(seed);
        self.state().sample = Some(Sample { most, points: 0, kept: Vec::new(), random });
    }

    /// Makes a mark, which is before all crashes from now on. How many there are.
    pub(crate) fn mark(&self) -> usize {
        let mut state = self.state();
        state.marks += 1;
        state.keep_crash();
        state.marks
    }

    /// How many steps and marks could have been the last ones, and the crashes that were kept, in their order.
    pub(crate) fn take_sample(&self) -> (usize, Vec<Cut>) {
        let Some(Sample { points, mut kept, .. }) = self.state().sample.take() else { return (0, Vec::new()) };
        kept.sort_unstable_by_key(|cut| cut.point);
        (points, kept)
    }

    fn pause(&self) {
        let pause = self.state().pause.clone();
        if let Some(pause) = pause {
            pause.wait();
            pause.wait();
        }
    }

    /// Whether steps are ignored by now.
    pub(crate) fn is_stopped(&self) -> bool {
        let state = self.state();
        state.steps >= state.stop_after
    }

    /// How many steps there were.
    pub(crate) fn steps(&self) -> usize {
        self.state().steps
    }

    /// What was done so far.
    pub(crate) fn counts(&self) -> Counts {
        self.state().counts
    }

    /// What a crash now might leave of a file, whatever its name.
    pub(crate) fn crash_of(&self, file: &File) -> Image {
        let mut state = self.state();
        let disk = state.disk(file).clone();
        disk.crash(&mut state.random)
    }

    /// What a crash now might leave.
    pub(crate) fn crash(&self) -> Crash {
        self.state().crash()
    }

    /// What crashes might have left since the last call.
    pub(crate) fn take_crashes(&self) -> Vec<Crash> {
        self.state().crashes.replace(Vec::new()).unwrap_or_default()
    }
}

impl State {
    fn disk(&mut self, file: &File) -> &mut Disk {
        let is_exact = self.sample.is_none();
        self.disks.entry(id(file)).or_insert_with(|| Disk { is_exact, ..Disk::new(Image::of(file)) })
    }

    /// The mapping that holds `start`, as a file and an offset there.
    fn place(&self, start: usize, len: usize) -> Option<(FileId, u64)> {
        let holds = |&&(from, size, ..): &&(usize, usize, FileId, u64)| start >= from && start + len <= from + size;
        let &(from, _, file, offset) = self.mappings.iter().find(holds)?;
        Some((file, offset + (start - from) as u64))
    }

    /// Takes over what was stored to a mapping without passing here, as JavaScript does it.
    #[allow(unsafe_code, reason = "tests look at mapped memory")]
    fn look(&mut self, file: FileId, offset: u64, start: usize, len: usize) {
        // SAFETY: the range lies in a mapping.
        let now = unsafe { std::slice::from_raw_parts(start as *const u8, len) };
        let disk = self.disks.get_mut(&file).expect("a mapped file is known");
        for (at, bytes) in (offset..).step_by(WORD as usize).zip(now.chunks(WORD as usize)) {
            let mut before = [0; WORD as usize];
            disk.cached.get(at, &mut before[..bytes.len()]);
            if before[..bytes.len()] != *bytes {
                disk.put(at, bytes);
            }
        }
    }

    fn flush(&mut self, file: FileId, range: std::ops::Range<u64>) {
        let disk = &self.disks[&file];
        let counts = disk.dirty_words(range).into_iter().map(|word| {
            let dirty = &disk.dirty[&word];
            (file, word, dirty.first + dirty.values.len() as u64)
        });
        let counts: Vec<_> = counts.collect();
        self.flushed.entry(std::thread::current().id()).or_default().extend(counts);
    }

    /// Counts a step; `false` if it is not to be done.
    fn step(&mut self) -> bool {
        let goes_on = self.steps < self.stop_after;
        self.steps += usize::from(goes_on);
        goes_on
    }

    /// Counts a sync: whether it goes on, and whether it fails.
    fn sync_step(&mut self) -> Option<bool> {
        if !self.step() {
            return None;
        }
        let fails = self.counts.barriers == self.failing_sync;
        self.counts.barriers += 1;
        Some(fails)
    }

    fn keep_crash(&mut self) {
        self.keep_in_sample();
        if self.crashes.is_none() {
            return;
        }
        let crashes = match self.most_units {
            None => vec![self.crash()],
            Some(most) => self.every_crash(most),
        };
        self.crashes.get_or_insert_default().extend(crashes);
    }

    fn keep_in_sample(&mut self) {
        let Some(mut sample) = self.sample.take() else { return };
        if let Some(place) = sample.place() {
            let (crash, pending) = (self.crash(), self.units().len());
            sample.keep(place, Cut { crash, point: sample.points, marks: self.marks, pending });
        }
        self.sample = Some(sample);
    }

    /// What is not durable, unit by unit.
    fn units(&self) -> Vec<Unit> {
        let mut units = Vec::new();
        for (path, name) in &self.names {
            if name.current != name.durable {
                units.push(Unit::Name(path.clone()));
            }
        }
        let named = |id: &FileId| self.names.values().any(|name| [name.current, name.durable].contains(&Some(*id)));
        for (&id, disk) in self.disks.iter().filter(|(id, _)| named(id)) {
            if disk.durable.len() != disk.cached.len() {
                units.push(Unit::Size(id));
            }
            units.extend(disk.changed_sectors().into_iter().map(|sector| Unit::Sector(id, sector)));
        }
        units
    }

    fn every_crash(&mut self, most: usize) -> Vec<Crash> {
        let units = self.units();
        if units.len() <= most {
            return (0..1 << units.len())
                .map(|kept: u64| self.crash_with(&units, |index| kept >> index & 1 == 1))
                .collect();
        }
        let choices: Vec<Vec<bool>> =
            (0..1 << most.min(6)).map(|_| units.iter().map(|_| self.random.below(2) == 0).collect()).collect();
        choices.iter().map(|kept| self.crash_with(&units, |index| kept[index])).collect()
    }

    fn crash_with(&self, units: &[Unit], is_kept: impl Fn(usize) -> bool) -> Crash {
        let kept: Vec<&Unit> =
            units.iter().enumerate().filter(|(index, _)| is_kept(*index)).map(|(_, unit)| unit).collect();
        let image = |id: FileId| {
            let has_size = kept.iter().any(|unit| matches!(unit, Unit::Size(of) if *of == id));
            let sectors = kept.iter().filter_map(|unit| match unit {
                Unit::Sector(of, sector) if *of == id => Some(*sector),
                _ => None,
            });
            self.disks[&id].with(has_size, sectors)
        };
        let file = |(path, name): (&PathBuf, &Name)| {
            let is_new = kept.iter().any(|unit| matches!(unit, Unit::Name(of) if of == path));
            Some((path.clone(), if is_new { name.current } else { name.durable }?))
        };
        self.names.iter().filter_map(file).map(|(path, id)| (path, image(id))).collect()
    }

    fn crash(&mut self) -> Crash {
        let mut crash = Crash::new();
        for (path, name) in &self.names {
            let keeps_change = self.random.below(2) == 0;
            let file = if keeps_change { name.current } else { name.durable };
            if let Some(file) = file {
                crash.insert(path.clone(), self.disks[&file].crash(&mut self.random));
            }
        }
        crash
    }
}

fn current() -> Option<Arc<Recorder>> {
    attached().or_else(|| EVERYWHERE.load_full())
}

fn id(file: &File) -> FileId {
    file::file_id(file).expect("an open file has a number")
}

/// The words that hold any of these bytes.
fn words(offset: u64, len: u64) -> std::ops::Range<u64> {
    offset / WORD..(offset + len).div_ceil(WORD)
}

pub(super) fn store<R>(start: usize, len: usize, past_caches: bool, perform: impl FnOnce() -> R) -> Option<R> {
    let Some(recorder) = current() else { return Some(perform()) };
    let mut state = recorder.state();
    let Some((file, offset)) = state.place(start, len) else { return Some(perform()) };
    if !state.step() {
        return None;
    }
    state.counts.writes += 1;
    // What came into its words without passing here came before it.
    let (head, end) =
        (offset % WORD, (offset + len as u64).next_multiple_of(WORD).min(state.disks[&file].cached.len()));
    state.look(file, offset - head, start - head as usize, (end + head).saturating_sub(offset) as usize);
    let result = perform();
    // Every store counts, also one of what was there.
    #[allow(unsafe_code, reason = "tests look at mapped memory")]
    // SAFETY: the range lies in a mapping.
    let now = unsafe { std::slice::from_raw_parts(start as *const u8, len) }.to_vec();
    state.disks.get_mut(&file).expect("a mapped file is known").put(offset, &now);
    if past_caches {
        state.flush(file, words(offset, len as u64));
    }
    state.keep_crash();
    Some(result)
}

pub(super) fn write_back(start: usize, len: usize) {
    let Some(recorder) = current() else { return };
    let mut state = recorder.state();
    let first = start & !(LINE - 1);
    for line in (first..start + len).step_by(LINE) {
        // A mapping starts at a line and may end within one.
        let Some((file, offset)) = state.place(line, 1) else { continue };
        let rest = state.disks[&file].cached.len() - offset;
        let len = LINE.min(rest as usize);
        state.look(file, offset, line, len);
        state.flush(file, words(offset, len as u64));
    }
}

pub(super) fn fence() {
    let Some(recorder) = current() else { return };
    recorder.pause();
    let mut state = recorder.state();
    let thread = std::thread::current().id();
    let Some(fails) = state.sync_step() else {
        state.failed_fences.insert(thread, errno::EIO);
        return;
    };
    if fails {
        state.failed_fences.insert(thread, errno::ENOSPC);
    }
    for (file, word, upto) in state.flushed.remove(&thread).unwrap_or_default() {
        if !fails || state.random.below(2) == 0 {
            state.disks.get_mut(&file).expect("a mapped file is known").settle(word, upto);
        }
    }
    state.keep_crash();
}

pub(super) fn msync(start: usize, len: usize) -> Option<io::Result<()>> {
    let recorder = current()?;
    let mut state = recorder.state();
    let (file, offset) = state.place(start, len)?;
    // A mapping starts at a page and may end within one.
    let (head, from) = (offset % PAGE, offset / PAGE * PAGE);
    let pages = (head + len as u64).next_multiple_of(PAGE).min(state.disks[&file].cached.len() - from);
    state.look(file, from, start - head as usize, pages as usize);
    state.keep_in_sample();
    Some(sync_words(&mut state, file, words(offset, len as u64)))
}

fn sync_words(state: &mut State, file: FileId, range: std::ops::Range<u64>) -> io::Result<()> {
    let Some(fails) = state.sync_step() else { return Err(errno::failure(errno::EIO)) };
    let mut random = state.random.clone();
    state.disks.get_mut(&file).expect("a mapped file is known").sync(range, fails, &mut random);
    state.random = random;
    state.keep_crash();
    if fails { Err(errno::failure(errno::ENOSPC)) } else { Ok(()) }
}

pub(super) fn mapped(start: usize, len: usize, file: Descriptor<'_>, offset: u64) {
    let Some(recorder) = current() else { return };
    let Ok(file) = file.try_clone_to_owned().map(File::from) else { return };
    let mut state = recorder.state();
    state.disk(&file);
    state.mappings.push((start, len, id(&file), offset));
}

pub(super) fn unmapped(start: usize) {
    let Some(recorder) = current() else { return };
    recorder.state().mappings.retain(|(from, ..)| *from != start);
}

pub(super) fn pwrite(file: &File, data: &[u8], offset: u64) -> Option<io::Result<()>> {
    let recorder = current()?;
    let mut state = recorder.state();
    state.disk(file);
    if state.step() {
        state.counts.writes += 1;
        if state.counts.writes - 1 == state.failing_write || offset + data.len() as u64 > state.room {
            return Some(Err(errno::failure(errno::ENOSPC)));
        }
        if let Err(error) = write_all_at(file, data, offset) {
            return Some(Err(error));
        }
        let disk = state.disk(file);
        let len = disk.cached.len().max(offset + data.len() as u64);
        disk.cached.resize(len);
        disk.put(offset, data);
        state.keep_crash();
    }
    Some(Ok(()))
}

pub(super) fn sync(file: &File) -> Option<io::Result<()>> {
    let recorder = current()?;
    recorder.pause();
    let mut state = recorder.state();
    state.disk(file);
    Some(sync_words(&mut state, id(file), 0..u64::MAX))
}

pub(super) fn resized(file: &File, size: u64) {
    let Some(recorder) = current() else { return };
    recorder.state().disk(file).cached.resize(size);
}

pub(super) fn check_goes_on() -> io::Result<()> {
    let Some(recorder) = current() else { return Ok(()) };
    if recorder.state().step() { Ok(()) } else { Err(errno::failure(errno::EIO)) }
}

pub(super) fn named(path: &Path, file: &File) {
    let Some(recorder) = current() else { return };
    let mut state = recorder.state();
    state.disk(file);
    state.names.entry(path.to_path_buf()).or_default().current = Some(id(file));
    state.keep_crash();
}

pub(super) fn renamed(from: &Path, to: &Path, file: &File) {
    let Some(recorder) = current() else { return };
    let mut state = recorder.state();
    state.disk(file);
    state.names.entry(from.to_path_buf()).or_default().current = None;
    state.names.entry(to.to_path_buf()).or_default().current = Some(id(file));
    state.keep_crash();
}

pub(super) fn removed(path: &Path) {
    let Some(recorder) = current() else { return };
    let mut state = recorder.state();
    state.names.entry(path.to_path_buf()).or_default().current = None;
    state.keep_crash();
}

pub(super) fn check_link() -> io::Result<()> {
    let refusal = current().and_then(|recorder| recorder.state().link_refusal);
    refusal.map_or(Ok(()), |errno| Err(errno::failure(errno)))
}

pub(super) fn sync_folder(folder: &Path) -> Option<io::Result<bool>> {
    let recorder = current()?;
    let mut state = recorder.state();
    let Some(fails) = state.sync_step() else { return Some(Err(errno::failure(errno::EIO))) };
    if fails {
        return Some(Err(errno::failure(errno::EIO)));
    }
    for (_, name) in state.names.iter_mut().filter(|(path, _)| path.parent() == Some(folder)) {
        name.durable = name.current;
    }
    state.keep_crash();
    Some(Ok(true))
}
