# What soak and outages share: the servers, the program and Python.
# shellcheck shell=bash disable=SC2154

# run_drill NAME BROKERS: runs drill.d/NAME.py on $cluster, or on servers with so many brokers, with $fink and "${arguments[@]}".
run_drill() {
  local starting='' folder code=1
  [[ -z $cluster || -r $cluster/cluster.env ]] || { say "no cluster in $cluster: run scripts/cluster up --dir $cluster"; exit 2; }
  # It has confluent-kafka, fastavro and prometheus_client.
  need_python test-venv 'fink-client==12.3.0' 'prometheus-client==0.26.0'
  need_promtool || say "there is no promtool: the metrics are checked by prometheus_client only"
  export PROMTOOL
  folder=$(mktemp -d "${TMPDIR:-/tmp}/fink-$1.XXXXXX")
  # shellcheck disable=SC2064
  trap "finish_drill '$folder'" EXIT
  if [[ -z $cluster ]]; then
    cluster=$folder/cluster
    say "starting Kafka and HBase in $folder"
    scripts/cluster up --dir "$cluster" --brokers "$2" --ports auto --owner-pid $$ --ephemeral >"$folder/up.log" 2>&1 &
    starting=$!
  fi
  if [[ -z $fink ]]; then
    need_build_tools
    use_cached_target
    say "building fink"
    cargo build -q --release --locked --bin fink
    fink=$CARGO_TARGET_DIR/release/fink
  fi
  if [[ -n $starting ]]; then
    wait "$starting" || { cat "$folder/up.log" >&2; die "the servers did not start"; }
  fi
  "$PYTHON" "scripts/dev/drill.d/$1.py" --cluster "$cluster" --folder "$folder" --fink "$fink" "${arguments[@]}" && code=0
  DRILL_DONE=$code
  return "$code"
}

finish_drill() {
  [[ ! -d $1/cluster ]] || scripts/cluster down --dir "$1/cluster" >"$1/down.log" 2>&1 || cat "$1/down.log" >&2
  if [[ ${DRILL_DONE:-1} == 0 ]]; then rm -rf -- "$1"; else say "the logs are kept: $1/logs"; fi
}
