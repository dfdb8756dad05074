//! Blocks of ports for subscribers, so that one record of a block tells whose all its connections are.
//!
//! - takes: subscribers by their address and zone, connections that begin and end
//! - gives: the ranges that a subscriber's ports are chosen from, and a [`Record`] for each block that
//!   is taken or given back
//! - obeys: RFC 6888 (REQ-2 one address, REQ-4 limits, REQ-14 blocks), RFC 6269 section 12; no feature
//!   of the kernel's
//! - costs: a keyed hash and a short chain for a connection; a walk over the blocks of an address for
//!   a block; memory is taken once
//!
//! All blocks of a subscriber are of one address, and a block is given back with the last connection
//! that holds it. A subscriber without a connection is forgotten. With several workers each has a part
//! of every address's blocks, and a subscriber blocks of each worker that its connections come to.

use super::super::tuple::{Addr, Seed, Tuple};
use super::choose::{Choice, Range, Tuples, choose};
use super::rewrite::Manip;

/// Most blocks that one subscriber may have.
pub const MAX_BLOCKS: usize = 8;

/// How ports are divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Most public addresses that blocks are taken of at a time.
    pub addresses: u32,
    /// First port that is given out.
    pub first_port: u16,
    /// Last one.
    pub last_port: u16,
    /// Ports of a block.
    pub size: u16,
    /// Most blocks of one subscriber, at most [`MAX_BLOCKS`].
    pub per_subscriber: u8,
    /// Most subscribers at a time.
    pub subscribers: u32,
    /// Which worker this is, and of how many: each has every so many-th block.
    pub share: (u32, u32),
}

/// A block: which one of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockId(u32);

impl BlockId {
    /// Its number among all of a worker.
    pub(super) const fn number(self) -> u32 {
        self.0
    }

    /// The one of a number.
    pub(super) const fn of(number: u32) -> Self {
        Self(number)
    }
}

/// What is to be logged of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Taken, or given back.
    pub taken: bool,
    /// Whose it is.
    pub subscriber: Addr,
    /// The zone of the subscriber.
    pub zone: u16,
    /// Public address.
    pub address: Addr,
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
    /// The subscriber, and the public address, are of IPv6.
    pub six: [bool; 2],
}

/// Who has blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inside {
    /// The address inside.
    pub address: Addr,
    /// It is of IPv6.
    pub six: bool,
    /// Its zone.
    pub zone: u16,
}

impl Inside {
    /// The source of a tuple.
    pub const fn of(tuple: &Tuple) -> Self {
        Self { address: tuple.src, six: tuple.six, zone: tuple.zone }
    }
}

/// Why a subscriber gets no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has all that it may have.
    #[error("the subscriber has as many blocks as it may have")]
    Limit,
    /// All blocks of its address are taken, or of all addresses for a new subscriber.
    #[error("all blocks are taken")]
    NoBlock,
    /// No place for another subscriber.
    #[error("no place for another subscriber")]
    Subscribers,
}

#[derive(Debug, Clone, Copy, Default)]
struct Subscriber {
    address: Addr,
    zone: u16,
    /// Its own address, and its public one, are of IPv6.
    six: [bool; 2],
    /// First address of those that its own is one of.
    pool: Addr,
    /// Public address, by its place among the homes.
    home: u32,
    /// Blocks of the subscriber, counted from 1; 0 is none.
    blocks: [u32; MAX_BLOCKS],
    next: u32,
}

/// A block: its subscriber, 0 for none, and how many connections hold it.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    owner: u32,
    holders: u32,
}

/// A public address, and how many of its blocks are free.
#[derive(Debug, Clone, Copy)]
struct Home {
    address: Addr,
    free: u32,
}

/// Most addresses of a range that are looked at for a subscriber.
const MOST_HOMES: u128 = 64;

/// All blocks of one worker; place 0 of the subscribers is none.
#[derive(Debug)]
pub struct Blocks {
    plan: Plan,
    seed: Seed,
    per_address: u32,
    /// Those of them that are this worker's.
    own: u32,
    blocks: Box<[Block]>,
    homes: Vec<Home>,
    subscribers: Vec<Subscriber>,
    heads: Box<[u32]>,
    free: u32,
}

impl Blocks {
    /// Divides the ports of a plan; a remainder smaller than a block is not given out.
    pub fn new(plan: Plan, seed: Seed) -> Self {
        let ports = (u32::from(plan.last_port) + 1).saturating_sub(u32::from(plan.first_port));
        let per_address = ports / u32::from(plan.size.max(1));
        let count = plan.addresses as usize;
        let (me, workers) = plan.share;
        let own = per_address.saturating_sub(me).div_ceil(workers.max(1));
        let mut subscribers = Vec::with_capacity(plan.subscribers as usize + 1);
        subscribers.push(Subscriber::default());
        Self {
            per_address,
            blocks: vec![Block::default(); count * per_address as usize].into(),
            own,
            homes: Vec::with_capacity(count),
            subscribers,
            heads: vec![0; (plan.subscribers.max(1) as usize).next_power_of_two()].into(),
            free: 0,
            seed,
            plan,
        }
    }

