//! The data files this program carries, also for whoever wants to change them.

/// File name and text of every question set.
pub const QUESTIONS: [(&str, &str); 3] = [
    ("business.toml", include_str!("../../questions/business.toml")),
    ("technical.toml", include_str!("../../questions/technical.toml")),
    ("risks.toml", include_str!("../../questions/risks.toml")),
];
/// The prices taken when nobody names any.
pub const PRICES: (&str, &str) = ("prices.toml", include_str!("../../prices.toml"));
/// The prices of the paper of 2008.
pub const PRICES_2008: (&str, &str) = ("prices-2008.toml", include_str!("../../prices-2008.toml"));
