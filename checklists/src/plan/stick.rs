//! How large and how fast a stick has to be, part by part.
//!
//! The parts follow what `gobag-image stick` writes (`LogGeometry::plan` in gobag-format), a little generously: a planner has no image yet,
//! and a stick that is one size too large costs less than one that is full.

use serde::Serialize;

use super::facts::Facts;
use super::prices::Prices;
use super::size;
use crate::requirements::Mode;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Sizes that are sold nearly everywhere, in GB.
const USUAL_GB: [u64; 7] = [16, 32, 64, 128, 256, 512, 1024];
/// Of the bytes printed on a stick (a GB is 10^9), the part that is counted on: the rest is the file system's, and the maker's rounding.
const USABLE_PERCENT: u64 = 93;
/// Launchers, headers, start page and the file of escrow keys.
const FIXED_BYTES: u64 = 96 * MIB;
/// From this image size on, reading it at the pace of a slow stick is felt at every start.
const LARGE_IMAGE_BYTES: u64 = 32 * GIB;

/// How fast a stick is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpeedClass {
    /// Any that is not broken.
    Basic,
    /// An ordinary USB 3 stick.
    Standard,
    /// A good USB 3 stick.
    Fast,
}

impl SpeedClass {
    /// The class of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Basic, Self::Standard, Self::Fast]
            .into_iter()
            .find(|class| class.as_str() == name)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Standard => "standard",
            Self::Fast => "fast",
        }
    }

    /// The slowest sequential reading it stands for, in bytes a second.
    #[must_use]
    pub fn read_bytes_per_s(self) -> u64 {
        match self {
            Self::Basic => 8_000_000,
            Self::Standard => 30_000_000,
            Self::Fast => 100_000_000,
        }
    }

    /// The slowest sequential writing it stands for, in bytes a second.
    #[must_use]
    pub fn write_bytes_per_s(self) -> u64 {
        match self {
            Self::Basic => 2_000_000,
            Self::Standard => 8_000_000,
            Self::Fast => 20_000_000,
        }
    }
}

/// A stick, as it has to be bought and written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StickPlan {
    /// What is on it.
    pub parts: Vec<Part>,
    /// All of them.
    pub needed_bytes: u64,
    /// The next size that is sold; `None` if there is none.
    pub size_gb: Option<u64>,
    /// How fast it has to be.
    pub class: SpeedClass,
    /// Why so fast.
    pub class_because: String,
    /// `gobag-image stick --home-size`.
    pub home_bytes: u64,
    /// `gobag-image stick --system-space`.
    pub system_space_bytes: u64,
}

/// Something that takes room on a stick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What.
    pub what: &'static str,
    /// How much.
    pub size_bytes: u64,
    /// Why so much.
    pub because: String,
}

/// The stick for one mode alone.
pub(super) fn of_mode(facts: &Facts, mode: Mode, prices: &Prices) -> StickPlan {
    let (class, class_because) = class(facts, mode);
    let (image_bytes, home_bytes, system_space_bytes) = match mode {
        Mode::Vm => (facts.image_bytes, home(facts), vm_space(facts)),
        Mode::Container => {
            let image_bytes = facts.container_image_bytes;
            (
                image_bytes,
                home(facts),
                (image_bytes / 8).clamp(256 * MIB, 4 * GIB),
            )
        }
        // Nothing starts from the stick.
        Mode::RemoteOnly | Mode::Unknown => (0, 0, 0),
    };
    let mut parts = vec![Part {
        what: "launchers and keys",
        size_bytes: FIXED_BYTES,
        because: "programs for the computers, headers, the start page, and keys for IT".to_owned(),
    }];
    if image_bytes > 0 {
        parts.extend(image_parts(
            facts,
            mode,
            image_bytes,
            home_bytes,
            system_space_bytes,
        ));
    }
    let needed_bytes = parts.iter().map(|part| part.size_bytes).sum();
    StickPlan {
        parts,
        needed_bytes,
        size_gb: size_gb(needed_bytes, prices),
        class,
        class_because,
        home_bytes,
        system_space_bytes,
    }
}

/// The stick that serves both: part by part the larger.
pub(super) fn larger(one: StickPlan, other: StickPlan) -> StickPlan {
    let class = one.class.max(other.class);
    let (mut larger, smaller) = match one.needed_bytes >= other.needed_bytes {
        true => (one, other),
        false => (other, one),
    };
    if larger.class < class {
        larger.class_because = smaller.class_because;
    }
    larger.class = class;
    larger
}

/// The next size that can be bought, or is usual.
fn size_gb(needed_bytes: u64, prices: &Prices) -> Option<u64> {
    let mut sizes = prices.sizes_gb();
    sizes.extend(USUAL_GB);
    sizes.sort_unstable();
    sizes
        .into_iter()
        .find(|size_gb| size_gb.saturating_mul(1_000_000_000 / 100 * USABLE_PERCENT) >= needed_bytes)
}

/// Room for people's own files.
fn home(facts: &Facts) -> u64 {
    match facts.data_on_stick || facts.offline {
        true => facts.home_bytes,
        // Settings, and what is open when the network goes.
        false => facts.home_bytes.min(512 * MIB),
    }
}

