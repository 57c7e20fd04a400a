//! Each cause of waiting and failing is provoked, and the class of the attempts names it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::common::{Folder, grown, lab_or_skip, ledgers_add_up, measure, number, sum};

/// The classes of a cell, over all loads but those of half-open clients.
struct Seen {
    cell: Value,
    classes: BTreeMap<String, u64>,
}

impl Seen {
    /// Runs a scenario in a lab; every attempt has a class, and next to none is unexplained.
    fn of(scenario: &str, sets: &[&str]) -> Self {
        let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let (_bench, result) = measure(&format!("name = \"cause\"\n{scenario}"), &arguments);
        Self::in_result(&result)
    }

    fn in_result(result: &Folder) -> Self {
        let cell = result.cell();
        ledgers_add_up(&cell);
        let mut classes = BTreeMap::new();
        for load in cell["loads"].as_array().unwrap() {
            let all = cell["classes"]["classes"].as_array().unwrap().iter();
            let mut sum = 0;
            for one in all.filter(|one| one["load"] == load["name"]) {
                sum += number(one, "count");
                if load["client"] != "half-open" {
                    let class = one["class"].as_str().unwrap().to_owned();
                    *classes.entry(class).or_default() += number(one, "count");
                }
            }
            assert_eq!(sum, number(load, "attempts"), "{}", cell["classes"]);
        }
        let seen = Self { cell, classes };
        assert!(seen.count("unexplained") * 100 <= seen.attempts(), "{:?}", seen.classes);
        seen
    }

    fn attempts(&self) -> u64 {
        self.classes.values().sum()
    }

    fn count(&self, class: &str) -> u64 {
        self.classes.get(class).copied().unwrap_or(0)
    }

    /// The classes together are 99 % or more of those concerned, and no more than these.
    #[track_caller]
    fn names(&self, classes: &[&str], concerned: u64) {
        let named: u64 = classes.iter().map(|class| self.count(class)).sum();
        let evidence = format!("{concerned} concerned; {:?}", self.classes);
        assert!(concerned > 0 && named * 100 >= concerned * 99, "{classes:?}: {evidence}");
        assert!(named <= concerned, "{classes:?}: {evidence}");
    }

    fn outcome(&self, outcome: &str) -> u64 {
        let loads = self.cell["loads"].as_array().unwrap().iter();
        let loads = loads.filter(|load| load["client"] != "half-open");
        loads.map(|load| number(load, &format!("outcomes.{outcome}"))).sum()
    }

    /// Established at the client, and in no queue of the target.
    fn never_held(&self) -> u64 {
        number(&self.cell, "ledger.established") - sum(&self.cell["ledger"]["target"])
    }
}

#[test]
fn a_quiet_run_is_held_up_by_no_queue() {
    if !lab_or_skip("classes::a_quiet_run") {
        return;
    }
    let seen = Seen::of("[[load]]\nclient = \"request\"\nrate = \"200/s\"\nduration = \"1s\"", &[]);
    assert_eq!(number(&seen.cell, "classes.joined"), 200);
    // A busy machine may be slow in itself.
    seen.names(&["clean", "generator", "service", "queued"], 200);
    let findings = seen.cell["findings"].as_array().unwrap().iter();
    let blamed: Vec<_> = findings.filter(|f| f["text"].to_string().contains("queue")).collect();
    assert!(blamed.is_empty() || seen.count("queued") > 0, "{blamed:?}");
}

#[test]
fn who_waits_in_the_accept_queue_is_named() {
    if !lab_or_skip("classes::who_waits") {
        return;
    }
    let scenario = "[target]\nbacklog = 500\nstall = [{ to = \"1500ms\" }]\n\
                    [[load]]\nrate = \"200/s\"\nduration = \"1s\"\ngreet = true";
    for family in ["ipv4", "ipv6"] {
        let seen = Seen::of(scenario, &[&format!("lab.family={family}")]);
        seen.names(&["queued"], 200);
    }
}

