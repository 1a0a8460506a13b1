//! A program that lies on the stick must outlive it: it goes on from memory, before it does anything else.

use gobag_engine::resident::{enter_memory, is_in_memory, program};

use crate::find;

/// What `ps` shows; the copy would have none.
const NAME: &std::ffi::CStr = c"gobag";

/// Leaves the stick if this program runs from one. Where the system forbids that, it goes on as it is: only a pull at the wrong
/// moment can end it then.
pub(crate) fn leave_the_stick() {
    if is_in_memory() {
        // A name is for people who look; without it nothing is worse.
        let _ = rustix::thread::set_name(NAME);
        return;
    }
    let on_stick = program().filter(|program| find::beside(program).is_some());
    if let Some(Err(error)) = on_stick.map(|program| enter_memory(&program)) {
        tracing::debug!(%error, "the program stays on the stick");
    }
}
