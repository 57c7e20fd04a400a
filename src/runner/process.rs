//! A target process that the runner starts: `loadgen serve`, or a command that leads to it.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::BufReader;
use tokio::process::ChildStdin;
use tokio::sync::mpsc;

use super::RunError;
use crate::sys::errno;
use crate::sys::namespace::Namespace;
use crate::target::protocol::{
    FromTarget, Listening, TargetPlan, ToTarget, read_message, write_message,
};

/// Longest wait for a target to listen, and to report at the end.
const PATIENCE: Duration = Duration::from_secs(20);

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
        // A target that has ended already reads nothing: how it ended tells more than the pipe.
        let _ = self.say(&ToTarget::Plan(Box::new(plan))).await;
        match tokio::time::timeout(PATIENCE, self.next()).await {
            Ok(Word::Said(FromTarget::Listening(listening))) => Ok(listening),
            Ok(Word::Said(FromTarget::Failed { what, remedy })) => {
                Err(RunError::Environment(format!("the target cannot {what}. {remedy}")))
            }
            Ok(Word::Said(other)) => {
                Err(RunError::Environment(format!("the target said {other:?} before it listened")))
            }
            Ok(Word::Gone(why)) => Err(RunError::Environment(format!(
                "the target ended before it listened: {why}. \
                 It must be `loadgen serve --stdio` of the same version"
            ))),
            Err(_) => Err(RunError::Environment(format!(
                "the target did not listen within {} s; does its command reach \
                 `loadgen serve --stdio`?",
                PATIENCE.as_secs()
            ))),
        }
    }

    /// Says something to the target.
    pub async fn say(&mut self, message: &ToTarget) -> Result<(), RunError> {
        let sent = write_message(&mut self.input, message).await;
        sent.map_err(|error| failed("write to the target", &error))
    }

    /// The next word of the target.
    pub async fn next(&mut self) -> Word {
        match self.output.recv().await {
            Some(Ok(message)) => Word::Said(message),
            Some(Err(error)) => Word::Gone(format!("it said what is not understood: {error}")),
            None => Word::Gone(self.end()),
        }
    }

    /// How the process ended, which it has done or is about to do.
    fn end(&mut self) -> String {
        for _ in 0..100 {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    return match (status.signal(), status.code()) {
                        (Some(signal), _) => format!("killed by signal {signal}"),
                        (None, Some(code)) => format!("exit status {code}"),
                        (None, None) => "an unknown end".to_owned(),
                    };
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
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
