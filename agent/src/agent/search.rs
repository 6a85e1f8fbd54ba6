//! Looking for a relay, for an agent to which none was named.

use super::{Agent, site_limits};
use crate::discovery::dns::Resolver;
use crate::discovery::mdns::Links;
use crate::discovery::{CANDIDATES, Found, search};
use crate::payload::PayloadSource;
use crate::payload::direct::Direct;
use crate::payload::relay::Relay;
use netpatch_tunnel::{CarrierKind, SiteClient};
use netpatch_types::SharedClock;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Between two searches: a host moves, a relay comes and goes.
const PAUSE: Duration = Duration::from_secs(300);
/// Most of resolv.conf that is read.
const RESOLV_CONF_BYTES: u64 = 64 << 10;

/// When to look for a relay.
pub(super) struct Searches {
    due: Instant,
    is_searching: bool,
    /// What the platform told, when the host came to it directly.
    told: Vec<String>,
}

impl Searches {
    pub(super) fn new() -> Self {
        Self {
            due: Instant::now(),
            is_searching: false,
            told: Vec::new(),
        }
    }

    /// The platform told of relays; through a relay it tells of none, which says nothing new.
    pub(super) fn told(&mut self, carrier: CarrierKind, relays: &[String]) {
        let relays = &relays[..relays.len().min(CANDIDATES)];
        if carrier != CarrierKind::Relay && self.told != relays {
            self.told = relays.to_vec();
            self.due = Instant::now();
        }
    }
}

impl Agent {
    /// Looks for a relay beside everything else, if it is time and none was named at enrolment.
    pub(super) fn search_relay(&mut self, searched: &mpsc::Sender<Found>) {
        let is_named = self.enrolled.enrolment.relay.is_some();
        if is_named || self.searches.is_searching || Instant::now() < self.searches.due {
            return;
        }
        self.searches.is_searching = true;
        self.searches.due = Instant::now() + PAUSE;
        let path = self.runner.root().join("etc/resolv.conf");
        let (held, searched) = (self.site.clone(), searched.clone());
        let told = self.searches.told.clone();
        let (ca, identity) = (self.enrolled.ca.clone(), self.enrolled.tls());
        let clock: SharedClock = self.clock.clone();
        let client = move |address| {
            let (ca, identity, clock) = (ca.clone(), identity.clone(), clock.clone());
            SiteClient::new(address, ca, identity, clock, site_limits())
        };
        tokio::spawn(async move {
            let resolver = Resolver::of(&read(&path));
            let found = search(&told, &resolver, &Links::of_host(), held.as_ref(), client).await;
            let _ = searched.send(found).await;
        });
    }

    /// Whether the session should be made anew, because its way is another one.
    pub(super) fn on_search(&mut self, found: Found) -> bool {
        self.searches.is_searching = false;
        for refused in &found.refused {
            tracing::warn!(address = %refused.address, reason = %refused.reason, "not used as a relay");
        }
        self.status.relays_refused = found.refused;
        self.status.relay_problem = found.problem;
        // Nobody could be asked: that says nothing of the relay in use.
        if found.relay.is_none() && self.status.relay_problem.is_some() {
            return false;
        }
        let (way, site) = found.relay.unzip();
        self.status.relay_found_by = way;
        let address = site.as_ref().map(|site| site.address().to_owned());
        if address == self.status.relay {
            return false;
        }
        match (&address, way) {
            (Some(relay), Some(way)) => tracing::info!(relay, %way, "relay found"),
            _ => tracing::info!("no relay is found any more"),
        }
        let source: Arc<dyn PayloadSource> = match &site {
            Some(site) => Arc::new(Relay::new(Arc::clone(site))),
            None => {
                let clock: SharedClock = self.clock.clone();
                Arc::new(Direct::through(self.proxies.clone(), clock))
            }
        };
        self.payloads.set(source);
        self.site = site;
        self.status.relay = address;
        true
    }
}

/// As far as it can be read.
fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        let _ = file.take(RESOLV_CONF_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
