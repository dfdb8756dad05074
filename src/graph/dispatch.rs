//! The dispatcher: runs nodes in order, moves frames, counts, frees.

use std::{collections::VecDeque, sync::Arc};

use super::{
    ArcSpec, Cx, Edge, FRAME_LEN, Frame, Input, MAX_EDGES, Nanos, Node, Out, Reason, Snapshot,
    Stats, trace::Tracer,
};
use crate::dpdk::mbuf::Packet;

/// Frames that one worker may have under way.
const POOL_FRAMES: usize = 96;

/// Most nodes of a graph.
pub(super) const MAX_NODES: usize = 128;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Node(u8),
    Drop(Reason),
    DropMarked,
}

struct Slot<T: Snapshot> {
    node: Box<dyn Node<T>>,
    edges: &'static [Edge],
    targets: [Target; MAX_EDGES],
    /// Edges that lead into an arc: which, the arc, and the first place there.
    leads: Vec<(u8, Lead)>,
}

/// A place on an arc, by numbers.
type Lead = (u8, u8);

/// An arc, with its nodes by number.
struct Course {
    /// Each feature, its node, and where one goes who comes to its place.
    places: Vec<(&'static str, u8, u8)>,
    end: u8,
}

impl Course {
    /// Passes over the features that are not `enabled`.
    fn lead(&mut self, enabled: impl Fn(&str) -> bool) {
        let mut next = self.end;
        for (name, node, to) in self.places.iter_mut().rev() {
            if enabled(name) {
                next = *node;
            }
            *to = next;
        }
    }

    fn from(&self, place: u8) -> u8 {
        self.places.get(usize::from(place)).map_or(self.end, |(_, _, to)| *to)
    }
}

/// One worker's graph. `T` is the snapshot of tables that nodes read.
pub struct Graph<T: Snapshot> {
    slots: Vec<Slot<T>>,
    inputs: Vec<(Box<dyn Input<T>>, u8)>,
    /// By input: the arc that ends where its packets are to go.
    input_arcs: Vec<Option<u8>>,
    /// Nodes that have a clock, as a list and by bits, and when the first of them is due.
    timed: Vec<u8>,
    clocks: u128,
    due: Nanos,
    courses: Vec<Course>,
    queues: Queues,
    out: Box<Out>,
    stats: Arc<Stats>,
    tracer: Tracer,
    /// What a packet's note says about its end; see [`Edge::DropMarked`].
    marked: fn(&Packet) -> Reason,
}

/// What waits before each node, and the frames at rest.
struct Queues {
    waiting: Vec<VecDeque<Box<Frame>>>,
    pending: u128,
    // A frame is two KiB: queues hold and pass on its address.
    #[allow(clippy::vec_box)]
    free: Vec<Box<Frame>>,
}

impl Queues {
    /// Adds one packet behind those that wait for `node`.
    #[inline]
    fn push(&mut self, node: u8, packet: Packet) -> Result<(), Packet> {
        let waiting = &mut self.waiting[usize::from(node)];
        if let Some(last) = waiting.back_mut()
            && !last.is_full()
        {
            last.push(packet);
            return Ok(());
        }
        let Some(mut frame) = self.free.pop() else {
            return Err(packet);
        };
        frame.push(packet);
        waiting.push_back(frame);
        self.pending |= 1 << node;
        Ok(())
    }

    /// Moves a whole frame behind those that wait for `node`.
    #[inline]
    fn push_frame(&mut self, node: u8, mut frame: Box<Frame>) {
        let waiting = &mut self.waiting[usize::from(node)];
        if let Some(last) = waiting.back_mut()
            && last.len() + frame.len() <= FRAME_LEN
        {
            last.extend(frame.drain(..));
            self.free.push(frame);
            return;
        }
        waiting.push_back(frame);
        self.pending |= 1 << node;
    }

