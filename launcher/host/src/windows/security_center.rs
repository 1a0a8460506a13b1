//! Windows Security Center: the list of malware scanners, its health, and the undocumented number in WMI.
//!
//! Only products report here, and only what they say of themselves; whether they are what they say is looked at in `genuine`.

use gobag_checklists::safety::{Signatures, Tristate};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::documents::{Listed, ProviderHealth, WmiProduct};
use crate::age::whole_days;

/// `S_OK`.
const OK: i64 = 0;
/// `S_FALSE`: the service does not run, and every answer is a default.
const NOT_RUNNING: i64 = 1;

/// Does Security Center answer at all? What it lists without its service is old.
pub(super) fn answers(health: &ProviderHealth) -> Result<(), String> {
    match health.result {
        OK => Ok(()),
        NOT_RUNNING => Err("the service of Windows Security Center does not run".to_owned()),
        other => Err(format!(
            "Windows Security Center failed with {:#010x}",
            other as u32
        )),
    }
}

/// `WSC_SECURITY_PROVIDER_HEALTH`. Only "good" is good, and what is new is unknown.
pub(super) fn health(health: Option<&ProviderHealth>) -> Tristate {
    let Some(found) = health else {
        return unknown("Windows Security Center was not asked");
    };
    if let Err(reason) = answers(found) {
        return unknown(reason);
    }
    match found.health {
        Some(0) => Tristate::Yes,
        Some(1) => unknown("Windows Security Center does not watch it"),
        Some(2 | 3) => Tristate::No,
        other => unknown(format!(
            "Windows Security Center says {other:?}, which is no known state"
        )),
    }
}

/// What one product reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reported {
    pub(super) running: Tristate,
    pub(super) signatures: Signatures,
}

/// From the interface: `WSC_SECURITY_PRODUCT_STATE` and `WSC_SECURITY_SIGNATURE_STATUS`.
pub(super) fn listed(product: &Listed, now_s: u64) -> Reported {
    let running = match product.state {
        0 => Tristate::Yes,
        1..=3 => Tristate::No,
        other => unknown(format!(
            "Windows Security Center says {other}, which is no known state"
        )),
    };
    let signatures = match product.signatures {
        Some(1) => as_of(product.since.as_deref(), now_s),
        Some(0) => Signatures::Outdated,
        other => Signatures::Unknown {
            reason: format!("Windows Security Center says {other:?} of them, which is no known state"),
        },
    };
    Reported { running, signatures }
}

/// From WMI: `productState`, and the time beside it.
pub(super) fn wmi(product: &WmiProduct, now_s: u64) -> Reported {
    match ProductState::read(product.state) {
        Ok(state) => Reported {
            running: if state.power == Power::On {
                Tristate::Yes
            } else {
                Tristate::No
            },
            signatures: match state.up_to_date {
                true => as_of(product.since.as_deref(), now_s),
                false => Signatures::Outdated,
            },
        },
        Err(reason) => Reported {
            running: unknown(reason.clone()),
            signatures: Signatures::Unknown { reason },
        },
    }
}

/// A product says "up to date" at some time, and that is how old its word is. Without a time there is only the word.
fn as_of(since: Option<&str>, now_s: u64) -> Signatures {
    let Some(since) = since.map(str::trim).filter(|since| !since.is_empty()) else {
        return Signatures::Current;
    };
    let time = rfc2822::parse(since).map(|time| time.timestamp());
    match time.or_else(|_| since.parse::<Timestamp>()) {
        Ok(time) => match whole_days(time.as_second(), now_s) {
            Some(days) => Signatures::Aged { days },
            None => Signatures::Unknown {
                reason: format!("they are said to be current as of {since}, which is in the future"),
            },
        },
        Err(_) => Signatures::Unknown {
            reason: "the time beside \"up to date\" cannot be read".to_owned(),
        },
    }
}

/// Whether a product works, by `productState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    Off,
    On,
    Snoozed,
    Expired,
}

/// `productState`, which Microsoft does not document: `0x00PPSONN` without the last digit, where `S` is the state, `O` the
/// owner and the upper digit of `NN` whether the signatures are old. A number with any other digit set says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProductState {
    pub(super) power: Power,
    pub(super) up_to_date: bool,
    pub(super) microsoft: bool,
}

impl ProductState {
    pub(super) fn read(number: i64) -> Result<Self, String> {
        let strange = || format!("productState {number} has no known meaning");
        let bits = u32::try_from(number).map_err(|_| strange())?;
        // The kinds of protection it offers stand in the third byte: none at all is no product.
        if bits >> 24 != 0 || bits >> 16 == 0 || bits & 0xF != 0 {
            return Err(strange());
        }
        let power = match bits & 0xF000 {
            0x0000 => Power::Off,
            0x1000 => Power::On,
            0x2000 => Power::Snoozed,
            0x3000 => Power::Expired,
            _ => return Err(strange()),
        };
        let microsoft = match bits & 0x0F00 {
            0x000 => false,
            0x100 => true,
            _ => return Err(strange()),
        };
        let up_to_date = match bits & 0x00F0 {
            0x00 => true,
            0x10 => false,
            _ => return Err(strange()),
        };
        Ok(Self {
            power,
            up_to_date,
            microsoft,
        })
    }
}

