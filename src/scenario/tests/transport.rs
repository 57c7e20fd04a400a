//! Keys that mean something over one transport only.

use super::{plan_of, told};
use crate::scenario::cost_of_plan;
use crate::scenario::plan::{Client, Target, Transport, WhenFull};

const UNIX: &str = r#"name = "u"
[target]
transport = "unix-stream"
[[load]]
client = "request"
rate = "10/s"
"#;

#[test]
fn an_address_says_what_carries_connections() {
    for (sets, wanted, text) in [
        (&["target.address=unix:@a"][..], Transport::UnixStream, "unix:@a"),
        (
            &["target.address=unix:/run/a", "target.transport=unix-seqpacket"],
            Transport::UnixSeqpacket,
            "unix-seqpacket:/run/a",
        ),
        (&["target.address=unix:80"], Transport::Tcp, "unix:80"),
    ] {
        let text_of = "name = \"a\"\n[[load]]\nrate = \"1/s\"\n";
        let plan = plan_of(text_of, sets);
        match &plan.cells[0].target {
            Target::External { address, transport, .. } => {
                assert_eq!((address.as_str(), *transport), (text, wanted));
            }
            own => panic!("{own:?}"),
        }
    }
}

#[test]
fn an_own_target_over_unix_needs_no_ports() {
    let plan = plan_of(UNIX, &["load.when_full=wait"]);
    assert_eq!(plan.cells[0].target.transport(), Transport::UnixStream);
    assert_eq!(plan.cells[0].loads[0].when_full, WhenFull::Wait);
    assert_eq!(cost_of_plan(&plan).source_ports, 0);
    assert!(matches!(plan.cells[0].loads[0].client, Client::Request { greet: true, .. }));
}

#[test]
fn what_means_nothing_beside_a_transport_is_told() {
    for (set, place, remedy) in [
        ("lab.link=veth", "`link` means nothing", "both ends are in one namespace"),
        ("lab.family=ipv6", "`family` means nothing", "no IP addresses"),
        ("lab.sources=2", "`sources` means nothing", "no IP addresses"),
        ("load.ports=40000-40009", "`ports` means nothing", "there are no ports"),
        ("load.close=rst", "`close` means nothing", "close = \"fin\""),
        ("load.lifecycle=recycle", "`lifecycle` means nothing", "lifecycle = \"fresh\""),
        ("load.fast_open=true", "`fast_open` means nothing", "there is no SYN"),
        ("target.address=127.0.0.1:80", "is not the name of an AF_UNIX socket", "unix:/path"),
        ("target.command=[\"x\"]", "is reached over IP", "remove `command`"),
        ("limits.\"kernel_rtt.p99\"=\"< 1ms\"", "nothing here measures", "of TCP only"),
    ] {
        let told = told(UNIX, &[set]);
        let flat = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(place) && flat.contains(remedy), "{set}\n{told}");
        assert!(told.contains("--set #1:1:"), "it has its place: {told}");
    }
    for fine in ["lab.link=loopback", "lab.sources=1", "load.close=fin", "load.timeout=500ms"] {
        assert_eq!(told(UNIX, &[fine]), "", "{fine}");
    }
}

#[test]
fn what_needs_tcp_or_a_request_is_told() {
    let tcp = &["target.transport=tcp"][..];
    for (sets, title) in [
        (&[tcp, &["load.when_full=wait"]].concat(), "nobody waits for room in connect()"),
        (&[tcp, &["target.address=unix:@a"]].concat(), "is the name of an AF_UNIX socket"),
        (&[tcp, &["load.client=connect", "load.fast_open=true"]].concat(), "sends none"),
        (&[tcp, &["load.greet=true", "load.fast_open=true"]].concat(), "before the SYN"),
    ] {
        let told = told(UNIX, sets);
        let flat = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(title), "{sets:?}\n{told}");
    }
}

#[test]
fn fast_open_does_without_a_greeting_and_wants_a_setting() {
    let sets = ["target.transport=tcp", "load.fast_open=true"];
    let plan = plan_of(UNIX, &sets);
    assert!(matches!(plan.cells[0].loads[0].client, Client::Request { greet: false, .. }));
    assert!(told(UNIX, &sets).contains("net.ipv4.tcp_fastopen = 3"));
    let setting = |value| format!("lab.sysctl.net.ipv4.tcp_fastopen={value}");
    for (value, told_of) in [("3", false), ("1027", false), ("1", true)] {
        let told = told(UNIX, &[sets[0], sets[1], &setting(value)]);
        assert_eq!(told.contains("takes no data with a SYN"), told_of, "{value}: {told}");
    }
}
