//! Hosts of IPv6 that talk with servers of IPv4.

use std::net::Ipv4Addr;

use ipnet::{Ipv4Net, Ipv6Net};

use super::{
    section::section,
    value::{At, Word, whole, words},
};
use crate::conntrack::{Addr, nat::cross::Net64};

section! {
    /// Translation between IPv6 and IPv4 (RFC 6146).
    pub(super) struct Nat64Table {
        /// Addresses of IPv4 that hosts of IPv6 are seen as; without them nothing is translated.
        pool "pool": Option<At<Pool>> = Some(None);
        /// Prefix that servers of IPv4 are seen in, 32, 40, 48, 56, 64 or 96 bits long (RFC 6052).
        prefix "prefix": At<Prefix64> = Prefix64::parse(WELL_KNOWN).ok().map(|net| At::new(net, 0..0));
    }
}

/// The well-known prefix (RFC 6052 section 2.1).
const WELL_KNOWN: &str = "64:ff9b::/96";

words!(Pool, Prefix64);

/// Addresses of IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pool(Ipv4Net);

impl Word for Pool {
    const WHAT: &'static str = "an IPv4 address or prefix such as \"203.0.113.64/28\"";

    fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let one = text.parse::<Ipv4Addr>().ok().and_then(|one| Ipv4Net::new(one, 32).ok());
        let net = one.or_else(|| text.parse().ok());
        let net: Ipv4Net = net.ok_or_else(|| (format!("{text:?} is not {}", Self::WHAT), None))?;
        whole(text, net.into())?;
        Ok(Self(net))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

/// A prefix that addresses of IPv4 stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix64(Ipv6Net);

impl Word for Prefix64 {
    const WHAT: &'static str = "a prefix such as \"64:ff9b::/96\"";

    fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let net: Ipv6Net =
            text.parse().map_err(|_| (format!("{text:?} is not {}", Self::WHAT), None))?;
        whole(text, net.into())?;
        if ![32, 40, 48, 56, 64, 96].contains(&net.prefix_len()) || net.addr().octets()[8] != 0 {
            let hint = "it is 32, 40, 48, 56, 64 or 96 bits long, and bits 64 to 71 are zero";
            return Err((format!("no address of IPv4 fits into {text:?}"), Some(hint.into())));
        }
        Ok(Self(net))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

/// Which addresses stand for which, where any do.
pub(super) fn net64(table: &Nat64Table) -> Option<Net64> {
    let pool = table.pool.as_ref()?.0;
    let prefix = table.prefix.0;
    Some(Net64 {
        prefix: Addr(prefix.network().octets()),
        len: prefix.prefix_len(),
        pool: [pool.network(), pool.broadcast()].map(|end| Addr::four(end.octets())),
    })
}
