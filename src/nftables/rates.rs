//! What counts and limits are stated as.
//!
//! - takes: the insides of `counter`, `limit` and `quota`
//! - gives: their numbers
//! - obeys: libnftables-json(5), "COUNTER", "LIMIT", "QUOTA"

use serde_json::Value;

use super::{
    build::only,
    error::{Error, Path},
    expr::{no_others, number, text},
};
use crate::netfilter::nft::{Rate, STATES, Stated};

pub(super) const SECOND: u64 = 1_000_000_000;

/// Elements that a meter or a set has room for where nothing is said.
pub(super) const ROOM: u32 = 65_535;

/// Packets and bytes that a counter begins with.
pub(super) fn counted(value: &Value, path: &Path<'_>) -> Result<(u64, u64), Error> {
    if value.is_null() {
        return Ok((0, 0));
    }
    no_others(value, &["packets", "bytes"], path)?;
    let of = |key| number(value, key, Some(0), path);
    Ok((of("packets")?, of("bytes")?))
}

/// Bytes of a unit.
fn unit(value: &Value, key: &str, path: &Path<'_>) -> Result<Option<u64>, Error> {
    let Some(unit) = value.get(key) else { return Ok(None) };
    Ok(match unit.as_str() {
        Some("packets") => None,
        Some("bytes") => Some(1),
        Some("kbytes") => Some(1 << 10),
        Some("mbytes") => Some(1 << 20),
        _ => {
            let what = format!("no unit {unit}");
            let hint = "what may stand here: packets, bytes, kbytes, mbytes";
            return Err(Error::new(&path.key(key), what, hint));
        }
    })
}

/// How fast a limit fills; whether what is over goes on.
pub(super) fn rate(value: &Value, path: &Path<'_>) -> Result<(Rate, bool), Error> {
    no_others(value, &["rate", "per", "burst", "rate_unit", "burst_unit", "inv"], path)?;
    let period = match value.get("per").map(|_| text(value, "per", path)).transpose()? {
        None | Some("second") => 1,
        Some("minute") => 60,
        Some("hour") => 3600,
        Some("day") => 86_400,
        Some("week") => 604_800,
        Some(other) => {
            let what = format!("no period {other:?}");
            let hint = "what may stand here: second, minute, hour, day, week";
            return Err(Error::new(&path.key("per"), what, hint));
        }
    };
    let scale = unit(value, "rate_unit", path)?;
    let rate = number(value, "rate", None, path)?;
    let burst = number(value, "burst", Some(if scale.is_some() { 0 } else { 5 }), path)?;
    let burst = match scale.is_some() {
        true => burst.checked_mul(unit(value, "burst_unit", path)?.unwrap_or(1)),
        // A limit of packets has a burst.
        false => Some(if burst == 0 { 5 } else { burst }),
    };
    let rate = rate.checked_mul(scale.unwrap_or(1)).filter(|rate| *rate > 0);
    let (Some(rate), Some(burst)) = (rate, burst.filter(|burst| *burst < 1 << 40)) else {
        let what = "Numerical result out of range";
        return Err(Error::new(path, what, "write a rate above 0 and a smaller burst"));
    };
    let over = value.get("inv").and_then(Value::as_bool).unwrap_or(false);
    Ok((Rate { rate, period: period * SECOND, burst, bytes: scale.is_some() }, over))
}

/// Bytes that a quota has, and that are used; whether what is over goes on.
pub(super) fn quota(value: &Value, path: &Path<'_>) -> Result<(u64, u64, bool), Error> {
    no_others(value, &["val", "val_unit", "used", "used_unit", "inv", "bytes"], path)?;
    let of = |key: &str, unit_key: &str, otherwise| {
        let scale = unit(value, unit_key, path)?.unwrap_or(1);
        let bytes = number(value, key, otherwise, path)?.checked_mul(scale);
        bytes.ok_or_else(|| {
            let what = "Numerical result out of range";
            Error::new(&path.key(key), what, "write fewer bytes")
        })
    };
    let most = if value.get("bytes").is_some() { "bytes" } else { "val" };
    let over = value.get("inv").and_then(Value::as_bool).unwrap_or(false);
    Ok((of(most, "val_unit", None)?, of("used", "used_unit", Some(0))?, over))
}

/// What each element of a set remembers.
pub(super) fn stated(statements: &[Value], path: &Path<'_>) -> Result<Vec<Stated>, Error> {
    if statements.len() > STATES {
        let what = "elements have too many statements";
        return Err(Error::new(path, what, format!("write up to {STATES}")));
    }
    let one = |statement: &Value| match only(statement) {
        Some(("counter", inside)) => {
            counted(inside, &path.key("counter"))?;
            Ok(Stated::Count)
        }
        Some(("limit", inside)) => {
            let (rate, over) = rate(inside, &path.key("limit"))?;
            Ok(Stated::Limit(rate, over))
        }
        Some(("quota", inside)) => {
            let (most, _, over) = quota(inside, &path.key("quota"))?;
            Ok(Stated::Quota(most, over))
        }
        _ => {
            let what = format!("{statement} is not supported in elements");
            Err(Error::new(path, what, "what may stand here: counter, limit, quota"))
        }
    };
    statements.iter().map(one).collect()
}