    #[inline]
    fn pop(&mut self) -> Option<(u8, Box<Frame>)> {
        if self.pending == 0 {
            return None;
        }
        let node = self.pending.trailing_zeros() as u8;
        let waiting = &mut self.waiting[usize::from(node)];
        let frame = waiting.pop_front();
        if waiting.is_empty() {
            self.pending &= !(1 << node);
        }
        frame.map(|frame| (node, frame))
    }
}

impl<T: Snapshot> Graph<T> {
    /// Connects `nodes`, which stand in the order in which packets meet them.
    ///
    /// # Panics
    /// When an edge names a node or an arc that is not there: the list of nodes is part of the
    /// program, so this is a mistake in it.
    pub fn new(
        nodes: Vec<Box<dyn Node<T>>>,
        inputs: Vec<Box<dyn Input<T>>>,
        arcs: &'static [ArcSpec],
        marked: fn(&Packet) -> Reason,
    ) -> Self {
        assert!(nodes.len() <= MAX_NODES, "{} nodes", nodes.len());
        let stats = Arc::new(Stats::new(nodes.len(), inputs.len()));
        let waiting = nodes.iter().map(|_| VecDeque::with_capacity(POOL_FRAMES)).collect();
        let slots: Vec<_> = nodes
            .into_iter()
            .map(|node| {
                let edges = node.edges();
                assert!(edges.len() <= MAX_EDGES, "{}: {} edges", node.name(), edges.len());
                Slot { node, edges, targets: [Target::DropMarked; MAX_EDGES], leads: Vec::new() }
            })
            .collect();
        let mut graph = Self {
            slots,
            inputs: Vec::new(),
            input_arcs: Vec::new(),
            timed: Vec::new(),
            clocks: 0,
            due: Nanos::MAX,
            courses: Vec::new(),
            queues: Queues {
                waiting,
                pending: 0,
                free: (0..POOL_FRAMES).map(|_| Box::default()).collect(),
            },
            out: Box::default(),
            stats,
            tracer: Tracer::default(),
            marked,
        };
        graph.courses = arcs
            .iter()
            .map(|arc| Course {
                // A graph for a test may have none of an arc's features.
                places: (arc.features.iter())
                    .filter_map(|name| Some((*name, graph.node(name)?, 0)))
                    .collect(),
                end: graph.find(arc.end),
            })
            .collect();
        for index in 0..graph.slots.len() {
            for number in 0..graph.slots[index].edges.len() {
                graph.connect(index, number, arcs);
            }
        }
        graph.inputs = inputs
            .into_iter()
            .map(|input| {
                let target = graph.find(input.target());
                (input, target)
            })
            .collect();
        let arc = |target: &u8| graph.courses.iter().position(|course| course.end == *target);
        graph.input_arcs =
            graph.inputs.iter().map(|(_, target)| arc(target).map(|arc| arc as u8)).collect();
        graph.timed = (0..graph.slots.len())
            .filter(|number| graph.slots[*number].node.timer().is_some())
            .map(|number| number as u8)
            .collect();
        graph.clocks = graph.timed.iter().fold(0, |bits, number| bits | 1 << number);
        graph.rewire(|_| false);
        graph
    }

    fn find(&self, name: &str) -> u8 {
        let place = self.slots.iter().position(|slot| slot.node.name() == name);
        place.unwrap_or_else(|| panic!("an edge leads to {name:?}, which is not a node")) as u8
    }

    /// Finds out where an edge leads, once and for all but for the features of arcs.
    fn connect(&mut self, index: usize, number: usize, arcs: &[ArcSpec]) {
        let slot = &self.slots[index];
        let name = slot.node.name();
        let fixed = match slot.edges[number] {
            Edge::To(name) => Target::Node(self.find(name)),
            Edge::Drop(reason) => Target::Drop(reason),
            Edge::DropMarked => Target::DropMarked,
            Edge::Arc(arc) => {
                let place = arcs.iter().position(|spec| spec.name == arc);
                let arc = place
                    .unwrap_or_else(|| panic!("an edge leads to {arc:?}, which is not an arc"));
                self.slots[index].leads.push((number as u8, (arc as u8, 0)));
                return;
            }
            Edge::Continue => {
                let at = |course: &Course| course.places.iter().position(|place| place.0 == name);
                let mut courses = self.courses.iter().enumerate();
                let found = courses.find_map(|(arc, to)| Some((arc as u8, at(to)? as u8 + 1)));
                let lead = found.unwrap_or_else(|| panic!("{name} is on no arc"));
                self.slots[index].leads.push((number as u8, lead));
                return;
            }
        };
        self.slots[index].targets[number] = fixed;
    }

