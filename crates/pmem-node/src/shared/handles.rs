//! Handles: numbers that JavaScript holds instead of pointers.

/// Bits of a handle that number its slot, of which no memory has room for so many; those above count how often the slot was
/// used.
const SLOT_BITS: u32 = 32;
/// Handles stay below 2^53, so that JavaScript's numbers hold them exactly. A slot that was used so often is left alone.
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
        join(slot.generation, index)
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

/// The handle of a slot in one of its uses, which count from 1.
fn join(generation: u32, index: usize) -> f64 {
    let index = u32::try_from(index).expect("a process has less than 2^32 open");
    (u64::from(generation) << SLOT_BITS | u64::from(index)) as f64
}

/// The generation and the slot that a handle names; any number is safe to ask for.
fn split(handle: f64) -> (u32, usize) {
    let handle = handle as u64;
    ((handle >> SLOT_BITS) as u32, (handle & ((1 << SLOT_BITS) - 1)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_handle_names_one_slot_in_one_of_its_uses() {
        let generations = [1, 2, 255, 256, 1 << 20, LAST_GENERATION];
        let indexes = [0, 1, (1 << 24) - 1, 1 << 24, (1 << 24) + 1, 1 << 29, u32::MAX as usize];
        let mut seen = HashSet::new();
        for generation in generations {
            for index in indexes {
                let handle = join(generation, index);
                assert!(handle > 0.0 && handle < (1u64 << 53) as f64);
                assert_eq!(split(handle), (generation, index));
                assert!(seen.insert(handle.to_bits()));
            }
        }
    }

    #[test]
    fn a_slot_is_left_alone_before_its_uses_have_no_numbers_left() {
        let mut handles = Handles::default();
        let first = handles.insert("first");
        handles.take(first);
        handles.slots[0].generation = LAST_GENERATION - 1;
        let last = handles.insert("last");
        assert_eq!(split(last), (LAST_GENERATION, 0));
        assert_eq!(handles.take(last), Some("last"));
        let next = handles.insert("next");
        assert_eq!(split(next), (1, 1));
        assert_eq!(handles.get(next), Some(&"next"));
        for closed in [first, last, 0.0, -1.0, f64::NAN, f64::INFINITY, (1u64 << 53) as f64] {
            assert_eq!(handles.get(closed), None);
            assert_eq!(handles.take(closed), None);
        }
    }
}
