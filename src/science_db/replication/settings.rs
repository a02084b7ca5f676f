//! The settings of the replication sink and its peer.

/// The `push_…` keys of `[science_db]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationSettings {
    /// the servers of HBase's ZooKeeper, as `host:port`
    pub zookeeper: Vec<String>,
    /// the znode in which the sink registers, `/…`
    pub root: String,
    /// the peer's identifier in HBase
    pub peer: String,
    /// the address at which the sink listens, `host:port`; port 0: any free one
    pub listen: String,
    /// the host at which region servers reach the sink; `None`: the address that connects to ZooKeeper
    pub host: Option<String>,
}

impl Default for ReplicationSettings {
    fn default() -> Self {
        Self {
            zookeeper: vec!["127.0.0.1:2181".to_owned()],
            root: "/fink".to_owned(),
            peer: "fink".to_owned(),
            listen: "0.0.0.0:0".to_owned(),
            host: None,
        }
    }
}

impl ReplicationSettings {
    /// What is wrong with them: the names of keys, and the reasons.
    pub(crate) fn errors(&self) -> Vec<(&'static str, String)> {
        let mut errors = Vec::new();
        let is_word = |text: &str, others: &[u8]| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
        };
        let Self { root, peer, listen, host, .. } = self;
        let is_path = root.strip_prefix('/').is_some_and(|path| path.split('/').all(|part| is_word(part, b"-_.")));
        if !is_path || root.split('/').any(|part| matches!(part, "." | "..")) {
            errors.push(("push_root", format!("`{root}` is not the path of a znode, such as `/fink`")));
        } else if root == "/hbase" || root.starts_with("/hbase/") || root == "/zookeeper" {
            errors.push((
                "push_root",
                format!("`{root}` belongs to HBase or ZooKeeper itself: use another znode, such as `/fink`"),
            ));
        }
        // HBase appends the name of a dead server with a hyphen.
        if !is_word(peer, b"_.") {
            errors.push((
                "push_peer",
                format!("`{peer}` is not an identifier of a peer: use letters, digits, `_` and `.`"),
            ));
        }
        let port = listen.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            errors.push((
                "push_listen",
                format!("`{listen}` is not an address: use `host:port`, such as `0.0.0.0:16201`"),
            ));
        }
        if let Some(host) = host
            && !is_word(host, b"-.")
        {
            errors.push(("push_host", format!("`{host}` is neither a host name nor an IPv4 address")));
        }
        errors
    }

    /// How HBase names the cluster that it replicates to: `quorum:port:/root`.
    ///
    /// HBase knows one port for all servers of the quorum.
    ///
    /// # Errors
    /// The servers have different ports.
    pub(crate) fn cluster_key(&self) -> Result<String, String> {
        let servers: Vec<(&str, &str)> = self.zookeeper.iter().filter_map(|address| address.rsplit_once(':')).collect();
        let hosts: Vec<&str> = servers.iter().map(|(host, _)| *host).collect();
        match servers.first() {
            Some((_, port)) if servers.iter().all(|(_, other)| other == port) => {
                Ok(format!("{}:{port}:{}", hosts.join(","), self.root))
            }
            _ => Err(format!("the ports of science_db.push_zookeeper differ: {}", self.zookeeper.join(","))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(change: impl FnOnce(&mut ReplicationSettings)) -> Vec<&'static str> {
        let mut settings = ReplicationSettings::default();
        change(&mut settings);
        settings.errors().into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn settings_that_hbase_would_misunderstand_are_errors() {
        assert!(ReplicationSettings::default().errors().is_empty());
        for root in ["", "/", "fink", "/fink/", "/a//b", "/a b", "/..", "/hbase", "/hbase/rs"] {
            assert_eq!(errors(|settings| settings.root = root.to_owned()), ["push_root"], "{root}");
        }
        assert_eq!(errors(|settings| settings.peer = "fink-1".to_owned()), ["push_peer"]);
        for listen in ["", "1.2.3.4", ":16201", "host:", "host:70000"] {
            assert_eq!(errors(|settings| settings.listen = listen.to_owned()), ["push_listen"], "{listen}");
        }
        assert_eq!(errors(|settings| settings.host = Some("a,b".to_owned())), ["push_host"]);
        assert!(errors(|settings| settings.root = "/fink/lsst".to_owned()).is_empty());
    }

    #[test]
    fn a_cluster_key_has_one_port() {
        let mut settings =
            ReplicationSettings { zookeeper: vec!["a:2181".into(), "b:2181".into()], ..Default::default() };
        assert_eq!(settings.cluster_key().as_deref(), Ok("a,b:2181:/fink"));
        settings.zookeeper.push("c:2182".to_owned());
        assert!(settings.cluster_key().is_err());
    }
}
