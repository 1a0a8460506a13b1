//! The system's bus: what services say of themselves.
//!
//! Only reads. Of the services asked, `timedated` alone is started by the bus if it does not run; it ends by itself.

use std::path::Path;

use gobag_checklists::Obstacle;
use serde::{Deserialize, Serialize};
use zbus::connection::Builder;
use zbus::{Connection, OwnedVariant};

use super::answer;
use crate::capture::Capture;
use crate::limits::BUS_DEADLINE;

/// Where the bus is on every Linux; what the environment says is not asked.
const SOCKET: &str = "/run/dbus/system_bus_socket";
const SYSTEMD: &str = "org.freedesktop.systemd1";

/// What systemd says of some units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::linux) struct Units {
    /// Units in its memory.
    #[serde(default)]
    pub(in crate::linux) loaded: Vec<Unit>,
    /// Unit files on the disk.
    #[serde(default)]
    pub(in crate::linux) files: Vec<UnitFile>,
}

/// A unit in systemd's memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::linux) struct Unit {
    pub(in crate::linux) name: String,
    pub(in crate::linux) load: String,
    pub(in crate::linux) active: String,
    pub(in crate::linux) sub: String,
}

/// A unit's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::linux) struct UnitFile {
    pub(in crate::linux) path: String,
    pub(in crate::linux) state: String,
}

/// Is a service there?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::linux) struct Owner {
    pub(in crate::linux) owned: bool,
}

/// One property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::linux) struct Property<T> {
    pub(in crate::linux) value: T,
}

/// A unit as systemd lists it: name, description, load, active, sub, following, path, job, job's type, job's path.
type Listed = (
    String,
    String,
    String,
    String,
    String,
    String,
    zbus::OwnedObjectPath,
    u32,
    String,
    zbus::OwnedObjectPath,
);

pub(super) fn units(names: &str) -> Capture {
    let names: Vec<String> = names.split(',').map(str::to_owned).collect();
    let none: Vec<String> = Vec::new();
    asked(async |bus: &Connection| {
        let manager = "/org/freedesktop/systemd1";
        let interface = "org.freedesktop.systemd1.Manager";
        let body = (&none, &names);
        let loaded = bus
            .call_method(
                Some(SYSTEMD),
                manager,
                Some(interface),
                "ListUnitsByPatterns",
                &body,
            )
            .await?;
        let loaded: Vec<Listed> = loaded.body().deserialize()?;
        let files = bus
            .call_method(
                Some(SYSTEMD),
                manager,
                Some(interface),
                "ListUnitFilesByPatterns",
                &body,
            )
            .await?;
        let files: Vec<(String, String)> = files.body().deserialize()?;
        let mut units = Units {
            loaded: loaded
                .into_iter()
                .map(|(name, _, load, active, sub, ..)| Unit {
                    name,
                    load,
                    active,
                    sub,
                })
                .collect(),
            files: files
                .into_iter()
                .map(|(path, state)| UnitFile { path, state })
                .collect(),
        };
        units.loaded.sort_by(|one, other| one.name.cmp(&other.name));
        units.files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(answer(&units))
    })
}

pub(super) fn owner(name: &str) -> Capture {
    asked(async |bus: &Connection| {
        let owned: bool = bus
            .call_method(
                Some("org.freedesktop.DBus"),
                "/org/freedesktop/DBus",
                Some("org.freedesktop.DBus"),
                "NameHasOwner",
                &(name,),
            )
            .await?
            .body()
            .deserialize()?;
        Ok(answer(&Owner { owned }))
    })
}

/// Truth values and numbers only; texts could name somebody.
pub(super) fn property(words: &str) -> Capture {
    let parts: Vec<&str> = words.split(' ').collect();
    let [service, path, interface, name] = parts[..] else {
        return Capture::failed(Obstacle::Missing, format!("{words}: not four words"));
    };
    asked(async |bus: &Connection| {
        let reply = bus
            .call_method(
                Some(service),
                path,
                Some("org.freedesktop.DBus.Properties"),
                "Get",
                &(interface, name),
            )
            .await?;
        let value: OwnedVariant = reply.body().deserialize()?;
        if let Ok(value) = bool::try_from(&value) {
            return Ok(answer(&Property { value }));
        }
        match u32::try_from(&value) {
            Ok(value) => Ok(answer(&Property { value })),
            Err(_) => Ok(Capture::failed(
                Obstacle::NotWorking,
                format!("{interface}.{name} is neither a number nor a truth value"),
            )),
        }
    })
}

/// Connects, asks, and hangs up.
fn asked(question: impl AsyncFnOnce(&Connection) -> zbus::Result<Capture>) -> Capture {
    asked_at(Path::new(SOCKET), question)
}

fn asked_at(socket: &Path, question: impl AsyncFnOnce(&Connection) -> zbus::Result<Capture>) -> Capture {
    if let Err(error) = std::fs::metadata(socket) {
        return Capture::failed(
            Obstacle::Missing,
            format!("no system bus: {}: {error}", socket.display()),
        );
    }
    let address = format!("unix:path={}", socket.display());
    let outcome = zruntime::block_on(async {
        let bus = Builder::address(address.as_str())
            .method_timeout(BUS_DEADLINE)
            .build()
            .await?;
        question(&bus).await
    });
    outcome.unwrap_or_else(|error| Capture::failed(obstacle(&error), format!("the system bus: {error}")))
}

fn obstacle(error: &zbus::Error) -> Obstacle {
    use zbus::fdo::Error as Fdo;
    match error {
        zbus::Error::InputOutput(error) if error.kind() == std::io::ErrorKind::TimedOut => Obstacle::TimedOut,
        zbus::Error::InputOutput(error) => crate::read::obstacle(error),
        zbus::Error::FDO(error) => match **error {
            Fdo::ServiceUnknown(_) | Fdo::NameHasNoOwner(_) | Fdo::UnknownObject(_) => Obstacle::Missing,
            Fdo::AccessDenied(_) | Fdo::AuthFailed(_) => Obstacle::NoPermission,
            Fdo::NoReply(_) | Fdo::Timeout(_) | Fdo::TimedOut(_) => Obstacle::TimedOut,
            _ => Obstacle::NotWorking,
        },
        _ => Obstacle::NotWorking,
    }
}

#[cfg(test)]
mod tests;
