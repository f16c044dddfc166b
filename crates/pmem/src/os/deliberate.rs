//! Deliberate faults: what each test of durability is tested by.
//!
//! In the crate's own test binary `PMEM_DELIBERATE_FAULT=name` switches one on, and some test has to fail then:
//! `npm run test:faults` sees to it. With the cargo feature `recorder` they are there too. Everywhere else there are none.

/// Every deliberate fault, each where its name stands in the code.
#[cfg(any(test, feature = "recorder"))]
pub(crate) const FAULTS: &[&str] = &[
    "copy: tail not flushed",
    "copy: head not flushed",
    "copy: body left in the caches",
    "flush: last line left out",
    "drain: empty",
    "keep: file not synced",
    "keep: folder not synced",
    "keep: another's file removed",
    "grow: file not synced",
    "grow: another's length taken back",
    "region: persist without drain",
    "region: uncovered memory persisted",
    "region: no touch",
    "region: lost pages not looked at",
    "region: ranges persisted without drain",
    "region: failed sync forgotten",
    "region: copied without drain",
    "region: joined ranges end with the last",
    "region: failed sync forgotten with its owner",
    "region: longer before it is durable",
    "region: failed growth forgotten",
    "log: offset before data",
    "log: rewinds not counted",
    "log: change before the wait missed",
    "log: failed sync forgotten",
    "log: shown before it is durable",
    "log: failed offset left there",
    "beside: no mark",
    "beside: readers not asked",
    "beside: not looked again",
    "beside: offset not synced",
    "beside: shorter log read on",
    "beside: failed sync forgotten",
    "beside: coming writer says nothing",
    "beside: no room made",
    "words: read from the mapping",
    "words: failed write seen",
    "file: size not checked",
    "memory: no touch",
    "memory: earlier ranges not flushed",
    "memory: long words not flushed",
    "memory: words not flushed",
    "memory: what was loaded not flushed",
    "file: no sync",
    "file: words between others lost",
    "blk: no stripe lock",
    "blk: map not settled by closing",
    "blk: one barrier",
    "blk: lane's last map entry forgotten",
    "blk: block's map entry forgotten",
    "blk: readers not waited for",
    "blk: unfinished write not seen",
    "blk: failed sync forgotten",
    "blk: slot of two owners written",
    "blk: map before the flog",
    "blk: map not looked at again",
    "blk: state set without the lock",
    "blk: failed state left there",
    "blk: old info copy left there",
    "blk: info before the flog",
    "blk: found flog trusted",
    "blk: map not completed",
    "blk: found info trusted",
    "committer: no turns",
    "committer: sync calls overtake",
    "committer: any amount waits",
    "pool: closing forgets what waits",
    "pool: lost pages acknowledged",
    "header: contents not synced before",
    "header: not checked",
    "frame: known in any place",
    "frame: what is not known accepted",
    "frame: payload not checked",
    "frame: header not checked",
    "journal: shown before the flush",
    "journal: old segment sealed first",
    "journal: epoch not raised",
    "journal: cursors not asked",
    "journal: tail not asked",
    "journal: damage taken for torn",
    "journal: new segment not synced",
    "journal: new segment's name not synced",
    "journal: all frames anchored",
    "journal: batches not joined",
    "journal: failed write left there",
    "journal: reach not written",
    "journal: tail not rewritten",
    "journal: torn write left there",
    "journal: recovery not synced",
    "journal: failures not passed on",
    "journal: roll without a flush",
    "journal: old segment not sealed",
    "journal: truncation not written",
    "journal: failed flush forgotten",
    "journal: reader does not flush",
    "journal: roll not finished",
    "journal: found slot trusted",
    "journal: found slot changed",
    "journal: found names trusted",
    "journal: lost pages not looked at",
    "journal: successors not checked",
    "journal: folder's name not synced",
    "journal: header not checked",
    "journal: one slot",
    "journal: older slot trusted",
    "journal: slot not checked",
    "journal: woken before there is more",
    "journal: shared flush's failure ignored",
    "journal: failed write left in a full segment",
    "journal: truncation without a flush",
    "journal: segments removed before it is written",
    "journal: lost lock not noticed",
    "journal: closed without a flush",
    "journal: part of a batch taken",
    "cursor: not synced",
    "cursor: folder not synced",
    "cursor: one slot",
    "cursor: trusted",
    "cursor: deleting not synced",
    "cursor: begun at once",
    "cursor: name not looked at",
    "cursor: changed without the lock",
    "cursor: failed position left there",
    "cursor: slot not checked",
    "lock: name not checked",
    "lock: none taken",
    "tail: boot not looked at",
    "tail: waiters cleared late",
    "waits: not looked at",
    "heap: all frames anchored",
    "heap: blocks used early",
    "heap: changed without room",
    "heap: removed blocks make no room",
    "heap: checkpoint not waited for",
    "heap: checkpoint without a thread left out",
    "heap: checksum not checked",
    "heap: damage taken for torn",
    "heap: unfinished copy has a name",
    "heap: places of a failed commit kept",
    "heap: found slot trusted",
    "heap: failed flush still seen",
    "heap: file cut within bitmaps",
    "heap: flushes not shared",
    "heap: incarnation used again",
    "heap: large commit not taken back",
    "heap: given up twice",
    "heap: bitmaps believed in",
    "heap: blocks anywhere",
    "heap: cells may overlap",
    "heap: torn tree seen",
    "heap: close waits for its own thread",
    "heap: log looked at without end",
    "heap: runs taken for nodes",
    "heap: nodes read without end",
    "heap: what was seen is any reference's",
    "heap: log not synced",
    "heap: nodes not flushed",
    "heap: older slot trusted",
    "heap: slot before nodes",
    "heap: slot not flushed",
    "heap: snapshots do not pin",
    "heap: tail not rewritten",
    "heap: tail not synced",
    "heap: written version changed in place",
    "heap: written version seen",
    "heap: reads acknowledged early",
    "heap: new store's length not synced",
    "heap: one slot",
    "heap: frames of an earlier opening taken",
    "heap: lost pages not looked at",
    "heap: log overwritten",
    "heap: slot without its copy",
    "heap: flushed what came later",
    "heap: bitmaps changed in place",
    "heap: bitmaps not checked",
    "heap: table not checked",
    "objects: collector not waited for",
    "objects: damaged queue stops commits",
    "objects: failed commands left there",
    "objects: freed by the commit that removes",
    "objects: headers kept at taking back",
    "objects: next id not written",
    "objects: circles of older views freed",
    "objects: any number of news kept",
    "objects: commits before joining not forgotten",
    "objects: dictionary with its record's shape",
    "objects: free queue not written",
    "objects: freed under an older view",
    "objects: pinned container freed",
    "objects: reference not released",
    "objects: removals need room",
    "objects: short pins forgotten",
    "objects: freed before others see the removal",
    "objects: told before it is seen",
    "objects: unpinned container not looked at again",
    "objects: view taken unannounced",
    "growing: no sync",
    "growing: earlier ranges not flushed",
    "growing: size not checked",
    "growing: longer before the file is",
    "growing: failed growth left there",
    "growing: new bytes not written",
    "growing: length not synced",
    "growing: failures of others ignored",
    "growing: cut while it is looked at",
    "btt: info not checked",
    "btt: free slot of two lanes",
    "registry: closed without its lock",
    "fault: new alarms not told",
    "fault: source not looked at",
    "fault: one of several watches told",
    "fault: no alarm",
    "fault: scans not waited for",
    "mapping: no touch after a sync",
    "fill: not flushed",
];

