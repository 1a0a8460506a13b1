//! Whose file keeps its name where both changed it: the right side's, or the left one's where somebody said so when they paired them, as beside a company's share.

use gobag_reconcile::{ConflictNames, Side};

use crate::{Options, Pair, PairError, base::Base};

/// There, and not 0: the left side's files keep their names.
pub(crate) const LEFT_KEEPS: &str = "left-keeps-names";
/// By what name the right side of a conflict goes.
const OTHER: &str = "other";

impl Pair {
    /// From now on this side's files keep their names where both changed them, with each pass.
    pub fn keep_names_of(&self, side: Side) -> Result<(), PairError> {
        self.base.set(LEFT_KEEPS, i64::from(side == Side::Left))
    }
}

/// The names for what gives way in this pass.
pub(crate) fn of(base: &Base, options: &Options) -> Result<ConflictNames, PairError> {
    Ok(match base.setting::<i64>(LEFT_KEEPS)?.unwrap_or(0) {
        0 => ConflictNames::new(&options.label, &options.run),
        _ => ConflictNames::new(OTHER, &options.run).given_way_by(Side::Right),
    })
}
