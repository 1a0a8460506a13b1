//! Where it is kept what passes came to: in the base's database. A base that is lost leaves it to the next.

use gobag_reconcile::{Lately, Notice, Operation, Plan, RelPath, Side};
use rusqlite::{Row, params};

use crate::{Agreement, Conflict, Outcome, PairError, Past, base::Base, names::LEFT_KEEPS, steady};

/// Passes that are remembered; those that somebody agreed to stay beside them.
const PASSES: i64 = 500;

/// Seconds for which what was taken away counts.
const LATELY_S: i64 = 60 * 60;

const RIGHT: &str = "right-path";
const IN_STEP: &str = "in-step";
const AGREED: &str = "agreed";
/// Before the names of what somebody said for all passes.
const SAID: &str = "said:";
/// There where what was said could not be read.
const SAID_LOST: &str = "said:lost";

impl Base {
    /// Writes down conflict copies that are about to be made; one that is not made is on no list.
    pub(crate) fn note_conflicts(&mut self, notices: &[Notice], run: &str) -> Result<(), PairError> {
        let made = notices.iter().filter_map(|notice| match notice {
            Notice::Conflict { path, copy, whose } => Some(Conflict {
                path: path.clone(),
                copy: copy.clone(),
                run: run.to_owned(),
                whose: Some(*whose),
            }),
            _ => None,
        });
        self.list_conflicts(&made.collect::<Vec<_>>())
    }

    fn list_conflicts(&mut self, conflicts: &[Conflict]) -> Result<(), PairError> {
        let sql = "INSERT OR REPLACE INTO conflicts (copy, path, run, whose) VALUES (?1, ?2, ?3, ?4)";
        self.at_once(|connection| {
            for Conflict {
                path,
                copy,
                run,
                whose,
            } in conflicts
            {
                let whose = whose.map(|side| side.to_string());
                connection.execute(sql, params![copy.as_bytes(), path.as_bytes(), run, whose])?;
            }
            Ok(())
        })
    }

