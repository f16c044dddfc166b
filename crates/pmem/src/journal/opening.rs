//! Opening a journal for writing: making it, going on with it, or recovering it first.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::active::Active;
use super::chain::{Chain, Link, segment_paths};
use super::format::{END_OF_SEQUENCES, Header, Slot, State, Uuid};
use super::lock::WriterLock;
use super::making::{Prepared, give_name, make_folder, medium, remove_unfinished};
use super::scan::find_end;
use super::segment::{Place, Segment, is_writable, open_file};
use super::shelf::{Segments, Shelf};
use super::tail::Tail;
use super::writer::{Writer, first_size, now, random};
use super::{JournalOptions, OPEN};
use crate::os::{deliberate, errno, file};
use crate::storage::frames::Broken;
use crate::storage::medium::Failed;
use crate::{Error, Result};

/// That there is no journal in a folder.
pub(super) fn absent(folder: &Path) -> Error {
    Error::os(errno::ENOENT, OPEN, Some(folder)).with_hint("the folder holds no journal")
}

/// Makes the folder of a journal, where there may be none. What it holds must be a journal's.
pub(super) fn prepare_folder(folder: &Path, options: &JournalOptions) -> Result<()> {
    let has_journal = || segment_paths(folder).map(|paths| !paths.is_empty());
    if !options.create {
        return if has_journal()? { Ok(()) } else { Err(absent(folder)) };
    }
    if options.first_sequence > END_OF_SEQUENCES {
        let most = format!("<= {END_OF_SEQUENCES}");
        return Err(Error::out_of_range("firstSequence", most, options.first_sequence));
    }
    if has_journal().unwrap_or(false) {
        return Ok(());
    }
    check_contents(folder)?;
    make_folder(folder, options.mode)
}

/// A folder without segments that has what no journal has is somebody else's.
fn check_contents(folder: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let ours = ["cursors", "tail", "lock", "next.tmp"];
    let foreign =
        entries.flatten().map(|entry| entry.file_name()).find(|name| !ours.iter().any(|ours| *name == **ours));
    match foreign {
        None => Ok(()),
        Some(name) => Err(Error::os(errno::ENOTEMPTY, OPEN, Some(folder))
            .with_hint(format!("it holds '{}' and no journal: give the journal a folder of its own", name.display()))),
    }
}

/// The journal in a folder, whose lock this process has.
pub(super) fn open(folder: &Path, opened: File, options: &JournalOptions, lock: WriterLock) -> Result<Writer> {
    remove_unfinished(folder);
    let shelf = Shelf::new(folder);
    let start = match Chain::load(folder, false, &Segments::new())? {
        None if options.create => make(folder, options)?,
        None => return Err(absent(folder)),
        Some(chain) => go_on(folder, &shelf, &chain)?,
    };
    shelf.add(&start.active.segment);
    Writer::new(folder, opened, options, lock, shelf, start)
}

/// What a journal begins with, or goes on from.
pub(super) struct Start {
    pub(super) active: Active,
    pub(super) uuid: Uuid,
    /// The first sequence that is kept.
    pub(super) first: u64,
    /// How many bytes were cut.
    pub(super) torn: u64,
}

fn make(folder: &Path, options: &JournalOptions) -> Result<Start> {
    let mut uuid = [0; 16];
    getrandom::fill(&mut uuid).map_err(|error| Error::io(&error.into(), "getrandom", None))?;
    let (size, first) = (first_size(options), options.first_sequence);
    let header = Header { uuid, epoch: 0, first, kept: first, size, created: now(), salt: random()? };
    let slot = Active::first_slot(&header);
    let prepared = Prepared::now(folder, size, options.mode)?;
    let (segment, medium) = prepared.finish(folder, &header, &slot)?;
    let failed = |failed: Failed| Error::io(&failed.into_error(), OPEN, Some(folder));
    give_name(folder, &segment).map_err(failed)?;
    Ok(Start { active: Active::new(Arc::new(segment), medium, slot), uuid, first, torn: 0 })
}

