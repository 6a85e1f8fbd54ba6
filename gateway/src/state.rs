//! What the handlers share.

use crate::events::EventHub;
use crate::graphql::Schema;
use crate::graphql::context::{Apis, Caller, Session};
use crate::throttle::{Bucket, Buckets, Rate};
use netpatch_types::SharedClock;
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Which status codes request errors and partial answers get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusCodes {
    /// 400 and 200, as clients and the audits of September 2026 expect.
    #[default]
    Audited,
    /// 422 and 294, as the draft of August 2026 wants.
    Draft2026,
}

/// How the gateway behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder with the built portal; without it, or when it does not exist, a page says how to build it.
    pub portal: Option<PathBuf>,
    /// The site is reached by HTTPS: the cookie is `__Host-netpatch` and `Secure`.
    pub is_https: bool,
    /// Origins besides the request's own host that WebSockets are accepted from, e.g. `https://patch.example.com`.
    pub origins: Vec<String>,
    /// The UDP port of the edge, for what machines are told; `None` when another process has it.
    pub edge_port: Option<u16>,
    /// Points of API clients and CLI sessions.
    pub client_rate: Rate,
    /// Points of portal sessions.
    pub portal_rate: Rate,
    /// Points of nobody, per address.
    pub anonymous_rate: Rate,
    /// Sign-ins, per address.
    pub sign_in_rate: Rate,
    /// Status codes.
    pub status_codes: StatusCodes,
    /// Documents that may be asked for by hash (`sha256` in hexadecimal → document).
    pub documents: HashMap<String, String>,
    /// How often an open socket's sign-in is looked at again.
    pub recheck: std::time::Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            portal: None,
            is_https: false,
            origins: Vec::new(),
            edge_port: None,
            client_rate: Rate {
                maximum: 4000,
                restore_rate: 200,
            },
            portal_rate: Rate {
                maximum: 20_000,
                restore_rate: 1000,
            },
            anonymous_rate: Rate {
                maximum: 1000,
                restore_rate: 50,
            },
            sign_in_rate: Rate {
                maximum: 60,
                restore_rate: 1,
            },
            status_codes: StatusCodes::default(),
            documents: HashMap::new(),
            recheck: std::time::Duration::from_secs(30),
        }
    }
}

/// Everything that the router needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GatewayState {
    inner: Arc<Inner>,
}

struct Inner {
    apis: Apis,
    schema: Schema,
    settings: Settings,
    hub: EventHub,
    stop: CancellationToken,
    client: Buckets,
    portal: Buckets,
    anonymous: Buckets,
    sign_in: Buckets,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayState")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl GatewayState {
    /// Over the services. Open sockets end when `stop` is cancelled.
    #[must_use]
    pub fn new(apis: Apis, settings: Settings, stop: CancellationToken) -> Self {
        let clock = apis.auth.clock().clone();
        let buckets = |rate| Buckets::new(rate, clock.clone());
        let inner = Inner {
            client: buckets(settings.client_rate),
            portal: buckets(settings.portal_rate),
            anonymous: buckets(settings.anonymous_rate),
            sign_in: buckets(settings.sign_in_rate),
            hub: EventHub::new(apis.clone()),
            schema: crate::graphql::schema(),
            apis,
            settings,
            stop,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The services.
    #[must_use]
    pub fn apis(&self) -> &Apis {
        &self.inner.apis
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        self.inner.apis.auth.clock()
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// What happened, for subscriptions. Run it as a task: [`EventHub::run`].
    #[must_use]
    pub fn hub(&self) -> &EventHub {
        &self.inner.hub
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.inner.schema
    }

    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.inner.stop
    }

    pub(crate) fn session(&self, caller: Caller) -> Session {
        Session {
            apis: self.inner.apis.clone(),
            caller,
            edge_port: self.inner.settings.edge_port,
        }
    }

    /// The bucket that pays for a caller's requests: one per (principal, organization); per address for nobody.
    pub(crate) fn bucket(&self, caller: &Caller, address: Option<IpAddr>) -> Bucket {
        use crate::graphql::context::Channel;
        match (&caller.principal, caller.channel) {
            (Some(principal), Channel::Cookie) => self
                .inner
                .portal
                .bucket(format!("{} {}", principal.id, principal.home)),
            (Some(principal), _) => self
                .inner
                .client
                .bucket(format!("{} {}", principal.id, principal.home)),
            (None, _) => self
                .inner
                .anonymous
                .bucket(address.map_or_else(String::new, |address| address.to_string())),
        }
    }

    pub(crate) fn sign_in_bucket(&self, address: Option<IpAddr>) -> Bucket {
        self.inner
            .sign_in
            .bucket(address.map_or_else(String::new, |address| address.to_string()))
    }
}
