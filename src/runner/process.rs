//! A target process that the runner starts: `loadgen serve`, or a command that leads to it.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::BufReader;
use tokio::process::ChildStdin;
use tokio::sync::mpsc;

use super::RunError;
use crate::sys::errno;
use crate::sys::namespace::Namespace;
use crate::target::protocol::{
    Finished, FromTarget, Listening, TargetPlan, ToTarget, read_message, write_message,
};

/// Longest wait for a target to listen, and to report at the end.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest text of a target that is shown, in characters.
const LONGEST_TEXT: usize = 300;
/// Most counters, names in a map, acceptors, restarts and notices that a target may report.
const MOST_COUNTERS: usize = 4096;
const MOST_NAMES: usize = 256;
const MOST_ACCEPTORS: usize = 64;
const MOST_RESTARTS: usize = 64;
const MOST_NOTICES: usize = 256;
/// Our version, which the target's must equal.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A target process and the pipes to it. Dropping it ends the process.
#[derive(Debug)]
pub struct TargetProcess {
    child: Child,
    input: ChildStdin,
    output: mpsc::Receiver<io::Result<FromTarget>>,
}

/// What a target said, or that it will say nothing more.
#[derive(Debug)]
pub enum Word {
    /// A message.
    Said(FromTarget),
    /// Why there will be no more.
    Gone(String),
}

impl TargetProcess {
    /// Starts `command` (our own program when `None`) inside `namespace` (the present one when
    /// `None`). It is put into a process group of its own, so that a Ctrl-C at the terminal
    /// reaches the runner alone, which then ends it in an orderly way.
    pub fn spawn(
        command: Option<&[String]>,
        namespace: Option<&Namespace>,
    ) -> Result<Self, RunError> {
        let mut process = match command {
            Some([program, arguments @ ..]) => {
                let mut process = Command::new(program);
                process.args(arguments);
                process
            }
            _ => {
                let own =
                    std::env::current_exe().map_err(|e| failed("find our own program", &e))?;
                let mut process = Command::new(own);
                process.args(["serve", "--stdio"]);
                process
            }
        };
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let spawned = match namespace {
            Some(namespace) => namespace.run(|| process.spawn()).and_then(|child| child),
            None => process.spawn(),
        };
        let call = format!("start the target {:?}", process.get_program());
        let mut child = spawned.map_err(|error| failed(&call, &error))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(&call, &io::Error::other("it has no pipes")));
        };
        let input = ChildStdin::from_std(input).map_err(|error| failed(&call, &error))?;
        let output =
            tokio::process::ChildStdout::from_std(output).map_err(|error| failed(&call, &error))?;
        let (sender, receiver) = mpsc::channel(64);
        tokio::spawn(async move {
            let mut output = BufReader::new(output);
            while let Some(message) = read_message(&mut output).await.transpose() {
                let last = message.is_err();
                if sender.send(message).await.is_err() || last {
                    return;
                }
            }
        });
        Ok(Self { child, input, output: receiver })
    }

    /// Sends the plan and waits until the target listens.
    pub async fn listen(&mut self, plan: TargetPlan) -> Result<Listening, RunError> {
        self.listen_within(PATIENCE, plan).await
    }

    async fn listen_within(
        &mut self,
        patience: Duration,
        plan: TargetPlan,
    ) -> Result<Listening, RunError> {
        let plan = ToTarget::Plan(Box::new(plan));
        let answer = async {
            // A target that has ended already reads nothing: how it ended tells more than the
            // pipe. One that does not read at all must not hold us up either.
            let _ = self.say(&plan).await;
            self.next().await
        };
        match tokio::time::timeout(patience, answer).await {
            Ok(Word::Said(FromTarget::Listening(listening))) => same_version(listening),
            Ok(Word::Said(FromTarget::Failed { what, remedy })) => {
                let text = format!("the target cannot {what}. {remedy}");
                Err(RunError::Environment(text.trim_end().to_owned()))
            }
            Ok(Word::Said(other)) => Err(RunError::Environment(format!(
                "the target said {} before it listened",
                shown(&format!("{other:?}"))
            ))),
            Ok(Word::Gone(why)) => Err(RunError::Environment(format!(
                "the target ended before it listened: {why}. \
                 It must be `loadgen serve --stdio` of the same version"
            ))),
            Err(_) => Err(RunError::Environment(format!(
                "the target did not listen within {} s; does its command reach \
                 `loadgen serve --stdio`?",
                patience.as_secs()
            ))),
        }
    }

    /// Says something to the target.
    pub async fn say(&mut self, message: &ToTarget) -> Result<(), RunError> {
        let sent = write_message(&mut self.input, message).await;
        sent.map_err(|error| failed("write to the target", &error))
    }

    /// The next word of the target, with its texts fit to be shown and its size bounded.
    pub async fn next(&mut self) -> Word {
        match self.output.recv().await {
            Some(Ok(message)) => Word::Said(bounded(message)),
            Some(Err(error)) => Word::Gone(format!("it said what is not understood: {error}")),
            None => Word::Gone(self.end().await),
        }
    }

    /// How the process ended, which it has done or is about to do.
    async fn end(&mut self) -> String {
        for _ in 0..100 {
            match self.child.try_wait() {
                Ok(Some(status)) => return how_it_ended(status),
                Ok(None) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => return errno::describe(&error),
            }
        }
        "it closed its output".to_owned()
    }
}

