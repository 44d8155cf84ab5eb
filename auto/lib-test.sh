# How auto/test runs a file of tests, counts what it said, and shows it. Sourced after auto/lib.sh; "results" is a directory of its own.
# shellcheck shell=bash disable=SC2034,SC2154 # variables of auto/test

TIME_BOUND_S=600
VALGRIND_BOUND_S=900
# A search ends at this many executions or after this many seconds (0: never), whichever comes first; fewer than the least are a failure.
FUZZ_RUNS=${FB_FUZZ_RUNS:-1000000}
FUZZ_SECONDS=${FB_FUZZ_SECONDS:-90}
FUZZ_LEAST=20000
# How long the part "random" goes on.
RANDOM_SECONDS=${FB_CACHE_SECONDS:-3600}

passed=0
failed=0
skipped=0
running=()               # the pids of run_file
declare -A line_of       # PART NAME FILE of each
declare -A left began ok_of bad_of # of a part: files that have not ended, when its first began, tests that passed and failed

# ---- running: every file writes TAP to $results/PART.NAME.out and its exit code to .code

run_file() {
    local part=$1 name=$2 file=$3 out=$results/$1.$2
    local bound=(timeout --kill-after=30 "$(time_bound "$part" "$file")")
    set +e
    case "$part $file" in
    lint*) nice -n 10 "${bound[@]}" auto/lint ;;
    unit*) CMOCKA_MESSAGE_OUTPUT=TAP "${bound[@]}" "build-asan/tests/$name" ;;
    valgrind*) FB_TEST_TRIES=10 CMOCKA_MESSAGE_OUTPUT=TAP "${bound[@]}" "${VALGRIND[@]}" "build/tests/$name" ;;
    fuzz-long*) run_search "$name" "$out.log" "${bound[@]}" ;;
    fuzz*.c) run_corpus "$name" "${bound[@]}" ;;
    random*) FB_CACHE_SECONDS=$RANDOM_SECONDS FB_TEST_BUILD=build-asan FB_TEST_MODULES=$(edge_build) "${bound[@]}" node --test-reporter=tap "$file" ;;
    edge*) env -u FB_CACHE_SECONDS FB_TEST_BUILD=build-asan FB_TEST_MODULES=$(edge_build) "${bound[@]}" node --test-reporter=tap "$file" ;;
    *) FB_TEST_BUILD=build-asan "${bound[@]}" node --test-reporter=tap "$file" ;;
    esac >"$out.out" 2>&1 </dev/null
    echo $? >"$out.code"
}

VALGRIND=(valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect)

# The build whose nginx and modules tests/edge run on.
edge_build() {
    if [ -f build-asan/no-nginx ]; then echo build; else echo build-asan; fi
}

time_bound() {
    local own
    case $1 in
    valgrind) echo $VALGRIND_BOUND_S ;;
    fuzz-long) echo $((600 + (FUZZ_SECONDS > 0 ? FUZZ_SECONDS : FUZZ_RUNS / 1000))) ;;
    random) echo $((600 + RANDOM_SECONDS)) ;;
    *)
        own=$(head -n 12 "$2" | sed -n 's/.*time bound: \([0-9]*\) s.*/\1/p' | head -n 1)
        echo "${own:-$TIME_BOUND_S}"
        ;;
    esac
}