fn unknown(reason: impl Into<String>) -> Tristate {
    Tristate::Unknown {
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(number: i64) -> Option<(Power, bool, bool)> {
        let state = ProductState::read(number).ok()?;
        Some((state.power, state.up_to_date, state.microsoft))
    }

    #[test]
    fn p1_defender_on_and_up_to_date() {
        assert_eq!(397_568, 0x06_11_00);
        assert_eq!(read(397_568), Some((Power::On, true, true)));
    }

    #[test]
    fn p2_defender_on_and_out_of_date() {
        assert_eq!(397_584, 0x06_11_10);
        assert_eq!(read(397_584), Some((Power::On, false, true)));
    }

    #[test]
    fn p3_defender_off() {
        assert_eq!(393_488, 0x06_01_10);
        assert_eq!(read(393_488), Some((Power::Off, false, true)));
    }

    #[test]
    fn p4_another_makers_product_on() {
        assert_eq!(266_240, 0x04_10_00);
        assert_eq!(read(266_240), Some((Power::On, true, false)));
    }

    #[test]
    fn p5_snoozed_and_expired_are_not_on() {
        assert_eq!(270_336, 0x04_20_00);
        assert_eq!(read(270_336), Some((Power::Snoozed, true, false)));
        assert_eq!(read(0x04_30_10), Some((Power::Expired, false, false)));
    }

    #[test]
    fn p6_other_numbers_say_nothing() {
        for number in [
            0,
            -1,
            i64::MIN,
            i64::MAX,
            0x04_F0_00,
            0x04_40_00,
            0x04_12_00,
            0x04_10_20,
            0x04_10_01,
            0x00_10_00,
            0x0104_1000,
            0x1_0004_1000,
        ] {
            assert_eq!(read(number), None, "{number:#x}");
        }
    }

    /// docs/host-checks.md, "Public rule sets compared": the test that a public rule set makes of the same numbers.
    #[test]
    fn a_public_rule_reads_three_of_three_numbers_wrongly() {
        let public = |number: i64| number & 0x10 != 0 && number & 0x100 != 0;
        let ours =
            |number| read(number).is_some_and(|(power, up_to_date, _)| power == Power::On && up_to_date);
        for (number, truth) in [(397_568, true), (397_584, false), (393_488, false)] {
            assert_eq!(ours(number), truth, "{number}");
            assert_eq!(public(number), !truth, "{number}");
        }
    }

    #[test]
    fn p8_a_stopped_service_says_nothing_even_if_it_says_good() {
        let stopped = ProviderHealth {
            result: 1,
            health: Some(0),
        };
        assert!(matches!(health(Some(&stopped)), Tristate::Unknown { .. }));
        for (result, said, expected) in [(0, Some(0), "yes"), (0, Some(2), "no"), (0, Some(3), "no")] {
            let found = ProviderHealth { result, health: said };
            let is = serde_json::to_value(health(Some(&found))).expect("writes");
            assert_eq!(is["is"], expected);
        }
        for (result, said) in [(0, None), (0, Some(1)), (0, Some(4)), (-2_147_024_891, Some(0))] {
            let found = ProviderHealth { result, health: said };
            assert!(
                matches!(health(Some(&found)), Tristate::Unknown { .. }),
                "{found:?}"
            );
        }
        assert!(matches!(health(None), Tristate::Unknown { .. }));
    }

    #[test]
    fn the_age_of_a_products_word() {
        let now_s = 1_731_600_000; // 2024-11-14 16:00 UTC
        for (since, expected) in [
            (
                Some("Thu, 14 Nov 2024 07:13:30 GMT"),
                Signatures::Aged { days: 0 },
            ),
            (
                Some("Mon, 04 Nov 2024 07:13:30 GMT"),
                Signatures::Aged { days: 10 },
            ),
            (Some("2024-11-04T07:13:30Z"), Signatures::Aged { days: 10 }),
            (None, Signatures::Current),
            (Some("  "), Signatures::Current),
        ] {
            assert_eq!(as_of(since, now_s), expected, "{since:?}");
        }
        for since in [
            "Sat, 16 Nov 2024 17:00:00 GMT",
            "vorgestern",
            "14.11.2024 08:13:30",
        ] {
            assert!(
                matches!(as_of(Some(since), now_s), Signatures::Unknown { .. }),
                "{since}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_number_has_a_meaning_or_none(number in any::<i64>(), now_s in any::<u64>(), since in ".{0,40}") {
            let product = WmiProduct { name: String::new(), state: number, since: Some(since.clone()), signature: None };
            let reported = wmi(&product, now_s);
            prop_assert_eq!(reported.running == Tristate::Yes, number & !0xFF_01F0 == 0x1000 && number >> 16 != 0
                && number & 0x00E0 == 0);
            let listed_so = Listed {
                name: String::new(), state: number, signatures: Some(number), since: Some(since), signature: None,
            };
            let _ = listed(&listed_so, now_s);
        }
    }
}