impl Drop for TargetProcess {
    fn drop(&mut self) {
        // It has ended already unless something went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a process ended.
pub fn how_it_ended(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("killed by signal {signal}"),
        (None, Some(code)) => format!("exit status {code}"),
        (None, None) => "an unknown end".to_owned(),
    }
}

/// Refuses a target of another version: its messages may mean something else.
fn same_version(listening: Listening) -> Result<Listening, RunError> {
    if listening.version == VERSION {
        return Ok(listening);
    }
    Err(RunError::Environment(format!(
        "the target is loadgen {}, and this is loadgen {VERSION}: install the same version at \
         both ends",
        shown(&listening.version)
    )))
}

/// A text of another process as it may be shown: of one line, without control characters, and short.
pub fn shown(text: &str) -> String {
    let mut plain = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let mut plain = plain.by_ref().filter(|c| !c.is_control());
    let mut shown: String = plain.by_ref().take(LONGEST_TEXT).collect();
    if plain.next().is_some() {
        shown.pop();
        shown.push('…');
    }
    shown
}

/// The message with its texts fit to be shown and no more of anything than an honest one has.
fn bounded(message: FromTarget) -> FromTarget {
    match message {
        FromTarget::Failed { what, remedy } => {
            FromTarget::Failed { what: shown(&what), remedy: shown(&remedy) }
        }
        FromTarget::Finished(mut finished) => {
            let Finished { accepted_by, accept_errors, client_faults, restarts, .. } =
                &mut *finished;
            accepted_by.truncate(MOST_ACCEPTORS);
            restarts.truncate(MOST_RESTARTS);
            for restart in restarts {
                restart.errors = few_names(std::mem::take(&mut restart.errors));
            }
            for names in [accept_errors, client_faults] {
                *names = few_names(std::mem::take(names));
            }
            finished.engine = shown(&finished.engine);
            finished.sampler.method = shown(&finished.sampler.method);
            finished.counters.truncate(MOST_COUNTERS);
            for counter in &mut finished.counters {
                counter.namespace = shown(&counter.namespace);
                counter.counter = shown(&counter.counter);
            }
            finished.notices.truncate(MOST_NOTICES);
            finished.notices.iter_mut().for_each(|notice| *notice = shown(notice));
            FromTarget::Finished(finished)
        }
        other => other,
    }
}

fn few_names(names: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut few = BTreeMap::<String, u64>::new();
    for (name, count) in names.into_iter().take(MOST_NAMES) {
        let sum = few.entry(shown(&name)).or_default();
        *sum = sum.saturating_add(count);
    }
    few
}

fn failed(call: &str, error: &io::Error) -> RunError {
    let remedy = match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => "; raise the limit of open descriptors (ulimit -n)",
        Some(libc::EAGAIN) => "; raise the limit of processes (ulimit -u)",
        Some(libc::ENOENT) => "; check target.command: the program must exist",
        Some(libc::EACCES) => "; check target.command: the program must be executable",
        _ => "",
    };
    RunError::Environment(format!("cannot {call}: {}{remedy}", errno::describe(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::{CounterResult, RestartResult};

    #[test]
    fn texts_are_short_and_plain() {
        assert_eq!(shown("listen: EADDRINUSE (x)"), "listen: EADDRINUSE (x)");
        assert_eq!(shown("a\u{1b}[31m\nb\0\tc"), "a[31m b c");
        let long = shown(&"é".repeat(5000));
        assert_eq!(long.chars().count(), LONGEST_TEXT);
        assert!(long.ends_with('…'));
        assert_eq!(shown(&"x".repeat(LONGEST_TEXT)), "x".repeat(LONGEST_TEXT));
    }

    #[test]
    fn a_report_is_bounded() {
        let names = |n: u64| (0..n).map(|i| (format!("{i:04}\u{7}"), i)).collect();
        let counter = CounterResult {
            namespace: "x".repeat(1000),
            counter: "a\nb".into(),
            before: 0,
            after: 0,
        };
        let hostile = Finished {
            accepted_by: vec![1; 1000],
            accept_errors: names(1000),
            client_faults: names(1000),
            restarts: vec![RestartResult { errors: names(1000), ..Default::default() }; 1000],
            counters: vec![counter; 10_000],
            notices: vec!["\u{1b}".repeat(500) + &"n".repeat(500); 1000],
            ..Finished::default()
        };
        let FromTarget::Finished(report) = bounded(FromTarget::Finished(Box::new(hostile))) else {
            panic!("another message");
        };
        assert_eq!(report.accepted_by.len(), 64);
        assert_eq!((report.accept_errors.len(), report.client_faults.len()), (256, 256));
        assert!(report.client_faults.contains_key("0000"));
        assert_eq!((report.restarts.len(), report.restarts[0].errors.len()), (64, 256));
        assert_eq!((report.counters.len(), report.notices.len()), (4096, 256));
        assert_eq!(report.counters[0].namespace.chars().count(), 300);
        assert_eq!(report.counters[0].counter, "a b");
        assert!(report.notices[0].starts_with("nnn"));
        assert_eq!(report.notices[0].chars().count(), 300);
    }

    fn target(script: &str) -> TargetProcess {
        let command = ["sh", "-c", script].map(String::from);
        TargetProcess::spawn(Some(&command), None).expect("a process")
    }

    fn plan() -> TargetPlan {
        let serve = crate::scenario::plan::Serve::default();
        TargetPlan {
            address: std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into(),
            duty: crate::target::protocol::Duty::Serve(serve),
            interval: 1_000_000,
            seed: 1,
            run: 1,
            expected: 0,
            time_line: String::new(),
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn another_version_is_refused_by_name() {
        let listening = r#"{"listening":{"version":"9.9.9","address":"127.0.0.1:5","effective":null,"one_clock":true}}"#;
        let mut other = target(&format!("read plan; echo '{listening}'; read stop"));
        let error = other.listen(plan()).await.expect_err("another version").to_string();
        assert!(error.contains("9.9.9") && error.contains(VERSION), "{error}");
        assert!(error.contains("same version"), "{error}");
        let same = listening.replace("9.9.9", VERSION);
        let mut same = target(&format!("read plan; echo '{same}'; read stop"));
        assert_eq!(same.listen(plan()).await.expect("it listens").version, VERSION);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_a_target_says_instead_is_cut() {
        let failed = format!(r#"{{"failed":{{"what":"{}","remedy":""}}}}"#, "w".repeat(5000));
        let mut other = target(&format!("read plan; echo '{failed}'"));
        let error = other.listen(plan()).await.expect_err("a failure").to_string();
        assert!(error.len() < 400, "{error}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_target_that_reads_nothing_is_given_up() {
        let mut deaf = target("sleep 60");
        let mut plan = plan();
        // More than a pipe holds.
        plan.time_line = "x".repeat(1 << 20);
        let error = deaf
            .listen_within(Duration::from_millis(300), plan)
            .await
            .expect_err("no answer")
            .to_string();
        assert!(error.contains("did not listen within"), "{error}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn waiting_for_an_end_leaves_room_for_others() {
        // Its output ends, and it goes on.
        let mut lingering = target("exec >&-; sleep 60");
        let beats = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            biased;
            word = lingering.next() => panic!("{word:?} came first"),
            () = beats => {}
        }
    }
}
