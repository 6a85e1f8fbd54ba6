//! Two customers, a partner, people and programs, behind the gateway's router.

use crate::script::Script;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use netpatch_auth::{ApiClientCreate, Auth, OrganizationKind, Role, UserCreate};
use netpatch_gateway::graphql::context::Apis;
use netpatch_gateway::{GatewayState, Settings};
use netpatch_storage::KeyFolder;
use netpatch_testkit::{ManualClock, TestDatabase};
use netpatch_types::{Clock as _, OrganizationId, Permission, RequestContext, SharedClock};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub(crate) struct World {
    pub database: TestDatabase,
    pub clock: Arc<ManualClock>,
    pub auth: Auth,
    pub script: Script,
    pub state: GatewayState,
    pub router: Router,
    pub stop: CancellationToken,
    /// Customer with people.
    pub own: OrganizationId,
    /// Customer of somebody else.
    pub foreign: OrganizationId,
    pub partner: OrganizationId,
    _keys: tempfile::TempDir,
}

/// An answer of the router.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Code of the first error.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let database = TestDatabase::new(&[netpatch_auth::migrations()]).await;
        let clock = ManualClock::shared();
        let shared: SharedClock = clock.clone();
        let keys = tempfile::tempdir().unwrap();
        let folder = KeyFolder::open(keys.path().join("keys")).unwrap();
        let auth = Auth::new(
            database.database().clone(),
            folder,
            shared.clone(),
            netpatch_auth::Settings::default(),
        );
        let script = Script::new(shared);
        let stop = CancellationToken::new();
        let apis = Apis {
            inventory: script.api(),
            policy: script.api(),
            scheduler: script.api(),
            reporting: script.api(),
            auth: auth.clone(),
            bus: Arc::new(netpatch_storage::bus::MemoryBus::default()),
        };
        let state = GatewayState::new(apis, settings, stop.clone());
        let router = netpatch_gateway::router(state.clone());
        let root = RequestContext::system(OrganizationId::new(clock.now()), "test", clock.now());
        let make = async |name: &str, kind| {
            auth.organization_create(&root, name, kind, None)
                .await
                .unwrap()
                .id
        };
        let own = make("Own", OrganizationKind::Customer).await;
        let foreign = make("Foreign", OrganizationKind::Customer).await;
        let partner = make("Partner", OrganizationKind::Partner).await;
        Self {
            database,
            clock,
            auth,
            script,
            state,
            router,
            stop,
            own,
            foreign,
            partner,
            _keys: keys,
        }
    }

    /// The platform acting in an organization.
    pub(crate) fn system(&self, of: OrganizationId) -> RequestContext {
        RequestContext::system(of, "test", self.clock.now())
    }

    /// A new person; e-mail address and password.
    pub(crate) async fn person(&self, of: OrganizationId, role: Role) -> (String, String) {
        let email = format!(
            "{}-{}@example.com",
            role.as_str(),
            uuid::Uuid::now_v7().simple()
        );
        let create = UserCreate {
            email: email.clone(),
            name: role.as_str().to_owned(),
            roles: vec![role],
        };
        let (_, password) = self
            .auth
            .user_create(&self.system(of), create)
            .await
            .unwrap();
        (email, password)
    }

    /// A new person's bearer token.
    pub(crate) async fn bearer(&self, of: OrganizationId, role: Role) -> String {
        let (email, password) = self.person(of, role).await;
        self.sign_in(&email, &password).await
    }

    /// A person's bearer token.
    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> String {
        let body = json!({"email": email, "password": password, "bearer": true});
        let answer = self.post("/auth/sign-in", &[], body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// A program's access token.
    pub(crate) async fn program(&self, of: OrganizationId, permissions: &[Permission]) -> String {
        let create = ApiClientCreate {
            name: "program".into(),
            permissions: permissions.iter().copied().collect(),
        };
        let created = self
            .auth
            .api_client_create(&self.system(of), create)
            .await
            .unwrap();
        self.auth
            .client_token(&created.client.id.public(of), &created.secret)
            .await
            .unwrap()
            .token
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap())
            .await
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// GraphQL with a bearer token; an empty token is nobody.
    pub(crate) async fn ask(&self, token: &str, query: &str, variables: Value) -> Answer {
        let authorization = format!("Bearer {token}");
        let headers: &[(&str, &str)] = if token.is_empty() {
            &[]
        } else {
            &[("authorization", &authorization)]
        };
        self.post(
            "/graphql",
            headers,
            json!({"query": query, "variables": variables}),
        )
        .await
    }

    pub(crate) fn id(&self, of: OrganizationId) -> String {
        of.public(of)
    }
}
