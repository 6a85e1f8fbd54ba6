//! Whom the platform does not admit: its list is followed, kept across restarts, and asked at the door.
//!
//! Without the edge the list that was heard last holds: who is not on it is served. A list that is there and cannot be read says nothing
//! of anybody, so nobody is let in until the edge has told it again.

use crate::data::DataDir;
use crate::uplink::LinkState;
use netpatch_protocol::refused::Refused;
use netpatch_protocol::site::{RefusedHosts, RefusedRequest, stream_open};
use netpatch_tunnel::message::receive_one;
use netpatch_tunnel::site::SiteHost;
use netpatch_tunnel::{RelayUplink, TunnelError};
use netpatch_types::HostId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// An edge that does not tell is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Knows whom to turn away.
pub(crate) struct Doorkeeper {
    held: watch::Sender<Held>,
}

#[derive(Clone)]
struct Held {
    /// Name of the list; empty without one.
    list: Vec<u8>,
    /// `None`: the one that was kept cannot be read.
    refused: Option<Refused>,
}

impl Held {
    fn refusal(&self, host: &SiteHost) -> Option<&'static str> {
        let Some(refused) = &self.refused else {
            return Some("the relay does not know whom to let in until it reaches the platform");
        };
        if refused.certificates.contains(&host.certificate) {
            return Some("the certificate is revoked; enrol again");
        }
        let is_quarantined = refused.hosts.contains(&HostId(host.name.id));
        is_quarantined.then_some("host is quarantined")
    }
}

impl Doorkeeper {
    /// With what was heard last.
    pub(crate) fn of(data: &DataDir) -> Self {
        Self {
            held: watch::Sender::new(kept(data)),
        }
    }

    /// Why a host is turned away, as soon as it is; never ends for one that may stay.
    pub(crate) async fn refusal(&self, host: &SiteHost) -> &'static str {
        let mut held = self.held.subscribe();
        loop {
            if let Some(why) = held.borrow_and_update().refusal(host) {
                return why;
            }
            // The sender lives as long as this.
            let _ = held.changed().await;
        }
    }
}

fn kept(data: &DataDir) -> Held {
    let unknown = Held {
        list: Vec::new(),
        refused: None,
    };
    match data.refused() {
        Ok(None) => Held {
            refused: Some(Refused::default()),
            ..unknown
        },
        Ok(Some(list)) => match list.read() {
            Some(refused) => Held {
                list: list.list,
                refused: Some(refused),
            },
            None => {
                tracing::warn!("the list of hosts that are not admitted is damaged");
                unknown
            }
        },
        Err(error) => {
            tracing::warn!(%error, "cannot read which hosts are not admitted");
            unknown
        }
    }
}

/// What following the platform's list needs.
pub(crate) struct Listening {
    pub(crate) door: Arc<Doorkeeper>,
    pub(crate) data: DataDir,
    pub(crate) link: watch::Receiver<LinkState>,
}

impl Listening {
    /// Never ends.
    pub(crate) async fn keep_told(mut self) {
        loop {
            let online = self.link.wait_for(|state| state.link.is_some()).await;
            let Some(link) = online.ok().and_then(|state| state.link.clone()) else {
                return;
            };
            let ended = tokio::select! {
                ended = follow(&link, &self.door, &self.data) => ended,
                _ = self.link.changed() => continue,
            };
            if let Err(error) = ended {
                tracing::info!(%error, "the edge does not tell which hosts are not admitted");
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
}

/// Until the edge tells no more.
async fn follow(link: &RelayUplink, door: &Doorkeeper, data: &DataDir) -> Result<(), TunnelError> {
    let list = door.held.borrow().list.clone();
    let asked = stream_open::Kind::Refused(RefusedRequest { list });
    let (_, mut stream) = link.open(asked).await?;
    loop {
        let list: RefusedHosts = receive_one(&mut stream).await?;
        let refused = list.read().ok_or_else(|| {
            TunnelError::Unexpected("a list of hosts that is not whole".to_owned())
        })?;
        tracing::info!(
            quarantined = refused.hosts.len(),
            revoked = refused.certificates.len(),
            "told which hosts are not admitted"
        );
        if list.is_cut {
            tracing::warn!("more hosts are not admitted than a relay is told of");
        }
        // First on disk: who was turned away once is turned away after a crash.
        if let Err(error) = data.save_refused(&list) {
            tracing::warn!(%error, "cannot keep which hosts are not admitted");
        }
        door.held.send_replace(Held {
            list: list.list,
            refused: Some(refused),
        });
    }
}
