//! Assets. The labels of a linked asset are its host's.

mod host;

pub(crate) use host::{HostRow, Machine, hosts_matching, set_host_labels};

use crate::domain::asset::{Keys, asset_labels, hostname_key, serial_key};
use crate::store::{
    decoded, encoded,
    sql::{Query, count},
};
use chrono::{DateTime, NaiveDate, Utc};
use netpatch_inventory_api::{
    Asset, AssetFilter, AssetLink, AssetLinkRule, AssetLinkState, AssetOrigin,
};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{AssetId, Criticality, HostId, Labels, RequestContext, SiteId, TenantId};
use sea_orm::FromQueryResult;
use serde_json::json;
use uuid::Uuid;

/// Rows of one statement.
const PORTION: usize = 1000;

/// An asset as stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredAsset {
    pub(crate) id: AssetId,
    pub(crate) tenant: TenantId,
    pub(crate) link: AssetLink,
    /// Where it stands while it has no host.
    pub(crate) site: Option<SiteId>,
    /// Where its host stands.
    pub(crate) host_site: Option<SiteId>,
    pub(crate) inventory_number: String,
    pub(crate) hostname: String,
    pub(crate) machine_id: String,
    pub(crate) serial: String,
    pub(crate) vendor: String,
    pub(crate) model: String,
    pub(crate) warranty_end: Option<NaiveDate>,
    pub(crate) end_of_life: Option<NaiveDate>,
    /// All of the host's when it has one, else its own.
    pub(crate) labels: Labels,
    /// A person said that it has no host: no rule links it.
    pub(crate) is_held: bool,
    pub(crate) origin: AssetOrigin,
    pub(crate) version: i64,
    /// Of the host's labels.
    pub(crate) host_version: Option<i64>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl StoredAsset {
    /// The host that it is linked to.
    pub(crate) fn host(&self) -> Option<HostId> {
        match self.link {
            AssetLink::Linked { host, .. } => Some(host),
            AssetLink::Unlinked | AssetLink::Ambiguous { .. } => None,
        }
    }

    /// By what it is known.
    pub(crate) fn keys(&self) -> Keys {
        Keys {
            inventory_number: self.inventory_number.clone(),
            machine_id: self.machine_id.clone(),
            serial: serial_key(&self.serial),
            hostname: hostname_key(&self.hostname),
        }
    }

    /// Grows with each change of the asset and of its host's labels.
    pub(crate) fn etag(&self) -> String {
        match self.host_version {
            Some(host) => format!("{}.{host}", self.version),
            None => self.version.to_string(),
        }
    }

    /// As the API shows it.
    pub(crate) fn into_asset(self) -> Asset {
        let label = |key: &str| self.labels.get(key).cloned().unwrap_or_default();
        Asset {
            etag: self.etag(),
            site: self.host_site.or(self.site),
            owner: label("owner"),
            department: label("department"),
            location: label("location"),
            tier: label("tier"),
            criticality: Criticality::from_word(&label(Criticality::LABEL)),
            tags: crate::domain::asset::tags(&self.labels),
            id: self.id,
            tenant: self.tenant,
            link: self.link,
            inventory_number: self.inventory_number,
            hostname: self.hostname,
            machine_id: self.machine_id,
            serial: self.serial,
            vendor: self.vendor,
            model: self.model,
            warranty_end: self.warranty_end,
            end_of_life: self.end_of_life,
            origin: self.origin,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    host_id: Option<Uuid>,
    link_rule: String,
    link_state: String,
    candidates: Vec<Uuid>,
    site_id: Option<Uuid>,
    host_site: Option<Uuid>,
    inventory_number: String,
    hostname: String,
    machine_id: String,
    serial: String,
    vendor: String,
    model: String,
    warranty_end: Option<NaiveDate>,
    end_of_life: Option<NaiveDate>,
    labels: serde_json::Value,
    origin: String,
    version: i64,
    host_version: Option<i64>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

const COLUMNS: &str = "a.tenant_id, a.id, a.host_id, a.link_rule, a.link_state, a.candidates, a.site_id, h.site_id as host_site, \
    a.inventory_number, a.hostname, a.machine_id, a.serial, a.vendor, a.model, a.warranty_end, a.end_of_life, \
    coalesce(h.labels, a.labels) as labels, a.origin, a.version, h.version as host_version, a.created_at, a.updated_at";
const FROM: &str = " from inventory.assets a left join inventory.hosts h on h.tenant_id = a.tenant_id and h.id = a.host_id where true";

fn stored(row: Row) -> StorageResult<StoredAsset> {
    let rule = AssetLinkRule::ALL
        .into_iter()
        .find(|rule| rule.as_str() == row.link_rule)
        .unwrap_or(AssetLinkRule::Person);
    let link = match row.host_id {
        Some(host) => AssetLink::Linked {
            host: host.into(),
            rule,
        },
        None if row.link_state == AssetLinkState::Ambiguous.as_str() => AssetLink::Ambiguous {
            candidates: row.candidates.into_iter().map(Into::into).collect(),
        },
        None => AssetLink::Unlinked,
    };
    Ok(StoredAsset {
        id: row.id.into(),
        tenant: row.tenant_id.into(),
        link,
        site: row.site_id.map(Into::into),
        host_site: row.host_site.map(Into::into),
        inventory_number: row.inventory_number,
        hostname: row.hostname,
        machine_id: row.machine_id,
        serial: row.serial,
        vendor: row.vendor,
        model: row.model,
        warranty_end: row.warranty_end,
        end_of_life: row.end_of_life,
        labels: decoded("an asset's labels", row.labels)?,
        is_held: row.host_id.is_none() && row.link_rule == AssetLinkRule::Person.as_str(),
        origin: AssetOrigin::ALL
            .into_iter()
            .find(|origin| origin.as_str() == row.origin)
            .unwrap_or(AssetOrigin::Api),
        version: row.version,
        host_version: row.host_version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// Only sites that the request may see; an asset that stands nowhere is not on any of them.
fn in_scope(query: &mut Query, ctx: &RequestContext) {
    if let Some(sites) = &ctx.sites {
        let sites: Vec<Uuid> = sites.iter().map(|site| site.0).collect();
        query.and("coalesce(h.site_id, a.site_id) = any(", sites, ")");
    }
}

/// One asset that the request may see.
pub(crate) async fn get(
    tx: &TenantTx,
    ctx: &RequestContext,
    id: AssetId,
) -> StorageResult<Option<StoredAsset>> {
    let mut query = Query::new(format!("select {COLUMNS}{FROM}"));
    query.and("a.id =", id.0, "");
    in_scope(&mut query, ctx);
    tx.one::<Row>(&query.text, query.values)
        .await?
        .map(stored)
        .transpose()
}

/// One writer of an organization's assets at a time: identities and links are decided over all of them.
pub(crate) async fn lock(tx: &TenantTx) -> StorageResult<()> {
    tx.execute(
        "select pg_advisory_xact_lock(hashtextextended('inventory.assets ' || $1, 0))",
        [tx.tenant()?.0.to_string().into()],
    )
    .await?;
    Ok(())
}

/// By what assets are looked up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) ids: Vec<Uuid>,
    pub(crate) hosts: Vec<Uuid>,
    pub(crate) inventory_numbers: Vec<String>,
    pub(crate) machine_ids: Vec<String>,
    pub(crate) serials: Vec<String>,
    pub(crate) hostnames: Vec<String>,
}

impl Wanted {
    /// Also whatever shares a key with these.
    pub(crate) fn keys(&mut self, keys: &Keys) {
        for (list, key) in [
            (&mut self.inventory_numbers, &keys.inventory_number),
            (&mut self.machine_ids, &keys.machine_id),
            (&mut self.serials, &keys.serial),
            (&mut self.hostnames, &keys.hostname),
        ] {
            if !key.is_empty() {
                list.push(key.clone());
            }
        }
    }
}

/// The assets of the organization that is written to that share a key, an id or a host.
pub(crate) async fn matching(tx: &TenantTx, wanted: &Wanted) -> StorageResult<Vec<StoredAsset>> {
    let sql = format!(
        "select {COLUMNS}{FROM} and a.tenant_id = $1 and (a.id = any($2) or a.host_id = any($3) or a.inventory_number = any($4) \
         or a.machine_id = any($5) or a.serial_key = any($6) or a.hostname_key = any($7)) order by a.id"
    );
    let rows: Vec<Row> = tx
        .all(
            &sql,
            [
                tx.tenant()?.0.into(),
                wanted.ids.clone().into(),
                wanted.hosts.clone().into(),
                wanted.inventory_numbers.clone().into(),
                wanted.machine_ids.clone().into(),
                wanted.serials.clone().into(),
                wanted.hostnames.clone().into(),
            ],
        )
        .await?;
    rows.into_iter().map(stored).collect()
}

/// Writes assets as they are; the version is the caller's.
pub(crate) async fn put(tx: &TenantTx, assets: &[&StoredAsset]) -> StorageResult<()> {
    for portion in assets.chunks(PORTION) {
        let rows = portion
            .iter()
            .map(|asset| row(asset))
            .collect::<StorageResult<Vec<_>>>()?;
        tx.execute(
            "insert into inventory.assets (tenant_id, id, host_id, link_rule, link_state, candidates, site_id, inventory_number, hostname, \
             hostname_key, machine_id, serial, serial_key, vendor, model, warranty_end, end_of_life, labels, origin, version, created_at, \
             updated_at) select $1, id, host_id, link_rule, link_state, \
             array(select jsonb_array_elements_text(candidates)::uuid), site_id, inventory_number, hostname, \
             hostname_key, machine_id, serial, serial_key, vendor, model, warranty_end, end_of_life, labels, origin, version, created_at, \
             updated_at from jsonb_to_recordset($2) as r(id uuid, host_id uuid, link_rule text, link_state text, candidates jsonb, \
             site_id uuid, inventory_number text, hostname text, hostname_key text, machine_id text, serial text, serial_key text, \
             vendor text, model text, warranty_end date, end_of_life date, labels jsonb, origin text, version bigint, \
             created_at timestamptz, updated_at timestamptz) on conflict (tenant_id, id) do update set host_id = excluded.host_id, \
             link_rule = excluded.link_rule, link_state = excluded.link_state, candidates = excluded.candidates, \
             site_id = excluded.site_id, inventory_number = excluded.inventory_number, hostname = excluded.hostname, \
             hostname_key = excluded.hostname_key, machine_id = excluded.machine_id, serial = excluded.serial, \
             serial_key = excluded.serial_key, vendor = excluded.vendor, model = excluded.model, warranty_end = excluded.warranty_end, \
             end_of_life = excluded.end_of_life, labels = excluded.labels, origin = excluded.origin, version = excluded.version, \
             updated_at = excluded.updated_at",
            [tx.tenant()?.0.into(), serde_json::Value::Array(rows).into()],
        )
        .await?;
    }
    Ok(())
}

fn row(asset: &StoredAsset) -> StorageResult<serde_json::Value> {
    let keys = asset.keys();
    let (host, rule, state, candidates) = match &asset.link {
        AssetLink::Linked { host, rule } => {
            (Some(*host), rule.as_str(), AssetLinkState::Linked, &[][..])
        }
        AssetLink::Unlinked if asset.is_held => (
            None,
            AssetLinkRule::Person.as_str(),
            AssetLinkState::Unlinked,
            &[][..],
        ),
        AssetLink::Unlinked => (None, "", AssetLinkState::Unlinked, &[][..]),
        AssetLink::Ambiguous { candidates } => {
            (None, "", AssetLinkState::Ambiguous, candidates.as_slice())
        }
    };
    let labels = match host {
        Some(_) => Labels::new(),
        None => asset_labels(&asset.labels),
    };
    Ok(json!({
        "id": asset.id,
        "host_id": host,
        "link_rule": rule,
        "link_state": state.as_str(),
        "candidates": candidates,
        "site_id": asset.site,
        "inventory_number": asset.inventory_number,
        "hostname": asset.hostname,
        "hostname_key": keys.hostname,
        "machine_id": asset.machine_id,
        "serial": asset.serial,
        "serial_key": keys.serial,
        "vendor": asset.vendor,
        "model": asset.model,
        "warranty_end": asset.warranty_end,
        "end_of_life": asset.end_of_life,
        "labels": encoded("an asset's labels", &labels)?,
        "origin": asset.origin.as_str(),
        "version": asset.version,
        "created_at": asset.created_at,
        "updated_at": asset.updated_at,
    }))
}

/// Removes an asset.
pub(crate) async fn delete(tx: &TenantTx, id: AssetId) -> StorageResult<()> {
    tx.execute(
        "delete from inventory.assets where tenant_id = $1 and id = $2",
        [tx.tenant()?.0.into(), id.0.into()],
    )
    .await?;
    Ok(())
}

/// Assets in order of name.
pub(crate) async fn list(
    tx: &TenantTx,
    ctx: &RequestContext,
    filter: &AssetFilter,
    after: super::host::After,
    limit: u64,
) -> StorageResult<(Vec<StoredAsset>, u64)> {
    let mut query = Query::new(FROM);
    query.of_tenant(filter.tenant, "a");
    in_scope(&mut query, ctx);
    narrow(&mut query, filter);
    let total = count(tx, &query).await?;
    if let Some((name, id)) = after {
        let (name, id) = (query.bind(name), query.bind(id));
        query.push(&format!(" and (a.hostname, a.id) > ({name}, {id})"));
    }
    let limit = query.bind(i64::try_from(limit + 1).unwrap_or(i64::MAX));
    let sql = format!(
        "select {COLUMNS}{} order by a.hostname, a.id limit {limit}",
        query.text
    );
    let rows: Vec<Row> = tx.all(&sql, query.values).await?;
    let assets = rows
        .into_iter()
        .map(stored)
        .collect::<StorageResult<Vec<_>>>()?;
    Ok((assets, total))
}

fn narrow(query: &mut Query, filter: &AssetFilter) {
    let ids = |ids: Vec<Uuid>, column: &str, query: &mut Query| {
        if !ids.is_empty() {
            query.and(&format!("{column} = any("), ids, ")");
        }
    };
    ids(filter.ids.iter().map(|id| id.0).collect(), "a.id", query);
    ids(
        filter.hosts.iter().map(|id| id.0).collect(),
        "a.host_id",
        query,
    );
    ids(
        filter.sites.iter().map(|id| id.0).collect(),
        "coalesce(h.site_id, a.site_id)",
        query,
    );
    if !filter.links.is_empty() {
        let words: Vec<String> = filter
            .links
            .iter()
            .map(|link| link.as_str().to_owned())
            .collect();
        query.and("a.link_state = any(", words, ")");
    }
    if let Some(part) = &filter.text_contains {
        let part = query.bind(super::sql::contains(part));
        query.push(&format!(
            " and (a.hostname ilike {part} or a.inventory_number ilike {part} or a.serial ilike {part} or a.vendor ilike {part} \
             or a.model ilike {part})"
        ));
    }
    let criticalities: Vec<String> = filter
        .criticalities
        .iter()
        .map(|word| word.as_str().to_owned())
        .collect();
    for (key, values) in [
        ("owner", &filter.owners),
        ("department", &filter.departments),
        ("location", &filter.locations),
        ("tier", &filter.tiers),
        (Criticality::LABEL, &criticalities),
    ] {
        if !values.is_empty() {
            query.and(
                &format!("coalesce(h.labels, a.labels) ->> '{key}' = any("),
                values.clone(),
                ")",
            );
        }
    }
    if !filter.tags.is_empty() {
        let keys: Vec<String> = filter.tags.iter().map(|tag| format!("tag:{tag}")).collect();
        query.and("jsonb_exists_any(coalesce(h.labels, a.labels),", keys, ")");
    }
    if let Some(day) = filter.warranty_ends_before {
        query.and("a.warranty_end <", day, "");
    }
    if let Some(day) = filter.end_of_life_before {
        query.and("a.end_of_life <", day, "");
    }
    if let Some(since) = filter.changed_since {
        query.and("a.updated_at >=", since, "");
    }
}
