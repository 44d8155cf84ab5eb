# The keys and certificates of a local installation: a certificate authority of its own, the edge's certificate, the key that signs sessions.
# Sourced after auto/lib.sh. Private keys are 0600; the authority's key stays root's when root sets Firstbell up.
# shellcheck shell=bash

LEAF_DAYS=397         # the longest that browsers take
RENEW_BEFORE_S=2592000 # 30 days

# After the tenants are known: their hosts are in the certificate.
make_certificates() {
    mkdir -p "$S/tls"
    chmod 755 "$S/tls"
    make_authority
    certificate_is_good || make_certificate
}

# The key that signs sessions, and the next one, which everybody knows before it signs.
make_session_keys() {
    local key
    as_owner mkdir -p -m 0700 "$S/keys/sessions"
    for key in session.pem sessions/next.pem; do
        # shellcheck disable=SC2016 # expanded by the inner sh
        [ -s "$S/keys/$key" ] ||
            as_owner sh -c 'umask 077; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.new" && mv "$1.new" "$1"' sh "$S/keys/$key"
    done
}

# With the public halves the edge verifies sessions; written anew by each `firstbell keys rotate`.
make_session_public_keys() {
    # shellcheck disable=SC2016 # expanded by the inner sh
    as_owner sh -c '"$1" -c "$2" keys public >"$3.new" && mv "$3.new" "$3"' sh "$APP/bin/firstbell" "$S/conf/firstbell.conf" "$S/keys/sessions.pub.pem"
}

# The directory is signed with it; the public half is for the edges, this one's and those on other machines.
make_directory_key() {
    # shellcheck disable=SC2016 # expanded by the inner sh
    [ -s "$S/keys/directory.pem" ] ||
        as_owner sh -c 'umask 077; openssl genpkey -algorithm ed25519 -out "$1.new" && mv "$1.new" "$1"' sh "$S/keys/directory.pem"
    # shellcheck disable=SC2016
    as_owner sh -c 'openssl pkey -in "$1.pem" -pubout -out "$1.pub.pem.new" &&
        if cmp -s "$1.pub.pem.new" "$1.pub.pem"; then rm "$1.pub.pem.new"; else mv "$1.pub.pem.new" "$1.pub.pem"; fi' sh "$S/keys/directory"
}

# As it stands in the head of what the key has signed (lua-free/bell_directory_doc.h).
directory_key_id() {
    openssl pkey -pubin -in "$S/keys/directory.pub.pem" -outform DER | openssl dgst -sha256 -binary | head -c 8 | base64 | tr '+/' '-_' | tr -d '='
}

directory_is_signed_by() {
    [ "$(head -c 400 "$S/directory.snapshot" | head -n 1 | cut -d ' ' -f 7)" = "$1" ]
}

# Under it one-time codes and links are stored.
make_codes_key() {
    [ -s "$S/keys/codes.key" ] && return
    # shellcheck disable=SC2016 # expanded by the inner sh
    as_owner sh -c 'umask 077; openssl rand -hex 32 >"$1.new" && mv "$1.new" "$1"' sh "$S/keys/codes.key"
}

# By it the api knows the edge of this machine.
make_edge_key() {
    [ -s "$S/keys/edges/local.key" ] || firstbell edge-key new local
}

# new_certificate NAME SUBJECT OPTIONS...: NAME.key and NAME.crt in S/tls
new_certificate() {
    local name=$S/tls/$1 subject=$2
    shift 2
    (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -sha256 -subj "$subject" -keyout "$name.key.new" -out "$name.crt.new" "$@")
    chmod 644 "$name.crt.new"
    mv "$name.key.new" "$name.key"
    mv "$name.crt.new" "$name.crt"
}

make_authority() {
    [ -s "$S/tls/ca.crt" ] && [ -s "$S/tls/ca.key" ] && openssl x509 -in "$S/tls/ca.crt" -noout -checkend "$RENEW_BEFORE_S" && return
    new_certificate ca "/O=Firstbell/CN=Firstbell local authority on $(uname -n)" -days 3650 \
        -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign,cRLSign'
    rm -f "$S/tls/edge.crt"
}

# Every name and address that people may use: the hosts of all tenants, the machine's name, its addresses.
certificate_names() {
    {
        printf '%s\n' DNS:demo.localhost DNS:localhost IP:127.0.0.1 IP:::1
        ! is_dns_name "$(uname -n)" || echo "DNS:$(uname -n)"
        machine_addresses | sed 's/^/IP:/'
        tenant_hosts | sed 's/^/DNS:/'
    } | awk '!seen[tolower($0)]++' | paste -s -d ,
}

is_dns_name() {
    [[ $1 =~ ^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$ ]]
}

# Global addresses from the kernel's own tables: neither ip nor hostname -I need be installed.
machine_addresses() {
    awk '$2 == "host" && $1 == "/32" && last !~ /^127\./ { print last } { last = $2 }' /proc/net/fib_trie 2>/dev/null | sed 's/^|-- //' | sort -u
    awk '$4 == "00" { gsub(/..../, "&:", $1); print substr($1, 1, 39) }' /proc/net/if_inet6 2>/dev/null
}

tenant_hosts() {
    psql_super -d firstbell -c 'SELECT host FROM tenant_hosts ORDER BY 1' | grep -E '^[a-z0-9.-]*[a-z][a-z0-9.-]*$' || true
}

certificate_is_good() {
    [ -s "$S/tls/edge.crt" ] && [ -s "$S/tls/edge.key" ] &&
        [ "$(cat "$S/tls/names" 2>/dev/null)" = "$(certificate_names)" ] &&
        openssl x509 -in "$S/tls/edge.crt" -noout -checkend "$RENEW_BEFORE_S" >/dev/null
}

make_certificate() {
    local names
    names=$(certificate_names)
    new_certificate edge /CN=demo.localhost -CA "$S/tls/ca.crt" -CAkey "$S/tls/ca.key" -days "$LEAF_DAYS" \
        -addext "subjectAltName=$names" -addext 'basicConstraints=critical,CA:FALSE' \
        -addext 'keyUsage=critical,digitalSignature' -addext 'extendedKeyUsage=serverAuth'
    [ "$(id -u)" != 0 ] || chown firstbell "$S/tls/edge.key"
    printf '%s\n' "$names" >"$S/tls/names"
}
