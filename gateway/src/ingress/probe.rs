//! Probes of a site's relay, between the wire and inventory.

use chrono::DateTime;
use netpatch_inventory_api as inventory;
use netpatch_protocol::site as wire;
use netpatch_types::{HostId, RelayId, ServiceError, ServiceResult, SiteId};
use uuid::Uuid;

fn host(text: &str) -> ServiceResult<HostId> {
    Uuid::try_parse(text)
        .map(HostId)
        .map_err(|_| ServiceError::invalid("hosts", "a host is named by a UUID"))
}

/// What a relay asks for.
pub(super) fn plan_get(
    relay: RelayId,
    site: SiteId,
    request: &wire::ProbeRequest,
) -> ServiceResult<inventory::ProbePlanGet> {
    let hosts: ServiceResult<_> = request.hosts.iter().map(|text| host(text)).collect();
    Ok(inventory::ProbePlanGet {
        relay,
        site,
        hosts: hosts?,
    })
}

/// What it is answered.
pub(super) fn plan(plan: inventory::ProbePlan) -> wire::ProbePlan {
    let socket = |socket: inventory::ProbeSocket| wire::ProbeSocket {
        address: socket.address,
        port: socket.port.into(),
    };
    let hosts = plan.hosts.into_iter().map(|planned| wire::ProbeHost {
        host_id: planned.host.to_string(),
        sockets: planned.sockets.into_iter().map(socket).collect(),
    });
    wire::ProbePlan {
        hosts: hosts.collect(),
    }
}

/// What a relay reached. What it did not try is left out.
pub(super) fn report(
    relay: RelayId,
    site: SiteId,
    results: &wire::ProbeResults,
) -> ServiceResult<inventory::ProbeReport> {
    let hosts: ServiceResult<_> = results
        .hosts
        .iter()
        .map(|probed| {
            let sockets: ServiceResult<Vec<_>> = probed
                .sockets
                .iter()
                .filter_map(|one| socket(one).transpose())
                .collect();
            Ok(inventory::ProbedHost {
                host: host(&probed.host_id)?,
                target: probed.target.clone(),
                sockets: sockets?,
            })
        })
        .collect();
    Ok(inventory::ProbeReport {
        relay,
        site,
        hosts: hosts?,
    })
}

type Said = (
    inventory::ProbeSocket,
    inventory::ProbeOutcome,
    DateTime<chrono::Utc>,
);

fn socket(probed: &wire::ProbedSocket) -> ServiceResult<Option<Said>> {
    let wrong = |what: &str| ServiceError::invalid("sockets", what);
    let outcome = match wire::ProbeOutcome::try_from(probed.outcome) {
        Ok(wire::ProbeOutcome::Unspecified) => return Ok(None),
        Ok(wire::ProbeOutcome::Reached) => inventory::ProbeOutcome::Reached,
        Ok(wire::ProbeOutcome::Refused) => inventory::ProbeOutcome::Refused,
        Ok(wire::ProbeOutcome::NoAnswer) => inventory::ProbeOutcome::NoAnswer,
        Err(_) => return Err(wrong("an outcome that is not known")),
    };
    let socket = probed.socket.as_ref().ok_or_else(|| wrong("none"))?;
    let named = inventory::ProbeSocket {
        address: socket.address.clone(),
        port: u16::try_from(socket.port).map_err(|_| wrong("a port is at most 65535"))?,
    };
    let at = DateTime::from_timestamp_millis(probed.at_ms).ok_or_else(|| wrong("no time"))?;
    Ok(Some((named, outcome, at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(7);

    fn probed(port: u32, outcome: i32, at_ms: i64) -> wire::ProbeResults {
        wire::ProbeResults {
            hosts: vec![wire::ProbedHost {
                host_id: ID.to_string(),
                target: "10.0.0.5".into(),
                sockets: vec![wire::ProbedSocket {
                    socket: Some(wire::ProbeSocket {
                        address: "0.0.0.0".into(),
                        port,
                    }),
                    outcome,
                    at_ms,
                }],
            }],
        }
    }

    fn read(results: &wire::ProbeResults) -> ServiceResult<Vec<Said>> {
        let read = report(RelayId(ID), SiteId(ID), results)?;
        Ok(read
            .hosts
            .into_iter()
            .flat_map(|host| host.sockets)
            .collect())
    }

    #[test]
    fn what_a_relay_says_is_read_or_refused() {
        let said = read(&probed(22, 2, 1_000)).expect("read");
        assert_eq!(said[0].0.port, 22);
        assert_eq!(said[0].1, inventory::ProbeOutcome::Refused);
        assert_eq!(said[0].2.timestamp(), 1);
        assert_eq!(read(&probed(22, 0, 1_000)).expect("read"), [], "not tried");
        for hostile in [
            probed(65_536, 1, 0),
            probed(u32::MAX, 1, 0),
            probed(22, 4, 0),
            probed(22, -1, 0),
            probed(22, 1, i64::MAX),
        ] {
            assert!(read(&hostile).is_err(), "{hostile:?}");
        }
        let mut nameless = probed(22, 1, 0);
        nameless.hosts[0].host_id = "../etc".into();
        assert!(read(&nameless).is_err());
        let mut empty = probed(22, 1, 0);
        empty.hosts[0].sockets[0].socket = None;
        assert!(read(&empty).is_err());
    }
}
