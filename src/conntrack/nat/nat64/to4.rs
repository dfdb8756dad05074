//! From IPv6 to IPv4 (RFC 7915 section 5).

use std::net::Ipv4Addr;

use crate::packet::checksum::{add, fold, sum};
use crate::packet::ipv4::Ipv4Spec;
use crate::packet::ipv6::fragment::FragmentHeader;
use crate::packet::ipv6::{Ipv6View, next_header};

use super::message::{self, Message};
use super::{
    Ends, ICMPV6, Task, Translated, Untranslatable, echo, icmp4, icmp6, ipv4, ipv6, protocol, put,
    store, transport, word,
};

/// A packet of IPv4 up to this length may be cut on its way: one of IPv6 no longer than 1280 bytes is
/// not made shorter by its sender (RFC 7915 section 5.1).
const MAY_BE_CUT: usize = 1260;
const DF: u16 = 0x4000;
const MF: u16 = 0x2000;

/// What stands between the header of IPv6 and what it carries.
struct Chain {
    proto: u8,
    offset: usize,
    fragment: Option<FragmentHeader>,
}

fn chain(number: u8, bytes: &[u8]) -> Result<Chain, Untranslatable> {
    let mut chain = Chain { proto: number, offset: 0, fragment: None };
    loop {
        let rest = bytes.get(chain.offset..).unwrap_or_default();
        match chain.proto {
            next_header::HOP_BY_HOP | next_header::ROUTING | next_header::DESTINATION => {
                let &[next, len, _, left] = rest.first_chunk().ok_or(Untranslatable::Malformed)?;
                if chain.proto == next_header::ROUTING && left != 0 {
                    let pointer = (ipv6::HEADER_LEN + chain.offset + 3) as u16;
                    return Err(Untranslatable::RoutingHeader { pointer });
                }
                chain.proto = next;
                chain.offset += (usize::from(len) + 1) * 8;
            }
            next_header::FRAGMENT => {
                let header = FragmentHeader::read(rest).map_err(|_| Untranslatable::Malformed)?;
                chain.proto = header.next_header;
                chain.offset += 8;
                chain.fragment = Some(header);
                if header.offset != 0 {
                    return Ok(chain);
                }
            }
            _ => return Ok(chain),
        }
    }
}

pub(super) fn packet(
    bytes: &[u8],
    task: &Task<'_>,
    out: &mut [u8],
) -> Result<Translated, Untranslatable> {
    let view = if task.inside { Ipv6View::new_quoted(bytes) } else { Ipv6View::new_checked(bytes) };
    let view = view.map_err(|_| Untranslatable::Malformed)?;
    let Chain { proto, offset, fragment } = chain(view.next_header(), view.payload())?;
    let payload = view.payload().get(offset..).ok_or(Untranslatable::Malformed)?;
    let icmp = proto == ICMPV6;
    let cut = fragment.filter(|header| !header.is_atomic());
    if icmp && cut.is_some() && !task.inside {
        return Err(Untranslatable::Fragment);
    }
    let start = ipv4::HEADER_LEN;
    let body = out.get_mut(start..).ok_or(Untranslatable::NoRoom)?;
    let ends = Ends {
        before: add(sum(&view.src().octets()), sum(&view.dst().octets())),
        after: add(sum(&task.target.src.first4()), sum(&task.target.dst.first4())),
    };
    // What a quotation tells is the length of the packet that it was once, not of what is left.
    let told = usize::from(view.payload_len()).saturating_sub(offset);
    let len = if icmp {
        message4(payload, told, task, ends, body)?
    } else {
        let len = put(body, 0, payload)?;
        if cut.is_none_or(|header| header.offset == 0) {
            transport(&mut body[..len], proto, task, ends, cut.is_none())?;
        }
        len
    };
    let total = start + if task.inside { told } else { len };
    let may_be_cut = fragment.is_some() || total <= MAY_BE_CUT;
    let id = fragment.map_or(task.how.id, |header| header.id as u16);
    let place = cut.map_or(0, |header| header.offset / 8 + if header.more { MF } else { 0 });
    let spec = Ipv4Spec {
        tos: if task.how.clear_tos { 0 } else { view.traffic_class() },
        id: if may_be_cut { id } else { 0 },
        fragment_word: place | if may_be_cut { 0 } else { DF },
        ttl: view.hop_limit(),
        protocol: if icmp { protocol::ICMP } else { proto },
        src: Ipv4Addr::from_octets(task.target.src.first4()),
        dst: Ipv4Addr::from_octets(task.target.dst.first4()),
        options: &[],
        payload_len: total - start,
    };
    spec.emit(out).map_err(|_| Untranslatable::NoRoom)?;
    Ok(Translated { len: start + len, may_be_cut, id })
}

/// Writes a message of ICMPv6 as one of ICMP, and gives its length.
fn message4(
    payload: &[u8],
    told: usize,
    task: &Task<'_>,
    ends: Ends,
    body: &mut [u8],
) -> Result<usize, Untranslatable> {
    let &[ty, code, ..] = payload.first_chunk::<8>().ok_or(Untranslatable::Malformed)?;
    let new = match ty {
        icmp6::ty::ECHO_REQUEST => icmp4::ty::ECHO_REQUEST,
        icmp6::ty::ECHO_REPLY => icmp4::ty::ECHO_REPLY,
        _ if task.inside => return Err(Untranslatable::Message),
        _ => return error4(payload, ty, code, task, body),
    };
    let len = put(body, 0, payload)?;
    let pseudo = add(ends.before, fold(told as u64 + u64::from(ICMPV6)));
    echo(&mut body[..len], new, task.target.sport, pseudo, false)?;
    Ok(len)
}

fn error4(
    payload: &[u8],
    ty: u8,
    code: u8,
    task: &Task<'_>,
    body: &mut [u8],
) -> Result<usize, Untranslatable> {
    let mut quote = payload.get(icmp6::HEADER_LEN..).unwrap_or_default();
    let old = u32::from(word(payload, 4)) << 16 | u32::from(word(payload, 6));
    let extended = matches!(ty, icmp6::ty::UNREACHABLE | icmp6::ty::TIME_EXCEEDED);
    let new =
        message::to4(Message { ty, code, word: old }, task.how).ok_or(Untranslatable::Message)?;
    // What stands behind the quotation that the length names are extensions (RFC 4884).
    if extended && let words @ 1.. = usize::from(payload[4]) {
        quote = quote.get(..words * 8).unwrap_or(quote);
    }
    let start = icmp4::HEADER_LEN;
    let inner = body.get_mut(start..).ok_or(Untranslatable::NoRoom)?;
    let inner = packet(quote, &task.quotation()?, inner)?.len;
    // An error is no longer than what every host takes.
    let len = (start + inner).min(icmp4::MAX_ERROR_LEN - ipv4::HEADER_LEN);
    let message = body.get_mut(..len).ok_or(Untranslatable::NoRoom)?;
    message[0] = new.ty;
    message[1] = new.code;
    store(message, 2, 0);
    store(message, 4, (new.word >> 16) as u16);
    store(message, 6, new.word as u16);
    let check = !sum(message);
    store(message, 2, check);
    Ok(len)
}