# A corpus is one test: every file of it goes through the parser once, under sanitizers.
run_corpus() {
    local name=$1 corpus=tests/fuzz/corpus/${1#fuzz_}
    shift
    if [ ! -d "$corpus" ]; then
        echo "not ok 1 - $name: there is no corpus $corpus"
        return 1
    fi
    one_test "$name" "$@" "build-asan/fuzz/$name" "$corpus"
}

# A search is one test, too. libFuzzer's talk is long; what it said last tells of a crash.
run_search() {
    local name=$1 log=$2 code=0 done_runs least=$((FUZZ_RUNS < FUZZ_LEAST ? FUZZ_RUNS : FUZZ_LEAST)) bound=FB_FUZZ_RUNS=$FUZZ_RUNS
    shift 2
    "$@" tests/fuzz/run "${name#fuzz_}" "$FUZZ_SECONDS" "-runs=$FUZZ_RUNS" >"$log" 2>&1 || code=$?
    done_runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    done_runs=${done_runs:-0}
    [ "$done_runs" -ge "$FUZZ_RUNS" ] || bound=FB_FUZZ_SECONDS=$FUZZ_SECONDS
    if [ $code != 0 ] || [ "$done_runs" -lt $least ]; then
        tail -n 60 "$log"
        echo "not ok 1 - $name: $done_runs executions, at least $least were to be done"
        return $((code == 0 ? 1 : code))
    fi
    echo "# note: $done_runs executions, ended by $bound"
    echo "ok 1 - $name"
}

# one_test NAME COMMAND...
one_test() {
    local name=$1 code=0
    shift
    "$@" || code=$?
    [ $code = 0 ] && echo "ok 1 - $name" || echo "not ok 1 - $name"
    return $code
}

# at_once PART: how many files run at the same time. Tests of servers wait much: a third file takes what two leave.
at_once() {
    case $1 in
    chaos | fresh) echo 1 ;;
    edge | origin | e2e) echo 3 ;;
    *) echo 2 ;;
    esac
}

# takes_room PART: lint does not, it runs behind the other parts, at a low priority, on what these leave of the processors
takes_room() {
    [ "$1" != lint ]
}

# longest_first: lines PART NAME FILE of one part, what is likely to take longest first, so that no core idles at the end. A file whose head asks for
# a longer time bound is one, then one of more lines.
longest_first() {
    awk -v most=$TIME_BOUND_S '{
        bound = most; lines = 0
        while ((getline text <$3) > 0)
            if (++lines <= 12 && sub(/.*time bound: /, "", text)) bound = text + 0
        close($3)
        print bound, lines, $0
    }' | sort -s -k 1,1nr -k 2,2nr | cut -d ' ' -f 3-
}

# run_all LINES...: a line is PART NAME FILE. A part begins when there is room, not when the one before has ended; each is summed up when its last
# file has ended.
run_all() {
    local line part name file most=0 ticker
    ticker "tests" &
    ticker=$!
    disown "$ticker"
    for line in "$@"; do
        part=${line%% *}
        left[$part]=$((${left[$part]:-0} + 1))
    done
    for line in "$@"; do
        read -r part name file <<<"$line"
        [ $most != 1 ] || wait_for_all # what runs alone is met by nothing else
        most=$(at_once "$part")
        if [ "$most" = 1 ]; then
            wait_for_all
        elif takes_room "$part"; then
            make_room "$most"
        fi
        began[$part]=${began[$part]:-$SECONDS}
        run_file "$part" "$name" "$file" &
        running+=($!)
        line_of[$!]=$line
    done
    wait_for_all
    kill -s KILL "$ticker" 2>/dev/null || true
}

# make_room MOST: waits until fewer than so many of the files that take room run
make_room() {
    while [ "$(room_taken)" -ge "$1" ]; do
        wait_for_one
    done
}

room_taken() {
    local pid taken=0
    for pid in "${running[@]}"; do
        ! takes_room "${line_of[$pid]%% *}" || taken=$((taken + 1))
    done
    echo $taken
}

