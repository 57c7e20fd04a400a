use super::*;
use crate::measure::datagram::LENGTH;

fn datagram(kind: Kind, run: u32, stream: u32, sequence: u64, sent: u64) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let intended = if kind == Kind::Closing { sequence } else { sent - 5 };
    Header { kind, run, stream, sequence, intended, sent }.write(&mut bytes);
    bytes
}

#[test]
fn every_datagram_has_one_class() {
    let mut books = Books::new(Some(7));
    let data = |stream, sequence| datagram(Kind::Data, 7, stream, sequence, 1_000);
    for sequence in [0, 1, 3, 2, 3, 6] {
        assert_eq!(books.enter(0, &data(4, sequence), 2_000), Entered::Data);
    }
    assert_eq!(books.enter(1, &data(4, 0), 2_000), Entered::Data);
    assert_eq!(books.enter(0, &datagram(Kind::Data, 8, 0, 0, 9), 10), Entered::Other);
    assert_eq!(books.enter(0, b"hello", 10), Entered::Other);
    let mut damaged = data(4, 4);
    damaged[20] ^= 1;
    assert_eq!(books.enter(0, &damaged, 10), Entered::Other);
    assert_eq!(books.enter(0, &data(1 << 20, 0), 10), Entered::Other);
    assert_eq!(books.enter(0, &datagram(Kind::Closing, 7, 4, 8, 9), 10), Entered::Other);
    assert_eq!((books.foreign, books.corrupt, books.beyond), (2, 1, 1));
    let streams = books.settle();
    let (interval, mut values) = books.finish_interval(Box::default());
    assert_eq!(interval.received, Some(6));
    assert_eq!((interval.duplicates, interval.reordered), (Some(1), Some(1)));
    assert_eq!(values.delay(), (1_005, 1_005, 1_005));
    let metrics = values.take();
    let of = |metric| crate::measure::decode(&metrics[&metric]).expect("ours");
    assert_eq!(of(Metric::OwdService).max(), 1_000);
    assert_eq!(of(Metric::ReorderExtent).max(), 1);
    // 4 and 5, then 7 at the end.
    assert_eq!((of(Metric::LossBurst).len(), of(Metric::LossBurst).max()), (2, 2));
    assert_eq!(of(Metric::LossGap).max(), 1);
    let (run, first) = streams[0];
    assert_eq!((run, first.stream, first.receiver, first.sent), (7, 4, 0, 8));
    assert_eq!((first.received, first.lost, first.duplicates), (5, 3, 1));
    assert_eq!((streams.len(), streams[1].1.receiver, streams[1].1.closed), (2, 1, false));
}

#[test]
fn by_hand_any_run_is_welcome() {
    let mut books = Books::new(None);
    for run in 0..100 {
        books.enter(0, &datagram(Kind::Data, run, 0, 0, 9), 10);
        books.enter(0, &datagram(Kind::Data, run, 0, 0, 9), 10);
    }
    assert_eq!(books.beyond, 2 * (100 - MOST_RUNS as u64));
    let streams = books.settle();
    assert!(streams.iter().all(|(_, stream)| (stream.received, stream.duplicates) == (1, 1)));
    assert_eq!(streams.len(), MOST_RUNS);
}

#[test]
fn jitter_is_of_streams_that_were_busy() {
    let mut books = Books::new(Some(0));
    for sequence in 0..10 {
        books.enter(0, &datagram(Kind::Data, 0, 1, sequence, 9), 10 + 100 * sequence);
    }
    books.enter(0, &datagram(Kind::Data, 0, 2, 0, 9), 10);
    for busy in [2, 0] {
        let (_, mut values) = books.finish_interval(Box::default());
        let jitter =
            values.take().get(&Metric::Jitter).and_then(|text| crate::measure::decode(text));
        assert_eq!(jitter.map_or(0, |values| values.len()), busy);
    }
}