    /// Leads the arcs through the features that are `enabled`. Packets wait meanwhile, so it compares no names
    /// but theirs, and allocates nothing.
    pub fn rewire(&mut self, enabled: impl Fn(&str) -> bool) {
        for course in &mut self.courses {
            course.lead(&enabled);
        }
        let from = |(arc, place): Lead| self.courses[usize::from(arc)].from(place);
        for slot in &mut self.slots {
            for (edge, lead) in &slot.leads {
                slot.targets[usize::from(*edge)] = Target::Node(from(*lead));
            }
        }
        // What comes in goes by the arc that ends where it is to go.
        for ((_, target), arc) in self.inputs.iter_mut().zip(&self.input_arcs) {
            if let Some(arc) = arc {
                *target = from((*arc, 0));
            }
        }
    }

    /// This worker's counters.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// Name and edges of every node, in order.
    pub fn shape(&self) -> Vec<(&'static str, &'static [Edge])> {
        self.slots.iter().map(|slot| (slot.node.name(), slot.edges)).collect()
    }

    /// Names of the inputs, in order.
    pub fn input_names(&self) -> Vec<String> {
        self.inputs.iter().map(|(input, _)| input.name().to_owned()).collect()
    }

    /// The recorder of traced packets.
    pub fn tracer_mut(&mut self) -> &mut Tracer {
        &mut self.tracer
    }

    /// Number of the node called `name`, for [`Graph::enqueue`].
    pub fn node(&self, name: &str) -> Option<u8> {
        self.slots.iter().position(|slot| slot.node.name() == name).map(|place| place as u8)
    }

    /// Puts a packet before a node, from outside of the graph.
    pub fn enqueue(&mut self, node: u8, packet: Packet) {
        if let Err(packet) = self.queues.push(node, packet) {
            self.stats.drops[Reason::FramePoolEmpty as usize].add(1);
            drop(packet);
        }
    }

    /// When a node has something to do though no packet comes.
    pub fn due(&self) -> Nanos {
        self.due
    }

    /// Asks the nodes when they are due; needed when one of them has done something.
    fn ask_clocks(&mut self) {
        self.due = Nanos::MAX;
        for number in &self.timed {
            if let Some(timer) = self.slots[usize::from(*number)].node.timer() {
                self.due = self.due.min(timer.due());
            }
        }
    }

    /// Lets nodes do what is due. Returns how many did.
    fn run_out(&mut self, cx: &mut Cx<'_, T>) -> usize {
        let mut ran = 0;
        for number in &self.timed {
            let slot = &mut self.slots[usize::from(*number)];
            let Some(timer) = slot.node.timer() else { continue };
            if timer.due() > cx.now {
                continue;
            }
            timer.run_out(cx, &mut self.out);
            let dispatch = Dispatch {
                targets: &slot.targets,
                edge_counts: &cx.stats.nodes[usize::from(*number)].edges,
                stats: cx.stats,
                tracer: &mut self.tracer,
                marked: self.marked,
                node: *number,
                now: cx.now,
            };
            dispatch.emitted(&mut self.queues, &mut self.out);
            ran += 1;
        }
        cx.stamp();
        self.run(cx);
        self.ask_clocks();
        ran
    }

