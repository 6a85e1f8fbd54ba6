//! `POST /import/glpi`: what the GLPI agent sends (its native protocol, JSON: <https://github.com/glpi-project/inventory_format>).
//!
//! The agent is configured with this address as `server` and with an API client as `oauth-client-id`/`user` and its secret. It asks first
//! (`contact`), is told to go on, and sends an inventory, packed with zlib or gzip. Name, serial number, vendor and model become an asset;
//! what is not in a partial inventory stays. Its packages of dpkg and rpm become what the host consists of, unless the host has an agent
//! of ours: that reports source packages and epochs, which this one does not know. What is no such package is counted in the answer
//! (`software`). A machine without a host becomes one on the site `siteId`, or on the organization's only one.

use super::software::{shown, site_of};
use super::{Parameters, bounded, inside, known, manner, organization, parameter, pay};
use crate::graphql::context::{Caller, Channel};
use crate::graphql::right;
use crate::http::caller;
use crate::state::GatewayState;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use netpatch_inventory_api as inventory;
use netpatch_types::{ErrorCode, ServiceError, ServiceResult};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Read;

/// Bytes of a body as it arrives.
const MAX_PACKED_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of what comes out of it: an inventory of thousands of programs has about one.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Most programs of an inventory.
const MAX_PROGRAMS: usize = 100_000;
/// Hours after which the agent comes again.
const AGAIN_AFTER_HOURS: u32 = 24;

#[derive(Deserialize)]
struct Message {
    action: String,
    #[serde(default)]
    itemtype: Option<String>,
    #[serde(default)]
    content: Content,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Content {
    bios: Bios,
    hardware: Hardware,
    operatingsystem: OperatingSystem,
    /// Absent from a partial inventory.
    softwares: Option<Programs>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OperatingSystem {
    name: Option<String>,
    full_name: Option<String>,
    version: Option<String>,
    arch: Option<String>,
}

/// A list that is bounded while it is read.
#[derive(Default)]
struct Programs(Vec<inventory::GlpiProgram>);

/// A row of the list; versions of the agent differ in whether a version that looks like a number is one.
#[derive(Deserialize)]
struct Program {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    version: Option<Value>,
    #[serde(default)]
    arch: Option<String>,
    #[serde(default)]
    from: Option<String>,
}

impl<'de> Deserialize<'de> for Programs {
    fn deserialize<D: serde::Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Rows;
        impl<'de> serde::de::Visitor<'de> for Rows {
            type Value = Programs;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array of programs")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut rows: A,
            ) -> Result<Programs, A::Error> {
                let mut programs = Vec::new();
                while let Some(row) = rows.next_element::<Program>()? {
                    if programs.len() == MAX_PROGRAMS {
                        let why = format!("more than {MAX_PROGRAMS} programs");
                        return Err(serde::de::Error::custom(why));
                    }
                    programs.push(inventory::GlpiProgram {
                        name: row.name.unwrap_or_default(),
                        version: match row.version {
                            Some(Value::String(text)) => text,
                            Some(Value::Number(number)) => number.to_string(),
                            _ => String::new(),
                        },
                        arch: row.arch.unwrap_or_default(),
                        from: row.from.unwrap_or_default(),
                    });
                }
                Ok(Programs(programs))
            }
        }
        json.deserialize_seq(Rows)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Bios {
    ssn: Option<String>,
    smanufacturer: Option<String>,
    smodel: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Hardware {
    name: Option<String>,
}

pub(crate) async fn glpi(
    State(state): State<GatewayState>,
    Query(parameters): Query<Parameters>,
    request: Request,
) -> Response {
    match take(&state, &parameters, request).await {
        Ok(answer) => axum::Json(answer).into_response(),
        Err(error) => {
            let manner = manner(&state);
            let message = if error.code == ErrorCode::InternalServerError {
                tracing::warn!(request = %manner.request_id, "an inventory of a GLPI agent failed");
                "internal error"
            } else {
                &error.message
            };
            let status = StatusCode::from_u16(error.code.http_status())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = axum::Json(json!({"status": "error", "message": message}));
            if status == StatusCode::UNAUTHORIZED {
                let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"netpatch\"")];
                return (status, ask, body).into_response();
            }
            (status, body).into_response()
        }
    }
}

async fn take(
    state: &GatewayState,
    parameters: &Parameters,
    request: Request,
) -> ServiceResult<Value> {
    let (parts, body) = request.into_parts();
    let caller = who(state, &parts.headers).await?;
    known(parameters, &["organizationId", "siteId"])?;
    let session = state.session(caller.clone());
    let of = match parameter(parameters, "organizationId") {
        Some(_) => organization(parameters)?,
        None => session.principal()?.home,
    };
    let ctx = inside(&session, of)?;
    right::require(&ctx, "assetUpsert")?;
    pay(state, &caller, caller::address(&parts.extensions))?;
    let packed = bounded(body, MAX_PACKED_BYTES).await?;
    let bytes = unpacked(&packed)?;
    let message: Message = serde_json::from_slice(&bytes).map_err(|error| {
        ServiceError::invalid("body", format!("no message of a GLPI agent: {error}"))
    })?;
    let go_on = json!({"status": "ok", "expiration": AGAIN_AFTER_HOURS});
    match (message.action.as_str(), message.itemtype.as_deref()) {
        ("contact", _) => Ok(go_on),
        ("inventory", None | Some("Computer")) => {
            let software = software(&message.content);
            let machine = said(message.content);
            let Some(software) = software else {
                let upsert = inventory::AssetUpsert {
                    write: machine,
                    origin: inventory::AssetOrigin::Glpi,
                };
                state.apis().inventory.asset_upsert(&ctx, upsert).await?;
                return Ok(go_on);
            };
            let import = inventory::SoftwareImport {
                host: None,
                machine,
                site: site_of(state, &ctx, parameters).await?,
                document: inventory::SoftwareDocument::Glpi(software),
                dry_run: false,
            };
            let done = state.apis().inventory.software_import(&ctx, import).await?;
            let mut answer = go_on;
            answer["software"] = shown(&done, of, false);
            Ok(answer)
        }
        ("inventory", Some(_)) => Err(ServiceError::invalid(
            "itemtype",
            "only inventories of computers are taken",
        )),
        _ => Err(ServiceError::invalid(
            "action",
            "contact and inventory are understood",
        )),
    }
}

/// As everywhere, and an API client's id and secret by HTTP Basic: the agent has no other way without a token endpoint of GLPI.
async fn who(state: &GatewayState, headers: &HeaderMap) -> ServiceResult<Caller> {
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let Some((_, encoded)) = basic else {
        let caller = caller::identify(state, headers, false).await?;
        if caller.principal.is_none() {
            return Err(ServiceError::new(
                ErrorCode::Unauthenticated,
                "name an API client and its secret",
            ));
        }
        return Ok(caller);
    };
    let refused = || ServiceError::new(ErrorCode::Unauthenticated, "no such API client or secret");
    let pair = base64::engine::general_purpose::STANDARD
        .decode(encoded.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(refused)?;
    let (id, secret) = pair.split_once(':').ok_or_else(refused)?;
    let auth = &state.apis().auth;
    let granted = auth.client_token(id, secret).await?;
    let principal = auth.token_principal(&granted.token).await?;
    Ok(Caller {
        principal: Some(principal),
        channel: Channel::Bearer,
        ..caller::anonymous(state, headers)
    })
}

/// The message; packed or not is seen at its first bytes, the agent's media types differ between versions.
fn unpacked(packed: &[u8]) -> ServiceResult<Vec<u8>> {
    match packed {
        [0x1f, 0x8b, ..] => read(flate2::read::GzDecoder::new(packed)),
        [0x78, ..] => read(flate2::read::ZlibDecoder::new(packed)),
        plain => Ok(plain.to_vec()),
    }
}

fn read(packed: impl Read) -> ServiceResult<Vec<u8>> {
    let mut bytes = Vec::new();
    packed
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| ServiceError::invalid("body", format!("cannot be unpacked: {error}")))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(ServiceError::new(
            ErrorCode::LimitExceeded,
            format!("the inventory has more than {MAX_BYTES} bytes"),
        ));
    }
    Ok(bytes)
}

