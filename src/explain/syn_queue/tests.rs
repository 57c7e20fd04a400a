use super::super::findings as all;
use super::super::tests::{cell_with, only};
use super::*;

fn set(cell: &mut crate::measure::result::CellResult, name: &str, value: &str) {
    cell.settings.insert(format!("net.ipv4.{name}"), value.to_owned());
}

#[test]
fn the_rule_of_three_quarters_is_told_where_it_holds() {
    let (plan, mut cell) = cell_with(&[(Class::SynQueueFull, 90, 1.02)]);
    // Measured: 16, 64, 128 give 13, 49, 97.
    for (most, held) in [("16", "13"), ("64", "49"), ("128", "51")] {
        set(&mut cell, "tcp_syncookies", "0");
        set(&mut cell, "tcp_max_syn_backlog", most);
        let found = only(&plan, &cell);
        assert!(found.text.contains(&format!("holds {held} half-open")), "{}", found.text);
        assert!(found.remedy.contains("tcp_syncookies = 1"), "{}", found.remedy);
    }
    set(&mut cell, "tcp_syncookies", "1");
    let found = only(&plan, &cell);
    assert!(found.text.contains("the accept queue's limit, 50"), "{}", found.text);
    assert!(!found.remedy.contains("tcp_syncookies"), "{}", found.remedy);
}

#[test]
fn a_cookie_costs_options_only_without_timestamps() {
    let (plan, mut cell) = cell_with(&[(Class::Cookie, 40, 0.0001)]);
    set(&mut cell, "tcp_syncookies", "1");
    set(&mut cell, "tcp_timestamps", "0");
    let found = only(&plan, &cell);
    assert!(found.text.contains("neither window scaling nor SACK"), "{}", found.text);
    assert!(found.remedy.contains("Turn net.ipv4.tcp_timestamps on."), "{}", found.remedy);
    assert!(found.evidence.contains("tcp_timestamps = 0"), "{}", found.evidence);
    set(&mut cell, "tcp_timestamps", "1");
    let found = only(&plan, &cell);
    assert!(found.text.contains("for 51 half-open connections, was full"), "{}", found.text);
    assert!(found.text.contains("are kept in the timestamp"), "{}", found.text);
    set(&mut cell, "tcp_syncookies", "2");
    assert_eq!(all(&plan, &cell), [], "asked for, and it costs nothing");
}
