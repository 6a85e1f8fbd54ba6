//! Batches what lists resolve node by node: one call per organization instead of one per node.

use super::context::{Session, absent, readable};
use super::model::*;
use crate::graphql::Result;
use async_graphql::dataloader::{DataLoader, Loader};
use netpatch_inventory_api as inventory;
use netpatch_policy_api as policy;
use netpatch_types::{
    GroupId, HostId, OrganizationId, PageRequest, PatchId, RelayId, ServiceError, SiteId,
};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// The batches of one request.
pub(crate) struct Loaders(DataLoader<Batch>);

pub(crate) struct Batch(Session);

macro_rules! keys {
    ($($name:ident($id:ty);)*) => {
        $(
            #[derive(Clone, Copy, PartialEq, Eq, Hash)]
            pub(crate) struct $name(OrganizationId, $id);

            impl Key for $name {
                type Id = $id;

                fn parts(&self) -> (OrganizationId, $id) {
                    (self.0, self.1)
                }

                fn of(organization: OrganizationId, id: $id) -> Self {
                    Self(organization, id)
                }
            }
        )*
    };
}

/// An object of an organization.
trait Key: Copy + Eq + Hash {
    type Id: Copy + Ord;

    fn parts(&self) -> (OrganizationId, Self::Id);
    fn of(organization: OrganizationId, id: Self::Id) -> Self;
}

keys! {
    HostKey(HostId);
    AssetKey(HostId);
    SiteKey(SiteId);
    RelayKey(RelayId);
    PatchKey(PatchId);
    ApprovalKey(PatchId);
    GroupsKey(());
    OrganizationKey(());
}

fn by_organization<K: Key>(keys: &[K]) -> BTreeMap<OrganizationId, Vec<K::Id>> {
    let mut sorted: BTreeMap<OrganizationId, Vec<K::Id>> = BTreeMap::new();
    for (organization, id) in keys.iter().map(Key::parts) {
        sorted.entry(organization).or_default().push(id);
    }
    sorted
}

impl Loaders {
    pub(crate) fn new(session: Session) -> Self {
        Self(DataLoader::new(Batch(session), tokio::spawn))
    }

    pub(crate) async fn host(&self, of: OrganizationId, id: HostId) -> Result<Option<Host>> {
        self.0.load_one(HostKey(of, id)).await
    }

    /// The asset that is linked to a host.
    pub(crate) async fn asset_of(&self, of: OrganizationId, host: HostId) -> Result<Option<Asset>> {
        self.0.load_one(AssetKey(of, host)).await
    }

    pub(crate) async fn site(&self, of: OrganizationId, id: SiteId) -> Result<Option<Site>> {
        self.0.load_one(SiteKey(of, id)).await
    }

    pub(crate) async fn relay(&self, of: OrganizationId, id: RelayId) -> Result<Option<Relay>> {
        self.0.load_one(RelayKey(of, id)).await
    }

    pub(crate) async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>> {
        self.0.load_one(OrganizationKey(id, ())).await
    }

    pub(crate) async fn patch(&self, of: OrganizationId, id: PatchId) -> Result<Option<Patch>> {
        self.0.load_one(PatchKey(of, id)).await
    }

    /// In the given order; those that nobody knows are left out.
    pub(crate) async fn patches(&self, of: OrganizationId, ids: &[PatchId]) -> Result<Vec<Patch>> {
        let mut found = self
            .0
            .load_many(ids.iter().map(|id| PatchKey(of, *id)))
            .await?;
        Ok(ids
            .iter()
            .filter_map(|id| found.remove(&PatchKey(of, *id)))
            .collect())
    }

    /// The newest approval about a patch.
    pub(crate) async fn approval_of(
        &self,
        of: OrganizationId,
        patch: PatchId,
    ) -> Result<Option<Approval>> {
        self.0.load_one(ApprovalKey(of, patch)).await
    }

    pub(crate) async fn groups(&self, of: OrganizationId) -> Result<Vec<Group>> {
        Ok(self
            .0
            .load_one(GroupsKey(of, ()))
            .await?
            .unwrap_or_default())
    }

    pub(crate) async fn group(
        &self,
        of: OrganizationId,
        id: Option<GroupId>,
    ) -> Result<Option<Group>> {
        let Some(id) = id else { return Ok(None) };
        Ok(self
            .groups(of)
            .await?
            .into_iter()
            .find(|group| group.0.id == id))
    }
}

impl Loader<HostKey> for Batch {
    type Value = Host;
    type Error = ServiceError;

    async fn load(&self, keys: &[HostKey]) -> Result<HashMap<HostKey, Host>> {
        let mut found = HashMap::new();
        for (organization, ids) in by_organization(keys) {
            let Some(ctx) = absent(self.0.inside(organization))? else {
                continue;
            };
            for ids in ids.chunks(100) {
                let filter = inventory::HostFilter {
                    tenant: Some(organization),
                    ids: ids.to_vec(),
                    ..Default::default()
                };
                let page = self
                    .0
                    .apis
                    .inventory
                    .host_list(
                        &ctx,
                        inventory::HostList {
                            page: PageRequest::largest(),
                            filter,
                        },
                    )
                    .await?;
                found.extend(
                    page.into_nodes()
                        .into_iter()
                        .map(|host| (HostKey::of(organization, host.id), Host(host))),
                );
            }
        }
        Ok(found)
    }
}

impl Loader<AssetKey> for Batch {
    type Value = Asset;
    type Error = ServiceError;

