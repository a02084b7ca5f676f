//! How long to wait for a gateway, by kind of call.

use std::time::Duration;

/// How long to wait for gateways. A time-out is a time without any byte: what arrives begins it anew.
///
/// A gateway that accepts connections and answers nothing is found by a second connection, a *probe*, within `probe_after` + `probe`,
/// whatever the call. So the time-outs of the calls are for gateways that do answer, and may be long: HBase goes on with a call that its
/// client has given up, and a second one beside it makes it slower.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// for a connection and its first answer, while another gateway is available
    pub handshake: Duration,
    /// for a connection and its first answer, where no other gateway is available; a gateway whose worker threads are all taken accepts
    /// connections and never answers
    pub handshake_alone: Duration,
    /// silence after which a gateway is probed
    pub probe_after: Duration,
    /// for the connection of a probe and its first answer
    pub probe: Duration,
    /// for an answer that is small, and for the rows of one look or get
    pub read: Duration,
    /// for a write
    pub write: Duration,
    /// for the page of a scan of many columns, which is sent when it is full or at the end of the range; for what cannot be repeated
    pub scan: Duration,
    /// the longest that any of these grows to
    pub max: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            handshake_alone: Duration::from_secs(30),
            probe_after: Duration::from_secs(3),
            probe: Duration::from_secs(4),
            read: Duration::from_secs(30),
            write: Duration::from_secs(60),
            scan: Duration::from_secs(300),
            max: Duration::from_secs(1800),
        }
    }
}

/// The kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// the first question on a new connection
    Handshake,
    /// regions, tables, namespaces
    Metadata,
    /// rows by their keys
    Get,
    /// a scan of one column
    NarrowScan,
    /// a scan of several columns
    WideScan,
    /// a write that may be done twice
    Write,
    /// a write that must not be done twice: where its answer is lost, it is not repeated
    WriteOnce,
    /// a new table
    Create,
}

impl Call {
    const COUNT: usize = Self::Create as usize + 1;

    /// The kind of a scan of so many columns.
    pub fn scan(columns: usize) -> Self {
        if columns == 1 { Self::NarrowScan } else { Self::WideScan }
    }

    /// Whether the call may be done again, on this gateway or another, when its answer was lost.
    pub fn is_idempotent(self) -> bool {
        self != Self::WriteOnce
    }
}

/// The time-outs of one session, which grow while calls of a kind time out: a call that takes longer than its time-out succeeds in the end,
/// and a server that is busy gets fewer and fewer repetitions.
#[derive(Clone, Debug)]
pub struct AdaptiveTimeouts {
    timeouts: Timeouts,
    doublings: [u32; Call::COUNT],
}

impl AdaptiveTimeouts {
    /// Begins with `timeouts`.
    pub fn new(timeouts: Timeouts) -> Self {
        Self { timeouts, doublings: [0; Call::COUNT] }
    }

    /// The time-out of a call now.
    pub fn get(&self, call: Call) -> Duration {
        let first = match call {
            Call::Handshake => self.timeouts.handshake_alone,
            Call::Metadata | Call::Get | Call::NarrowScan => self.timeouts.read,
            Call::Write => self.timeouts.write,
            Call::WideScan | Call::WriteOnce | Call::Create => self.timeouts.scan,
        };
        first.saturating_mul(1 << self.doublings[call as usize]).min(self.timeouts.max)
    }

    /// A call has timed out: the next one is given twice the time.
    pub fn timed_out(&mut self, call: Call) {
        if self.get(call) < self.timeouts.max {
            self.doublings[call as usize] += 1;
        }
    }

    /// A call was answered after `elapsed`. The time-out shrinks again where it is far longer than that.
    pub fn answered(&mut self, call: Call, elapsed: Duration) {
        if elapsed < self.get(call) / 4 {
            self.doublings[call as usize] = self.doublings[call as usize].saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_out_grows_to_the_longest_and_shrinks_after_quick_answers() {
        let timeouts = Timeouts { max: Duration::from_secs(200), ..Timeouts::default() };
        let mut adaptive = AdaptiveTimeouts::new(timeouts);
        let grown: Vec<u64> = (0..5)
            .map(|_| {
                adaptive.timed_out(Call::Get);
                adaptive.get(Call::Get).as_secs()
            })
            .collect();
        assert_eq!(grown, [60, 120, 200, 200, 200]);
        assert_eq!(adaptive.get(Call::Write), timeouts.write);
        adaptive.answered(Call::Get, Duration::from_secs(100));
        assert_eq!(adaptive.get(Call::Get).as_secs(), 200);
        (0..9).for_each(|_| adaptive.answered(Call::Get, Duration::from_secs(1)));
        assert_eq!(adaptive.get(Call::Get), timeouts.read);
    }
}
