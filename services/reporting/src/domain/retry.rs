//! When a webhook delivery is tried again.

use chrono::{DateTime, Duration, Utc};

/// Pauses after the first, second, … failed try, seconds; the last one repeats.
const PAUSES_S: [i64; 9] = [5, 60, 300, 1_800, 7_200, 18_000, 36_000, 57_600, 86_400];

/// How long a delivery is tried.
pub(crate) const GIVE_UP_AFTER: Duration = Duration::days(3);

/// The next try after `attempts` failed ones; `None` when it would come after `give_up_at`.
#[must_use]
pub(crate) fn next_attempt(
    attempts: u32,
    now: DateTime<Utc>,
    give_up_at: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let position = usize::try_from(attempts.saturating_sub(1))
        .unwrap_or(usize::MAX)
        .min(PAUSES_S.len() - 1);
    let next = now + Duration::seconds(PAUSES_S[position]);
    (next <= give_up_at).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_five_seconds_to_a_day_and_end_after_three() {
        let start = DateTime::from_timestamp(1_700_000_000, 0).expect("a time");
        let (mut now, mut attempts, mut pauses) = (start, 1, Vec::new());
        while let Some(next) = next_attempt(attempts, now, start + GIVE_UP_AFTER) {
            pauses.push((next - now).num_seconds());
            now = next;
            attempts += 1;
            assert!(attempts < 100);
        }
        assert_eq!(pauses.first(), Some(&5));
        assert!(pauses.is_sorted());
        assert!(
            now - start <= GIVE_UP_AFTER && now - start > Duration::days(1),
            "{pauses:?}"
        );
        assert_eq!(
            next_attempt(1_000, start, start + GIVE_UP_AFTER),
            Some(start + Duration::days(1))
        );
    }
}
