//! Opening a store, making one, and copying one.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;

use super::format::{Geometry, Header, PAGE, Slot};
use super::space::{self, Space};
use super::store::Store;
use super::transaction::decode;
use super::tree::{Tree, Value};
use super::writer::{RESERVE, Writer};
use super::{Desk, Durability, HEAPS, Heap, HeapOptions, Inner, Progress, View, log};
use crate::os::file::{self, Made, NewFile, descriptor};
use crate::os::{deliberate, seam, volume};
use crate::storage::growing::Growing;
use crate::storage::lock::Locked;
use crate::storage::medium::Failed;
use crate::storage::registry::Shared;
use crate::{Error, Result};

const OPEN: &str = "open";

/// How many bytes of entries a copy commits at once.
const BATCH: usize = 1 << 20;

pub(super) fn open(path: &Path, options: &HeapOptions) -> Result<Shared<Inner>> {
    loop {
        let file = match file::open(path, options.readonly, OPEN) {
            Err(Error::Os { errno: crate::os::errno::ENOENT, .. }) if options.create && !options.readonly => {
                match make(path, options, None).and_then(|(inner, made)| named(inner, made, path)) {
                    // Someone else was faster.
                    Err(Error::Os { errno: crate::os::errno::EEXIST, .. }) => {}
                    made => return made,
                }
                continue;
            }
            file => file?,
        };
        return HEAPS.open(file, path, OPEN, |inner| may_share(inner, options), |file| load(file, path, options));
    }
}

fn may_share(inner: &Inner, options: &HeapOptions) -> Result<()> {
    let HeapOptions { readonly, durability, max_len, .. } = inner.options;
    // Who names no limit takes the one there is. Who only reads has neither that nor a durability.
    let has_limit = options.max_len.is_none() || options.max_len == max_len;
    if readonly == options.readonly && (readonly || (durability == options.durability && has_limit)) {
        return Ok(());
    }
    let reason = "the store, or a snapshot of it, is open in this process with another readonly, durability or maxSize";
    Err(Error::InvalidValue { name: "options", reason })
}

/// Gives a new store its name.
fn named(inner: Shared<Inner>, mut made: Made, path: &Path) -> Result<Shared<Inner>> {
    made.keep(path, OPEN)?;
    Ok(inner)
}

/// Makes a store, which gets its name when what is made is kept. A copy has the salt of what it is one of: hashes go by it.
fn make(path: &Path, options: &HeapOptions, salt: Option<u64>) -> Result<(Shared<Inner>, Made)> {
    let failed = |syscall| move |error: std::io::Error| Error::io(&error, syscall, Some(path));
    let geometry = Geometry::DEFAULT;
    #[cfg(test)]
    let geometry = options.geometry.unwrap_or(geometry);
    #[cfg(feature = "recorder")]
    let geometry = if std::env::var_os("PMEM_SMALL_STORES").is_some() { Geometry::SMALL } else { geometry };
    let least = (geometry.first_block(0) + 1 + RESERVE) * geometry.node_size;
    if let Some(most) = options.max_len.filter(|most| *most < least) {
        return Err(Error::out_of_range("maxSize", format!(">= {least}, which a new store needs"), most));
    }
    volume::refuse_network(file::folder_of(path))?;
    let new = NewFile { size: PAGE, mode: options.mode, sparse: false, named: false };
    let made = file::make(path, new, OPEN)?;
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(|error| Error::io(&error.into(), "getrandom", None))?;
    let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
    let header = Header {
        geometry,
        salt: salt.unwrap_or_else(|| crate::storage::bytes::u64_at(&random, 0)),
        uuid: crate::storage::bytes::array(&random, 8),
        created,
        may_write: true,
    };
    let file = made.file().try_clone().map_err(failed("dup"))?;
    let known = made.file().try_clone().map_err(failed("dup"))?;
    let inner = HEAPS.create(&known, path, OPEN, || {
        let locked = Locked::new(file, false, path, OPEN)?;
        // Written out, so that a commit changes nothing of the file but what is in it.
        file::write_zeros(&locked, 0, geometry.first_block(0) * geometry.node_size).map_err(failed("write"))?;
        // No barrier for stores makes the file's length durable.
        if !deliberate::is_on("heap: new store's length not synced") {
            seam::sync_data(&locked).map_err(failed("fdatasync"))?;
        }
        let growing = Growing::new(locked, geometry.zone_len(), false).map_err(failed("mmap"))?;
        let store = Store::new(growing, path.to_path_buf(), geometry, header.salt);
        store.file.write(0, &header.encode()).map_err(failed("write"))?;
        let mut space = Space::new(geometry);
        space.grow(geometry.first_block(0), &store)?;
        let mut writer = Writer::new(Tree::new(0, 0), space, Slot::default(), (0, 0), 1);
        let slot = writer.begin_checkpoint(&store, options.max_len)?.run(&store);
        let slot = slot.map_err(|failed| Error::io(&failed.into_error(), "fdatasync", Some(path)))?;
        writer.finish_checkpoint(slot, &store);
        Ok(inner(store, options, Some(writer), None))
    })?;
    Ok((inner, made))
}