    fn hash(&self, address: Addr, zone: u16) -> u32 {
        self.seed.hash(&Tuple { src: address, zone, ..Tuple::default() })
    }

    fn chain(&self, address: Addr, zone: u16) -> usize {
        self.hash(address, zone) as usize & (self.heads.len() - 1)
    }

    fn find(&self, address: Addr, zone: u16, pool: Addr) -> Option<u32> {
        let mut at = self.heads[self.chain(address, zone)];
        while at != 0 {
            let found = &self.subscribers[at as usize];
            if (found.address, found.zone, found.pool) == (address, zone, pool) {
                return Some(at);
            }
            at = found.next;
        }
        None
    }

    /// The blocks of a subscriber among the addresses of a range, oldest first.
    pub fn of(
        &self,
        subscriber: Addr,
        zone: u16,
        pool: &Range,
    ) -> impl Iterator<Item = BlockId> + use<> {
        let at = self.find(subscriber, zone, pool.min).unwrap_or(0);
        let blocks = self.subscribers[at as usize].blocks;
        blocks.into_iter().filter(|&block| block != 0).map(|block| BlockId(block - 1))
    }

    /// The ports of a block.
    pub fn range(&self, block: BlockId) -> Range {
        let (address, first, last) = self.place(block);
        Range::address(address).with_ports(first, last)
    }

    fn place(&self, BlockId(block): BlockId) -> (Addr, u16, u16) {
        let per_address = self.per_address.max(1);
        let home = self.homes.get((block / per_address) as usize);
        let first =
            u32::from(self.plan.first_port) + block % per_address * u32::from(self.plan.size);
        let last = first + u32::from(self.plan.size.max(1)) - 1;
        (home.map_or_else(Addr::default, |home| home.address), first as u16, last as u16)
    }

    fn record(&self, block: BlockId, owner: &Subscriber, taken: bool) -> Record {
        let (address, first, last) = self.place(block);
        let Subscriber { address: subscriber, zone, six, .. } = *owner;
        Record { taken, subscriber, zone, address, first, last, six }
    }

    /// The block that an address and port are of, where it is anybody's.
    pub fn block_of(&self, address: Addr, port: u16) -> Option<BlockId> {
        let home = self.homes.iter().position(|known| known.address == address)?;
        let n =
            u32::from(port.checked_sub(self.plan.first_port)?) / u32::from(self.plan.size.max(1));
        let block = BlockId(home as u32 * self.per_address + n);
        (n < self.per_address && self.blocks[block.0 as usize].owner != 0).then_some(block)
    }

    /// Takes another block for a subscriber.
    ///
    /// One that is not held by a connection afterwards is given back by [`Blocks::release`] all the
    /// same, which wants one [`Blocks::hold`] before.
    pub fn take(
        &mut self,
        inside: Inside,
        pool: &Range,
        six: bool,
    ) -> Result<(BlockId, Record), Refused> {
        let Inside { address: subscriber, zone, .. } = inside;
        let (me, workers) = self.plan.share;
        let (at, home, slot) = match self.find(subscriber, zone, pool.min) {
            Some(at) => {
                let known = &self.subscribers[at as usize];
                let most = usize::from(self.plan.per_subscriber).min(MAX_BLOCKS);
                let slot = known.blocks[..most].iter().position(|&block| block == 0);
                (at, known.home, slot.ok_or(Refused::Limit)?)
            }
            None => {
                let home = self.home_for(subscriber, zone, pool, six).ok_or(Refused::NoBlock)?;
                if self.plan.per_subscriber == 0 {
                    return Err(Refused::Limit);
                }
                (self.enter(inside, six, pool.min, home)?, home, 0)
            }
        };
        // Blocks start at a place of the subscriber's own, so that a port tells little.
        let start = home * self.per_address;
        let shift = self.hash(subscriber, zone) >> 16;
        let block = (0..self.per_address)
            .map(|n| (n + shift) % self.per_address)
            .filter(|n| n % workers.max(1) == me)
            .map(|n| start + n)
            .find(|&block| self.blocks[block as usize].owner == 0)
            .ok_or(Refused::NoBlock)?;
        self.blocks[block as usize] = Block { owner: at, holders: 0 };
        self.homes[home as usize].free -= 1;
        self.subscribers[at as usize].blocks[slot] = block + 1;
        let block = BlockId(block);
        Ok((block, self.record(block, &self.subscribers[at as usize], true)))
    }

