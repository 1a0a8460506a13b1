//! What things cost: an input, because it is another figure in every country and year.

use std::fmt;

use serde::{Serialize, Serializer};
use toml_edit::Value;

use super::document::{Fields, Source};
use super::error::PlanFileError;
use super::limits::{MAX_ID_BYTES, MAX_PRICE_CENTS, MAX_PRICES, MAX_TEXT_BYTES};
use super::shipped;
use super::stick::SpeedClass;
use crate::requirements::Mode;

/// Most seats in one pack of software.
const MAX_SEATS: u64 = 1_000_000;
/// Largest stick that has a price, in GB.
const MAX_STICK_GB: u64 = 1 << 20;

/// An amount, in hundredths of the price list's currency. It never wraps: what is too large stays at the largest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money {
    /// The hundredths.
    pub cents: u64,
}

impl Money {
    /// Whole units of the currency.
    #[must_use]
    pub fn of(units: u64) -> Self {
        let cents = units.saturating_mul(100);
        Self { cents }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let cents = self.cents.saturating_add(other.cents);
        Self { cents }
    }

    pub(super) fn times(self, count: u64) -> Self {
        let cents = self.cents.saturating_mul(count);
        Self { cents }
    }

    /// So many percent of it, rounded up.
    pub(super) fn percent(self, percent: u64) -> Self {
        let cents = (u128::from(self.cents) * u128::from(percent)).div_ceil(100);
        let cents = u64::try_from(cents).unwrap_or(u64::MAX);
        Self { cents }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = (self.cents / 100).to_string();
        let mut grouped = String::with_capacity(units.len() * 2);
        for (at, digit) in units.chars().enumerate() {
            if at > 0 && (units.len() - at).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        match self.cents % 100 {
            0 => f.write_str(&grouped),
            rest => write!(f, "{grouped}.{rest:02}"),
        }
    }
}

/// As a number with two places, which every spreadsheet reads.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.cents as f64 / 100.0)
    }
}

/// A price list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prices {
    /// Its currency, for display.
    pub currency: String,
    /// Where the prices come from, for display.
    pub source: String,
    /// One laptop.
    pub laptop: Money,
    /// One licence of the guest's system.
    pub guest_licence: Money,
    /// Support of bought software, in percent of its price.
    pub support_percent: u64,
    /// Sticks.
    pub sticks: Vec<StickPrice>,
    /// Software that is bought to start images.
    pub software: Vec<SoftwarePrice>,
}

/// The price of a stick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StickPrice {
    /// The size printed on it.
    pub size_gb: u64,
    /// Its speed.
    pub class: SpeedClass,
    /// For one.
    pub price: Money,
}

/// The price of a pack of software.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoftwarePrice {
    /// The product.
    pub name: String,
    /// For which mode it is needed.
    pub mode: Mode,
    /// How many people one pack is for.
    pub seats: u64,
    /// For one pack.
    pub price: Money,
}

impl Prices {
    /// The prices that this program carries: examples.
    pub fn shipped() -> Result<Self, PlanFileError> {
        let (file, text) = shipped::PRICES;
        Self::read(file, text)
    }

    /// Reads a price list. `file` is its name for messages.
    pub fn read(file: &str, text: &str) -> Result<Self, PlanFileError> {
        let source = Source { file, text };
        let table = source.parse()?;
        let fields = Fields::of(source, &table);
        let prices = Self {
            currency: fields.need_text("currency", MAX_ID_BYTES)?.to_owned(),
            source: fields.text("source", MAX_TEXT_BYTES)?.unwrap_or(file).to_owned(),
            laptop: money(&fields, "laptop")?,
            guest_licence: money(&fields, "guest-licence")?,
            support_percent: fields.number("support-percent", 1000)?.unwrap_or(0),
            sticks: entries(&fields, "stick", stick)?,
            software: entries(&fields, "software", software)?,
        };
        fields.done(&["format"])?;
        Ok(prices)
    }

    /// The cheapest stick at least so large and so fast.
    #[must_use]
    pub fn stick(&self, size_gb: u64, class: SpeedClass) -> Option<&StickPrice> {
        let enough = |stick: &&StickPrice| stick.size_gb >= size_gb && stick.class >= class;
        self.sticks
            .iter()
            .filter(enough)
            .min_by_key(|stick| (stick.price, stick.size_gb))
    }

    /// The sizes that can be bought, smallest first.
    pub(super) fn sizes_gb(&self) -> Vec<u64> {
        let mut sizes: Vec<_> = self.sticks.iter().map(|stick| stick.size_gb).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }
}

