# The JDK, Maven, the class paths that Maven finds, and our own little Java classes.
# shellcheck shell=bash

have_jdk() {
  JAVA=${JAVA_HOME:+$JAVA_HOME/bin/}java
  JAVAC=${JAVA_HOME:+$JAVA_HOME/bin/}javac
  command -v "$JAVA" >/dev/null && command -v "$JAVAC" >/dev/null || return 1
  local version
  version=$("$JAVA" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
  ((${version:-0} >= 17))
}

need_jdk() { need "a JDK, 17 or newer (java and javac, in PATH or JAVA_HOME)," openjdk-17-jdk-headless have_jdk; }

need_maven() { need "Maven 3 (mvn), which gets HBase and Kafka," maven command -v mvn; }

# A file's name in the cache changes with what it was made from.
hash_of() { cat -- "$@" | sha256sum | cut -c1-16; }

class_path_file() { printf '%s' "$CACHE/$1-$(hash_of "$HERE/$1.pom.xml").classpath"; }

# Is the class path known, and is every jar still where Maven left it?
class_path_is_good() {
  local jar jars
  [[ -s $1 ]] || return 1
  IFS=: read -ra jars <"$1" || [[ ${#jars[@]} -gt 0 ]]
  for jar in "${jars[@]}"; do [[ -f $jar ]] || return 1; done
}

resolve_class_path() {
  local file=$1 kind=$2 log="$CACHE/$2.maven.log"
  say "asking Maven for $kind (the first time it downloads about 100 MB)"
  # Not in parallel with another one: Maven's local repository does not like two writers.
  if ! mvn -B -q -f "$HERE/$kind.pom.xml" dependency:build-classpath "-Dmdep.outputFile=$file.new" >"$log" 2>&1 </dev/null; then
    tail -n 15 -- "$log" >&2
    die "Maven could not resolve $HERE/$kind.pom.xml (see above; all of it in $log)"
  fi
  mv -- "$file.new" "$file"
}

# Sets HBASE_CP or KAFKA_CP: the jars, and our classes compiled against them.
need_class_path() {
  local kind=$1 file classes sources
  shift
  sources=("${@/#/$HERE/}")
  mkdir -p -- "$CACHE"
  file=$(class_path_file "$kind")
  # Two clusters may come up for the first time together.
  exec {CACHE_FD}>"$CACHE/lock"
  flock -w 900 "$CACHE_FD" || die "$CACHE/lock has been held for 15 minutes"
  if ! class_path_is_good "$file"; then
    need_maven
    resolve_class_path "$file" "$kind"
  fi
  classes="$CACHE/$kind-classes-$(hash_of "$file" "${sources[@]}")"
  if [[ ! -d $classes ]]; then
    rm -rf -- "$classes.new"
    CLASSPATH=$(<"$file") "$JAVAC" -nowarn -XDignore.symbol.file -d "$classes.new" "${sources[@]}" >&2 || die "could not compile $*"
    mv -- "$classes.new" "$classes"
  fi
  exec {CACHE_FD}>&-
  printf -v "${kind^^}_CP" '%s:%s' "$classes" "$(<"$file")"
}

# As daemons, all parts: no performance file in /tmp, temporary files in D, errors of the JVM beside the logs.
# The log4j configuration is found on the class path, where no file name needs escaping.
java_options() {
  JAVA_OPTIONS=(
    "-Xmx$2" -XX:+ExitOnOutOfMemoryError -XX:-UsePerfData
    "-Djava.io.tmpdir=$DIR/tmp" "-XX:ErrorFile=$DIR/logs/$1.crash" "-Dfink.log=$DIR/logs/$1.log"
    -Djava.net.preferIPv4Stack=true -Djava.awt.headless=true -Dlog4j2.formatMsgNoLookups=true
  )
}
