//! The two block engines do the same: on equal operations they give equal results, and either opens what the other left.
#![cfg(feature = "pmdk")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use pmem::{BlockArray, Engine, Error, NewPool, OpenOptions};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Operation {
    Write(Place, u8),
    WriteMany(Place, usize, u8),
    Read(Place),
    ReadMany(Place, usize),
    SetZero(Place),
    SetError(Place),
    Reopen,
    HandOver,
}

/// A block: so many from the first, from the middle, or back from the last. The last of the few lies past the end.
#[derive(Clone, Copy, Debug)]
enum Place {
    Start(u64),
    Middle(u64),
    End(u64),
}

impl Place {
    fn index(self, blocks: &BlockArray) -> u64 {
        match self {
            Place::Start(number) => number,
            Place::Middle(number) => blocks.block_count() / 2 + number,
            Place::End(number) => blocks.block_count() - number,
        }
    }
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        4 => (0..6u64).prop_map(Place::Start),
        1 => (0..20u64).prop_map(Place::Middle),
        1 => (0..4u64).prop_map(Place::End),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (place(), any::<u8>()).prop_map(|(place, byte)| Operation::Write(place, byte)),
        1 => (place(), 1..5usize, any::<u8>()).prop_map(|(place, count, byte)| Operation::WriteMany(place, count, byte)),
        4 => place().prop_map(Operation::Read),
        1 => (place(), 0..5usize).prop_map(|(place, count)| Operation::ReadMany(place, count)),
        2 => place().prop_map(Operation::SetZero),
        2 => place().prop_map(Operation::SetError),
        1 => Just(Operation::Reopen),
        2 => Just(Operation::HandOver),
    ]
}

/// How an array is made.
#[derive(Clone, Copy, Debug)]
struct Kind {
    block_size: u32,
    /// Over a file that holds something.
    used: bool,
}

fn kind() -> impl Strategy<Value = Kind> {
    // The C library allocates the whole file, which takes long for the large pools that large blocks need.
    let small = prop::sample::select(vec![8, 17, 511, 512, 513, 1000, 4096]);
    let block_size = prop_oneof![40 => small, 2 => Just(65_536), 1 => Just(1 << 20)];
    (block_size, any::<bool>()).prop_map(|(block_size, used)| Kind { block_size, used })
}

impl Kind {
    /// The size of the file; it is not a number of whole pages.
    fn size(self) -> u64 {
        if self.block_size < 1 << 15 { BlockArray::MIN_POOL + 100 } else { 600 * u64::from(self.block_size) + 4000 }
    }

    /// Makes a file with a first page of zeros, and something where an array has its metadata.
    fn make_used_file(self, path: &Path) {
        let file = File::create_new(path).unwrap();
        file.set_len(self.size()).unwrap();
        file.write_all_at(&[0xa5; 8192], 4096).unwrap();
        let end = vec![0xc3; 200 << 10];
        file.write_all_at(&end, self.size() - end.len() as u64).unwrap();
    }
}

/// One of two arrays that are treated alike.
struct Subject {
    blocks: Option<BlockArray>,
    path: PathBuf,
    engine: Engine,
}

impl Subject {
    fn new(folder: &Path, engine: Engine, kind: Kind) -> Self {
        let path = folder.join(engine.name());
        if kind.used {
            kind.make_used_file(&path);
        }
        let size = if kind.used { 0 } else { kind.size() };
        let new = NewPool { size, mode: 0o600, sparse: true, engine: Some(engine) };
        Self { blocks: Some(BlockArray::create(&path, kind.block_size, &new).unwrap()), path, engine }
    }

    fn blocks(&self) -> &BlockArray {
        self.blocks.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.blocks = None;
        let options = OpenOptions { engine: Some(self.engine), readonly: false };
        self.blocks = Some(BlockArray::open(&self.path, 0, options).unwrap());
    }

    fn hand_over(&mut self) {
        self.engine = if self.engine == Engine::Pmdk { Engine::Rust } else { Engine::Pmdk };
        self.reopen();
        assert_eq!(self.blocks().engine(), self.engine);
    }

    /// What the operation gives; where it fails, also what it did until then.
    fn apply(&mut self, operation: &Operation) -> (Result<(), String>, Vec<u8>) {
        let code = |error: Error| error.code().into_owned();
        let blocks = self.blocks();
        let size = blocks.block_size();
        let read = |place: Place, count: usize| {
            let mut target = vec![0xee; count * size];
            let result = blocks.read(place.index(blocks), &mut target);
            // What the target of a failed read holds is nobody's business.
            let done = if result.is_ok() { target } else { Vec::new() };
            (result.map_err(code), done)
        };
        let result = match operation {
            Operation::Read(place) => return read(*place, 1),
            Operation::ReadMany(place, count) => return read(*place, *count),
            Operation::Write(place, byte) => blocks.write(place.index(blocks), &vec![*byte; size]),
            Operation::WriteMany(place, count, byte) => blocks.write(place.index(blocks), &vec![*byte; count * size]),
            Operation::SetZero(place) => blocks.set_zero(place.index(blocks)),
            Operation::SetError(place) => blocks.set_error(place.index(blocks)),
            Operation::Reopen => {
                self.reopen();
                Ok(())
            }
            Operation::HandOver => {
                self.hand_over();
                Ok(())
            }
        };
        (result.map_err(code), Vec::new())
    }

