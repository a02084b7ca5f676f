# HBase in local mode (ZooKeeper, master and region server in one JVM) or with several region servers (a JVM each), and its Thrift gateways.
# shellcheck shell=bash

region_servers() { printf '%s' "${CONF[region_servers]:-1}"; }

has_several_region_servers() { (($(region_servers) > 1)); }

region_server_parts() { seq -f 'regionserver-%g' 1 "$(region_servers)"; }

# The parts that are HBase itself.
hbase_parts() {
  if has_several_region_servers; then
    printf '%s\n' zookeeper hbase-master
    region_server_parts
  else
    echo hbase
  fi
}

is_hbase_server() { [[ $1 == hbase || $1 == zookeeper || $1 == hbase-master || $1 == regionserver-* ]]; }

are_hbase_servers_among() {
  local part
  for part in "$@"; do ! is_hbase_server "$part" || return 0; done
  return 1
}

# The name of the port of region server part $1.
region_server_port() {
  if [[ $1 == regionserver-1 ]]; then echo hbase-regionserver; else echo "hbase-$1"; fi
}

# 127.0.0.1:P,… of the master and of all region servers
hbase_addresses() {
  local id
  printf '127.0.0.1:%s' "$(port hbase-master)"
  for id in $(region_server_parts); do printf ',127.0.0.1:%s' "$(port "$(region_server_port "$id")")"; done
}

property() { printf '  <property><name>%s</name><value>%s</value></property>\n' "$1" "$2"; }

write_hbase_conf() {
  mkdir -p -- "$DIR/conf/hbase"
  cp -- "$HERE/log4j2-hbase.properties" "$DIR/conf/hbase/log4j2.properties"
  {
    printf '<?xml version="1.0"?>\n<!-- Written by scripts/cluster at each up. -->\n<configuration>\n'
    if has_several_region_servers; then
      property hbase.cluster.distributed true
      # A region server that does not answer for so long is dead to the master, and ends when it notices (90 s by default).
      property zookeeper.session.timeout 20000
    else
      property hbase.cluster.distributed false
      # There is one region server and it is here: no waiting for others.
      property hbase.master.wait.on.regionservers.maxtostart 1
      # A busy small machine may stop for longer than the 10 s of local mode; a lost session ends the server.
      property zookeeper.session.timeout.localHBaseCluster 90000
    fi
    property hbase.rootdir "file://$DIR/hbase/root"
    property hbase.tmp.dir "$DIR/tmp/hbase"
    property hbase.wal.provider filesystem
    # Synced writes survive the end of the process: see HBaseFileSystem.java. The check would only ask for HDFS.
    property fs.file.impl HBaseFileSystem
    property hbase.unsafe.stream.capability.enforce false

    # 127.0.0.1 only
    property hbase.zookeeper.quorum 127.0.0.1
    property hbase.zookeeper.property.clientPort "$(port zookeeper)"
    property hbase.zookeeper.property.clientPortAddress 127.0.0.1
    property hbase.zookeeper.property.dataDir "$DIR/hbase/zookeeper"
    local server
    for server in master regionserver; do
      property "hbase.$server.ipc.address" 127.0.0.1
      property "hbase.$server.hostname" localhost
      property "hbase.$server.port" "$(port "hbase-$server")"
      property "hbase.$server.info.port" -1
    done
    property hbase.regionserver.thrift.ipaddress 127.0.0.1

    property hbase.master.wait.on.regionservers.mintostart 1
    # Each memstore with a cell keeps a chunk. Those of 2 MB, the default, are humongous objects to G1 and take 4 MB of the heap each:
    # the families and regions of a hundred small tables fill it.
    property hbase.hregion.memstore.mslab.chunksize 262144
    property hbase.hregion.memstore.mslab.max.allocation 65536
    # Start and stop proceed in steps of this turn of the region server (3 s by default).
    property hbase.regionserver.msginterval 300
    property hbase.zookeeper.property.tickTime 5000

    # Replication without its pauses of seconds: a source that has sent everything looks again after 10 to 50 ms. The second setting
    # also limits how often a source may fail before the region server ends itself, which the third forbids.
    property replication.source.sleepforretries 10
    property replication.source.maxretriesmultiplier 5
    property replication.source.regionserver.abort false

    hbase_tls_properties

    # The gateways. A worker thread serves one connection, and connection 17 of the default 16 would just hang.
    property hbase.thrift.minWorkerThreads 64
    local setting
    for setting in ${FINK_CLUSTER_HBASE_PROPERTIES:-}; do property "${setting%%=*}" "${setting#*=}"; done
    printf '</configuration>\n'
  } >"$DIR/conf/hbase/hbase-site.xml"
}

