//! What a worker does when nothing comes.

use std::time::Duration;

/// Idle policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Never sleeps.
    Poll,
    /// Polls for a while after the last packet, then sleeps between polls, a little longer each
    /// time.
    Adaptive {
        /// How long to poll after the last packet.
        spin: Duration,
        /// The longest sleep, and so the most that a packet may wait unseen.
        max_sleep: Duration,
    },
}

impl Idle {
    /// Name in configuration and reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Adaptive { .. } => "adaptive",
        }
    }
}

/// First sleep; the next ones double up to the longest.
const FIRST_SLEEP: Duration = Duration::from_micros(10);

/// The policy at work.
pub(super) struct Napper {
    idle: Idle,
    idle_since: Option<u64>,
    next: Duration,
}

impl Napper {
    pub(super) fn new(idle: Idle) -> Self {
        Self { idle, idle_since: None, next: FIRST_SLEEP }
    }

    /// How long to sleep after a turn at `now` (ns) that found `came` packets, if at all.
    #[inline]
    pub(super) fn nap(&mut self, came: usize, now: u64) -> Option<Duration> {
        let Idle::Adaptive { spin, max_sleep } = self.idle else { return None };
        if came > 0 {
            self.idle_since = None;
            self.next = FIRST_SLEEP;
            return None;
        }
        let since = *self.idle_since.get_or_insert(now);
        if now - since < spin.as_nanos() as u64 {
            return None;
        }
        let nap = self.next.min(max_sleep);
        self.next = (self.next * 2).min(max_sleep);
        Some(nap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: u64 = 1000;

    #[test]
    fn an_adaptive_worker_spins_first_and_sleeps_longer_each_time() {
        let micros = Duration::from_micros;
        let mut napper = Napper::new(Idle::Adaptive { spin: micros(50), max_sleep: micros(40) });
        assert_eq!(napper.nap(0, 0), None);
        assert_eq!(napper.nap(0, 49 * US), None);
        let naps: Vec<_> = (50..55).map(|at| napper.nap(0, at * US)).collect();
        assert_eq!(naps, [10, 20, 40, 40, 40].map(|us| Some(micros(us))));
        assert_eq!(napper.nap(1, 60 * US), None);
        assert_eq!(napper.nap(0, 70 * US), None, "a packet starts the spin anew");
        assert_eq!(napper.nap(0, 120 * US), Some(micros(10)));
    }

    #[test]
    fn a_polling_worker_never_sleeps() {
        let mut napper = Napper::new(Idle::Poll);
        assert!((0..100).all(|at| napper.nap(0, at << 40).is_none()));
    }
}
