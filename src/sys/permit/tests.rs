use super::*;

fn policy(allow: &[&str]) -> Policy {
    Policy::new(allow.iter().map(|range| range.parse().unwrap()).collect())
}

fn ip_of(address: PermittedAddr) -> IpAddr {
    address.get().socket_addr().expect("an address of IP").ip()
}

fn addr(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), 80)
}

#[test]
fn without_more_ado_only_loopback_is_permitted() {
    for ip in ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"] {
        assert!(policy(&[]).permit(addr(ip)).is_ok(), "{ip}");
    }
    let refused = [
        ("0.0.0.0", Class::Unspecified),
        ("::", Class::Unspecified),
        ("::ffff:0.0.0.0", Class::Unspecified),
        ("0.1.2.3", Class::Reserved),
        ("8.8.8.8", Class::Public),
        ("::ffff:8.8.8.8", Class::Public),
        ("2600::1", Class::Public),
        ("::8.8.8.8", Class::Embedded),
        ("::127.0.0.1", Class::Embedded),
        ("::ffff:0:8.8.8.8", Class::Embedded),
        ("2002:7f00:1::1", Class::Embedded),
        ("64:ff9b::7f00:1", Class::Embedded),
        ("64:ff9b:1::1", Class::Embedded),
        ("2001:0:1::1", Class::Embedded),
        ("10.1.2.3", Class::Private),
        ("172.16.0.1", Class::Private),
        ("172.32.0.1", Class::Public),
        ("192.168.0.1", Class::Private),
        ("100.64.0.1", Class::Private),
        ("100.128.0.1", Class::Public),
        ("fd00::1", Class::Private),
        ("169.254.169.254", Class::LinkLocal),
        ("fe80::1", Class::LinkLocal),
        ("198.18.0.1", Class::Lab),
        ("198.19.255.255", Class::Lab),
        ("198.20.0.0", Class::Public),
        ("2001:2::1", Class::Lab),
        ("2001:2:1::1", Class::Reserved),
        ("224.0.0.1", Class::Multicast),
        ("ff02::1", Class::Multicast),
        ("239.255.18.1", Class::Multicast),
        ("ff15::4c47", Class::Multicast),
        ("255.255.255.255", Class::Broadcast),
        ("127.255.255.255", Class::Broadcast),
        ("240.0.0.1", Class::Reserved),
        ("fec0::1", Class::Reserved),
        ("100::1", Class::Reserved),
        ("192.0.2.1", Class::Documentation),
        ("2001:db8::1", Class::Documentation),
    ];
    for (ip, class) in refused {
        match policy(&[]).permit(addr(ip)) {
            Err(PermitError::Refused { class: got, .. }) => assert_eq!(got, class, "{ip}"),
            other => panic!("{ip}: {other:?}"),
        }
    }
}

#[test]
fn a_permitted_address_is_canonical() {
    let permitted = policy(&[]).permit(addr("::ffff:127.0.0.1")).unwrap();
    assert_eq!(permitted.get(), "127.0.0.1:80".parse().unwrap());
}

#[test]
fn allow_covers_private_and_link_local_ranges_and_nothing_else() {
    let policy = policy(&["10.0.0.0/8", "fe80::/10", "192.168.1.7"]);
    for ip in ["10.255.0.1", "::ffff:10.0.0.1", "fe80::1", "192.168.1.7"] {
        assert!(policy.permit(addr(ip)).is_ok(), "{ip}");
    }
    for ip in ["192.168.1.8", "fd00::1", "169.254.0.1", "11.0.0.1", "::10.0.0.1"] {
        assert!(policy.permit(addr(ip)).is_err(), "{ip}");
    }
    let zoned: SocketAddr = "[fe80::1%3]:80".parse().unwrap();
    assert_eq!(policy.permit(zoned).unwrap().get().inet(), Some(zoned));
}

#[test]
fn a_labs_addresses_are_permitted_in_that_lab_alone() {
    let lab =
        policy(&[]).with_lab(["198.19.0.1", "8.8.8.8", "10.0.0.1"].map(|a| a.parse().unwrap()));
    assert!(lab.permit(addr("198.19.0.1")).is_ok());
    for ip in ["198.19.0.2", "8.8.8.8", "10.0.0.1"] {
        assert!(lab.permit(addr(ip)).is_err(), "{ip}");
    }
}