# Hadoop and HBase reach into the JDK where JDK 17 has closed the doors.
hbase_jvm_options() {
  local package
  HBASE_JVM=(-Dorg.apache.hbase.thirdparty.io.netty.tryReflectionSetAccessible=true --add-modules jdk.unsupported)
  for package in java.io java.nio sun.nio.ch java.lang jdk.internal.ref java.lang.reflect java.util java.util.concurrent; do
    HBASE_JVM+=(--add-opens "java.base/$package=ALL-UNNAMED")
  done
  for package in jdk.internal.misc sun.net.dns sun.net.util; do
    HBASE_JVM+=(--add-exports "java.base/$package=ALL-UNNAMED")
  done
  HBASE_JVM+=(--add-exports java.security.jgss/sun.security.krb5=ALL-UNNAMED)
}

# The class path goes by the environment: on the command line it would bury the rest of `ps`.
spawn_hbase_class() {
  local part=$1 heap=$2
  shift 2
  hbase_jvm_options
  java_options "$part" "$heap"
  CLASSPATH="$DIR/conf/hbase:$HBASE_CP" spawn "$part" "$JAVA" "${JAVA_OPTIONS[@]}" "${HBASE_JVM[@]}" "$@"
}

start_hbase() {
  spawn_hbase_class hbase "$HBASE_HEAP" HBaseMaster
}

start_zookeeper() {
  spawn_hbase_class zookeeper 128m -XX:+UseSerialGC -Dzookeeper.admin.enableServer=false \
    org.apache.hadoop.hbase.zookeeper.HQuorumPeer start
}

start_master() {
  spawn_hbase_class hbase-master 512m -XX:+UseSerialGC org.apache.hadoop.hbase.master.HMaster start
}

# The port is all in which region servers differ.
start_region_server() {
  spawn_hbase_class "$1" "$REGION_SERVER_HEAP" -XX:+UseSerialGC org.apache.hadoop.hbase.regionserver.HRegionServer \
    -D "hbase.regionserver.port=$(port "$(region_server_port "$1")")" start
}

start_gateway() {
  local class=thrift2
  [[ $1 != thrift1 ]] || class=thrift
  spawn_hbase_class "$1" "$THRIFT_HEAP" -XX:+UseSerialGC "org.apache.hadoop.hbase.$class.ThriftServer" \
    -b 127.0.0.1 -p "$(port "$1")" --infoport -1 start
}

# Regions are assigned and served. The master says so in its log; its port is open long before.
hbase_answers() { master_answers hbase && port_in_use "$(port hbase-regionserver)"; }

# $1: the part whose process is the master
master_answers() { has_logged "$1" "Master has completed initialization"; }

region_server_answers() { has_logged "$1" "Serving as localhost" && port_in_use "$(port "$(region_server_port "$1")")"; }

# Has the process of part $1 written $2 to its log?
has_logged() {
  local pid
  pid=$(pid_of "$1") || return 1
  grep -qs "\[$pid\] .*$2" "$DIR/logs/$1.log" "$DIR/logs/$1.log.1"
}

# A call in Thrift's binary protocol: PORT METHOD ARGUMENTS, the last as an escaped struct without its end.
# True if the gateway answers with a result rather than an exception.
thrift_call() {
  local reply skip=$((4 + 4 + ${#2} + 4)) length
  printf -v length '\\x%02x' "${#2}"
  reply=$(
    exec 2>/dev/null {fd}<>"/dev/tcp/127.0.0.1/$1" || exit 1
    printf "\x80\x01\x00\x01\x00\x00\x00$length$2\x00\x00\x00\x01$3\x00" >&"$fd"
    timeout 20 head -c $((skip + 3)) <&"$fd" | od -An -v -tx1 | tr -d ' \n'
  ) || return 1
  # version 1, reply; the result is field 0, exceptions have other numbers
  [[ $reply == 80010002* && ${reply:$((2 * skip + 2)):4} == 0000 ]]
}

# Gateways answer once they reach the master (both), and a region server (Thrift 2: does hbase:meta have row "fink"?).
gateway_answers() {
  local port
  port=$(port "$1")
  port_in_use "$port" || return 1
  if [[ $1 == thrift1 ]]; then
    thrift_call "$port" getTableNames ''
  else
    thrift_call "$port" listNamespaceDescriptors '' &&
      thrift_call "$port" exists '\x0b\x00\x01\x00\x00\x00\x0ahbase:meta\x0c\x00\x02\x0b\x00\x01\x00\x00\x00\x04fink\x00'
  fi
}
