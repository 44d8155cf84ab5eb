# shellcheck shell=bash
# The checks of C for auto/lint: format, clang-tidy, gcc -fanalyzer, cppcheck, sizes. A file that was clean is looked at again only when what the
# preprocessor makes of it or the settings changed: build/lint keeps an empty file a key.

FUNCTION_MAX_LINES=100
FILE_MAX_LINES=800
CLANG_VERSION=14 # Debian 12's; others write and find other things
LINT_KEPT=build/lint

# The C of the house in clang-format's hands; modules/ is kept in nginx's style by hand.
formatted_files() {
    find lua-free origin load tests/unit tests/fuzz \( -name node_modules -prune -o -name '*.[ch]' -print \) | sort
}

analysed_files() {
    find lua-free origin load \( -name node_modules -prune -o -name '*.c' -print \) | sort
}

c_flags() {
    echo "-std=gnu11 -D_GNU_SOURCE $(sed -n 's/^LIB_CFLAGS = //p' build/Makefile)"
}

# is_our_clang PROGRAM: says that it is skipped when the program is of another version
is_our_clang() {
    local version
    version=$("$1" --version | grep -oE 'version [0-9]+' | cut -d ' ' -f 2)
    [ "$version" = $CLANG_VERSION ] || { echo "# SKIP $1 is version $version, the rules are for $CLANG_VERSION"; return 1; }
}

is_formatted() {
    local file
    is_our_clang clang-format || return 0
    for file in $(formatted_files); do
        clang-format --dry-run -Werror "$file" >/dev/null 2>&1 || echo "$file is not as clang-format writes it: clang-format -i $file"
    done
}

# analyse_one FLAGS FILE: prints what clang-tidy and gcc's analyzer find
analyse_one() {
    local flags=$1 file=$2 key found
    # shellcheck disable=SC2086 # flags are words
    key=$( (cat .clang-tidy auto/lib-lint-c.sh && gcc -E -P $flags "$file") | sha256sum | cut -c 1-32)
    [ ! -e "$LINT_KEPT/$key" ] || return 0
    # shellcheck disable=SC2086
    found=$(
        clang-tidy --quiet "$file" -- $flags 2>/dev/null
        # Leaks are AddressSanitizer's business: gcc 12 takes memory that a structure keeps for lost.
        gcc -fanalyzer -Wno-analyzer-malloc-leak -O1 -Wall -Wextra $flags -c -o /dev/null "$file" 2>&1
    )
    if [ -z "$found" ]; then
        : >"$LINT_KEPT/$key"
    else
        echo "$found"
    fi
}

is_analysed_clean() {
    is_our_clang clang-tidy || return 0
    mkdir -p "$LINT_KEPT"
    find "$LINT_KEPT" -type f -mtime +14 -delete
    export -f analyse_one
    export LINT_KEPT
    analysed_files | xargs -P "$(nproc)" -n 1 bash -c 'analyse_one "$@"' bash "$(c_flags)"
}

cppcheck_is_silent() {
    local found
    # readdir is safe on a stream of one's own; what glibc's headers say is not ours
    found=$(cppcheck -q -j "$(nproc)" --std=c11 --library=posix --enable=warning,portability,performance --inline-suppr \
        --suppress=missingIncludeSystem --suppress=readdirCalled --suppress='*:/usr/*' \
        --template='{file}:{line}: {severity}: {message} [{id}]' -D_GNU_SOURCE -Ilua-free -I. $(analysed_files) 2>&1)
    grep -E '^[a-z].*: (error|warning|portability|performance): ' <<<"$found" || true
}

# function_sizes FILES...: "LINES FILE:LINE" a function; its first line begins in column 0 and ends in "{", or is a lone "{" as nginx has it
function_sizes() {
    awk 'FNR == 1 { start = 0 }
        /^\{$/ { start = FNR; next }
        /^[a-z].*\) \{$/ { start = FNR; next }
        /^\}$/ && start { print FNR - start + 1, FILENAME ":" start; start = 0 }' "$@"
}

sizes_are_bounded() {
    local files
    files=$(find lua-free origin load modules \( -name node_modules -prune -o -name '*.[ch]' -print \))
    # shellcheck disable=SC2086 # names have no spaces
    function_sizes $files | awk -v most=$FUNCTION_MAX_LINES '$1 > most { print $2 " begins a function of " $1 " lines; " most " are the most" }'
    # shellcheck disable=SC2086
    wc -l $files auto/* tests/unit/*.c tests/*/*.mjs origin/web/js/*.js | awk -v most=$FILE_MAX_LINES '$2 != "total" && $1 > most { print $2 " has " $1 " lines; " most " are the most" }'
}

# Not a verdict: what a reader may want to know.
report_sizes() {
    local files
    files=$(find lua-free origin load modules \( -name node_modules -prune -o -name '*.[ch]' -print \))
    # shellcheck disable=SC2086
    function_sizes $files | sort -n | awk '{ size[NR] = $1 } END { printf "# functions: %d, median %d lines, 9 of 10 up to %d, longest %d\n", NR, size[int((NR + 1) / 2)], size[int(NR * 0.9)], size[NR] }'
    # shellcheck disable=SC2086
    wc -l $files | grep -v ' total$' | sort -n | awk '{ size[NR] = $1 } END { printf "# files: %d, median %d lines, longest %d\n", NR, size[int((NR + 1) / 2)], size[NR] }'
}
