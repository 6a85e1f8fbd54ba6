//! Finding a relay where none was named at enrolment or that one is lost: the named one, those that the platform tells of, SRV records of the
//! host's search domains, multicast DNS on the host's links; each way where the one before named none that proves itself. A host that gets through by none
//! of them, nor directly, tries relays of the organization's other sites last.
//!
//! A relay through which the edge is not reached now counts only where none is found through which it is: it still serves payloads.
//!
//! Anybody on the network may answer, so an answer is a hint and never trust: a candidate counts once it has shown a relay's certificate
//! of the agent's organization, in the handshake of the connection that it will be used over. A false answer costs what is bounded here:
//! [`dns::DOMAINS`] questions to [`dns::SERVERS`] servers of at most [`dns::PATIENCE`] each, a question to each of [`mdns::LINKS`] links
//! and [`mdns::PATIENCE`], each way [`CANDIDATES`] handshakes at the same time of at most [`PROOF`] and as long for the way to the edge, and a relay was never more than a carrier of what it cannot read or change.

pub mod dns;
pub mod mdns;

use dns::Resolver;
use futures::future::join_all;
use mdns::Links;
use netpatch_tunnel::SiteClient;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Candidates of a way that are tried; further ones are passed over.
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

/// By which way a relay was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// It was named at enrolment.
    Enrolment,
    /// The platform told of it.
    Platform,
    /// The platform told of it, and it is another site's.
    Elsewhere,
    /// SRV records of a search domain.
    Dns,
    /// It said so itself, on a link of the host.
    Mdns,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enrolment => "enrolment",
            Self::Platform => "the platform",
            Self::Elsewhere => "the platform, at another site",
            Self::Dns => "DNS",
            Self::Mdns => "multicast DNS",
        })
    }
}

/// What a search found.
#[derive(Default)]
pub struct Found {
    /// The first candidate that proved to be a relay of the organization with a way to the edge, and by which way it was found. Where there
    /// is none, the first whose own line is cut.
    pub relay: Option<(Way, Arc<SiteClient>)>,
    /// Whether its own line is cut.
    pub is_cut: bool,
    /// Those before it, or all; and one whose own line is cut, also where it is used for want of another.
    pub refused: Vec<Refused>,
    /// Why there may be candidates that are not known.
    pub problem: Option<String>,
}

/// Lets candidates prove themselves: the one that was named at enrolment, then those that the platform told of, then those of name servers, then those on the host's links. The relay that is `held` keeps its
/// connection if it is among them.
pub async fn search(
    named: Option<&str>,
    told: &[String],
    resolver: &Resolver,
    links: &Links,
    held: Option<&Arc<SiteClient>>,
    client: impl Fn(String) -> SiteClient,
) -> Found {
    let mut found = Found::default();
    let named = named.map(str::to_owned);
    found
        .prove(Way::Enrolment, Vec::from_iter(named), held, &client)
        .await;
    if !found.has_way() {
        found
            .prove(Way::Platform, told.to_vec(), held, &client)
            .await;
    }
    if !found.has_way() {
        let addresses = match resolver.relays().await {
            Ok(addresses) => addresses,
            Err(error) => {
                found.problem = Some(error.to_string());
                Vec::new()
            }
        };
        found.prove(Way::Dns, addresses, held, &client).await;
    }
    if !found.has_way() {
        let addresses = links.relays().await;
        found.prove(Way::Mdns, addresses, held, &client).await;
    }
    found
}

impl Found {
    /// Whether a relay is found through which the edge is reached.
    fn has_way(&self) -> bool {
        self.relay.is_some() && !self.is_cut
    }

    /// Where none was found: relays of other sites of the organization, of which the platform told.
    pub async fn or_elsewhere(
        mut self,
        others: Vec<String>,
        held: Option<&Arc<SiteClient>>,
        client: impl Fn(String) -> SiteClient,
    ) -> Self {
        if !self.has_way() {
            self.prove(Way::Elsewhere, others, held, &client).await;
        }
        self
    }

    async fn prove(
        &mut self,
        way: Way,
        addresses: Vec<String>,
        held: Option<&Arc<SiteClient>>,
        client: &impl Fn(String) -> SiteClient,
    ) {
        let tried = addresses.into_iter().take(CANDIDATES).map(|address| {
            let site = match held {
                Some(held) if held.address() == address => Arc::clone(held),
                _ => Arc::new(client(address)),
            };
            async move {
                let proved = proved(&site).await;
                (site, proved)
            }
        });
        // At the same time, so that one who only delays costs no more than the others; judged in order.
        for (site, proved) in join_all(tried).await {
            let address = site.address().to_owned();
            let reason = match proved {
                Ok(Reached::Edge) => {
                    (self.relay, self.is_cut) = (Some((way, site)), false);
                    return;
                }
                Ok(Reached::Relay(reason)) => {
                    if self.relay.is_none() {
                        (self.relay, self.is_cut) = (Some((way, site)), true);
                    }
                    reason
                }
                Err(reason) => reason,
            };
            self.refused.push(Refused { address, reason });
        }
    }
}

/// How far a candidate that is a relay leads.
enum Reached {
    Edge,
    /// No further than to itself, and why.
    Relay(String),
}

/// Whether a candidate is a relay of the organization, and leads to the edge.
async fn proved(site: &SiteClient) -> Result<Reached, String> {
    let in_vain = |what: &str| format!("{what} within {} s", PROOF.as_secs());
    let relay = match timeout(PROOF, site.connection()).await {
        Ok(Ok(relay)) => relay,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(in_vain("proved nothing")),
    };
    Ok(match timeout(PROOF, relay.reaches_edge()).await {
        Ok(Ok(())) => Reached::Edge,
        Ok(Err(error)) => Reached::Relay(format!("does not reach the edge: {error}")),
        Err(_) => Reached::Relay(in_vain("did not reach the edge")),
    })
}
