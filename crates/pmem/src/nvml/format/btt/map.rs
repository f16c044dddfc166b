//! Map entries: which slot holds a block.

use super::geometry::Geometry;

const SLOT: u32 = 0x3fff_ffff;

/// What reading a block gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Zeros: the block was never written.
    Initial,
    /// Zeros, although it may have been written.
    Zero,
    /// An error.
    Error,
    /// What the slot holds.
    Normal,
}

impl State {
    const fn bits(self) -> u32 {
        match self {
            State::Initial => 0,
            State::Error => 1 << 30,
            State::Zero => 2 << 30,
            State::Normal => 3 << 30,
        }
    }
}

/// A block's state, and the slot it owns in every state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MapEntry {
    /// What reading the block gives.
    pub state: State,
    /// The number of its slot, less than the number of slots.
    pub slot: u32,
}

impl MapEntry {
    /// What the map's entry for `block` means; a block that was never written owns the slot of its own number. `None`
    /// for what no intact map holds.
    pub(crate) fn decode(raw: u32, block: u32, geometry: &Geometry) -> Option<Self> {
        if raw == 0 {
            return Some(Self { state: State::Initial, slot: block });
        }
        Self::recorded(raw, geometry)
    }

    /// What a map entry means that the flog has recorded: it names the slot in every state. `None` for what no intact
    /// flog holds.
    pub(super) fn recorded(raw: u32, geometry: &Geometry) -> Option<Self> {
        let state = match raw >> 30 {
            1 => State::Error,
            2 => State::Zero,
            3 => State::Normal,
            _ => return None,
        };
        let slot = raw & SLOT;
        (slot < geometry.slots).then_some(Self { state, slot })
    }

    /// The four bytes of the map or the flog that stand for this. A block that was never written is recorded as one
    /// that was, since only the map can leave its slot open.
    pub(crate) fn encode(self) -> u32 {
        let state = if self.state == State::Initial { State::Normal } else { self.state };
        state.bits() | self.slot
    }
}
