# What the cluster tells: its status, its variables, a configuration for fink.
# shellcheck shell=bash

# running: the process lives and its port is open; silent: it lives, the port is not open (yet);
# died: it should run and does not; stopped: it should not run.
part_state() {
  local name
  if pid_of "$1" >/dev/null; then
    for name in $(ports_of "$1"); do
      port_in_use "$(port "$name")" || { echo silent && return; }
    done
    echo running
  elif was_started "$1"; then
    echo died
  else
    echo stopped
  fi
}

status_rows() {
  local part name ports
  for part in $(parts); do
    ports=
    for name in $(ports_of "$part"); do ports+=",$(port "$name")"; done
    printf '%s\t%s\t%s\t%s\t%s\n' "$part" "$(part_state "$part")" "$(pid_of "$part" || echo -)" "${ports#,}" "$DIR/logs/$part.log"
  done
}

json_string() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

print_status() {
  local part state pid ports log rows separator='' failed=0
  rows=$(status_rows)
  [[ $FORMAT != json ]] || printf '{"dir":%s,"brokers":%s,"region_servers":%s,"parts":[' "$(json_string "$DIR")" "${CONF[brokers]}" "$(region_servers)"
  [[ $FORMAT != table ]] || printf '%-14s %-8s %8s  %-18s %s\n' PART STATE PID PORTS LOG
  while IFS=$'\t' read -r part state pid ports log; do
    [[ $state == running || $state == stopped ]] || failed=1
    if [[ $FORMAT == json ]]; then
      printf '%s{"part":"%s","state":"%s","pid":%s,"port":%s,"ports":[%s],"log":%s}' "$separator" "$part" "$state" \
        "${pid/#-/null}" "$(main_port "$part")" "$ports" "$(json_string "$log")"
      separator=,
    else
      printf '%-14s %-8s %8s  %-18s %s\n' "$part" "$state" "$pid" "$ports" "$log"
    fi
  done <<<"$rows"
  if [[ $FORMAT == json ]]; then
    printf ']%s}\n' "$(! has_tls || tls_json)"
  elif has_tls; then
    printf '\nTLS: in [kafka] of the configuration, with username and password_file,\n%s\nor with a certificate in their place\n%s\n' \
      "$(tls_settings | sed 's/^/  /')" "$(certificate_settings | sed 's/^/  /')"
  fi
  return "$failed"
}

tls_json() {
  printf ',"tls":{"bootstrap_servers":"%s","certificate_bootstrap_servers":"%s","ssl_ca":%s,"ssl_certificate":%s,"ssl_key":%s}' \
    "$(broker_addresses tls)" "$(broker_addresses certificate)" "$(json_string "$DIR/tls/ca.pem")" \
    "$(json_string "$DIR/tls/producer.pem")" "$(json_string "$DIR/tls/producer.key")"
}

# The one that clients connect to.
main_port() {
  case $1 in
    hbase) port zookeeper ;;
    regionserver-*) port "$(region_server_port "$1")" ;;
    *) port "$1" ;;
  esac
}

variables() {
  local root="$DIR/secrets"
  printf '%s=%s\n' \
    FINK_CLUSTER_DIR "$DIR" \
    FINK_TEST_CONFIG "$DIR/fink.toml" \
    FINK_TEST_CATALOG "$DIR/catalog.json" \
    FINK_TEST_HBASE "$(hbase_addresses)" \
    FINK_TEST_THRIFT2 "127.0.0.1:$(port thrift2-1),127.0.0.1:$(port thrift2-2)" \
    FINK_TEST_THRIFT1 "127.0.0.1:$(port thrift1)" \
    FINK_TEST_ZOOKEEPER "127.0.0.1:$(port zookeeper)" \
    FINK_TEST_BROKERS "${CONF[brokers]}" \
    FINK_TEST_HBASE_CLASSPATH "$(class_path_file hbase)" \
    FINK_TEST_KAFKA_CLASSPATH "$(class_path_file kafka)" \
    FINK_TEST_BOOTSTRAP "$(broker_addresses kafka)" \
    FINK_TEST_SECURITY_PROTOCOL sasl_plaintext \
    FINK_TEST_SASL_MECHANISM SCRAM-SHA-512 \
    FINK_TEST_ADMIN_USER admin \
    FINK_TEST_ADMIN_PASSWORD_FILE "$root/admin.password" \
    FINK_TEST_PRODUCER_USER finkProducer \
    FINK_TEST_PRODUCER_PASSWORD_FILE "$root/producer.password" \
    FINK_TEST_CONSUMER_USER finkConsumer \
    FINK_TEST_CONSUMER_PASSWORD_FILE "$root/consumer.password"
  tls_variables
}

# For a shell: eval "$(scripts/cluster env)".
print_env() {
  local key value
  while IFS='=' read -r key value; do printf "export %s='%s'\n" "$key" "$value"; done < <(variables)
}

# For programs: everything after the first '=' is the value, without quotes.
write_cluster_env() { variables >"$DIR/cluster.env"; }

# For the producer, and for those who only read.
write_fink_toml() {
  fink_toml fink finkProducer producer plain_settings
  fink_toml consumer finkConsumer consumer plain_settings
  if has_tls; then
    fink_toml fink-tls finkProducer producer tls_settings
    fink_toml consumer-tls finkConsumer consumer tls_settings
  fi
}

plain_settings() { printf 'bootstrap_servers = "%s"\nsecurity_protocol = "sasl_plaintext"\n' "$(broker_addresses kafka)"; }

# NAME USER PASSWORD SETTINGS: NAME.toml; SETTINGS prints how the brokers are reached.
fink_toml() { print_fink_toml "$@" >"$DIR/$1.toml"; }

print_fink_toml() {
  cat <<TOML
# For this cluster, written by scripts/cluster at each up: copy it before you change it.
# $(case $1 in
    fink*) echo "fink -c '$DIR/$1.toml' start distribution" ;;
    consumer*) echo "fink -c '$DIR/$1.toml' start distribution_test --from earliest" ;;
  esac)

[science_db]
kind = "hbase"
address = "$(hbase_addresses)"
catalog = "$DIR/catalog.json"  # 'fink ingest' writes it

[kafka]
$("$4")
sasl_mechanism = "SCRAM-SHA-512"
username = "$2"
password_file = "$DIR/secrets/$3.password"
TOML
  [[ $1 == consumer* ]] || cat <<TOML

[kafka.admin]
username = "admin"
password_file = "$DIR/secrets/admin.password"
TOML
  cat <<TOML

[distribution]
name = "fink"
offset_file = "$DIR/distribution.offset"

[[stream]]
name = "full"
topic = "fink_outstream"
partitions = 4
encoding = "datum"
key = "schema"
TOML
}
