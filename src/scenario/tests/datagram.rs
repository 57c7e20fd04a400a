//! Scenarios of datagrams.

use super::{plan_of, told};
use crate::scenario::cost_of_plan;
use crate::scenario::plan::{
    AcceptPace, Bulk, Cast, Client, DatagramReply, Loss, Rebind, Sizes, Target,
};
use crate::units::Span;

const UDP: &str = r#"name = "u"
[target]
transport = "udp"
[[load]]
rate = "1000/s"
duration = "1s"
"#;

#[test]
fn a_transport_of_datagrams_says_it_all() {
    let plan = plan_of(UDP, &[]);
    let cell = &plan.cells[0];
    let Target::Receiver { receive, .. } = &cell.target else { panic!("{:?}", cell.target) };
    assert_eq!((receive.receivers, receive.readers, receive.drain), (1, 1, AcceptPace::Asap));
    let Client::Datagram { datagrams } = &cell.loads[0].client else { panic!("a datagram") };
    assert_eq!(datagrams.sizes, Sizes::Fixed { bytes: 100 });
    assert_eq!((datagrams.streams, datagrams.reply), (1, DatagramReply::None));
    let cost = cost_of_plan(&plan);
    assert_eq!((cost.attempts, cost.certain_sockets, cost.source_ports), (Some(1000), 1, 0));
    assert!(!cell.needs_lab());
}

#[test]
fn keys_of_receivers_are_read() {
    let sets = [
        "target.receivers=4",
        "target.readers=2",
        "target.rcvbuf=64KiB",
        "target.drain=never",
        "target.restart_at=500ms",
        "target.restart_gap=100ms",
        "load.reply=echo",
        "load.streams=8",
        "load.payload=[\"64B\", \"1400B\"]",
    ];
    let plan = plan_of(UDP, &sets);
    let Target::Receiver { receive, .. } = &plan.cells[0].target else { panic!("a receiver") };
    assert_eq!((receive.receivers, receive.readers), (4, 2));
    assert_eq!((receive.drain, receive.reply), (AcceptPace::Never, DatagramReply::Echo));
    let (at, gap) = (Span::from_millis(500), Span::from_millis(100));
    assert_eq!(receive.restart, Some(Rebind { at, gap }));
    let Client::Datagram { datagrams } = &plan.cells[0].loads[0].client else { panic!() };
    assert_eq!(datagrams.sizes, Sizes::Turns { bytes: vec![64, 1400] });
    assert_eq!((datagrams.streams, datagrams.reply), (8, DatagramReply::Echo));
}

#[test]
fn the_path_is_impaired_in_a_lab() {
    let plan = plan_of(UDP, &["lab.impair.loss=3%"]);
    assert!(plan.cells[0].needs_lab());
    let sets = [
        "lab.link=veth",
        "lab.impair.loss={ every = 10 }",
        "lab.impair.rate=10Mbit/s",
        "lab.impair.delay=5ms",
        "lab.impair.jitter=1ms",
        "lab.impair.reorder=2%",
    ];
    let impair = plan_of(UDP, &sets).cells[0].lab.impair.expect("an impaired path");
    assert_eq!((impair.loss, impair.rate), (Some(Loss::Every(10)), Some(10_000_000)));
    assert!(impair.needs_netem());
}

#[test]
fn bulk_is_taken_whole() {
    let plan = plan_of(UDP, &["load.bulk=gso", "target.cast=multicast", "target.receivers=3"]);
    let Target::Receiver { receive, .. } = &plan.cells[0].target else { panic!("a receiver") };
    assert!(receive.gro && plan.cells[0].needs_lab());
    assert_eq!((receive.cast, receive.copies()), (Cast::Multicast, 3));
    let Client::Datagram { datagrams } = &plan.cells[0].loads[0].client else { panic!() };
    assert_eq!(datagrams.bulk, Some(Bulk::Gso));
}

#[test]
fn closed_clients_are_streams() {
    let text = UDP.replace("rate = \"1000/s\"", "arrivals = \"closed\"\nclients = 12");
    let plan = plan_of(&text, &["load.reply=echo"]);
    let Client::Datagram { datagrams } = &plan.cells[0].loads[0].client else { panic!() };
    assert_eq!(datagrams.streams, 12);
}

