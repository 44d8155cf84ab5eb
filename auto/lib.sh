# What auto/up, down, status, reset, deps and test share: words, steps, where the state is and as whom things run. Sourced by bash scripts.
# shellcheck shell=bash disable=SC2034 # variables are read by those who source this

set -euo pipefail
export LC_ALL=C.UTF-8

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$TOP"
PROGRAM=auto/${0##*/}

# ---- words

say() {
    printf '%s\n' "$*"
}

fail() {
    printf '%s: %s\n' "$PROGRAM" "$*" >&2
    exit 1
}

# A command that fails outside of a step ends the script (set -e), and not every command says why: whoever waits is told which one it was. In a step
# it is told only where nothing else was said. What step and as_owner run is named by the line that called them.
unexpected_end() {
    local code=$1 frame=0 file
    case $- in *e*) ;; *) return 0 ;; esac # the code is looked at
    is_main || { [ "$BASHPID" = "$STEP_SHELL" ] && [ ! -s "$STEP_LOG" ]; } || return 0
    while [[ ${FUNCNAME[frame + 1]:-} =~ ^(as_owner|step)$ ]]; do frame=$((frame + 1)); done
    file=${BASH_SOURCE[frame + 1]:-$0}
    if [ "$file" = "$0" ]; then file=$PROGRAM; else file=auto/${file##*/}; fi
    printf '%s: line %s of %s has failed with exit code %s, and nothing after it was done: %s\n' "$PROGRAM" "${BASH_LINENO[frame]}" "$file" "$code" \
        "$(sed -n "${BASH_LINENO[frame]}{s/^[[:space:]]*//p;q}" "$file" 2>/dev/null || true)" >&2
}

set -E # functions and steps, too
trap 'unexpected_end $?' ERR

# ---- steps

STEP_LOG=
STEP_SHELL= # the process that runs the step
trap '! is_main || rm -f "$STEP_LOG"' EXIT # when it is interrupted; whoever sets another trap says this again
STEP_ALWAYS=no # yes: steps that took no time are shown as well
TICK_FIRST_S=5 # a step is told to be alive after so long, and then again and again
TICK_S=15

# A child that is ended before it has put the traps off would run them in place of its parent: every trap asks this first. Such a child may not even
# be able to tell; then it is not the main one.
is_main() {
    [ "$BASHPID" = $$ ]
}

# step TITLE COMMAND...: runs it with its output kept, says how long it took, and keeps the terminal alive when it is long. When it fails,
# what it said is shown; the last line is usually a sentence.
step() {
    local title=$1 begin=$SECONDS ticker code took
    shift
    STEP_LOG=$(mktemp "${TMPDIR:-/tmp}/firstbell-step.XXXXXX")
    ticker "$title" 9>&- &
    ticker=$!
    disown "$ticker"
    set +e
    (STEP_SHELL=$BASHPID; set -e; "$@") >"$STEP_LOG" 2>&1
    code=$?
    set -e
    kill -s KILL "$ticker" 2>/dev/null || true # a gentler signal could meet it while the traps of this shell are still its own
    took=$((SECONDS - begin))
    [ "$code" = 0 ] || step_failed "$title" "$code"
    [ "$took" -lt 1 ] && [ "$STEP_ALWAYS" = no ] || printf '  %-42s %4d s\n' "$title" "$took"
    rm -f "$STEP_LOG"
}

ticker() {
    local seconds=0 silence
    exec {silence}<> <(:) # to wait on without a process that would outlive us
    until read -rt 5 -u "$silence"; do
        seconds=$((seconds + 5))
        [ -d /proc/$$ ] || exit # whoever was told of progress was killed
        [ "$seconds" -lt "$TICK_FIRST_S" ] || [ $(((seconds - TICK_FIRST_S) % TICK_S)) != 0 ] || printf '  %-42s %4d s so far\n' "$1" "$seconds"
    done
}

SAYS_ALL='All there is to say: ' # a step's line with this at its head is shown alone when the step fails

step_failed() {
    local sentence
    if grep -s -m 3 'No space left on device' "$STEP_LOG" >&2; then
        rm -f "$STEP_LOG"
        fail "the disk became full during \"$1\"; make room (df -h shows where) and run it again."
    fi
    sentence=$(sed -n "s/^$SAYS_ALL//p" "$STEP_LOG" | tail -n 1)
    [ -n "$sentence" ] || tail -n 40 "$STEP_LOG" >&2
    rm -f "$STEP_LOG"
    fail "${sentence:-\"$1\" failed; the lines above say why.}"
}

# wait_until SECONDS COMMAND...: 1 when the command has not succeeded in time
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# descendants PID: its children, theirs, and so on; what has left its parent is not among them
descendants() {
    local pid
    for pid in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
        descendants "$pid"
        echo "$pid"
    done
}

# free_mb PATH: megabytes free on the file system of the path, or of the nearest folder above that exists
free_mb() {
    local path=$1
    while [ ! -e "$path" ]; do path=$(dirname "$path"); done
    df -Pk "$path" | awk 'NR == 2 { print int($4 / 1024) }'
}

# need_space PATH MB WHAT-FOR
need_space() {
    local free
    free=$(free_mb "$1")
    [ "$free" -ge "$2" ] || fail "$1 has $free MB free and $3 needs about $2 MB; make room and run it again."
}

# ---- stamps: a step whose inputs have not changed is not done again

stamped() {
    [ -f "$S/stamp/$1" ] && [ "$(head -c 200 "$S/stamp/$1" 2>/dev/null)" = "$2" ]
}

stamp() {
    # shellcheck disable=SC2016 # expanded by the inner sh
    printf '%s\n' "$2" | as_owner sh -c 'rm -f "$1.new" && cat >"$1.new" && mv -f "$1.new" "$1"' sh "$S/stamp/$1"
}

hash_of() {
    { find "$@" -type f -print0 2>/dev/null || true; } | sort -z | xargs -0 -r sha256sum | sha256sum | cut -c 1-16
}

# ---- the state: where it is, whose it is

SOCKET_NAME_BYTES=20 # "/.s.PGSQL.5432" is the longest name, with some room

is_plain() {
    [[ $1 != *[!A-Za-z0-9_./+@-]* ]]
}

# nginx's configure and make take a path apart at its spaces.
check_checkout() {
    local folder
    for folder in "$TOP" "$TOP/build" "$TOP/origin/web"; do
        [ ! -e "$folder" ] || [ -w "$folder" ] ||
            fail "$folder cannot be written to by $(id -un); what is built and fetched is kept in the clone. Clone it to a place of your own, or mount it writable."
    done
    is_plain "$TOP" || fail "the path of this clone, $TOP, has a space or a special character; nginx's modules cannot be built there. Move the clone to a path of letters, digits and _ . / + @ -"
}

# Sets S (the state directory), OWNER (who everything runs as), AS (the words that run a command as the owner in a clean environment) and ALONE (the
# words that take it off root's terminal).
locate_state() {
    local environment=(env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 LC_ALL=C.UTF-8 TZ=UTC)
    if [ "$(id -u)" = 0 ]; then
        OWNER=firstbell
        S=${FIRSTBELL_STATE:-/var/lib/firstbell}
        AS=(setpriv --reuid=firstbell --regid=firstbell --init-groups --inh-caps=-all -- "${environment[@]}" HOME="$S")
        ALONE=(setsid --wait)
    else
        OWNER=$(id -un)
        S=${FIRSTBELL_STATE:-$TOP/run}
        AS=("${environment[@]}" HOME="$S")
        ALONE=()
    fi
    S=${S%/}
    case $S in
    /?*) ;;
    *) fail "FIRSTBELL_STATE is \"${FIRSTBELL_STATE:-}\"; an absolute directory is expected." ;;
    esac
    [ -n "${FIRSTBELL_STATE:-}" ] || [ "$S" != "$TOP/run" ] || check_checkout
    is_plain "$S" || fail "the state directory $S has a space or a special character in its path; name another with FIRSTBELL_STATE=DIR."
    APP=$S/app
    MARKER=$S/.firstbell # the path that the state had when it was last set up
}

