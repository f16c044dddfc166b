//! The two log engines do the same: on equal operations they give equal results, and either opens what the other left.
#![cfg(feature = "pmdk")]

use std::path::Path;
use std::process::Command;

use pmem::{Engine, Error, Log, NewPool, OpenOptions};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Operation {
    Append(Vec<Vec<u8>>),
    PutOff(Vec<Vec<u8>>),
    Fill,
    Read(u64, usize),
    Rewind,
    Reopen,
    HandOver,
}

fn operation() -> impl Strategy<Value = Operation> {
    let part = || prop_oneof![4 => 0..200usize, 1 => 0..300_000usize];
    let bytes = || (part(), any::<u8>()).prop_map(|(len, byte)| vec![byte; len]);
    prop_oneof![
        6 => prop::collection::vec(bytes(), 0..4).prop_map(Operation::Append),
        2 => prop::collection::vec(bytes(), 0..8).prop_map(Operation::PutOff),
        1 => Just(Operation::Fill),
        4 => (0..3_000_000u64, 0..5000usize).prop_map(|(offset, len)| Operation::Read(offset, len)),
        1 => Just(Operation::Rewind),
        1 => Just(Operation::Reopen),
        2 => Just(Operation::HandOver),
    ]
}

/// One of two logs that are treated alike.
struct Subject {
    log: Option<Log>,
    path: std::path::PathBuf,
    engine: Engine,
}

impl Subject {
    fn new(folder: &Path, engine: Engine) -> Self {
        let path = folder.join(engine.name());
        let new = NewPool { size: Log::MIN_POOL, mode: 0o600, sparse: true, engine: Some(engine) };
        Self { log: Some(Log::create(&path, &new).unwrap()), path, engine }
    }

    fn log(&self) -> &Log {
        self.log.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.log = None;
        let options = OpenOptions { engine: Some(self.engine), readonly: false };
        self.log = Some(Log::open(&self.path, options).unwrap());
    }

    fn hand_over(&mut self) {
        self.engine = if self.engine == Engine::Pmdk { Engine::Rust } else { Engine::Pmdk };
        self.reopen();
        assert_eq!(self.log().engine(), self.engine);
    }

    fn apply(&mut self, operation: &Operation) -> Result<Vec<u8>, String> {
        let code = |error: Error| error.code().into_owned();
        let log = self.log();
        match operation {
            Operation::Append(parts) => {
                let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                log.append(&parts).map_err(code)?;
            }
            Operation::PutOff(parts) => {
                let tickets: Vec<_> = parts.iter().map(|part| log.enqueue(part.clone()).unwrap()).collect();
                let outcomes = tickets.iter().map(|ticket| ticket.wait().map_err(code));
                return Ok(format!("{:?}", outcomes.collect::<Vec<_>>()).into_bytes());
            }
            Operation::Fill => log.append(&[&vec![9; (log.nbyte() - log.tell().unwrap()) as usize]]).map_err(code)?,
            Operation::Read(offset, len) => {
                let mut target = vec![0; *len];
                let count = log.read(*offset, &mut target).map_err(code)?;
                target.truncate(count);
                return Ok(target);
            }
            Operation::Rewind => log.rewind().map_err(code)?,
            Operation::Reopen => self.reopen(),
            Operation::HandOver => self.hand_over(),
        }
        Ok(Vec::new())
    }

    fn contents(&self) -> Vec<u8> {
        let mut target = vec![0; self.log().tell().unwrap() as usize];
        assert_eq!(self.log().read(0, &mut target), Ok(target.len()));
        target
    }
}

fn is_consistent(path: &Path) -> bool {
    let checked = Command::new("pmempool").arg("check").arg(path).output();
    Log::check(path).unwrap() && checked.map_or(true, |checked| checked.status.success())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equal_operations_give_equal_logs(operations in prop::collection::vec(operation(), 1..30)) {
        let folder = tempfile::tempdir_in(if Path::new("/dev/shm").exists() { "/dev/shm" } else { "/tmp" }).unwrap();
        let mut subjects = [Engine::Pmdk, Engine::Rust].map(|engine| Subject::new(folder.path(), engine));
        for operation in &operations {
            let [a, b] = &mut subjects;
            prop_assert_eq!(a.apply(operation), b.apply(operation), "{:?}", operation);
            prop_assert_eq!(a.log().tell(), b.log().tell());
            prop_assert_eq!(a.log().nbyte(), b.log().nbyte());
        }
        let [a, b] = &subjects;
        prop_assert!(a.contents() == b.contents());
        for subject in &mut subjects {
            subject.log = None;
            prop_assert!(is_consistent(&subject.path));
        }
    }
}
