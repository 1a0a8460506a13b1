//! That something changed in a workspace, as a hint: the server says so as soon as there is a newer point.

use std::{sync::Arc, thread, time::Duration};

use crossbeam_channel::Sender;
use gobag_term::Interrupt;
use gobag_workspace::Store as _;

use crate::{Program, other::Right, watcher::Hint};

/// Seconds that one question waits for its answer.
const WAIT_S: u32 = 50;
/// After something went wrong.
const PAUSE: Duration = Duration::from_secs(30);

/// Listens until the program ends; there is nothing to be heard of a folder, nor of a workspace that is not at the company's server.
pub(crate) fn listen(right: &Right, program: &Arc<dyn Program>, tell: Sender<Hint>, interrupt: &Interrupt) {
    let (right, program, interrupt) = (right.clone(), Arc::clone(program), interrupt.clone());
    if right.folder().is_some() {
        return;
    }
    thread::spawn(move || {
        while !interrupt.is_set() {
            let Err(error) = heard(&right, &*program, &tell, &interrupt) else {
                return;
            };
            // Passes are made from time to time anyway, and say what is wrong.
            tracing::debug!(error, "the server is not heard");
            let _ = interrupt.wait(Some(PAUSE));
        }
    });
}

fn heard(
    right: &Right,
    program: &dyn Program,
    tell: &Sender<Hint>,
    interrupt: &Interrupt,
) -> Result<(), String> {
    let store = right.server(program).map_err(|error| error.to_string())?;
    let Some(store) = store else {
        return Ok(());
    };
    let newest = store.newest().map_err(|error| error.to_string())?;
    let mut after = newest.map_or(0, |newest| newest.generation);
    // What came since the last pass.
    let _ = tell.try_send(Hint::Changed);
    while !interrupt.is_set() {
        let newest = store.wait(after, WAIT_S).map_err(|error| error.to_string())?;
        if newest != after {
            after = newest;
            let _ = tell.try_send(Hint::Changed);
        }
    }
    Ok(())
}
