//! Our sender, flat out: a closed loop of one client that waits for nothing.

use std::sync::mpsc;
use std::time::Duration;

use loadgen::engine::Stop;
use loadgen::engine::datagram::{
    DatagramHandover, DatagramPart, DatagramShare, Gate, Snapshot, StreamPart, Tallies, run,
};
use loadgen::load::Schedule;
use loadgen::scenario::plan::{Bulk, DatagramReply, Sizes};
use loadgen::sys::clock;
use loadgen::sys::permit::PermittedAddr;
use loadgen::units::Span;

use super::SIZE;

/// One call for many datagrams, each sent by itself.
pub fn send(address: &PermittedAddr, time: Duration, bulk: Option<Bulk>) -> anyhow::Result<u64> {
    let window = Span::from_millis(time.as_millis() as u64);
    let part = DatagramPart {
        load: 0,
        streams: vec![StreamPart { number: 0, destination: *address, source: None }],
        all_streams: 1,
        sizes: Sizes::Fixed { bytes: SIZE },
        schedule: Schedule::Closed { clients: 1, think: Span::default(), window, attempts: None },
        seed: 1,
        start: 0,
        timeout: 1_000_000_000,
        reply: DatagramReply::None,
        bulk,
        ports: None,
        index: 0,
        workers: 1,
    };
    let share = DatagramShare {
        epoch: clock::monotonic(),
        run: 1,
        interval: 100_000_000,
        realtime: false,
        parts: vec![part],
    };
    let (filled, snapshots) = mpsc::channel::<Snapshot>();
    let (empty, emptied) = mpsc::channel::<Box<Tallies>>();
    let handover = DatagramHandover { worker: 0, filled, emptied };
    let gate = Gate::new();
    gate.open();
    std::thread::scope(|scope| {
        // As the runner's collector does; its time counts as the sender's.
        scope.spawn(move || {
            for mut snapshot in snapshots {
                snapshot.tallies.clear();
                let _ = empty.send(snapshot.tallies);
            }
        });
        let report = run(share, handover, &Stop::new(), &gate)?;
        Ok(report.streams.iter().map(|stream| stream.sent).sum())
    })
}

/// As one that the kernel cuts (UDP_SEGMENT).
pub fn bulk(address: &PermittedAddr, time: Duration) -> anyhow::Result<u64> {
    send(address, time, Some(Bulk::Gso))
}
