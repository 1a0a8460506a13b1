//! Where it is kept what passes came to: in the base's database. A base that is lost leaves it to the next.

use gobag_reconcile::{Notice, RelPath};
use rusqlite::{Row, params};

use crate::{Agreement, Conflict, Outcome, PairError, Past, base::Base, steady};

/// Passes that are remembered; those that somebody agreed to stay beside them.
const PASSES: i64 = 500;

const RIGHT: &str = "right-path";
const IN_STEP: &str = "in-step";
const AGREED: &str = "agreed";

impl Base {
    /// Writes down conflict copies that are about to be made; one that is not made is on no list.
    pub(crate) fn note_conflicts(&mut self, notices: &[Notice], run: &str) -> Result<(), PairError> {
        let sql = "INSERT OR REPLACE INTO conflicts (copy, path, run) VALUES (?1, ?2, ?3)";
        self.at_once(|connection| {
            for notice in notices {
                if let Notice::Conflict { path, copy } = notice {
                    connection.execute(sql, params![copy.as_bytes(), path.as_bytes(), run])?;
                }
            }
            Ok(())
        })
    }

    /// Those that were written down, in the order of their paths.
    pub(crate) fn conflicts(&self) -> Result<Vec<Conflict>, PairError> {
        let rows = self.ask(|connection| {
            let mut statement =
                connection.prepare("SELECT path, copy, run FROM conflicts ORDER BY path, copy")?;
            let row = |row: &Row<'_>| {
                Ok((
                    row.get::<_, Vec<u8>>(0)?,
                    row.get::<_, Vec<u8>>(1)?,
                    row.get::<_, String>(2)?,
                ))
            };
            statement
                .query_map([], row)?
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let conflict = |(path, copy, run): (Vec<u8>, Vec<u8>, String)| {
            Some(Conflict {
                path: RelPath::new(&path).ok()?,
                copy: RelPath::new(&copy).ok()?,
                run,
            })
        };
        Ok(rows.into_iter().filter_map(conflict).collect())
    }

    pub(crate) fn forget_conflicts(&mut self, copies: &[RelPath]) -> Result<(), PairError> {
        if copies.is_empty() {
            return Ok(());
        }
        self.at_once(|connection| {
            for copy in copies {
                connection.execute("DELETE FROM conflicts WHERE copy = ?1", [copy.as_bytes()])?;
            }
            Ok(())
        })
    }

    pub(crate) fn remember(&mut self, past: Past) -> Result<(), PairError> {
        let last = self.past(1)?.pop();
        let (past, again) = match last {
            Some(last) if past.repeats(&last) => (
                Past {
                    since_s: last.since_s,
                    times: last.times + 1,
                    ..past
                },
                true,
            ),
            _ => (past, false),
        };
        let agreed = past.agreed.is_some();
        let in_step_s = (past.outcome == Outcome::InStep).then_some(past.ended_s);
        let told = serde_json::to_string(&past).unwrap_or_default();
        self.at_once(|connection| {
            if again {
                connection.execute(
                    "DELETE FROM history WHERE number = (SELECT MAX(number) FROM history)",
                    [],
                )?;
            }
            connection.execute(
                "INSERT INTO history (agreed, told) VALUES (?1, ?2)",
                params![agreed, told],
            )?;
            if let Some(at_s) = in_step_s {
                let sql = "INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)";
                connection.execute(sql, params![IN_STEP, at_s])?;
            }
            let sql =
                "DELETE FROM history WHERE NOT agreed AND number <= (SELECT MAX(number) FROM history) - ?1";
            connection.execute(sql, [PASSES]).map(drop)
        })
    }

    /// The newest passes, the newest first. One that a later version of this program wrote otherwise is left out.
    pub(crate) fn past(&self, most: usize) -> Result<Vec<Past>, PairError> {
        let told = self.ask(|connection| {
            let mut statement =
                connection.prepare("SELECT told FROM history ORDER BY number DESC LIMIT ?1")?;
            let rows = statement.query_map([most as i64], |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        Ok(told
            .iter()
            .filter_map(|told| serde_json::from_str(told).ok())
            .collect())
    }

    pub(crate) fn in_step_s(&self) -> Result<Option<i64>, PairError> {
        self.setting(IN_STEP)
    }

    pub(crate) fn set_right_place(&self, place: &[u8]) -> Result<(), PairError> {
        match self.right_place()? {
            Some(known) if known == place => Ok(()),
            _ => self.set(RIGHT, place),
        }
    }

    /// Where the right side was last: a path, or `workspace:` and a name.
    pub(crate) fn right_place(&self) -> Result<Option<Vec<u8>>, PairError> {
        self.setting(RIGHT)
    }

    pub(crate) fn agreement(&self) -> Result<Option<Agreement>, PairError> {
        let text: Option<String> = self.setting(AGREED)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    pub(crate) fn agree(&self, agreement: &Agreement) -> Result<(), PairError> {
        self.set(AGREED, serde_json::to_string(agreement).unwrap_or_default())
    }

    pub(crate) fn take_agreement(&self) -> Result<Option<Agreement>, PairError> {
        let agreement = self.agreement()?;
        self.unset(AGREED)?;
        Ok(agreement)
    }

    /// What another base remembered, as far as it can be read. No agreement: it was to something else.
    pub(crate) fn take_over(&mut self, other: &Self) -> Result<(), PairError> {
        for past in other.past(PASSES as usize).unwrap_or_default().into_iter().rev() {
            self.remember(past)?;
        }
        for Conflict { path, copy, run } in other.conflicts().unwrap_or_default() {
            self.note_conflicts(&[Notice::Conflict { path, copy }], &run)?;
        }
        for name in [IN_STEP, steady::SINCE, steady::PRUNED] {
            if let Ok(Some(value)) = other.setting::<i64>(name) {
                self.set(name, value)?;
            }
        }
        match other.right_place() {
            Ok(Some(path)) => self.set(RIGHT, path),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Counts;

    #[test]
    fn so_many_are_remembered_and_those_that_somebody_agreed_to() {
        let folder = tempfile::tempdir().unwrap();
        let mut base = Base::open(&folder.path().join("db")).unwrap();
        base.ask(|connection| connection.execute_batch("PRAGMA synchronous = OFF"))
            .unwrap();
        let pass = |put, agreed| Past {
            ended_s: put as i64,
            left: Counts {
                put,
                ..Counts::default()
            },
            agreed,
            ..Past::default()
        };
        base.remember(pass(1, Some(Agreement::default()))).unwrap();
        for put in 2..=PASSES as u64 + 10 {
            base.remember(pass(put, None)).unwrap();
        }
        let past = base.past(usize::MAX >> 1).unwrap();
        let puts: Vec<u64> = past.iter().map(|past| past.left.put).collect();
        let newest = (11..=PASSES as u64 + 10).rev();
        assert_eq!(puts, newest.chain([1]).collect::<Vec<_>>());
        assert!(past[PASSES as usize].agreed.is_some());
        // What a later version wrote otherwise is left out, and not in the way.
        let later = "INSERT INTO history (agreed, told) VALUES (0, 'otherwise'), (0, '{\"outcome\":\"better\",\"new\":1}')";
        base.ask(|connection| connection.execute(later, [])).unwrap();
        assert_eq!(base.past(1).unwrap()[0].outcome, Outcome::Unknown);
        assert_eq!(base.past(2).unwrap().len(), 1);
        assert_eq!(base.in_step_s().unwrap(), None);
    }
}
