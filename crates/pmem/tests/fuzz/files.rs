//! Files of every kind, changed by chance or with intent, opened and used: data or an error, and nothing outside.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pmem::heap::HeapOptions;
use pmem::objects::{ObjectsOptions, Range, Session};
use pmem::{
    BlockArray, CreateOptions, Engine, Error, Journal, JournalOptions, JournalPosition, JournalRead, Log, MapOptions,
    NewPool, OpenOptions, Region, Result,
};

use crate::formats;
use crate::image::{Bytes, Entry, Image};
use crate::mutation::{Format, Random, mutate_some};
use crate::run::{corpus, folder, run};

/// A kind of files.
pub struct Kind {
    pub name: &'static str,
    /// The format of a file, by its name.
    format: fn(&str) -> Option<Format>,
    /// Changes what there is, and under which names.
    rearrange: fn(&mut Image, &mut Random),
    /// Does to it all that can be done.
    exercise: fn(&Path, &mut Random),
    /// Whether a file of this name may come.
    may_come: fn(&str) -> bool,
}

const LOG: Kind = Kind {
    name: "log-files",
    format: |_| Some(formats::LOG),
    rearrange: |_, _| {},
    exercise: use_log,
    may_come: |_| false,
};

const BLOCKS: Kind = Kind { name: "block-files", format: |_| Some(formats::BLOCKS), exercise: use_blocks, ..LOG };

const REGION: Kind = Kind { name: "region-files", format: |_| Some(formats::ANY), exercise: use_region, ..LOG };

const STORE: Kind = Kind { name: "store-files", format: |_| Some(formats::STORE), exercise: use_store, ..LOG };

const JOURNAL: Kind = Kind {
    name: "journal-files",
    format: journal_format,
    rearrange: rearrange_journal,
    exercise: use_journal,
    may_come: |name| {
        name.ends_with(".seg")
            || ["cursors", "tail", "lock", "next.tmp"].contains(&name)
            || name.starts_with("cursors/")
    },
};

pub const KINDS: [&Kind; 5] = [&LOG, &BLOCKS, &REGION, &STORE, &JOURNAL];

/// What a call gave, unless it is an error that says what is wrong.
fn sound<T>(result: Result<T>) -> Option<T> {
    let check = |error: &Error| {
        assert!(error.code().starts_with('E') && !error.to_string().is_empty(), "{error:?}");
    };
    result.inspect_err(check).ok()
}

/// The names of what is in a folder, and in its folders.
fn names(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            names.extend(self::names(&entry.path()).into_iter().map(|inner| format!("{name}/{inner}")));
        }
        names.insert(name);
    }
    names
}

/// Uses files in a folder beside which is a file that nothing may change.
fn try_image(kind: &Kind, image: &Image, random: &mut Random) {
    let folder = folder();
    let (inside, outside) = (folder.path().join("inside"), folder.path().join("outside"));
    fs::create_dir(&inside).unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    image.write(&inside);
    let victim = image.files().first().map_or(Bytes::default(), |name| image.clone().file(name).clone());
    let victim = if victim.len > 1 << 25 { Bytes::default() } else { victim };
    Image([("outside".to_owned(), Entry::File(victim))].into()).write(folder.path());
    let before = fs::read(&outside).unwrap();
    let known = names(&inside);
    (kind.exercise)(&inside, random);
    assert!(fs::read(&outside).unwrap() == before, "a file outside was changed");
    assert_eq!(names(folder.path()).len(), 3 + names(&inside).len(), "a file outside came");
    for name in names(&inside).difference(&known) {
        assert!((kind.may_come)(name), "the file '{name}' came");
    }
}

fn images(kind: &Kind) -> Vec<(String, Image)> {
    let paths = fs::read_dir(corpus(kind.name)).unwrap().map(|entry| entry.unwrap().path());
    let mut images: Vec<_> =
        paths.map(|path| (path.display().to_string(), Image::parse(&fs::read_to_string(&path).unwrap()))).collect();
    images.sort_by(|one, other| one.0.cmp(&other.0));
    images
}

