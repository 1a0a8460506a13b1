//! Requirements, host facts and findings.
