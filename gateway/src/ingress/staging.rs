//! What relays fetch ahead, between the wire, identity and the scheduler.

use chrono::{DateTime, Utc};
use netpatch_auth::StagedWave;
use netpatch_protocol::MAX_FRAME_BYTES;
use netpatch_protocol::site as wire;
use netpatch_scheduler_api as scheduler;
use netpatch_types::Sha256;
use prost::Message as _;
use uuid::Uuid;

/// Waves that a relay may tell of.
const MAX_WAVES: usize = 200;
/// Bytes of a plan, so that it fits into one frame.
const MAX_PLAN_BYTES: usize = MAX_FRAME_BYTES / 4 * 3;
/// Characters of a problem that are kept.
const MAX_PROBLEM: usize = 200;

/// How far a relay says that it is. What is no deployment's id is left out: a relay's word shows something, it decides nothing.
pub(super) fn waves(request: &wire::StagingRequest) -> Vec<StagedWave> {
    let wave = |wave: &wire::StagedWave| {
        Some(StagedWave {
            deployment: Uuid::try_parse(&wave.deployment_id).ok()?.into(),
            wave: wave.wave,
            payloads: wave.payloads,
            bytes: wave.bytes,
            staged: wave.staged.min(wave.payloads),
            staged_bytes: wave.staged_bytes.min(wave.bytes),
            needed_at: moment(wave.needed_at_ms),
            problem: plain(&wave.problem),
        })
    };
    let waves = request.waves.iter().take(MAX_WAVES);
    waves.filter_map(wave).collect()
}

fn plain(text: &str) -> String {
    let printable = text.chars().filter(|c| !c.is_control());
    printable.take(MAX_PROBLEM).collect()
}

fn moment(ms: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(ms).filter(|_| ms > 0)
}

/// The plan as the relay can follow it: what lies in one of the site's repositories, and as much as one message holds. What is
/// needed later follows when the earlier is not needed any more.
pub(super) fn plan(plan: scheduler::StagingPlan, upstreams: &[String]) -> wire::StagingPlan {
    let payload = |payload: scheduler::StagedPayload| {
        let mut urls = payload.urls.iter();
        let (repository, path) = urls.find_map(|url| locate(upstreams, url))?;
        let needed_at_ms = payload.needed_at.map_or(0, |at| at.timestamp_millis());
        Some(wire::StagedPayload {
            repository,
            path,
            sha256: payload.sha256.0.to_vec(),
            size_bytes: payload.size_bytes,
            deployment_id: payload.deployment.to_string(),
            wave: payload.wave,
            needed_at_ms,
        })
    };
    let mut left = MAX_PLAN_BYTES;
    let fits = |payload: &wire::StagedPayload| {
        // The tag and the length before it take less than 16 bytes.
        let size = payload.encoded_len() + 16;
        left = left.saturating_sub(size);
        left > 0
    };
    let payloads = plan.payloads.into_iter().filter_map(payload);
    let mut plan = wire::StagingPlan {
        plan: Vec::new(),
        payloads: payloads.take_while(fits).collect(),
    };
    plan.plan = Sha256::of(&plan.encode_to_vec()).0.to_vec();
    plan
}

/// The repository that holds an address, as hosts write it, and the path below; the longest if several do. Whether it is
/// written with http or https makes no difference, as it makes none to the relay.
pub(super) fn locate(upstreams: &[String], url: &str) -> Option<(String, String)> {
    let (scheme, wanted) = url.split_once("://")?;
    let below = upstreams.iter().filter_map(|upstream| {
        let (_, base) = upstream.split_once("://")?;
        let base = base.trim_end_matches('/');
        let path = wanted.strip_prefix(base)?.strip_prefix('/')?;
        (!path.is_empty()).then(|| (format!("{scheme}://{base}"), path.to_owned()))
    });
    below.max_by_key(|(repository, _)| repository.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::DeploymentId;

    fn payload(urls: &[&str]) -> scheduler::StagedPayload {
        scheduler::StagedPayload {
            sha256: Sha256([7; 32]),
            size_bytes: 5,
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            deployment: DeploymentId(Uuid::nil()),
            wave: 1,
            needed_at: None,
        }
    }

    #[test]
    fn only_what_the_sites_repositories_hold_is_planned() {
        let upstreams = [
            "https://deb.example/debian".to_owned(),
            "http://deb.example".to_owned(),
        ];
        let found = |urls: &[&str]| {
            let payloads = vec![payload(urls)];
            let plan = plan(scheduler::StagingPlan { payloads }, &upstreams);
            let first = plan.payloads.into_iter().next();
            first.map(|one| (one.repository, one.path))
        };
        let at = |repository: &str, path: &str| Some((repository.to_owned(), path.to_owned()));
        let own = "http://deb.example/debian/pool/a.deb";
        assert_eq!(found(&[own]), at("http://deb.example/debian", "pool/a.deb"));
        assert_eq!(found(&["http://elsewhere/x", own]), found(&[own]));
        assert_eq!(
            found(&["http://deb.example/debian2/a"]),
            at("http://deb.example", "debian2/a")
        );
        for url in [
            "http://elsewhere/debian/a",
            "deb.example/debian/a",
            "",
            "http://deb.example.evil/debian/a",
        ] {
            assert_eq!(found(&[url]), None, "{url}");
        }
    }

    #[test]
    fn a_plan_has_the_name_of_its_content() {
        let upstreams = ["http://deb.example/debian".to_owned()];
        let of = |urls: &[&str]| {
            let payloads = urls.iter().map(|url| payload(&[url])).collect();
            plan(scheduler::StagingPlan { payloads }, &upstreams).plan
        };
        let one = of(&["http://deb.example/debian/a"]);
        assert_eq!(
            one,
            of(&["http://deb.example/debian/a", "http://elsewhere/b"])
        );
        assert_ne!(one, of(&["http://deb.example/debian/b"]));
        assert_eq!(one.len(), 32);
    }

    #[test]
    fn a_plan_fits_into_one_message() {
        let upstreams = ["http://deb.example/debian".to_owned()];
        let long = format!("http://deb.example/debian/{}", "a".repeat(1000));
        let payloads = vec![payload(&[&long]); 5000];
        let plan = plan(scheduler::StagingPlan { payloads }, &upstreams);
        assert!(plan.payloads.len() > 500 && plan.payloads.len() < 5000);
        assert!(plan.encoded_len() < MAX_FRAME_BYTES);
    }

    #[test]
    fn a_relays_word_is_cut_to_what_can_be_true() {
        let wave = wire::StagedWave {
            deployment_id: Uuid::nil().to_string(),
            payloads: 2,
            staged: 9,
            bytes: 10,
            staged_bytes: u64::MAX,
            needed_at_ms: i64::MIN,
            problem: "bad\u{1b}[2J".repeat(100),
            ..wire::StagedWave::default()
        };
        let nobody = wire::StagedWave {
            deployment_id: "../../etc".into(),
            ..wave.clone()
        };
        let mut many = vec![wave; 300];
        many.insert(0, nobody);
        let request = wire::StagingRequest {
            waves: many,
            ..wire::StagingRequest::default()
        };
        let read = waves(&request);
        assert_eq!(read.len(), 199);
        let first = read.first().expect("a wave");
        assert_eq!(
            (first.staged, first.staged_bytes, first.needed_at),
            (2, 10, None)
        );
        assert!(first.problem.len() <= 200 && !first.problem.contains('\u{1b}'));
    }
}
