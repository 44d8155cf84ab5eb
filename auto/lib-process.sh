# The parts of a running Firstbell: whether they run, starting them, stopping them. Sourced after auto/lib.sh.
# A process is signalled only when its own executable, command line or working directory proves that it is ours: pid files go stale and pids are reused.
# shellcheck shell=bash

PARTS=(postgres redis jobs api nginx) # in the order of starting

part_pid_file() {
    case $1 in
    postgres) echo "$S/pg/postmaster.pid" ;;
    *) echo "$S/pid/$1.pid" ;;
    esac
}

# Where the state is, and where it was before the checkout was moved.
known_states() {
    printf '%s\n' "$S"
    cat "$MARKER" 2>/dev/null || true
}

# A chroot on this machine may have a Firstbell of its own under the same paths.
same_root() {
    [ "/proc/$1/root" -ef / ]
}

# is_ours PART PID
is_ours() {
    local exe command state
    same_root "$2" || return 1
    exe=$(readlink "/proc/$2/exe" 2>/dev/null) || return 1
    command=$(tr '\0' ' ' <"/proc/$2/cmdline" 2>/dev/null) || return 1
    while IFS= read -r state; do
        case $1:${exe% (deleted)} in
        postgres:*/postgres) [[ $command != *" -D $state/pg "* ]] || return 0 ;;
        redis:*/redis-*) [[ $command != *"$state/conf/redis.conf"* ]] || return 0 ;;
        nginx:*/nginx) [[ $command != *"$state/conf/nginx.conf"* ]] || return 0 ;;
        api:*/firstbell | jobs:*/firstbell) [[ $command != *"$state/conf/firstbell.conf $1"* ]] || return 0 ;;
        esac
    done < <(known_states)
    return 1
}

# part_pid PART: the pid when the part runs and is ours; nothing and 1 otherwise
part_pid() {
    local file pid
    file=$(part_pid_file "$1")
    [ -f "$file" ] && [ -r "$file" ] || return 1
    pid=$(head -c 20 "$file" | head -n 1 | tr -dc 0-9)
    [ -n "$pid" ] && is_ours "$1" "$pid" && echo "$pid"
}

all_running() {
    local part
    for part in "${PARTS[@]}"; do
        part_pid "$part" >/dev/null || return 1
    done
}

# Every process that is part of this Firstbell, found without pid files: workers and backends whose master has died.
stray_pids() {
    local link target pid
    for link in /proc/[0-9]*/exe; do
        target=$(readlink "$link" 2>/dev/null) || continue
        pid=${link#/proc/}
        pid=${pid%/exe}
        same_root "$pid" || continue
        case $target in
        "$APP"/*) echo "$pid" ;;
        */postgres | */postgres\ *) [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" != "$S/pg" ] || echo "$pid" ;;
        */redis-*) [ "$(readlink "/proc/$pid/cwd")" != "$S/redis" ] || echo "$pid" ;;
        */nginx | */nginx\ *) ! grep -qsF "$APP/modules/" "/proc/$pid/maps" || echo "$pid" ;;
        esac
    done
}

gone() {
    [ ! -d "/proc/$1" ] || grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"
}

# stop_part PART: the polite signal, then stronger ones, each with a bound
stop_part() {
    local pid signal wait_s
    pid=$(part_pid "$1") || return 0
    while read -r signal wait_s; do
        kill -s "$signal" "$pid" 2>/dev/null || true
        ! wait_until "$wait_s" gone "$pid" || return 0
        say "$1 (process $pid) has not stopped within $wait_s s of SIG$signal."
    done < <(stop_signals "$1")
    fail "$1 (process $pid) cannot be stopped; it may hang in the kernel (see: cat /proc/$pid/stack)."
}

stop_signals() {
    case $1 in
    postgres) printf '%s\n' 'INT 40' 'QUIT 10' 'KILL 5' ;;
    nginx) printf '%s\n' 'QUIT 15' 'TERM 5' 'KILL 5' ;;
    *) printf '%s\n' 'TERM 20' 'KILL 5' ;;
    esac
}

stop_all() {
    local i pid
    for ((i = ${#PARTS[@]} - 1; i >= 0; i--)); do
        stop_part "${PARTS[i]}"
    done
    for pid in $(stray_pids); do
        stop_stray "$pid"
    done
}

# Workers whose nginx was killed go on listening; they have to go before another nginx can.
stop_nginx_strays() {
    local pid
    for pid in $(stray_pids); do
        case $(readlink "/proc/$pid/exe") in */nginx | */nginx\ *) stop_stray "$pid" ;; esac
    done
}

stop_stray() {
    kill -s TERM "$1" 2>/dev/null || true
    wait_until 5 gone "$1" || kill -s KILL "$1" 2>/dev/null || true
    wait_until 5 gone "$1" || fail "process $1 of Firstbell cannot be stopped."
}

# start_part PART COMMAND...: in the background, of a session of its own, until its pid file names it; what it says is in S/log/PART.out
start_part() {
    local part=$1 log=$S/log/$1.out launched
    shift
    as_owner rm -f "$(part_pid_file "$part")" # stale: what it names is not ours
    # shellcheck disable=SC2016 # expanded by the inner sh
    setsid "${AS[@]}" sh -c 'cd "$1" && exec >>"$0" 2>&1 && shift && exec "$@"' "$log" "$S" "$@" 9>&- </dev/null >/dev/null 2>&1 &
    launched=$!
    wait_until 20 started_or_dead "$part" "$launched" || true
    part_pid "$part" >/dev/null && return
    tail -n 10 "$log" >&2
    fail "$part did not start; its last lines are above, all of them are in $log and $S/log."
}

started_or_dead() {
    part_pid "$1" >/dev/null || { gone "$2" && [ "$1" != nginx ]; }
}

# port_holder PORT: "pid name" of the process that listens on the TCP port, "?" when it is another user's; nothing when the port is free
port_holder() {
    local hex inode pid
    hex=$(printf ':%04X' "$1")
    inode=$(awk -v port="$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
    [ -n "$inode" ] || return 0
    pid=$(find /proc/[0-9]*/fd -lname "socket:\[$inode\]" 2>/dev/null | head -n 1 | cut -d / -f 3)
    [ -n "$pid" ] && echo "$pid $(cat "/proc/$pid/comm")" || echo "?"
}
