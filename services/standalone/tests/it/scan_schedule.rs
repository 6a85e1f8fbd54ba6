//! When a real agent scans: what its site says comes to it through the real edge, is kept, and yields to the host's own word.

use crate::renewal::World;
use chrono::{Duration, Timelike as _};
use netpatch_policy_api::{ScanRule, ScanSchedule, ScanScheduleList, ScanScheduleSet};
use netpatch_types::{Clock as _, ErrorCode, ServiceResult};
use netpatch_window::Schedule;

impl World {
    async fn say(&self, cron: Option<&str>, jitter_seconds: u32) -> ServiceResult<()> {
        let set = ScanScheduleSet {
            site: self.site,
            rule: cron.map(|cron| ScanRule {
                cron: cron.to_owned(),
                jitter_seconds,
            }),
        };
        let policy = &self.sandbox.roles.policy;
        policy.scan_schedule_set(&self.ctx, set).await.map(drop)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_says_when_its_hosts_are_scanned() {
    let mut world = World::new().await;
    let agent = world.start_with(None);
    let says = async |world: &World, text: &str| {
        let text = text.to_owned();
        world
            .until(&text, |status| status.scan_schedule == text)
            .await
    };
    says(&world, "nobody: every 14400 s").await;

    // What no agent could read is not taken.
    for (cron, jitter, field) in [
        ("61 * * * *", 0, "cron"),
        ("every night", 0, "cron"),
        ("", 0, "cron"),
        ("30 3 * * *", 86_401, "jitterSeconds"),
    ] {
        let refused = world.say(Some(cron), jitter).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::BadUserInput, "{cron}");
        assert_eq!(refused.path, [field], "{refused:?}");
    }
    let refused = world.say(Some("61 * * * *"), 0).await.unwrap_err();
    assert!(refused.message.contains("30 3 * * *"), "{refused:?}");

    // The agent that runs hears of it, and the host's own part of the jitter moves its time.
    world.say(Some(" 30  3 * * * "), 0).await.unwrap();
    let status = says(&world, "the site: 30 3 * * *").await;
    let (now, at) = (world.clock.now(), status.scheduled_scan_at.unwrap());
    assert_eq!((at.hour(), at.minute(), at.second()), (3, 30, 0));
    assert!(at > now && at - now <= Duration::days(1), "{at}");
    world.say(Some("30 3 * * *"), 3600).await.unwrap();
    let status = says(&world, "the site: 30 3 * * * within 3600 s").await;
    let moved = status.scheduled_scan_at.unwrap();
    assert!(moved >= at && moved - at < Duration::hours(1), "{moved}");
    let list = ScanScheduleList {
        sites: vec![world.site],
    };
    let policy = world.sandbox.roles.policy.clone();
    let found = policy.scan_schedule_list(&world.ctx, list).await.unwrap();
    let rule = ScanRule {
        cron: "30 3 * * *".into(),
        jitter_seconds: 3600,
    };
    let site = world.site;
    assert_eq!(found, [ScanSchedule { site, rule }]);

    // It survives the agent, without a platform.
    agent.stop().await;
    world.stop_edge().await;
    let agent = world.start_with(None);
    let status = world
        .until("what was kept", |status| !status.scan_schedule.is_empty())
        .await;
    assert_eq!(status.scan_schedule, "the site: 30 3 * * * within 3600 s");
    assert_eq!(status.scheduled_scan_at.unwrap(), moved);
    agent.stop().await;
    world.start_edge().await;

    // What the host's own configuration says outweighs it.
    let own = Schedule::cron("0 5 * * 1", std::time::Duration::ZERO).unwrap();
    let agent = world.start_with(Some(own));
    world.until_connected().await;
    says(&world, "the host: 0 5 * * 1").await;
    agent.stop().await;

    let agent = world.start_with(None);
    says(&world, "the site: 30 3 * * * within 3600 s").await;
    world.say(None, 0).await.unwrap();
    says(&world, "nobody: every 14400 s").await;
    agent.stop().await;
}