#[test]
fn syns_that_met_a_full_accept_queue_are_named() {
    if !lab_or_skip("classes::a_full_accept_queue") {
        return;
    }
    let scenario = "[target]\nbacklog = 20\nstall = [{ to = \"1200ms\" }]\n\
                    [[load]]\nrate = \"100/s\"\nduration = \"1s\"\ntimeout = \"6s\"";
    for sets in [&["lab.link=veth"][..], &["lab.family=ipv6", "target.backlog=5"]] {
        let seen = Seen::of(scenario, sets);
        // Retries come together, so that some of their final ACKs meet a full queue again.
        let again = seen.never_held() + seen.count("ack_dropped");
        let retried = seen.outcome("ok_retried") + seen.outcome("timeout");
        seen.names(&["accept_queue_full", "ack_dropped"], retried);
        assert!(seen.count("accept_queue_full") + again >= retried, "{:?}", seen.classes);
        let lost = &seen.cell["classes"]["lost_syns"][0];
        assert_eq!(lost["class"], "accept_queue_full");
        assert!(number(lost, "count") <= grown(&seen.cell, "ListenOverflows"));
    }
}

#[test]
fn final_acks_that_met_a_full_queue_are_named() {
    if !lab_or_skip("classes::final_acks") {
        return;
    }
    let scenario = "[target]\nbacklog = 5\naccept = \"50/s\"\n\
                    [[load]]\narrivals = \"poisson\"\nrate = \"200/s\"\nduration = \"3s\"\ntimeout = \"4s\"";
    let seen = Seen::of(scenario, &[]);
    let (dropped, never) = (seen.count("ack_dropped"), seen.never_held());
    assert!(never > 10 && dropped >= never, "{never} were never held; {:?}", seen.classes);
    let aborts = "[lab.sysctl]\nnet.ipv4.tcp_abort_on_overflow = 1\n";
    let seen = Seen::of(&format!("{aborts}{scenario}"), &[]);
    let (reset, never) = (seen.count("overflow_reset"), seen.never_held());
    assert!(never > 5 && reset * 100 >= never * 99, "{never} never held; {:?}", seen.classes);
}

#[test]
fn syns_that_met_a_full_syn_queue_are_named() {
    if !lab_or_skip("classes::a_full_syn_queue") {
        return;
    }
    let scenario = "[lab.sysctl]\nnet.ipv4.tcp_syncookies = 0\nnet.ipv4.tcp_max_syn_backlog = 64\n\
        [[load]]\nname = \"flood\"\nclient = \"half-open\"\nrate = \"300/s\"\nduration = \"1s\"\n\
        [[load]]\nname = \"people\"\nstart = \"700ms\"\nrate = \"100/s\"\nduration = \"1s\"\ntimeout = \"1500ms\"";
    let seen = Seen::of(scenario, &["lab.link=veth"]);
    seen.names(&["syn_queue_full"], seen.outcome("ok_retried") + seen.outcome("timeout"));
}

#[test]
fn handshakes_by_cookie_are_named() {
    if !lab_or_skip("classes::cookies") {
        return;
    }
    let scenario = "[lab.sysctl]\nnet.ipv4.tcp_syncookies = 2\n\
                    [[load]]\nrate = \"200/s\"\nduration = \"1s\"";
    for family in ["ipv4", "ipv6"] {
        let seen = Seen::of(scenario, &[&format!("lab.family={family}")]);
        // A busy machine may hold one up for longer.
        seen.names(&["cookie", "generator", "queued"], 200);
        assert_eq!(number(&seen.cell, "classes.by_cookie"), 200);
    }
}

#[test]
fn a_restart_s_victims_are_named() {
    if !lab_or_skip("classes::a_restart") {
        return;
    }
    let scenario = "[target]\nbacklog = 200\naccept = \"100/s\"\nrestart_at = \"1s\"\nrestart_gap = \"300ms\"\n\
                    [[load]]\nrate = \"200/s\"\nduration = \"2s\"";
    let seen = Seen::of(scenario, &[]);
    seen.names(&["refused"], seen.outcome("refused"));
    let restart = &seen.cell["target"]["restarts"][0];
    let victims = number(restart, "queue_reset");
    assert!(seen.count("listener_closed") >= victims * 99 / 100, "{restart}; {:?}", seen.classes);
}

