//! Cutting a row of things into groups where the things themselves say, so that a change moves no cut but those beside it.

use crate::limits;

/// How a row is cut.
pub(crate) struct Cut<'a, T> {
    /// Things in a group at most.
    pub(crate) most: usize,
    /// Whether a group ends after this one.
    pub(crate) is_end: &'a dyn Fn(&T) -> bool,
    /// Bytes that it takes, about; a group ends where it has [`limits::PAGE_BYTES`].
    pub(crate) weight: &'a dyn Fn(&T) -> usize,
}

impl<T> Cut<'_, T> {
    /// The groups, and whether each ends by itself, and not because there is no more. Each has two at least where there are two, so that there is less
    /// above than below.
    pub(crate) fn groups<'b>(&self, all: &'b [T]) -> Vec<(&'b [T], bool)> {
        let mut groups = Vec::new();
        let (mut start, mut bytes) = (0, 0);
        for (at, one) in all.iter().enumerate() {
            let count = at + 1 - start;
            bytes += (self.weight)(one);
            if (count >= 2 && ((self.is_end)(one) || bytes >= limits::PAGE_BYTES)) || count >= self.most {
                groups.push((&all[start..=at], true));
                (start, bytes) = (at + 1, 0);
            }
        }
        if start < all.len() {
            groups.push((&all[start..], false));
        }
        groups
    }
}
