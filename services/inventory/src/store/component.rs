//! Components of the catalog: one row and one dense number per distinct component of the platform.

use crate::domain::manifest::natural_key;
use crate::store::{
    column, number,
    sql::{Query, contains},
};
use netpatch_storage::{Database, StorageError, StorageResult, TenantTx, Tx};
use netpatch_types::{ComponentId, ComponentKey, Ecosystem, RequestContext};
use sea_orm::FromQueryResult;
use std::collections::HashMap;
use uuid::Uuid;

/// The catalog id of a component.
#[must_use]
pub(crate) fn component_id(key: &ComponentKey) -> ComponentId {
    ComponentId::of(key.ecosystem.as_str(), &natural_key(key))
}

#[derive(FromQueryResult)]
struct NumberRow {
    id: Uuid,
    number: i32,
}

/// The numbers of components, in their order; unknown ones are added to the catalog.
pub(crate) async fn numbers(db: &Database, keys: &[ComponentKey]) -> StorageResult<Vec<u32>> {
    let ids: Vec<Uuid> = keys.iter().map(|key| component_id(key).0).collect();
    let tx = db.directory_tx().await?;
    let mut known = known(&tx, ids.clone()).await?;
    tx.rollback().await?;
    let mut missing: Vec<(Uuid, &ComponentKey)> = ids
        .iter()
        .copied()
        .zip(keys)
        .filter(|(id, _)| !known.contains_key(id))
        .collect();
    if !missing.is_empty() {
        // In one order everywhere, so that two reports do not wait for each other in a circle.
        missing.sort_unstable_by_key(|(id, _)| *id);
        known.extend(add(db, &missing).await?);
    }
    ids.iter()
        .map(|id| {
            known
                .get(id)
                .copied()
                .ok_or_else(|| StorageError::Encoding {
                    what: "a component",
                    reason: format!("{id} has no number"),
                })
        })
        .collect()
}

async fn known<S>(tx: &Tx<S>, ids: Vec<Uuid>) -> StorageResult<HashMap<Uuid, u32>> {
    let rows: Vec<NumberRow> = tx
        .all(
            "select id, number from inventory.components where id = any($1)",
            [ids.into()],
        )
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.id, number(row.number)))
        .collect())
}

async fn add(
    db: &Database,
    missing: &[(Uuid, &ComponentKey)],
) -> StorageResult<HashMap<Uuid, u32>> {
    let field = |read: fn(&ComponentKey) -> &str| -> Vec<String> {
        missing
            .iter()
            .map(|(_, key)| read(key).to_owned())
            .collect()
    };
    let ids: Vec<Uuid> = missing.iter().map(|(id, _)| *id).collect();
    let tx = db.catalog_tx().await?;
    tx.execute(
        "insert into inventory.components (id, ecosystem, distribution, release, name, version, arch, source, source_version) \
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[]) \
         on conflict (id) do nothing",
        [
            ids.clone().into(),
            field(|key| key.ecosystem.as_str()).into(),
            field(|key| &key.distribution).into(),
            field(|key| &key.release).into(),
            field(|key| &key.name).into(),
            field(|key| &key.version).into(),
            field(|key| &key.arch).into(),
            field(|key| &key.source).into(),
            field(|key| &key.source_version).into(),
        ],
    )
    .await?;
    let known = known(&tx, ids).await?;
    tx.commit().await?;
    Ok(known)
}

#[derive(FromQueryResult)]
pub(crate) struct ComponentRow {
    pub(crate) number: i32,
    pub(crate) id: Uuid,
    pub(crate) ecosystem: String,
    pub(crate) distribution: String,
    pub(crate) release: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) arch: String,
    pub(crate) source: String,
    pub(crate) source_version: String,
}

pub(crate) const COLUMNS: &str = "c.number, c.id, c.ecosystem, c.distribution, c.release, c.name, c.version, c.arch, c.source, c.source_version";

impl ComponentRow {
    pub(crate) fn into_key(self) -> StorageResult<ComponentKey> {
        Ok(ComponentKey {
            ecosystem: ecosystem(&self.ecosystem)?,
            distribution: self.distribution,
            release: self.release,
            name: self.name,
            version: self.version,
            arch: self.arch,
            source: self.source,
            source_version: self.source_version,
        })
    }
}

/// Reads the word of a stored ecosystem.
pub(crate) fn ecosystem(word: &str) -> StorageResult<Ecosystem> {
    Ecosystem::from_word(word).ok_or_else(|| StorageError::Encoding {
        what: "an ecosystem",
        reason: word.to_owned(),
    })
}

/// Components by number.
pub(crate) async fn by_number<S>(
    tx: &Tx<S>,
    numbers: &[u32],
) -> StorageResult<Vec<(u32, ComponentKey)>> {
    let numbers: Vec<i32> = numbers.iter().copied().map(column).collect();
    let sql = format!("select {COLUMNS} from inventory.components c where c.number = any($1)");
    let rows: Vec<ComponentRow> = tx.all(&sql, [numbers.into()]).await?;
    rows.into_iter()
        .map(|row| Ok((number(row.number), row.into_key()?)))
        .collect()
}

/// A component that a host of the request's scope has now.
pub(crate) async fn carried(
    tx: &TenantTx,
    ctx: &RequestContext,
    id: ComponentId,
) -> StorageResult<Option<ComponentKey>> {
    let sql = format!("select {COLUMNS} from inventory.components c where c.id = $1");
    let Some(row) = tx.one::<ComponentRow>(&sql, [id.0.into()]).await? else {
        return Ok(None);
    };
    // Numbers are stored as four bytes each: the first test is quick, the second looks at whole numbers only.
    let mut query = Query::new(
        "select exists (select 1 from inventory.hosts h \
         join inventory.manifests m on m.tenant_id = h.tenant_id and m.hash = h.manifest where true",
    );
    let wanted = query.bind(number(row.number).to_be_bytes().to_vec());
    query.in_scope(ctx, "h").push(&format!(
        " and position({wanted} in m.components) > 0 and exists (\
         select 1 from generate_series(1, length(m.components), 4) at \
         where substring(m.components from at for 4) = {wanted}))"
    ));
    let is_carried: Option<bool> = tx.value(&query.text, query.values).await?;
    if is_carried == Some(true) {
        row.into_key().map(Some)
    } else {
        Ok(None)
    }
}

/// Some of these components in order of (name, id), behind `after`.
pub(crate) async fn page<S>(
    tx: &Tx<S>,
    numbers: &[u32],
    name_contains: Option<&str>,
    after: Option<(String, Uuid)>,
    limit: u64,
) -> StorageResult<Vec<(ComponentId, ComponentKey)>> {
    let numbers: Vec<i32> = numbers.iter().copied().map(column).collect();
    let mut query = Query::new(format!(
        "select {COLUMNS} from inventory.components c where true"
    ));
    query.and("c.number = any(", numbers, ")");
    if let Some(part) = name_contains {
        query.and("c.name ilike", contains(part), "");
    }
    if let Some((name, id)) = after {
        let (name, id) = (query.bind(name), query.bind(id));
        query.push(&format!(" and (c.name, c.id) > ({name}, {id})"));
    }
    let limit = query.bind(i64::try_from(limit + 1).unwrap_or(i64::MAX));
    query.push(&format!(" order by c.name, c.id limit {limit}"));
    let rows: Vec<ComponentRow> = tx.all(&query.text, query.values).await?;
    rows.into_iter()
        .map(|row| Ok((ComponentId(row.id), row.into_key()?)))
        .collect()
}
