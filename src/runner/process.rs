//! A target process that the runner starts: `loadgen serve`, or a command that leads to it.

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
    FromTarget, Listening, Receiving, TargetPlan, ToTarget, read_message, write_message,
};

mod bounds;

pub use bounds::shown;

/// Longest wait for a target to listen, and to report at the end.
const PATIENCE: Duration = Duration::from_secs(20);
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
        match self.begin(PATIENCE, plan).await? {
            FromTarget::Listening(listening) => {
                same_version(&listening.version)?;
                Ok(listening)
            }
            other => Err(unexpected(&other)),
        }
    }

    /// The same for a target of datagrams.
    pub async fn receive(&mut self, plan: TargetPlan) -> Result<Receiving, RunError> {
        match self.begin(PATIENCE, plan).await? {
            FromTarget::Receiving(receiving) => {
                same_version(&receiving.version)?;
                Ok(receiving)
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Sends the plan: the target's first word, unless it is that it cannot.
    async fn begin(
        &mut self,
        patience: Duration,
        plan: TargetPlan,
    ) -> Result<FromTarget, RunError> {
        let plan = ToTarget::Plan(Box::new(plan));
        let answer = async {
            // A target that has ended already reads nothing: how it ended tells more than the
            // pipe. One that does not read at all must not hold us up either.
            let _ = self.say(&plan).await;
            self.next().await
        };
        match tokio::time::timeout(patience, answer).await {
            Ok(Word::Said(FromTarget::Failed { what, remedy })) => {
                let text = format!("the target cannot {what}. {remedy}");
                Err(RunError::Environment(text.trim_end().to_owned()))
            }
            Ok(Word::Said(first)) => Ok(first),
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
            Some(Ok(message)) => Word::Said(bounds::bounded(message)),
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

fn unexpected(first: &FromTarget) -> RunError {
    let said = shown(&format!("{first:?}"));
    RunError::Environment(format!("the target said {said} before it listened"))
}

/// Refuses a target of another version: its messages may mean something else.
fn same_version(version: &str) -> Result<(), RunError> {
    if version == VERSION {
        return Ok(());
    }
    Err(RunError::Environment(format!(
        "the target is loadgen {}, and this is loadgen {VERSION}: install the same version at \
         both ends",
        shown(version)
    )))
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
        let error =
            deaf.begin(Duration::from_millis(300), plan).await.expect_err("no answer").to_string();
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