    /// Does what is due, polls every input once, and carries what came through the graph. Returns
    /// the number of packets that came, and of nodes that had something to do.
    pub fn turn(&mut self, cx: &mut Cx<'_, T>) -> usize {
        let mut came = if self.due > cx.now { 0 } else { self.run_out(cx) };
        for index in 0..self.inputs.len() {
            let Some(mut frame) = self.queues.free.pop() else {
                break;
            };
            let (input, target) = &mut self.inputs[index];
            let stats = &cx.stats.inputs[index];
            input.poll(cx, &mut frame);
            stats.polls.add(1);
            if frame.is_empty() {
                self.queues.free.push(frame);
                continue;
            }
            let target = *target;
            let count = frame.len();
            came += count;
            stats.packets.add(count as u64);
            stats.batches.add(1);
            if self.tracer.armed() {
                self.tracer.select(index as u8, &mut frame, cx.now);
            }
            let before = cx.stamp;
            stats.cycles.add(cx.stamp() - before);
            let first = match self.queues.pending {
                0 => Some((target, frame)),
                _ => {
                    self.queues.push_frame(target, frame);
                    self.queues.pop()
                }
            };
            self.walk(first, cx);
        }
        came
    }

    /// Runs nodes until no packet waits. What they do counts from [`Cx::stamp`] on.
    #[inline]
    pub fn run(&mut self, cx: &mut Cx<'_, T>) {
        let first = self.queues.pop();
        self.walk(first, cx);
    }

    /// The same, from a node and its frame on.
    #[inline]
    fn walk(&mut self, mut next: Option<(u8, Box<Frame>)>, cx: &mut Cx<'_, T>) {
        let mut ran = 0_u128;
        while let Some((number, mut frame)) = next {
            let slot = &mut self.slots[usize::from(number)];
            let stats = &cx.stats.nodes[usize::from(number)];
            let (count, before) = (frame.len(), cx.stamp);
            self.out.next[..count].fill(0);
            if self.tracer.armed() {
                self.tracer.before(number, &frame, cx.now);
            }
            slot.node.process(cx, &mut frame, &mut self.out);
            let dispatch = Dispatch {
                targets: &slot.targets,
                edge_counts: &stats.edges,
                stats: cx.stats,
                tracer: &mut self.tracer,
                marked: self.marked,
                node: number,
                now: cx.now,
            };
            next = dispatch.run(&mut self.queues, frame, &mut self.out);
            if cx.stamp == before {
                cx.stamp();
            }
            stats.packets.add(count as u64);
            stats.batches.add(1);
            stats.cycles.add(cx.stamp - before);
            ran |= 1 << number;
            if next.is_none() {
                next = self.queues.pop();
            }
        }
        if ran & self.clocks != 0 {
            self.ask_clocks();
        }
    }

    /// Drops every packet that waits or is kept back; for the end of a worker.
    pub fn clear(&mut self) {
        for number in &self.timed {
            if let Some(timer) = self.slots[usize::from(*number)].node.timer() {
                timer.clear(&self.stats);
            }
        }
        self.ask_clocks();
        while let Some((_, mut frame)) = self.queues.pop() {
            self.stats.drops[Reason::Shutdown as usize].add(frame.len() as u64);
            frame.clear();
            self.queues.free.push(frame);
        }
    }
}

/// True when all packets of a frame take one edge; eight verdicts are compared at once.
#[inline]
fn all_are(next: &[u8], edge: u8) -> bool {
    let wanted = u64::from_ne_bytes([edge; 8]);
    let (words, rest) = next.as_chunks::<8>();
    let differ = words.iter().fold(0, |differ, word| differ | (u64::from_ne_bytes(*word) ^ wanted));
    differ == 0 && rest.iter().all(|other| *other == edge)
}

/// Carries one node's verdicts out.
struct Dispatch<'a> {
    targets: &'a [Target; MAX_EDGES],
    edge_counts: &'a [super::Count; MAX_EDGES],
    stats: &'a Stats,
    tracer: &'a mut Tracer,
    marked: fn(&Packet) -> Reason,
    node: u8,
    now: super::Nanos,
}

