//! Hosts: enrolment, facts, presence, a person's changes.

use crate::domain::compliance::known_since;
use crate::domain::facts::check as check_facts;
use crate::service::Inventory;
use crate::service::evaluation::place_of;
use crate::store;
use crate::store::host::{After, StoredHost};
use netpatch_inventory_api::{
    Done, Group, Host, HostFacts, HostFactsReport, HostList, HostPlace, HostPlaces,
    HostQuarantined, HostUpdate, InventoryEventV1, MAX_PLACES, MAX_QUARANTINED, PresenceReport,
};
use netpatch_storage::TenantTx;
use netpatch_types::{
    Criticality, HostId, Labels, Page, RequestContext, ServiceError, ServiceResult,
};
use std::collections::HashSet;
use uuid::Uuid;

/// Most labels of a host.
pub(super) const MAX_LABELS: usize = 64;
/// Most rows of one presence report.
const MAX_SEEN: usize = 50_000;

/// Reads the `after` of a list in order of name.
pub(super) fn name_cursor(after: Option<&str>) -> ServiceResult<After> {
    let Some(after) = after else { return Ok(None) };
    // The id is last because names may hold anything.
    let wrong = || ServiceError::invalid("after", "not a position in this list");
    let (name, id) = after.rsplit_once('/').ok_or_else(wrong)?;
    Ok(Some((
        name.to_owned(),
        Uuid::try_parse(id).map_err(|_| wrong())?,
    )))
}

/// The `after` that continues behind a row.
pub(super) fn name_after(name: &str, id: Uuid) -> String {
    format!("{name}/{id}")
}

pub(super) fn check_labels(labels: &Labels) -> ServiceResult<()> {
    let fits = |(key, value): (&String, &String)| {
        (1..=63).contains(&key.len())
            && value.len() <= 255
            && !key.chars().chain(value.chars()).any(char::is_control)
    };
    if labels.len() <= MAX_LABELS && labels.iter().all(fits) {
        Ok(())
    } else {
        Err(ServiceError::invalid(
            "labels",
            "at most 64 labels, keys of 1-63 and values of up to 255 bytes",
        ))
    }
}

/// Risk and deadlines count with this label: a word of nobody would count as nothing said.
fn check_criticality(labels: &Labels) -> ServiceResult<()> {
    match labels.get(Criticality::LABEL) {
        Some(word) if Criticality::from_word(word).is_none() => Err(ServiceError::invalid(
            "labels",
            format!("criticality is critical, high, medium or low, not {word:?}"),
        )),
        _ => Ok(()),
    }
}

fn with_groups(stored: StoredHost, groups: &[Group]) -> Host {
    let mut host = stored.host;
    host.groups = groups
        .iter()
        .filter(|group| group.tenant == host.tenant && group.selector.matches(&host.labels))
        .map(|group| group.id)
        .collect();
    host
}

impl Inventory {
    pub(super) async fn host(&self, ctx: &RequestContext, id: HostId) -> ServiceResult<Host> {
        let tx = self.db.read(ctx).await?;
        let stored = store::host::get(&tx, ctx, id)
            .await?
            .ok_or_else(|| ServiceError::not_found("host"))?;
        Ok(with_groups(stored, &store::group::list(&tx).await?))
    }

    pub(super) async fn places(
        &self,
        ctx: &RequestContext,
        request: HostPlaces,
    ) -> ServiceResult<Vec<HostPlace>> {
        if request.hosts.len() > MAX_PLACES {
            return Err(ServiceError::invalid(
                "hosts",
                format!("more than {MAX_PLACES} hosts"),
            ));
        }
        let tx = self.db.read(ctx).await?;
        let groups = store::group::list(&tx).await?;
        let stored = store::host::places(&tx, ctx, &request.hosts).await?;
        let with_groups = |(mut place, labels): (HostPlace, Labels)| {
            let mine = groups
                .iter()
                .filter(|group| group.tenant == place.tenant && group.selector.matches(&labels));
            place.groups = mine.map(|group| group.id).collect();
            place
        };
        Ok(stored.into_iter().map(with_groups).collect())
    }

