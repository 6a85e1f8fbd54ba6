//! Assets: what an organization knows of its machines besides what agents report.

use super::{Host, Organization, Site};
use crate::graphql::connection::asked;
use crate::graphql::context::{Session, absent, organization_id, tenant_id};
use crate::graphql::{Connection, Date, DateTime, Result, loaders};
use async_graphql::{Context, Enum, ID, InputObject, Object};
use netpatch_inventory_api as inventory;
use netpatch_types::{AssetId, HostId, OrganizationId};

/// How much depends on a machine.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_types::Criticality")]
pub enum Criticality {
    /// Nobody would notice soon.
    Low,
    /// Some people could not work; also what counts when nobody has said.
    Medium,
    /// A department would stand still.
    High,
    /// The organization would stand still, or people would be in danger.
    Critical,
}

/// Whether an asset belongs to a host.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "inventory::AssetLinkState")]
pub enum AssetLinkState {
    /// To one.
    Linked,
    /// No host fits, or a person said that it has none.
    Unlinked,
    /// Several hosts fit, or one contradicts: a person must decide.
    Ambiguous,
}

/// By what an asset was linked to its host, strongest first.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "inventory::AssetLinkRule")]
pub enum AssetLinkRule {
    /// A person said so.
    Person,
    /// The same machine id.
    MachineId,
    /// The same serial number.
    Serial,
    /// The same name, in any case.
    Hostname,
}

/// By what way something of an asset was last said.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "inventory::AssetOrigin")]
pub enum AssetOrigin {
    /// By a person in the portal, or by a program through the API.
    Api,
    /// By a file with comma-separated values.
    Csv,
    /// By an inventory of the GLPI agent.
    Glpi,
    /// By a CycloneDX document.
    CycloneDx,
    /// By the agent of its host, where nobody had said anything.
    Agent,
}

/// What a write did.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "inventory::AssetOutcome")]
pub enum AssetOutcome {
    /// There is a new asset.
    Created,
    /// It says something else now.
    Changed,
    /// It said so already.
    Unchanged,
}

/// What an organization knows of a machine besides what its agent reports. It may be there before its host enrols. Owner, department,
/// location, tier, criticality and tags of a linked asset are the host's labels.
#[derive(Clone)]
pub struct Asset(pub inventory::Asset);

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// What an organization knows of a machine besides what its agent reports. It may be there before its host enrols. Owner, department,
/// location, tier, criticality and tags of a linked asset are the host's labels.
#[Object]
impl Asset {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// Whose it is.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        loaders(ctx)?.organization(self.0.tenant).await
    }

    /// The host that it belongs to.
    async fn host(&self, ctx: &Context<'_>) -> Result<Option<Host>> {
        match self.0.link {
            inventory::AssetLink::Linked { host, .. } => {
                loaders(ctx)?.host(self.0.tenant, host).await
            }
            _ => Ok(None),
        }
    }

    /// Whether it belongs to a host.
    async fn link_state(&self) -> AssetLinkState {
        match self.0.link {
            inventory::AssetLink::Linked { .. } => AssetLinkState::Linked,
            inventory::AssetLink::Unlinked => AssetLinkState::Unlinked,
            inventory::AssetLink::Ambiguous { .. } => AssetLinkState::Ambiguous,
        }
    }

    /// By what it was linked.
    async fn link_rule(&self) -> Option<AssetLinkRule> {
        match self.0.link {
            inventory::AssetLink::Linked { rule, .. } => Some(rule.into()),
            _ => None,
        }
    }

    /// Hosts between which a person must decide, at most 20.
    #[graphql(complexity = "2 + 20 * child_complexity")]
    async fn candidates(&self, ctx: &Context<'_>) -> Result<Vec<Host>> {
        let inventory::AssetLink::Ambiguous { candidates } = &self.0.link else {
            return Ok(Vec::new());
        };
        let mut hosts = Vec::new();
        for host in candidates {
            hosts.extend(loaders(ctx)?.host(self.0.tenant, *host).await?);
        }
        Ok(hosts)
    }

    /// Where it stands: its host's site, else as given.
    async fn site(&self, ctx: &Context<'_>) -> Result<Option<Site>> {
        match self.0.site {
            Some(site) => loaders(ctx)?.site(self.0.tenant, site).await,
            None => Ok(None),
        }
    }

    /// The customer's own number, unique in the organization.
    async fn inventory_number(&self) -> Option<&str> {
        given(&self.0.inventory_number)
    }

    /// Name; empty when not known.
    async fn hostname(&self) -> &str {
        &self.0.hostname
    }

    /// The vendor's serial number.
    async fn serial(&self) -> Option<&str> {
        given(&self.0.serial)
    }

    /// Who built it.
    async fn vendor(&self) -> Option<&str> {
        given(&self.0.vendor)
    }

    /// What it is.
    async fn model(&self) -> Option<&str> {
        given(&self.0.model)
    }

    /// Who answers for it.
    async fn owner(&self) -> Option<&str> {
        given(&self.0.owner)
    }

    /// Department.
    async fn department(&self) -> Option<&str> {
        given(&self.0.department)
    }

    /// Building, room, rack.
    async fn location(&self) -> Option<&str> {
        given(&self.0.location)
    }

    /// Device tier: `server`, `workstation`, …
    async fn tier(&self) -> Option<&str> {
        given(&self.0.tier)
    }

    /// How much depends on it; null counts as medium.
    async fn criticality(&self) -> Option<Criticality> {
        self.0.criticality.map(Into::into)
    }

    /// Tags.
    async fn tags(&self) -> Vec<&str> {
        self.0.tags.iter().map(String::as_str).collect()
    }

    /// Last day of the warranty.
    async fn warranty_end(&self) -> Option<Date> {
        self.0.warranty_end.map(Date)
    }

    /// Last day on which the vendor supports it, or it is to be used.
    async fn end_of_life(&self) -> Option<Date> {
        self.0.end_of_life.map(Date)
    }

    /// By what way something of it was last said.
    async fn origin(&self) -> AssetOrigin {
        self.0.origin.into()
    }

    /// Changes with each change; `ifMatch` of an update.
    async fn etag(&self) -> &str {
        &self.0.etag
    }

    /// When it was first known.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it last changed; changes of a linked host's labels do not count.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }
}

