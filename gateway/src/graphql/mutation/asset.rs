//! `assetUpsert`, `assetImport`, `assetDelete`.

use super::{answer, payload};
use crate::graphql::connection::int;
use crate::graphql::context::{organization_id, same_organization, tenant_id};
use crate::graphql::model::{Asset, AssetOutcome, Criticality};
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Date, Result, right, session};
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use netpatch_inventory_api as inventory;
use netpatch_types::{AssetId, HostId, OrganizationId, RequestContext, ServiceError, SiteId};

/// Most assets of one `assetImport`; a file has its own way in.
const MAX_ASSETS: usize = 100;

/// What is said of an asset: an absent field stays, null clears it.
#[derive(Clone, InputObject)]
pub struct AssetFields {
    /// The host that it belongs to, by a person's word; null takes it from its host.
    host_id: MaybeUndefined<ID>,
    /// Where it stands; a linked asset stands where its host does.
    site_id: MaybeUndefined<ID>,
    /// The customer's own number, unique in the organization.
    inventory_number: MaybeUndefined<String>,
    /// Name.
    hostname: MaybeUndefined<String>,
    /// `/etc/machine-id` (32 hexadecimal digits) or its salted hash (64).
    machine_id: MaybeUndefined<String>,
    /// The vendor's serial number.
    serial: MaybeUndefined<String>,
    /// Who built it.
    vendor: MaybeUndefined<String>,
    /// What it is.
    model: MaybeUndefined<String>,
    /// Who answers for it.
    owner: MaybeUndefined<String>,
    /// Department.
    department: MaybeUndefined<String>,
    /// Building, room, rack.
    location: MaybeUndefined<String>,
    /// Device tier: `server`, `workstation`, …
    tier: MaybeUndefined<String>,
    /// How much depends on it.
    criticality: MaybeUndefined<Criticality>,
    /// All tags.
    tags: MaybeUndefined<Vec<String>>,
    /// Last day of the warranty.
    warranty_end: MaybeUndefined<Date>,
    /// Last day on which the vendor supports it, or it is to be used.
    end_of_life: MaybeUndefined<Date>,
}

/// Says something of an asset. Without an id it is the one with the same inventory number, else machine id, else serial number, else
/// name; several that fit are an error, none makes a new one.
#[derive(Clone, InputObject)]
pub struct AssetUpsertInput {
    /// Whose.
    organization_id: ID,
    /// Which, if known.
    id: Option<ID>,
    /// The etag that was read.
    if_match: Option<String>,
    /// What is said.
    fields: AssetFields,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// Says something of many assets: all of it or nothing.
#[derive(Clone, InputObject)]
pub struct AssetImportInput {
    /// Whose.
    organization_id: ID,
    /// What is said, at most 100 assets.
    assets: Vec<AssetFields>,
    /// Only say what would be done.
    #[graphql(default_with = "Some(false)")]
    dry_run: Option<bool>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// Removes an asset; its host keeps its labels.
#[derive(Clone, InputObject)]
pub struct AssetDeleteInput {
    /// Which.
    id: ID,
    /// The etag that was read.
    if_match: Option<String>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// What is wrong with one asset of an import.
#[derive(Clone, SimpleObject)]
pub struct AssetLineError {
    /// Which asset of the list, or which line of the file, from 1.
    pub line: i32,
    /// Which field or column; empty: all of it.
    pub column: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

payload! {
    /// Answer of `assetUpsert`.
    AssetUpsertPayload {
        /// The asset.
        asset: Asset,
        /// What was done; null when the mutation is repeated.
        outcome: AssetOutcome,
    }
}
payload! {
    /// Answer of `assetImport`.
    AssetImportPayload {
        /// New assets.
        created: i32,
        /// Assets that say something else now.
        changed: i32,
        /// Assets that said so already.
        unchanged: i32,
        /// Of all of them, those that fit several hosts: a person must decide.
        ambiguous: i32,
        /// What is wrong, at most 100; with one error nothing was written.
        line_errors: Vec<AssetLineError>,
    }
}
payload! {
    /// Answer of `assetDelete`.
    AssetDeletePayload {
        /// The asset that is gone.
        deleted_id: ID,
    }
}

/// Assets.
#[derive(Default)]
pub struct AssetMutation;

#[Object]
impl AssetMutation {
    /// Says something of an asset, known or new.
    #[graphql(complexity = "10 + child_complexity")]
    async fn asset_upsert(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: AssetUpsertInput,
    ) -> Result<AssetUpsertPayload> {
        answer(upsert(ctx, input).await)
    }