/// Room for what a running system changes in itself: logs, caches, and its own updates where it makes them.
fn vm_space(facts: &Facts) -> u64 {
    match facts.guest_is_windows {
        true => (facts.image_bytes / 2).clamp(4 * GIB, 16 * GIB),
        false => (facts.image_bytes / 4).clamp(512 * MIB, 8 * GIB),
    }
}

fn image_parts(
    facts: &Facts,
    mode: Mode,
    image_bytes: u64,
    home_bytes: u64,
    system_space_bytes: u64,
) -> Vec<Part> {
    let written_bytes = home_bytes + system_space_bytes;
    // A log block carries 96 of 100 bytes, and a quarter more keeps cleaning cheap; six segments are cleaning's own.
    let log_bytes = written_bytes / 4 * 5 / 96 * 100 + 6 * 64 * MIB;
    // Three areas of 4,110 bytes for every 2 MiB of volume, and dirty maps. Unpacked, a system is about three times its packs, and half
    // as much again is for what an update brings.
    let volume_bytes = home_bytes + image_bytes / 2 * 9;
    let checkpoint_bytes = 3 * (volume_bytes / 400).max(8 * MIB);
    let mode = match mode {
        Mode::Container => "the container's files",
        _ => "the system and its programs",
    };
    let home_because = match (facts.data_on_stick, facts.offline) {
        (true, _) => "their data travels on the stick",
        (false, true) => "they work without a network, so what they need is on the stick",
        (false, false) => "their data stays at the company, so only settings and open work are kept",
    };
    vec![
        Part {
            what: "image",
            size_bytes: image_bytes,
            because: format!("{mode}, compressed and encrypted"),
        },
        Part {
            what: "room for an update",
            size_bytes: image_bytes / 2,
            because: "a new version is written beside the old one; about half of it is the same".to_owned(),
        },
        Part {
            what: "log",
            size_bytes: log_bytes,
            because: format!(
                "{} for home ({home_because}), {} for changes to the system, and a quarter more so that it never stalls",
                size::rough(home_bytes),
                size::rough(system_space_bytes),
            ),
        },
        Part {
            what: "checkpoints",
            size_bytes: checkpoint_bytes,
            because: "three areas, so that a start after a pulled stick is quick".to_owned(),
        },
    ]
}

fn class(facts: &Facts, mode: Mode) -> (SpeedClass, String) {
    let large = facts.image_bytes >= LARGE_IMAGE_BYTES;
    let (class, because) = match mode {
        Mode::Vm if facts.guest_is_windows => (
            SpeedClass::Fast,
            "Windows reads and writes a lot whenever it starts",
        ),
        Mode::Vm if large => (SpeedClass::Fast, "a large image is read at every start"),
        Mode::Vm => (SpeedClass::Standard, "a whole system starts from it"),
        Mode::Container if facts.container_image_bytes >= LARGE_IMAGE_BYTES => {
            (SpeedClass::Fast, "a large image is read at every start")
        }
        Mode::Container if facts.is_thin() || facts.only_browser => (
            SpeedClass::Basic,
            "only a browser or a thin client starts from it",
        ),
        Mode::Container => (SpeedClass::Standard, "the applications start from it"),
        Mode::RemoteOnly | Mode::Unknown => (SpeedClass::Basic, "nothing starts from it"),
    };
    (class, because.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Answer, testing};

    #[test]
    fn sizes_are_the_next_that_is_sold() {
        let mut prices = Prices::shipped().expect("reads");
        for (needed_bytes, size_gb) in [
            (0, Some(16)),
            (14_880_000_000, Some(16)),
            (14_880_000_001, Some(32)),
            (238_080_000_000, Some(256)),
            (1 << 50, None),
        ] {
            assert_eq!(super::size_gb(needed_bytes, &prices), size_gb, "{needed_bytes}");
        }
        prices.sticks.retain(|stick| stick.size_gb == 32);
        assert_eq!(
            super::size_gb(0, &prices),
            Some(16),
            "usual, though it has no price here"
        );
    }

    #[test]
    fn every_part_is_named_and_they_add_up() {
        let facts = Facts::of(&testing::answers(&[]));
        let prices = Prices::shipped().expect("reads");
        let vm = of_mode(&facts, Mode::Vm, &prices);
        let names: Vec<_> = vm.parts.iter().map(|part| part.what).collect();
        assert_eq!(
            names,
            [
                "launchers and keys",
                "image",
                "room for an update",
                "log",
                "checkpoints"
            ]
        );
        assert_eq!(
            vm.needed_bytes,
            vm.parts.iter().map(|part| part.size_bytes).sum::<u64>()
        );
        let none = of_mode(&facts, Mode::RemoteOnly, &prices);
        assert!(none.needed_bytes < vm.needed_bytes && none.parts.len() == 1);
    }

    #[test]
    fn a_thin_client_has_a_smaller_and_slower_stick() {
        let thick = Facts::of(&testing::answers(&[]));
        let thin = Facts::of(&testing::answers(&[
            ("data-access", testing::chosen(&["remote-desktop"])),
            ("offline", Answer::YesNo(false)),
            ("remote-access", Answer::YesNo(true)),
            ("remote-kind", Answer::Choice("thin-client".into())),
        ]));
        let prices = Prices::shipped().expect("reads");
        let (thick, thin) = (
            of_mode(&thick, Mode::Container, &prices),
            of_mode(&thin, Mode::Container, &prices),
        );
        assert!(thin.needed_bytes < thick.needed_bytes && thin.class < thick.class);
    }
}
