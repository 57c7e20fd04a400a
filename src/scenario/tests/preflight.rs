//! What a cell would fall short of.

use super::{Means, SHIPPED, Shortage, plan_of, preflight, shipped};

const ROOMY: Means = Means {
    descriptors: 1 << 20,
    ephemeral_ports: (32768, 60999),
    memory_bytes: 8 << 30,
    tw_reuse_loopback: true,
};

fn shortages(text: &str, means: &Means) -> Vec<Shortage> {
    preflight(&plan_of(text, &[]).cells[0], means)
}

#[test]
fn a_clean_scenario_is_never_refused() {
    for (name, text) in SHIPPED {
        assert_eq!(shortages(text, &ROOMY), [], "{name}");
    }
    let tight = Means { descriptors: 1024, ..ROOMY };
    let found = shortages(shipped("clean"), &tight);
    assert!(found.iter().all(|shortage| !shortage.certain), "{found:?}");
}

#[test]
fn certain_shortages_are_told_with_their_arithmetic() {
    let load = "name = \"x\"\n[[load]]\nrate = \"2000/s\"\nduration = \"20s\"\n";
    let veth = format!("{load}[lab]\nlink = \"veth\"");
    let found = shortages(&veth, &ROOMY);
    assert!(found[0].certain && found[0].title.contains("40000 local ports"), "{found:?}");
    assert!(found[0].title.contains("28232") && found[0].help.contains("sources = 2"), "{found:?}");
    assert_eq!(shortages(&format!("{load}close = \"rst\"\n[lab]\nlink = \"veth\""), &ROOMY), []);
    // A target that never accepts completes few handshakes: nothing is certain.
    let never = format!("{veth}\n[target]\naccept = \"never\"");
    assert!(shortages(&never, &ROOMY).iter().all(|shortage| !shortage.certain));

    let held = format!("{load}hold = \"10s\"\nclose = \"rst\"");
    let found = shortages(&held, &Means { descriptors: 4096, ..ROOMY });
    assert!(found[0].certain && found[0].title.contains("20000 connections"), "{found:?}");
    let found = shortages(&held, &Means { memory_bytes: 64 << 20, ..ROOMY });
    assert!(found[0].certain && found[0].title.contains("156 MiB"), "{found:?}");
}
