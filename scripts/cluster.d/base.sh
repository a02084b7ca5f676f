# Messages, the lock, settings that outlast the cluster, and processes distinguished from later ones with the same id.
# shellcheck shell=bash

die() { printf 'cluster: error: %s\n' "$*" >&2; exit 1; }
usage_error() { printf 'cluster: error: %s\n' "$*" >&2; exit 2; }

# ---- the directory ----

# What is in it ends up in Java properties, XML, class paths and TOML: refuse what one of them would misread.
check_dir_name() {
  [[ $DIR != / && $DIR != *[:,\;\\\"\'\<\>\&\$%\#*?]* && $DIR != *$'\n'* ]] ||
    usage_error "--dir '$DIR': the path must not hold any of : , ; \\ \" ' < > & \$ % # * ?"
}

is_cluster_dir() { [[ -f $DIR/cluster.conf ]]; }

need_cluster() {
  is_cluster_dir || die "no cluster in '$DIR': start one with '$PROGRAM up --dir $DIR'"
}

make_dir() {
  if [[ -e $DIR ]] && ! is_cluster_dir; then
    [[ -d $DIR ]] || usage_error "--dir '$DIR' is not a directory"
    # The directory may be deleted later on; so it must be ours from the beginning.
    [[ -z $(ls -A -- "$DIR") ]] || usage_error "--dir '$DIR' exists, is not empty and holds no cluster: name another one"
  fi
  mkdir -p -- "$DIR" || die "cannot create '$DIR'"
  DIR=$(cd -- "$DIR" && pwd -P)
}

# One command at a time changes a cluster. The lock is on the directory itself: no file to leave behind.
lock() {
  local waited=
  while :; do
    [[ -d $DIR ]] || die "the cluster in '$DIR' has been removed"
    exec {LOCK_FD}<"$DIR"
    if ! flock -n "$LOCK_FD"; then
      [[ -n $waited ]] || say "another command is at work on $DIR: waiting for it"
      waited=yes
      flock -w "$LOCK_TIMEOUT" "$LOCK_FD" ||
        die "another command has been at work on $DIR for $LOCK_TIMEOUT s: try again later"
    fi
    # Somebody may have removed the directory, and another have made a new one, while we waited.
    [[ $DIR -ef /proc/$$/fd/$LOCK_FD ]] && return
    exec {LOCK_FD}<&-
  done
}

unlock() { exec {LOCK_FD}<&-; LOCK_FD=; }

# ---- settings: chosen once, kept in D/cluster.conf ----

declare -A CONF=()

load_conf() {
  local key value
  CONF=()
  is_cluster_dir || return 0
  while IFS='=' read -r key value; do
    [[ -z $key || $key == \#* ]] || CONF[$key]=$value
  done <"$DIR/cluster.conf"
}

save_conf() {
  local key
  {
    echo "# Written by scripts/cluster, which reads it again: change it by the options of '$PROGRAM up'."
    for key in "${!CONF[@]}"; do printf '%s=%s\n' "$key" "${CONF[$key]}"; done | sort
  } >"$DIR/cluster.conf.new"
  mv -- "$DIR/cluster.conf.new" "$DIR/cluster.conf"
}

# ---- processes ----

# When process $1 started (in clock ticks since boot); nothing if it is gone or a zombie. With its id it names a
# process for good, while the id alone may by now belong to another process.
process_start() {
  local stat fields
  # (not by $(<file): where the file is missing, some versions of bash then leave the script)
  { mapfile -t stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  ((${#stat[@]})) || return 1
  # The second field is the command's name, in parentheses, and may hold anything: begin after the last ')'.
  read -ra fields <<<"${stat[-1]##*)}"
  [[ ${fields[0]} != [ZX] ]] || return 1
  printf '%s' "${fields[19]}"
}

boot_id() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown; }

# Starts a command as a daemon and notes it as NAME's process.
# It gets none of our descriptors: neither the lock nor a pipe whose reader would wait for its end.
spawn() {
  local name=$1 pid start
  shift
  (
    cd -- "$DIR"
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      ((fd <= 2 || fd == 255)) || eval "exec $fd>&-"
    done
    exec setsid "$@"
  ) >"$DIR/logs/$name.out" 2>&1 </dev/null &
  pid=$!
  disown "$pid"
  start=$(process_start "$pid") || start=gone
  printf '%s %s %s\n' "$pid" "$start" "$(boot_id)" >"$DIR/run/$name.pid"
}

# The id of NAME's process, if that very process is alive.
pid_of() {
  local pid start boot
  { read -r pid start boot <"$DIR/run/$1.pid"; } 2>/dev/null || return 1
  [[ $boot == "$(boot_id)" && $(process_start "$pid") == "$start" ]] || return 1
  printf '%s' "$pid"
}

# Should NAME run? (It was started and not stopped; pid_of says whether it does.)
was_started() { [[ -f $DIR/run/$1.pid ]]; }

# Waits until NAME has gone; false if it is still there after $2 seconds.
wait_gone() {
  local deadline=$((SECONDS + $2))
  while pid_of "$1" >/dev/null; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

log_tail() {
  local file
  for file in "$DIR/logs/$1.out" "$DIR/logs/$1.log"; do
    [[ -s $file ]] || continue
    printf '%s\n' "--- the end of $file" >&2
    tail -n 15 -- "$file" >&2
  done
}
