//! Handles: numbers that JavaScript holds instead of pointers.

/// Bits of a handle that number its slot; those above count how often the slot was used.
const SLOT_BITS: u32 = 24;
/// Handles stay below 2^53, so that JavaScript's numbers hold them exactly.
const LAST_GENERATION: u32 = (1 << (53 - SLOT_BITS)) - 1;

/// Values by handle. A handle whose value was taken out never names another one.
pub(crate) struct Handles<T> {
    slots: Vec<Slot<T>>,
    free: Vec<usize>,
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Handles<T> {
    /// Keeps `value`; its handle is never 0.
    pub(crate) fn insert(&mut self, value: T) -> f64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, value: None });
            self.slots.len() - 1
        });
        let slot = &mut self.slots[index];
        slot.generation += 1;
        slot.value = Some(value);
        (u64::from(slot.generation) << SLOT_BITS | index as u64) as f64
    }

    /// The value of `handle`; `None` where it is closed.
    pub(crate) fn get(&self, handle: f64) -> Option<&T> {
        let (generation, index) = split(handle);
        self.slots.get(index).filter(|slot| slot.generation == generation)?.value.as_ref()
    }

    /// Takes the value of `handle` out.
    pub(crate) fn take(&mut self, handle: f64) -> Option<T> {
        let (generation, index) = split(handle);
        let slot = self.slots.get_mut(index).filter(|slot| slot.generation == generation)?;
        let value = slot.value.take()?;
        if slot.generation < LAST_GENERATION {
            self.free.push(index);
        }
        Some(value)
    }
}

/// The generation and the slot that a handle names; any number is safe to ask for.
fn split(handle: f64) -> (u32, usize) {
    let handle = handle as u64;
    ((handle >> SLOT_BITS) as u32, (handle & ((1 << SLOT_BITS) - 1)) as usize)
}