wait_for_all() {
    while [ ${#running[@]} -gt 0 ]; do
        wait_for_one
    done
}

wait_for_one() {
    wait -n "${running[@]}" || true
    drop_ended
}

drop_ended() {
    local pid still=() ended=()
    for pid in "${running[@]}"; do
        if kill -0 "$pid" 2>/dev/null; then still+=("$pid"); else ended+=("$pid"); fi
    done
    running=("${still[@]}")
    for pid in "${ended[@]}"; do
        end_file "${line_of[$pid]}"
    done
}

# end_file LINE: what it said is counted; the last of a part prints the line that sums the part up
end_file() {
    local part name file before="$passed $failed"
    read -r part name file <<<"$1"
    count_file "$part" "$name" "$file"
    ok_of[$part]=$((${ok_of[$part]:-0} + passed - ${before% *}))
    bad_of[$part]=$((${bad_of[$part]:-0} + failed - ${before#* }))
    left[$part]=$((left[$part] - 1))
    [ ${left[$part]} = 0 ] || return 0
    case $part in edge | random) note_plain_nginx "$part" ;; esac
    printf '  %-9s %5d passed, %d failed %11d s\n' "$part" ${ok_of[$part]} ${bad_of[$part]} $((SECONDS - ${began[$part]}))
}

note_plain_nginx() {
    [ -f build-asan/no-nginx ] || return 0
    skipped=$((skipped + 1))
    printf '  skipped: %s: nginx with sanitizers, its tests run on the plain one: %s\n' "$1" "$(cat build-asan/no-nginx)"
}

# When auto/test is interrupted: what runs is under timeout, which hands the signal on; every test ends its servers. Bounded, then nothing is spared.
stop_running() {
    local job under=()
    for job in "${running[@]}"; do
        mapfile -t -d ' ' -O "${#under[@]}" under < <(cat "/proc/$job/task/$job/children" 2>/dev/null)
        kill "$job" 2>/dev/null || true
    done
    [ ${#under[@]} != 0 ] || return 0
    kill "${under[@]}" 2>/dev/null || true
    wait_until 60 all_gone "${under[@]}" || kill -s KILL "${under[@]}" 2>/dev/null || true
}

all_gone() {
    local pid
    for pid in "$@"; do
        [ ! -d "/proc/$pid" ] || return 1
    done
}

# ---- counting

count() {
    grep -cE "$1" "$2" || true
}

# node's summary counts what it ran; cmocka, lint and the fuzz targets have one line a test
count_file() {
    local part=$1 out=$results/$1.$2.out code ok bad skip
    code=$(cat "$results/$1.$2.code" 2>/dev/null || echo 1)
    case $3 in
    *.test.mjs)
        ok=$(sed -n 's/^# pass //p' "$out")
        bad=$(($(sed -n 's/^# fail //p' "$out") + $(sed -n 's/^# cancelled //p' "$out") + 0))
        skip=$(($(sed -n 's/^# skipped //p' "$out") + $(sed -n 's/^# todo //p' "$out") + 0))
        ;;
    *)
        skip=$(count '^(not )?ok .*# SKIP' "$out")
        ok=$(($(count '^ok ' "$out") - skip))
        bad=$(count '^not ok ' "$out")
        ;;
    esac
    ok=${ok:-0}
    failed_tests "$out" >"$out.failed"
    # A file that crashed, was too slow or ran nothing has failed, whatever it counted.
    if { [ "$code" != 0 ] && [ "$bad" = 0 ]; } || [ $((ok + bad + skip)) = 0 ]; then
        bad=$((bad + 1))
        explain_end "$code" "$part" "$3" | tee -a "$out" >>"$out.failed"
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
    skipped=$((skipped + skip))
    sed "s,^,  $1/$2: ," "$out.failed" >>"$results/failed"
    show_file "$1/$2" "$out" "$bad" "$skip"
}

# The names of what failed. A test that failed only because one below it did is not named.
failed_tests() {
    awk '
        /^ *not ok / && !/# (SKIP|TOD[O])/ { if (name != "") print name; name = $0; sub(/^ *not ok [0-9]+ (- )?/, "", name) }
        /failureType: .subtestsFailed/ { name = "" }
        END { if (name != "") print name }' "$1"
}

explain_end() {
    case $1 in
    0) echo "$3 ran no test" ;;
    124 | 137) echo "$3 was not done within $(time_bound "$2" "$3") s" ;;
    99) echo "$3: valgrind found an error or lost memory" ;;
    *) echo "$3 ended with exit code $1" ;;
    esac
}

show_file() {
    if [ "$3" != 0 ]; then
        printf '\n---- %s failed\n' "$1"
        cat "$2"
        printf -- '---- end of %s\n\n' "$1"
    elif [ "$4" != 0 ]; then
        grep -E '# (SKIP|TOD[O])' "$2" | sed "s,^ *,  skipped: $1: ,"
    fi
    sed -n "s,^ *# note: ,  $1: ,p" "$2"
}

# Again at the end, where whoever reads a long log looks first.
name_failed() {
    [ -s "$results/failed" ] || return 0
    printf '\nFailed:\n'
    head -n 60 "$results/failed"
    [ "$(wc -l <"$results/failed")" -le 60 ] || echo "  and more"
    echo
}
