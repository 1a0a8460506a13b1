//! What sticks cost, against what laptops would cost, for the same people.

use std::collections::BTreeMap;

use serde::Serialize;

use super::facts::Facts;
use super::prices::{Money, Prices, SoftwarePrice};
use super::stick::StickPlan;
use crate::requirements::Mode;

/// The cost of each way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The currency of all amounts.
    pub currency: String,
    /// Where the prices come from.
    pub source: String,
    /// For so many people.
    pub people: u64,
    /// And so many spare sticks or laptops.
    pub spares: u64,
    /// What each mode would cost if it were the only one; only modes that are possible.
    pub rows: Vec<CostRow>,
    /// What laptops would cost.
    pub laptops: Item,
}

/// Some pieces of the same price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Item {
    /// How many.
    pub count: u64,
    /// One.
    pub each: Money,
    /// All.
    pub total: Money,
}

impl Item {
    fn of(count: u64, each: Money) -> Self {
        let total = each.times(count);
        Self { count, each, total }
    }
}

/// Bought software.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Software {
    /// The product.
    pub name: String,
    /// The cheapest packs that cover everybody.
    pub price: Money,
    /// Support for it.
    pub support: Money,
}

/// What one mode costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CostRow {
    /// The mode.
    pub mode: Mode,
    /// The sticks; `None` if the price list has none large and fast enough.
    pub sticks: Option<Item>,
    /// Licences of the guest's system.
    pub guest_licences: Item,
    /// Software that starts the image; `None` if none has to be bought.
    pub software: Option<Software>,
    /// All together; `None` if a price is missing.
    pub total: Option<Money>,
    /// Less than laptops would be; negative if more.
    pub saved_percent: Option<i64>,
}

/// How many spare pieces come with `people`.
pub(super) fn spares(facts: &Facts) -> u64 {
    facts.people.saturating_mul(facts.spare_percent).div_ceil(100)
}

/// The cost of these modes, each with its stick and its count of guest licences.
pub(super) fn cost(facts: &Facts, prices: &Prices, modes: &[(Mode, &StickPlan, u64)]) -> Cost {
    let spares = spares(facts);
    let pieces = facts.people.saturating_add(spares);
    let laptops = Item::of(pieces, prices.laptop);
    let row = |(mode, stick, licences): &(Mode, &StickPlan, u64)| {
        row(facts.people, pieces, prices, *mode, stick, *licences, laptops)
    };
    Cost {
        currency: prices.currency.clone(),
        source: prices.source.clone(),
        people: facts.people,
        spares,
        rows: modes.iter().map(row).collect(),
        laptops,
    }
}

fn row(
    people: u64,
    pieces: u64,
    prices: &Prices,
    mode: Mode,
    stick: &StickPlan,
    licences: u64,
    laptops: Item,
) -> CostRow {
    let priced = stick
        .size_gb
        .and_then(|size_gb| prices.stick(size_gb, stick.class));
    let sticks = priced.map(|price| Item::of(pieces, price.price));
    let guest_licences = Item::of(licences, prices.guest_licence);
    let software = software(people, prices, mode);
    let bought = software
        .as_ref()
        .map_or(Money::default(), |software| software.price.plus(software.support));
    let total = sticks.map(|sticks| sticks.total.plus(guest_licences.total).plus(bought));
    CostRow {
        mode,
        sticks,
        guest_licences,
        software,
        total,
        saved_percent: total.and_then(|total| saved_percent(total, laptops.total)),
    }
}

fn saved_percent(total: Money, laptops: Money) -> Option<i64> {
    if laptops.cents == 0 {
        return None;
    }
    let saved = (i128::from(laptops.cents) - i128::from(total.cents)) * 100 / i128::from(laptops.cents);
    i64::try_from(saved).ok()
}

/// The cheapest product for a mode.
fn software(people: u64, prices: &Prices, mode: Mode) -> Option<Software> {
    let mut products: BTreeMap<&str, Vec<&SoftwarePrice>> = BTreeMap::new();
    for pack in prices.software.iter().filter(|pack| pack.mode == mode) {
        products.entry(&pack.name).or_default().push(pack);
    }
    let priced = products
        .into_iter()
        .map(|(name, packs)| (cheapest(people, &packs), name));
    let (price, name) = priced.min()?;
    Some(Software {
        name: name.to_owned(),
        price,
        support: price.percent(prices.support_percent),
    })
}

/// The least that packs with at least `seats` seats together cost.
fn cheapest(seats: u64, packs: &[&SoftwarePrice]) -> Money {
    let mut least = vec![Money::default()];
    for covered in 1..=seats {
        let with = |pack: &&SoftwarePrice| {
            let rest = usize::try_from(covered.saturating_sub(pack.seats)).ok()?;
            Some(least.get(rest)?.plus(pack.price))
        };
        let best = packs.iter().filter_map(with).min().unwrap_or_default();
        least.push(best);
    }
    least.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(seats: u64, units: u64) -> SoftwarePrice {
        SoftwarePrice {
            name: "x".to_owned(),
            mode: Mode::Vm,
            seats,
            price: Money::of(units),
        }
    }

    #[test]
    fn packs_are_combined_for_the_least_money() {
        let (ten, many, one) = (pack(10, 1250), pack(200, 26_200), pack(1, 130));
        for (packs, seats, units) in [
            (vec![&ten], 0, 0),
            (vec![&ten], 1, 1250),
            (vec![&ten], 10, 1250),
            (vec![&ten], 11, 2500),
            (vec![&ten, &one], 11, 1380),
            (vec![&many], 200, 26_200),
            (vec![&ten, &many], 200, 25_000),
            (vec![&one], 200, 26_000),
        ] {
            assert_eq!(cheapest(seats, &packs), Money::of(units), "{seats}");
        }
    }

    #[test]
    fn saving_is_rounded_towards_nothing() {
        for (total, laptops, saved) in [
            (50, 100, Some(50)),
            (100, 100, Some(0)),
            (300, 100, Some(-200)),
            (1, 0, None),
        ] {
            assert_eq!(saved_percent(Money::of(total), Money::of(laptops)), saved);
        }
    }
}
