use super::*;
use crate::measure::greeting::LENGTH;
use crate::scenario::plan::{Exchange, ReplyEnd};
use crate::units::Span;

const GREETING: Greeting = Greeting { run: 1, client: 2, monotonic: 3, realtime: 4 };
const FOREVER: u64 = u64::MAX;

fn begin(kind: Kind) -> (Script, Progress) {
    (Script { kind, vanishing: None }, Progress::new(&GREETING, false))
}

fn connect(hold: u64, greet: bool, finish: Finish) -> (Script, Progress) {
    begin(Kind::Connect(Connect { hold, greet, finish }))
}

fn hello(reply: ReplyEnd, exchanges: u32, think: u64) -> Exchange {
    let think = Span::from(std::time::Duration::from_nanos(think));
    Exchange { message: b"hello".to_vec(), reply, exchanges, think }
}

fn request(exchange: Exchange, greet: bool, finish: Finish) -> (Script, Progress) {
    begin(Kind::Request(Request::new(exchange, greet, finish)))
}

#[test]
fn the_plainest_client_closes_at_once() {
    let (script, progress) = connect(0, false, Finish::Leave);
    assert!(script.closes_at_once());
    assert_eq!(script.want(&progress), Want::Nothing);
}

#[test]
fn a_greeting_may_take_several_writes() {
    let (script, mut progress) = connect(5, true, Finish::Leave);
    script.sent(&mut progress, 10);
    assert_eq!(script.want(&progress), Want::Send(&GREETING.encode()[10..], &[]));
    script.sent(&mut progress, LENGTH - 10);
    assert_eq!(script.want(&progress), Want::Pause { time: 5, until: FOREVER });
    script.resumed(&mut progress, 0);
    assert_eq!(script.want(&progress), Want::Nothing);
}

#[test]
fn a_close_while_holding_is_early_unless_it_was_expected() {
    let (script, mut progress) = connect(5, false, Finish::Leave);
    assert_eq!(script.closed(&mut progress), Arrived::Early);
    let (script, mut progress) = connect(5, false, Finish::Await);
    assert_eq!(script.closed(&mut progress), Arrived::Part);
    assert_eq!(script.want(&progress), Want::Nothing);
}

#[test]
fn the_second_to_close_waits_and_the_first_waits_behind_its_fin() {
    let (script, progress) = connect(0, false, Finish::Await);
    assert_eq!(script.want(&progress), Want::Receive);
    for finish in [Finish::Fin, Finish::HalfClose] {
        let (script, mut progress) = connect(0, false, finish);
        assert_eq!(script.want(&progress), Want::Shutdown);
        script.shut(&mut progress);
        assert_eq!(script.want(&progress), Want::Receive);
        assert_eq!(script.closed(&mut progress), Arrived::Part);
        assert_eq!(script.want(&progress), Want::Nothing);
    }
}

#[test]
fn a_half_closed_request_reads_its_reply_behind_the_fin() {
    let (script, mut progress) =
        request(hello(ReplyEnd::Length(5), 2, 0), false, Finish::HalfClose);
    script.sent(&mut progress, 5);
    assert_eq!(script.want(&progress), Want::Receive);
    assert_eq!(script.received(&mut progress, b"hello"), Arrived::Reply);
    script.sent(&mut progress, 5);
    assert_eq!(script.want(&progress), Want::Shutdown);
    script.shut(&mut progress);
    assert_eq!(script.want(&progress), Want::Receive);
    assert_eq!(script.received(&mut progress, b"hello"), Arrived::Reply);
    assert_eq!(script.want(&progress), Want::Receive);
    assert_eq!(script.closed(&mut progress), Arrived::Part);
    assert_eq!(script.want(&progress), Want::Nothing);
}