/// Those that show on a file system with DAX alone, where `npm run test:powercut` catches them.
#[cfg(any(test, feature = "recorder"))]
pub(crate) const ON_DAX: &[&str] = &["mapping: no MAP_SYNC"];

/// Whether the fault of this name is switched on.
#[cfg(any(test, feature = "recorder"))]
#[inline]
pub(crate) fn is_on(name: &str) -> bool {
    use std::sync::LazyLock;
    static ON: LazyLock<Option<String>> = LazyLock::new(|| {
        let on = std::env::var("PMEM_DELIBERATE_FAULT").ok();
        let is_one = |name: &str| FAULTS.iter().chain(ON_DAX).any(|fault| *fault == name);
        on.inspect(|on| assert!(is_one(on), "there is no deliberate fault '{on}'"))
    });
    ON.as_deref() == Some(name)
}

/// Whether the fault of this name is switched on: never.
#[cfg(not(any(test, feature = "recorder")))]
#[inline(always)]
pub(crate) const fn is_on(_: &str) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The names in the code below `folder`.
    fn names(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                names(&path, found);
            } else {
                let code = std::fs::read_to_string(&path).unwrap();
                let after = code.split("deliberate::is_on(\"").skip(1);
                found.extend(after.filter_map(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned()));
            }
        }
    }

    #[test]
    fn each_fault_is_listed_and_stands_in_the_code() {
        let mut found = Vec::new();
        names(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        let mut listed: Vec<_> = FAULTS.iter().chain(ON_DAX).map(ToString::to_string).collect();
        found.retain(|name| !name.contains('\\'));
        found.sort();
        found.dedup();
        listed.sort();
        assert_eq!(found, listed);
    }
}
