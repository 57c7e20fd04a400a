//! The descriptors of clients' sockets, of which a process has only so many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Descriptors that clients' sockets may take. A worker takes one when it has more open sockets
/// than ever before and keeps it: no attempt touches it as a rule.
#[derive(Debug)]
pub struct Descriptors(AtomicU64);

impl Descriptors {
    /// So many of them.
    pub const fn new(count: u64) -> Self {
        Self(AtomicU64::new(count))
    }

    /// Takes one; whether there was one.
    pub fn take(&self) -> bool {
        let less = |count: u64| count.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// One worker's descriptors.
#[derive(Debug)]
pub struct Purse {
    shared: Arc<Descriptors>,
    owned: u64,
    /// Sockets that are open, those that wait to connect again included.
    open: u64,
}

impl Purse {
    /// Nothing of `shared` so far.
    pub fn new(shared: Arc<Descriptors>) -> Self {
        Self { shared, owned: 0, open: 0 }
    }

    /// Makes one more socket possible; false where there is no descriptor for it.
    pub fn open(&mut self) -> bool {
        if self.open >= self.owned {
            if !self.shared.take() {
                return false;
            }
            self.owned += 1;
        }
        self.open += 1;
        true
    }

    /// A socket was opened that cannot wait for a descriptor of its own. There are a few beyond
    /// those that are shared out.
    pub fn overdraw(&mut self) {
        if !self.open() {
            self.open += 1;
        }
    }

    /// A socket was closed.
    pub fn closed(&mut self) {
        self.open -= 1;
    }

    /// Whether more are open than this worker has.
    pub fn is_overdrawn(&self) -> bool {
        self.open > self.owned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_used_again_and_never_given_back() {
        let shared = Arc::new(Descriptors::new(3));
        let [mut one, mut other] = [(); 2].map(|()| Purse::new(Arc::clone(&shared)));
        assert!(one.open() && one.open());
        one.closed();
        assert!(one.open());
        assert!(other.open());
        assert!(!one.open() && !other.open());
        one.closed();
        one.closed();
        assert!(!other.open(), "a worker keeps its own");
    }

    #[test]
    fn an_overdraft_is_paid_back_first() {
        let mut purse = Purse::new(Arc::new(Descriptors::new(1)));
        assert!(purse.open());
        purse.overdraw();
        assert!(purse.is_overdrawn());
        purse.closed();
        assert!(!purse.is_overdrawn() && !purse.open());
        purse.closed();
        assert!(purse.open());
    }
}
