//! The segments of a folder, one after the other.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::{Slot, State, Uuid, file_name, first_of};
use super::scan::find_end;
use super::segment::Segment;
use super::shelf::Segments;
use crate::os::{deliberate, errno};
use crate::{Error, Result};

/// What is there, and follows without gaps.
pub(super) struct Chain {
    /// By the sequences of their first records. Never empty.
    pub(super) links: BTreeMap<u64, Link>,
    /// The first sequence that is kept.
    pub(super) first: u64,
}

/// A segment with how it ended when it was looked at.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) segment: Arc<Segment>,
    pub(super) slot: Slot,
}

impl Chain {
    /// Reads the folder's segments; none where it has none. `known` ones are not opened again.
    pub(super) fn load(folder: &Path, is_remote: bool, known: &Segments) -> Result<Option<Self>> {
        loop {
            let paths = segment_paths(folder)?;
            let chain = Self::of(&paths, folder, is_remote, known)?;
            if chain.is_some() || paths.is_empty() {
                return Ok(chain);
            }
        }
    }

    /// [`Chain::load`] of the files that there were a moment ago: some may be gone by now, and others have
    /// come. None where all are gone.
    pub(super) fn of(paths: &[PathBuf], folder: &Path, is_remote: bool, known: &Segments) -> Result<Option<Self>> {
        let mut links = BTreeMap::new();
        for path in paths {
            let first = first_of(path).unwrap_or_default();
            let known = known.get(&first).filter(|segment| segment.is_still(path));
            let link = match known {
                Some(segment) => Some(Link { slot: segment.slot()?, segment: Arc::clone(segment) }),
                None => Link::open(path, is_remote)?,
            };
            links.extend(link.map(|link| (first, link)));
        }
        while let Some((first, path)) = links.last_key_value().and_then(|(_, last)| last.successor(folder)) {
            let Some(link) = Link::open(&path, is_remote)? else { break };
            links.insert(first, link);
        }
        if links.is_empty() {
            return Ok(None);
        }
        let mut chain = Self { first: kept(&links), links };
        chain.forget_what_is_not_kept();
        chain.verify()?;
        Ok(Some(chain))
    }

    /// The last segment.
    pub(super) fn last(&self) -> &Link {
        self.links.values().next_back().expect("a chain is never empty")
    }

    pub(super) fn uuid(&self) -> Uuid {
        self.last().segment.header.uuid
    }

    /// Segments all of whose records were given up: they are about to be removed, or should have been.
    fn forget_what_is_not_kept(&mut self) {
        let Some((&least, _)) = self.links.range(..=self.first).next_back() else { return };
        self.links = self.links.split_off(&least);
    }

    /// That all segments are of one journal, and each begins where the one before ends.
    fn verify(&self) -> Result<()> {
        let uuid = self.uuid();
        if let Some(link) = self.links.values().find(|link| link.segment.header.uuid != uuid) {
            let what = "it belongs to another journal than the last segment".to_owned();
            return Err(mismatch(&link.segment, 24, what));
        }
        let (&first, link) = self.links.first_key_value().expect("a chain is never empty");
        if first > self.first {
            let what = format!("the segments with the records {} to {} are missing before it", self.first, first - 1);
            return Err(mismatch(&link.segment, 48, what));
        }
        let pairs = self.links.values().zip(self.links.values().skip(1));
        if !deliberate::is_on("journal: successors not checked") {
            pairs.into_iter().try_for_each(|(one, next)| one.check_successor(next))?;
        }
        self.last().check_last()
    }
}

impl Link {
    /// None where the file is gone, which it is once its records were given up.
    pub(super) fn open(path: &Path, is_remote: bool) -> Result<Option<Self>> {
        match Segment::open(path, is_remote) {
            Err(Error::Os { .. })
                if path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) =>
            {
                Ok(None)
            }
            opened => opened.map(|(segment, slot)| Some(Self { segment: Arc::new(segment), slot })),
        }
    }

    /// What this one, the last of those that there were, names as the next one: its first sequence, and its file, which may
    /// have this one's name, where this one has no records.
    fn successor(&self, folder: &Path) -> Option<(u64, PathBuf)> {
        let State::Sealed(salt) = self.slot.state else { return None };
        let first = self.slot.next;
        (salt != self.segment.header.salt).then(|| (first, folder.join(file_name(first))))
    }

    /// That `next` goes on where this one ends. Where both have a record, the later epoch's holds.
    fn check_successor(&self, next: &Link) -> Result<()> {
        let header = &next.segment.header;
        let supersedes = header.epoch > self.slot.epoch;
        let end = match self.slot.state {
            State::Open => match find_end(&self.segment, &self.slot, Some(header.first)) {
                Ok(end) => end.place.sequence,
                // What the next one took over need not be sound.
                Err(_) if supersedes && self.segment.find(header.first).is_ok() => header.first,
                Err(error) => return Err(error),
            },
            State::Closed | State::Sealed(_) => self.slot.next,
        };
        if end < header.first {
            let what = format!("the records {end} to {} are missing before it", header.first - 1);
            return Err(mismatch(&next.segment, 48, what));
        }
        let is_named = !matches!(self.slot.state, State::Sealed(salt) if salt != header.salt);
        if supersedes || end == header.first && is_named {
            return Ok(());
        }
        Err(mismatch(&next.segment, 80, "it is not the segment that the one before it names".to_owned()))
    }

    /// That nothing has to follow.
    fn check_last(&self) -> Result<()> {
        if !matches!(self.slot.state, State::Sealed(_)) {
            return Ok(());
        }
        let (file, Slot { end: offset, next: sequence, .. }) = (self.segment.path.clone(), self.slot);
        Err(Error::Damaged { file, offset, sequence, what: "the segment that follows it is missing".to_owned() })
    }
}

fn mismatch(segment: &Segment, offset: u64, what: String) -> Error {
    Error::Damaged { file: segment.path.clone(), offset, sequence: segment.header.first, what }
}

/// The files of the folder that are named as segments, in their order.
pub(super) fn segment_paths(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let names = errno::uninterrupted(|| std::fs::read_dir(folder))?.map(|entry| Ok(entry?.path()));
        let is_other = |path: &io::Result<PathBuf>| path.as_ref().is_ok_and(|path| first_of(path).is_none());
        let mut paths: Vec<_> = names.filter(|path| !is_other(path)).collect::<io::Result<_>>()?;
        paths.sort();
        Ok(paths)
    };
    list().map_err(|error| Error::io(&error, "scandir", Some(folder)))
}

/// The first sequence that is kept, as the segments say.
fn kept(links: &BTreeMap<u64, Link>) -> u64 {
    let said = links.values().flat_map(|link| [link.slot.kept, link.segment.header.kept]);
    said.max().unwrap_or_default()
}
