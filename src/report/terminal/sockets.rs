//! What the kernel held of a cell's connections: sockets by state, and memory.

use super::cell::say;
use super::{Sheet, Tone};
use crate::measure::result::{CellResult, MemoryResult, SocketStates};
use crate::report::text::thousands;

/// The most sockets that were seen in each state, at the end where that is; nothing where there
/// were none.
pub fn line(sheet: &mut Sheet, cell: &CellResult) {
    let peak = |end: Option<SocketStates>| end.map(|states| states.named());
    let target = peak(cell.sockets.target.map(|seen| seen.peak));
    let client = peak(cell.sockets.client.map(|seen| seen.peak));
    let names = SocketStates::default().named();
    let states = names.iter().enumerate().filter_map(|(index, (name, _))| {
        let at = |end: &Option<[(&str, u64); 8]>| end.map(|states| states[index].1);
        let count = |name: &str, count: u64| format!("{name} {}", thousands(count));
        let ends = match (at(&client), at(&target)) {
            (None | Some(0), None | Some(0)) => return None,
            // Only a server has these, and only a client those.
            (_, Some(at_target)) if *name == "SYN_RECV" => thousands(at_target),
            (Some(at_client), _) if *name == "SYN_SENT" => thousands(at_client),
            (client, target) => {
                let ends = [client.map(|n| count("client", n)), target.map(|n| count("target", n))];
                ends.into_iter().flatten().collect::<Vec<_>>().join(", ")
            }
        };
        Some(format!("{name} {ends}"))
    });
    let states: Vec<_> = states.collect();
    if !states.is_empty() {
        say(sheet, Tone::Plain, "sockets", &format!("at most {}", states.join("; ")));
    }
}

/// Memory that a connection took, where it is known.
pub fn memory(sheet: &mut Sheet, cell: &CellResult) {
    let Some(memory) = &cell.memory else { return };
    let ends = if memory.both_ends { "both ends" } else { "clients' end" };
    let mut text = format!(
        "per connection at {} open: kernel {} ({ends}), runner {}",
        thousands(memory.connections),
        each(memory, memory.kernel_bytes),
        each(memory, memory.client_bytes),
    );
    if let Some(bytes) = memory.target_bytes {
        text.push_str(&format!(", target {}", each(memory, bytes)));
    }
    say(sheet, Tone::Plain, "memory", &text);
}

/// Whole bytes for each connection.
fn each(memory: &MemoryResult, bytes: i64) -> String {
    format!("{} B", thousands(memory.each(bytes).round() as i64))
}
