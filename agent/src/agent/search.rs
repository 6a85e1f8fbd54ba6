//! Which way sessions and payloads go: the relay in use, looking for another one, past all of them where the site allows it.
//!
//! A host to which no relay was named looks for one from time to time. One to which a relay was named looks for others when that is lost,
//! and goes back to it once it proves itself again. One that gets through by no way, not even directly, goes through a relay of another site
//! of its organization, and stays with it until that is lost or a relay of its own is found.

use super::link::Link;
use super::{Agent, site_limits};
use crate::discovery::dns::Resolver;
use crate::discovery::mdns::Links;
use crate::discovery::{Found, Way, search};
use crate::payload::PayloadSource;
use crate::payload::direct::Direct;
use crate::payload::relay::Relay;
use crate::payload::switch::Sources;
use crate::state::ways::Ways;
use netpatch_protocol::session::Welcome;
use netpatch_tunnel::{CarrierKind, Proxies, SiteClient};
use netpatch_types::SharedClock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Between two searches: a host moves, a relay comes and goes.
const PAUSE: Duration = Duration::from_secs(300);
/// A relay through which no session has gone for this long is lost.
const LOST: Duration = Duration::from_secs(20);
/// Between two searches while the relay is lost, or another one is used than the one that was named.
const PAUSE_LOST: Duration = Duration::from_secs(60);

/// When to look for a relay.
pub(super) struct Searches {
    due: Instant,
    is_searching: bool,
    begun: Option<Instant>,
    /// Since when no session goes through the relay in use.
    without: Option<Instant>,
    /// Since when there is no session at all.
    cut: Option<Instant>,
}

impl Searches {
    pub(super) fn new() -> Self {
        Self {
            due: Instant::now(),
            is_searching: false,
            begun: None,
            without: None,
            cut: None,
        }
    }

    /// Whether the relay in use is lost, after it was looked at now.
    fn is_lost(&mut self, is_gone_past: bool) -> bool {
        if !is_gone_past {
            self.without = None;
            return false;
        }
        self.without.get_or_insert_with(Instant::now).elapsed() >= LOST
    }

    /// Whether no way leads anywhere, after it was looked at now.
    fn is_cut_off(&mut self, has_session: bool) -> bool {
        if has_session {
            self.cut = None;
            return false;
        }
        self.cut.get_or_insert_with(Instant::now).elapsed() >= LOST
    }

    /// Whether it is time to look for another relay.
    fn is_due(&self, is_urgent: bool) -> bool {
        // What was found before the relay was lost says nothing now.
        let is_old = |begun: Instant| {
            let lost = self.without.is_some_and(|since| begun < since);
            lost || self.cut.is_some_and(|since| begun < since)
        };
        let has_waited = self
            .begun
            .is_none_or(|begun| is_old(begun) || begun.elapsed() >= PAUSE_LOST);
        !self.is_searching && (Instant::now() >= self.due || (is_urgent && has_waited))
    }
}

/// Where payloads come from.
pub(super) fn payloads(
    site: Option<&Arc<SiteClient>>,
    ways: &Ways,
    proxies: &Proxies,
    clock: SharedClock,
) -> Sources {
    let relay = site.map(|site| Arc::new(Relay::new(Arc::clone(site))) as Arc<dyn PayloadSource>);
    let direct = || Arc::new(Direct::through(proxies.clone(), clock)) as Arc<dyn PayloadSource>;
    Sources::new(relay, (!ways.is_direct_forbidden()).then(direct))
}

impl Agent {
    /// Payloads come from where they may now.
    fn set_sources(&self) {
        let clock: SharedClock = self.clock.clone();
        let sources = payloads(self.site.as_ref(), &self.ways, &self.proxies, clock);
        self.payloads.set(sources);
    }

    /// A session is up, and the platform tells of relays; an old one tells of none through a relay, which says nothing new.
    pub(super) fn on_way_up(&mut self, carrier: CarrierKind, welcome: &Welcome) {
        let relays = &welcome.relay_hints;
        self.ways.take_others(&welcome.other_relay_hints);
        let is_through = carrier == CarrierKind::Relay;
        let says_nothing = is_through && relays.is_empty();
        let is_new = !says_nothing && self.ways.take_told(relays);
        if is_new && !is_through {
            self.searches.due = Instant::now();
        }
        let could = self.ways.may_go_directly();
        if let (true, Some(site)) = (is_through, &self.site) {
            self.ways.take_used(site.address());
            // What was wrong with it is not any more.
            let refused = &mut self.status.relays_refused;
            refused.retain(|refused| refused.address != site.address());
        }
        self.is_way_changed |= self.ways.may_go_directly() != could;
    }

