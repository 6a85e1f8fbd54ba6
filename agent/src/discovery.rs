//! Finding the site's relay where none was named at enrolment: SRV records of the host's search domains.
//!
//! Anybody on the network may answer, so an answer is a hint and never trust: a candidate counts once it has shown a relay's certificate
//! of the agent's organization, in the handshake of the connection that it will be used over. A false answer costs what is bounded here:
//! [`dns::DOMAINS`] questions to [`dns::SERVERS`] servers of at most [`dns::PATIENCE`] each, [`CANDIDATES`] handshakes at the same time
//! of at most [`PROOF`], and a relay was never more than a carrier of what it cannot read or change.

pub mod dns;

use dns::Resolver;
use futures::future::join_all;
use netpatch_tunnel::SiteClient;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Candidates that are tried; further ones are passed over.
pub const CANDIDATES: usize = 8;
/// How long a candidate may take to prove what it is.
pub const PROOF: Duration = Duration::from_secs(3);

/// A candidate that is not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// `host:port`.
    pub address: String,
    /// Why.
    pub reason: String,
}

/// What a search found.
#[derive(Default)]
pub struct Found {
    /// The first candidate that proved to be a relay of the organization.
    pub relay: Option<Arc<SiteClient>>,
    /// Those before it, or all.
    pub refused: Vec<Refused>,
    /// Why there may be candidates that are not known.
    pub problem: Option<String>,
}

/// Asks for candidates and lets them prove themselves. The relay that is `held` keeps its connection if it is among them.
pub async fn search(
    resolver: &Resolver,
    held: Option<&Arc<SiteClient>>,
    client: impl Fn(String) -> SiteClient,
) -> Found {
    let (addresses, problem) = match resolver.relays().await {
        Ok(addresses) => (addresses, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let tried = addresses.into_iter().take(CANDIDATES).map(|address| {
        let site = match held {
            Some(held) if held.address() == address => Arc::clone(held),
            _ => Arc::new(client(address)),
        };
        async move {
            let proved = match tokio::time::timeout(PROOF, site.connection()).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("proved nothing within {} s", PROOF.as_secs())),
            };
            (site, proved)
        }
    });
    let mut found = Found {
        problem,
        ..Found::default()
    };
    // At the same time, so that one who only delays costs no more than the others; judged in order.
    for (site, proved) in join_all(tried).await {
        match proved {
            Ok(()) => {
                found.relay = Some(site);
                break;
            }
            Err(reason) => found.refused.push(Refused {
                address: site.address().to_owned(),
                reason,
            }),
        }
    }
    found
}