# What root lets the owner do, the owner's other processes can take over: it gets pipes in place of root's terminal and is in a session without one,
# or it could type root's next command. Nor does it hold the lock. What it said has been passed on when this returns.
as_owner() {
    (
        cd "$S"
        relays=() code=0
        if [ ${#ALONE[@]} != 0 ]; then
            [ ! -t 0 ] || exec </dev/null
            [ ! -t 1 ] || { exec > >(exec cat 9>&-) && relays+=($!); }
            [ ! -t 2 ] || { exec 2> >(exec cat >&2 9>&-) && relays+=($!); }
        fi
        "${ALONE[@]}" "${AS[@]}" "$@" 9>&- || code=$?
        exec >&- 2>&-
        wait "${relays[@]}" || true
        exit "$code"
    )
}

# Whether the file or folder itself, no link, belongs to whoever runs this. What the owner of the state could have written tells root nothing.
is_own() {
    [ ! -L "$1" ] && [ -O "$1" ]
}

state_exists() {
    [ -f "$MARKER" ]
}

# One auto/up, down or reset at a time. Descriptor 9 is closed in everything that stays.
lock_state() {
    exec 9>>"$S/.lock"
    flock -n 9 && return
    say "Another auto/up, down or reset is at work on $S; waiting for it."
    flock -w 600 9 || fail "the other one is not done after 10 minutes; look at it with: fuser -v $S/.lock"
}

# Sets SOCKETS: S/sock, or a short directory when socket paths would pass the 107 bytes that the kernel allows; empty when that is not made yet.
locate_sockets() {
    SOCKETS=$S/sock
    [ $((${#SOCKETS} + SOCKET_NAME_BYTES)) -gt 107 ] || return 0
    SOCKETS=
    is_own "$S/sockets" || return 0
    SOCKETS=$(cat "$S/sockets")
    [[ $SOCKETS =~ ^(/[A-Za-z0-9_./+@-]*/firstbell-[A-Za-z0-9]{6})?$ ]] ||
        fail "$S/sockets says \"$SOCKETS\", which is no directory that auto/up makes for sockets; remove the file and run auto/up again."
}

make_sockets() {
    locate_sockets
    if [ -z "$SOCKETS" ]; then
        SOCKETS=$(as_owner mktemp -d "$(short_base)/firstbell-XXXXXX")
        printf '%s\n' "$SOCKETS" >"$S/sockets"
    fi
    [ -d "$SOCKETS" ] || as_owner mkdir -m 0700 "$SOCKETS"
    [ "$(stat -c %U "$SOCKETS")" = "$OWNER" ] || fail "$SOCKETS, the directory of the sockets, belongs to $(stat -c %U "$SOCKETS") and not to $OWNER; remove $S/sockets and run it again."
}

short_base() {
    local base=${XDG_RUNTIME_DIR:-/tmp}
    [ "$OWNER" = "$(id -un)" ] && [ -w "$base" ] && [ ${#base} -lt 60 ] || base=/tmp
    printf '%s' "$base"
}

# Sets PORT: FIRSTBELL_PORT, else the one of the last time, else 8443.
choose_port() {
    local lowest
    PORT=${FIRSTBELL_PORT:-$(cat "$S/port" 2>/dev/null || true)}
    PORT=${PORT:-8443}
    case $PORT in
    *[!0-9]* | 0* | ??????*) fail "FIRSTBELL_PORT is \"$PORT\"; a port from 1024 to 65535 is expected." ;;
    esac
    lowest=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null || echo 1024)
    [ "$PORT" -le 65535 ] || fail "FIRSTBELL_PORT is $PORT; a port from $lowest to 65535 is expected."
    [ "$PORT" -ge "$lowest" ] || fail "port $PORT cannot be used by an ordinary user; choose one from $lowest to 65535 with FIRSTBELL_PORT=PORT."
}
