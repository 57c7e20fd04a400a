//! The experiments under way: those that wait in threads of their own, the others one after the other.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use super::{Ground, Order, TASKS, Task};
use crate::measure::card::Experiment;
use crate::measure::result::Status;

/// How often it is asked whether to go on.
const LOOK: Duration = Duration::from_millis(100);

/// What ended, by its place among [`TASKS`], with its experiments.
type Ended = (usize, Vec<Experiment>);

/// All tasks, and what they have made so far.
pub struct Running {
    ended: Receiver<Ended>,
    made: Vec<Option<Vec<Experiment>>>,
    interrupted: bool,
    /// Threads that could not be started, and why.
    unstarted: Vec<String>,
}

impl Running {
    /// Starts all of them.
    pub fn begin(ground: &Arc<Ground>, order: &Arc<Order>) -> Self {
        let (tell, ended) = mpsc::channel();
        let every = || TASKS.iter().enumerate();
        let beside = every().filter(|(_, task)| task.waits).map(|one| vec![one]);
        let in_turn = every().filter(|(_, task)| !task.waits).collect();
        let mut unstarted = Vec::new();
        for tasks in beside.chain([in_turn]) {
            let (ground, order, tell) = (Arc::clone(ground), Arc::clone(order), tell.clone());
            let names: Vec<_> = tasks.iter().map(|(_, task)| task.name).collect();
            let work = move || make(&tasks, &ground, &order, &tell);
            if let Err(error) = thread::Builder::new().name("probe".to_owned()).spawn(work) {
                unstarted.push(format!("{}: no thread: {error}", names.join(", ")));
            }
        }
        Self { ended, made: TASKS.iter().map(|_| None).collect(), interrupted: false, unstarted }
    }

    /// Waits for what ends next: its name; `None` when all have ended, or no more are to be waited for.
    pub fn next(&mut self, stop: &dyn Fn() -> bool) -> Option<&'static str> {
        loop {
            match self.ended.recv_timeout(LOOK) {
                Ok((index, made)) => {
                    *self.made.get_mut(index)? = Some(made);
                    return TASKS.get(index).map(|task| task.name);
                }
                Err(RecvTimeoutError::Timeout) if !stop() => {}
                Err(RecvTimeoutError::Timeout) => {
                    self.interrupted = true;
                    return None;
                }
                // Nobody is left who could tell of anything.
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// What was made, in the order in which the tasks are listed.
    pub fn made(&self) -> Vec<Experiment> {
        self.made.iter().flatten().flatten().cloned().collect()
    }

    /// How many of how many have ended, and the names of the others.
    pub fn progress(&self) -> (usize, usize, Vec<&'static str>) {
        let left = TASKS.iter().zip(&self.made).filter(|(_, made)| made.is_none());
        let left: Vec<_> = left.map(|(task, _)| task.name).collect();
        (TASKS.len() - left.len(), TASKS.len(), left)
    }

    /// Whether everything was tried.
    pub fn status(&self) -> Status {
        let (_, _, left) = self.progress();
        let left = left.join(", ");
        let reason = match (left.is_empty(), self.interrupted, self.unstarted.as_slice()) {
            (true, ..) => return Status::Complete,
            (_, true, _) => format!("it was interrupted; not ended: {left}"),
            (_, _, []) => format!("not ended: {left}"),
            (_, _, why) => format!("not ended: {left} ({})", why.join("; ")),
        };
        Status::Partial { reason }
    }
}

/// Makes some of them, one after the other. Nobody may be listening any more.
fn make(tasks: &[(usize, &Task)], ground: &Ground, order: &Order, tell: &Sender<Ended>) {
    for (index, task) in tasks {
        if tell.send((*index, (task.run)(ground, order))).is_err() {
            return;
        }
    }
}
