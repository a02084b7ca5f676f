//! Consumer groups as data: their members and the offsets that they have committed.

use crate::kafka::error::{Error, Result};

/// Kafka's state of a group that does not exist.
const DEAD: &str = "Dead";

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Kafka's id of the member
    pub id: String,
    /// what its client calls itself
    pub client_id: String,
    /// the address that it comes from
    pub host: String,
    /// the partitions that it reads: topic and number
    pub partitions: Vec<(String, i32)>,
}

/// A group and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// its name
    pub name: String,
    /// Kafka's word, such as `Stable`, `Empty`, `PreparingRebalance` or `Dead`
    pub state: String,
    /// `Classic`, or `Consumer` (KIP-848)
    pub group_type: String,
    /// how partitions are assigned, such as `range`; empty without members
    pub assignor: String,
    /// its members
    pub members: Vec<GroupMember>,
}

impl GroupDescription {
    /// A group that does not exist.
    pub(super) fn dead(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            state: DEAD.to_owned(),
            group_type: String::new(),
            assignor: String::new(),
            members: Vec::new(),
        }
    }

    /// Whether Kafka does not know the group.
    pub fn is_dead(&self) -> bool {
        self.state == DEAD
    }

    /// Whether partitions are being assigned at this moment.
    pub fn is_rebalancing(&self) -> bool {
        self.state.ends_with("Rebalance")
    }

    /// Checks that the group has no members.
    ///
    /// # Errors
    /// [`Error::GroupHasMembers`].
    pub fn require_no_members(&self) -> Result<()> {
        if self.members.is_empty() {
            return Ok(());
        }
        let members: Vec<String> =
            self.members.iter().map(|member| format!("{} at {}", member.client_id, member.host)).collect();
        Err(Error::GroupHasMembers { group: self.name.clone(), members: members.join(", ") })
    }
}

/// An offset that a group has committed, or is to commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupOffset {
    /// the topic
    pub topic: String,
    /// its partition
    pub partition: i32,
    /// the offset of the next message that the group reads
    pub offset: i64,
}