/// What an inventory says is installed; `None` when it says nothing of that.
fn software(content: &Content) -> Option<inventory::GlpiSoftware> {
    let programs = &content.softwares.as_ref()?.0;
    let os = &content.operatingsystem;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    (!programs.is_empty()).then(|| inventory::GlpiSoftware {
        os_name: text(&os.name),
        os_full_name: text(&os.full_name),
        os_version: text(&os.version),
        os_arch: text(&os.arch),
        programs: programs.clone(),
    })
}

/// What an inventory says of an asset; what it does not say stays.
fn said(content: Content) -> inventory::AssetWrite {
    let text = |value: Option<String>| {
        inventory::Change::keep_none(
            value
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty()),
        )
    };
    inventory::AssetWrite {
        hostname: text(content.hardware.name),
        serial: text(content.bios.ssn),
        vendor: text(content.bios.smanufacturer),
        model: text(content.bios.smodel),
        ..inventory::AssetWrite::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn what_is_packed_is_unpacked_within_its_limit() {
        let packed = |bytes: &[u8]| {
            let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            zlib.write_all(bytes).unwrap();
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(bytes).unwrap();
            [zlib.finish().unwrap(), gzip.finish().unwrap()]
        };
        for body in packed(b"{}") {
            assert_eq!(unpacked(&body).unwrap(), b"{}");
            assert_eq!(
                unpacked(&body[..body.len() / 2]).unwrap_err().code,
                ErrorCode::BadUserInput
            );
        }
        assert_eq!(unpacked(b"{\"a\":1}").unwrap(), b"{\"a\":1}");
        assert_eq!(unpacked(b"").unwrap(), b"");
        let bomb = vec![b' '; 64 << 20];
        for body in packed(&bomb) {
            assert!(body.len() < 1 << 20);
            assert_eq!(unpacked(&body).unwrap_err().code, ErrorCode::LimitExceeded);
        }
    }
}
