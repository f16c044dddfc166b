//! Windows cuts no file that is mapped, so nothing is handled here.

use super::table::Entry;

pub(super) fn install_handler() {}

pub(super) fn replace(_: &Entry, _: usize, _: bool) -> bool {
    false
}
