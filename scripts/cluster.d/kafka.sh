# Kafka: brokers that are controllers as well (KRaft), SCRAM users, access denied unless allowed.
# shellcheck shell=bash

make_passwords() {
  local name
  mkdir -p -- "$DIR/secrets"
  chmod 700 -- "$DIR/secrets"
  for name in admin producer consumer; do
    [[ -s $DIR/secrets/$name.password ]] && continue
    # Letters and digits only, no line end: they need no escaping wherever they are pasted.
    head -c 64 /dev/urandom | base64 -w 0 | tr -dc 'A-Za-z0-9' | cut -c1-32 | tr -d '\n' >"$DIR/secrets/$name.password.new"
    mv -- "$DIR/secrets/$name.password.new" "$DIR/secrets/$name.password"
  done
}

broker_ids() { seq 1 "${CONF[brokers]}"; }

# 127.0.0.1:P,… of the kind of port $1: kafka, tls or certificate
broker_addresses() {
  local id list=
  for id in $(broker_ids); do list+=",127.0.0.1:$(port "$1-$id")"; done
  printf '%s' "${list#,}"
}

# Kafka's defaults for its internal topics are made for three brokers or more, those for all other topics for a single one.
replication_properties() {
  if ((CONF[brokers] > 1)); then
    printf '%s\n' default.replication.factor=3 min.insync.replicas=2
  else
    printf '%s\n' offsets.topic.replication.factor=1 transaction.state.log.replication.factor=1 transaction.state.log.min.isr=1
  fi
}

# Limits of size, time and retention are Kafka's defaults, as at most sites: what only works with larger ones must fail here.
write_kafka_conf() {
  local id voters='' admin login
  mkdir -p -- "$DIR/conf/kafka"
  cp -- "$HERE/log4j2-kafka.properties" "$DIR/conf/kafka/log4j2.properties"
  for id in $(broker_ids); do voters+=",$id@127.0.0.1:$(port "controller-$id")"; done
  admin=$(<"$DIR/secrets/admin.password")
  login="org.apache.kafka.common.security"
  for id in $(broker_ids); do
    # By printf and here-document, both of the shell: no other process sees the password. umask makes it 0600.
    cat >"$DIR/conf/kafka/server-$id.properties" <<PROPERTIES
# Written by scripts/cluster at each up.
node.id=$id
process.roles=broker,controller
controller.quorum.voters=${voters#,}
log.dirs=$DIR/kafka-$id

listeners=BROKER://127.0.0.1:$(port "kafka-$id"),CONTROLLER://127.0.0.1:$(port "controller-$id")$(tls_listeners "$id")
advertised.listeners=BROKER://127.0.0.1:$(port "kafka-$id")$(tls_listeners "$id")
listener.security.protocol.map=BROKER:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT$(tls_protocols)
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER

sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.broker.scram-sha-512.sasl.jaas.config=$login.scram.ScramLoginModule required username="admin" password="$admin";
listener.name.broker.scram-sha-256.sasl.jaas.config=$login.scram.ScramLoginModule required;
# The controllers keep the SCRAM users, so cannot ask for one before they are up: PLAIN among themselves.
sasl.mechanism.controller.protocol=PLAIN
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config=$login.plain.PlainLoginModule required username="admin" password="$admin" user_admin="$admin";
$(tls_properties "$login.scram.ScramLoginModule")

authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin

$(replication_properties)
# A misspelt topic is an error, not a new topic.
auto.create.topics.enable=false
# The default of 50 partitions each costs time at each start.
offsets.topic.num.partitions=8
transaction.state.log.num.partitions=8
# Saves each test that joins a group the 3 s in which the broker waits for further members.
group.initial.rebalance.delay.ms=0
# A broker that restarts before its first snapshot forgets users of whom one was removed (seen with 4.1.0); by default
# it makes the first one after an hour.
metadata.log.max.snapshot.interval.ms=5000
PROPERTIES
  done
}

# Becomes the JVM (so call it in a subshell): LOG COMMAND ARGUMENTS... of KafkaSetup.java.
kafka_setup() {
  local log=$1
  shift
  # Short-lived: little optimisation, little memory. The lock must not outlive this script, were it killed.
  exec {LOCK_FD}<&-
  export CLASSPATH="$DIR/conf/kafka:$KAFKA_CP"
  exec "$JAVA" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx256m -XX:-UsePerfData \
    "-Djava.io.tmpdir=$DIR/tmp" "-Dfink.log=$DIR/logs/kafka-setup.log" -Djava.net.preferIPv4Stack=true \
    KafkaSetup "$@" >"$DIR/logs/$log.out" 2>&1 </dev/null
}

# Gives each broker's directory the cluster's identity and the user admin; nothing to do the next time.
format_kafka() {
  local id configs=()
  for id in $(broker_ids); do
    [[ -f $DIR/kafka-$id/meta.properties ]] || configs+=("$DIR/conf/kafka/server-$id.properties")
  done
  ((${#configs[@]})) || return 0
  (kafka_setup kafka-format format "$DIR/secrets" "${CONF[cluster_id]}" "${configs[@]}") || {
    log_tail kafka-format
    die "could not format Kafka's storage"
  }
}

new_cluster_id() {
  local id=-
  # 16 bytes as Kafka writes them; it avoids a leading '-', and so do we
  while [[ $id == -* ]]; do id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '='); done
  printf '%s' "$id"
}

start_broker() {
  java_options "$1" "$KAFKA_HEAP"
  CLASSPATH="$DIR/conf/kafka:$KAFKA_CP" spawn "$1" "$JAVA" "${JAVA_OPTIONS[@]}" -XX:+UseSerialGC \
    kafka.Kafka "$DIR/conf/kafka/server-${1#kafka-}.properties"
}

# Waits (in a JVM of its own) until the brokers IDS answer an authenticated request; `access` also adds
# the users and their rights. That step alone can be left to another tool: nothing else depends on it.
# Runs beside wait_for, which watches the brokers' processes: started here, asked about by kafka_ready.
begin_kafka_ready() {
  (kafka_setup kafka-setup "$1" "$DIR/secrets" "$(broker_addresses kafka)" "$2" "$TIMEOUT") &
  KAFKA_SETUP=$!
  KAFKA_READY=
  trap end_kafka_setup EXIT
}

# Only as long as the shell knows it as its running job: later the id may be another process's.
end_kafka_setup() {
  [[ $(jobs -rp) != "$KAFKA_SETUP" ]] || kill "$KAFKA_SETUP" 2>/dev/null || :
}

# 0 ready, 1 not yet; ends with an error if it has given up.
kafka_ready() {
  [[ -z $KAFKA_READY ]] || return 0
  [[ $(jobs -rp) != "$KAFKA_SETUP" ]] || return 1
  wait "$KAFKA_SETUP" || {
    log_tail kafka-setup
    die "Kafka does not answer as it should"
  }
  KAFKA_READY=yes
}