#[test]
fn what_cannot_be_is_told() {
    for (set, place, remedy) in [
        ("load.client=connect", "this client makes connections", "client = \"datagram\""),
        ("load.message=x", "`message` means nothing for datagrams", "`payload`"),
        ("load.engine=mio", "`engine` means nothing", "no connections"),
        ("load.payload=10B", "cannot have 10B", "\"40B\""),
        ("load.payload=70000B", "cannot have 70000B", "\"65507B\""),
        ("load.payload=[]", "there are no sizes", "a list such as"),
        (
            "load.payload={ distribution = \"uniform\", min = \"9KiB\", max = \"1KiB\" }",
            "`min` is above",
            "smaller",
        ),
        ("load.reply=close", "it has no other end", "\"echo\""),
        ("load.streams=5000", "`streams` cannot be 5000", "1 to 4096"),
        ("target.backlog=5", "`backlog` means nothing", "`rcvbuf`"),
        ("target.accept=never", "`accept` means nothing", "`drain`"),
        ("target.reply=64KiB", "a reply to a datagram is that datagram", "\"echo\""),
        ("target.rcvbuf=0B", "cannot have 0B", "1GiB"),
        ("target.restart_gap=1s", "`restart_gap` means nothing", "restart_at"),
        ("lab.impair.rate=1Mbit/s", "`rate` means nothing", "link = \"veth\""),
        ("lab.impair.jitter=1ms", "`jitter` means nothing without `delay`", "add `delay`"),
        ("lab.impair.loss=0%", "is not a share", "above 0"),
    ] {
        let told = told(UDP, &[set]);
        assert!(told.contains(place) && told.contains(remedy), "{set}:\n{told}");
    }
    for (sets, place) in [
        (&["load.reply=echo", "target.reply=none"][..], "awaits echoes, and the target sends none"),
        (&["load.bulk=gso", "load.reply=echo"], "nobody waits for its echo"),
        (&["load.bulk=gso", "load.payload=2000B"], "each fits into one packet"),
        (&["target.cast=broadcast", "lab.family=ipv6"], "no broadcast in IPv6"),
        (&["target.cast=multicast", "target.readers=2"], "a second reader gets it again"),
        (&["target.readers=64", "target.receivers=2"], "too many threads"),
        (&["target.address=127.0.0.1:53", "lab.impair.loss=1%"], "outside the lab"),
        (
            &["load.streams=4096", "target.receivers=8", "target.cast=multicast"],
            "too many to keep books",
        ),
        (&["target.transport=unix-dgram", "load.bulk=gso"], "only UDP is sent in bulk"),
        (&["limits.\"loss.receive_bufer\"=\"== 0\""], "did you mean `receive_buffer`"),
        (&["limits.loss=\"<= 5ms\""], "is not compared with a time"),
        (&["limits.\"connect.p99\"=\"<= 5ms\""], "nothing here measures `connect`"),
    ] {
        let told = told(UDP, sets);
        assert!(told.contains(place), "{sets:?}:\n{told}");
    }
    let tcp = UDP.replace("transport = \"udp\"", "");
    for (set, place) in [
        ("load.client=datagram", "this one takes connections"),
        ("load.payload=64B", "`payload` means nothing"),
        ("target.rcvbuf=64KiB", "`rcvbuf` means nothing for connections"),
    ] {
        let told = told(&tcp, &[set]);
        assert!(told.contains(place), "{set}:\n{told}");
    }
    let unix = UDP.replace("transport = \"udp\"", "transport = \"unix-stream\"");
    let told = told(&unix, &["lab.impair.loss=1%"]);
    assert!(told.contains("AF_UNIX has no path"), "{told}");
}

#[test]
fn a_server_of_yours_is_reached_over_udp() {
    let plan = plan_of(UDP, &["target.address=127.0.0.1:53", "load.reply=echo"]);
    match &plan.cells[0].target {
        Target::External { address, .. } => assert_eq!(address, "udp:127.0.0.1:53"),
        other => panic!("{other:?}"),
    }
    let sets = ["target.transport=unix-dgram", "target.address=unix:/run/x"];
    match &plan_of(UDP, &sets).cells[0].target {
        Target::External { address, .. } => assert_eq!(address, "unix-dgram:/run/x"),
        other => panic!("{other:?}"),
    }
}
