//! VLAN tags: which of a link's virtual networks a frame belongs to.
//!
//! - obeys: IEEE 802.1Q §9.6 (the tag), IEEE 802.1ad (the service tag outside it)

use super::ethernet::{self, ethertype};
use super::{Malformed, split};

/// Bytes of one tag.
pub const TAG_LEN: usize = 4;
/// The most tags that [`peel`] takes off a frame.
pub const MAX_TAGS: usize = 2;

/// Tag control information: priority, drop eligibility and VLAN id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tci(pub u16);

impl Tci {
    /// A tag with this VLAN id (its low 12 bits) and priority (its low 3 bits).
    pub const fn new(vid: u16, pcp: u8) -> Self {
        Self((vid & 0x0fff) | ((pcp as u16 & 7) << 13))
    }

    /// VLAN id; zero marks a tag that carries a priority only.
    pub const fn vid(self) -> u16 {
        self.0 & 0x0fff
    }

    /// Priority code point.
    pub const fn pcp(self) -> u8 {
        (self.0 >> 13) as u8
    }

    /// Drop eligible indicator.
    pub const fn dei(self) -> bool {
        self.0 & 0x1000 != 0
    }
}

/// One tag of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tag {
    /// The type that announced the tag: 0x8100 or 0x88a8.
    pub tpid: u16,
    /// What the tag says.
    pub tci: Tci,
}

impl Tag {
    /// An IEEE 802.1Q tag.
    pub const fn dot1q(vid: u16) -> Self {
        Self { tpid: ethertype::VLAN, tci: Tci::new(vid, 0) }
    }

    /// An IEEE 802.1ad service tag.
    pub const fn dot1ad(vid: u16) -> Self {
        Self { tpid: ethertype::QINQ, tci: Tci::new(vid, 0) }
    }
}

/// Whether a type announces a VLAN tag.
#[inline]
pub const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, ethertype::VLAN | ethertype::QINQ)
}

/// What stands under the tags of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peeled<'a> {
    tags: [Tag; MAX_TAGS],
    count: usize,
    /// The type of the payload; a tag's type when there are more than [`MAX_TAGS`] tags.
    pub ethertype: u16,
    /// Where the payload starts in the frame.
    pub offset: usize,
    /// The payload.
    pub payload: &'a [u8],
}

impl Peeled<'_> {
    /// The tags, outermost first.
    pub fn tags(&self) -> &[Tag] {
        self.tags.get(..self.count).unwrap_or_default()
    }
}

/// Finds the payload of a frame under its Ethernet header and up to two tags.
pub fn peel(frame: &[u8]) -> Result<Peeled<'_>, Malformed> {
    let (header, mut payload) = split::<{ ethernet::HEADER_LEN }>(frame, "ethernet")?;
    let mut ethertype = u16::from_be_bytes([header[12], header[13]]);
    let mut tags = [Tag::default(); MAX_TAGS];
    let mut count = 0;
    for slot in &mut tags {
        if !is_tag(ethertype) {
            break;
        }
        let (&[a, b, c, d], rest) = split::<TAG_LEN>(payload, "vlan")?;
        *slot = Tag { tpid: ethertype, tci: Tci(u16::from_be_bytes([a, b])) };
        ethertype = u16::from_be_bytes([c, d]);
        payload = rest;
        count += 1;
    }
    let offset = ethernet::HEADER_LEN + count * TAG_LEN;
    Ok(Peeled { tags, count, ethertype, offset, payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(words: &[u16]) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        frame
    }

    #[test]
    fn an_untagged_frame_has_no_tags() {
        let frame = frame(&[0x0800, 0x4500]);
        let peeled = peel(&frame).unwrap();
        assert_eq!((peeled.tags(), peeled.ethertype, peeled.offset), (&[][..], 0x0800, 14));
        assert_eq!(peeled.payload, [0x45, 0x00]);
    }

    #[test]
    fn one_and_two_tags_are_taken_off_outermost_first() {
        let one = frame(&[0x8100, 0xf064, 0x0806]);
        let peeled = peel(&one).unwrap();
        let tci = peeled.tags()[0].tci;
        assert_eq!((tci.vid(), tci.pcp(), tci.dei()), (100, 7, true));
        assert_eq!((peeled.ethertype, peeled.offset), (0x0806, 18));

        let two = frame(&[0x88a8, 10, 0x8100, 20, 0x0800]);
        let peeled = peel(&two).unwrap();
        assert_eq!(peeled.tags(), [Tag::dot1ad(10), Tag::dot1q(20)]);
        assert_eq!((peeled.ethertype, peeled.offset), (0x0800, 22));
    }

    #[test]
    fn a_third_tag_is_left_as_the_payload() {
        let three = frame(&[0x8100, 1, 0x8100, 2, 0x8100, 3, 0x0800]);
        let peeled = peel(&three).unwrap();
        assert_eq!((peeled.tags().len(), peeled.ethertype, peeled.offset), (2, 0x8100, 22));
    }

    #[test]
    fn a_frame_cut_inside_a_tag_is_malformed() {
        let two = frame(&[0x88a8, 10, 0x8100, 20, 0x0800]);
        for len in 0..two.len() {
            assert!(peel(&two[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn tags_agree_with_an_independent_reader() {
        bolero::check!().with_type::<([u8; 12], bool, Vec<u8>)>().for_each(|(macs, ad, rest)| {
            let mut frame = macs.to_vec();
            frame.extend(if *ad { [0x88, 0xa8] } else { [0x81, 0x00] });
            frame.extend(rest);
            let theirs = etherparse::SingleVlanSlice::from_slice(&frame[14..]);
            match (peel(&frame), theirs) {
                (Ok(ours), Ok(theirs)) => {
                    let tci = ours.tags()[0].tci;
                    assert_eq!(tci.vid(), theirs.vlan_identifier().value());
                    assert_eq!(tci.pcp(), theirs.priority_code_point().value());
                    assert_eq!(tci.dei(), theirs.drop_eligible_indicator());
                }
                (Err(_), Err(_)) => {}
                // A second tag that is cut is our affair and not that of a single-tag reader.
                (Err(_), Ok(theirs)) => assert!(is_tag(theirs.ether_type().0)),
                (Ok(_), Err(error)) => panic!("{error}"),
            }
        });
    }
}
