//! The highest rate without loss, and how long packets take below it.
//!
//! - obeys: RFC 2544, 26.1 and 26.2; a rate at which packets are lost is tried once more before that
//!   is believed, as in the binary search with loss verification of ETSI GS NFV-TST 009, 12.3.3

use super::{Case, ReplayError};
use crate::{
    replay::load::Arena,
    telemetry::report::{BenchRow, LoadRow, SearchRow},
};

/// Shares of the rate without loss at which times are taken, in percent.
const LOADS: [u32; 3] = [10, 50, 90];
/// How near the rate that is found is to one with losses, as a share.
const RESOLUTION: u64 = 100;
/// Below this share of the highest rate the search is given up.
const LEAST: u64 = 1000;
/// Trials at a rate before it counts as one with losses.
const TRIALS: usize = 2;

/// The highest rate up to `most` at which `trial` finds nothing lost; 0 when there is none.
fn no_drop<E>(most: u64, mut trial: impl FnMut(u64) -> Result<u64, E>) -> Result<u64, E> {
    let mut passes = |rate: u64| -> Result<bool, E> {
        for _ in 0..TRIALS {
            if trial(rate)? == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let (mut low, mut high) = (0, most);
    if passes(most)? {
        return Ok(most);
    }
    while high - low > (high / RESOLUTION).max(1) && high > most / LEAST {
        let middle = low.midpoint(high);
        if passes(middle)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Searches below the rate of `row`, at which packets were taken as fast as could be.
pub(super) fn search(
    case: &Case<'_>,
    row: &BenchRow,
    arena: &Arena,
    seconds: f64,
) -> Result<SearchRow, ReplayError> {
    let most = ((row.mpps * 1e6) as u64).max(1);
    let play = |rate: u64| case.play(arena, (rate as f64 * seconds).ceil() as u64, Some(rate));
    let (mut trials, mut offered) = (0, 0.0_f64);
    let rate = no_drop(most, |rate| {
        trials += 1;
        let trial = play(rate)?;
        if trial.lost + trial.missing() == 0 {
            offered = offered.max(trial.offered(rate));
        }
        Ok::<_, ReplayError>(trial.lost + trial.missing())
    })?;
    let mut found = SearchRow {
        size: row.size.clone(),
        flows: row.flows,
        routes: row.routes,
        workers: row.workers,
        seconds,
        trials,
        mpps: offered / 1e6,
        // Of the same frames.
        gbps: row.gbps * offered / most as f64,
        loads: Vec::new(),
    };
    if rate == 0 {
        return Ok(found);
    }
    for percent in LOADS {
        let offered = (rate * u64::from(percent) / 100).max(1);
        let trial = play(offered)?;
        found.loads.push(LoadRow {
            percent,
            mpps: trial.offered(offered) / 1e6,
            packets: trial.report.transmitted,
            lost: trial.lost + trial.missing(),
            untimed: trial.untimed,
            latency: trial.report.latency,
            histogram: trial.histogram,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn the_rate_found_is_within_a_hundredth_of_what_is_carried() {
        bolero::check!().with_type::<(u32, u32)>().for_each(|(most, carried)| {
            let (most, carried) = (u64::from(*most).max(1), u64::from(*carried));
            let lost = |rate: u64| Ok::<_, Infallible>(rate.saturating_sub(carried));
            let Ok(found) = no_drop(most, lost);
            let carried = carried.min(most);
            assert!(found <= carried, "{found} of {carried}");
            let near = carried / RESOLUTION + 1;
            assert!(found + near >= carried || carried <= most / LEAST + 1, "{found} of {carried}");
        });
    }

    #[test]
    fn a_loss_that_does_not_come_again_is_not_believed() {
        let mut trials = 0;
        let Ok(found) = no_drop(1000, |_| {
            trials += 1;
            Ok::<_, Infallible>(trials % 2)
        });
        assert_eq!((found, trials), (1000, 2));
        let Ok(found) = no_drop(1000, |_| Ok::<_, Infallible>(1));
        assert_eq!(found, 0);
    }
}