    /// Those that were written down, in the order of their paths.
    pub(crate) fn conflicts(&self) -> Result<Vec<Conflict>, PairError> {
        let rows = self.ask(|connection| {
            let mut statement =
                connection.prepare("SELECT path, copy, run, whose FROM conflicts ORDER BY path, copy")?;
            let row = |row: &Row<'_>| {
                Ok((
                    row.get::<_, Vec<u8>>(0)?,
                    row.get::<_, Vec<u8>>(1)?,
                    row.get::<_, String>(2)?,
                    row.get::<_, Option<String>>(3)?,
                ))
            };
            statement
                .query_map([], row)?
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let conflict = |(path, copy, run, whose): (Vec<u8>, Vec<u8>, String, Option<String>)| {
            Some(Conflict {
                path: RelPath::new(&path).ok()?,
                copy: RelPath::new(&copy).ok()?,
                run,
                whose: whose.as_deref().and_then(side),
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

    /// Writes down what is about to be taken away or replaced, and when. What comes where something was taken away was replaced.
    pub(crate) fn note_lately(&mut self, plan: &Plan, at_s: i64) -> Result<(), PairError> {
        let sql = "INSERT OR REPLACE INTO lately (side, path, removed, at_s) VALUES (?1, ?2, ?3, ?4)";
        self.at_once(|connection| {
            let mut insert = connection.prepare(sql)?;
            let mut again = connection.prepare(
                "UPDATE lately SET removed = NULL WHERE side IN ('left', 'right', 'stick', 'company') AND path = ?1",
            )?;
            for operation in &plan.operations {
                match operation {
                    Operation::Remove { on, path, item } => {
                        let bytes = i64::try_from(item.len()).unwrap_or(i64::MAX);
                        insert.execute(params![on.to_string(), path.as_bytes(), Some(bytes), at_s])?;
                    }
                    Operation::Put {
                        to,
                        path,
                        expect: Some(_),
                        ..
                    } => {
                        let none: Option<i64> = None;
                        insert.execute(params![to.to_string(), path.as_bytes(), none, at_s])?;
                    }
                    Operation::Put { path, .. } => drop(again.execute([path.as_bytes()])?),
                    _ => {}
                }
            }
            Ok(())
        })
    }

    /// What passes took away or replaced lately that nobody agreed to.
    pub(crate) fn lately(&self) -> Result<Lately, PairError> {
        let mut lately = Lately::default();
        self.ask(|connection| {
            let mut statement = connection.prepare("SELECT side, path, removed FROM lately")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (side, path) = (side(&row.get::<_, String>(0)?), row.get::<_, Vec<u8>>(1)?);
                let (Some(side), Ok(path)) = (side, RelPath::new(&path)) else {
                    continue;
                };
                match row.get::<_, Option<i64>>(2)? {
                    Some(bytes) => {
                        let bytes = u64::try_from(bytes).unwrap_or(0);
                        lately.removed.insert((side, path), bytes);
                    }
                    None => drop(lately.replaced.insert((side, path))),
                }
            }
            Ok(())
        })?;
        Ok(lately)
    }

    /// Forgets what is longer ago than an hour, by whatever clock; without a time, all.
    pub(crate) fn forget_lately(&self, now_s: Option<i64>) -> Result<(), PairError> {
        let sql = "DELETE FROM lately WHERE ?1 IS NULL OR abs(at_s - ?1) > ?2";
        self.ask(|connection| connection.execute(sql, params![now_s, LATELY_S]))
            .map(drop)
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
        self.told(
            "SELECT told FROM history ORDER BY number DESC LIMIT ?1",
            most as i64,
        )
    }

    /// Those that somebody agreed to.
    pub(crate) fn let_through(&self) -> Result<Vec<Past>, PairError> {
        self.told(
            "SELECT told FROM history WHERE agreed ORDER BY number DESC LIMIT ?1",
            -1,
        )
    }

    fn told(&self, sql: &str, most: i64) -> Result<Vec<Past>, PairError> {
        let told = self.ask(|connection| {
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([most], |row| row.get::<_, String>(0))?;
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

    /// What somebody said for all passes from then on, by what it is called; `all` where something was said that cannot be read any more.
    pub(crate) fn said(&self, name: &str) -> Result<Option<String>, PairError> {
        let said = self.setting(&format!("{SAID}{name}"))?;
        match said {
            Some(said) => Ok(Some(said)),
            None => Ok(self.setting::<String>(SAID_LOST)?.map(|_| "all".to_owned())),
        }
    }

    /// All of that; none: it cannot be read.
    fn all_said(&self) -> Option<Vec<(String, String)>> {
        let sql = "SELECT name, value FROM settings WHERE name LIKE ?1";
        let said = self.ask(|connection| {
            let mut statement = connection.prepare(sql)?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
            statement
                .query_map([format!("{SAID}%")], row)?
                .collect::<rusqlite::Result<Vec<_>>>()
        });
        said.ok()
    }

    /// What somebody said of another base counts here; none: it cannot be opened.
    pub(crate) fn say_again(&self, other: Option<&Self>) -> Result<(), PairError> {
        match other.and_then(Self::all_said) {
            Some(said) => said.iter().try_for_each(|(name, text)| self.set(name, text))?,
            None => self.set(SAID_LOST, "")?,
        }
        match other.and_then(|other| other.setting::<i64>(LEFT_KEEPS).ok().flatten()) {
            Some(keeps) => self.set(LEFT_KEEPS, keeps),
            None => Ok(()),
        }
    }

    pub(crate) fn say(&self, name: &str, text: &str) -> Result<(), PairError> {
        self.set(&format!("{SAID}{name}"), text)
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
        // It has no more than those, and what somebody agreed to.
        for past in other.past(usize::MAX >> 1).unwrap_or_default().into_iter().rev() {
            self.remember(past)?;
        }
        self.list_conflicts(&other.conflicts().unwrap_or_default())?;
        for name in [IN_STEP, steady::SEEN, steady::SINCE, steady::PRUNED] {
            if let Ok(Some(value)) = other.setting::<i64>(name) {
                self.set(name, value)?;
            }
        }
        self.say_again(Some(other))?;
        match other.right_place() {
            Ok(Some(path)) => self.set(RIGHT, path),
            _ => Ok(()),
        }
    }
}

fn side(name: &str) -> Option<Side> {
    // As it was written before.
    let name = match name {
        "stick" => "left",
        "company" => "right",
        name => name,
    };
    let mut sides = [Side::Left, Side::Right].into_iter();
    sides.find(|side| side.to_string() == name)
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
        assert_eq!(base.let_through().unwrap().len(), 1);
        let mut next = Base::open(&folder.path().join("next")).unwrap();
        next.take_over(&base).unwrap();
        assert_eq!(next.past(usize::MAX >> 1).unwrap(), past);
        // What a later version wrote otherwise is left out, and not in the way.
        let later = "INSERT INTO history (agreed, told) VALUES (0, 'otherwise'), (0, '{\"outcome\":\"better\",\"new\":1}')";
        base.ask(|connection| connection.execute(later, [])).unwrap();
        assert_eq!(base.past(1).unwrap()[0].outcome, Outcome::Unknown);
        assert_eq!(base.past(2).unwrap().len(), 1);
        assert_eq!(base.in_step_s().unwrap(), None);
    }
}
