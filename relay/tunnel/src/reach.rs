//! Finding a server: the addresses of its name, and attempts that start one after the other and run side by side.

use crate::TunnelError;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use std::net::SocketAddr;
use std::time::Duration;

/// Addresses of one name that are tried.
const ADDRESSES: usize = 8;
/// How long an address may stay silent while there is another one.
pub(crate) const NEXT_ADDRESS: Duration = Duration::from_millis(400);
/// How long QUIC may stay silent before TCP is tried beside it: where UDP is dropped, nobody says so.
pub(crate) const NEXT_CARRIER: Duration = Duration::from_secs(1);

/// The addresses of `host:port`, in random order so that a fleet spreads over the edges behind one name, families in turn.
pub(crate) async fn addresses(name: &str) -> Result<Vec<SocketAddr>, TunnelError> {
    let failed = |reason: String| TunnelError::Resolve {
        name: name.to_owned(),
        reason,
    };
    let resolved = tokio::net::lookup_host(name).await;
    let all: Vec<SocketAddr> = resolved
        .map_err(|error| failed(error.to_string()))?
        .collect();
    if all.is_empty() {
        return Err(failed("no address".into()));
    }
    let mut all = in_turn(shuffled(all));
    all.truncate(ADDRESSES);
    Ok(all)
}

fn shuffled(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut keyed: Vec<(u64, SocketAddr)> = addresses
        .into_iter()
        .map(|address| (random(), address))
        .collect();
    keyed.sort_unstable_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, address)| address).collect()
}

/// IPv6 and IPv4 alternate, so that a family without a route costs one wait.
fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let (six, four): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv6);
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    let mut mixed = Vec::new();
    loop {
        let (one, other) = (six.next(), four.next());
        if one.is_none() && other.is_none() {
            return mixed;
        }
        mixed.extend(one.into_iter().chain(other));
    }
}

/// Any number; without a source of randomness the order stays as it was.
pub(crate) fn random() -> u64 {
    let mut bytes = [0u8; 8];
    let filled = crate::tls::provider().secure_random.fill(&mut bytes);
    filled.map_or(0, |()| u64::from_be_bytes(bytes))
}

/// Up to `most`, at random, so that a fleet does not come back in step.
pub(crate) fn jitter(most: Duration) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "32 bits fit")]
    let share = (random() >> 32) as f64 / f64::from(u32::MAX);
    most.mul_f64(share.min(1.0))
}

/// Runs attempts until one succeeds. Each comes with how long it may stay silent before the next one starts beside it; one that
/// fails lets the next start at once. Fails with the reasons of all.
pub(crate) async fn first_success<T, F: Future<Output = Result<T, TunnelError>>>(
    attempts: Vec<(Duration, F)>,
) -> Result<T, TunnelError> {
    let mut attempts = attempts.into_iter();
    let mut running = FuturesUnordered::new();
    let mut failures = Vec::new();
    loop {
        let patience = attempts.next().map(|(patience, attempt)| {
            running.push(attempt);
            patience
        });
        let silence = async {
            match patience {
                Some(patience) => tokio::time::sleep(patience).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            done = running.next() => match done {
                Some(Ok(value)) => return Ok(value),
                Some(Err(error)) => failures.push(error),
                None => return Err(all_of(failures)),
            },
            () = silence => {}
        }
    }
}

fn all_of(mut failures: Vec<TunnelError>) -> TunnelError {
    match failures.len() {
        0 => TunnelError::Unexpected("there is no way to the edge in the list".into()),
        1 => failures.remove(0),
        _ => {
            let mut reasons: Vec<String> = failures.iter().map(ToString::to_string).collect();
            reasons.dedup();
            TunnelError::Unreachable(reasons.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use tokio::sync::Notify;

    type Attempt<'a> = Pin<Box<dyn Future<Output = Result<&'static str, TunnelError>> + 'a>>;

    fn refused(name: &str) -> TunnelError {
        TunnelError::Connect {
            name: name.into(),
            reason: "refused".into(),
        }
    }

    #[tokio::test]
    async fn a_silent_attempt_is_not_given_up_when_the_next_one_starts() {
        let second_started = Notify::new();
        let slow: Attempt<'_> = Box::pin(async {
            second_started.notified().await;
            Ok("first")
        });
        let never: Attempt<'_> = Box::pin(async {
            second_started.notify_one();
            std::future::pending().await
        });
        let soon = Duration::from_millis(1);
        let first = first_success(vec![(soon, slow), (soon, never)]).await;
        assert_eq!(first.expect("one works"), "first");
    }

    #[tokio::test]
    async fn after_a_failure_the_next_attempt_starts_at_once() {
        let fails: Attempt<'_> = Box::pin(async { Err(refused("x")) });
        let works: Attempt<'_> = Box::pin(async { Ok("second") });
        let never = Duration::MAX;
        let second = first_success(vec![(never, fails), (never, works)]).await;
        assert_eq!(second.expect("one works"), "second");
    }

    #[tokio::test]
    async fn when_all_fail_every_reason_is_told() {
        let attempt =
            |name: &'static str| (Duration::ZERO, async move { Err::<(), _>(refused(name)) });
        let error = first_success(vec![attempt("udp"), attempt("tcp")])
            .await
            .expect_err("failed");
        let text = error.to_string();
        assert!(
            text.contains("udp: refused") && text.contains("tcp: refused"),
            "{text}"
        );
        let none: Vec<(Duration, std::future::Ready<Result<(), TunnelError>>)> = Vec::new();
        assert!(first_success(none).await.is_err());
    }

    #[test]
    fn families_take_turns() {
        let all =
            ["10.0.0.1:1", "10.0.0.2:1", "[::1]:1"].map(|text| text.parse().expect("address"));
        let mixed: Vec<String> = in_turn(all.to_vec())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(mixed, ["[::1]:1", "10.0.0.1:1", "10.0.0.2:1"]);
        assert_eq!(shuffled(all.to_vec()).len(), 3);
    }
}
