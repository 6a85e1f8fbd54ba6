//! Fetching ahead: asks the edge what approved waves will need, fetches it in the site's staging hours while nobody else wants the
//! line, keeps it from being given up, and says how far it is.
//!
//! The plan is kept on disk, so that a relay that starts without the edge neither forgets nor gives up what it staged.

use crate::cache::{Cache, Unstaged};
use crate::data::DataDir;
use crate::uplink::LinkState;
use netpatch_protocol::site as wire;
use netpatch_protocol::site::stream_open;
use netpatch_relay_core::staging::{Staged, StagingPlan, Standing};
use netpatch_tunnel::{RelayUplink, TunnelError};
use netpatch_types::Sha256;
use prost::Message as _;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How far fetching ahead is, wave by wave.
pub type Progress = Vec<wire::StagedWave>;

/// What fetching ahead needs.
pub(crate) struct Stager {
    pub(crate) data: DataDir,
    pub(crate) cache: Arc<Cache>,
    pub(crate) link: watch::Receiver<LinkState>,
    pub(crate) every: Duration,
    pub(crate) progress: watch::Sender<Progress>,
}

/// Payloads that cannot be had now.
type Refused = HashMap<Sha256, Unstaged>;

impl Stager {
    /// Never ends.
    pub(crate) async fn keep_staging(mut self) {
        let mut plan = self.kept();
        let mut refused = Refused::new();
        self.cache.pin(plan.wanted());
        loop {
            let online = self.link.wait_for(|state| state.link.is_some());
            let link = match tokio::time::timeout(self.every, online).await {
                Ok(Ok(state)) => state.link.clone(),
                // Without the edge the plan that is held is followed.
                Ok(Err(_)) | Err(_) => None,
            };
            refused.retain(|_, why| why.is_final);
            self.tell(&plan, &refused);
            if let Some(link) = link {
                match self.ask(&link, &plan).await {
                    Ok(Some(new)) => {
                        plan = new;
                        let wanted = plan.wanted();
                        refused.retain(|payload, _| wanted.contains(payload));
                        self.cache.pin(wanted);
                    }
                    Ok(None) => {}
                    Err(error) => tracing::info!(%error, "cannot ask what to fetch ahead"),
                }
            }
            let next = Instant::now() + self.every;
            // What is under way when the time is over goes on; it is only not waited for.
            let _ = tokio::time::timeout_at(next, self.fetch(&plan, &mut refused)).await;
            self.tell(&plan, &refused);
            tokio::time::sleep_until(next).await;
        }
    }

    fn kept(&self) -> StagingPlan {
        let read = self.data.staging_plan();
        let plan = read.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot read what was to be fetched ahead");
            wire::StagingPlan::default()
        });
        StagingPlan::read(&plan)
    }

    /// A new plan, if there is one.
    async fn ask(
        &self,
        link: &RelayUplink,
        plan: &StagingPlan,
    ) -> Result<Option<StagingPlan>, TunnelError> {
        let request = wire::StagingRequest {
            plan: plan.name().to_vec(),
            waves: self.progress.borrow().clone(),
        };
        let (answer, _) = link.open(stream_open::Kind::Staging(request)).await?;
        let new = wire::StagingPlan::decode(answer.body.as_slice())
            .map_err(|error| TunnelError::Unexpected(error.to_string()))?;
        if new.plan.is_empty() {
            return Ok(None);
        }
        if let Err(error) = self.data.save_staging_plan(&new) {
            tracing::warn!(%error, "cannot keep what is to be fetched ahead");
        }
        tracing::info!(
            payloads = new.payloads.len(),
            "a new plan of what to fetch ahead"
        );
        Ok(Some(StagingPlan::read(&new)))
    }

    /// Fetches what is missing, one after the other, first needed first.
    async fn fetch(&self, plan: &StagingPlan, refused: &mut Refused) {
        for payload in plan.payloads() {
            if !self.cache.line().may_stage() {
                return;
            }
            if refused.contains_key(&payload.sha256) || self.cache.holds(payload) {
                continue;
            }
            if let Err(why) = self.cache.stage(payload).await {
                tracing::info!(payload = payload.key.path(), %why, "cannot fetch ahead");
                refused.insert(payload.sha256, why);
            }
            self.tell(plan, refused);
        }
    }

    fn tell(&self, plan: &StagingPlan, refused: &Refused) {
        let standing = |payload: &Staged| match refused.get(&payload.sha256) {
            _ if self.cache.holds(payload) => Standing::Held,
            Some(why) => Standing::Refused(&why.reason),
            None => Standing::Missing,
        };
        self.progress.send_replace(plan.waves(standing));
    }
}
