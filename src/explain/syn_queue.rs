//! A full SYN queue: dropped SYNs, and handshakes by cookie.

use super::accept_queue::then;
use super::case::Case;
use crate::measure::Outcome;
use crate::measure::result::{Class, Finding};
use crate::units::thousands;

/// All that can be said of it.
pub fn findings(case: &Case) -> impl Iterator<Item = Finding> {
    [dropped(case), cookies(case)].into_iter().flatten()
}

/// Half-open connections that a listener holds, and what sets that limit.
fn places(case: &Case) -> Option<(u64, String)> {
    let limit = u64::from(case.cell.target.backlog_effective?) + 1;
    let queue = (limit, format!("the SYN queue has the accept queue's limit, {}", limit - 1));
    if case.setting("net.ipv4.tcp_syncookies") != Some(0) {
        return Some(queue);
    }
    // Without cookies the last quarter is kept for clients that are known to be alive
    // (net/ipv4/tcp_input.c, tcp_conn_request).
    let most = u64::try_from(case.setting("net.ipv4.tcp_max_syn_backlog")?).ok()?;
    let quarter = most - most / 4 + 1;
    let rule = format!("without cookies three quarters of net.ipv4.tcp_max_syn_backlog, {most}");
    Some(if quarter < limit { (quarter, rule) } else { queue })
}

/// The most half-open connections that were seen.
fn peak(case: &Case) -> String {
    let seen = case.cell.timeline.target.iter().filter_map(|seen| seen.syn_recv).max();
    seen.map_or(String::new(), |seen| format!("SYN_RECV at most {}", thousands(seen)))
}

fn dropped(case: &Case) -> Option<Finding> {
    let count = case.some(Class::SynQueueFull)?;
    let held = places(case).map_or(String::new(), |(places, rule)| {
        format!(" It holds {} half-open connections ({rule}).", thousands(places))
    });
    let text = format!(
        "{} met a full SYN queue: the target's kernel dropped their SYN, and {}. They took {} on average.{held}",
        case.told(count),
        then(case),
        case.mean(Class::SynQueueFull)
    );
    let evidence = vec![
        case.lost(Class::SynQueueFull).map_or(String::new(), |(_, told)| told),
        case.grown(&["TCPReqQFullDrop", "ListenDrops"]),
        peak(case),
        case.outcomes(&[Outcome::OkRetried, Outcome::Timeout]),
    ];
    let remedy = match case.setting("net.ipv4.tcp_syncookies") {
        Some(0) => {
            "Let the kernel answer by SYN cookie when the queue is full (net.ipv4.tcp_syncookies = \
             1), or raise net.ipv4.tcp_max_syn_backlog and the backlog: both limit the queue."
        }
        _ => "Ask for a longer backlog: it limits the SYN queue, too.",
    };
    Some(case.finding(count, text, evidence, remedy.to_owned()))
}

fn cookies(case: &Case) -> Option<Finding> {
    // Some of them waited for something else, and are of another class.
    let count = case.some(Class::Cookie).max(Some(case.classes.by_cookie)).filter(|n| *n > 0)?;
    let always = case.setting("net.ipv4.tcp_syncookies") == Some(2);
    let timestamps = case.setting("net.ipv4.tcp_timestamps");
    let lost = timestamps == Some(0);
    // Asked for, and nothing is lost by it.
    if always && !lost {
        return None;
    }
    let why = match always {
        true => "net.ipv4.tcp_syncookies = 2 asks for that".to_owned(),
        false => match places(case) {
            Some((places, _)) => {
                format!("the SYN queue, for {} half-open connections, was full", thousands(places))
            }
            None => "the SYN queue was full".to_owned(),
        },
    };
    let price = match timestamps {
        Some(0) => {
            " net.ipv4.tcp_timestamps is off, so that a cookie has no room for the client's options: \
             these connections have neither window scaling nor SACK, and are slow on a long path."
        }
        Some(_) => {
            " Window scaling and SACK are kept in the timestamp; a client without timestamps has \
             neither."
        }
        None => "",
    };
    let text = format!("{} were established by SYN cookie: {why}.{price}", case.told(count));
    let evidence = vec![
        case.grown(&[
            "SyncookiesSent",
            "SyncookiesRecv",
            "SyncookiesFailed",
            "TCPReqQFullDoCookies",
        ]),
        peak(case),
        timestamps.map_or(String::new(), |value| format!("tcp_timestamps = {value}")),
    ];
    let mut remedy = match always {
        true => String::new(),
        false => "A longer backlog makes the SYN queue longer, too.".to_owned(),
    };
    if lost {
        remedy.push_str(" Turn net.ipv4.tcp_timestamps on.");
    }
    Some(case.finding(count, text, evidence, remedy.trim_start().to_owned()))
}

#[cfg(test)]
#[path = "syn_queue/tests.rs"]
mod tests;
