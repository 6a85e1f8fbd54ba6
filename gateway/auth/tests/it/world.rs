//! A database, a folder of keys, a clock that stands still, and organizations.

use chrono::{DateTime, Utc};
use netpatch_auth::{Auth, Organization, OrganizationKind, Settings, Site, SiteCreate};
use netpatch_storage::{KeyFolder, TenantTx};
use netpatch_testkit::{ManualClock, TestDatabase};
use netpatch_types::*;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) auth: Auth,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) test: TestDatabase,
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let test = TestDatabase::new(&[netpatch_auth::migrations()]).await;
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::shared();
        let auth = Auth::new(
            test.database().clone(),
            KeyFolder::open(folder.path().join("keys")).unwrap(),
            clock.clone(),
            Settings::default(),
        );
        Self {
            auth,
            clock,
            test,
            folder,
        }
    }

    /// As after a restart of the process.
    pub(crate) fn restarted(&self) -> Auth {
        Auth::new(
            self.test.database().clone(),
            KeyFolder::open(self.folder.path().join("keys")).unwrap(),
            self.clock.clone(),
            Settings::default(),
        )
    }

    pub(crate) fn key_file(&self, name: &str) -> PathBuf {
        self.folder.path().join("keys").join(name)
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) async fn organization(&self, name: &str, kind: OrganizationKind) -> Organization {
        let nowhere = OrganizationId::new(self.now());
        let ctx = RequestContext::system(nowhere, "test", self.now());
        self.auth
            .organization_create(&ctx, name, kind, None)
            .await
            .unwrap()
    }

    pub(crate) async fn customer(&self) -> OrganizationId {
        self.organization("Acme", OrganizationKind::Customer)
            .await
            .id
    }

    pub(crate) async fn partner(&self) -> OrganizationId {
        self.organization("Helpful MSP", OrganizationKind::Partner)
            .await
            .id
    }

    /// A person of the organization with every right in it.
    pub(crate) fn person(&self, organization: OrganizationId) -> RequestContext {
        let mut ctx = RequestContext::system(organization, "test", self.now());
        ctx.actor.kind = ActorKind::User;
        ctx.actor.id = Uuid::from_u128(7);
        ctx.actor.display = "Person".into();
        ctx
    }

    pub(crate) async fn site(&self, organization: OrganizationId, name: &str) -> Site {
        self.auth
            .site_create(&self.person(organization), site(name))
            .await
            .unwrap()
    }

    /// Changes rows as only an administrator of the database would.
    pub(crate) async fn change(&self, organization: OrganizationId, sql: &str) {
        let tx = self.write(organization).await;
        assert!(tx.execute(sql, []).await.unwrap() > 0, "{sql}");
        tx.commit().await.unwrap();
    }

    pub(crate) async fn count(&self, organization: OrganizationId, table: &str) -> i64 {
        let sql = format!("select count(*) from identity.{table}");
        let tx = self.write(organization).await;
        tx.value(&sql, []).await.unwrap().unwrap()
    }

    async fn write(&self, organization: OrganizationId) -> TenantTx {
        let ctx = RequestContext::system(organization, "test", self.now());
        self.test.database().write(&ctx).await.unwrap()
    }
}

pub(crate) fn site(name: &str) -> SiteCreate {
    SiteCreate {
        name: name.into(),
        time_zone: "Europe/Berlin".into(),
        direct_allowed: true,
        upstreams: vec!["https://deb.example/debian/".into()],
    }
}

/// Just the code of an error.
#[track_caller]
pub(crate) fn code<T>(result: ServiceResult<T>) -> ErrorCode {
    match result {
        Ok(_) => panic!("this should have failed"),
        Err(error) => error.code,
    }
}

/// A P-256 key (PKCS #8) and its certificate request.
pub(crate) fn key_and_request() -> (Vec<u8>, Vec<u8>) {
    let key = netpatch_tunnel::identity::generate_key().unwrap();
    let request = netpatch_tunnel::identity::certificate_request(&key).unwrap();
    (key, request)
}
