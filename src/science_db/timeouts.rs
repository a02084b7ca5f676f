//! Time-outs of calls to a server.

use std::time::Duration;

/// How long to wait for gateways. A time-out is a time without any byte: each byte received or sent starts it anew.
///
/// A gateway that accepts connections and answers nothing is found by a second connection, a *probe*, within `probe_after` + `probe`,
/// whatever the call. The time-outs of the calls are therefore for gateways that do answer, and may be long: HBase goes on with a call that
/// its client has given up, and a repeated call slows it down further.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// a connection and its first reply, while another gateway is healthy
    pub handshake: Duration,
    /// a connection and its first reply, while no other gateway is healthy; longer, since a gateway whose worker threads are all busy
    /// accepts connections and answers when one is free
    pub handshake_alone: Duration,
    /// silence after which a gateway is probed
    pub probe_after: Duration,
    /// the connection and first reply of a probe
    pub probe: Duration,
    /// reads of a few rows, of one column, or of metadata
    pub read: Duration,
    /// idempotent writes
    pub write: Duration,
    /// scans of many columns, whose page is sent when it is full or the range ends; calls that must not be repeated
    pub scan: Duration,
    /// upper bound of the time-outs, which double while calls time out
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
pub(crate) enum Call {
    /// the first call on a new connection
    Handshake,
    /// regions, tables, namespaces
    Metadata,
    /// rows by their keys
    Get,
    /// a scan of one column
    NarrowScan,
    /// a scan of several columns
    WideScan,
    /// an idempotent write
    Write,
    /// a write that is not idempotent: if its reply is lost, it is not repeated
    WriteOnce,
    /// the creation of a table or namespace
    Create,
}

impl Call {
    const COUNT: usize = Self::Create as usize + 1;

    /// A scan of this number of columns.
    pub(crate) fn scan(columns: usize) -> Self {
        if columns == 1 { Self::NarrowScan } else { Self::WideScan }
    }

    /// Whether the call may be repeated, on this gateway or another, when its reply was lost.
    pub(crate) fn is_idempotent(self) -> bool {
        self != Self::WriteOnce
    }
}

/// The time-outs of one session. They double each time a call of the kind times out: a call that needs longer succeeds in the end, and a
/// busy server is sent fewer and fewer repetitions.
#[derive(Clone, Debug)]
pub(crate) struct AdaptiveTimeouts {
    timeouts: Timeouts,
    doublings: [u32; Call::COUNT],
}

impl AdaptiveTimeouts {
    /// Starts at `timeouts`.
    pub(crate) fn new(timeouts: Timeouts) -> Self {
        Self { timeouts, doublings: [0; Call::COUNT] }
    }

    /// The present time-out of a call.
    pub(crate) fn get(&self, call: Call) -> Duration {
        let initial = match call {
            Call::Handshake => self.timeouts.handshake_alone,
            Call::Metadata | Call::Get | Call::NarrowScan => self.timeouts.read,
            Call::Write => self.timeouts.write,
            Call::WideScan | Call::WriteOnce | Call::Create => self.timeouts.scan,
        };
        initial.saturating_mul(1 << self.doublings[call as usize]).min(self.timeouts.max)
    }

    /// Records that a call timed out: doubles the time-out.
    pub(crate) fn timed_out(&mut self, call: Call) {
        if self.get(call) < self.timeouts.max {
            self.doublings[call as usize] += 1;
        }
    }

    /// Records that a call was answered after `elapsed`: halves the time-out if it is more than four times as long.
    pub(crate) fn answered(&mut self, call: Call, elapsed: Duration) {
        if elapsed < self.get(call) / 4 {
            self.doublings[call as usize] = self.doublings[call as usize].saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeout_grows_to_the_maximum_and_shrinks_after_quick_answers() {
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
