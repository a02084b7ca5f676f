# Which ports the parts listen on: fixed defaults, options, or free ones found and kept.
# shellcheck shell=bash

# NAME=default. All below 32768, so that no outgoing connection of the machine holds one by chance.
PORT_DEFAULTS=(
  zookeeper=2181 hbase-master=16000 hbase-regionserver=16020 hbase-regionserver-2=16022 hbase-regionserver-3=16023
  thrift2-1=9090 thrift2-2=9091 thrift1=9190
  kafka-1=9093 kafka-2=9094 kafka-3=9095
  controller-1=9193 controller-2=9194 controller-3=9195
  tls-1=9293 tls-2=9294 tls-3=9295 certificate-1=9393 certificate-2=9394 certificate-3=9395
)
declare -A PORT_OPTION=() # what the command line said

port_names() {
  local entry name
  for entry in "${PORT_DEFAULTS[@]}"; do
    name=${entry%%=*}
    [[ $name =~ ^(kafka|controller|tls|certificate)-([0-9])$ ]] && ((BASH_REMATCH[2] > CONF[brokers])) && continue
    [[ $name =~ ^hbase-regionserver-([0-9])$ ]] && ((BASH_REMATCH[1] > $(region_servers))) && continue
    [[ $name == tls-* || $name == certificate-* ]] && ! has_tls && continue
    printf '%s\n' "$name"
  done
}

default_port() {
  local entry
  for entry in "${PORT_DEFAULTS[@]}"; do [[ ${entry%%=*} != "$1" ]] || printf '%s' "${entry#*=}"; done
}

port() { printf '%s' "${CONF[port.$1]}"; }

# --NAME-port PORT; the first of several may be called without its number.
port_option() {
  local name=${1#--}
  name=${name%-port}
  [[ $name == thrift2 || $name == kafka || $name == controller || $name == tls || $name == certificate ]] && name+=-1
  [[ -n $(default_port "$name") ]] || usage_error "unknown option $1 (see --help)"
  [[ $2 =~ ^[0-9]{1,5}$ ]] && ((10#$2 > 0 && 10#$2 < 65536)) || usage_error "$1: '$2' is not a port"
  PORT_OPTION[$name]=$((10#$2))
}

# Does anybody listen on port $1, on whatever address? Read from /proc: it works without ss or netstat.
port_in_use() {
  local hex
  printf -v hex ':%04X' "$1"
  awk -v hex="$hex" '$4 == "0A" && substr($2, length($2) - 4) == hex { found = 1 } END { exit !found }' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# Who listens there, as far as we may know: "… (pid 123, java)".
port_holder() {
  command -v ss >/dev/null || return 0
  ss -ltnpH "sport = :$1" 2>/dev/null | sed -n '1s/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/ (by \1, process \2)/p'
}

# Ports found for clusters of this user that have not come up yet, or are down for now, are taken as well:
# $CACHE/ports/PORT names the cluster's directory.
reserved_by_other() {
  local owner
  { read -r owner <"$CACHE/ports/$1"; } 2>/dev/null || return 1
  [[ $owner != "$DIR" ]] && grep -qs -x "port\..*=$1" "$owner/cluster.conf"
}

find_free_port() {
  local try candidate
  for ((try = 0; try < 500; try++)); do
    candidate=$((20000 + (RANDOM % 100) * 100 + RANDOM % 100))
    [[ " ${CONF[*]} " == *" $candidate "* ]] && continue
    port_in_use "$candidate" && continue
    reserved_by_other "$candidate" && continue
    FREE_PORT=$candidate
    return
  done
  die "found no free port between 20000 and 29999"
}

# Settles every port: the option, else what this cluster had, else a free one or the default.
choose_ports() {
  local name wanted
  mkdir -p -- "$CACHE/ports"
  exec {PORTS_FD}>"$CACHE/ports/lock"
  flock -w 60 "$PORTS_FD" || die "$CACHE/ports/lock has been held for a minute"
  for name in $(port_names); do
    wanted=${CONF[port.$name]:-}
    case $PORTS in
      default) wanted=$(default_port "$name") ;;
      auto) [[ ${CONF[ports]:-} == auto ]] || wanted= ;;
    esac
    wanted=${PORT_OPTION[$name]:-$wanted}
    [[ -n $wanted || ${PORTS:-default} == auto ]] || wanted=$(default_port "$name")
    if [[ -z $wanted ]]; then
      find_free_port
      wanted=$FREE_PORT
    fi
    if [[ $wanted != "${CONF[port.$name]:-}" ]]; then
      part_users "$name" | while read -r part; do
        pid_of "$part" >/dev/null && exit 1 || :
      done || die "$name listens on port ${CONF[port.$name]}; run '$PROGRAM down' before it can move to $wanted"
      CONF[port.$name]=$wanted
    fi
    printf '%s\n' "$DIR" >"$CACHE/ports/$wanted"
  done
  [[ -z $PORTS ]] || CONF[ports]=$PORTS
  check_ports_differ
  save_conf
  exec {PORTS_FD}>&-
}

check_ports_differ() {
  local name
  local -A seen=()
  for name in $(port_names); do
    [[ -z ${seen[$(port "$name")]:-} ]] ||
      usage_error "port $(port "$name") is given to both ${seen[$(port "$name")]} and $name: change one with --$name-port"
    seen[$(port "$name")]=$name
  done
}

# The parts that have port NAME in their configuration.
part_users() {
  case $1 in
    zookeeper) parts | grep -v '^kafka' ;;
    hbase-*)
      if ! has_several_region_servers; then
        echo hbase
      elif [[ $1 == hbase-master ]]; then
        echo hbase-master
      else
        region_server_parts | while read -r part; do [[ $(region_server_port "$part") != "$1" ]] || echo "$part"; done
      fi
      ;;
    controller-*) parts | grep '^kafka' ;;
    tls-* | certificate-*) echo "kafka-${1#*-}" ;;
    *) echo "$1" ;;
  esac
}

# The ports that PART listens on.
ports_of() {
  case $1 in
    hbase) echo zookeeper hbase-master hbase-regionserver ;;
    regionserver-*) region_server_port "$1" ;;
    kafka-*)
      echo "$1" "controller-${1#kafka-}"
      ! has_tls || echo "tls-${1#kafka-}" "certificate-${1#kafka-}"
      ;;
    *) echo "$1" ;;
  esac
}

# Before a part starts: a clear word now, not a stack trace in its log later.
check_ports_free() {
  local name
  for name in $(ports_of "$1"); do
    ! port_in_use "$(port "$name")" ||
      die "port $(port "$name"), which $1 needs, is already in use$(port_holder "$(port "$name")"): end that process, or choose another port with 'up --$name-port PORT' (or free ones for all with 'up --ports auto')"
  done
}
