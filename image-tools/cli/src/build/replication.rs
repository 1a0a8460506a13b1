//! What the image's policy says of replication: refused here, where a mistake can still be mended, for sticks go on without it.

use gobag_replica::allowance::{REPLICATION, ReplicationPolicy};
use gobag_term::CliError;
use serde_json::Value;

use super::refused;

/// Whether everything that the policy says of replication would be followed.
pub(super) fn check(policy: &Value) -> Result<(), CliError> {
    let unusable = |reason: &str| refused(&format!("the policy's `{REPLICATION}` cannot be used: {reason}"));
    if policy.get(REPLICATION).is_some_and(|stated| !stated.is_object()) {
        return Err(unusable("it is not a JSON object"));
    }
    ReplicationPolicy::of_policy(policy).map_err(|error| unusable(&error.reason))?;
    match ReplicationPolicy::unknown(policy) {
        Some(word) => Err(unusable(&format!("nobody would follow `{word}`"))),
        None => Ok(()),
    }
}
