//! The computer's clock: kept by a time server, and after the day this program was made.

use gobag_checklists::safety::{Clock, Tristate};
use gobag_checklists::{Fact, Forger};

use super::query::Property;
use crate::capture::Host;
use crate::probe::Scene;

const TIMEDATED: &str =
    "property org.freedesktop.timedate1 /org/freedesktop/timedate1 org.freedesktop.timedate1 NTPSynchronized";
/// Where systemd's own client notes its success; it is there without the bus too.
const TIMESYNCD: &str = "/run/systemd/timesync/synchronized";

pub(super) fn probe(scene: &Scene) -> Fact<Clock> {
    if scene.about.now_s == 0 {
        return Fact::unknown("nobody read the clock");
    }
    let clock = Clock {
        synchronized: synchronized(scene.host.as_ref()),
        before_release: scene.about.now_s < scene.about.released_s,
    };
    scene.known(clock, "the clock, timedated", Forger::Administrator)
}

fn synchronized(host: &dyn Host) -> Tristate {
    match host.query(TIMEDATED).json::<Property<bool>>() {
        Ok(Property { value: true }) => Tristate::Yes,
        Ok(Property { value: false }) => Tristate::No,
        Err(_) if host.query(&format!("stat {TIMESYNCD}")).bytes().is_ok() => Tristate::Yes,
        Err(reason) => Tristate::Unknown { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::testing::{NOW_S, bare};

    #[test]
    fn a_clock_is_kept_or_not_or_nobody_knows() {
        let key = format!("query {TIMEDATED}");
        let stamp = format!("query stat {TIMESYNCD}");
        for (scene, expected) in [
            (bare().json(&key, "{\"value\":true}"), Some(true)),
            (bare().json(&key, "{\"value\":false}"), Some(false)),
            (bare().json(&key, "{\"value\":1}"), None),
            (bare().json(&stamp, "{}"), Some(true)),
            (bare(), None),
        ] {
            let fact = probe(&scene.scene());
            let found = match &fact.value().expect("known").synchronized {
                Tristate::Yes => Some(true),
                Tristate::No => Some(false),
                Tristate::Unknown { .. } => None,
            };
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_clock_before_the_program_was_made_is_wrong() {
        let at = |released| bare().about(|about| about.released_s = released).scene();
        assert!(
            probe(&at(NOW_S + 1))
                .value()
                .is_some_and(|clock| clock.before_release)
        );
        assert!(
            probe(&at(NOW_S - 1))
                .value()
                .is_some_and(|clock| !clock.before_release)
        );
        assert!(probe(&at(0)).value().is_some_and(|clock| !clock.before_release));
        let none = bare().about(|about| about.now_s = 0).scene();
        assert!(matches!(probe(&none), Fact::Unknown { .. }));
    }
}
