//! Those who want to know what was changed in containers.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::commands::Command;
use crate::os::deliberate;

/// How many changes of a container are told one by one.
const MOST: usize = 4096;

/// Where something was changed in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At a key of a map, a set or a dictionary.
    Key(Box<[u8]>),
    /// At a key of a sorted map.
    Sorted(Box<[u8]>),
    /// At an index of an array.
    Index(u32),
    /// At a field of a record: its shape, and which of it.
    Field(u32, u16),
    /// At the last field of a shape.
    Last(u32),
    /// Anywhere.
    Anywhere,
}

/// What one thread wants to know, and was not told yet.
#[derive(Default)]
pub(super) struct Watcher {
    state: Mutex<State>,
}

/// Tells a thread that there is something.
type Wake = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct State {
    watched: HashSet<u64>,
    news: HashMap<u64, Vec<Place>>,
    wake: Option<Wake>,
}

impl Watcher {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn on_news(&self, wake: Wake) {
        self.lock().wake = Some(wake);
    }

    /// Returns whether it was not watched before.
    pub(super) fn watch(&self, id: u64) -> bool {
        self.lock().watched.insert(id)
    }

    /// Returns whether it was watched.
    pub(super) fn unwatch(&self, id: u64) -> bool {
        let mut state = self.lock();
        state.news.remove(&id);
        state.watched.remove(&id)
    }

    pub(super) fn watched(&self) -> usize {
        self.lock().watched.len()
    }

    /// Keeps what concerns this thread, and wakes it where it has nothing to look at yet.
    pub(super) fn tell(&self, changes: &[(u64, Place)]) {
        let mut state = self.lock();
        let was_idle = state.news.is_empty();
        let State { watched, news, wake } = &mut *state;
        for (id, place) in changes.iter().filter(|(id, _)| watched.contains(id)) {
            let places = news.entry(*id).or_default();
            if places.first() == Some(&Place::Anywhere) || places.last() == Some(place) {
                continue;
            }
            let are_many = places.len() == MOST && !deliberate::is_on("objects: any number of news kept");
            if are_many || *place == Place::Anywhere {
                *places = vec![Place::Anywhere];
                continue;
            }
            places.push(place.clone());
        }
        if let (true, false, Some(wake)) = (was_idle, news.is_empty(), wake) {
            wake();
        }
    }

    pub(super) fn take(&self) -> HashMap<u64, Vec<Place>> {
        std::mem::take(&mut self.lock().news)
    }
}

/// Where a command changes its container.
pub(super) fn place(command: &Command<'_>) -> Option<Place> {
    Some(match command {
        Command::Set { key, .. } | Command::Delete { key } => Place::Key((*key).into()),
        Command::SortedSet { key, .. } | Command::SortedDelete { key } => Place::Sorted((*key).into()),
        Command::ArraySet { index, .. } => Place::Index(*index as u32),
        Command::Field { shape, index, .. } => Place::Field(*shape, *index as u16),
        Command::Shrink { before, index, .. } => Place::Field(*before, *index as u16),
        Command::Extend { after, .. } => Place::Last(*after),
        Command::Clear | Command::Record { .. } | Command::Splice { .. } => Place::Anywhere,
        Command::Create { .. } | Command::Root { .. } | Command::Version { .. } | Command::Dictionary => return None,
    })
}

/// Changes as bytes: the id, a number for what the place is, and the place.
pub(super) fn encode(news: &HashMap<u64, Vec<Place>>, out: &mut Vec<u8>) {
    for (id, place) in news.iter().flat_map(|(id, places)| places.iter().map(move |place| (id, place))) {
        out.extend_from_slice(&id.to_le_bytes()[..7]);
        match place {
            Place::Key(key) => {
                out.push(0);
                out.extend_from_slice(key);
            }
            Place::Sorted(key) => {
                out.push(1);
                out.extend_from_slice(&(key.len() as u32).to_le_bytes());
                out.extend_from_slice(key);
            }
            Place::Index(index) => {
                out.push(2);
                out.extend_from_slice(&index.to_le_bytes());
            }
            Place::Field(shape, index) => {
                out.push(3);
                out.extend_from_slice(&shape.to_le_bytes());
                out.extend_from_slice(&index.to_le_bytes());
            }
            Place::Last(shape) => {
                out.push(4);
                out.extend_from_slice(&shape.to_le_bytes());
            }
            Place::Anywhere => out.push(5),
        }
    }
}