fn entries<T>(
    fields: &Fields<'_>,
    name: &str,
    read: impl Fn(&Fields<'_>) -> Result<T, PlanFileError>,
) -> Result<Vec<T>, PlanFileError> {
    let one = |value: &Value| {
        let entry = Fields::of_value(fields.source, name, value)?;
        let read = read(&entry)?;
        entry.done(&[])?;
        Ok(read)
    };
    fields.array(name, MAX_PRICES)?.into_iter().map(one).collect()
}

fn stick(fields: &Fields<'_>) -> Result<StickPrice, PlanFileError> {
    let class = fields.need("class")?;
    let line = fields.source.line(class.span());
    Ok(StickPrice {
        size_gb: at_least_one(fields, "size-gb", MAX_STICK_GB)?,
        class: class
            .as_str()
            .and_then(SpeedClass::parse)
            .ok_or_else(|| fields.source.wrong(line, "class", "one of basic, standard, fast"))?,
        price: money(fields, "price")?,
    })
}

fn software(fields: &Fields<'_>) -> Result<SoftwarePrice, PlanFileError> {
    let mode = fields.need("mode")?;
    let line = fields.source.line(mode.span());
    Ok(SoftwarePrice {
        name: fields.need_text("name", MAX_TEXT_BYTES)?.to_owned(),
        mode: match mode.as_str() {
            Some("vm") => Mode::Vm,
            Some("container") => Mode::Container,
            Some("remote-only") => Mode::RemoteOnly,
            _ => {
                return Err(fields
                    .source
                    .wrong(line, "mode", "one of vm, container, remote-only"));
            }
        },
        seats: at_least_one(fields, "seats", MAX_SEATS)?,
        price: money(fields, "price")?,
    })
}

fn at_least_one(fields: &Fields<'_>, name: &str, most: u64) -> Result<u64, PlanFileError> {
    let line = fields.source.line(fields.need(name)?.span());
    match fields.number(name, most)? {
        Some(number @ 1..) => Ok(number),
        _ => Err(fields
            .source
            .wrong(line, name, format!("a whole number from 1 to {most}"))),
    }
}

/// A price: `20` or `19.99`.
fn money(fields: &Fields<'_>, name: &str) -> Result<Money, PlanFileError> {
    let value = fields.need(name)?;
    let units = value.as_float().or(value.as_integer().map(|units| units as f64));
    let cents = units.map(|units| (units * 100.0).round());
    match cents.filter(|cents| (0.0..=MAX_PRICE_CENTS as f64).contains(cents)) {
        Some(cents) => Ok(Money { cents: cents as u64 }),
        None => {
            let expected = format!("a price from 0 to {}", MAX_PRICE_CENTS / 100);
            Err(fields
                .source
                .wrong(fields.source.line(value.span()), name, expected))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_lists_are_read() {
        let today = Prices::shipped().expect("reads");
        assert!(today.sticks.len() > 5 && today.software.is_empty());
        let (file, text) = shipped::PRICES_2008;
        let old = Prices::read(file, text).expect("reads");
        assert_eq!(old.laptop, Money::of(300));
        assert_eq!(old.sizes_gb(), [4, 8]);
        assert_eq!(
            old.stick(5, SpeedClass::Basic).expect("there").price,
            Money::of(30)
        );
        assert_eq!(old.stick(9, SpeedClass::Basic), None);
    }

    #[test]
    fn amounts_are_written_as_people_write_them() {
        for (cents, text) in [
            (0, "0"),
            (599, "5.99"),
            (100_000, "1,000"),
            (123_456_705, "1,234,567.05"),
        ] {
            assert_eq!(Money { cents }.to_string(), text);
        }
        assert_eq!(Money::of(u64::MAX).plus(Money::of(1)).times(2).cents, u64::MAX);
        assert_eq!(Money { cents: 101 }.percent(18).cents, 19);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let head = "format = 1\ncurrency = \"EUR\"\nlaptop = 1\nguest-licence = 0\n";
        for (text, code, part) in [
            ("currency = 3", "plan.missing", "`format`"),
            ("format = 2", "plan.newer-format", "format 2"),
            (
                "format = 1\ncurrency = 3",
                "plan.wrong-value",
                "line 2: `currency`",
            ),
            (
                "format = 1\ncurrency = \"EUR\"\nlaptop = -1",
                "plan.wrong-value",
                "line 3: `laptop`",
            ),
            (
                &format!("{head}laptpo = 1"),
                "plan.unknown-field",
                "line 5: nothing is called `laptpo`",
            ),
            (&format!("{head}stick = 1"), "plan.wrong-value", "line 5: `stick`"),
            (
                &format!("{head}stick = [\n{{ size-gb = 0, class = \"fast\", price = 1 }}]"),
                "plan.wrong-value",
                "line 6: `size-gb`",
            ),
            (
                &format!("{head}stick = [\n{{ size-gb = 8, class = \"quick\", price = 1 }}]"),
                "plan.wrong-value",
                "line 6: `class`",
            ),
            (&format!("{head}["), "plan.syntax", "line 5"),
        ] {
            let error = Prices::read("p.toml", text).expect_err("refused");
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