/// Uses files as what they hold says: what is kept fails again.
pub fn try_kept(kind: &Kind, image: &Image) {
    try_image(kind, image, &mut Random::new(crc32c::crc32c(image.text().as_bytes()).into()));
}

/// Changes files, and sometimes which there are.
pub fn change(kind: &Kind, image: &mut Image, random: &mut Random) {
    if random.one_in(3) {
        (kind.rearrange)(image, random);
    }
    mutate_some(image, kind.format, random);
}

/// Tries what is kept as it is, and changed.
pub fn fuzz(kind: &Kind, few: u64) {
    let corpus = images(kind);
    assert!(!corpus.is_empty());
    for (name, image) in &corpus {
        println!("{name}");
        try_image(kind, image, &mut Random::new(1));
        try_kept(kind, image);
    }
    run(kind.name, few, |seed| {
        let mut random = Random::new(seed);
        let mut image = random.pick(&corpus).1.clone();
        change(kind, &mut image, &mut random);
        if let Some(path) = std::env::var_os("PMEM_FUZZ_KEEP") {
            fs::write(path, image.text()).unwrap();
        }
        try_image(kind, &image, &mut random);
    });
}

/// The engines that open files, or the one that suits them.
fn engine(random: &mut Random) -> Option<Engine> {
    let engines = if cfg!(feature = "pmdk") { vec![None, Some(Engine::Rust), Some(Engine::Pmdk)] } else { vec![None] };
    *random.pick(&engines)
}

