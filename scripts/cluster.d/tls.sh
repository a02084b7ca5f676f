# TLS: an authority of the cluster's own, a certificate for its brokers, and one for each user.
# shellcheck shell=bash

has_tls() { [[ ${CONF[tls]:-} == yes ]]; }

# Users of the brokers' configuration and of `access`, by the name of their files.
TLS_USERS=(admin=admin producer=finkProducer consumer=finkConsumer)

# Permanent: clients that are configured for TLS find it at every later up.
settle_tls() {
  [[ -n $TLS ]] && ! has_tls || return 0
  local part
  for part in $(parts); do
    [[ $part != kafka-* ]] && ! is_hbase_server "$part" || ! pid_of "$part" >/dev/null ||
      usage_error "the servers in '$DIR' run without TLS: run '$PROGRAM down --dir $DIR' first, then up with --tls"
  done
  need "openssl" openssl openssl version
  CONF[tls]=yes
}

# All at once or not at all: an authority without its certificates would be of no use later.
make_certificates() {
  has_tls && [[ ! -d $DIR/tls ]] || return 0
  local new=$DIR/tls.new user
  need "openssl" openssl openssl version
  rm -rf -- "$new"
  mkdir -p -- "$new"
  cat >"$new/openssl.cnf" <<'CNF'
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[broker]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[user]
basicConstraints = CA:FALSE
extendedKeyUsage = clientAuth
CNF
  {
    openssl req -x509 -config "$new/openssl.cnf" -extensions authority -days 3650 -subj "/CN=fink test cluster" \
      -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -keyout "$new/ca.key" -out "$new/ca.pem" &&
      certify "$new" broker localhost broker &&
      for user in "${TLS_USERS[@]}"; do certify "$new" "${user%%=*}" "${user#*=}" user || return; done &&
      # Kafka wants key and certificate in one file.
      cat -- "$new/broker.key" "$new/broker.pem" >"$new/broker.keystore.pem"
  } >"$DIR/logs/tls.out" 2>&1 || {
    log_tail tls
    die "openssl could not make the certificates"
  }
  rm -f -- "$new"/*.csr "$new/broker.key" "$new/broker.pem"
  mv -- "$new" "$DIR/tls"
}

# FOLDER FILE NAME KIND: a key, and the authority's certificate that it is NAME's. umask keeps the keys to their owner.
certify() {
  openssl req -new -config "$1/openssl.cnf" -subj "/CN=$3" -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc \
    -keyout "$1/$2.key" -out "$1/$2.csr" &&
    openssl x509 -req -in "$1/$2.csr" -CA "$1/ca.pem" -CAkey "$1/ca.key" -CAcreateserial -days 3650 \
      -extfile "$1/openssl.cnf" -extensions "$4" -out "$1/$2.pem"
}

# The listeners of broker $1 beside the plain one: a login over TLS, and a certificate in the place of a login.
tls_listeners() {
  ! has_tls || printf ',TLS://127.0.0.1:%s,CERTIFICATE://127.0.0.1:%s' "$(port "tls-$1")" "$(port "certificate-$1")"
}

tls_protocols() { ! has_tls || printf ',TLS:SASL_SSL,CERTIFICATE:SSL'; }

# $1: the module of SCRAM logins
tls_properties() {
  has_tls || return 0
  cat <<PROPERTIES

ssl.keystore.type=PEM
ssl.keystore.location=$DIR/tls/broker.keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$DIR/tls/ca.pem
listener.name.certificate.ssl.client.auth=required
# The name that a certificate gives is the user's, so that rights are the same whichever way one logs in.
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*\$/\$1/,DEFAULT
listener.name.tls.scram-sha-512.sasl.jaas.config=$1 required;
listener.name.tls.scram-sha-256.sasl.jaas.config=$1 required;
PROPERTIES
}

# HBase's masters and region servers take connections with and without TLS on the same port; a client's certificate is verified if it sends
# one. Among each other they use none.
hbase_tls_properties() {
  has_tls || return 0
  property hbase.server.netty.tls.enabled true
  property hbase.server.netty.tls.supportplaintext true
  property hbase.server.netty.tls.client.auth.mode WANT
  property hbase.rpc.tls.keystore.location "$DIR/tls/broker.keystore.pem"
  property hbase.rpc.tls.keystore.type PEM
  property hbase.rpc.tls.truststore.location "$DIR/tls/ca.pem"
  property hbase.rpc.tls.truststore.type PEM
}

# What `fink` needs in [kafka] to log in over TLS.
tls_settings() {
  printf 'bootstrap_servers = "%s"\nsecurity_protocol = "sasl_ssl"\nssl_ca = "%s"\n' "$(broker_addresses tls)" "$DIR/tls/ca.pem"
}

# The same, with a certificate in the place of a name and a password.
certificate_settings() {
  printf 'bootstrap_servers = "%s"\nsecurity_protocol = "ssl"\nssl_ca = "%s"\nssl_certificate = "%s"\nssl_key = "%s"\n' \
    "$(broker_addresses certificate)" "$DIR/tls/ca.pem" "$DIR/tls/producer.pem" "$DIR/tls/producer.key"
}

tls_variables() {
  ! has_tls || printf '%s=%s\n' \
    FINK_TEST_TLS_BOOTSTRAP "$(broker_addresses tls)" \
    FINK_TEST_CERTIFICATE_BOOTSTRAP "$(broker_addresses certificate)" \
    FINK_TEST_TLS_DIR "$DIR/tls"
}