#[test]
fn packets_lost_on_the_way_are_named() {
    if !lab_or_skip("classes::lost_packets") {
        return;
    }
    let scenario = "[lab.impair]\nloss = \"10%\"\n\
                    [[load]]\nrate = \"200/s\"\nduration = \"2s\"\ntimeout = \"6s\"";
    for sets in [&["lab.link=loopback"][..], &["lab.link=veth", "lab.family=ipv6"]] {
        let seen = Seen::of(scenario, sets);
        let lost: u64 = seen.outcome("ok_retried") + seen.outcome("timeout");
        let named = seen.count("network_loss");
        // Beside those that lost a SYN: those whose final ACK was lost.
        assert!(lost > 10 && named * 100 >= lost * 99 && named <= lost * 3, "{:?}", seen.classes);
    }
}

#[test]
fn what_the_clients_own_host_lacks_is_named() {
    if !lab_or_skip("classes::the_clients_host") {
        return;
    }
    let ports = "[[load]]\nports = \"40000-40049\"\nclient = \"churn\"\nclose = \"fin-client\"\n\
                 rate = \"200/s\"\nattempts = 200";
    let seen = Seen::of(ports, &[]);
    seen.names(&["no_port"], 150);
    let late = "[[load]]\nrate = \"300000/s\"\nduration = \"300ms\"\nworkers = 1";
    let seen = Seen::of(late, &[]);
    let generator = seen.count("generator") * 100;
    let plain = seen.attempts() - seen.outcome("ok_retried");
    assert!(generator >= plain * 90, "{:?}", seen.classes);
}

#[test]
fn waiting_for_the_reply_and_for_a_place_of_af_unix_are_named() {
    if !lab_or_skip("classes::replies_and_places") {
        return;
    }
    let slow = "[target]\nservice = \"50ms\"\n[[load]]\nclient = \"request\"\nrate = \"100/s\"\nduration = \"1s\"";
    Seen::of(slow, &[]).names(&["service"], 100);
    let full = "[target]\ntransport = \"unix-stream\"\nbacklog = 5\naccept = \"never\"\n\
                [[load]]\nrate = \"100/s\"\nduration = \"500ms\"";
    let seen = Seen::of(full, &[]);
    seen.names(&["no_place"], seen.outcome("again"));
}

#[test]
fn a_queue_that_overflows_takes_no_losses_from_the_path() {
    if !lab_or_skip("classes::queue_and_path") {
        return;
    }
    // The queue is full most of the time, and ignores final ACKs, which its counter counts as well.
    let scenario = "[lab]\nlink = \"veth\"\n[lab.impair]\nloss = \"10%\"\n\
                    [target]\naccept = \"150/s\"\nbacklog = 20\n\
                    [[load]]\nclient = \"request\"\nrate = \"220/s\"\nduration = \"4s\"\ntimeout = \"5s\"";
    let seen = Seen::of(scenario, &[]);
    let lost = |class: &str| {
        let all = seen.cell["classes"]["lost_syns"].as_array().unwrap();
        all.iter().find(|one| one["class"] == class).map_or(0, |one| number(one, "count"))
    };
    let sent = seen.attempts() + number(&seen.cell, "loads.0.syn_retransmits");
    let (path, queue) = (lost("network_loss"), lost("accept_queue_full"));
    assert!(queue > 100, "the queue was full: {:?}", seen.classes);
    assert!(queue < grown(&seen.cell, "ListenOverflows"), "and ignored ACKs: {:?}", seen.classes);
    // One of ten, and six standard deviations to either side.
    let share = path as f64 / sent as f64;
    assert!((0.05..0.15).contains(&share), "{path} of {sent} SYNs: {}", seen.cell["classes"]);
}
