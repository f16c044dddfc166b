//! Looking for damage, beside whoever writes, and without a change to anything.

use std::path::Path;

use super::chain::{Chain, Link, segment_paths};
use super::format::{Slot, State};
use super::opening::absent;
use super::reader::attempt;
use super::scan::{Walk, find_end, sound_behind};
use super::segment::{Place, Segment};
use super::shelf::Segments;
use super::tail::Tail;
use super::{JournalDamage, JournalReport};
use crate::storage::frames::Frame;
use crate::{Error, Result};

/// What is sound of the journal in a folder, and what is not.
pub(super) fn check(folder: &Path, is_remote: bool) -> Result<JournalReport> {
    let mut report = JournalReport::default();
    // Before the segments are looked at: what is shown by then is in them.
    let published = published(folder, is_remote)?;
    let paths = segment_paths(folder)?;
    let mut segments = Vec::new();
    for path in &paths {
        match Link::open(path, is_remote) {
            Ok(Some(link)) => segments.push(link),
            // Given up while it was looked at, and before it those that are older.
            Ok(None) => segments.clear(),
            Err(error) => report.note(error)?,
        }
    }
    report.segments = paths.len() as u64;
    if segments.is_empty() {
        return if paths.is_empty() { Err(absent(folder)) } else { Ok(report) };
    }
    for (index, Link { segment, slot }) in segments.iter().enumerate() {
        let next = segments.get(index + 1).map(|next| next.segment.header.first);
        report.read(segment, slot, next, published)?;
    }
    if report.damage.is_empty() {
        let chain = attempt(|| Chain::load(folder, is_remote, &Segments::new()));
        chain.map(|_| ()).or_else(|error| report.note(error))?;
    }
    Ok(report)
}

/// What readers of this boot are shown.
fn published(folder: &Path, is_remote: bool) -> Result<Option<u64>> {
    let last = segment_paths(folder)?.pop().and_then(|path| Segment::open(&path, is_remote).ok());
    Ok(last.and_then(|(last, _)| Tail::look(folder, last.header.uuid)?.next()))
}

impl JournalReport {
    /// Adds what is damaged; other errors are this one's caller's.
    fn note(&mut self, error: Error) -> Result<()> {
        match error {
            Error::Damaged { file, offset, sequence, what } => {
                self.damage.push(JournalDamage { file, offset, sequence, what });
                Ok(())
            }
            other => Err(other),
        }
    }

    /// Reads a segment's records, up to the first one of the next segment, or to what readers were shown.
    fn read(&mut self, segment: &Segment, slot: &Slot, next: Option<u64>, published: Option<u64>) -> Result<()> {
        let mut end = match (next, slot.state) {
            (Some(first), _) => Some(first),
            (None, State::Open) => published,
            (None, _) => published.max(Some(slot.next)),
        };
        if end.is_none() {
            match attempt(|| find_end(segment, &segment.slot()?, None)) {
                Ok(found) => {
                    self.torn += found.torn;
                    end = Some(found.place.sequence);
                }
                Err(error) => self.note(error)?,
            }
        }
        let start = Place { sequence: segment.header.first, offset: super::format::DATA_START };
        let mut walk = Walk::new(segment, start, segment.header.size);
        while end.is_none_or(|end| walk.place().sequence < end) {
            let place = walk.place();
            match walk.advance()? {
                Ok(frame) => {
                    self.records += 1;
                    self.bytes += frame.size();
                }
                Err(broken) => {
                    if end.is_some() {
                        self.note(segment.broken(place, broken))?;
                    }
                    let later = place.sequence + 1..end.unwrap_or(u64::MAX);
                    let is_later = |frame: &Frame, _| later.contains(&frame.sequence);
                    let Some(place) = sound_behind(segment, place, segment.header.size, is_later)? else { break };
                    walk = Walk::new(segment, place, segment.header.size);
                }
            }
        }
        Ok(())
    }
}
