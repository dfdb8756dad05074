//! What readers remember of connections, in a slab beside them.
//!
//! - gives: [`Memories`], bounded and taken once; place 0 is none

use super::super::entry::ConnId;
use super::ftp::Lines;
use super::pptp::Control;
use super::registry::Helper;
use super::sane::Started;
use super::sip::Dialogue;

/// What a reader remembers of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Memory {
    /// The reader remembers nothing.
    #[default]
    None,
    /// Where lines of FTP ended.
    Ftp(Lines),
    /// How far a call of PPTP has come.
    Pptp(Control),
    /// Whether a picture was asked for.
    Sane(Started),
    /// Numbers of a dialogue of SIP.
    Sip(Dialogue),
}

impl Memory {
    /// What a helper starts with.
    pub fn of(helper: Helper) -> Self {
        match helper {
            Helper::Ftp => Self::Ftp(Lines::default()),
            Helper::Pptp => Self::Pptp(Control::default()),
            Helper::Sane => Self::Sane(Started::default()),
            Helper::Sip => Self::Sip(Dialogue::default()),
            Helper::Tftp | Helper::Irc | Helper::Amanda | Helper::NetbiosNs | Helper::Snmp => {
                Self::None
            }
        }
    }
}

/// The memories of one worker's connections.
#[derive(Debug)]
pub struct Memories {
    places: Vec<(ConnId, Memory)>,
    free: Vec<u32>,
    /// Where the search for connections that have ended goes on.
    cursor: u32,
}

/// Places that are looked at for one that is free again.
const LOOKS: u32 = 64;
const NOBODY: ConnId = ConnId { index: 0, generation: 0 };

impl Memories {
    /// Room for so many.
    pub fn new(capacity: u32) -> Self {
        let mut places = Vec::with_capacity(capacity as usize + 1);
        places.push((NOBODY, Memory::None));
        Self { places, free: Vec::with_capacity(capacity as usize), cursor: 0 }
    }

    /// A place for a connection of a helper, unless all are taken; 0 where the helper needs none.
    ///
    /// Connections that have ended need not give theirs back: their places are found again.
    pub fn take(
        &mut self,
        helper: Helper,
        conn: ConnId,
        lives: impl Fn(ConnId) -> bool,
    ) -> Option<u32> {
        let memory = Memory::of(helper);
        if memory == Memory::None {
            return Some(0);
        }
        if self.places.len() < self.places.capacity() {
            self.places.push((conn, memory));
            return Some(self.places.len() as u32 - 1);
        }
        if self.free.is_empty() && self.places.len() > 1 {
            for _ in 0..LOOKS {
                self.cursor = self.cursor % (self.places.len() as u32 - 1) + 1;
                let (owner, _) = self.places[self.cursor as usize];
                if !lives(owner) {
                    self.free.push(self.cursor);
                    break;
                }
            }
        }
        let place = self.free.pop()?;
        self.places[place as usize] = (conn, memory);
        Some(place)
    }

    /// Gives a connection's place back before it ends.
    pub fn give_back(&mut self, place: u32, conn: ConnId) {
        if let Some(found) = self.places.get_mut(place as usize)
            && place != 0
            && found.0 == conn
        {
            *found = (NOBODY, Memory::None);
            self.free.push(place);
        }
    }

    /// What is remembered of a connection, if this place is its own.
    pub fn get_mut(&mut self, place: u32, conn: ConnId) -> Option<&mut Memory> {
        let (owner, memory) = self.places.get_mut(place as usize)?;
        (place == 0 || *owner == conn).then_some(memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn(index: u32) -> ConnId {
        ConnId { index, generation: 1 }
    }

    #[test]
    fn places_are_bounded_and_come_back_clean() {
        let mut memories = Memories::new(2);
        assert_eq!(memories.take(Helper::Tftp, conn(9), |_| true), Some(0), "nothing to remember");
        let one = memories.take(Helper::Ftp, conn(1), |_| true).unwrap();
        let two = memories.take(Helper::Sip, conn(2), |_| true).unwrap();
        assert_eq!((one, two, memories.take(Helper::Ftp, conn(3), |_| true)), (1, 2, None));
        if let Some(Memory::Ftp(lines)) = memories.get_mut(one, conn(1)) {
            lines.picked_up = [true; 2];
        }
        assert_eq!(memories.get_mut(one, conn(2)), None, "somebody else's");
        memories.give_back(one, conn(1));
        memories.give_back(one, conn(1));
        memories.give_back(0, NOBODY);
        assert_eq!(memories.take(Helper::Ftp, conn(3), |_| true), Some(one));
        assert_eq!(memories.get_mut(one, conn(3)), Some(&mut Memory::of(Helper::Ftp)));
        assert_eq!(memories.take(Helper::Ftp, conn(4), |_| true), None);
        assert_eq!(memories.take(Helper::Ftp, conn(4), |owner| owner != conn(2)), Some(two));
        assert_eq!(memories.get_mut(two, conn(2)), None, "it has ended");
    }
}
