//! Programs running by which somebody elsewhere can see or control this screen.
//!
//! By the names of processes, so a person can hide one by another name; that is no protection against the computer's owner,
//! but finds what was forgotten. `sshd` does not count: who comes that way gets a session of their own, not this screen.

use gobag_checklists::{Fact, Forger};

use super::query::Processes;
use crate::probe::Scene;

/// Names of processes and of what they belong to.
const KNOWN: [(&str, &str); 26] = [
    ("teamviewerd", "TeamViewer"),
    ("TeamViewer", "TeamViewer"),
    ("TeamViewer_Desktop", "TeamViewer"),
    ("anydesk", "AnyDesk"),
    ("rustdesk", "RustDesk"),
    ("xrdp", "xrdp"),
    ("xrdp-sesman", "xrdp"),
    ("x11vnc", "x11vnc"),
    ("vino-server", "Vino"),
    ("gnome-remote-desktop-daemon", "GNOME Remote Desktop"),
    ("krfb", "Krfb"),
    ("krdpserver", "KRdp"),
    ("wayvnc", "wayvnc"),
    ("x0vncserver", "TigerVNC"),
    ("Xvnc", "VNC"),
    ("Xtightvnc", "TightVNC"),
    ("vncserver-x11-core", "RealVNC"),
    ("vncserver-x11", "RealVNC"),
    ("nxserver.bin", "NoMachine"),
    ("nxd", "NoMachine"),
    ("chrome-remote-desktop-host", "Chrome Remote Desktop"),
    ("dwagsvc", "DWService"),
    ("sunshine", "Sunshine"),
    ("SRServer", "Splashtop"),
    ("remotepcd", "RemotePC"),
    ("meshagent", "MeshCentral"),
];

pub(super) fn probe(scene: &Scene) -> Fact<Vec<String>> {
    let names: Vec<&str> = KNOWN.iter().map(|(process, _)| *process).collect();
    let processes: Processes = match scene.host.query(&format!("processes {}", names.join(","))).json() {
        Ok(processes) => processes,
        Err(reason) => return Fact::unknown(reason),
    };
    let mut found: Vec<String> = KNOWN
        .iter()
        .filter(|(name, _)| processes.found.iter().any(|process| process.name == *name))
        .map(|(_, product)| (*product).to_owned())
        .collect();
    found.dedup();
    // What is seen is there; what is not seen may be hidden.
    if found.is_empty() && !processes.others_visible {
        return Fact::unknown("this user cannot see others' processes");
    }
    scene.known(found, "names of processes in /proc", Forger::User)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::testing::{Bare, bare};

    fn with(visible: bool, names: &[&str]) -> Bare {
        let known: Vec<&str> = KNOWN.iter().map(|(process, _)| *process).collect();
        let found: Vec<String> = names
            .iter()
            .map(|name| format!("{{\"name\":\"{name}\",\"owner\":0}}"))
            .collect();
        let answer = format!("{{\"others_visible\":{visible},\"found\":[{}]}}", found.join(","));
        bare().json(&format!("query processes {}", known.join(",")), &answer)
    }

    #[test]
    fn products_are_named_once_and_hidden_processes_are_unknown() {
        let found = |bare: Bare| probe(&bare.scene()).value().cloned();
        assert_eq!(found(with(true, &[])), Some(Vec::new()));
        assert_eq!(
            found(with(true, &["teamviewerd", "TeamViewer", "xrdp"])),
            Some(vec!["TeamViewer".to_owned(), "xrdp".to_owned()])
        );
        assert_eq!(found(with(false, &["anydesk"])), Some(vec!["AnyDesk".to_owned()]));
        assert_eq!(found(with(false, &[])), None);
        assert_eq!(found(bare()), None);
    }
}
