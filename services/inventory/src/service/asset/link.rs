//! Which host an asset belongs to: for what a write touches, and for a host that enrols or changes its name.

use super::draft::{Draft, Drafts, Refused};
use crate::domain::asset::{HostKeys, Link, asset_labels, link, vacant};
use crate::service::Inventory;
use crate::service::registration::keys_of;
use crate::store;
use crate::store::asset::{HostRow, Machine, StoredAsset, Wanted};
use netpatch_inventory_api::{AssetLink, AssetLinkRule, AssetOrigin, HostFacts, InventoryEventV1};
use netpatch_storage::TenantTx;
use netpatch_types::{AssetId, HostId, RequestContext, ServiceError, ServiceResult};
use std::collections::{BTreeSet, HashMap};

/// The hosts that share a key with the assets of a write, locked.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    hosts: Vec<HostRow>,
    by_id: HashMap<HostId, usize>,
    by_key: HashMap<(usize, String), Vec<usize>>,
}

impl Fleet {
    /// Loads whatever the assets or the write name.
    pub(super) async fn load(
        tx: &TenantTx,
        drafts: &Drafts,
        wanted: &Wanted,
    ) -> ServiceResult<Self> {
        let mut wanted = wanted.clone();
        for draft in &drafts.all {
            wanted.keys(&draft.asset.keys());
            wanted.hosts.extend(draft.asset.host().map(|host| host.0));
        }
        let mut fleet = Self::default();
        for host in store::asset::hosts_matching(tx, &wanted).await? {
            let at = fleet.hosts.len();
            fleet.by_id.insert(host.id, at);
            for (rank, (_, key)) in host.keys.in_order().into_iter().enumerate() {
                if !key.is_empty() {
                    let places = fleet.by_key.entry((rank, key.to_owned())).or_default();
                    places.push(at);
                }
            }
            fleet.hosts.push(host);
        }
        Ok(fleet)
    }

    /// One of them.
    pub(super) fn host(&self, id: HostId) -> Option<&HostRow> {
        self.by_id.get(&id).map(|at| &self.hosts[*at])
    }

    /// Those that share a key with an asset.
    fn sharing(&self, asset: &StoredAsset, taken: &HashMap<HostId, AssetId>) -> Vec<HostKeys> {
        let keys = asset.keys();
        let places: BTreeSet<usize> = keys
            .in_order()
            .into_iter()
            .enumerate()
            .filter_map(|(rank, (_, key))| self.by_key.get(&(rank, key.to_owned())))
            .flatten()
            .copied()
            .collect();
        places
            .into_iter()
            .map(|at| &self.hosts[at])
            .map(|host| HostKeys {
                host: host.id,
                keys: host.keys.clone(),
                is_taken: taken.contains_key(&host.id),
            })
            .collect()
    }
}

fn rank(rule: AssetLinkRule) -> usize {
    match rule {
        AssetLinkRule::Person => 0,
        AssetLinkRule::MachineId => 1,
        AssetLinkRule::Serial => 2,
        AssetLinkRule::Hostname => 3,
    }
}

/// Links what a write touches: what persons named first, then by rule.
pub(super) fn link_all(ctx: &RequestContext, drafts: &mut Drafts, fleet: &Fleet) -> Vec<Refused> {
    let mut refused = Vec::new();
    let mut taken: HashMap<HostId, AssetId> = fleet
        .hosts
        .iter()
        .filter_map(|host| Some((host.id, host.asset?)))
        .collect();
    for at in 0..drafts.all.len() {
        let Some(named) = drafts.all[at].named else {
            continue;
        };
        let line = drafts.all[at].line.unwrap_or_default();
        let draft = &mut drafts.all[at];
        match named {
            None => {
                if let Some(host) = draft.asset.host() {
                    taken.remove(&host);
                }
                unlink(draft);
            }
            Some(host) => match fleet.host(host) {
                Some(row) if in_scope(ctx, row) => match taken.get(&host) {
                    Some(other) if *other != draft.asset.id => refused.push(Refused::new(
                        line,
                        "hostId",
                        "another asset is linked to this host",
                        "take the host from that asset first",
                    )),
                    _ => {
                        if let Some(before) = draft.asset.host()
                            && before != host
                        {
                            taken.remove(&before);
                            unlink(draft);
                        }
                        taken.insert(host, draft.asset.id);
                        link_to(draft, row, AssetLinkRule::Person);
                    }
                },
                _ => refused.push(Refused {
                    line,
                    field: "hostId",
                    error: Box::new(ServiceError {
                        path: vec!["hostId".to_owned()],
                        ..ServiceError::not_found("host")
                    }),
                    remedy: "name a host of this organization".to_owned(),
                }),
            },
        }
    }
    for at in 0..drafts.all.len() {
        let draft = &drafts.all[at];
        if !draft.is_near || draft.asset.host().is_some() || draft.asset.is_held {
            continue;
        }
        let keys = draft.asset.keys();
        let hosts = fleet.sharing(&draft.asset, &taken);
        let decided = link(&keys, &hosts, |rule| {
            let rank = rank(rule);
            drafts.having(rank, keys.in_order()[rank].1) > 1
        });
        let draft = &mut drafts.all[at];
        match decided {
            Link::To(host, rule) => match fleet.host(host) {
                Some(row) if fits(&draft.asset, row) => {
                    taken.insert(host, draft.asset.id);
                    link_to(draft, row, rule);
                }
                _ => {
                    draft.asset.link = AssetLink::Ambiguous {
                        candidates: vec![host],
                    };
                }
            },
            Link::None => draft.asset.link = AssetLink::Unlinked,
            Link::Ambiguous(candidates) => {
                draft.asset.link = AssetLink::Ambiguous { candidates };
            }
        }
    }
    refused
}

