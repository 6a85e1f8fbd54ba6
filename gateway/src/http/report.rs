//! The bytes of a report, with the same credentials as GraphQL. A plain link of the portal reaches it: it only reads.

use super::answer::{Manner, failed};
use super::caller;
use super::negotiate::Media;
use crate::state::GatewayState;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use netpatch_reporting_api::{ReportContent, ReportGet};
use netpatch_types::{ReportId, ServiceError, ServiceResult};

pub(crate) async fn report(
    State(state): State<GatewayState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let manner = Manner {
        media: Media::Json,
        codes: state.settings().status_codes,
        request_id: caller::request_id(&state),
    };
    let (content, bytes) = match fetch(&state, &id, &headers).await {
        Ok(found) => found,
        Err(error) => return failed(&error, manner),
    };
    let disposition = format!("attachment; filename=\"{}\"", plain(&content.file_name));
    let headers = [
        (header::CONTENT_TYPE, content.media_type),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
    ];
    (headers, bytes).into_response()
}

async fn fetch(
    state: &GatewayState,
    id: &str,
    headers: &HeaderMap,
) -> ServiceResult<(ReportContent, Vec<u8>)> {
    let session = state.session(caller::identify(state, headers, true).await?);
    session.principal()?;
    let (organization, id) =
        ReportId::parse_public(id).ok_or_else(|| ServiceError::not_found("report"))?;
    let ctx = session
        .inside(organization)
        .map_err(|_| ServiceError::not_found("report"))?;
    let content = state
        .apis()
        .reporting
        .report_content(&ctx, ReportGet { id })
        .await?;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(&content.base64)
        .map_err(|error| {
            tracing::error!(%error, report = %id, "the content of a report is not base64");
            ServiceError::internal()
        })?;
    Ok((content, bytes))
}

/// A file name without anything that a header or a file system reads.
pub(super) fn plain(name: &str) -> String {
    name.chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || "-_.".contains(letter) {
                letter
            } else {
                '_'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_file_name_cannot_leave_its_header() {
        assert_eq!(super::plain("evidence-1.json"), "evidence-1.json");
        assert_eq!(super::plain("a\"; x=../b\r\n"), "a___x_.._b__");
    }
}
