//! Windows cuts no file that is mapped. Of a page that a medium or a network fails to give it makes an exception, in which
//! no other page can be put in its place: that ends the process.

use super::table::Entry;

pub(super) fn install_handler() {}

pub(super) fn replace(_: &Entry, _: usize, _: bool) -> bool {
    false
}