fn len(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

/// The start of a log, and its end.
fn read_log(log: &Log) -> Option<(u64, Vec<u8>)> {
    let held = sound(log.tell())?;
    assert!(held <= log.nbyte());
    let mut content = vec![0; 200_000.min(held as usize)];
    let count = sound(log.read(0, &mut content))?;
    assert_eq!(count, content.len());
    let mut end = vec![0; 1000];
    let count = sound(log.read(held.saturating_sub(1000), &mut end))?;
    content.extend_from_slice(&end[..count]);
    Some((held, content))
}

fn use_log(folder: &Path, random: &mut Random) {
    let path = folder.join("log");
    let size = len(&path);
    sound(Log::check(&path));
    let seen = sound(Log::open(&path, OpenOptions { engine: None, readonly: true })).and_then(|log| read_log(&log));
    let options = OpenOptions { engine: engine(random), readonly: false };
    let Some(log) = sound(Log::open(&path, options)) else { return };
    let before = read_log(&log);
    assert!(seen.is_none() || before.is_none() || seen == before, "it is another log when it is open for writing");
    let data = random.bytes(3000);
    let appended = sound(log.append(&[&data])).is_some();
    let mut end = vec![0; data.len()];
    if appended && let Some((held, _)) = before {
        assert_eq!(sound(log.read(held, &mut end)), Some(data.len()));
        assert!(end == data, "it has other data than was appended");
    }
    let now = read_log(&log);
    drop(log);
    assert_eq!(len(&path), size, "the file's size");
    let log = Log::open(&path, OpenOptions { engine: engine(random), readonly: false }).unwrap();
    assert!(now.is_none() || read_log(&log) == now, "it is another log when it is open again");
    if sound(log.rewind()).is_some() {
        assert_eq!(log.tell(), Ok(0));
    }
    drop(log);
    assert_eq!(Log::check(&path), Ok(true));
}

/// What some blocks are; none of an error. Blocks may be larger than is worth a look.
fn read_blocks(blocks: &BlockArray, indexes: &[u64]) -> Vec<Option<Vec<u8>>> {
    let read = |index: &u64| {
        let mut block = vec![0; blocks.block_size()];
        sound(blocks.read(*index, &mut block)).map(|()| block)
    };
    indexes.iter().map(read).collect()
}

/// A check reads all of the map, and the first change may write it: both take the longer the longer the file is, be it a hole.
const LONG: u64 = 1 << 33;

fn check_blocks(path: &Path) {
    if len(path) <= LONG {
        sound(BlockArray::check(path, 0));
    }
}

fn use_blocks(folder: &Path, random: &mut Random) {
    let path = folder.join("blocks");
    let size = len(&path);
    check_blocks(&path);
    let options = OpenOptions { engine: engine(random), readonly: random.one_in(4) };
    let Some(blocks) = sound(BlockArray::open(&path, 0, options)) else { return };
    let (count, block_size) = (blocks.block_count(), blocks.block_size());
    assert!(count > 0 && count * block_size as u64 <= size, "{count} blocks of {block_size} bytes in {size}");
    if block_size > 1 << 20 {
        return;
    }
    let indexes: Vec<u64> =
        (0..10).chain((0..10).map(|_| random.below(count))).chain([count - 1]).filter(|index| *index < count).collect();
    let before = read_blocks(&blocks, &indexes);
    if size > LONG {
        return;
    }
    let (chosen, data) = (random.below(indexes.len() as u64) as usize, vec![random.next() as u8; block_size]);
    let written = sound(blocks.write(indexes[chosen], &data)).is_some();
    let zeroed = *random.pick(&indexes);
    let is_zeroed = random.one_in(2) && zeroed != indexes[chosen] && sound(blocks.set_zero(zeroed)).is_some();
    let now = read_blocks(&blocks, &indexes);
    for (at, index) in indexes.iter().enumerate() {
        let expected = match *index {
            index if written && index == indexes[chosen] => Some(data.clone()),
            index if is_zeroed && index == zeroed => Some(vec![0; block_size]),
            _ => before[at].clone(),
        };
        // Blocks of a hostile map may share a slot, which a write gives away.
        assert!(
            now[at] == expected || now[at].is_none() || before[at].is_none() || is_hostile(&before, at),
            "block {index}"
        );
    }
    drop(blocks);
    assert_eq!(len(&path), size, "the file's size");
    if let Some(blocks) = sound(BlockArray::open(&path, 0, OpenOptions { engine: engine(random), readonly: false })) {
        assert_eq!(blocks.block_count(), count);
        read_blocks(&blocks, &indexes);
        sound(blocks.set_error(0));
    }
    check_blocks(&path);
}

/// Whether a block may be in the same place as another one.
fn is_hostile(before: &[Option<Vec<u8>>], at: usize) -> bool {
    before.iter().enumerate().any(|(other, block)| other != at && *block == before[at])
}

fn use_region(folder: &Path, random: &mut Random) {
    let path = folder.join("file");
    let size = len(&path);
    let number =
        |random: &mut Random| *random.pick(&[0, 1, 4095, 4096, 8192, size, size + 1, 1 << 40, 1 << 62, u64::MAX]);
    let options = MapOptions {
        offset: if random.one_in(2) { 0 } else { number(random) },
        len: random.one_in(2).then(|| number(random) as usize),
        max_len: random.one_in(3).then(|| number(random) as usize),
        readonly: random.one_in(4),
        copy_on_write: random.one_in(4),
        ..MapOptions::default()
    };
    let Some(region) = sound(Region::open(&path, options)) else { return };
    assert!(options.offset + region.len() as u64 <= size);
    for _ in 0..8 {
        let (offset, len) = (number(random) as usize, random.below(5000) as usize);
        let filled = sound(region.fill(offset, len, 0xab, random.one_in(2))).is_some();
        assert!(!filled || offset.checked_add(len).is_some_and(|end| end <= region.len()));
        sound(region.persist(offset, number(random) as usize % (1 << 20)));
        sound(region.flush(offset, len));
        sound(region.msync(offset, len));
    }
    region.drain();
    drop(region);
    assert_eq!(len(&path), size, "the file's size");
}

/// What of a store of objects can be read.
fn read_store(session: &Session, limit: u64) -> Option<Vec<u8>> {
    let mut root = Vec::new();
    sound(session.root(&mut root))?;
    let mut out = Vec::new();
    for id in (0..30).chain([(1 << 53) - 1, u64::MAX]) {
        sound(session.load(id, &mut out));
        sound(session.entries(id, None, 100, &mut out));
        sound(session.items(id, 0, 100, &mut out));
        sound(session.get(id, &[4, 1, 0, 0, 0], &mut out));
        sound(session.sorted_get(id, b"key", &mut out));
        sound(session.range(id, &Range::default(), 100, &mut out));
        sound(session.shape(id as u32, &mut out));
        assert!(out.len() as u64 <= limit, "more than the file has");
        out.clear();
    }
    Some(root)
}

fn use_store(folder: &Path, random: &mut Random) {
    let path = folder.join("store");
    let limit = 100 * len(&path).min(1 << 23) + 65_536;
    let options = |readonly, background| {
        let heap = HeapOptions { create: false, readonly, background, ..HeapOptions::default() };
        ObjectsOptions { heap }
    };
    sound(Session::check_file(&path));
    if let Some(session) = sound(Session::open(&path, &options(true, false))) {
        read_store(&session, limit);
    }
    let Some(session) = sound(Session::open(&path, &options(false, random.one_in(2)))) else { return };
    read_store(&session, limit);
    sound(session.verify());
    let root = [&[16, 40][..], &[b'a' + random.below(26) as u8; 40]].concat();
    let written = sound(session.apply(&[&[11, 0, 0, 0, 0, 0, 0, 0][..], &root].concat())).is_some();
    for id in 1..12_u64 {
        let command = [&[3][..], &id.to_le_bytes()[..7], &[4, 1, 0, 0, 0, 4, 2, 0, 0, 0]].concat();
        sound(session.apply(&command));
        let command = [&[5][..], &id.to_le_bytes()[..7]].concat();
        random.one_in(4).then(|| sound(session.apply(&command)));
    }
    session.end_turn();
    let flushed = sound(session.helper().flush()).is_some();
    sound(session.stats());
    sound(session.close());
    let Some(session) = sound(Session::open(&path, &options(false, false))) else { return };
    let seen = read_store(&session, limit);
    assert!(!(written && flushed) || seen.is_none_or(|seen| seen == root), "another root than was committed");
}

fn journal_format(name: &str) -> Option<Format> {
    match name {
        name if name.ends_with(".seg") || name == "next.tmp" => Some(formats::SEGMENT),
        name if name.starts_with("cursors/") => Some(formats::CURSOR),
        _ => Some(formats::ANY),
    }
}

/// Other names, links to elsewhere, and what is no file.
fn rearrange_journal(image: &mut Image, random: &mut Random) {
    let files = image.files();
    if files.is_empty() {
        return;
    }
    let names = [
        "00000000000000000000.seg",
        "00000000000000000001.seg",
        "00000000000000000060.seg",
        "18446744073709551615.seg",
        "99999999999999999999.seg",
        "00009007199254740991.seg",
        "next.tmp",
        "tail",
        "lock",
        "cursors",
        "cursors",
        "cursors/one",
        "cursors/%2E%2E%2Foutside",
        "cursors/%00",
        "cursors/..%2foutside",
        "other",
    ];
    for _ in 0..=random.below(2) {
        let name = (*random.pick(&names)).to_owned();
        let place = if name.starts_with("cursors/") { "../../outside" } else { "../outside" };
        let entry = match random.below(6) {
            0 => Entry::Link(place.to_owned()),
            1 => Entry::Link(place.replace("outside", "folder")),
            2 => Entry::Folder,
            3 => Entry::Pipe,
            _ => match image.0.get(random.pick(&files)) {
                Some(entry) => entry.clone(),
                None => continue,
            },
        };
        if name == "cursors" {
            image.0.retain(|name, _| !name.starts_with("cursors/"));
        } else if name.starts_with("cursors/") {
            image.0.insert("cursors".to_owned(), Entry::Folder);
        }
        image.0.insert(name, entry);
    }
    if random.one_in(3) {
        // Its own name says where its records begin.
        let (from, to) = (random.pick(&files).clone(), (*random.pick(&names[..6])).to_owned());
        let entry = image.0.remove(&from);
        image.0.extend(entry.map(|entry| (to, entry)));
    }
}

/// All records there are. Their frames are no larger than the files.
fn read_journal(journal: &Journal, skip_damaged: bool, most: u64) -> Option<u64> {
    let (first, next) = sound(journal.limits())?;
    assert!(first <= next && next < 1 << 53, "{first} {next}");
    let (mut position, mut target) = (JournalPosition { sequence: first, ..JournalPosition::default() }, vec![0; 4096]);
    let (mut reads, mut bytes) = (0, 0);
    loop {
        match sound(journal.read(&mut position, skip_damaged, &mut target))? {
            JournalRead::Frames(0) => return Some(bytes),
            JournalRead::Frames(len) => bytes += len as u64,
            JournalRead::Needs(len) => {
                assert!(len > target.len() && len as u64 <= most, "{len} bytes are asked for");
                target.resize(len, 0);
            }
        }
        reads += 1;
        assert!(reads < 10_000 && bytes <= most, "reading does not end");
    }
}

fn use_journal(folder: &Path, random: &mut Random) {
    let size: u64 =
        names(folder).iter().filter_map(|name| fs::metadata(folder.join(name)).ok()).map(|file| file.len()).sum();
    let most = size + (1 << 20);
    let options = |readonly, max_bytes| JournalOptions {
        create: false,
        readonly,
        max_bytes,
        segment_size: 64 << 10,
        mode: 0o600,
        ..JournalOptions::default()
    };
    let _ = sound(Journal::check(folder)).map(|report| format!("{report:?}"));
    if let Some(reader) = sound(Journal::open(folder, &options(true, None))) {
        read_journal(&reader, false, most);
        read_journal(&reader, true, most);
        let _ = (sound(reader.state()), sound(reader.locate(5)), sound(reader.locate(u64::MAX)));
        for name in sound(reader.cursors()).unwrap_or_default() {
            sound(reader.cursor(&name));
        }
    }
    for _ in 0..2 {
        let max_bytes = random.one_in(4).then_some(300_000);
        let Some(journal) = sound(Journal::open(folder, &options(false, max_bytes))) else { continue };
        read_journal(&journal, random.one_in(2), most);
        let Some((_, next)) = sound(journal.limits()) else { continue };
        for len in [10, 70_000] {
            if let Some(sequence) = sound(journal.append(&[&vec![1; len]], None, random.one_in(2))) {
                assert!(sequence >= next);
            }
        }
        for name in sound(journal.cursors()).unwrap_or_default().iter().map(String::as_str).chain(["new"]) {
            sound(journal.cursor(name));
            sound(journal.commit_cursor(name, random.below(next + 2), random.one_in(2)));
            random.one_in(4).then(|| sound(journal.delete_cursor(name)));
        }
        sound(journal.truncate_before(random.below(next + 2)));
        sound(journal.flush());
        sound(journal.state());
    }
}

/// Makes what the corpus begins with, where it is missing.
pub fn make_corpus() {
    for kind in KINDS {
        let parent = corpus(kind.name);
        fs::create_dir_all(&parent).unwrap();
        for (number, make) in makers(kind.name).into_iter().enumerate() {
            let path = parent.join(format!("made-{number}.image"));
            let folder = folder();
            make(folder.path());
            fs::write(path, Image::read(folder.path()).text()).unwrap();
        }
    }
}

type Make = fn(&Path);

fn makers(kind: &str) -> Vec<Make> {
    match kind {
        "log-files" => {
            vec![|folder| drop(make_log(folder)), |folder| make_log(folder).append(&[b"one ", &[7; 1000]]).unwrap()]
        }
        "block-files" => vec![
            |folder| drop(make_blocks(folder, 512)),
            |folder| {
                let blocks = make_blocks(folder, 512);
                (0..20).for_each(|index| blocks.write(index * 3, &[index as u8 + 1; 512]).unwrap());
                (0..20).for_each(|_| blocks.write(3, &[9; 512]).unwrap());
                blocks.set_zero(6).unwrap();
                blocks.set_error(9).unwrap();
            },
            |folder| make_blocks(folder, 4096).write(1, &[5; 4096]).unwrap(),
        ],
        "region-files" => vec![|folder| {
            let create = CreateOptions { len: 20_000, mode: 0o600, ..CreateOptions::default() };
            Region::map_file(&folder.join("file"), &create).unwrap().fill(100, 5000, 7, true).unwrap();
        }],
        "store-files" => vec![|folder| drop(make_store(folder)), |folder| fill_store(&make_store(folder)), |folder| {
            let session = make_store(folder);
            fill_store(&session);
            session.close().unwrap();
        }],
        _ => vec![|folder| drop(make_journal(folder)), |folder| append_some(&make_journal(folder)), |folder| {
            let journal = make_journal(folder);
            (0..10).for_each(|_| append_some(&journal));
            journal.commit_cursor("one", 7, false).unwrap();
            journal.commit_cursor("one", 9, false).unwrap();
            journal.commit_cursor("Another", 3, false).unwrap();
            // As a process leaves it that was killed.
            let killed = Image::read(folder);
            drop(journal);
            fs::remove_dir_all(folder).unwrap();
            fs::create_dir(folder).unwrap();
            killed.write(folder);
        }],
    }
}

fn make_log(folder: &Path) -> Log {
    let new = NewPool { size: Log::MIN_POOL, mode: 0o600, sparse: true, engine: Some(Engine::Rust) };
    Log::create(&folder.join("log"), &new).unwrap()
}

fn make_blocks(folder: &Path, block_size: u32) -> BlockArray {
    let new = NewPool { size: BlockArray::MIN_POOL, mode: 0o600, sparse: true, engine: Some(Engine::Rust) };
    BlockArray::create(&folder.join("blocks"), block_size, &new).unwrap()
}

fn make_store(folder: &Path) -> Session {
    let heap = HeapOptions { background: false, ..HeapOptions::default() };
    Session::open(&folder.join("store"), &ObjectsOptions { heap }).unwrap()
}

/// A map, a sorted map, an array and a set, of which the first is the root.
fn fill_store(session: &Session) {
    let id = |id: u64| id.to_le_bytes()[..7].to_vec();
    let command =
        |code: u8, of: u64, rest: &[u8]| session.apply(&[&[code][..], &id(of), rest].concat()).map(drop).unwrap();
    let first = session.reserve_ids(4).unwrap();
    session.begin().unwrap();
    for (of, kind) in (first..).zip([1, 3, 4, 2]) {
        command(1, of, &[kind]);
    }
    let [map, one, two, three] = [first, first + 1, first + 2, first + 3];
    for number in 0..20_u8 {
        command(3, map, &[4, number, 0, 0, 0, 16, 3, b'v', b'a', number]);
    }
    for (number, of) in (100..).zip([one, two, three]) {
        command(3, map, &[&[4, number, 0, 0, 0, 7, [3, 4, 2][number as usize - 100]][..], &id(of)].concat());
    }
    command(11, 0, &[&[7, 1][..], &id(map)].concat());
    session.commit().unwrap();
}

fn make_journal(folder: &Path) -> Journal {
    let options = JournalOptions { segment_size: 64 << 10, mode: 0o600, ..JournalOptions::default() };
    Journal::open(folder, &options).unwrap()
}

fn append_some(journal: &Journal) {
    for number in 0..8_u8 {
        journal.append(&[&vec![number + 1; 300 * usize::from(number)], b"more"], None, number % 3 == 0).unwrap();
    }
}
