//! The workers as the management core sees them: rings from them and to them, and the books.

use std::{collections::VecDeque, sync::Arc};

use crossbeam_queue::ArrayQueue;

use crate::{
    control::{Router, queues::Returned},
    dpdk::mbuf::{Flags, Packet},
    graph::{Nanos, Reason, Stats},
    neighbour::nodes::Punted,
    netfilter::told::{self, BlockTold, Listener, Teller},
    port::nodes::Handover,
    worker::{Injected, Jobs},
};

/// Packets that may wait for the management core, by worker.
const PUNT_DEPTH: usize = 1024;
/// Packets that may wait for a worker.
const INJECT_DEPTH: usize = 1024;
/// Packets that wait until a worker has room again.
const BACKLOG: usize = 4096;
/// Most packets taken from one worker in a turn of the management core.
const PUNT_BUDGET: usize = 256;
/// Most records about packets taken from one worker in a turn.
const TOLD_BUDGET: usize = 1024;

/// Frames on the way to a worker that has the connections of their packets; many may hold a packet or
/// two each while it sleeps.
const HANDED_FRAMES: usize = 256;
/// Questions that may wait for a worker.
const JOBS: usize = 4;

fn jobs() -> Jobs {
    let ring = || Arc::new(ArrayQueue::new(JOBS));
    (ring(), ring())
}

/// The rings between the management core and its workers.
pub struct Crew {
    punts: Vec<Arc<ArrayQueue<Punted>>>,
    injects: Vec<Arc<ArrayQueue<Injected>>>,
    told: Vec<Listener>,
    blocks: Vec<Arc<ArrayQueue<BlockTold>>>,
    queues: Vec<Arc<ArrayQueue<Packet>>>,
    /// Packets that come back from programs, by worker.
    returned: Vec<VecDeque<Injected>>,
    jobs: Vec<Jobs>,
    handed: Vec<Arc<Handover>>,
    backlog: VecDeque<Injected>,
    stats: Vec<Arc<Stats>>,
    next: usize,
    in_turn: bool,
}

impl Crew {
    /// Rings for `workers` workers.
    pub fn new(workers: usize) -> Self {
        Self {
            punts: (0..workers).map(|_| Arc::new(ArrayQueue::new(PUNT_DEPTH))).collect(),
            injects: (0..workers).map(|_| Arc::new(ArrayQueue::new(INJECT_DEPTH))).collect(),
            queues: (0..workers).map(|_| Arc::new(ArrayQueue::new(PUNT_DEPTH))).collect(),
            returned: (0..workers).map(|_| VecDeque::new()).collect(),
            blocks: (0..workers).map(|_| Arc::new(ArrayQueue::new(told::DEPTH))).collect(),
            told: (0..workers).map(|_| Listener::default()).collect(),
            jobs: (0..workers).map(|_| jobs()).collect(),
            // A lone worker has nobody to hand anything to.
            handed: if workers == 1 { 0..0 } else { 0..workers }
                .map(|_| Handover::new(HANDED_FRAMES))
                .collect(),
            backlog: VecDeque::new(),
            stats: Vec::new(),
            next: 0,
            in_turn: true,
        }
    }

    /// Gives everything to the first worker from now on, so that the order of what leaves does not
    /// depend on the number of workers.
    pub fn inject_in_order(&mut self) {
        self.in_turn = false;
        self.next = 0;
    }

    /// Reads the marks that a worker leaves in its books.
    pub fn watch(&mut self, stats: Arc<Stats>) {
        self.stats.push(stats);
    }

    /// The ring on which worker `index` leaves packets to the management core.
    pub fn punt(&self, index: usize) -> Arc<ArrayQueue<Punted>> {
        Arc::clone(&self.punts[index])
    }

    /// The ring on which worker `index` leaves packets to programs.
    pub fn queue(&self, index: usize) -> Arc<ArrayQueue<Packet>> {
        Arc::clone(&self.queues[index])
    }

    /// Where worker `index` is asked about its connections.
    pub fn jobs(&self, index: usize) -> Jobs {
        let (ask, answer) = &self.jobs[index];
        (Arc::clone(ask), Arc::clone(answer))
    }

    /// The ways by which workers hand packets to each other, by worker; none for a lone one.
    pub fn handed(&self) -> Vec<Arc<Handover>> {
        self.handed.clone()
    }

    /// Whether packets are on their way from one worker to another.
    pub fn is_handing_over(&self) -> bool {
        self.handed.iter().any(|way| !way.is_idle())
    }

    /// What worker `index` tells of packets with.
    pub fn teller(&self, index: usize) -> Teller {
        Teller::new(Arc::clone(self.told[index].ring()), Arc::clone(&self.blocks[index]))
    }

    /// The ring from which worker `index` takes packets of the management core.
    pub fn inject(&self, index: usize) -> Arc<ArrayQueue<Injected>> {
        Arc::clone(&self.injects[index])
    }