/// What can be done about another process's having the store open.
fn in_use(error: Error, path: &Path) -> Error {
    match error {
        Error::Os { errno: crate::os::errno::EAGAIN, syscall, .. } => Error::os(crate::os::errno::EAGAIN, syscall, Some(path)).with_hint(
            "another process has the store open, and one at a time can; there, backup makes a copy that can be opened here",
        ),
        other => other,
    }
}

/// Opens what is a store.
fn load(file: File, path: &Path, options: &HeapOptions) -> Result<Inner> {
    let failed = |syscall| move |error: std::io::Error| Error::io(&error, syscall, Some(path));
    if !options.readonly {
        volume::refuse_network(file::folder_of(path))?;
    }
    let size = file::regular_size(descriptor(&file), Some(path), OPEN)?;
    let locked = Locked::new(file, options.readonly, path, OPEN).map_err(|error| in_use(error, path))?;
    let broken = |offset, what: String| Error::Broken { file: path.to_path_buf(), offset, what };
    if size < PAGE {
        return Err(broken(0, format!("it is no store: it has {size} bytes")));
    }
    let mut page = [0; PAGE as usize];
    file::read_exact_at(&locked, &mut page, 0).map_err(failed("read"))?;
    let header = Header::decode(&page).map_err(|refused| match refused.is_newer {
        true => Error::Newer { file: path.to_path_buf(), what: refused.what },
        false => broken(0, refused.what),
    })?;
    let geometry = header.geometry;
    if size < geometry.first_block(0) * geometry.node_size {
        return Err(broken(size, "it was cut".to_owned()));
    }
    let growing = Growing::new(locked, geometry.zone_len(), options.readonly).map_err(failed("mmap"))?;
    let store = Store::new(growing, path.to_path_buf(), geometry, header.salt);
    let slot = current_slot(&store)?;
    if slot.incompatible != 0 {
        return Err(store.newer("its last checkpoint needs something that this version does not know"));
    }
    let may_write = header.may_write && slot.read_compatible == 0;
    if !may_write && !options.readonly {
        return Err(store.newer("it may be read here, but not changed: open it readonly"));
    }
    if !slot.is_possible() {
        return Err(broken(0, "a slot's numbers are not possible".to_owned()));
    }
    if slot.blocks * geometry.node_size > size {
        return Err(broken(size, format!("it was cut: the tree needs {} bytes", slot.blocks * geometry.node_size)));
    }
    let table = space::read_table(&store, slot.epoch, slot.zones, slot.table)?;
    if slot.zones != slot.blocks.div_ceil(geometry.zone_blocks) {
        return Err(broken(0, "a slot's number of zones is not that of its blocks".to_owned()));
    }
    let space = Space::load(geometry, slot.blocks, &table);
    let mut tree = Tree::new(slot.root, slot.entries);
    let end = log::replay(&store, &slot, |ops| replay(&store, &mut tree, ops))?;
    let is_known = deliberate::is_on("heap: incarnation used again");
    let later = end.latest.checked_add(1).ok_or_else(|| broken(0, "the log's numbers are not possible".to_owned()))?;
    let incarnation = if is_known { end.incarnation } else { later };
    if !options.readonly {
        settle_slot(&store, &slot).map_err(|failed| Error::io(&failed.into_error(), "fdatasync", Some(path)))?;
        log::rewrite(&store, &end).map_err(|failed| Error::io(&failed.into_error(), "fdatasync", Some(path)))?;
    }
    let writer = Writer::new(tree, space, slot, (end.position, end.sequence), incarnation);
    let version = writer.version();
    let mut inner = inner(store, options, Some(writer), Some(version));
    inner.may_write = may_write;
    inner.durable.store(end.position, Ordering::Relaxed);
    Ok(inner)
}

