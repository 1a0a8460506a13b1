//! Rules about memory and space.

use super::{Judged, Outcome, known, missed};
use crate::host::HostFacts;
use crate::requirements::{Mode, Requirements};
use crate::words;

pub(super) fn total(requirements: &Requirements, facts: &HostFacts) -> Judged {
    let need = requirements.min_memory_total_bytes;
    match known(&facts.memory, &words::bytes(need)) {
        Err(judged) => judged,
        Ok(memory) => enough(
            need,
            memory.total_bytes,
            "this PC has too little memory; use another one",
        ),
    }
}

pub(super) fn available(requirements: &Requirements, facts: &HostFacts, mode: Mode) -> Judged {
    let need = match mode {
        Mode::Vm => requirements
            .vm
            .guest_memory_bytes
            .saturating_add(requirements.vm.host_reserve_bytes),
        Mode::Container | Mode::RemoteOnly | Mode::Unknown => {
            requirements.container.min_memory_available_bytes
        }
    };
    match known(&facts.memory, &words::bytes(need)) {
        Err(judged) => judged,
        Ok(memory) => {
            let advice = if memory.total_bytes < need {
                "this PC has too little memory; use another one"
            } else {
                "close other programs, above all web browsers, then check again"
            };
            enough(need, memory.available_bytes, advice)
        }
    }
}

pub(super) fn temp(requirements: &Requirements, facts: &HostFacts) -> Judged {
    let need = requirements.min_temp_free_bytes;
    match known(&facts.temp_space, &words::bytes(need)) {
        Err(judged) => judged,
        Ok(space) => {
            let place = space.path.display();
            let advice =
                format!("delete files you do not need, or empty the wastebasket; the place is {place}");
            let mut judged = enough(need, space.free_bytes, advice);
            judged.found = format!("{} in {place}", judged.found);
            judged
        }
    }
}

fn enough(need_bytes: u64, have_bytes: u64, advice: impl Into<String>) -> Judged {
    let outcome = if have_bytes >= need_bytes {
        Outcome::Met
    } else {
        missed(advice)
    };
    let needed = match need_bytes {
        0 => "any".to_owned(),
        bytes => words::bytes(bytes),
    };
    Judged {
        needed,
        found: words::bytes(have_bytes),
        outcome,
    }
}
