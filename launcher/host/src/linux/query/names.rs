//! Names of persons and of this computer, so that a recording can leave them out.

use crate::capture::Capture;

/// Accounts of people begin here, on every distribution of this century; `nobody` and its kin are above.
const PEOPLE: std::ops::Range<u32> = 1000..60_000;
/// Systems' names for themselves, which say nothing about anybody.
const NO_NAMES: [&str; 4] = ["localhost", "debian", "ubuntu", "fedora"];

pub(super) fn all() -> Capture {
    let read = |path: &str| crate::read::text(std::path::Path::new(path)).unwrap_or_default();
    Capture::of(listed(&read("/etc/passwd"), &read("/proc/sys/kernel/hostname")))
}

fn listed(passwd: &str, host_name: &str) -> String {
    let mut text = String::new();
    for line in passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, number, _, person, home, ..] = fields[..] else {
            continue;
        };
        if !number.parse().is_ok_and(|number: u32| PEOPLE.contains(&number)) {
            continue;
        }
        // `Anna Muster,Room 7,…`: each of it is somebody's.
        let of_person = person.split([',', ' ']).filter(|word| word.len() > 2);
        let folder = home.rsplit('/').next().filter(|folder| !folder.is_empty());
        for word in [name].into_iter().chain(of_person).chain(folder) {
            text.push_str(&format!("user {word}\n"));
        }
    }
    let host_name = host_name.trim();
    let short = host_name.split('.').next().unwrap_or_default();
    for name in [host_name, short] {
        if !name.is_empty() && !NO_NAMES.contains(&name) {
            text.push_str(&format!("computer {name}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_listed_and_services_are_not() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nclamav:x:110:110::/var/lib/clamav:/bin/false\n\
                      anna:x:1000:1000:Anna Muster,Room 7,,:/home/anna:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n\
                      broken\n";
        assert_eq!(
            listed(passwd, "pc7.example.com\n"),
            "user anna\nuser Anna\nuser Muster\nuser Room\nuser anna\ncomputer pc7.example.com\ncomputer pc7\n"
        );
        assert_eq!(listed("", "localhost\n"), "");
    }
}