fn replay(store: &Store, tree: &mut Tree, ops: &[u8]) -> Result<()> {
    let known = decode(ops, |key, value| {
        let before = match value {
            Some(value) => tree.set(store, key, Value::Inline(value.to_vec()))?,
            None => tree.remove(store, key)?,
        };
        before.iter().for_each(|value| tree.discard(store, value));
        Ok(())
    })?;
    if known {
        Ok(())
    } else {
        Err(store
            .damaged(store.geometry.log_start() / store.geometry.node_size, "a commit is of no kind that is known"))
    }
}

/// Makes the slot durable that was found, in both copies. Who wrote it may have been killed before its sync, or have failed in it:
/// then what is committed from now on would be of a checkpoint that is not there after a power cut.
fn settle_slot(store: &Store, slot: &Slot) -> std::result::Result<(), Failed> {
    if deliberate::is_on("heap: found slot trusted") {
        return Ok(());
    }
    let page = slot.encode(store.salt);
    for offset in Slot::places(slot.epoch) {
        store.file.write(offset, &page).map_err(Failed::Write)?;
    }
    store.file.sync(&[])
}

/// The later of the two slots.
fn current_slot(store: &Store) -> Result<Slot> {
    let slot_at = |offset: u64| Slot::decode(store.file.bytes(offset, PAGE as usize)?, store.salt);
    let slots =
        [0, 1].map(|side| Slot::places(side).into_iter().find_map(slot_at).filter(|slot| slot.epoch % 2 == side));
    store.check()?;
    let slot = slots.into_iter().flatten().max_by_key(|slot| slot.epoch);
    slot.ok_or_else(|| store.damaged(PAGE / store.geometry.node_size, "neither of its two slots is what was written"))
}

fn inner(
    store: Store,
    options: &HeapOptions,
    writer: Option<Writer>,
    version: Option<std::sync::Arc<super::Version>>,
) -> Inner {
    let version = version.or_else(|| writer.as_ref().map(Writer::version));
    let is_group = options.durability == Durability::Group;
    Inner {
        store,
        options: options.clone(),
        may_write: true,
        desk: Mutex::new(Desk { writer: writer.map(Box::new), holder: None, waiting: 0 }),
        free: Condvar::new(),
        durable_version: Mutex::new(version.clone().filter(|_| is_group)),
        published: ArcSwapOption::new(version),
        written: Mutex::new(None),
        durable: AtomicU64::new(0),
        flushing: Mutex::new(()),
        handles: AtomicUsize::new(0),
        latch: OnceLock::new(),
        checkpoint: Mutex::new(Progress::Idle),
        finished: Condvar::new(),
        worker: Mutex::new(None),
        waits: AtomicU64::new(0),
        layer: OnceLock::new(),
    }
}

/// Copies what a view sees to a new file.
pub(super) fn copy(view: &View, path: &Path, options: &HeapOptions) -> Result<()> {
    if !view.inner.may_write {
        return Err(view.inner.store.newer("its entries may be read here, but not copied: copy its file"));
    }
    let options = HeapOptions { durability: Durability::Commit, readonly: false, max_len: None, ..options.clone() };
    let (inner, mut made) = make(path, &options, Some(view.inner.store.salt))?;
    let heap = Heap::with(Arc::new(inner), options.busy_timeout);
    if deliberate::is_on("heap: unfinished copy has a name") {
        made.keep(path, OPEN)?;
    }
    fill(view, &heap)?;
    // Whoever finds it finds all of it.
    made.keep(path, OPEN)
}

fn fill(view: &View, heap: &Heap) -> Result<()> {
    let mut entries = view.entries(None, false)?;
    let mut is_over = false;
    while !is_over {
        let (mut transaction, mut bytes) = (heap.begin()?, 0);
        while bytes < BATCH {
            let Some((key, value)) = entries.next()? else {
                is_over = true;
                break;
            };
            bytes += key.len() + value.len();
            transaction.set(key, &value)?;
        }
        transaction.commit()?;
    }
    heap.checkpoint()
}
