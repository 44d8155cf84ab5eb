# The owner, the state directory, and who may write what in it. Sourced by auto/up after auto/lib.sh.
# For root the directory is root's with the sticky bit: the servers may write in it and cannot replace what root has put there. What is root's is
# made before the servers can come near, and a name that somebody else took is not used: a link in its place would lead root's hand anywhere.
# shellcheck shell=bash

OWN_FOLDERS=(app conf tls)
OWN_FILES=(.lock port sockets .firstbell)

create_owner() {
    [ "$OWNER" = firstbell ] && ! getent passwd firstbell >/dev/null || return 0
    useradd --system --user-group --home-dir /var/lib/firstbell --no-create-home --shell /usr/sbin/nologin firstbell
}

create_state() {
    if ! state_exists && [ -n "$(find "$S" -mindepth 1 -maxdepth 1 ! -name .lock -print -quit 2>/dev/null)" ]; then
        fail "$S is not empty and not made by Firstbell; empty it, or name another directory with FIRSTBELL_STATE=DIR."
    fi
    mkdir -p "$S" || fail "the state directory $S cannot be made; name another with FIRSTBELL_STATE=DIR."
    state_exists || close_state
    create_own
    if [ "$(id -u)" = 0 ]; then
        chown "root:$OWNER" "$S"
        chmod 1771 "$S"
        as_owner true 2>/dev/null || fail "the system user firstbell cannot enter $S; every folder above it must let others pass (chmod o+x)."
    else
        chmod 0700 "$S"
    fi
}

# Ours alone, until what is ours is in it.
close_state() {
    [ "$(id -u)" != 0 ] || chown root:root "$S"
    chmod 0700 "$S"
}

create_own() {
    local name
    for name in "${OWN_FOLDERS[@]}"; do
        mkdir "$S/$name" 2>/dev/null || true
        check_own "$S/$name"
        [ -d "$S/$name" ] || fail "$S/$name is no folder; remove it and run it again."
        chmod 755 "$S/$name"
    done
    for name in "${OWN_FILES[@]}"; do
        (umask 077 && set -o noclobber && : >"$S/$name") 2>/dev/null || true # never through a link
        check_own "$S/$name"
        [ -f "$S/$name" ] || fail "$S/$name is no file; remove it and run it again."
    done
    [ -s "$MARKER" ] || printf '%s\n' "$S" >"$MARKER"
}

check_own() {
    is_own "$1" || fail "$1 is a link or belongs to $(stat -c %U "$1" 2>/dev/null || echo nobody) and not to $(id -un); remove it and run it again."
}

create_folders() {
    as_owner mkdir -p -m 0700 "$S/log" "$S/pid" "$S/keys" "$S/sock" "$S/stamp" "$S/tmp" "$S/media" "$S/redis"
    make_sockets
    printf '%s\n' "$S" >"$MARKER"
}