    /// The platform has spoken; perhaps of whether relays may be gone past.
    pub(super) fn on_new_way(&mut self) {
        let before = (self.ways.may_go_directly(), self.ways.is_direct_forbidden());
        let membership = self.documents().membership().cloned();
        if let Some(membership) = membership {
            self.ways.take_membership(&membership);
        }
        let now = (self.ways.may_go_directly(), self.ways.is_direct_forbidden());
        if now == before {
            return;
        }
        let is_forbidden = self.ways.is_direct_forbidden();
        tracing::info!(is_forbidden, "the site speaks of the direct way");
        self.set_sources();
        self.is_way_changed |= now.0 != before.0;
        self.searches.due = Instant::now();
    }

    /// Looks for a relay beside everything else, if it is time.
    pub(super) fn search_relay(&mut self, link: &Link, searched: &mpsc::Sender<Found>) {
        let is_gone_past = self.site.is_some() && link.carrier != Some(CarrierKind::Relay);
        let is_lost = self.searches.is_lost(is_gone_past);
        let named = self.ways.named().map(str::to_owned);
        let is_away = named.is_some() && self.status.relay != named;
        let is_cut_off = self.searches.is_cut_off(link.carrier.is_some());
        let is_content = named.is_some() && !is_away && !is_lost;
        let is_urgent = is_lost || is_away || is_cut_off;
        if is_content || !self.searches.is_due(is_urgent) {
            return;
        }
        let is_elsewhere = self.status.relay_found_by == Some(Way::Elsewhere);
        let others = match is_cut_off || (is_elsewhere && !is_lost) {
            true => self.ways.others().to_vec(),
            false => Vec::new(),
        };
        self.searches.is_searching = true;
        self.searches.begun = Some(Instant::now());
        self.searches.due = Instant::now() + PAUSE;
        let root = self.runner.root().to_owned();
        let (held, searched) = (self.site.clone(), searched.clone());
        let told = self.ways.told().to_vec();
        let (ca, identity) = (self.enrolled.ca.clone(), self.enrolled.tls());
        let clock: SharedClock = self.clock.clone();
        let client = move |address| {
            let (ca, identity, clock) = (ca.clone(), identity.clone(), clock.clone());
            SiteClient::new(address, ca, identity, clock, site_limits())
        };
        tokio::spawn(async move {
            let resolver = Resolver::of_host(&root);
            let links = Links::of_host();
            let (named, held) = (named.as_deref(), held.as_ref());
            let found = search(named, &told, &resolver, &links, held, &client).await;
            let found = found.or_elsewhere(others, held, &client).await;
            let _ = searched.send(found).await;
        });
    }

    /// Whether the session should be made anew, because its way is another one.
    pub(super) fn on_search(&mut self, found: Found) -> bool {
        self.searches.is_searching = false;
        for refused in &found.refused {
            tracing::warn!(address = %refused.address, reason = %refused.reason, "no way to the edge");
        }
        self.status.relays_refused = found.refused;
        self.status.relay_problem = found.problem;
        // The relay that was named, and one that may not be gone past, is waited for; and where nobody could be asked, that says nothing
        // of the relay in use.
        let waits = self.ways.named().is_some()
            || self.ways.is_direct_forbidden()
            || self.status.relay_problem.is_some();
        if found.relay.is_none() && waits {
            return false;
        }
        let (way, site) = found.relay.unzip();
        self.status.relay_found_by = way.filter(|way| *way != Way::Enrolment);
        let address = site.as_ref().map(|site| site.address().to_owned());
        if address == self.status.relay {
            return false;
        }
        match (&address, way) {
            (Some(relay), Some(way)) => tracing::info!(relay, %way, "relay found"),
            _ => tracing::info!("no relay is found any more"),
        }
        self.site = site;
        self.set_sources();
        self.status.relay = address;
        self.searches.without = None;
        true
    }
}
