//! The calls by the frame.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::rc::Rc;

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;
use pmem::objects::{Range, Session};

use crate::shared::frame::hot_calls;
use crate::shared::opened::Opened;
use crate::shared::state::{self, PerEnvironment};

/// The calls of `ts/objects/calls.ts`.
#[napi(
    catch_unwind,
    ts_return_type = "Record<'apply' | 'root' | 'load' | 'get' | 'sortedGet' | 'entries' | 'range' | 'items' | 'refresh' | 'endTurn' | 'begin' | 'tryBegin' | 'commit' | 'rollback' | 'pin' | 'unpin' | 'reserveIds' | 'intern' | 'shape', () => void> & Record<'applyLong' | 'getLong' | 'sortedGetLong' | 'rangeLong' | 'internLong', (bytes: Uint8Array) => void>"
)]
pub fn objects_calls(env: &Env) -> napi::Result<Object<'_>> {
    hot_calls!(env, Calls {
        "apply" => apply,
        "applyLong" => apply_long(commands),
        "root" => root,
        "load" => load,
        "get" => get,
        "getLong" => get_long(key),
        "sortedGet" => sorted_get,
        "sortedGetLong" => sorted_get_long(key),
        "entries" => entries,
        "range" => range,
        "rangeLong" => range_long(bounds),
        "items" => items,
        "refresh" => refresh,
        "endTurn" => end_turn,
        "begin" => begin,
        "tryBegin" => try_begin,
        "commit" => commit,
        "rollback" => rollback,
        "pin" => pin,
        "unpin" => unpin,
        "reserveIds" => reserve_ids,
        "intern" => intern,
        "internLong" => intern_long(shape),
        "shape" => shape,
    })
}

/// What an environment has open, and what the last call gave.
pub(super) struct Calls {
    opened: Rc<Opened<Session>>,
    given: RefCell<Vec<u8>>,
}

impl PerEnvironment for Calls {
    fn new(env: &Env) -> napi::Result<Self> {
        Ok(Self { opened: state::of(env)?, given: RefCell::default() })
    }
}

impl Calls {
    /// Takes what the last call gave.
    pub(super) fn take(&self) -> Vec<u8> {
        self.given.take()
    }

    fn session<R>(&self, work: impl FnOnce(&Session) -> pmem::Result<R>) -> pmem::Result<R> {
        self.opened.named(work)
    }

    /// Gives JavaScript the bytes that `read` reads, and how many they are, or -1 where `read` finds nothing.
    fn give<R>(
        &self,
        read: impl FnOnce(&Session, &mut Vec<u8>) -> pmem::Result<R>,
        is_found: impl FnOnce(R) -> bool,
    ) -> pmem::Result<()> {
        let mut given = self.given.borrow_mut();
        given.clear();
        let found = self.session(|session| read(session, &mut given))?;
        if !is_found(found) {
            self.opened.frame.give(0, -1.0);
            return Ok(());
        }
        self.opened.frame.give(0, given.len() as f64);
        self.opened.frame.give_bytes(&given);
        Ok(())
    }

    /// As `give`, of so many entries.
    fn give_many(&self, read: impl FnOnce(&Session, &mut Vec<u8>) -> pmem::Result<usize>) -> pmem::Result<()> {
        self.give(read, |count| {
            self.opened.frame.give(1, count as f64);
            true
        })
    }

    /// The container that the call names.
    fn id(&self) -> u64 {
        self.opened.frame.offset() as u64
    }

    /// What is staged.
    fn staged(&self) -> &[u8] {
        let frame = &self.opened.frame;
        frame.staged(frame.length())
    }

    /// The first of these, as many as the call says.
    fn first<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[..self.opened.frame.length().min(bytes.len())]
    }
}

/// Carries the commands out that are staged; gives the last one's results.
fn apply(calls: &Calls) -> pmem::Result<()> {
    apply_all(calls, calls.staged())
}

fn apply_long(calls: &Calls, commands: &mut [u8]) -> pmem::Result<()> {
    apply_all(calls, calls.first(commands))
}

fn apply_all(calls: &Calls, commands: &[u8]) -> pmem::Result<()> {
    let [first, second] = calls.session(|session| session.apply(commands))?;
    calls.opened.frame.give(0, first);
    calls.opened.frame.give(1, second);
    Ok(())
}

/// Gives the root's value.
fn root(calls: &Calls) -> pmem::Result<()> {
    calls.give(Session::root, |found| found)
}

/// Gives the header of a container, and a record's values.
fn load(calls: &Calls) -> pmem::Result<()> {
    calls.give(|session, given| session.load(calls.id(), given), |found| found)
}

