//! What is fetched ahead: the plan as the edge sends it, checked, and how far the relay is with it.
//!
//! The plan names bytes by hash. An address in it is a hint that came from a host: what lies there counts only if it has the hash,
//! and only repositories of the site are asked.

use crate::key::PayloadKey;
use netpatch_protocol::site as wire;
use netpatch_types::Sha256;
use std::collections::HashSet;

/// Payloads that a plan may have.
pub const MAX_PAYLOADS: usize = 5_000;
/// Waves of which the relay tells.
pub const MAX_WAVES: usize = 200;

/// A payload to be fetched ahead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// Where it lies.
    pub key: PayloadKey,
    /// What it is.
    pub sha256: Sha256,
    /// How much it is.
    pub size_bytes: u64,
    deployment: String,
    wave: u32,
    needed_at_ms: i64,
}

/// How a payload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// It is held.
    Held,
    /// It is not held yet.
    Missing,
    /// It cannot be had, and why.
    Refused(&'a str),
}

/// A plan. Empty: nothing is fetched ahead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StagingPlan {
    name: Vec<u8>,
    payloads: Vec<Staged>,
}

impl StagingPlan {
    /// Reads a plan; what is no payload is left out.
    #[must_use]
    pub fn read(plan: &wire::StagingPlan) -> Self {
        let payload = |payload: &wire::StagedPayload| {
            Some(Staged {
                key: PayloadKey::new(&payload.repository, &payload.path).ok()?,
                sha256: Sha256::from_slice(&payload.sha256)?,
                size_bytes: payload.size_bytes,
                deployment: payload.deployment_id.chars().take(64).collect(),
                wave: payload.wave,
                needed_at_ms: payload.needed_at_ms,
            })
        };
        let payloads = plan.payloads.iter().take(MAX_PAYLOADS);
        Self {
            name: plan.plan.clone(),
            payloads: payloads.filter_map(payload).collect(),
        }
    }

    /// What the edge calls it.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// First needed first.
    #[must_use]
    pub fn payloads(&self) -> &[Staged] {
        &self.payloads
    }

    /// What must not be given up.
    #[must_use]
    pub fn wanted(&self) -> HashSet<Sha256> {
        self.payloads.iter().map(|payload| payload.sha256).collect()
    }

    /// How far each wave is, first needed first.
    pub fn waves<'a>(&self, standing: impl Fn(&Staged) -> Standing<'a>) -> Vec<wire::StagedWave> {
        let mut waves: Vec<wire::StagedWave> = Vec::new();
        for payload in &self.payloads {
            let same = |wave: &wire::StagedWave| {
                wave.deployment_id == payload.deployment && wave.wave == payload.wave
            };
            let at = match waves.iter().position(same) {
                Some(at) => at,
                None if waves.len() == MAX_WAVES => continue,
                None => {
                    waves.push(wire::StagedWave {
                        deployment_id: payload.deployment.clone(),
                        wave: payload.wave,
                        needed_at_ms: payload.needed_at_ms,
                        ..wire::StagedWave::default()
                    });
                    waves.len() - 1
                }
            };
            let Some(wave) = waves.get_mut(at) else {
                continue;
            };
            wave.payloads += 1;
            wave.bytes = wave.bytes.saturating_add(payload.size_bytes);
            match standing(payload) {
                Standing::Held => {
                    wave.staged += 1;
                    wave.staged_bytes = wave.staged_bytes.saturating_add(payload.size_bytes);
                }
                Standing::Refused(why) if wave.problem.is_empty() => {
                    wave.problem = format!("{}: {why}", payload.key.path());
                }
                Standing::Refused(_) | Standing::Missing => {}
            }
        }
        waves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(path: &str, deployment: &str, wave: u32) -> wire::StagedPayload {
        wire::StagedPayload {
            repository: "http://deb.example/debian".into(),
            path: path.into(),
            sha256: Sha256::of(path.as_bytes()).0.to_vec(),
            size_bytes: 10,
            deployment_id: deployment.into(),
            wave,
            needed_at_ms: i64::from(wave),
        }
    }

    fn plan(payloads: Vec<wire::StagedPayload>) -> StagingPlan {
        StagingPlan::read(&wire::StagingPlan {
            plan: vec![1],
            payloads,
        })
    }

    #[test]
    fn each_wave_says_how_far_it_is() {
        let plan = plan(vec![
            payload("pool/a.deb", "one", 1),
            payload("pool/b.deb", "two", 1),
            payload("pool/c.deb", "one", 1),
            payload("pool/d.deb", "one", 2),
        ]);
        let waves = plan.waves(|payload| match payload.key.path() {
            "pool/a.deb" => Standing::Held,
            "pool/d.deb" => Standing::Refused("it has another hash"),
            _ => Standing::Missing,
        });
        let told: Vec<_> = waves
            .iter()
            .map(|wave| {
                (
                    wave.deployment_id.as_str(),
                    wave.wave,
                    wave.staged,
                    wave.payloads,
                    wave.staged_bytes,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("one", 1, 1, 2, 10),
                ("two", 1, 0, 1, 0),
                ("one", 2, 0, 1, 0)
            ]
        );
        assert_eq!(waves[2].problem, "pool/d.deb: it has another hash");
        assert_eq!(plan.wanted().len(), 4);
    }

    #[test]
    fn what_is_no_payload_is_left_out() {
        let mut short = payload("pool/a.deb", "one", 1);
        short.sha256.pop();
        let mut foreign = payload("pool/a.deb", "one", 1);
        foreign.repository = "file:///etc".into();
        let good = payload("pool/a.deb", "one", 1);
        let plan = plan(vec![
            short,
            foreign,
            payload("../../etc/passwd", "one", 1),
            payload("", "one", 1),
            good.clone(),
        ]);
        assert_eq!(plan.payloads().len(), 1);
        assert_eq!(StagingPlan::default().waves(|_| Standing::Held), []);
        let many = (0..MAX_PAYLOADS + 5).map(|_| good.clone()).collect();
        let read = StagingPlan::read(&wire::StagingPlan {
            plan: vec![],
            payloads: many,
        });
        assert_eq!(read.payloads().len(), MAX_PAYLOADS);
    }
}
