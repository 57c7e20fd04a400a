use super::*;
use crate::measure::card::Method;

fn experiment(observations: Vec<Observation>) -> Experiment {
    let method = Method { instrument: Instrument::TcpInfo, how: String::new() };
    Experiment { observations, ..Experiment::new("", "", method) }
}

/// As it is noted of each client: retransmits seen at these instants, looks 3 ms apart.
fn watched(way: &str, clients: &[&[f64]], over: Option<(f64, &str)>) -> Vec<Observation> {
    let mut all = Vec::new();
    for (client, run) in clients.iter().enumerate() {
        let new = || Observation::new().given("way", way).given("client", client as i64);
        for (nth, at) in run.iter().enumerate() {
            let note = new().seen("at", *at).seen("not_before", at - 0.003);
            all.push(note.seen("retransmits", nth as i64 + 1));
        }
        match over {
            Some((at, why)) => all.push(new().seen("at", at).seen("over", why)),
            None => all.push(new().seen("looked_until", 20.0)),
        }
    }
    all
}

/// Clients of these ages when the queue is emptied, each let in by its next SYN.
fn released(ages: impl Iterator<Item = f64>, schedule: &[f64], end: f64) -> Vec<Observation> {
    let each = |age: f64| {
        let new = Observation::new().given("way", "released").given("waited", age);
        match schedule.iter().find(|at| **at > age) {
            Some(at) => new.seen("became", "established").seen("at", *at),
            None if end > 0.0 => new.seen("over", "ETIMEDOUT").seen("at", end),
            None => new.seen("looked_until", age + 8.0),
        }
    };
    ages.map(each).collect()
}

fn every(step: f64, until: f64) -> impl Iterator<Item = f64> {
    (1..).map(move |n| f64::from(n) * step).take_while(move |at| *at <= until)
}

fn shown(experiment: &Experiment, name: &str) -> String {
    experiment.value(name).map_or_else(String::new, ToString::to_string)
}

#[test]
fn linux_retries_are_rebuilt_in_both_ways() {
    // Linux 6.18, as seen.
    let run = [1.016, 2.039, 3.065, 4.088, 5.111, 7.128, 11.271, 19.464];
    let mut all = watched("watched", &[&run, &run, &run], None);
    all.extend(released(every(0.25, 12.0), &run, 0.0));
    let mut seen = experiment(all);
    syn_retries(&mut seen);
    assert_eq!(shown(&seen, "schedule"), "1, 2, 3.1, 4.1, 5.1, 7.1, 11.3, 19.5 s ...");
    assert_eq!(shown(&seen, "schedule_portable"), shown(&seen, "schedule"));
    assert!(seen.inferred.iter().all(|one| one.confidence == Confidence::High), "{seen:?}");
    assert_eq!(seen.value("gives_up"), None, "nobody looked for so long");
    assert_eq!(seen.inferred[0].from, (0..27).collect::<Vec<_>>());
}

#[test]
fn portable_clients_alone_tell_what_macos_and_freebsd_do() {
    let macos = [1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 11.0, 19.0, 35.0];
    let doubled = [1.0, 3.0, 7.0, 15.0, 31.0];
    for schedule in [&macos[..], &doubled] {
        let mut seen = experiment(released(every(0.5, 70.0), schedule, 75.0));
        syn_retries(&mut seen);
        assert_eq!(seen.method.instrument, Instrument::Errors);
        let expected = Value::Schedule { seconds: schedule.to_vec(), give: LATE, complete: true };
        assert_eq!(seen.value("schedule"), Some(&expected));
        assert_eq!(shown(&seen, "gives_up"), "75.00 s");
        assert_eq!(shown(&seen, "gives_up_with"), "ETIMEDOUT");
    }
}

#[test]
fn ages_too_far_apart_may_hide_a_retry() {
    let mut seen = experiment(released([0.5, 6.5, 6.9].into_iter(), &[1.0, 7.0], 0.0));
    syn_retries(&mut seen);
    assert_eq!(seen.inferred[0].confidence, Confidence::Low);
    assert!(seen.inferred[0].because.contains("gap of 5.5 s"), "{:?}", seen.inferred[0]);
}

#[test]
fn what_one_client_saw_is_not_sure_and_casts_no_doubt_on_the_other_way() {
    let run = [1.0, 2.0, 3.0, 4.0];
    let mut all = watched("watched", &[&run, &run, &run], None);
    all.extend(released(every(0.25, 3.9), &run, 0.0));
    // One that was held up on its way.
    let late = Observation::new().given("way", "released").given("waited", 0.4);
    all.push(late.seen("became", "established").seen("at", 1.5));
    let mut seen = experiment(all);
    syn_retries(&mut seen);
    let sure = |name: &str| {
        let one = seen.inferred.iter().find(|one| one.name == name).expect("inferred");
        (one.confidence, one.because.as_str())
    };
    assert_eq!(sure("schedule"), (Confidence::High, "3 clients, the same for each"));
    assert_eq!(shown(&seen, "schedule_portable"), "1, 1.5, 2, 3, 4 s ...");
    assert_eq!(sure("schedule_portable").0, Confidence::Low);
    let mut alone = experiment(seen.observations.into_iter().skip(15).collect());
    syn_retries(&mut alone);
    assert_eq!(alone.inferred[0].because, "that at 1.5 s by one client only");
}

