//! Jobs on their way: from the desk to workers and back, for many who ask at a time.
//!
//! - takes: jobs of inquiries, and listeners to events
//! - gives: the jobs back when workers have done a step, and events to each listener in their order
//! - costs: workers are asked for events while somebody listens, once a turn of the management core

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::{
    conntrack::events::Event,
    netfilter::jobs::{Ask, Job, Rings},
};

/// Whose jobs those are that fetch events.
const LISTENER: u64 = 0;
/// Events that are kept for listeners who are slow.
const KEPT: usize = 65_536;

/// A listener's place among the events.
#[derive(Debug, Default)]
struct Place {
    /// Number of the next event.
    next: u64,
    /// Losses of workers that it has been told of.
    lost: u64,
}

/// The jobs of all who ask.
#[derive(Debug)]
pub struct Post {
    rings: Vec<Rings>,
    /// Jobs that workers have, by worker.
    out: Vec<usize>,
    back: HashMap<(u64, usize), Box<Job>>,
    /// Who has gone, and how many of his jobs are still to come back.
    gone: HashMap<u64, usize>,
    asked: u64,
    /// The job that fetches events, by worker; nothing while the worker has it or notes none.
    ears: Vec<Option<Box<Job>>>,
    hearing: Vec<bool>,
    listeners: BTreeMap<u64, Place>,
    events: VecDeque<Event>,
    /// Number of the oldest event that is kept.
    first: u64,
    lost: u64,
    wall: u64,
}

impl Post {
    /// Between the desk and workers with these rings; `wall` is what makes the time of day of the
    /// router's time.
    pub fn new(rings: Vec<Rings>, wall: u64) -> Self {
        let workers = rings.len();
        Self {
            rings,
            out: vec![0; workers],
            back: HashMap::new(),
            gone: HashMap::new(),
            asked: LISTENER,
            ears: (0..workers).map(|_| None).collect(),
            hearing: vec![false; workers],
            listeners: BTreeMap::new(),
            events: VecDeque::new(),
            first: 0,
            lost: 0,
            wall,
        }
    }

    /// Number of workers.
    pub fn workers(&self) -> usize {
        self.rings.len()
    }

    /// What to add to the router's time.
    pub(super) fn wall(&self) -> u64 {
        self.wall
    }

