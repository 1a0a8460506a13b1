//! Why a file of questions, answers or prices was refused: which file, which line, what is wrong.

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanFileError {
    /// Longer than any honest file.
    #[error("{file} is longer than {limit} bytes")]
    TooLong {
        /// The file.
        file: String,
        /// What it may have.
        limit: usize,
    },
    /// Not TOML.
    #[error("{file}, line {line}: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// Where.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// Written for a later version of this program.
    #[error("{file} has format {found}, and this program knows format {supported}")]
    Newer {
        /// The file.
        file: String,
        /// The format it states.
        found: u64,
        /// The format that is known.
        supported: u64,
    },
    /// Something that must be there is not.
    #[error("{file}, line {line}: `{field}` is missing")]
    Missing {
        /// The file.
        file: String,
        /// Where it belongs.
        line: usize,
        /// What.
        field: String,
    },
    /// A value is of another kind, or out of bounds.
    #[error("{file}, line {line}: `{field}` must be {expected}")]
    Wrong {
        /// The file.
        file: String,
        /// Where.
        line: usize,
        /// Of what.
        field: String,
        /// What would be right.
        expected: String,
    },
    /// A field that means nothing here: probably mistyped.
    #[error("{file}, line {line}: nothing is called `{field}` here")]
    Unknown {
        /// The file.
        file: String,
        /// Where.
        line: usize,
        /// Its name.
        field: String,
    },
    /// The same question or option twice, or too many of them.
    #[error("{file}, line {line}: {what}")]
    Repeated {
        /// The file.
        file: String,
        /// Where.
        line: usize,
        /// What is too much.
        what: String,
    },
    /// A condition that can never be judged.
    #[error("{file}, line {line}: `{id}` depends on `{other}`, {why}")]
    Condition {
        /// The file.
        file: String,
        /// Where.
        line: usize,
        /// The question.
        id: String,
        /// What it depends on.
        other: String,
        /// Why that does not work.
        why: &'static str,
    },
    /// A question the planner draws conclusions from was changed so that it cannot.
    #[error("{file}, line {line}: the planner draws conclusions from `{id}`, which must be {expected}")]
    Contract {
        /// The file.
        file: String,
        /// Where.
        line: usize,
        /// The question.
        id: String,
        /// What it must be.
        expected: String,
    },
}

impl PlanFileError {
    /// Stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "plan.file-too-long",
            Self::Syntax { .. } => "plan.syntax",
            Self::Newer { .. } => "plan.newer-format",
            Self::Missing { .. } => "plan.missing",
            Self::Wrong { .. } => "plan.wrong-value",
            Self::Unknown { .. } => "plan.unknown-field",
            Self::Repeated { .. } => "plan.repeated",
            Self::Condition { .. } => "plan.condition",
            Self::Contract { .. } => "plan.contract",
        }
    }
}