    /// All blocks that operations can reach.
    fn contents(&self) -> Vec<Result<Vec<u8>, String>> {
        let blocks = self.blocks();
        let middle = blocks.block_count() / 2;
        let indexes = (0..12).chain(middle..middle + 26).chain(blocks.block_count() - 4..blocks.block_count());
        let read = |index| {
            let mut target = vec![0xee; blocks.block_size()];
            blocks.read(index, &mut target).map(|()| target).map_err(|error| error.code().into_owned())
        };
        indexes.map(read).collect()
    }
}

/// What the NVM Library's own tool says; nothing where it is missing.
fn tool_objects(path: &Path) -> Option<String> {
    let output = Command::new("pmempool").args(["check", "-v"]).arg(path).output().ok()?;
    if output.status.success() { None } else { Some(String::from_utf8_lossy(&output.stdout).into_owned()) }
}

fn memory_folder() -> tempfile::TempDir {
    tempfile::tempdir_in(if Path::new("/dev/shm").exists() { "/dev/shm" } else { "/tmp" }).unwrap()
}

/// Held by each test: libpmemblk's files are open for a moment in processes that are started meanwhile, with their locks.
static ALONE: Mutex<()> = Mutex::new(());

proptest! {
    #![proptest_config(ProptestConfig { cases: 1200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equal_operations_give_equal_arrays(
        kind in kind(),
        operations in prop::collection::vec(operation(), 1..25),
        checked in 0..30u8,
    ) {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = memory_folder();
        let mut subjects = [Engine::Pmdk, Engine::Rust].map(|engine| Subject::new(folder.path(), engine, kind));
        for operation in &operations {
            let [a, b] = &mut subjects;
            let (one, other) = (a.apply(operation), b.apply(operation));
            prop_assert_eq!(&one.0, &other.0, "{:?}", operation);
            prop_assert!(one.1 == other.1, "{:?}", operation);
            prop_assert_eq!(a.blocks().block_count(), b.blocks().block_count());
        }
        let [a, b] = &subjects;
        prop_assert!(a.contents() == b.contents());
        for subject in &mut subjects {
            // The tool finds fault with small blocks in an array that is not laid out, whoever made it.
            prop_assert!(checked > 0 || subject.apply(&Operation::Write(Place::Start(0), 1)).0.is_ok());
            subject.blocks = None;
            prop_assert_eq!(BlockArray::check(&subject.path, kind.block_size), Ok(true));
            // The tool takes a process each time, so it looks at a part of the cases only.
            if checked == 0 {
                prop_assert_eq!(tool_objects(&subject.path), None);
            }
        }
    }
}

#[test]
fn an_array_of_two_arenas_goes_back_and_forth() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    const BLOCK_SIZE: u32 = 65_536;
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let path = folder.path().join("large");
    let size = (512 << 30) + (48 << 20);
    let new = NewPool { size, mode: 0o600, sparse: true, engine: Some(Engine::Rust) };
    let blocks = BlockArray::create(&path, BLOCK_SIZE, &new).unwrap();
    // The second arena has so many blocks.
    let second = {
        let slots = ((48 << 20) - 8192 - 16_384 - 8192 - 4096) / (u64::from(BLOCK_SIZE) + 4);
        slots - 256
    };
    let count = blocks.block_count();
    let border = count - second;
    let indexes = [0, border - 1, border, count - 1];
    let data = |round: u8, index: u64| vec![round.wrapping_mul(16) + (index % 16) as u8 + 1; BLOCK_SIZE as usize];
    let check = |blocks: &BlockArray, round: u8| {
        for index in indexes {
            let mut target = vec![0; BLOCK_SIZE as usize];
            blocks.read(index, &mut target).unwrap();
            assert!(target == data(round, index), "block {index} in round {round}");
        }
    };
    let write = |blocks: &BlockArray, round: u8| {
        indexes.iter().for_each(|index| blocks.write(*index, &data(round, *index)).unwrap());
    };
    write(&blocks, 0);
    blocks.set_error(border + 1).unwrap();
    drop(blocks);
    for (round, engine) in (0..).zip([Engine::Pmdk, Engine::Rust, Engine::Pmdk, Engine::Rust]) {
        let options = OpenOptions { engine: Some(engine), readonly: false };
        let blocks = BlockArray::open(&path, BLOCK_SIZE, options).unwrap();
        assert_eq!(blocks.block_count(), count);
        check(&blocks, round);
        assert_eq!(blocks.read(border + 1, &mut vec![0; BLOCK_SIZE as usize]).unwrap_err().code(), "EIO");
        write(&blocks, round + 1);
        check(&blocks, round + 1);
    }
    assert_eq!(BlockArray::check(&path, BLOCK_SIZE), Ok(true));
    assert_eq!(tool_objects(&path), None);
}
