//! The cancellation token: one way to tell threads, waits and retries that their work is no longer wanted.
//!
//! Tokens form a tree. A token is cancelled when it was cancelled itself, when its deadline has passed, or when an ancestor is cancelled;
//! cancelling a child leaves its parent as it is. A token stays cancelled: work that can be started again gets a new child.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How often [`CancellationToken::wait`] checks the token. A signal handler may only set a flag, so nothing can wake the waiting thread.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A flag, shared by its clones, that asks its holder to stop. Checking it costs a few atomic loads.
#[derive(Clone, Debug, Default)]
pub struct CancellationToken {
    node: Arc<Node>,
}

#[derive(Debug, Default)]
struct Node {
    cancelled: Arc<AtomicBool>,
    deadline: Option<Instant>,
    parent: Option<Parent>,
}

#[derive(Debug)]
struct Parent {
    token: CancellationToken,
    grace: Duration,
    /// when the child first noticed that the parent is cancelled
    noticed: OnceLock<Instant>,
}

impl CancellationToken {
    /// A token without a parent.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that is cancelled when this one is, or by itself.
    pub fn child(&self) -> Self {
        self.child_with(Duration::ZERO, None)
    }

    /// A child that is cancelled at `deadline` at the latest. `None`: no deadline.
    pub fn child_with_deadline(&self, deadline: Option<Instant>) -> Self {
        self.child_with(Duration::ZERO, deadline)
    }

    /// A child that is cancelled `grace` after it first noticed that this token is: time to complete what is already under way.
    pub fn child_with_grace(&self, grace: Duration) -> Self {
        self.child_with(grace, None)
    }

    fn child_with(&self, grace: Duration, deadline: Option<Instant>) -> Self {
        let parent = Some(Parent { token: self.clone(), grace, noticed: OnceLock::new() });
        Self { node: Arc::new(Node { cancelled: Arc::default(), deadline, parent }) }
    }

    /// Cancels this token and its children.
    pub fn cancel(&self) {
        self.node.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether to stop.
    pub fn is_cancelled(&self) -> bool {
        let Node { cancelled, deadline, parent } = &*self.node;
        cancelled.load(Ordering::Relaxed)
            || deadline.is_some_and(|deadline| deadline <= Instant::now())
            || parent.as_ref().is_some_and(Parent::is_over)
    }

    /// Sleeps for `duration`, or until the token is cancelled. Returns whether it is.
    pub fn wait(&self, duration: Duration) -> bool {
        let end = Instant::now().checked_add(duration);
        while !self.is_cancelled() {
            let left = end.map_or(POLL_INTERVAL, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            std::thread::sleep(left.min(POLL_INTERVAL));
        }
        true
    }

    /// The flag that [`cancel`](Self::cancel) sets, for a signal handler.
    pub fn flag(&self) -> &Arc<AtomicBool> {
        &self.node.cancelled
    }
}

impl Parent {
    fn is_over(&self) -> bool {
        self.token.is_cancelled()
            && (self.grace.is_zero() || self.noticed.get_or_init(Instant::now).elapsed() >= self.grace)
    }
}

/// Two tokens are equal when they are clones of one token.
impl PartialEq for CancellationToken {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.node, &other.node)
    }
}

impl Eq for CancellationToken {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancelling_reaches_children_and_clones_but_not_the_parent() {
        let parent = CancellationToken::new();
        let (child, sibling) = (parent.child(), parent.child());
        let grandchild = child.child();
        child.clone().cancel();
        assert!(child.is_cancelled() && grandchild.is_cancelled());
        assert!(!parent.is_cancelled() && !sibling.is_cancelled());
        parent.cancel();
        assert!(sibling.is_cancelled());
    }

    #[test]
    fn a_deadline_cancels_the_child_only() {
        let parent = CancellationToken::new();
        let child = parent.child_with_deadline(Some(Instant::now()));
        assert!(child.is_cancelled() && child.child().is_cancelled() && !parent.is_cancelled());
        assert!(!parent.child_with_deadline(None).is_cancelled());
    }

    #[test]
    fn a_child_with_grace_outlives_its_parent_but_not_its_own_cancellation() {
        let parent = CancellationToken::new();
        let (child, brief) =
            (parent.child_with_grace(Duration::from_secs(3600)), parent.child_with_grace(Duration::from_nanos(1)));
        parent.cancel();
        assert!(!child.is_cancelled());
        child.cancel();
        assert!(child.is_cancelled());
        assert!(brief.wait(Duration::from_secs(3600)));
    }

    #[test]
    fn a_wait_ends_when_the_token_is_cancelled() {
        let token = CancellationToken::new();
        assert!(!token.wait(Duration::from_millis(1)));
        let child = token.child();
        let waiter = std::thread::spawn(move || child.wait(Duration::MAX));
        token.flag().store(true, Ordering::Relaxed);
        assert!(waiter.join().expect("no panic"));
    }

    #[test]
    fn only_clones_are_equal() {
        let token = CancellationToken::new();
        assert_eq!(token, token.clone());
        assert_ne!(token, token.child());
    }
}