#[test]
fn two_ways_that_differ_are_not_sure() {
    let mut all = watched("watched", &[&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]], None);
    all.extend(released(every(0.25, 5.0), &[1.0, 3.0, 7.0], 0.0));
    let mut seen = experiment(all);
    syn_retries(&mut seen);
    assert!(seen.inferred.iter().all(|one| one.confidence == Confidence::Low));
}

#[test]
fn a_look_that_came_late_widens_the_give() {
    let mut all = watched("deaf", &[&[1.0, 3.0]], Some((7.0, "gone")));
    all[0] = all[0].clone().seen("not_before", 0.6);
    let mut seen = experiment(all);
    synack_retries(&mut seen);
    let give = match seen.value("schedule") {
        Some(Value::Schedule { give, complete: true, .. }) => *give,
        other => panic!("{other:?}"),
    };
    assert!((give - 0.4).abs() < 1e-9, "{give}");
    assert_eq!(seen.inferred[0].confidence, Confidence::Medium);
    assert_eq!(shown(&seen, "gives_up"), "7.00 s");
}

#[test]
fn clients_that_differ_are_told() {
    let mut seen = experiment(watched("deferred", &[&[1.0, 3.0], &[1.0, 2.0]], None));
    synack_retries(&mut seen);
    assert_eq!(seen.inferred[0].name, "schedule");
    assert!(seen.inferred.iter().all(|one| one.confidence == Confidence::Low));
    let mut none = experiment(Vec::new());
    synack_retries(&mut none);
    syn_retries(&mut none);
    assert_eq!(none.inferred, []);
}

#[test]
fn the_length_of_time_wait_is_that_of_its_timer_or_of_the_refusals() {
    let timer = |left: f64| Observation::new().given("way", "timer").seen("left", left);
    let free = |after: f64| Observation::new().given("way", "bind").seen("free_after", after);
    let mut linux = experiment(vec![timer(60.0), timer(59.99), free(60.6)]);
    time_wait(&mut linux);
    assert_eq!(shown(&linux, "length"), "59.99 s");
    assert_eq!(linux.inferred[0].confidence, Confidence::High);
    let mut macos = experiment(vec![free(30.1)]);
    time_wait(&mut macos);
    assert_eq!(shown(&macos, "length"), "30.10 s");
    assert_eq!(macos.method.instrument, Instrument::Errors);
    let mut differ = experiment(vec![timer(60.0), free(30.0)]);
    time_wait(&mut differ);
    assert_eq!(differ.inferred[0].confidence, Confidence::Low);
}

#[test]
fn reuse_is_one_word() {
    let again = || Observation::new().given("way", "connect_again");
    let after = |at: f64| again().seen("connected_after", at).seen("refused_with", "EADDRNOTAVAIL");
    let never = || again().seen("tried_for", 4.0).seen("refused_with", "EADDRNOTAVAIL");
    let words = |observations: Vec<Observation>| {
        let mut seen = experiment(observations);
        reuse(&mut seen);
        (shown(&seen, "reuse"), shown(&seen, "reuse_after"), shown(&seen, "refused_with"))
    };
    let error = || "EADDRNOTAVAIL".to_owned();
    let delayed = ("delayed".to_owned(), "1.05 s".to_owned(), error());
    assert_eq!(words(vec![after(1.05), after(1.0), after(1.1)]), delayed);
    assert_eq!(words(vec![never(), never()]), ("refused".to_owned(), String::new(), error()));
    let once = again().seen("connected_after", 0.001);
    assert_eq!(words(vec![once]).0, "at_once");
    assert_eq!(words(vec![after(1.0), never()]).0, "differs");
    assert_eq!(words(Vec::new()).0, "");
}

#[test]
fn ports_have_a_number_an_error_and_a_half() {
    let taken = |way: &str, error: &str, ports: Vec<f64>| {
        let got = ports.len() as i64;
        let one = Observation::new().given("way", way).seen("got", got);
        one.seen("error", error).seen("ports", ports)
    };
    let halves =
        |first: i32| (0..20).map(move |n| f64::from(40_000 + (n * 2 + n / 10 * 21 + first) % 40));
    let even: Vec<f64> = halves(0).collect();
    let mut seen = experiment(vec![taken("connect", "EADDRNOTAVAIL", even.clone())]);
    ports(&mut seen);
    assert_eq!(shown(&seen, "capacity"), "20 ports");
    assert_eq!(shown(&seen, "error"), "EADDRNOTAVAIL");
    assert_eq!(shown(&seen, "first_half"), "even");
    let mut open = experiment(vec![taken("bind", "ok", even[..6].to_vec())]);
    ports(&mut open);
    assert_eq!(open.inferred, [], "neither used up nor enough to tell the half");
    assert_eq!(open.missing.len(), 1);
    let row = (40_000..40_020).map(f64::from).collect();
    let mut row = experiment(vec![taken("bind", "EADDRINUSE", row)]);
    ports(&mut row);
    assert_eq!(shown(&row, "bind_first_half"), "mixed");
    let read = Observation::new().given("way", "read").seen("range", "32768 60999");
    let mut read = experiment(vec![read]);
    ports(&mut read);
    assert_eq!(shown(&read, "range"), "28232 ports");
}
