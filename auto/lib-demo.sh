# The demo district: a roster of 12 schools, a course with its media, three accounts, and what auto/up prints about them. Sourced after auto/lib.sh.
# shellcheck shell=bash

DEMO_COURSE=course-demo
DEMO_USERS=(student.demo teacher.demo operator.demo)

set_up_demo() {
    step "demo district" firstbell tenant add demo --title "Demo District" --host demo.localhost
    stamped roster "12 10000 1" || step "demo roster (10,000 students)" import_roster
    step "demo course and its media" import_course
    step "demo accounts" create_accounts
    step "key for addresses of media" create_media_key
}

import_roster() {
    as_owner "$APP/bin/district" --schools 12 --students 10000 --seed 1 --out "$S/tmp/demo.zip"
    firstbell roster import --tenant demo "$S/tmp/demo.zip"
    as_owner rm -f "$S/tmp/demo.zip"
    stamp roster "12 10000 1"
}

import_course() {
    local hash
    hash=$(hash_of "$APP/demo")
    stamped course "$hash" && return
    as_owner "$APP/demo/make-media" "$S/demo-course"
    firstbell course import --tenant demo --course "$DEMO_COURSE" "$S/demo-course"
    stamp course "$hash"
}

# A password that can be read aloud: three words of two syllables and two digits, about 44 bits from the kernel.
new_password() {
    local consonants=bdfgklmnprstvz vowels=aeiou text= i byte
    for i in 1 2 3 4 5 6; do
        byte=$(random_below $((${#consonants} * ${#vowels})))
        text+=${consonants:byte / ${#vowels}:1}${vowels:byte % ${#vowels}:1}
        [ $((i % 2)) = 1 ] || text+=-
    done
    printf '%s%02d' "$text" "$(random_below 100)"
}

random_below() {
    echo $(($(od -An -N4 -tu4 /dev/urandom) % $1))
}

create_accounts() {
    local user
    [ -s "$S/keys/demo-logins" ] || new_logins
    stamped accounts "$(hash_logins)" && return
    firstbell user add --tenant demo --username operator.demo --role operator --given Robin --family Keeper
    for user in "${DEMO_USERS[@]}"; do
        demo_password "$user" | firstbell user passwd --tenant demo "$user"
    done
    stamp accounts "$(hash_logins)"
}

# Once: whoever exchanges it or takes it away has decided so.
create_media_key() {
    stamped media-key 1 && return
    [ -s "$S/keys/media-1.key" ] || firstbell sign-key new "$S/keys/media-1.key"
    firstbell tenant key add --tenant demo --use path --alg hex --file "$S/keys/media-1.key" media-1
    stamp media-key 1
}

new_logins() {
    local user
    for user in "${DEMO_USERS[@]}"; do
        printf '%s %s\n' "$user" "$(new_password)"
    done | as_owner sh -c 'umask 077; cat >"$1.new" && mv "$1.new" "$1"' sh "$S/keys/demo-logins"
}

hash_logins() {
    hash_of "$S/keys/demo-logins"
}

# Nothing else than a password of ours: it ends up in a line that people paste into a shell.
demo_password() {
    awk -v user="$1" '$1 == user && $2 ~ /^[a-z0-9-]+$/ { print $2 }' "$S/keys/demo-logins"
}

# ---- what auto/up says at the end

print_welcome() {
    local url=https://demo.localhost:$PORT student
    student=$(demo_password student.demo)
    cat <<END

Firstbell is up: $url

  Its certificate authority: $S/tls/ca.crt
  To trust it, import that file in the browser (Settings, Certificates, Authorities). For curl and other programs of this machine, as root:
    cp $S/tls/ca.crt /usr/local/share/ca-certificates/firstbell.crt && update-ca-certificates

  role      user name      password
  student   student.demo   $student
  teacher   teacher.demo   $(demo_password teacher.demo)
  operator  operator.demo  $(demo_password operator.demo)

$(curl_line) $url/healthz
$(curl_line) $(credentials student.demo "$student") $url/api/v1/sessions
$(curl_line) --cookie '' $(credentials student.demo "$student") --output /dev/null $url/api/v1/sessions --next $(curl_options) --cookie '' $url/api/v1/courses

auto/status shows what runs, auto/down stops it, auto/reset removes its data.
END
}

curl_line() {
    echo "curl $(curl_options)"
}

curl_options() {
    echo "--fail --silent --show-error --cacert $S/tls/ca.crt --resolve demo.localhost:$PORT:127.0.0.1"
}

credentials() {
    printf "%s '{\"username\":\"%s\",\"password\":\"%s\"}'" "--header 'Content-Type: application/json' --data" "$1" "$2"
}
