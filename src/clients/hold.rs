//! Client kind `hold`: connect, keep the connection, talk now and then.

use super::request::Request;
use super::{Progress, Stage, Want};

/// See [`crate::scenario::plan::Client::Hold`].
#[derive(Debug, Clone)]
pub struct Hold {
    /// When it ends, in nanoseconds since the cell's start.
    pub(super) until: u64,
    /// What is said, and how often.
    pub(super) talk: Option<Request>,
}

impl Hold {
    /// From one message to the next, in nanoseconds.
    pub(super) fn every(&self) -> u64 {
        self.talk.as_ref().map_or(u64::MAX, Request::think)
    }

    pub(super) fn pausing(&self) -> Want<'static> {
        Want::Pause { time: self.every(), until: self.until }
    }

    /// The connection has nothing to say at first.
    pub(super) fn sending<'a>(&'a self, progress: &'a Progress) -> Want<'a> {
        match &self.talk {
            Some(talk) if progress.talking => talk.sending(progress),
            _ => self.pausing(),
        }
    }

    pub(super) fn resumed(&self, progress: &mut Progress, now: u64) {
        if now >= self.until || self.talk.is_none() {
            progress.stage = Stage::Over;
        } else {
            progress.talking = true;
            progress.sending();
        }
    }
}