    pub(super) async fn quarantined(
        &self,
        ctx: &RequestContext,
        request: HostQuarantined,
    ) -> ServiceResult<Vec<HostId>> {
        if request.limit > MAX_QUARANTINED {
            return Err(ServiceError::invalid(
                "limit",
                format!("more than {MAX_QUARANTINED} hosts"),
            ));
        }
        let tx = self.db.read(ctx).await?;
        Ok(store::host::quarantined(&tx, ctx, request.limit).await?)
    }

    pub(super) async fn hosts(
        &self,
        ctx: &RequestContext,
        request: HostList,
    ) -> ServiceResult<Page<Host>> {
        let after = name_cursor(request.page.after.as_deref())?;
        let tx = self.db.read(ctx).await?;
        let groups = store::group::list(&tx).await?;
        let mut filter = request.filter;
        let selector = match filter.group {
            None => None,
            Some(id) => {
                let group = groups
                    .iter()
                    .find(|group| group.id == id)
                    .ok_or_else(|| ServiceError::not_found("group"))?;
                filter.tenant = filter.tenant.or(Some(group.tenant));
                Some(&group.selector)
            }
        };
        if let Some(advisory) = filter.advisory {
            let affected = self.affected_hosts(ctx, filter.tenant, advisory).await?;
            if filter.ids.is_empty() {
                filter.ids = affected;
            } else {
                let affected: HashSet<HostId> = affected.into_iter().collect();
                filter.ids.retain(|host| affected.contains(host));
            }
            // No ids at all would mean every host.
            if filter.ids.is_empty() {
                let mut none = Page::empty();
                none.total = Some(0);
                return Ok(none);
            }
        }
        let limit = request.page.limit();
        let since = known_since(self.clock.now());
        let (stored, total) =
            store::host::list(&tx, ctx, &filter, selector, since, after, limit).await?;
        let hosts = stored
            .into_iter()
            .map(|stored| with_groups(stored, &groups))
            .collect();
        let mut page = Page::from_rows(hosts, limit, |host: &Host| {
            name_after(&host.facts.hostname, host.id.0)
        });
        page.total = Some(total);
        Ok(page)
    }

    pub(super) async fn update_host(
        &self,
        ctx: &RequestContext,
        request: HostUpdate,
    ) -> ServiceResult<Host> {
        if let Some(labels) = &request.labels {
            check_labels(labels)?;
            check_criticality(labels)?;
        }
        if let (Some(site), Some(scope)) = (request.site, &ctx.sites)
            && !scope.contains(&site)
        {
            return Err(ServiceError::not_found("site"));
        }
        let catalog = self.catalog().await?;
        let tx = self.db.write(ctx).await?;
        let stored = store::host::lock(&tx, ctx, request.id)
            .await?
            .ok_or_else(|| ServiceError::not_found("host"))?;
        let before = stored.host;
        ServiceError::unless_read(request.if_match.as_deref(), &before.etag)?;
        let mut host = before.clone();
        host.labels = request.labels.unwrap_or(host.labels);
        host.site = request.site.unwrap_or(host.site);
        host.quarantined = host.quarantined && !request.release_quarantine;
        if (&host.labels, host.site, host.quarantined)
            != (&before.labels, before.site, before.quarantined)
        {
            store::host::set_place(&tx, host.id, host.site, &host.labels, host.quarantined).await?;
            // What was reached from one site says nothing of another.
            if host.site != before.site {
                store::probe::forget(&tx, host.id).await?;
                host.probes = Vec::new();
            }
            // Rules of baselines ask for any label, groups too.
            let is_moved = !place_of(&before).counts_as(&place_of(&host));
            if host.labels != before.labels || is_moved {
                let (components, updates) = self.parts(&tx, &host).await?;
                self.evaluate(
                    &tx,
                    &catalog,
                    &host,
                    &components,
                    &updates,
                    self.clock.now(),
                )
                .await?;
            }
            self.tell(
                &tx,
                host.id,
                InventoryEventV1::HostChanged { host: host.id },
            )
            .await?;
        }
        tx.commit().await?;
        self.hint().await;
        self.host(ctx, request.id).await
    }

