//! A stick of the desk's that sends its volumes to a real server in this process.

use std::sync::Arc;

use gobag_bundle::{Ambient, Bundle, Secret, Session, SessionOptions, SessionVolume, store::StoreMode};
use gobag_client::{Client, Identity, Options};
use gobag_format::ids::BundleId;
use gobag_protocol::{
    bytes::Sealed,
    enrol::EnrolRequest,
    people::Role,
    points::{Bookmark, BookmarkKind},
};
use gobag_replica::{Company, Pass, Passed, Sender, sender::Progress};
use gobag_server::testing::Site;

use super::*;

/// Whose passphrase the stick has.
const PASSPHRASE: &[u8] = b"anna has a long one";

/// A server, and a desk whose people have tokens for it.
pub(super) struct Fleet {
    pub(super) desk: Desk,
    pub(super) site: Site,
}

impl Fleet {
    /// With one image; `None` where the tools for it are missing.
    pub(super) fn new() -> Option<Self> {
        let desk = Desk::new()?;
        desk.disk("disk.raw", 1);
        desk.answer(&["build", "disk.raw", "--name", "office"]);
        let site = Site::start();
        fs::write(desk.path("ca.pem"), site.ca()).unwrap();
        for role in Role::ALL {
            let token = site.person("acme", role);
            fs::write(desk.path(role.as_str()), format!("{}\n", token.expose())).unwrap();
        }
        Some(Self { desk, site })
    }

    /// Writes a stick for a person, whose passphrase is anna's: in the folder `anna-stick`.
    pub(super) fn stick(&self, user: &str) -> PathBuf {
        let name = format!("{user}-stick");
        let place = self.desk.stick(&name);
        let written = self
            .desk
            .write_sticks(&[&name, "--user", user, "--new-passphrase-file", "anna"]);
        assert_eq!(written.exit, 0, "{}{}", written.stdout, written.stderr);
        place
    }

    /// Asks the server as somebody with a token of this role.
    pub(super) fn ask(&self, role: &str, words: &[&str]) -> Ran {
        let address = self.site.address();
        let server = [
            "--server",
            &address,
            "--ca",
            "ca.pem",
            "--token-file",
            role,
            "--json",
        ];
        self.desk.run(&[words, &server].concat())
    }

    /// The same with IT's passphrase.
    pub(super) fn recover(&self, words: &[&str]) -> Ran {
        let keys = ["--org", "acme", "--passphrase-file", "it", "--quiet"];
        self.ask("operator", &[&["recover"], words, &keys].concat())
    }
}

/// A stick at work, enrolled now.
pub(super) struct AtWork {
    pub(super) bundle: BundleId,
    session: Session,
    sender: Sender<Arc<Company>>,
}

impl AtWork {
    pub(super) fn new(fleet: &Fleet, stick: &Path) -> Self {
        let session = open(stick, true);
        let bundle = session.bundle();
        let key = Arc::new(bundle.ledger().unwrap().signing_key());
        let (address, ca) = (fleet.site.address(), fleet.site.ca());
        let nobody = Client::new(&address, ca, None, Options::default()).unwrap();
        let token = fleet.site.token("acme", bundle.id());
        let request = EnrolRequest::sign(token, bundle.id(), bundle.record().org, &key);
        let identity = Identity {
            certificate: nobody.enrol(&request).unwrap().certificate,
            key,
        };
        let client = Client::new(&address, ca, Some(&identity), Options::default()).unwrap();
        Self {
            bundle: bundle.id(),
            sender: Sender::new(session.replica().unwrap(), Arc::new(Company::new(client))),
            session,
        }
    }

    /// Writes to the home volume and sends everything, under this name if there is one. Returns the home volume as it is then.
    pub(super) fn work(&mut self, fill: u8, name: Option<&str>) -> Vec<u8> {
        let home = home(&self.session);
        home.volume.write_at(3 << 20, &vec![fill; 300_000]).unwrap();
        home.volume.flush().unwrap();
        let bookmarks = name.map(|name| Bookmark {
            kind: BookmarkKind::User,
            label: Sealed::new(self.sender.label(name)).unwrap(),
        });
        let pass = Pass {
            most_bytes: u64::MAX,
            bookmarks: bookmarks.into_iter().collect(),
        };
        let passed = self.sender.pass(&pass, &Progress::default()).unwrap();
        assert!(
            matches!(passed, Passed::Point { complete: true, .. }),
            "{passed:?}"
        );
        content(&self.session)
    }
}

pub(super) fn open(stick: &Path, writable: bool) -> Session {
    let bundle = Bundle::open(
        stick,
        &Secret::Passphrase(PASSPHRASE),
        writable,
        Ambient::system(),
    )
    .unwrap();
    let options = SessionOptions {
        mode: match writable {
            true => StoreMode::Keep,
            false => StoreMode::ReadOnly,
        },
        ..SessionOptions::default()
    };
    Session::open(Arc::new(bundle), &options).unwrap()
}

fn home(session: &Session) -> &SessionVolume {
    session
        .volumes()
        .iter()
        .find(|volume| volume.name == "home")
        .unwrap()
}

/// All of the home volume.
pub(super) fn content(session: &Session) -> Vec<u8> {
    let home = home(session);
    let mut content = vec![0; home.volume.size_bytes() as usize];
    home.volume.read_at(0, &mut content).unwrap();
    content
}