#[test]
fn greeting_and_message_are_one_write_and_only_once() {
    let (script, mut progress) = request(hello(ReplyEnd::Length(5), 2, 0), true, Finish::Leave);
    assert_eq!(script.want(&progress), Want::Send(&GREETING.encode(), b"hello"));
    script.sent(&mut progress, LENGTH + 2);
    assert_eq!(script.want(&progress), Want::Send(b"llo", b""));
    script.sent(&mut progress, 3);
    assert_eq!(script.want(&progress), Want::Receive);
    assert_eq!(script.received(&mut progress, b"hell"), Arrived::Part);
    assert_eq!(script.received(&mut progress, b"o"), Arrived::Reply);
    assert_eq!(script.want(&progress), Want::Send(b"hello", b""));
    script.sent(&mut progress, 5);
    assert_eq!(script.received(&mut progress, b"hello"), Arrived::Reply);
    assert_eq!(script.want(&progress), Want::Nothing);
    assert_eq!(progress.exchanges(), 2);
}

#[test]
fn thinking_lies_between_exchanges_only() {
    let (script, mut progress) = request(hello(ReplyEnd::Length(1), 2, 9), false, Finish::Leave);
    script.sent(&mut progress, 5);
    assert_eq!(script.received(&mut progress, b"x"), Arrived::Reply);
    assert_eq!(script.want(&progress), Want::Pause { time: 9, until: FOREVER });
    script.resumed(&mut progress, 0);
    script.sent(&mut progress, 5);
    assert_eq!(script.received(&mut progress, b"x"), Arrived::Reply);
    assert_eq!(script.want(&progress), Want::Nothing);
}

#[test]
fn a_close_ends_a_reply_only_where_it_should() {
    let (script, mut progress) = request(hello(ReplyEnd::Close, 1, 0), false, Finish::Leave);
    script.sent(&mut progress, 5);
    assert_eq!(script.received(&mut progress, b"anything"), Arrived::Part);
    assert_eq!(script.closed(&mut progress), Arrived::Reply);
    let (script, mut progress) = request(hello(ReplyEnd::Length(3), 1, 0), false, Finish::Leave);
    script.sent(&mut progress, 5);
    assert_eq!(script.closed(&mut progress), Arrived::Early);
}

#[test]
fn a_held_connection_talks_until_its_end() {
    let talk = Request::new(hello(ReplyEnd::Length(1), u32::MAX, 10), false, Finish::Leave);
    let (script, mut progress) = begin(Kind::Hold(Hold { until: 25, talk: Some(talk) }));
    let pause = Want::Pause { time: 10, until: 25 };
    assert_eq!(script.want(&progress), pause);
    for now in [10, 20] {
        script.resumed(&mut progress, now);
        assert_eq!(script.want(&progress), Want::Send(b"hello", b""));
        script.sent(&mut progress, 5);
        assert_eq!(script.received(&mut progress, b"x"), Arrived::Reply);
        assert_eq!(script.want(&progress), pause);
    }
    script.resumed(&mut progress, 25);
    assert_eq!(script.want(&progress), Want::Nothing);
}

#[test]
fn a_silent_held_connection_only_waits() {
    let (script, mut progress) = begin(Kind::Hold(Hold { until: 25, talk: None }));
    assert_eq!(script.want(&progress), Want::Pause { time: FOREVER, until: 25 });
    script.resumed(&mut progress, 25);
    assert_eq!(script.want(&progress), Want::Nothing);
}

#[test]
fn who_vanishes_does_so_when_connected_or_behind_its_message() {
    for (after, at_once) in [(plan::After::Connect, true), (plan::After::Request, false)] {
        let ratio = "100%".parse().expect("a ratio");
        let vanish = plan::Vanish { after, ratio, how: VanishHow::Silent };
        let (script, _) = request(hello(ReplyEnd::Length(5), 1, 0), false, Finish::Leave);
        let script = Script { vanishing: Some(Vanishing::new(vanish, 1)), ..script };
        let mut progress = script.begin(&GREETING, 0);
        assert_eq!(script.want(&progress) == Want::Vanish(VanishHow::Silent), at_once);
        script.sent(&mut progress, 5);
        assert_eq!(script.want(&progress), Want::Vanish(VanishHow::Silent));
    }
}