/// Which assets. All conditions must hold.
#[derive(Clone, Default, InputObject)]
pub struct AssetFilter {
    /// Only of this organization.
    pub organization_id: Option<ID>,
    /// Only of this host.
    pub host_id: Option<ID>,
    /// Only of these sites.
    pub site: Option<super::IdFilter>,
    /// Linked in one of these ways.
    pub link: Option<Vec<AssetLinkState>>,
    /// Part of name, inventory number, serial number, vendor or model.
    pub text_contains: Option<String>,
    /// Of one of these owners.
    pub owner: Option<Vec<String>>,
    /// Of one of these departments.
    pub department: Option<Vec<String>>,
    /// At one of these locations.
    pub location: Option<Vec<String>>,
    /// Of one of these tiers.
    pub tier: Option<Vec<String>>,
    /// So critical.
    pub criticality: Option<Vec<Criticality>>,
    /// With one of these tags.
    pub tag: Option<Vec<String>>,
    /// Whose warranty ends before this day.
    pub warranty_ends_before: Option<Date>,
    /// Whose life ends before this day.
    pub end_of_life_before: Option<Date>,
    /// That changed at or after this: for programs that fetch what is new.
    pub changed_since: Option<DateTime>,
}

/// An id that cannot be read, or is another organization's, lets nothing through: the nil id does that.
fn read_filter(
    filter: AssetFilter,
    organization: Option<OrganizationId>,
) -> inventory::AssetFilter {
    let host = |id: &ID| {
        tenant_id::<HostId>(id, HostId::PREFIX, "host")
            .map_or(HostId(uuid::Uuid::nil()), |(_, id)| id)
    };
    inventory::AssetFilter {
        tenant: organization,
        ids: Vec::new(),
        hosts: filter.host_id.iter().map(host).collect(),
        sites: super::host::sites(filter.site),
        links: filter
            .link
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect(),
        text_contains: filter.text_contains,
        owners: filter.owner.unwrap_or_default(),
        departments: filter.department.unwrap_or_default(),
        locations: filter.location.unwrap_or_default(),
        tiers: filter.tier.unwrap_or_default(),
        criticalities: filter
            .criticality
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect(),
        tags: filter.tag.unwrap_or_default(),
        warranty_ends_before: filter.warranty_ends_before.map(|day| day.0),
        end_of_life_before: filter.end_of_life_before.map(|day| day.0),
        changed_since: filter.changed_since.map(|since| since.0),
    }
}

/// One asset; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: AssetId,
) -> Result<Option<Asset>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    let asset = session
        .apis
        .inventory
        .asset_get(&ctx, inventory::AssetGet { id })
        .await;
    Ok(absent(asset)?.map(Asset))
}

/// Assets in order of name.
pub(crate) async fn listing(
    session: &Session,
    first: i32,
    after: Option<String>,
    filter: AssetFilter,
) -> Result<Option<Connection<Asset>>> {
    let organization = filter
        .organization_id
        .as_ref()
        .map(organization_id)
        .transpose();
    let Some(organization) = absent(organization)? else {
        return Ok(None);
    };
    let Some(ctx) = absent(session.within(organization))? else {
        return Ok(None);
    };
    let wanted = read_filter(filter, organization);
    let asked = asked("assets", &wanted, first, after)?;
    let list = inventory::AssetList {
        page: asked.page.clone(),
        filter: wanted,
    };
    let page = session.apis.inventory.asset_list(&ctx, list).await?;
    Ok(Some(asked.connection(page, Asset)))
}
