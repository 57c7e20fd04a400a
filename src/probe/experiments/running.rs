//! The experiments under way: those that wait in threads of their own, the others one after the other.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use super::{Ground, Order, Task};
use crate::measure::card::Experiment;
use crate::measure::result::Status;

/// How often it is asked whether to go on.
const LOOK: Duration = Duration::from_millis(100);

/// What ended, by its place among the tasks, with its experiments.
type Ended = (usize, Vec<Experiment>);

/// All tasks, and what they have made so far.
pub struct Running {
    tasks: &'static [Task],
    ended: Receiver<Ended>,
    made: Vec<Option<Vec<Experiment>>>,
    interrupted: bool,
    /// Why not even one thread could be started.
    unstarted: Option<String>,
}

impl Running {
    /// Starts all of them; where the system starts no more threads, the others take their turn.
    pub(super) fn begin(tasks: &'static [Task], ground: &Arc<Ground>, order: &Arc<Order>) -> Self {
        let (tell, ended) = mpsc::channel();
        let every = || tasks.iter().enumerate();
        let in_turn: Vec<_> = every().filter(|(_, task)| !task.waits).collect();
        let (leave, left) = mpsc::channel();
        let begin = |some: Vec<_>, then: Option<Receiver<_>>| {
            let (ground, order, tell) = (Arc::clone(ground), Arc::clone(order), tell.clone());
            let work = move || {
                let all = std::iter::once(some).chain(then.into_iter().flatten());
                all.for_each(|some| make(&some, &ground, &order, &tell));
            };
            thread::Builder::new().name("probe".to_owned()).spawn(work)
        };
        let unstarted = begin(in_turn, Some(left)).err().map(|error| format!("no thread: {error}"));
        for one in every().filter(|(_, task)| task.waits) {
            if begin(vec![one], None).is_err() {
                // Nobody takes it where no thread at all was started.
                let _ = leave.send(vec![one]);
            }
        }
        let made = tasks.iter().map(|_| None).collect();
        Self { tasks, ended, made, interrupted: false, unstarted }
    }

    /// Waits for what ends next: its name; `None` when all have ended, or no more are to be waited for.
    pub fn next(&mut self, stop: &dyn Fn() -> bool) -> Option<&'static str> {
        loop {
            match self.ended.recv_timeout(LOOK) {
                Ok((index, made)) => {
                    *self.made.get_mut(index)? = Some(made);
                    return self.tasks.get(index).map(|task| task.name);
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
        let left = self.tasks.iter().zip(&self.made).filter(|(_, made)| made.is_none());
        let left: Vec<_> = left.map(|(task, _)| task.name).collect();
        (self.tasks.len() - left.len(), self.tasks.len(), left)
    }

    /// Whether everything was tried.
    pub fn status(&self) -> Status {
        let (_, _, left) = self.progress();
        let left = left.join(", ");
        let reason = match (left.is_empty(), self.interrupted, &self.unstarted) {
            (true, ..) => return Status::Complete,
            (_, true, _) => format!("it was interrupted; not ended: {left}"),
            (_, _, None) => format!("not ended: {left}"),
            (_, _, Some(why)) => format!("not ended: {left} ({why})"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::card::{Depth, Instrument, Method};
    use crate::measure::result::Environment;

    fn made(id: &str) -> Vec<Experiment> {
        let method = Method { instrument: Instrument::Errors, how: String::new() };
        vec![Experiment::new(id, "?", method)]
    }

    fn begin(tasks: &'static [Task]) -> Running {
        let environment = Environment::default();
        let order = Order { backlogs: vec![1], depth: Depth::Quick, environment };
        Running::begin(tasks, &Arc::new(Ground::Host("a test".to_owned())), &Arc::new(order))
    }

    fn slow(_: &Ground, _: &Order) -> Vec<Experiment> {
        thread::sleep(Duration::from_secs(30));
        made("slow")
    }

    const FIRST: Task = Task { name: "first", waits: false, run: |_, _| made("first") };
    const BESIDE: Task = Task { name: "beside", waits: true, run: |_, _| made("beside") };
    const SLOW: Task = Task { name: "slow", waits: true, run: slow };
    const BROKEN: Task = Task { name: "broken", waits: true, run: |_, _| panic!("a test") };

    #[test]
    fn what_was_made_stands_in_the_order_of_the_list() {
        let mut running = begin(&[BESIDE, FIRST]);
        let names: Vec<_> = std::iter::from_fn(|| running.next(&|| false)).collect();
        assert_eq!(names.len(), 2);
        let ids: Vec<_> = running.made().into_iter().map(|one| one.id).collect();
        assert_eq!(
            (ids, running.status()),
            (vec!["beside".into(), "first".into()], Status::Complete)
        );
    }

    #[test]
    fn what_is_stopped_or_broken_is_named() {
        let mut running = begin(&[FIRST, SLOW]);
        assert_eq!(running.next(&|| false), Some("first"));
        assert_eq!(running.next(&|| true), None);
        let told = |running: &Running| match running.status() {
            Status::Partial { reason } => reason,
            Status::Complete => panic!("complete"),
        };
        assert_eq!(told(&running), "it was interrupted; not ended: slow");
        assert_eq!(running.progress(), (1, 2, vec!["slow"]));
        let mut running = begin(&[FIRST, BROKEN]);
        assert_eq!(std::iter::from_fn(|| running.next(&|| false)).count(), 1);
        assert_eq!(told(&running), "not ended: broken");
    }
}