    async fn load(&self, keys: &[AssetKey]) -> Result<HashMap<AssetKey, Asset>> {
        let mut found = HashMap::new();
        for (organization, hosts) in by_organization(keys) {
            let Some(ctx) = absent(self.0.inside(organization))? else {
                continue;
            };
            for hosts in hosts.chunks(100) {
                let list = inventory::AssetList {
                    page: PageRequest::largest(),
                    filter: inventory::AssetFilter {
                        tenant: Some(organization),
                        hosts: hosts.to_vec(),
                        ..Default::default()
                    },
                };
                let page = self.0.apis.inventory.asset_list(&ctx, list).await?;
                found.extend(
                    page.into_nodes()
                        .into_iter()
                        .filter_map(|asset| match asset.link {
                            inventory::AssetLink::Linked { host, .. } => {
                                Some((AssetKey::of(organization, host), Asset(asset)))
                            }
                            _ => None,
                        }),
                );
            }
        }
        Ok(found)
    }
}

impl Loader<SiteKey> for Batch {
    type Value = Site;
    type Error = ServiceError;

    async fn load(&self, keys: &[SiteKey]) -> Result<HashMap<SiteKey, Site>> {
        let mut found = HashMap::new();
        for (organization, _) in by_organization(keys) {
            let Some(ctx) = absent(self.0.inside(organization).and_then(readable))? else {
                continue;
            };
            let sites = self.0.apis.auth.site_list(&ctx).await?;
            found.extend(
                sites
                    .into_iter()
                    .map(|site| (SiteKey::of(organization, site.id), Site(site))),
            );
        }
        Ok(found)
    }
}

impl Loader<RelayKey> for Batch {
    type Value = Relay;
    type Error = ServiceError;

    async fn load(&self, keys: &[RelayKey]) -> Result<HashMap<RelayKey, Relay>> {
        let mut found = HashMap::new();
        for (organization, _) in by_organization(keys) {
            let Some(ctx) = absent(self.0.inside(organization).and_then(readable))? else {
                continue;
            };
            let relays = self.0.apis.auth.relay_list(&ctx).await?;
            found.extend(
                relays
                    .into_iter()
                    .map(|relay| (RelayKey::of(organization, relay.id), Relay(relay))),
            );
        }
        Ok(found)
    }
}

impl Loader<OrganizationKey> for Batch {
    type Value = Organization;
    type Error = ServiceError;

    async fn load(&self, _: &[OrganizationKey]) -> Result<HashMap<OrganizationKey, Organization>> {
        let all = super::model::organization::all(&self.0).await?;
        Ok(all
            .into_iter()
            .map(|organization| (OrganizationKey(organization.0.id, ()), organization))
            .collect())
    }
}

impl Loader<GroupsKey> for Batch {
    type Value = Vec<Group>;
    type Error = ServiceError;

    async fn load(&self, keys: &[GroupsKey]) -> Result<HashMap<GroupsKey, Vec<Group>>> {
        let mut found = HashMap::new();
        for (organization, _) in by_organization(keys) {
            let Some(ctx) = absent(self.0.inside(organization))? else {
                continue;
            };
            let groups = self
                .0
                .apis
                .inventory
                .group_list(&ctx, inventory::GroupList {})
                .await?;
            found.insert(
                GroupsKey(organization, ()),
                groups.into_iter().map(Group).collect(),
            );
        }
        Ok(found)
    }
}

impl Loader<PatchKey> for Batch {
    type Value = Patch;
    type Error = ServiceError;

    async fn load(&self, keys: &[PatchKey]) -> Result<HashMap<PatchKey, Patch>> {
        let mut found = HashMap::new();
        for (organization, ids) in by_organization(keys) {
            let Some(ctx) = absent(self.0.inside(organization))? else {
                continue;
            };
            for chunk in ids.chunks(100) {
                let request = inventory::PatchList {
                    page: PageRequest::largest(),
                    ids: chunk.to_vec(),
                    ..Default::default()
                };
                let page = self.0.apis.inventory.patch_list(&ctx, request).await?;
                found.extend(page.into_nodes().into_iter().map(|patch| {
                    (
                        PatchKey(organization, patch.id),
                        Patch {
                            of: organization,
                            patch,
                        },
                    )
                }));
            }
            // A list has only what a host could install now; installed and superseded patches are read one by one.
            for id in ids {
                let key = PatchKey(organization, id);
                if !found.contains_key(&key)
                    && let Some(patch) = absent(
                        self.0
                            .apis
                            .inventory
                            .patch_get(&ctx, inventory::PatchGet { id })
                            .await,
                    )?
                {
                    found.insert(
                        key,
                        Patch {
                            of: organization,
                            patch,
                        },
                    );
                }
            }
        }
        Ok(found)
    }
}

impl Loader<ApprovalKey> for Batch {
    type Value = Approval;
    type Error = ServiceError;

    async fn load(&self, keys: &[ApprovalKey]) -> Result<HashMap<ApprovalKey, Approval>> {
        let mut found: HashMap<ApprovalKey, Approval> = HashMap::new();
        for (organization, patches) in by_organization(keys) {
            let Some(ctx) = absent(self.0.inside(organization))? else {
                continue;
            };
            let request = policy::ApprovalList {
                page: PageRequest::largest(),
                tenant: Some(organization),
                patches,
                ..Default::default()
            };
            for approval in self
                .0
                .apis
                .policy
                .approval_list(&ctx, request)
                .await?
                .into_nodes()
            {
                let policy::Subject::Patch { patch, .. } = approval.subject else {
                    continue;
                };
                let newest = found
                    .entry(ApprovalKey(organization, patch))
                    .or_insert_with(|| Approval(approval.clone()));
                if newest.0.requested_at < approval.requested_at {
                    *newest = Approval(approval);
                }
            }
        }
        Ok(found)
    }
}
