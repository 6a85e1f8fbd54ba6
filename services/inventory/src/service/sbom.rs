//! What hosts consist of, for a bill of materials.

use crate::service::Inventory;
use crate::store;
use netpatch_inventory_api::{
    Component, HostFilter, SbomFindingPage, SbomFindings, SbomHost, SbomHostPage, SbomHosts,
    SbomVulnerability,
};
use netpatch_types::{ComponentId, RequestContext, ServiceError, ServiceResult};
use std::collections::{BTreeMap, HashMap};

/// Hosts of one page: some thousand components each.
const HOSTS: u64 = 20;
/// Advisories of one page.
const ADVISORIES: i64 = 200;

impl Inventory {
    pub(super) async fn sbom_hosts_page(
        &self,
        ctx: &RequestContext,
        request: SbomHosts,
    ) -> ServiceResult<SbomHostPage> {
        let after = super::host::name_cursor(request.after.as_deref())?;
        let filter = HostFilter {
            tenant: request.tenant,
            ids: request.host.into_iter().collect(),
            ..HostFilter::default()
        };
        let tx = self.db.read(ctx).await?;
        let since = crate::domain::compliance::known_since(self.clock.now());
        let (mut rows, _) = store::host::list(&tx, ctx, &filter, None, since, after, HOSTS).await?;
        if request.host.is_some() && rows.is_empty() {
            return Err(ServiceError::not_found("host"));
        }
        let has_next = rows.len() > usize::try_from(HOSTS).unwrap_or(usize::MAX);
        rows.truncate(usize::try_from(HOSTS).unwrap_or(usize::MAX));
        let next = rows
            .last()
            .filter(|_| has_next)
            .map(|row| super::host::name_after(&row.host.facts.hostname, row.host.id.0));
        let mut known: HashMap<u32, ComponentId> = HashMap::new();
        let mut described: BTreeMap<ComponentId, Component> = BTreeMap::new();
        let mut hosts = Vec::with_capacity(rows.len());
        for row in rows {
            let numbers = match row.host.manifest {
                Some(hash) => store::manifest::get(&tx, row.host.tenant, hash)
                    .await?
                    .unwrap_or_default(),
                None => Vec::new(),
            };
            let missing: Vec<u32> = numbers
                .iter()
                .copied()
                .filter(|number| !known.contains_key(number))
                .collect();
            for (number, key) in store::component::by_number(&tx, &missing).await? {
                let id = store::component::component_id(&key);
                known.insert(number, id);
                if request.described {
                    described.insert(id, Component { id, key });
                }
            }
            hosts.push(SbomHost {
                components: numbers
                    .iter()
                    .filter_map(|number| known.get(number).copied())
                    .collect(),
                host: row.host,
            });
        }
        Ok(SbomHostPage {
            hosts,
            components: described.into_values().collect(),
            next,
        })
    }

    pub(super) async fn sbom_findings_page(
        &self,
        ctx: &RequestContext,
        request: SbomFindings,
    ) -> ServiceResult<SbomFindingPage> {
        let tx = self.db.read(ctx).await?;
        if let Some(host) = request.host {
            store::host::get(&tx, ctx, host)
                .await?
                .ok_or_else(|| ServiceError::not_found("host"))?;
        }
        let found = store::exposure::affected(
            &tx,
            ctx,
            request.tenant,
            request.host,
            request.after,
            ADVISORIES,
        )
        .await?;
        tx.rollback().await?;
        let catalog = self.catalog().await?;
        let next = found
            .keys()
            .next_back()
            .copied()
            .filter(|_| found.len() >= usize::try_from(ADVISORIES).unwrap_or(usize::MAX));
        Ok(SbomFindingPage {
            vulnerabilities: found
                .into_iter()
                .filter_map(|(number, affects)| {
                    let advisory = catalog.advisory(number)?.advisory.clone();
                    Some(SbomVulnerability { advisory, affects })
                })
                .collect(),
            next,
        })
    }
}
