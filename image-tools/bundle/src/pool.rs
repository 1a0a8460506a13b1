//! Things that are costly to make and used for moments, such as compression contexts: there are never more of them
//! than were in use at once, however many threads come and go.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Items that are not in use at the moment.
#[derive(Default)]
pub(crate) struct Pool<T>(Mutex<Vec<T>>);

impl<T: Default> Pool<T> {
    /// Does `work` with an item of its own.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut item = self.lock().pop().unwrap_or_default();
        let result = work(&mut item);
        self.lock().push(item);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_used_by_one_at_a_time_and_used_again() {
        let pool = Pool::<u32>::default();
        pool.with(|first| {
            *first = 1;
            pool.with(|second| assert_eq!(*second, 0));
        });
        assert_eq!(*pool.lock(), [0, 1]);
    }
}