    /// Components and updates of a host, as they are held.
    pub(crate) async fn parts(
        &self,
        tx: &TenantTx,
        host: &Host,
    ) -> ServiceResult<(
        Vec<(u32, netpatch_types::ComponentKey)>,
        Vec<netpatch_inventory_api::InstallableUpdate>,
    )> {
        let components = match host.manifest {
            None => Vec::new(),
            Some(hash) => {
                let numbers = store::manifest::get(tx, host.tenant, hash)
                    .await?
                    .unwrap_or_default();
                store::component::by_number(tx, &numbers).await?
            }
        };
        Ok((components, store::update::of_host(tx, host.id).await?))
    }

    pub(super) async fn report_facts(
        &self,
        ctx: &RequestContext,
        request: HostFactsReport,
    ) -> ServiceResult<Done> {
        check_facts(&request.facts)?;
        let catalog = self.catalog().await?;
        let tx = self.db.write(ctx).await?;
        let stored = store::host::lock(&tx, ctx, request.host)
            .await?
            .ok_or_else(|| ServiceError::not_found("host"))?;
        // The machine id is part of the identity that enrolled; facts cannot change it.
        let facts = HostFacts {
            machine_id: stored.host.facts.machine_id.clone(),
            ..request.facts
        };
        if stored.host.facts == facts {
            return Ok(Done {});
        }
        store::host::set_facts(&tx, request.host, &facts).await?;
        self.judge_again(&tx, &stored.host, &facts).await?;
        if stored.host.facts.listening != facts.listening {
            let soon = self.now() + super::probe::PAUSE;
            store::probe::sooner(&tx, request.host, soon).await?;
        }
        // Another kernel runs: what waited for the restart, or was left behind by it, stands otherwise now. And whether others
        // reach the host counts in the risk.
        let host = Host {
            facts: facts.clone(),
            ..stored.host.clone()
        };
        let is_otherwise = stored.host.facts.kernel != facts.kernel
            || !place_of(&stored.host).counts_as(&place_of(&host));
        if is_otherwise && stored.host.manifest.is_some() {
            let (components, updates) = self.parts(&tx, &host).await?;
            let now = self.clock.now();
            self.evaluate(&tx, &catalog, &host, &components, &updates, now)
                .await?;
        }
        if store::host::time_zone_of(&stored.host.labels, &facts) != stored.host.time_zone {
            self.tell(
                &tx,
                request.host,
                InventoryEventV1::HostChanged { host: request.host },
            )
            .await?;
        }
        tx.commit().await?;
        let says = |facts: &HostFacts| {
            let HostFacts {
                hostname,
                serial,
                vendor,
                model,
                ..
            } = facts;
            [hostname, serial, vendor, model].map(Clone::clone)
        };
        if says(&stored.host.facts) != says(&facts) {
            self.link_host(ctx, request.host, &facts).await?;
        }
        self.hint().await;
        Ok(Done {})
    }

    pub(super) async fn report_presence(
        &self,
        ctx: &RequestContext,
        request: PresenceReport,
    ) -> ServiceResult<Done> {
        if request.seen.len() > MAX_SEEN {
            return Err(ServiceError::invalid(
                "seen",
                format!("more than {MAX_SEEN} rows"),
            ));
        }
        if request.seen.is_empty() {
            return Ok(Done {});
        }
        let tx = self.db.write(ctx).await?;
        let quarantined = store::host::set_seen(&tx, ctx, &request.seen).await?;
        for id in &quarantined {
            if store::host::lock(&tx, ctx, *id).await?.is_some() {
                self.tell(&tx, *id, InventoryEventV1::HostChanged { host: *id })
                    .await?;
            }
        }
        tx.commit().await?;
        if !quarantined.is_empty() {
            self.hint().await;
        }
        Ok(Done {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_odd_names_and_rubbish_is_refused() {
        let id = Uuid::from_u128(7);
        assert_eq!(
            name_cursor(Some(&name_after("a/b", id))),
            Ok(Some(("a/b".to_owned(), id)))
        );
        assert!(name_cursor(Some("x")).is_err());
        assert!(name_cursor(Some("x/y")).is_err());
    }
}
