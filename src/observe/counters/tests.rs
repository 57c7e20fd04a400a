use super::*;
use proptest::prelude::*;

const NETSTAT: &str = include_str!("../fixtures/netstat-6.18.txt");
const SNMP: &str = include_str!("../fixtures/snmp-6.18.txt");
const SNMP6: &str = include_str!("../fixtures/snmp6-6.18.txt");
const OLD_NETSTAT: &str = include_str!("../fixtures/netstat-6.1.txt");
const OLD_SNMP: &str = include_str!("../fixtures/snmp-6.1.txt");

#[test]
fn a_present_kernels_text_is_read_whole() {
    let counters = Counters::parse(NETSTAT, SNMP, SNMP6);
    assert_eq!(counters.get("ListenOverflows"), Some(0));
    assert_eq!(counters.get("TCPReqQFullDrop"), Some(0));
    assert_eq!(counters.get("ActiveOpens"), Some(109));
    assert_eq!(counters.get("OutDatagrams"), Some(210));
    assert_eq!(counters.get("Ip6InReceives"), Some(1));
    assert_eq!(counters.get("Icmp:InErrors"), Some(0));
    assert_eq!(counters.get("InErrors"), Some(0), "that of Udp");
    assert_eq!(counters.get("Udp:InErrors"), None);
    assert_eq!(counters.get("Udp:InCsumErrors"), Some(0), "Tcp has the plain name");
    assert_eq!(counters.get("MaxConn"), None, "-1 is no counter");
    assert_eq!(counters.get("RtoMax"), Some(120_000), "what follows -1 keeps its column");
    assert!(counters.iter().all(|(name, _)| !name.contains("UdpLite") && name != "InType3"));
    assert_eq!(counters.iter().next(), Some(("SyncookiesSent", 0)));
}

#[test]
fn an_older_kernels_text_is_read_as_well() {
    let counters = Counters::parse(OLD_NETSTAT, OLD_SNMP, "");
    // listen(1), six connects and nobody who accepts; then 40 datagrams for a small buffer.
    assert_eq!(counters.get("ListenOverflows"), Some(8));
    assert_eq!(counters.get("ListenDrops"), Some(8));
    assert_eq!(counters.get("PassiveOpens"), Some(2));
    assert_eq!(counters.get("RcvbufErrors"), Some(34));
    assert_eq!(counters.get("InErrors"), Some(34));
    assert_eq!(counters.get("Icmp:InErrors"), Some(0));
    assert_eq!(counters.get("MaxConn"), None, "it is -1");
    assert_eq!(counters.get("Ip6InReceives"), None);
}

#[test]
fn growth_is_never_negative() {
    let before = Counters::parse("TcpExt: A B\nTcpExt: 5 9\n", "", "");
    let after = Counters::parse("TcpExt: A B C\nTcpExt: 8 1 4\n", "", "");
    let growth = Counters::growth(&before, &after);
    assert_eq!(growth.iter().collect::<Vec<_>>(), [("A", 3), ("B", 0), ("C", 4)]);
    let rows = results("target", &before, &after);
    assert_eq!((rows[1].before, rows[1].after), (9, 1));
    assert_eq!((rows[2].counter.as_str(), rows[2].before, rows[2].after), ("C", 0, 4));
}

#[test]
fn broken_text_gives_what_can_be_read() {
    let text = "TcpExt: A B\nIpExt: X\nIpExt: 7 8 9\nTcpExt: 1 2\nnonsense\n:\nEnd: Q";
    assert_eq!(
        Counters::parse(text, "", "a\nb c\nd 4 5\n").iter().collect::<Vec<_>>(),
        [("X", 7), ("d", 4)]
    );
}

#[test]
fn the_running_kernel_has_what_a_timeline_needs() {
    let names = ["ListenOverflows", "ListenDrops", "SyncookiesSent", "NoSuchCounter"];
    let mut watch = Watch::open(&names).unwrap();
    let values = watch.read().unwrap().to_vec();
    assert!(values[..3].iter().all(Option::is_some), "{values:?}");
    assert_eq!(values[3], None);
    let counters = Counters::read().unwrap();
    assert!(counters.get("ListenOverflows") >= values[0]);
    assert!(watch.read().unwrap()[0] >= values[0], "a second read sees the present");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(netstat in ".{0,400}", snmp in "[A-Za-z0-9: \n-]{0,400}", snmp6 in any::<String>()) {
        let counters = Counters::parse(&netstat, &snmp, &snmp6);
        prop_assert!(counters.0.len() <= MOST);
        let mut found = [None; 2];
        pick(snmp.as_bytes(), &["A".into(), "B".into()], &mut found);
    }

    #[test]
    fn the_watch_agrees_with_the_parser(values in proptest::collection::vec(any::<u64>(), 4)) {
        let text = format!("TcpExt: A B\nTcpExt: {} {}\nIpExt: C D\nIpExt: {} {}\n", values[0], values[1], values[2], values[3]);
        let mut found = [None; 3];
        pick(text.as_bytes(), &["D".into(), "A".into(), "E".into()], &mut found);
        prop_assert_eq!(found, [Some(values[3]), Some(values[0]), None]);
        prop_assert_eq!(Counters::parse(&text, "", "").get("D"), Some(values[3]));
    }
}

#[test]
fn a_flood_of_counters_is_cut() {
    let names: String = (0..10_000).map(|n| format!(" c{n}")).collect();
    let values = " 1".repeat(10_000);
    let counters = Counters::parse(&format!("TcpExt:{names}\nTcpExt:{values}\n"), "", "");
    assert_eq!(counters.0.len(), MOST);
}