    /// How full the rings are: packets that wait for the management core, packets that wait for
    /// workers, and room for both.
    pub fn waiting(&self) -> (usize, usize, usize) {
        let punted = self.punts.iter().map(|ring| ring.len()).sum();
        let injected: usize = self.injects.iter().map(|ring| ring.len()).sum();
        (punted, injected + self.backlog.len(), self.punts.len() * PUNT_DEPTH)
    }

    /// One turn of the management core: takes what workers left, lets time pass, publishes what has
    /// changed, and gives the workers what comes of it. Gives the number of packets moved.
    pub fn pump(&mut self, router: &mut Router, now: Nanos) -> usize {
        let mut moved = 0;
        for stats in &self.stats {
            stats.marks.take(|hop| router.note_used(now, hop));
        }
        for ring in &self.punts {
            for _ in 0..PUNT_BUDGET {
                let Some(punted) = ring.pop() else { break };
                router.handle_punt(now, punted);
                moved += 1;
            }
        }
        for ring in &self.queues {
            for _ in 0..PUNT_BUDGET {
                let Some(packet) = ring.pop() else { break };
                router.handle_queued(now, packet);
                moved += 1;
            }
        }
        let mut lost = 0;
        for listener in &mut self.told {
            for _ in 0..TOLD_BUDGET {
                let Some(told) = listener.next() else { break };
                if let Some(told) = told {
                    router.handle_told(now, told);
                }
                moved += 1;
            }
            lost += listener.ring().lost();
        }
        router.note_untold(lost);
        for ring in &self.blocks {
            while let Some(told) = ring.pop() {
                router.log(told.line());
            }
        }
        router.poll(now);
        // Before the packets, which may need what was just learnt.
        router.commit();
        self.backlog.extend(router.take_injected());
        while let Some(injected) = self.backlog.pop_front() {
            // Who has the packet's connection is to have it back.
            let owner = owner(&injected.packet).filter(|owner| *owner < self.injects.len());
            let ring = &self.injects[owner.unwrap_or(self.next)];
            if self.in_turn && owner.is_none() {
                self.next = (self.next + 1) % self.injects.len();
            }
            if let Err(back) = ring.push(injected) {
                self.backlog.push_front(back);
                break;
            }
            moved += 1;
        }
        for Returned { worker, injected } in router.take_returned() {
            // As many as programs may keep, and no more.
            match self.returned.get_mut(worker) {
                Some(waiting) => waiting.push_back(injected),
                None => router.discard(injected.packet, Reason::Shutdown),
            }
        }
        for (ring, waiting) in self.injects.iter().zip(&mut self.returned) {
            while let Some(injected) = waiting.pop_front() {
                if let Err(back) = ring.push(injected) {
                    waiting.push_front(back);
                    break;
                }
                moved += 1;
            }
        }
        while self.backlog.len() > BACKLOG {
            if let Some(late) = self.backlog.pop_back() {
                router.discard(late.packet, Reason::InjectFull);
            }
        }
        moved
    }

    /// Drops what waits in rings; workers must have ended.
    pub fn clear(&mut self, router: &mut Router) {
        for ring in &self.punts {
            while let Some(punted) = ring.pop() {
                router.discard(punted.packet, Reason::Shutdown);
            }
        }
        for ring in &self.injects {
            while let Some(injected) = ring.pop() {
                router.discard(injected.packet, Reason::Shutdown);
            }
        }
        for way in &self.handed {
            way.clear();
        }
        for injected in
            self.backlog.drain(..).chain(self.returned.iter_mut().flat_map(|one| one.drain(..)))
        {
            router.discard(injected.packet, Reason::Shutdown);
        }
        for ring in &self.queues {
            while let Some(packet) = ring.pop() {
                router.discard(packet, Reason::Shutdown);
            }
        }
        router.clear();
    }
}

/// The worker whose connection a packet has that comes back from the management core.
fn owner(packet: &Packet) -> Option<usize> {
    let meta = packet.flags().any(Flags::META).then(|| packet.meta())?;
    (meta.conn != 0).then_some(usize::from(meta.worker))
}

/// What came in or was made, less what has ended, over all workers and the management core. Zero
/// when nothing is under way.
pub fn unaccounted(stats: &[Arc<Stats>], router: &Router) -> i64 {
    let sum = |of: fn(&Stats) -> u64| stats.iter().map(|stats| of(stats)).sum::<u64>();
    // What one side hands to the other leaves here and enters there, so it cancels out.
    let entered = sum(Stats::entered) + router.made + sum(|stats| stats.punted.get());
    let ended: u64 = router.dropped().values().sum();
    let left = sum(Stats::left) + ended + sum(|stats| stats.injected.get());
    entered.wrapping_sub(left) as i64
}

/// Packets that came in by ports, over all workers.
pub fn received(stats: &[Arc<Stats>]) -> u64 {
    let inputs = stats.iter().flat_map(|stats| &stats.inputs);
    let polled: u64 = inputs.map(|input| input.packets.get()).sum();
    // What one worker hands to another comes in there a second time.
    let twice: u64 = stats.iter().map(|stats| stats.handed_in.get()).sum();
    polled.saturating_sub(twice)
}
