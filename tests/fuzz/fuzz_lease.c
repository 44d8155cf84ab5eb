/* The store of leases: lines of a request, a tab, and an answer whose clock it is; a line "-" empties the store. With FB_LEASE_COMPARE in the
 * environment the answers were given by the script, and the C function gives the same (lease-script.test.mjs).
 * longest input: 2048 bytes */
#include "bell_lease.h"
#include "fuzz.h"

#include <inttypes.h>

static bell_lease_store store;

static void check(const bell_lease_request *q, const bell_lease_rule *rule, const bell_lease_answer *a) {
    int64_t unit = rule->gcra.unit_us, slack = rule->gcra.burst_us > BELL_LEASE_SLACK_US ? rule->gcra.burst_us : BELL_LEASE_SLACK_US;
    int64_t owed = unit * rule->edges > BELL_LEASE_OWED_US ? unit * rule->edges : BELL_LEASE_OWED_US;

    fuzz_assert(store.nrecords <= BELL_LEASE_EDGES_MAX && a->granted <= BELL_LEASE_UNITS_MAX);
    fuzz_assert((int64_t)(a->granted + a->left) <= (slack + unit) / unit && (q->want > 0 || a->granted == 0));
    fuzz_assert(a->is_late || a->tat_us <= a->now_us + slack + unit + owed + unit);
}

static void compare(bell_str line, const bell_lease_answer *script, const bell_lease_answer *own) {
    if (script->is_late != own->is_late || script->granted != own->granted || script->left != own->left || script->tat_us != own->tat_us) {
        fprintf(stderr, "%.*s\nC: %d %" PRIu64 " %" PRIu64 " %" PRId64 "\n", BELL_STR_ARG(line), own->is_late, own->granted, own->left, own->tat_us);
        abort();
    }
}

static void one_line(bell_str line, bool is_compared) {
    bell_str rest = line, text = bell_str_cut(&rest, '\t');
    bell_lease_answer script = {0}, own;
    bell_lease_request q;
    bell_lease_rule rule;
    char again[BELL_LEASE_REQUEST_MAX];

    if (bell_str_eq(line, BELL_STR("-"))) {
        memset(&store, 0, sizeof(store));
        return;
    }
    bool is_good = bell_lease_read_request(text, &q, &rule), is_answer = bell_lease_read(rest, &script);
    fuzz_assert(!is_compared || (is_good && is_answer));
    if (!is_good || script.now_us > (int64_t)1 << 51) {
        return;
    }
    own = bell_lease_exchange(&store, &rule, script.now_us, &q);
    check(&q, &rule, &own);
    if (is_compared) {
        compare(line, &script, &own);
        fuzz_assert(bell_lease_write(&q, &rule, again) == text.len && memcmp(again, text.p, text.len) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bool is_compared = getenv("FB_LEASE_COMPARE") != NULL;
    bell_str rest = {(const char *)data, size};

    memset(&store, 0, sizeof(store));
    while (rest.len > 0) {
        bell_str line = bell_str_cut(&rest, '\n');
        if (line.len > 0) {
            one_line(line, is_compared);
        }
    }
    return 0;
}
