//! Who runs this program.

/// `ada (user 1000)`, or only the number where it has no name on this computer.
pub fn who() -> String {
    let uid = rustix::process::getuid().as_raw();
    match whose() {
        Some(name) => format!("{name} (user {uid})"),
        None => format!("user {uid}"),
    }
}

/// `ada on desk`.
pub(crate) fn label() -> String {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    match whose() {
        Some(name) => format!("{name} on {host}"),
        None => host.into_owned(),
    }
}

fn whose() -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(&users, rustix::process::getuid().as_raw()).map(str::to_owned)
}

fn name_of(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_a_name_or_none() {
        let users = "root:x:0:0::/root:/bin/sh\nbroken\nada:x:1000:1000:Ada:/home/ada:/bin/sh\n";
        assert_eq!(name_of(users, 1000), Some("ada"));
        assert_eq!(name_of(users, 0), Some("root"));
        assert_eq!(name_of(users, 5), None);
    }
}