#[test]
fn a_labs_groups_are_permitted_in_that_lab_alone_and_no_others_ever() {
    let groups = ["239.255.18.1", "ff15::4c47", "198.19.255.255", "127.255.255.255"];
    let others = ["224.0.0.1", "239.255.18.2", "ff02::1", "255.255.255.255", "10.255.255.255"];
    let all = groups.iter().chain(&others).map(|ip| ip.parse().unwrap());
    let lab = policy(&[]).with_lab(all);
    for ip in groups {
        assert_eq!(ip_of(lab.permit(Endpoint::Udp(addr(ip))).unwrap()).to_string(), ip);
        for without in [policy(&[]), policy(&["10.0.0.0/8"]), lab.clone().without_lab()] {
            assert!(without.permit(addr(ip)).is_err(), "{ip}");
        }
    }
    for ip in others {
        assert!(lab.permit(addr(ip)).is_err(), "{ip}");
    }
}

#[test]
fn errors_name_address_class_and_remedy() {
    let text = |ip| policy(&[]).permit(addr(ip)).unwrap_err().to_string();
    assert_eq!(
        text("10.0.0.1"),
        "load may not go to 10.0.0.1:80: a private address. If the host is yours, say so on the \
         command line: --allow 10.0.0.1/32"
    );
    assert!(text("8.8.8.8").contains("public address. No option permits load on public hosts"));
    assert!(text("0.0.0.0").contains("such as 127.0.0.1"));
    let port = policy(&[]).permit("127.0.0.1:0".parse::<Endpoint>().unwrap()).unwrap_err();
    assert!(port.to_string().contains("port 0"));
}

#[test]
fn ranges_parse_or_say_what_would_be_right() {
    for text in ["10.0.0.0/8", "10.1.0.0/16", "fe80::/10", "127.0.0.0/8", "fd00::1", "169.254.1.1"]
    {
        let range: Cidr = text.parse().unwrap();
        assert!(range.to_string().starts_with(text), "{range}");
    }
    let refused = [
        ("10.0.0.1/8", "write 10.0.0.0/8"),
        ("10.0.0.0/33", "0 to 32 bits"),
        ("fe80::/129", "0 to 128 bits"),
        ("10.0.0.0/+8", "no range"),
        ("10.0.0.0/", "no range"),
        ("10/8", "no range"),
        ("", "no range"),
        ("example.org", "no range"),
        ("8.8.8.0/24", "public address"),
        ("0.0.0.0/0", "mixture"),
        ("10.0.0.0/7", "mixture"),
        ("::/0", "mixture"),
        ("198.18.0.0/15", "benchmarking"),
        ("224.0.0.0/4", "multicast"),
        ("::ffff:10.0.0.0/104", "carries an IPv4"),
        ("192.0.0.0/8", "mixture"),
    ];
    for (text, needle) in refused {
        let error = text.parse::<Cidr>().unwrap_err().to_string();
        assert!(error.contains(needle), "{text}: {error}");
    }
}

#[test]
fn names_are_judged_by_what_they_resolve_to() {
    let none = policy(&[]);
    for name in ["localhost:80", "127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert!(ip_of(none.resolve_and_permit(name).unwrap()).is_loopback(), "{name}");
    }
    // Forms that resolvers read differently: refused, or loopback after all; never another host.
    for name in ["2130706433:80", "0x7f.1:80", "127.1:80", "017700000001:80"] {
        if let Ok(permitted) = none.resolve_and_permit(name) {
            assert!(ip_of(permitted).is_loopback(), "{name} went to {permitted}");
        }
    }
    let refused = [
        "0.0.0.0:80",
        "[::]:80",
        "[::ffff:8.8.8.8]:80",
        "8.8.8.8:80",
        "134744072:80",
        "0x8.0x8.2056:80",
        "[fe80::1%1]:80",
        "[fe80::1%lo]:80",
        "localhost:0",
        "localhost",
        "localhost:",
        ":80",
        "",
        "[::1:80",
        "::1:80",
        "localhost:65536",
        "localhost:-1",
        "a b:80",
    ];
    for name in refused {
        assert!(none.resolve_and_permit(name).is_err(), "{name}");
    }
    assert!(none.resolve_and_permit(&format!("{}:80", "a".repeat(100_000))).is_err());
}

#[test]
fn sockets_of_this_host_are_permitted_by_their_names() {
    let none = policy(&[]);
    for name in ["unix:/run/x.sock", "unix:./x", "unix:@x", "unix-seqpacket:@x"] {
        assert_eq!(none.resolve_and_permit(name).unwrap().to_string(), name);
    }
    for name in ["unix:", "unix:@", "unix:x.sock", "unix:/a\0b"] {
        assert!(none.resolve_and_permit(name).is_err(), "{name}");
    }
    let unnamed = none.permit("unix:".parse::<Endpoint>().unwrap()).unwrap_err().to_string();
    assert!(unnamed.contains("unix:@name"), "{unnamed}");
}