/// Gives the value of the key that is staged.
fn get(calls: &Calls) -> pmem::Result<()> {
    calls.give(|session, given| session.get(calls.id(), calls.staged(), given), |found| found)
}

fn get_long(calls: &Calls, key: &mut [u8]) -> pmem::Result<()> {
    calls.give(|session, given| session.get(calls.id(), calls.first(key), given), |found| found)
}

/// Gives the value of the ordered key that is staged.
fn sorted_get(calls: &Calls) -> pmem::Result<()> {
    calls.give(|session, given| session.sorted_get(calls.id(), calls.staged(), given), |found| found)
}

fn sorted_get_long(calls: &Calls, key: &mut [u8]) -> pmem::Result<()> {
    calls.give(|session, given| session.sorted_get(calls.id(), calls.first(key), given), |found| found)
}

/// Gives as many entries as the length says, behind the one of the flag, or from the first one where that is negative.
fn entries(calls: &Calls) -> pmem::Result<()> {
    let frame = &calls.opened.frame;
    let after = (frame.flag() >= 0.0).then_some(frame.flag() as u64);
    calls.give_many(|session, given| session.entries(calls.id(), after, frame.length(), given))
}

/// Gives as many entries as the flag says of the range whose bounds are staged.
fn range(calls: &Calls) -> pmem::Result<()> {
    range_of(calls, calls.staged())
}

fn range_long(calls: &Calls, bounds: &mut [u8]) -> pmem::Result<()> {
    range_of(calls, calls.first(bounds))
}

fn range_of(calls: &Calls, bounds: &[u8]) -> pmem::Result<()> {
    let most = calls.opened.frame.flag() as usize;
    calls.give_many(|session, given| session.range(calls.id(), &Range::decode(bounds)?, most, given))
}

/// Gives as many items of an array as the length says, from the flag on.
fn items(calls: &Calls) -> pmem::Result<()> {
    let frame = &calls.opened.frame;
    calls.give_many(|session, given| session.items(calls.id(), frame.flag() as u64, frame.length(), given))
}

/// Takes a new view; stages the ids of containers that others changed, as numbers, and gives how many they are, or -1 for too many.
fn refresh(calls: &Calls) -> pmem::Result<()> {
    let mut changed = Vec::new();
    let refreshed = calls.session(|session| session.refresh(&mut changed))?;
    let frame = &calls.opened.frame;
    let is_told = !refreshed.all && frame.give_numbers(&changed);
    frame.give(0, if is_told { changed.len() as f64 } else { -1.0 });
    Ok(())
}

fn end_turn(calls: &Calls) -> pmem::Result<()> {
    calls.session(|session| {
        session.end_turn();
        Ok(())
    })
}

fn begin(calls: &Calls) -> pmem::Result<()> {
    calls.session(Session::begin)
}

/// Gives whether a transaction begins without waiting.
fn try_begin(calls: &Calls) -> pmem::Result<()> {
    let begun = calls.session(Session::try_begin)?;
    calls.opened.frame.give(0, f64::from(begun));
    Ok(())
}

fn commit(calls: &Calls) -> pmem::Result<()> {
    calls.session(Session::commit)
}

fn rollback(calls: &Calls) -> pmem::Result<()> {
    calls.session(Session::rollback)
}

fn pin(calls: &Calls) -> pmem::Result<()> {
    calls.session(|session| {
        session.pin(calls.id());
        Ok(())
    })
}

fn unpin(calls: &Calls) -> pmem::Result<()> {
    calls.session(|session| {
        session.unpin(calls.id());
        Ok(())
    })
}

/// Gives the first of as many ids as the offset says.
fn reserve_ids(calls: &Calls) -> pmem::Result<()> {
    let first = calls.session(|session| session.reserve_ids(calls.id()))?;
    calls.opened.frame.give(0, first as f64);
    Ok(())
}

/// Gives the id of the shape that is staged, or 0.
fn intern(calls: &Calls) -> pmem::Result<()> {
    intern_all(calls, calls.staged())
}

fn intern_long(calls: &Calls, shape: &mut [u8]) -> pmem::Result<()> {
    intern_all(calls, calls.first(shape))
}

fn intern_all(calls: &Calls, shape: &[u8]) -> pmem::Result<()> {
    let id = calls.session(|session| session.intern(shape))?;
    calls.opened.frame.give(0, f64::from(id));
    Ok(())
}

/// Gives a shape.
fn shape(calls: &Calls) -> pmem::Result<()> {
    calls.give(|session, given| session.shape(calls.id() as u32, given), |found| found)
}