impl Dispatch<'_> {
    /// Gives the frame back, with its node, where it goes on whole and nothing else waits: it need not wait.
    #[inline]
    fn run(
        mut self,
        queues: &mut Queues,
        mut frame: Box<Frame>,
        out: &mut Out,
    ) -> Option<(u8, Box<Frame>)> {
        let next = &out.next[..frame.len()];
        if self.tracer.armed() {
            for (packet, edge) in frame.iter().zip(next) {
                self.tracer.after(self.node, *edge, packet, self.now);
            }
        }
        match next.first() {
            None => queues.free.push(frame),
            Some(&edge) if all_are(next, edge) => {
                self.edge_counts[usize::from(edge)].add(frame.len() as u64);
                match self.targets[usize::from(edge)] {
                    Target::Node(node) if queues.pending == 0 && out.emitted.is_empty() => {
                        return Some((node, frame));
                    }
                    Target::Node(node) => queues.push_frame(node, frame),
                    Target::Drop(reason) => {
                        self.stats.drops[reason as usize].add(frame.len() as u64);
                        Packet::free_all(&mut frame);
                        queues.free.push(frame);
                    }
                    Target::DropMarked => {
                        for packet in frame.drain(..) {
                            self.one(queues, edge, packet);
                        }
                        queues.free.push(frame);
                    }
                }
            }
            Some(_) => {
                for (packet, edge) in frame.drain(..).zip(next) {
                    self.edge_counts[usize::from(*edge)].add(1);
                    self.one(queues, *edge, packet);
                }
                queues.free.push(frame);
            }
        }
        self.emitted(queues, out);
        None
    }

    #[inline]
    fn emitted(mut self, queues: &mut Queues, out: &mut Out) {
        if !out.emitted.is_empty() {
            self.stats.made.add(out.emitted.len() as u64);
            for (edge, packet) in out.emitted.drain(..) {
                if self.tracer.armed() {
                    self.tracer.after(self.node, edge, &packet, self.now);
                }
                self.edge_counts[usize::from(edge)].add(1);
                self.one(queues, edge, packet);
            }
        }
    }

    #[inline]
    fn one(&mut self, queues: &mut Queues, edge: u8, packet: Packet) {
        let reason = match self.targets[usize::from(edge)] {
            Target::Node(node) => match queues.push(node, packet) {
                Ok(()) => return,
                Err(packet) => {
                    drop(packet);
                    Reason::FramePoolEmpty
                }
            },
            Target::Drop(reason) => {
                drop(packet);
                reason
            }
            Target::DropMarked => {
                let reason = (self.marked)(&packet);
                drop(packet);
                reason
            }
        };
        self.stats.drops[reason as usize].add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dpdk::{
        eal::{Eal, EalOptions, Huge},
        mempool::Pool,
    };

    /// Sends all it gets by its one edge.
    struct Step(&'static str, &'static [Edge]);

    impl Node<()> for Step {
        fn name(&self) -> &'static str {
            self.0
        }

        fn edges(&self) -> &'static [Edge] {
            self.1
        }

        fn process(&mut self, _cx: &mut Cx<'_, ()>, _frame: &mut Frame, _out: &mut Out) {}
    }

    #[test]
    fn one_other_verdict_parts_a_frame_wherever_it_stands() {
        for len in 1..=FRAME_LEN {
            let mut next = vec![3; len];
            assert!(all_are(&next, 3) && !all_are(&next, 2));
            for at in [0, len / 2, len - 1] {
                next[at] = 4;
                assert!(!all_are(&next, 3), "{len} {at}");
                next[at] = 3;
            }
        }
    }

    const ARCS: &[ArcSpec] =
        &[ArcSpec { name: "hook", end: "end", features: &["first", "second"] }];

    fn graph() -> Graph<()> {
        let nodes: Vec<Box<dyn Node<()>>> = vec![
            Box::new(Step("start", &[Edge::Arc("hook")])),
            Box::new(Step("first", &[Edge::Continue])),
            Box::new(Step("second", &[Edge::Continue])),
            Box::new(Step("end", &[Edge::Drop(Reason::LocalDone)])),
        ];
        Graph::new(nodes, Vec::new(), ARCS, |_| Reason::LocalDone)
    }

    /// A walk at time zero.
    fn cx<'a>(stats: &'a Stats, pool: &'a Pool, own: &'a mut ()) -> Cx<'a, ()> {
        Cx { tables: &(), own, now: 0, wall_offset: 0, started: 0, stamp: 0, stats, pool }
    }

    #[test]
    fn an_arc_without_features_leads_to_its_end() {
        let options =
            EalOptions { huge: Huge::Never, prefix: "arcs".into(), ..EalOptions::default() };
        let _eal = Eal::start(&options).unwrap();
        let pool = Pool::new("arcs", 63, 0, 2176, -1).unwrap();
        let mut graph = graph();
        let stats = Arc::clone(graph.stats());
        let seen =
            |stats: &Stats| stats.nodes.iter().map(|node| node.packets.get()).collect::<Vec<_>>();
        let pass = |graph: &mut Graph<()>| {
            graph.enqueue(0, pool.alloc().unwrap());
            graph.run(&mut cx(&stats, &pool, &mut ()));
        };
        pass(&mut graph);
        assert_eq!(seen(&stats), [1, 0, 0, 1]);
        graph.rewire(|feature| feature == "second");
        pass(&mut graph);
        assert_eq!(seen(&stats), [2, 0, 1, 2]);
        graph.rewire(|_| true);
        pass(&mut graph);
        assert_eq!(seen(&stats), [3, 1, 2, 3]);
        graph.rewire(|_| false);
        pass(&mut graph);
        assert_eq!(seen(&stats), [4, 1, 2, 4]);
        assert_eq!(pool.available(), pool.count());
    }

    /// Notes which packets come by, by the hop that each names.
    struct Witness(Arc<std::sync::Mutex<Vec<u32>>>);

    impl Node<()> for Witness {
        fn name(&self) -> &'static str {
            "end"
        }

        fn edges(&self) -> &'static [Edge] {
            &[Edge::Drop(Reason::LocalDone)]
        }

        fn process(&mut self, _cx: &mut Cx<'_, ()>, frame: &mut Frame, _out: &mut Out) {
            self.0.lock().unwrap().extend(frame.iter().map(Packet::hop));
        }
    }

    /// Gives one packet.
    struct Late(Option<Packet>);

    impl Input<()> for Late {
        fn name(&self) -> &str {
            "late"
        }

        fn target(&self) -> &'static str {
            "start"
        }

        fn poll(&mut self, _cx: &mut Cx<'_, ()>, frame: &mut Frame) {
            frame.extend(self.0.take());
        }
    }

    #[test]
    fn what_goes_on_at_once_overtakes_nothing_that_waits() {
        let options =
            EalOptions { huge: Huge::Never, prefix: "order".into(), ..EalOptions::default() };
        let _eal = Eal::start(&options).unwrap();
        let pool = Pool::new("order", 63, 0, 2176, -1).unwrap();
        let packet = |hop| {
            let mut packet = pool.alloc().unwrap();
            packet.set_hop(hop);
            packet
        };
        let seen = Arc::default();
        let nodes: Vec<Box<dyn Node<()>>> =
            vec![Box::new(Step("start", &[Edge::To("end")])), Box::new(Witness(Arc::clone(&seen)))];
        let inputs: Vec<Box<dyn Input<()>>> = vec![Box::new(Late(Some(packet(3))))];
        let mut graph = Graph::new(nodes, inputs, &[], |_| Reason::LocalDone);
        let stats = Arc::clone(graph.stats());
        let own = &mut ();
        let mut cx = cx(&stats, &pool, own);
        // One waits at the end, one comes there from the start, and one comes in when both have gone.
        graph.enqueue(1, packet(1));
        graph.enqueue(0, packet(2));
        graph.run(&mut cx);
        assert_eq!(graph.turn(&mut cx), 1);
        assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
        // What comes in goes behind what waits where it comes in, and at the end.
        graph.inputs[0].0 = Box::new(Late(Some(packet(6))));
        graph.enqueue(1, packet(4));
        graph.enqueue(0, packet(5));
        graph.turn(&mut cx);
        assert_eq!(seen.lock().unwrap()[3..], [4, 5, 6]);
        assert_eq!(pool.available(), pool.count());
    }
}
