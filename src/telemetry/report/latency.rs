//! How long packets took.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// How long packets took, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half of them at most.
    pub p50: u64,
    /// Nine in ten at most.
    pub p90: u64,
    /// 99 in a hundred at most.
    pub p99: u64,
    /// 999 in a thousand at most.
    pub p999: u64,
    /// 9999 in ten thousand at most.
    pub p9999: u64,
    /// All of them.
    pub max: u64,
}

impl Percentiles {
    /// From upper bounds of buckets and their counts; `None` when all are empty.
    pub fn from_buckets(buckets: impl IntoIterator<Item = (u64, u64)>) -> Option<Self> {
        // Five digits, so that what is told is the bucket's own bound.
        let mut histogram = Histogram::<u64>::new(5).ok()?;
        for (high, count) in buckets {
            // It grows with its values, so none is too large.
            let _ = histogram.record_n(high, count);
        }
        if histogram.is_empty() {
            return None;
        }
        let at = |quantile: f64| histogram.value_at_quantile(quantile);
        Some(Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: histogram.max(),
        })
    }
}

/// How many packets took about as long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketRow {
    /// Most that they took, in nanoseconds.
    pub upto: u64,
    /// Packets.
    pub packets: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_values_of_the_sorted_list() {
        bolero::check!().with_type::<Vec<u16>>().for_each(|values| {
            let mut sorted: Vec<u64> = values.iter().map(|value| u64::from(*value)).collect();
            sorted.sort_unstable();
            let found = Percentiles::from_buckets(sorted.iter().map(|value| (*value, 1)));
            let Some(found) = found else {
                assert!(sorted.is_empty());
                return;
            };
            let at = |share: f64| {
                let place = (sorted.len() as f64 * share).ceil() as usize;
                sorted[place.clamp(1, sorted.len()) - 1]
            };
            assert_eq!(found.p50, at(0.5));
            assert_eq!(found.p90, at(0.9));
            assert_eq!(found.max, sorted[sorted.len() - 1]);
            assert!(found.p99 <= found.p999 && found.p999 <= found.p9999);
            assert!(found.p9999 <= found.max);
        });
    }

    #[test]
    fn one_slow_packet_in_ten_thousand_is_beyond_the_last_percentile() {
        let found = Percentiles::from_buckets([(10, 9_999), (500, 1)]).unwrap();
        assert_eq!((found.p9999, found.max), (10, 500));
        let found = Percentiles::from_buckets([(10, 9_998), (500, 2)]).unwrap();
        assert_eq!(found.p9999, 500);
    }
}