    /// A number for somebody who asks.
    pub(super) fn enter(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    /// Gives a worker a job; the job itself, where the worker has enough.
    pub(super) fn send(&mut self, worker: usize, job: Box<Job>) -> Result<(), Box<Job>> {
        let (ask, _) = &self.rings[worker];
        // The last place is for events, and no answer may ever find its ring full.
        if self.out[worker] + usize::from(job.id != LISTENER) >= ask.capacity() {
            return Err(job);
        }
        ask.push(job)?;
        self.out[worker] += 1;
        Ok(())
    }

    /// Somebody's job that a worker has done a step of.
    pub(super) fn receive(&mut self, id: u64, worker: usize) -> Option<Box<Job>> {
        self.back.remove(&(id, worker))
    }

    /// Somebody has gone while workers had so many of his jobs.
    pub(super) fn leave(&mut self, id: u64, under_way: usize) {
        let here = self.back.len();
        self.back.retain(|(whose, _), _| *whose != id);
        let left = under_way - (here - self.back.len()).min(under_way);
        if left > 0 {
            self.gone.insert(id, left);
        }
    }

    /// Takes what workers have done, and asks them for events while somebody listens.
    pub fn turn(&mut self) {
        for worker in 0..self.rings.len() {
            while let Some(job) = self.rings[worker].1.pop() {
                self.out[worker] -= 1;
                self.came(worker, job);
            }
        }
        if self.listeners.is_empty() && !self.hearing.contains(&true) {
            return;
        }
        let on = !self.listeners.is_empty();
        for worker in 0..self.rings.len() {
            let mut job = match self.ears[worker].take() {
                Some(job) => job,
                None if on && !self.hearing[worker] => {
                    Box::new(Job::new(LISTENER, Ask::Listen(on)))
                }
                None => continue,
            };
            self.hearing[worker] = true;
            job.ask = Ask::Listen(on);
            job.next = Some(0);
            if let Err(job) = self.send(worker, job) {
                self.ears[worker] = Some(job);
            }
        }
    }

    fn came(&mut self, worker: usize, job: Box<Job>) {
        if job.id == LISTENER {
            self.events.extend(&job.events);
            self.lost += job.lost;
            while self.events.len() > KEPT {
                self.events.pop_front();
                self.first += 1;
            }
            if job.next.is_some() {
                self.ears[worker] = Some(job);
            } else {
                self.hearing[worker] = false;
            }
            return;
        }
        match self.gone.get_mut(&job.id) {
            None => {
                self.back.insert((job.id, worker), job);
            }
            Some(1) => {
                self.gone.remove(&job.id);
            }
            Some(left) => *left -= 1,
        }
    }

    /// Somebody listens from now on.
    pub(super) fn listen(&mut self, id: u64) {
        // What has come by now is not for this one.
        self.turn();
        let next = self.first + self.events.len() as u64;
        self.listeners.insert(id, Place { next, lost: self.lost });
        self.turn();
    }

    /// Somebody listens no more.
    pub(super) fn deafen(&mut self, id: u64) {
        self.listeners.remove(&id);
        if self.listeners.is_empty() {
            self.first += self.events.len() as u64;
            self.events.clear();
            self.turn();
        }
    }

    /// What a listener has not heard yet, at most so many; and whether something was lost before it.
    pub(super) fn news(&mut self, id: u64, most: usize) -> (Vec<Event>, bool) {
        let Some(place) = self.listeners.get_mut(&id) else { return (Vec::new(), false) };
        let missed = place.next < self.first || place.lost != self.lost;
        place.next = place.next.max(self.first);
        place.lost = self.lost;
        let from = (place.next - self.first) as usize;
        let news: Vec<Event> = self.events.iter().skip(from).take(most).copied().collect();
        place.next += news.len() as u64;
        let heard = self.listeners.values().map(|place| place.next).min();
        while heard.is_some_and(|heard| self.first < heard) && self.events.pop_front().is_some() {
            self.first += 1;
        }
        (news, missed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crossbeam_queue::ArrayQueue;

    use super::*;
    use crate::conntrack::Snapshot;

    fn post(workers: usize) -> (Post, Vec<Rings>) {
        let ring = || Arc::new(ArrayQueue::new(4));
        let rings: Vec<Rings> = (0..workers).map(|_| (ring(), ring())).collect();
        (Post::new(rings.clone(), 0), rings)
    }

    /// Does what a worker does, with so many events.
    fn work((ask, answer): &Rings, events: usize) -> usize {
        let mut done = 0;
        while let Some(mut job) = ask.pop() {
            if let Ask::Listen(on) = job.ask {
                job.events.clear();
                let event = Event { what: 1, snapshot: Snapshot::default(), expected: None };
                job.events.extend(std::iter::repeat_n(event, events));
                job.next = on.then_some(0);
            } else {
                job.next = None;
            }
            answer.push(job).expect("there is room for an answer");
            done += 1;
        }
        done
    }

    #[test]
    fn each_gets_his_own_jobs_back() {
        let (mut post, rings) = post(2);
        let (one, two) = (post.enter(), post.enter());
        for worker in 0..2 {
            post.send(worker, Box::new(Job::new(one, Ask::Count))).unwrap();
            post.send(worker, Box::new(Job::new(two, Ask::Count))).unwrap();
        }
        assert!(post.receive(one, 0).is_none());
        work(&rings[0], 0);
        post.turn();
        assert_eq!(post.receive(two, 0).map(|job| job.id), Some(two));
        assert!(post.receive(two, 1).is_none());
        // One goes with a job here and one under way; neither is kept.
        post.leave(one, 2);
        work(&rings[1], 0);
        post.turn();
        assert!(post.receive(one, 1).is_none() && post.gone.is_empty());
        assert!(post.receive(two, 1).is_some() && post.back.is_empty());
    }

    #[test]
    fn a_worker_never_has_more_jobs_than_there_is_room_for_answers() {
        let (mut post, rings) = post(1);
        let id = post.enter();
        let sent = (0..9).filter(|_| post.send(0, Box::new(Job::new(id, Ask::Count))).is_ok());
        assert_eq!(sent.count(), 3);
        post.listen(id);
        assert_eq!(work(&rings[0], 1), 4);
    }

    #[test]
    fn workers_note_events_while_somebody_listens() {
        let (mut post, rings) = post(1);
        post.turn();
        assert_eq!(work(&rings[0], 0), 0);
        let (one, two) = (post.enter(), post.enter());
        post.listen(one);
        work(&rings[0], 3);
        post.listen(two);
        // What came before is not the second one's to hear.
        work(&rings[0], 2);
        post.turn();
        let heard = |post: &mut Post, id| post.news(id, 10).0.len();
        assert_eq!((heard(&mut post, one), heard(&mut post, two)), (5, 2));
        assert_eq!(post.events.len(), 0);
        post.deafen(one);
        work(&rings[0], 1);
        post.turn();
        assert_eq!(heard(&mut post, two), 1);
        post.deafen(two);
        work(&rings[0], 0);
        post.turn();
        // The last job came back with nothing: the worker has been told to stop.
        work(&rings[0], 0);
        post.turn();
        assert_eq!((work(&rings[0], 0), post.hearing[0]), (0, false));
        post.listen(two);
        assert_eq!(work(&rings[0], 0), 1);
    }

    #[test]
    fn who_is_too_slow_is_told_so_once() {
        let (mut post, rings) = post(1);
        let id = post.enter();
        post.listen(id);
        for _ in 0..KEPT / 100 + 1 {
            work(&rings[0], 100);
            post.turn();
        }
        let (news, missed) = post.news(id, 10);
        assert_eq!((news.len(), missed), (10, true));
        assert!(!post.news(id, 10).1);
    }
}
