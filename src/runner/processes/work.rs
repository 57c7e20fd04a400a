//! A worker process: one order in over standard input, records out over standard output.

use std::io::{self, BufRead, BufReader, Write};
use std::sync::{Arc, mpsc};

use super::wire::{FromWorker, MOST_RECORDS, Report, ToWorker, read_line, write_line};
use crate::engine::{Batch, Descriptors, Engine, Handover, MioEngine, Stop, WorkerReport};
use crate::measure::Record;
use crate::observe::cpu;
use crate::observe::memory::resident;
use crate::runner::order::Order;
use crate::runner::workers::buffers;
use crate::scenario::RESERVED;
use crate::sys::{errno, limits, parent};

/// Carries one order out, and lives on to keep what was left open until its input ends.
///
/// # Errors
/// What the runner has been told already, as far as it could be told.
pub fn work() -> io::Result<()> {
    parent::die_with_it();
    let mut input = BufReader::new(io::stdin());
    let Some(ToWorker::Order(order)) = read_line(&mut input)? else { return Ok(()) };
    let stop = Arc::new(Stop::new());
    let heeding = heed(input, Arc::clone(&stop))?;
    let mut output = io::stdout().lock();
    let report = match carry_out(&order, &stop, &mut output) {
        Ok(report) => report,
        Err(error) => {
            write_line(&mut output, &FromWorker::Failed { what: errno::describe(&error) })?;
            return Err(error);
        }
    };
    let time = cpu::process_cpu().unwrap_or_default();
    let done = Report {
        parts: report.parts.clone(),
        run_delay_s: report.run_delay_s,
        cpu_s: (time.0.as_secs_f64(), time.1.as_secs_f64()),
        failed: report.failed.as_ref().map(errno::describe),
    };
    write_line(&mut output, &FromWorker::Done(done))?;
    // The target must not see connections end that were left without a word.
    let _ = heeding.join();
    drop(report);
    Ok(())
}

/// Heeds the runner's wish to stop, and ends the process when the runner is gone or needs it no more.
fn heed(mut input: impl BufRead + Send + 'static, stop: Arc<Stop>) -> io::Result<Heeding> {
    std::thread::Builder::new().name("heed".to_owned()).spawn(move || {
        while let Ok(Some(_)) = read_line::<ToWorker>(&mut input) {
            stop.request();
        }
        std::process::exit(0)
    })
}

type Heeding = std::thread::JoinHandle<std::convert::Infallible>;

fn carry_out(order: &Order, stop: &Arc<Stop>, to: &mut impl Write) -> io::Result<WorkerReport> {
    let limit = limits::raise_descriptors()?.saturating_sub(RESERVED).max(1);
    let share = order.share(None, &Arc::new(Descriptors::new(limit)))?;
    let (filled, batches) = mpsc::channel();
    let (emptied, receiver) = buffers();
    let handover = Handover { worker: 0, filled, emptied: receiver };
    let engine = MioEngine { stop: Arc::clone(stop) };
    let worker = std::thread::Builder::new()
        .name("worker".to_owned())
        .spawn(move || engine.run(share, handover))?;
    let mut upto = 0;
    for batch in batches {
        let mut records = forward(batch, &mut upto, to)?;
        records.clear();
        // A worker that has ended needs no more buffers.
        let _ = emptied.send(records);
    }
    worker.join().unwrap_or_else(|_| Err(io::Error::other("the load worker panicked")))
}

/// Passes a batch on, in parts where it is long; only the last of them tells that `upto` has moved.
fn forward(batch: Batch, upto: &mut u64, to: &mut impl Write) -> io::Result<Vec<Record>> {
    let (in_progress, resident) = (batch.in_progress, resident().unwrap_or(0));
    let mut parts = batch.records.chunks(MOST_RECORDS).peekable();
    loop {
        let records = parts.next().unwrap_or_default().to_vec();
        let last = parts.peek().is_none();
        if last {
            *upto = batch.upto;
        }
        write_line(to, &FromWorker::Batch { upto: *upto, in_progress, resident, records })?;
        if last {
            return Ok(batch.records);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Ending, Event};

    #[test]
    fn a_long_batch_goes_in_parts() {
        let event = Event::End { ending: Ending::Cut, errno: 0 };
        let record = Record { load: 0, attempt: 0, at: 5, event };
        let mut pipe = Vec::new();
        let mut upto = 7;
        for (count, until) in [(MOST_RECORDS * 2 + 1, 8), (0, 9)] {
            let batch =
                Batch { worker: 0, upto: until, records: vec![record; count], in_progress: 1 };
            forward(batch, &mut upto, &mut pipe).expect("memory");
        }
        let mut from = &pipe[..];
        let mut told = Vec::new();
        while let Some(FromWorker::Batch { upto, records, .. }) =
            read_line(&mut from).expect("a message")
        {
            told.push((upto, records.len()));
        }
        assert_eq!(told, [(7, MOST_RECORDS), (7, MOST_RECORDS), (8, 1), (9, 0)]);
    }
}