fn go_on(folder: &Path, shelf: &Shelf, chain: &Chain) -> Result<Start> {
    let Link { segment: read, slot } = chain.last();
    let file = Arc::new(open_file(&read.path, false)?);
    if !is_writable(&file, &read.path)? {
        let what = "it has features that may be read only".to_owned();
        return Err(Error::Newer { file: read.path.clone(), what });
    }
    let end = match slot.state {
        State::Open => Some(find_end(read, slot, published(folder, chain.uuid()))?),
        State::Closed | State::Sealed(_) => {
            check_published(read, slot, published(folder, chain.uuid()))?;
            None
        }
    };
    let failed = |error: std::io::Error| Error::io(&error, "mmap", Some(&read.path));
    let medium = medium(&file, read.header.size).map_err(failed)?;
    let segment = Arc::new(Segment::written(read.header, &read.path, file, Arc::clone(&medium)));
    let mut active = Active::new(segment, medium, *slot);
    let failed = |failed: Failed| match failed {
        Failed::Write(error) => Error::io(&error, "pwrite", Some(&read.path)),
        Failed::Sync(error) => Error::io(&error, "fdatasync", Some(&read.path)),
    };
    let torn = end.map_or(0, |end| end.torn);
    match end {
        None => active.reopen().map_err(failed)?,
        Some(end) => {
            sync_names(folder)?;
            finish_roll(chain)?;
            let epochs = chain.links.values().map(|link| link.slot.epoch);
            let raised = !deliberate::is_on("journal: epoch not raised");
            active.recover(&end, epochs.max().unwrap_or_default() + u64::from(raised)).map_err(failed)?;
        }
    }
    shelf.take(chain);
    remove_leftovers(folder, shelf)?;
    Ok(Start { active, uuid: chain.uuid(), first: chain.first, torn })
}

/// That a journal which was closed has what readers of this boot were shown.
fn check_published(segment: &Segment, slot: &Slot, published: Option<u64>) -> Result<()> {
    if published.is_none_or(|published| published <= slot.next) {
        return Ok(());
    }
    Err(segment.broken(Place { sequence: slot.next, offset: slot.end }, Broken::Empty))
}

/// What readers of this boot were shown.
fn published(folder: &Path, uuid: Uuid) -> Option<u64> {
    Tail::look(folder, uuid)?.next()
}

/// Makes durable which segments there are. Whoever named the last one may have been killed then.
fn sync_names(folder: &Path) -> Result<()> {
    if deliberate::is_on("journal: found names trusted") {
        return Ok(());
    }
    file::sync_folder(folder).map(drop).map_err(|error| Error::io(&error, "fsync", Some(folder)))
}

/// Seals the segment before the last one, where a crash came between making the one and sealing the other.
fn finish_roll(chain: &Chain) -> Result<()> {
    let mut links = chain.links.values().rev();
    let (Some(last), Some(Link { segment, slot })) = (links.next(), links.next()) else { return Ok(()) };
    if slot.state != State::Open || deliberate::is_on("journal: roll not finished") {
        return Ok(());
    }
    let failed = |error: std::io::Error| Error::io(&error, OPEN, Some(&segment.path));
    let file: Arc<File> = Arc::new(open_file(&segment.path, false)?);
    let medium = medium(&file, segment.header.size).map_err(failed)?;
    let end = find_end(segment, slot, Some(last.segment.header.first))?;
    let mut active = Active::new(Arc::clone(segment), medium, *slot);
    let sealed = active.pass(&end).and_then(|()| active.finish(State::Sealed(last.segment.header.salt)));
    sealed.map_err(|failure| failed(failure.into_error()))
}

/// Removes segments whose records were given up, and which were left behind.
fn remove_leftovers(folder: &Path, shelf: &Shelf) -> Result<()> {
    let known = shelf.all();
    let paths = segment_paths(folder)?;
    let is_left = |path: &std::path::PathBuf| !known.iter().any(|segment| segment.path == *path);
    shelf.remove(paths.into_iter().filter(is_left).collect());
    Ok(())
}
