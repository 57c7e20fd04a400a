//! `lab.capture`.

use super::{plan_of, told};
use crate::scenario::plan::Capture;
use crate::units::Bytes;

const PLAIN: &str = "name = \"c\"\n[[load]]\nrate = \"1/s\"\n";

#[test]
fn packets_are_recorded_where_it_is_said() {
    for (sets, wanted) in [
        (&[][..], None),
        (&["lab.capture=false"], None),
        (&["lab.capture=true"], Some(Bytes(64 << 20))),
        (&["lab.capture=1MiB"], Some(Bytes(1 << 20))),
    ] {
        let plan = plan_of(PLAIN, sets);
        let cell = &plan.cells[0];
        assert_eq!(cell.lab.capture, wanted.map(|size| Capture { size }), "{sets:?}");
        assert_eq!(cell.needs_lab(), wanted.is_some(), "only a lab's packets are recorded");
        assert_eq!(crate::scenario::describe(&plan).contains("packets recorded"), cell.needs_lab());
    }
}

#[test]
fn what_cannot_be_recorded_is_told() {
    for (sets, part) in [
        (&["lab.capture=1KiB"][..], "no file of packets has this size"),
        (&["lab.capture=17GiB"], "no file of packets has this size"),
        (&["lab.capture=much"], "is not a size"),
        (&["lab.capture=3"], "true, false or a size"),
        (&["lab.capture=true", "target.transport=unix-stream"], "there are no packets"),
        (&["lab.capture=true", "target.address=127.0.0.1:9"], "only the lab's own link"),
        (&["limits.\"wire_rtt.p99\"=\"< 1ms\""], "in a lab with capture = true"),
        (&["lab.capture=true", "limits.\"load.load.wire_rtt.p99\"=\"< 1ms\""], "on the wire"),
    ] {
        let told = told(PLAIN, sets);
        assert!(told.contains(part), "{sets:?}\n{told}");
    }
    let plan = plan_of(PLAIN, &["lab.capture=true", "limits.\"wire_rtt.p99\"=\"< 1ms\""]);
    assert_eq!(plan.limits.len(), 1);
}
