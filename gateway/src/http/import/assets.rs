//! `POST /import/assets?organizationId=org_…&dryRun=true&map=Header:field`: assets as comma-separated values (`text/csv`).
//!
//! `map` says, as often as needed, which field a column says; nothing behind the colon passes the column over. All lines are written or
//! none; what is wrong is said by line and column, with 422, or with 200 when it was only asked for (`dryRun`). `Idempotency-Key` is the mutation's `idempotencyKey`.

use super::{
    MediaType, Parameters, answered, bounded, flag, inside, known, manner, organization, pay,
};
use crate::graphql::mutation::asset::{line_errors, refused};
use crate::graphql::once::{Once, once_bytes};
use crate::graphql::right;
use crate::http::caller;
use crate::state::GatewayState;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use netpatch_inventory_api::{AssetFileImport, AssetImported, MAX_FILE_BYTES};
use netpatch_types::{RequestContext, ServiceError, ServiceResult, Sha256, SiteId};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const CSV: MediaType = MediaType {
    names: &["text/csv"],
    remedy: "send the file as text/csv",
};

pub(crate) async fn assets(
    State(state): State<GatewayState>,
    Query(parameters): Query<Parameters>,
    request: Request,
) -> Response {
    answered(manner(&state), import(&state, &parameters, request).await)
}

async fn import(
    state: &GatewayState,
    parameters: &Parameters,
    request: Request,
) -> ServiceResult<(StatusCode, Value)> {
    let (parts, body) = request.into_parts();
    let caller = caller::identify(state, &parts.headers, false).await?;
    known(parameters, &["organizationId", "dryRun", "map"])?;
    let session = state.session(caller.clone());
    let ctx = inside(&session, organization(parameters)?)?;
    right::require(&ctx, "assetImport")?;
    pay(state, &caller, caller::address(&parts.extensions))?;
    CSV.check(&parts.headers)?;
    let bytes = bounded(body, MAX_FILE_BYTES).await?;
    let text = String::from_utf8(bytes.to_vec()).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        ServiceError::invalid(
            "body",
            format!("line {line} is not UTF-8; save the file as CSV UTF-8"),
        )
    })?;
    let import = AssetFileImport {
        mapping: mapping(parameters)?,
        sites: sites(state, &ctx).await?,
        dry_run: flag(parameters, "dryRun")?,
        text,
    };
    let (dry_run, digest) = (import.dry_run, Sha256::of(&bytes));
    let body =
        serde_json::to_vec(&(digest, &import.mapping)).map_err(|_| ServiceError::internal())?;
    let mut wrong = None;
    let work = async {
        let done = state
            .apis()
            .inventory
            .asset_file_import(&ctx, import)
            .await?;
        if done.error_count > 0 {
            let error = refused(&done);
            wrong = Some(done);
            return Err(error);
        }
        Ok(done)
    };
    let outcome = if dry_run {
        work.await
    } else {
        let key = key(&parts.headers)?;
        once_bytes(&session, &ctx, "assetImport", key, &body, work, |_| {
            Vec::new()
        })
        .await
        .map(|once| match once {
            Once::Done(done) => done,
            Once::Before(_) => AssetImported::default(),
        })
    };
    match (outcome, wrong) {
        (Ok(done), _) => Ok((StatusCode::OK, shown(&done, dry_run))),
        // Asked whether there are errors, an answer with errors is what was asked for.
        (Err(_), Some(wrong)) => Ok((
            if dry_run {
                StatusCode::OK
            } else {
                StatusCode::UNPROCESSABLE_ENTITY
            },
            shown(&wrong, dry_run),
        )),
        (Err(error), None) => Err(error),
    }
}

/// The key that makes a repeated request harmless.
fn key(headers: &HeaderMap) -> ServiceResult<&str> {
    headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| {
            ServiceError::invalid(
                "idempotencyKey",
                "send a header Idempotency-Key; the same key and file again change nothing again",
            )
        })
}

fn mapping(parameters: &Parameters) -> ServiceResult<BTreeMap<String, String>> {
    parameters
        .iter()
        .filter(|(name, _)| name == "map")
        .map(|(_, pair)| {
            // A header may hold colons, a field does not.
            let (header, field) = pair.rsplit_once(':').ok_or_else(|| {
                ServiceError::invalid("map", "a mapping has the form Header:field")
            })?;
            Ok((header.to_owned(), field.to_owned()))
        })
        .collect()
}

/// The sites that a line may name.
async fn sites(
    state: &GatewayState,
    ctx: &RequestContext,
) -> ServiceResult<BTreeMap<String, SiteId>> {
    let tenant = ctx.tenant()?;
    let sites = state.apis().auth.site_list(ctx).await?;
    Ok(sites
        .into_iter()
        .flat_map(|site| {
            [
                (site.name.trim().to_lowercase(), site.id),
                (site.id.public(tenant), site.id),
            ]
        })
        .collect())
}

fn shown(done: &AssetImported, dry_run: bool) -> Value {
    let errors: Vec<Value> = line_errors(done)
        .into_iter()
        .map(|error| {
            json!({"line": error.line, "column": error.column, "message": error.message, "remedy": error.remedy})
        })
        .collect();
    json!({
        "created": done.created,
        "changed": done.changed,
        "unchanged": done.unchanged,
        "ambiguous": done.ambiguous,
        "isDryRun": dry_run,
        "isWritten": !dry_run && done.error_count == 0,
        "ignoredColumns": done.ignored_columns,
        "errorCount": done.error_count,
        "errors": errors,
    })
}
