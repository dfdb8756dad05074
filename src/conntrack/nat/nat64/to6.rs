//! From IPv4 to IPv6 (RFC 7915 section 4).

use std::net::Ipv6Addr;

use crate::packet::checksum::{add, fold, sum};
use crate::packet::ipv4::{Ipv4View, option};
use crate::packet::ipv6::fragment::{self, FragmentHeader};
use crate::packet::ipv6::{Ipv6Spec, next_header};

use super::message::{self, Message};
use super::{
    Ends, ICMPV6, Task, Translated, Untranslatable, echo, icmp4, icmp6, ipv6, protocol, put, store,
    transport, word,
};

pub(super) fn packet(
    bytes: &[u8],
    task: &Task<'_>,
    out: &mut [u8],
) -> Result<Translated, Untranslatable> {
    let view = if task.inside { Ipv4View::new_quoted(bytes) } else { Ipv4View::new_checked(bytes) };
    let view = view.map_err(|_| Untranslatable::Malformed)?;
    if !task.inside && live_source_route(&view) {
        return Err(Untranslatable::SourceRoute);
    }
    let payload = view.payload();
    let icmp = view.protocol() == protocol::ICMP;
    let cut = view.is_fragment();
    if icmp && cut && !task.inside {
        return Err(Untranslatable::Fragment);
    }
    let start = ipv6::HEADER_LEN + if cut { fragment::LEN } else { 0 };
    let body = out.get_mut(start..).ok_or(Untranslatable::NoRoom)?;
    let ends = Ends {
        before: add(sum(&view.src().octets()), sum(&view.dst().octets())),
        after: add(sum(&task.target.src.0), sum(&task.target.dst.0)),
    };
    let len = if icmp {
        message6(payload, &view, task, ends, body)?
    } else {
        let len = put(body, 0, payload)?;
        if view.fragment_offset() == 0 {
            transport(&mut body[..len], view.protocol(), task, ends, !cut)?;
        }
        len
    };
    // What a quotation tells is the length of the packet that it was once, not of what is left.
    let told = if task.inside {
        usize::from(view.total_len()).saturating_sub(view.header_len())
    } else {
        len
    };
    let upper = if icmp { ICMPV6 } else { view.protocol() };
    let spec = Ipv6Spec {
        traffic_class: if task.how.clear_tos { 0 } else { view.tos() },
        flow_label: 0,
        payload_len: told + start - ipv6::HEADER_LEN,
        next_header: if cut { next_header::FRAGMENT } else { upper },
        hop_limit: view.ttl(),
        src: Ipv6Addr::from_octets(task.target.src.0),
        dst: Ipv6Addr::from_octets(task.target.dst.0),
    };
    put(out, 0, &spec.to_bytes())?;
    if cut {
        let header = FragmentHeader {
            next_header: upper,
            offset: view.fragment_offset() as u16,
            more: view.mf(),
            id: u32::from(view.id()),
        };
        put(out, ipv6::HEADER_LEN, &header.to_bytes())?;
    }
    let len = start + len;
    if len - ipv6::HEADER_LEN > usize::from(u16::MAX) {
        return Err(Untranslatable::NoRoom);
    }
    Ok(Translated { len, may_be_cut: !view.df(), id: view.id() })
}

/// Whether a source route names a host that has not been visited.
fn live_source_route(view: &Ipv4View<'_>) -> bool {
    view.options().map_while(Result::ok).any(|found: option::Ipv4Option<'_>| {
        matches!(found.kind, option::LOOSE_SOURCE_ROUTE | option::STRICT_SOURCE_ROUTE)
            && matches!(found.bytes, [_, len, pointer, ..] if pointer <= len)
    })
}

/// Writes a message of ICMP as one of ICMPv6, and gives its length.
fn message6(
    payload: &[u8],
    view: &Ipv4View<'_>,
    task: &Task<'_>,
    ends: Ends,
    body: &mut [u8],
) -> Result<usize, Untranslatable> {
    let &[ty, code, ..] = payload.first_chunk::<8>().ok_or(Untranslatable::Malformed)?;
    let new = match ty {
        icmp4::ty::ECHO_REQUEST => icmp6::ty::ECHO_REQUEST,
        icmp4::ty::ECHO_REPLY => icmp6::ty::ECHO_REPLY,
        _ if task.inside => return Err(Untranslatable::Message),
        _ => return error6(payload, ty, code, task, ends, body),
    };
    let len = put(body, 0, payload)?;
    // The checksum covers the length of the message as it was sent.
    let told = usize::from(view.total_len()).saturating_sub(view.header_len());
    let pseudo = add(ends.after, fold(told as u64 + u64::from(ICMPV6)));
    echo(&mut body[..len], new, task.target.sport, pseudo, true)?;
    Ok(len)
}

fn error6(
    payload: &[u8],
    ty: u8,
    code: u8,
    task: &Task<'_>,
    ends: Ends,
    body: &mut [u8],
) -> Result<usize, Untranslatable> {
    let mut quote = payload.get(icmp4::HEADER_LEN..).unwrap_or_default();
    let old = u32::from(word(payload, 4)) << 16 | u32::from(word(payload, 6));
    let new = message::to6(Message { ty, code, word: old }, word(quote, 2), task.how)
        .ok_or(Untranslatable::Message)?;
    // What stands behind the quotation that the length names are extensions (RFC 4884).
    if matches!(
        ty,
        icmp4::ty::UNREACHABLE | icmp4::ty::TIME_EXCEEDED | icmp4::ty::PARAMETER_PROBLEM
    ) && let words @ 1.. = usize::from(payload[5])
    {
        quote = quote.get(..words * 4).unwrap_or(quote);
    }
    let start = icmp6::HEADER_LEN;
    let inner = body.get_mut(start..).ok_or(Untranslatable::NoRoom)?;
    let inner = packet(quote, &task.quotation()?, inner)?.len;
    // An error is no longer than what every link carries.
    let len = (start + inner).min(icmp6::MAX_ERROR_LEN - ipv6::HEADER_LEN);
    let message = body.get_mut(..len).ok_or(Untranslatable::NoRoom)?;
    message[0] = new.ty;
    message[1] = new.code;
    store(message, 2, 0);
    store(message, 4, (new.word >> 16) as u16);
    store(message, 6, new.word as u16);
    let pseudo = add(ends.after, fold(len as u64 + u64::from(ICMPV6)));
    let check = !add(pseudo, sum(message));
    store(message, 2, check);
    Ok(len)
}
