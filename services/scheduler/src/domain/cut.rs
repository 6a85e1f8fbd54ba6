//! Cutting targets into waves: ranges over the hosts' positions, so that counts are exact, waves disjoint, and a host
//! that joins later falls into one of them.

use netpatch_policy_api::WaveSize;

/// A wave's range [low, high) and how many of the known hosts fall into it; high 0 means 2^64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) low: u64,
    pub(crate) high: u64,
    /// Index of its first host among the sorted positions.
    pub(crate) first: usize,
    pub(crate) hosts: usize,
}

/// Cuts sorted positions. Percentages are of all hosts, rounded up; the last wave takes what is left, and a wave that
/// would be empty is not made.
pub(crate) fn cut(sorted: &[u64], sizes: &[WaveSize]) -> Vec<Slice> {
    let mut slices = Vec::new();
    let mut start = 0;
    let sizes = if sizes.is_empty() {
        &[WaveSize::Percent { percent: 100 }]
    } else {
        sizes
    };
    for (index, size) in sizes.iter().enumerate() {
        let left = sorted.len() - start;
        if left == 0 {
            break;
        }
        let wanted = match size {
            WaveSize::Count { hosts } => *hosts as usize,
            WaveSize::Percent { percent } => (sorted.len() * *percent as usize).div_ceil(100),
        };
        let last = index + 1 == sizes.len();
        let mut end = if last {
            sorted.len()
        } else {
            start + wanted.clamp(1, left)
        };
        // Equal positions cannot be cut apart.
        while end < sorted.len() && end > 0 && sorted[end] == sorted[end - 1] {
            end += 1;
        }
        slices.push(Slice {
            low: if start == 0 { 0 } else { sorted[start] },
            high: if end == sorted.len() { 0 } else { sorted[end] },
            first: start,
            hosts: end - start,
        });
        start = end;
    }
    if let Some(last) = slices.last_mut() {
        last.high = 0;
        last.hosts += sorted.len() - start;
    }
    slices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves(hosts: u64, sizes: &[WaveSize]) -> Vec<usize> {
        let sorted: Vec<u64> = (1..=hosts).map(|host| host * 1000).collect();
        let slices = cut(&sorted, sizes);
        let mut low = 0;
        for (index, slice) in slices.iter().enumerate() {
            assert_eq!(slice.low, low, "no gap, no overlap");
            assert_eq!(
                slice.high == 0,
                index + 1 == slices.len(),
                "the last one reaches to the end"
            );
            low = slice.high;
            let inside = sorted
                .iter()
                .filter(|at| **at >= slice.low && (slice.high == 0 || **at < slice.high));
            assert_eq!(inside.count(), slice.hosts);
        }
        slices.iter().map(|slice| slice.hosts).collect()
    }

    #[test]
    fn counts_are_exact_and_the_last_wave_takes_the_rest() {
        let rings = [
            WaveSize::Count { hosts: 1 },
            WaveSize::Percent { percent: 25 },
            WaveSize::Percent { percent: 50 },
        ];
        assert_eq!(waves(3, &rings), [1, 1, 1]);
        assert_eq!(waves(100, &rings), [1, 25, 74]);
        assert_eq!(waves(1, &rings), [1]);
        assert_eq!(waves(10, &[WaveSize::Count { hosts: 50 }]), [10]);
        assert_eq!(
            waves(
                3,
                &[
                    WaveSize::Count { hosts: 1 },
                    WaveSize::Percent { percent: 100 }
                ]
            ),
            [1, 2]
        );
        assert!(cut(&[], &rings).is_empty());
        assert_eq!(waves(3, &[]), [3]);
    }

    #[test]
    fn fewer_hosts_than_waves_leave_no_empty_wave_and_no_gap() {
        let sizes = [
            WaveSize::Count { hosts: 2 },
            WaveSize::Count { hosts: 2 },
            WaveSize::Count { hosts: 2 },
        ];
        let slices = cut(&[5, 6], &sizes);
        assert_eq!(slices.len(), 1);
        assert_eq!((slices[0].low, slices[0].high, slices[0].hosts), (0, 0, 2));
    }
}
