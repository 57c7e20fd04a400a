//! Workers that are processes: each has descriptors of its own, so that several keep more
//! connections than one process may have.
//!
//! A thread of the runner stands for each of them: it passes the order on, hands over what the
//! process hands over, and checks it. The process ends when its input ends.

mod wire;
mod work;

use std::io::{self, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use self::wire::{FromWorker, Report, ToWorker, read_line, write_line};
use super::order::Order;
use super::process::{how_it_ended, shown};
use crate::engine::{Batch, Handover, PartReport, Stop, WorkerReport};
use crate::measure::{Event, Record};
use crate::sys::clock;

pub use work::work;

/// How often it is seen whether the workers are to stop.
const TICK: Duration = Duration::from_millis(50);
/// Longest wait for a process that is told to stop.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages that wait for their turn.
const WAITING: usize = 4;
/// More attempts than any worker makes.
const MOST_ATTEMPTS: u64 = 1 << 48;

/// A worker process and the pipes to it. Dropping it ends the process.
#[derive(Debug)]
pub struct WorkerProcess {
    child: Child,
    /// Its resident memory as it last told, in bytes.
    pub resident: Arc<AtomicU64>,
}

impl WorkerProcess {
    /// Starts our own program in the network namespace of the calling thread, which must outlive
    /// the process: the kernel ends the one with the other. It is put into a process group of its
    /// own, so that a Ctrl-C at the terminal reaches the runner alone.
    ///
    /// # Errors
    /// EAGAIN, EMFILE, ENOMEM, and that our own program cannot be found.
    pub fn spawn() -> io::Result<Self> {
        Command::new(std::env::current_exe()?)
            .args(["work", "--stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map(|child| Self { child, resident: Arc::default() })
    }

    /// Has the process carry `order` out, to its end or until `stop`. It lives on afterwards, and
    /// keeps the connections whose clients left without a word.
    ///
    /// # Errors
    /// How the process ended early, or what it said that cannot be.
    pub fn run(
        &mut self,
        order: Order,
        stop: &Stop,
        handover: &Handover,
    ) -> io::Result<WorkerReport> {
        // One that cannot be understood, or stopped, must not go on with its load.
        self.attend(order, stop, handover).inspect_err(|_| {
            let _ = self.child.kill();
        })
    }

    fn attend(
        &mut self,
        order: Order,
        stop: &Stop,
        handover: &Handover,
    ) -> io::Result<WorkerReport> {
        let words = self.listen()?;
        let loads: Vec<u16> = order.parts.iter().map(|part| part.index).collect();
        let epoch = order.epoch;
        self.say(&ToWorker::Order(Box::new(order)));
        let mut deadline = None;
        loop {
            match words.recv_timeout(TICK) {
                Ok(Ok(FromWorker::Batch { upto, in_progress, resident, records })) => {
                    self.resident.store(resident, Ordering::Relaxed);
                    let now = clock::monotonic().saturating_sub(epoch);
                    check(&records, &loads, now)?;
                    let said_whole = upto == u64::MAX || upto <= now;
                    if !said_whole || records.len() > wire::MOST_RECORDS {
                        return Err(failed("it said what cannot be"));
                    }
                    let batch = Batch { worker: handover.worker, upto, records, in_progress };
                    // Nobody receives any more only when the runner itself is ending.
                    let _ = handover.filled.send(batch);
                    // Its memory came from the message.
                    handover.emptied.try_iter().for_each(drop);
                }
                Ok(Ok(FromWorker::Done(report))) => return checked(report, &loads),
                Ok(Ok(FromWorker::Failed { what })) => return Err(failed(&shown(&what))),
                Ok(Err(error)) => {
                    return Err(failed(&format!("it said what is not understood: {error}")));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(failed(&self.end())),
                Err(RecvTimeoutError::Timeout) => {}
            }
            match deadline {
                None if stop.requested() => {
                    self.say(&ToWorker::Stop);
                    deadline = Some(Instant::now() + PATIENCE);
                }
                Some(deadline) if Instant::now() > deadline => {
                    return Err(failed("it did not stop when it was told to"));
                }
                _ => {}
            }
        }
    }

    /// Says something. A process that has ended reads nothing, and how it ended is told by what it
    /// does not say any more.
    fn say(&mut self, word: &ToWorker) {
        if let Some(input) = &mut self.child.stdin {
            let _ = write_line(input, word);
        }
    }

    /// Reads what the process says in a thread of its own, which ends with the process.
    fn listen(&mut self) -> io::Result<Receiver<io::Result<FromWorker>>> {
        let output = self.child.stdout.take().ok_or_else(|| failed("it has no output"))?;
        let (sender, words) = sync_channel(WAITING);
        std::thread::Builder::new().name("worker-reader".to_owned()).spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(word) = read_line(&mut output).transpose() {
                let last = word.is_err();
                if sender.send(word).is_err() || last {
                    return;
                }
            }
        })?;
        Ok(words)
    }

    /// How the process ended, which it has done or is about to do.
    fn end(&mut self) -> String {
        for _ in 0..100 {
            match self.child.try_wait() {
                Ok(Some(status)) => return how_it_ended(status),
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => return error.to_string(),
            }
        }
        "it closed its output".to_owned()
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // It has nothing to do any more; its connections end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn failed(why: &str) -> io::Error {
    io::Error::other(format!("a worker process failed: {why}"))
}

/// Refuses what would harm the books: loads that the worker has not, and instants that have not
/// been yet.
fn check(records: &[Record], loads: &[u16], now: u64) -> io::Result<()> {
    let sound = |record: &Record| {
        let ordered = match record.event {
            Event::Connect { intended, issued, .. } => intended <= issued && issued <= record.at,
            _ => true,
        };
        ordered && record.at <= now && loads.contains(&record.load)
    };
    match records.iter().find(|record| !sound(record)) {
        Some(record) => Err(failed(&format!("it said what cannot be: {record:?}"))),
        None => Ok(()),
    }
}

fn checked(report: Report, loads: &[u16]) -> io::Result<WorkerReport> {
    let Report { parts, run_delay_s, cpu_s, failed: broken } = report;
    let sound = |part: &PartReport| {
        loads.contains(&part.load) && part.taken.max(part.unissued) < MOST_ATTEMPTS
    };
    if parts.len() > loads.len() || !parts.iter().all(sound) {
        return Err(failed("its report is not one of its order"));
    }
    Ok(WorkerReport {
        parts,
        run_delay_s,
        cpu_s,
        left_open: Vec::new(),
        failed: broken.map(|what| failed(&shown(&what))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::held::Peer;
    use crate::measure::{Ending, Outcome};

    fn connect(load: u16, intended: u64, issued: u64, at: u64) -> Record {
        let event = Event::Connect {
            intended,
            issued,
            kernel_rtt_us: 0,
            retransmits: 0,
            syn_data: false,
            peer: Peer::UNKNOWN,
            outcome: Outcome::Ok,
            errno: 0,
        };
        Record { load, attempt: 0, at, event }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(check(&[connect(1, 5, 6, 7), connect(3, 0, 0, 10)], &[1, 3], 10).is_ok());
        let end = Event::End { ending: Ending::Done, errno: 0 };
        let impossible = [
            connect(2, 5, 6, 7),
            connect(1, 5, 6, 11),
            connect(1, 5, 8, 7),
            connect(1, 6, 5, 7),
            Record { load: 1, attempt: 0, at: u64::MAX, event: end },
        ];
        for record in impossible {
            let error = check(&[record], &[1, 3], 10).expect_err("refused").to_string();
            assert!(error.contains("what cannot be"), "{error}");
        }
    }

    #[test]
    fn a_report_is_one_of_its_order() {
        let report = |load, taken| Report {
            parts: vec![PartReport { load, taken, unissued: 1 }],
            ..Report::default()
        };
        assert_eq!(checked(report(1, 5), &[1]).expect("sound").parts[0].taken, 5);
        assert!(checked(report(2, 5), &[1]).is_err());
        assert!(checked(report(1, u64::MAX), &[1]).is_err());
        assert!(checked(report(1, 5), &[]).is_err());
    }
}