    /// An address of a range with a free block, the same for the same subscriber as far as possible.
    fn home_for(&mut self, subscriber: Addr, zone: u16, pool: &Range, six: bool) -> Option<u32> {
        let step = if six { 1 } else { 1 << 96 };
        let [min, max] = [pool.min, pool.max].map(|end| u128::from_be_bytes(end.0));
        let count = (max.saturating_sub(min) / step).saturating_add(1);
        let start = u128::from(self.hash(subscriber, zone) & 0xffff);
        (0..count.min(MOST_HOMES)).find_map(|n| {
            let address = min.wrapping_add((start + n) % count * step);
            let home = self.home(Addr(address.to_be_bytes()))?;
            (self.homes[home as usize].free != 0).then_some(home)
        })
    }

    /// The place of an address, which may be that of one without a block in use.
    fn home(&mut self, address: Addr) -> Option<u32> {
        if let Some(at) = self.homes.iter().position(|known| known.address == address) {
            return Some(at as u32);
        }
        let new = Home { address, free: self.own };
        if self.homes.len() < self.plan.addresses as usize {
            self.homes.push(new);
            return Some(self.homes.len() as u32 - 1);
        }
        let at = self.homes.iter().position(|known| known.free == self.own)?;
        self.homes[at] = new;
        Some(at as u32)
    }

    fn enter(
        &mut self,
        Inside { address, six: own, zone }: Inside,
        six: bool,
        pool: Addr,
        home: u32,
    ) -> Result<u32, Refused> {
        let chain = self.chain(address, zone);
        let next = self.heads[chain];
        let blocks = [0; MAX_BLOCKS];
        let new = Subscriber { address, zone, six: [own, six], pool, home, blocks, next };
        let at = match self.free {
            0 if self.subscribers.len() == self.subscribers.capacity() => {
                return Err(Refused::Subscribers);
            }
            0 => {
                self.subscribers.push(new);
                self.subscribers.len() as u32 - 1
            }
            at => {
                self.free = self.subscribers[at as usize].next;
                self.subscribers[at as usize] = new;
                at
            }
        };
        self.heads[chain] = at;
        Ok(at)
    }

    /// Has one more connection hold a block.
    pub fn hold(&mut self, block: BlockId) {
        if let Some(block) = self.blocks.get_mut(block.0 as usize) {
            block.holders += 1;
        }
    }

    /// Lets a connection go; the last one gives the block back.
    pub fn release(&mut self, block: BlockId) -> Option<Record> {
        let place = self.blocks.get_mut(block.0 as usize).filter(|block| block.owner != 0)?;
        place.holders = place.holders.saturating_sub(1);
        if place.holders != 0 {
            return None;
        }
        let at = std::mem::take(place).owner;
        let owner = &mut self.subscribers[at as usize];
        for slot in &mut owner.blocks {
            if *slot == block.0 + 1 {
                *slot = 0;
            }
        }
        let owner = *owner;
        self.homes[owner.home as usize].free += 1;
        if owner.blocks == [0; MAX_BLOCKS] {
            self.leave(at, &owner);
        }
        Some(self.record(block, &owner, false))
    }

    fn leave(&mut self, at: u32, owner: &Subscriber) {
        let chain = self.chain(owner.address, owner.zone);
        if self.heads[chain] == at {
            self.heads[chain] = owner.next;
        } else {
            let mut before = self.heads[chain];
            while self.subscribers[before as usize].next != at {
                before = self.subscribers[before as usize].next;
            }
            self.subscribers[before as usize].next = owner.next;
        }
        self.subscribers[at as usize] = Subscriber { next: self.free, ..Subscriber::default() };
        self.free = at;
    }

    /// Chooses the tuple of a subscriber's new connection from its blocks of a range's addresses, and takes
    /// another one when they are used up.
    ///
    /// Who confirms the connection says so with [`Blocks::hold`]; a block that was taken for nothing is
    /// held and released at once.
    pub fn choose(
        &mut self,
        inside: Inside,
        current: &Tuple,
        pool: &Range,
        tuples: &mut impl Tuples,
        random: &mut impl FnMut() -> u16,
    ) -> Result<(Choice, BlockId, Option<Record>), Refused> {
        let mut pick = |range: Range| {
            choose(current, &range.with(pool.flags), Manip::Src, false, tuples, random)
        };
        for block in self.of(inside.address, inside.zone, pool) {
            if let found @ Choice::Found(_) = pick(self.range(block)) {
                return Ok((found, block, None));
            }
        }
        let (block, record) = self.take(inside, pool, current.six)?;
        Ok((pick(self.range(block)), block, Some(record)))
    }
}

#[cfg(test)]
mod tests;
