//! `POST /import/cyclonedx?organizationId=org_…|hostId=host_…&hostname=…&siteId=…&dryRun=true`: a software bill of materials
//! (CycloneDX 1.4 to 1.6, JSON) of one machine without an agent.
//!
//! Its packages become what the host consists of, and are matched like any other's. The host is `hostId`, else the machine that
//! `hostname` or the document names (its subject of the type `device`), found as assets are; a machine that is not known becomes a host
//! on the site `siteId`, or on the organization's only one. A host with an agent takes no document: 409. What of the document became
//! no component is counted in the answer, with reasons. The same document again changes nothing again.

use super::software::{shown, site_of};
use super::{
    MediaType, Parameters, answered, bounded, flag, inside, known, manner, organization, parameter,
    pay,
};
use crate::graphql::right;
use crate::http::caller;
use crate::state::GatewayState;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use netpatch_inventory_api::{
    AssetWrite, Change, MAX_DOCUMENT_BYTES, SoftwareDocument, SoftwareImport,
};
use netpatch_types::{HostId, ServiceError, ServiceResult};
use serde_json::Value;

/// How a document may be called.
const MEDIA: MediaType = MediaType {
    names: &["application/vnd.cyclonedx+json", "application/json"],
    remedy: "send the document as application/vnd.cyclonedx+json",
};

pub(crate) async fn cyclonedx(
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
    known(
        parameters,
        &["organizationId", "hostId", "hostname", "siteId", "dryRun"],
    )?;
    let session = state.session(caller.clone());
    let (of, host) = match parameter(parameters, "hostId") {
        None => (organization(parameters)?, None),
        Some(id) => {
            let (of, host) =
                HostId::parse_public(id).ok_or_else(|| ServiceError::not_found("host"))?;
            if parameter(parameters, "organizationId").is_some() && organization(parameters)? != of
            {
                return Err(ServiceError::not_found("host"));
            }
            (of, Some(host))
        }
    };
    let ctx = inside(&session, of)?;
    right::require(&ctx, "assetImport")?;
    pay(state, &caller, caller::address(&parts.extensions))?;
    MEDIA.check(&parts.headers)?;
    let bytes = bounded(body, MAX_DOCUMENT_BYTES).await?;
    let text = String::from_utf8(bytes.into()).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        ServiceError::invalid("body", format!("byte {at} is not UTF-8"))
    })?;
    let import = SoftwareImport {
        host,
        machine: AssetWrite {
            hostname: Change::keep_none(parameter(parameters, "hostname").map(str::to_owned)),
            ..AssetWrite::default()
        },
        site: site_of(state, &ctx, parameters).await?,
        document: SoftwareDocument::CycloneDx(text),
        dry_run: flag(parameters, "dryRun")?,
    };
    let dry_run = import.dry_run;
    let done = state.apis().inventory.software_import(&ctx, import).await?;
    Ok((StatusCode::OK, shown(&done, of, dry_run)))
}
