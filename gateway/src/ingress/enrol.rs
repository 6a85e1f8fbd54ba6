//! Enrolment: one request, one answer, before there is a certificate.

use super::Shared;
use super::convert::error_word;
use netpatch_protocol::PROTOCOL_VERSION;
use netpatch_protocol::enrol::{
    EnrolAnswer, EnrolError, EnrolRequest, Unchanged, enrol_answer, enrol_request,
};
use netpatch_tunnel::EnrolConnection;
use netpatch_types::{ErrorCode, RelayId, ServiceError, ServiceResult};
use std::net::IpAddr;

/// Serves one enrolment, directly or through a relay.
pub(crate) async fn serve(shared: &Shared, mut enrolment: EnrolConnection, relay: Option<RelayId>) {
    let remote = enrolment.remote;
    let bucket = match relay {
        Some(relay) => shared.relayed_enrolments.bucket(relay.to_string()),
        None => shared.enrolments.bucket(network(remote.ip())),
    };
    let asked = enrolment.request().await;
    let answered = match (asked, bucket.take(1)) {
        (Ok(request), Ok(())) => answer(shared, request).await,
        (Ok(_), Err(_)) => Err(ServiceError::new(
            ErrorCode::Throttled,
            "too many enrolments from here; try again in a minute",
        )),
        (Err(error), _) => {
            tracing::info!(%remote, %error, "enrolment request cannot be read");
            return;
        }
    };
    let body = answered.unwrap_or_else(|error| {
        tracing::info!(%remote, code = ?error.code, message = %error.message, "enrolment refused");
        enrol_answer::Body::Error(EnrolError {
            code: error_word(error.code),
            message: error.message,
        })
    });
    let answer = EnrolAnswer { body: Some(body) };
    if let Err(error) = enrolment.answer(&answer).await {
        tracing::debug!(%remote, %error, "enrolment's answer was not taken");
    }
}

/// Whom requests from an address are counted for: the address, or the /64 of an IPv6 one, of which anybody has 2⁶⁴.
fn network(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

async fn answer(shared: &Shared, request: EnrolRequest) -> ServiceResult<enrol_answer::Body> {
    if request.protocol != PROTOCOL_VERSION {
        return Err(ServiceError::invalid(
            "protocol",
            format!("this platform speaks version {PROTOCOL_VERSION} of the protocol"),
        ));
    }
    let services = &shared.services;
    let nothing =
        || ServiceError::invalid("body", "the request asks for nothing that is known here");
    Ok(match request.body.ok_or_else(nothing)? {
        enrol_request::Body::Host(host) => {
            enrol_answer::Body::Enrolled(services.enrol_host(host).await?)
        }
        enrol_request::Body::Renewal(renewal) => {
            enrol_answer::Body::Enrolled(services.renew_expired(renewal).await?)
        }
        enrol_request::Body::RelayToken(token) => {
            enrol_answer::Body::Enrolled(services.enrol_relay(token).await?)
        }
        enrol_request::Body::RelayStart(start) => {
            enrol_answer::Body::Claim(services.claim_start(start).await?)
        }
        enrol_request::Body::RelayPoll(poll) => {
            match services.claim_poll(&poll.device_code).await? {
                Some(enrolled) => enrol_answer::Body::Enrolled(enrolled),
                None => enrol_answer::Body::Pending(Unchanged {}),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn requests_are_counted_by_network() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff:1:2:3"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
    }
}
