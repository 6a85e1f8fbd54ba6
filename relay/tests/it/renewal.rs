//! The relay's certificate, renewed while the relay runs.

use crate::relay::{Site, within};
use crate::world::Ahead;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn years(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 365 * 24 * 3600)
}

async fn renewals(site: &Site, count: u32) {
    let asked = async {
        while site.edge.desk.renewals.load(Ordering::Relaxed) < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(asked).await;
}

#[tokio::test]
async fn a_running_relay_renews_at_half_time_and_keeps_its_connections() {
    let clock = Arc::new(Ahead::default());
    let site = Site::start_at(clock.clone(), |edge| {
        *edge.organization.years.lock().unwrap() = Some((2020, 2060));
        edge.desk.refusals.store(1, Ordering::Relaxed);
    })
    .await;
    let first = site.data.enrolment().expect("kept").expect("claimed");
    *site.edge.organization.years.lock().unwrap() = None;
    let host = site.edge.organization.host();
    site.upstream.put_bytes("pool/a.deb", b"a package");
    let early = site.client(&host).connection().await.expect("connected");

    // 2041 at the earliest: half is over. The first attempt is refused, and the next one comes later.
    clock.advance(years(15));
    renewals(&site, 1).await;
    assert_eq!(
        site.data.enrolment().expect("kept").expect("claimed"),
        first
    );
    *site.edge.organization.years.lock().unwrap() = Some((2020, 2200));
    clock.advance(Duration::from_secs(601));
    renewals(&site, 2).await;
    let renewed = async {
        while site.data.enrolment().expect("kept").expect("claimed") == first {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(renewed).await;

    // The first certificate has ended: whoever comes now is shown the new one, and who is there stays.
    clock.advance(years(25));
    let late = site.client(&host);
    let connection = within(async {
        loop {
            if let Ok(connection) = late.connection().await {
                return connection;
            }
        }
    })
    .await;
    for connection in [&early, &connection] {
        let (answer, _) = connection
            .payload(site.request("pool/a.deb"))
            .await
            .expect("answered");
        assert_eq!(answer.status, 200);
    }
    assert_eq!(site.edge.desk.renewals.load(Ordering::Relaxed), 2);
}