fn in_scope(ctx: &RequestContext, host: &HostRow) -> bool {
    ctx.sites
        .as_ref()
        .is_none_or(|allowed| allowed.contains(&host.site))
}

/// Whether the host's labels stay within their limit with the asset's.
fn fits(asset: &StoredAsset, host: &HostRow) -> bool {
    let more = asset
        .labels
        .keys()
        .filter(|key| !host.labels.contains_key(*key));
    host.labels.len() + more.count() <= crate::service::host::MAX_LABELS
}

/// Takes an asset from its host; what the labels said of it stays with it. A person's word outlasts the rules.
fn unlink(draft: &mut Draft) {
    let asset = &mut draft.asset;
    asset.is_held = true;
    asset.link = AssetLink::Unlinked;
    asset.site = asset.host_site.take().or(asset.site);
    asset.host_version = None;
    asset.labels = asset_labels(&asset.labels);
}

/// Gives an asset to a host; what the asset says outweighs the host's labels.
fn link_to(draft: &mut Draft, host: &HostRow, rule: AssetLinkRule) {
    let asset = &mut draft.asset;
    if asset.host() != Some(host.id) {
        let own = std::mem::replace(&mut asset.labels, host.labels.clone());
        asset.labels.extend(own);
        asset.host_site = Some(host.site);
        asset.host_version = Some(host.version);
        if asset.hostname.is_empty() {
            asset.hostname.clone_from(&host.hostname);
        }
    }
    asset.link = AssetLink::Linked {
        host: host.id,
        rule,
    };
    asset.is_held = false;
    fill(draft, &host.machine);
}

/// Writes what the host's firmware says where nobody has said anything; what anybody said stays.
fn fill(draft: &mut Draft, machine: &Machine) {
    let asset = &mut draft.asset;
    for (field, held, said) in [
        ("serial", &mut asset.serial, &machine.serial),
        ("vendor", &mut asset.vendor, &machine.vendor),
        ("model", &mut asset.model, &machine.model),
    ] {
        if let Some(said) = vacant(held, said) {
            said.clone_into(held);
            draft.fields.insert(field);
        }
    }
}

impl Inventory {
    /// Looks for the asset of a host that enrolled or that calls itself otherwise now, and fills in what nobody said of it. Quick when
    /// there is nothing to do.
    pub(in crate::service) async fn link_host(
        &self,
        ctx: &RequestContext,
        host: HostId,
        facts: &HostFacts,
    ) -> ServiceResult<()> {
        let mut wanted = Wanted::default();
        wanted.keys(&keys_of(facts));
        wanted.hosts.push(host.0);
        let tx = self.db.write(ctx).await?;
        let mut known = store::asset::matching(&tx, &wanted).await?;
        let is_settled = |asset: &StoredAsset| match asset.host() {
            None => false,
            Some(other) if other != host => true,
            Some(_) => [
                (&asset.serial, &facts.serial),
                (&asset.vendor, &facts.vendor),
                (&asset.model, &facts.model),
            ]
            .into_iter()
            .all(|(held, said)| vacant(held, said).is_none()),
        };
        if known.iter().all(is_settled) {
            return Ok(());
        }
        store::asset::lock(&tx).await?;
        let near = known.iter().map(|asset| asset.id).collect();
        for asset in &known {
            wanted.keys(&asset.keys());
        }
        known = store::asset::matching(&tx, &wanted).await?;
        let mut drafts = Drafts::of(known, &near);
        let fleet = Fleet::load(&tx, &drafts, &wanted).await?;
        link_all(ctx, &mut drafts, &fleet);
        for draft in &mut drafts.all {
            if let Some(row) = fleet.host(host)
                && draft.asset.host() == Some(host)
            {
                fill(draft, &row.machine);
            }
            if draft.before.as_ref() == Some(&draft.asset) {
                continue;
            }
            draft.asset.version += 1;
            draft.asset.updated_at = self.clock.now();
            if !draft.fields.is_empty() {
                draft.asset.origin = AssetOrigin::Agent;
                let event = InventoryEventV1::AssetChanged {
                    asset: draft.asset.id,
                    host: Some(host),
                    is_new: false,
                    fields: draft
                        .fields
                        .iter()
                        .map(|field| (*field).to_owned())
                        .collect(),
                    origin: AssetOrigin::Agent,
                    by: ctx.actor.clone(),
                };
                self.tell_about(&tx, draft.asset.id.0, event).await?;
            }
        }
        let after = self.keep(&tx, ctx, &drafts, &fleet).await?;
        tx.commit().await?;
        self.hint().await;
        self.judge_later(&after);
        Ok(())
    }
}
