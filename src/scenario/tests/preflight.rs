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
    let title = "48000 local ports may be needed";
    assert!(!found[0].certain && found[0].title.contains(title), "{found:?}");
    assert!(found[0].title.contains("28232") && found[0].help.contains("sources = 2"), "{found:?}");
    let few = shortages(&format!("{load}ports = \"40000-40099\""), &ROOMY);
    assert!(few[0].title.contains("1 source address(es) x 100 ports are 100"), "{few:?}");
    assert_eq!(shortages(&format!("{load}close = \"rst\"\n[lab]\nlink = \"veth\""), &ROOMY), []);
    let kept = format!("{load}hold = \"20s\"\nclose = \"rst\"");
    let found = shortages(&kept, &ROOMY);
    assert!(found[0].certain && found[0].title.contains("40000 local ports"), "{found:?}");
    let held = format!("{load}hold = \"10s\"\nclose = \"rst\"");
    let found = shortages(&held, &ROOMY);
    assert!(!found[0].certain && found[0].title.contains("more than half of them"), "{found:?}");
    let held = format!("{held}\n[lab]\nsources = 3");
    let few = Means { descriptors: 4096, ..ROOMY };
    let found = shortages(&held.replace("hold", "engine = \"mio\"\nhold"), &few);
    assert!(found[0].certain && found[0].title.contains("20000 connections"), "{found:?}");
    let found = shortages(&held, &Means { memory_bytes: 64 << 20, ..ROOMY });
    assert!(found[0].certain && found[0].title.contains("156 MiB"), "{found:?}");
}

#[test]
fn connections_that_are_kept_elsewhere_need_no_descriptors() {
    let few = Means { descriptors: 4096, ..ROOMY };
    let told = |engine: &str| {
        let load = format!(
            "name = \"x\"\n[[load]]\nclient = \"hold\"\nrate = \"2000/s\"\nconnections = 12000\n{engine}"
        );
        shortages(&load, &few)
    };
    for engine in ["", "engine = \"io_uring\"", "engine = \"processes\""] {
        assert_eq!(told(engine), [], "{engine}");
    }
    let found = told("engine = \"mio\"");
    assert!(found[0].certain && found[0].title.contains("12000 connections"), "{found:?}");
    assert!(found[0].help.contains("io_uring") && found[0].help.contains("processes"));
    // Half-open clients are the runner's own, whatever drives them.
    let half_open = "name = \"x\"\n[[load]]\nclient = \"half-open\"\nrate = \"2000/s\"\n\
                     attempts = 8000\nengine = \"io_uring\"";
    let found = shortages(half_open, &few);
    assert!(found[0].certain && found[0].title.contains("8000 connections"), "{found:?}");
}
