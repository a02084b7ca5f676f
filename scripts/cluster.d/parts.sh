# Starting, waiting for and stopping the parts, and the watchdog.
# shellcheck shell=bash

parts() {
  local id
  hbase_parts
  printf '%s\n' thrift2-1 thrift2-2 thrift1
  for id in $(broker_ids); do echo "kafka-$id"; done
}

check_part() {
  # (not grep -q: it may leave before all is written, and the pipe's writer then counts as failed)
  parts | grep -xF -- "$1" >/dev/null || usage_error "no part '$1': there are $(parts | paste -sd ' ')"
}

start_part() {
  check_ports_free "$1"
  rm -f -- "$DIR/logs/$1.out" "$DIR/run/$1.ready"
  case $1 in
    hbase) start_hbase ;;
    zookeeper) start_zookeeper ;;
    hbase-master) start_master ;;
    regionserver-*) start_region_server "$1" ;;
    thrift*) start_gateway "$1" ;;
    kafka-*) start_broker "$1" ;;
  esac
}

part_is_ready() {
  : >"$DIR/run/$1.ready"
  say "$1 is up after $((SECONDS - BEGAN)) s"
}

# Waits for the named parts together, until each answers.
wait_for() {
  local deadline=$((SECONDS + TIMEOUT)) part waiting=("$@") still
  while ((${#waiting[@]})); do
    still=()
    for part in "${waiting[@]}"; do
      # First the process: what it has left in its log is the better message.
      if ! pid_of "$part" >/dev/null; then
        log_tail "$part"
        die "$part has ended while starting (see above)"
      fi
      case $part in
        hbase) hbase_answers ;;
        zookeeper) port_in_use "$(port zookeeper)" ;;
        hbase-master) master_answers "$part" ;;
        regionserver-*) region_server_answers "$part" ;;
        thrift*)
          # A call before HBase is there would be retried for longer than HBase needs. (It comes first in the list.)
          ! are_hbase_servers_among "${still[@]}" && gateway_answers "$part" ;;
        kafka-*) kafka_ready ;;
      esac && part_is_ready "$part" || still+=("$part")
    done
    waiting=("${still[@]}")
    ((${#waiting[@]})) || break
    if ((SECONDS >= deadline)); then
      log_tail "${waiting[0]}"
      die "${waiting[*]}: no answer within $TIMEOUT s (--timeout); above, the log's end of ${waiting[0]}"
    fi
    sleep 0.2
  done
}

signal_part() {
  local pid
  pid=$(pid_of "$2") || return 0
  kill "-$1" "$pid" 2>/dev/null || :
}

# Stops the named parts together, gently; $KILL=yes: at once, as a crash would.
stop_parts() {
  local part grace signal=TERM
  [[ -z $KILL ]] || signal=KILL
  for part in "$@"; do signal_part "$signal" "$part"; done
  for part in "$@"; do
    grace=30
    # closes its regions, which writes out what is in memory
    [[ $part != hbase && $part != regionserver-* ]] || grace=180
    if ! wait_gone "$part" "$grace"; then
      say "$part has not ended within $grace s: killing it"
      signal_part KILL "$part"
      wait_gone "$part" 20 || die "$part (process $(pid_of "$part")) cannot be killed"
    fi
    wait_for_free_ports "$part"
    rm -f -- "$DIR/run/$part.pid" "$DIR/run/$part.ready"
  done
}

# A process that was killed may have some threads, and their ports, for a moment after it counts as gone.
wait_for_free_ports() {
  local name try
  for name in $(ports_of "$1"); do
    for ((try = 0; try < 100; try++)); do
      port_in_use "$(port "$name")" || break
      sleep 0.1
    done
  done
}

# Which of all parts are not running?
missing_parts() {
  local part
  for part in $(parts); do pid_of "$part" >/dev/null || printf '%s\n' "$part"; done
}

# Which run without ever having answered? (Whoever started them did not wait, or could not.)
unready_parts() {
  local part
  for part in $(parts); do [[ -f $DIR/run/$part.ready ]] || printf '%s\n' "$part"; done
}

running_parts() {
  local part
  for part in $(parts); do ! pid_of "$part" >/dev/null || printf '%s\n' "$part"; done
}

# ---- the watchdog ----

start_watchdog() {
  local owner=$1 start
  start=$(process_start "$owner") || usage_error "--owner-pid $owner: no such process"
  stop_watchdog
  spawn watchdog "$BASH" "$SCRIPT" watch "$owner" "$start" --dir "$DIR"
}

stop_watchdog() {
  # not from within: it is the watchdog itself that runs `down` in the end
  [[ -z ${WATCHDOG:-} ]] || return 0
  signal_part TERM watchdog
  rm -f -- "$DIR/run/watchdog.pid"
}

# What the watchdog does: waits for its owner's end, or the cluster's.
watch_owner() {
  local owner=$1 start=$2
  while [[ $(process_start "$owner") == "$start" ]]; do
    sleep 1
    is_cluster_dir || exit 0
  done
  say "process $owner, the owner of this cluster, has gone"
  WATCHDOG=$$
  cmd_down
  rm -f -- "$DIR/run/watchdog.pid"
}
