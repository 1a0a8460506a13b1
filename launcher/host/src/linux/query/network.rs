//! Is there a way out? Answered without names, addresses, or a single packet.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::answer;
use crate::capture::Capture;
use crate::read;

/// What the kernel knows of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::linux) struct Network {
    /// A route for everything that is nowhere else.
    pub(in crate::linux) default_route: bool,
    /// Links that are up, loopback not counted.
    pub(in crate::linux) links_up: usize,
}

pub(super) fn look() -> Capture {
    let four = read::text(Path::new("/proc/net/route"));
    let six = read::text(Path::new("/proc/net/ipv6_route")).unwrap_or_default();
    let four = match four {
        Ok(four) => four,
        Err(reason) => return Capture::failed(gobag_checklists::Obstacle::NotWorking, reason),
    };
    answer(&Network {
        default_route: routes_out(&four, &six),
        links_up: links_up(),
    })
}

/// Destination and mask are zero, and it is not the kernel's own refusal (through `lo`).
fn routes_out(four: &str, six: &str) -> bool {
    let by_four = four.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.len() > 7 && fields[1] == "00000000" && fields[7] == "00000000"
    });
    let by_six = six.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.len() == 10
            && fields[0].bytes().all(|digit| digit == b'0')
            && fields[1] == "00"
            && fields[9] != "lo"
    });
    by_four || by_six
}

fn links_up() -> usize {
    let Ok(links) = std::fs::read_dir("/sys/class/net") else {
        return 0;
    };
    let names = links.filter_map(|link| Some(link.ok()?.file_name().to_string_lossy().into_owned()));
    names
        .filter(|name| name != "lo")
        .filter(|name| {
            let state = read::text(Path::new(&format!("/sys/class/net/{name}/operstate")));
            // Some virtual cards never say; their routes do.
            state.is_ok_and(|state| ["up", "unknown"].contains(&state.trim()))
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_out_is_one_for_everything() {
        let head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
        let out = "eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
        let near = "eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
        let zero = "0".repeat(32);
        let six = format!("{zero} 00 {zero} 00 fe80 00000400 00000001 00000000 00450003 eth0\n");
        let refusal = format!("{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo\n");
        for (four, six, expected) in [
            (format!("{head}{out}"), String::new(), true),
            (format!("{head}{near}"), String::new(), false),
            (format!("{head}{near}"), six, true),
            (head.to_owned(), refusal, false),
            (String::new(), String::new(), false),
            ("garbage".to_owned(), "more of it\n".to_owned(), false),
        ] {
            assert_eq!(routes_out(&four, &six), expected, "{four}{six}");
        }
    }
}
