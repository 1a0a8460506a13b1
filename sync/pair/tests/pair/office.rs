//! A company's server with a workspace, and its members.

use std::{path::Path, sync::Arc};

use gobag_client::{Client, Options, People};
use gobag_format::crypto::{Key, Random};
use gobag_member::{Membership, ServerStore};
use gobag_pair::{Pair, PairError, RootId};
use gobag_protocol::{
    ids::{BundleId, WorkspaceId, WorkspaceName},
    letter::EnrolmentLetter,
    people::Role,
    workspace_letter::WorkspaceLetter,
    workspaces::MemberRole,
};
use gobag_server::testing::Site;
use gobag_workspace::{Ahead, PageCache, Store, Workspace};

/// The system's: processes of one test draw no name twice.
pub(crate) struct Drawn;

impl Random for Drawn {
    fn fill(&self, out: &mut [u8]) {
        let flags = rustix::rand::GetRandomFlags::empty();
        assert_eq!(rustix::rand::getrandom(&mut *out, flags), Ok(out.len()));
    }
}

/// The server, and the letter of its one workspace.
pub(crate) struct Office {
    pub(crate) site: Site,
    /// Where members find it.
    address: String,
    letter: WorkspaceLetter,
}

impl Office {
    pub(crate) fn new() -> Self {
        Self::behind(Site::address)
    }

    /// One that its members reach by way of another address.
    pub(crate) fn behind(address: impl FnOnce(&Site) -> String) -> Self {
        let site = Site::start_with(crate::postgres::choose);
        let address = address(&site);
        Self::made(site, address)
    }

    /// That of a server that is configured otherwise.
    pub(crate) fn at(site: Site) -> Self {
        let address = site.address();
        Self::made(site, address)
    }

    fn made(site: Site, address: String) -> Self {
        let name = WorkspaceName::parse("sales").unwrap();
        let id = people(&site, Role::Admin).make_workspace(name.clone()).unwrap();
        let letter = WorkspaceLetter::new(id, name, Key::from_bytes([7; 32]));
        Self {
            site,
            address,
            letter,
        }
    }

    /// What a member of this number keeps of itself in `folder`: enrolled and admitted at the first time.
    pub(crate) fn member(&self, folder: &Path, number: u8) -> Membership {
        let mut member = Membership::open(folder).unwrap();
        if member.bundle().is_none() {
            let bundle = BundleId([number; 16]);
            let servers = vec![self.address.clone()];
            let token = self.site.token("acme", bundle);
            let letter = EnrolmentLetter::new(servers, self.site.ca(), token, bundle, u64::MAX);
            member.enrol(&letter, &Drawn).unwrap();
            member.join(&self.letter, &Drawn).unwrap();
            people(&self.site, Role::Operator)
                .admit(self.letter.workspace, bundle, MemberRole::Writer)
                .unwrap();
        }
        member
    }

    pub(crate) fn be(&self, number: u8, role: MemberRole) {
        people(&self.site, Role::Operator)
            .admit(self.letter.workspace, BundleId([number; 16]), role)
            .unwrap();
    }

    /// Somebody of the company, to decide about members.
    pub(crate) fn operator(&self) -> People {
        people(&self.site, Role::Operator)
    }

    /// With a letter whose token is none that counts.
    pub(crate) fn enrol_in_vain(&self, member: &mut Membership) {
        let servers = vec![self.site.address()];
        let bundle = BundleId([77; 16]);
        let token = self.site.token("acme", BundleId([78; 16]));
        let letter = EnrolmentLetter::new(servers, self.site.ca(), token, bundle, u64::MAX);
        assert!(member.enrol(&letter, &Drawn).is_err());
    }

    pub(crate) fn store(&self, member: &mut Membership) -> ServerStore {
        store(member, self.site.clock.now_s())
    }

    /// The workspace as somebody sees it through `store`.
    pub(crate) fn workspace(&self, store: Arc<dyn Store>, cache: Arc<dyn PageCache>) -> Workspace {
        workspace(self.letter.workspace, &self.letter.key, store, cache)
    }

    /// A folder paired with the workspace, by the member of this number, who keeps what it knows beside it.
    pub(crate) fn pair(&self, folder: &Path, number: u8) -> Result<Pair, PairError> {
        let mut member = self.member(&folder.with_extension("member"), number);
        let store = Arc::new(self.store(&mut member));
        self.pair_by(folder, number, Arc::new(Ahead::new(store)))
    }

    pub(crate) fn pair_by(
        &self,
        folder: &Path,
        number: u8,
        store: Arc<dyn Store>,
    ) -> Result<Pair, PairError> {
        Pair::make(
            folder,
            self.workspace(store, gobag_pair::pages(folder)),
            [RootId([number; 16]), RootId([0; 16])],
        )
    }
}

/// The workspace of a member who is one already, in another process than the server's.
pub(crate) fn workspace_of(member: &Path, folder: &Path) -> Workspace {
    let mut member = Membership::open(member).unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    let store = Arc::new(Ahead::new(Arc::new(store(&mut member, now.as_secs()))));
    let joined = member.joined("sales").unwrap();
    workspace(joined.workspace, &joined.key, store, gobag_pair::pages(folder))
}

fn store(member: &mut Membership, now_s: u64) -> ServerStore {
    let client = member.connect(now_s, &Options::default(), &Drawn).unwrap();
    let workspace = member.joined("sales").unwrap().workspace;
    ServerStore::new(client, workspace, Arc::new(Drawn))
}

fn workspace(id: WorkspaceId, key: &Key, store: Arc<dyn Store>, cache: Arc<dyn PageCache>) -> Workspace {
    Workspace::new(gobag_workspace::Options {
        id,
        key,
        store,
        cache,
        name: "sales".to_owned(),
        by: "Ada".to_owned(),
        random: Arc::new(Drawn),
        // Often.
        sweep_after: |needed| needed as u64 / 2,
    })
}

fn people(site: &Site, role: Role) -> People {
    let nobody = Client::new(&site.address(), site.ca(), None, Options::default()).unwrap();
    People::new(nobody, site.person("acme", role).expose())
}
