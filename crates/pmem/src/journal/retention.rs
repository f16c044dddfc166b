//! Giving records up by size and by age.

use super::active::Active;
use super::writer::{APPEND, Writer, now};
use crate::os::{deliberate, errno};
use crate::{Error, Result};

impl Writer {
    /// The first sequence that is kept once there is a new segment of `size` bytes: what is too old goes, and so much that all
    /// segments have no more bytes than they may.
    ///
    /// # Errors
    /// `ENOSPC` where a cursor still needs what would have to go.
    pub(super) fn make_space(&self, active: &Active, size: u64) -> Result<u64> {
        let (max_bytes, max_age) = (self.options.max_bytes, self.options.max_age);
        let mut kept = self.first();
        if max_bytes.is_none() && max_age.is_none() {
            return Ok(kept);
        }
        let segments = self.shelf.all();
        let mut total = size + segments.iter().map(|segment| segment.header.size).sum::<u64>();
        let all_may_go = self.options.drop_unread || deliberate::is_on("journal: cursors not asked");
        let needed = if all_may_go { None } else { self.cursors.least()? };
        let ends = segments.iter().skip(1).map(|next| next.header.first).chain([active.end.sequence]);
        for (segment, end) in segments.iter().zip(ends) {
            let latest = if end == active.end.sequence { active.latest() } else { segment.latest() };
            let is_old = max_age.is_some_and(|age| latest.min(now()) < now().saturating_sub(age));
            let is_too_much = max_bytes.is_some_and(|most| total > most);
            if !is_old && !is_too_much {
                break;
            }
            match &needed {
                Some((name, position)) if *position < end && is_too_much => return Err(self.is_needed(name)),
                Some((_, position)) if *position < end => break,
                _ => {}
            }
            total -= segment.header.size;
            kept = kept.max(end);
        }
        if max_bytes.is_some_and(|most| total > most) {
            let full = Error::os(errno::ENOSPC, APPEND, Some(&self.folder));
            return Err(full.with_hint("the records alone are more than maxBytes allows"));
        }
        Ok(kept)
    }

    fn is_needed(&self, cursor: &str) -> Error {
        let full = Error::os(errno::ENOSPC, APPEND, Some(&self.folder));
        full.with_hint(format!(
            "maxBytes is reached, and the cursor '{cursor}' still needs the oldest records: let it go on, delete it, or set dropUnread"
        ))
    }
}