    /// Says something of many assets: all of it or nothing. Files go to `POST /assets/import`.
    #[graphql(complexity = "100 + child_complexity")]
    async fn asset_import(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: AssetImportInput,
    ) -> Result<AssetImportPayload> {
        import(ctx, input).await
    }

    /// Removes an asset.
    #[graphql(complexity = "10 + child_complexity")]
    async fn asset_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: AssetDeleteInput,
    ) -> Result<AssetDeletePayload> {
        answer(delete(ctx, input).await)
    }
}

fn change<T, U>(
    value: MaybeUndefined<T>,
    read: impl FnOnce(T) -> Result<U>,
) -> Result<inventory::Change<U>> {
    Ok(match value {
        MaybeUndefined::Undefined => inventory::Change::Keep,
        MaybeUndefined::Null => inventory::Change::Clear,
        MaybeUndefined::Value(value) => inventory::Change::Set(read(value)?),
    })
}

fn read(fields: AssetFields, of: OrganizationId) -> Result<inventory::AssetWrite> {
    Ok(inventory::AssetWrite {
        id: None,
        if_match: None,
        host: change(fields.host_id, |id| {
            same_organization::<HostId>(&id, of, HostId::PREFIX, "hostId", "host")
        })?,
        site: change(fields.site_id, |id| {
            same_organization::<SiteId>(&id, of, SiteId::PREFIX, "siteId", "site")
        })?,
        inventory_number: change(fields.inventory_number, Ok)?,
        hostname: change(fields.hostname, Ok)?,
        machine_id: change(fields.machine_id, Ok)?,
        serial: change(fields.serial, Ok)?,
        vendor: change(fields.vendor, Ok)?,
        model: change(fields.model, Ok)?,
        owner: change(fields.owner, Ok)?,
        department: change(fields.department, Ok)?,
        location: change(fields.location, Ok)?,
        tier: change(fields.tier, Ok)?,
        criticality: change(fields.criticality, |word| Ok(word.into()))?,
        tags: change(fields.tags, |tags| Ok(tags.into_iter().collect()))?,
        warranty_end: change(fields.warranty_end, |day| Ok(day.0))?,
        end_of_life: change(fields.end_of_life, |day| Ok(day.0))?,
    })
}

/// The sites that are named exist; inventory does not know sites.
async fn check_sites(
    session: &crate::graphql::context::Session,
    request: &RequestContext,
    writes: &[inventory::AssetWrite],
) -> Result<()> {
    let mut sites: Vec<SiteId> = writes
        .iter()
        .filter_map(|write| write.site.value().copied())
        .collect();
    sites.sort_unstable();
    sites.dedup();
    for site in sites {
        session
            .apis
            .auth
            .site_get(request, site)
            .await
            .map_err(|error| ServiceError {
                path: vec!["siteId".to_owned()],
                ..error
            })?;
    }
    Ok(())
}

async fn upsert(ctx: &Context<'_>, input: AssetUpsertInput) -> Result<AssetUpsertPayload> {
    let session = session(ctx)?;
    let of = organization_id(&input.organization_id)?;
    let request = session.inside(of)?;
    let id = input
        .id
        .as_ref()
        .map(|id| same_organization::<AssetId>(id, of, AssetId::PREFIX, "id", "asset"))
        .transpose()?;
    let write = inventory::AssetWrite {
        id,
        if_match: input.if_match.clone(),
        ..read(input.fields.clone(), of)?
    };
    right::require(&request, "assetUpsert")?;
    check_sites(session, &request, std::slice::from_ref(&write)).await?;
    let upsert = inventory::AssetUpsert {
        write,
        origin: inventory::AssetOrigin::Api,
    };
    let work = session.apis.inventory.asset_upsert(&request, upsert);
    let made = once(
        session,
        &request,
        "assetUpsert",
        &input.idempotency_key,
        &input,
        work,
        |done| vec![done.asset.id.0],
    )
    .await?;
    let (asset, outcome) = match made {
        Once::Done(done) => (done.asset, Some(done.outcome.into())),
        Once::Before(ids) => {
            let get = inventory::AssetGet { id: first(&ids)? };
            (session.apis.inventory.asset_get(&request, get).await?, None)
        }
    };
    Ok(AssetUpsertPayload {
        asset: Some(Asset(asset)),
        outcome,
        ..Default::default()
    })
}

async fn import(ctx: &Context<'_>, input: AssetImportInput) -> Result<AssetImportPayload> {
    let mut wrong = None;
    let done = answer(import_all(ctx, input, &mut wrong).await)?;
    Ok(match wrong {
        Some(wrong) => AssetImportPayload {
            line_errors: Some(line_errors(&wrong)),
            ..done
        },
        None => done,
    })
}

/// Line errors in the API's form.
pub(crate) fn line_errors(done: &inventory::AssetImported) -> Vec<AssetLineError> {
    done.errors
        .iter()
        .map(|error| AssetLineError {
            line: int(error.line),
            column: error.column.clone(),
            message: error.message.clone(),
            remedy: error.remedy.clone(),
        })
        .collect()
}

/// What refuses an import with errors; the errors themselves stand beside it.
pub(crate) fn refused(done: &inventory::AssetImported) -> ServiceError {
    let noun = if done.error_count == 1 {
        "error"
    } else {
        "errors"
    };
    ServiceError::invalid(
        "assets",
        format!(
            "nothing was written because of {} {noun}; mend them and import again",
            done.error_count
        ),
    )
}

async fn import_all(
    ctx: &Context<'_>,
    input: AssetImportInput,
    wrong: &mut Option<inventory::AssetImported>,
) -> Result<AssetImportPayload> {
    let session = session(ctx)?;
    let of = organization_id(&input.organization_id)?;
    let request = session.inside(of)?;
    if input.assets.len() > MAX_ASSETS {
        return Err(ServiceError::invalid(
            "assets",
            format!("name at most {MAX_ASSETS} assets, or send a file to /assets/import"),
        ));
    }
    let writes = input
        .assets
        .iter()
        .cloned()
        .map(|fields| read(fields, of))
        .collect::<Result<Vec<_>>>()?;
    right::require(&request, "assetImport")?;
    check_sites(session, &request, &writes).await?;
    let dry_run = input.dry_run.unwrap_or(false);
    let import = inventory::AssetImport {
        rows: (1..)
            .zip(writes)
            .map(|(line, write)| inventory::AssetRow { line, write })
            .collect(),
        origin: inventory::AssetOrigin::Api,
        dry_run,
    };
    let count = import.rows.len();
    let work = async {
        let done = session
            .apis
            .inventory
            .asset_import(&request, import)
            .await?;
        if done.error_count > 0 {
            let error = refused(&done);
            *wrong = Some(done);
            return Err(error);
        }
        Ok(done)
    };
    let done = if dry_run {
        work.await?
    } else {
        let key = &input.idempotency_key;
        match once(session, &request, "assetImport", key, &input, work, |_| {
            Vec::new()
        })
        .await?
        {
            Once::Done(done) => done,
            Once::Before(_) => inventory::AssetImported {
                unchanged: u64::try_from(count).unwrap_or(u64::MAX),
                ..Default::default()
            },
        }
    };
    Ok(AssetImportPayload {
        created: Some(int(done.created)),
        changed: Some(int(done.changed)),
        unchanged: Some(int(done.unchanged)),
        ambiguous: Some(int(done.ambiguous)),
        line_errors: Some(Vec::new()),
        ..Default::default()
    })
}

async fn delete(ctx: &Context<'_>, input: AssetDeleteInput) -> Result<AssetDeletePayload> {
    let session = session(ctx)?;
    let (of, id) = tenant_id::<AssetId>(&input.id, AssetId::PREFIX, "asset")?;
    let request = session
        .inside(of)
        .map_err(|_| ServiceError::not_found("asset"))?;
    let delete = inventory::AssetDelete {
        id,
        if_match: input.if_match.clone(),
    };
    let work = session.apis.inventory.asset_delete(&request, delete);
    once(
        session,
        &request,
        "assetDelete",
        &input.idempotency_key,
        &input,
        work,
        |_| vec![id.0],
    )
    .await?;
    Ok(AssetDeletePayload {
        deleted_id: Some(input.id),
        ..Default::default()
    })
}
