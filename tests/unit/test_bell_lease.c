#include "bell_lease.h"
#include "unit.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND 1000000
#define NOW    (1000 * (int64_t)SECOND)
#define STORE  (1800000000 * (int64_t)SECOND)

static bell_lease_store store;
static bell_lease lease;
static bell_lease_rule rule;

/* 100 a second, 99 more at once, 4 edges. */
static int set_up(void **state) {
    bell_gcra_rule gcra;

    (void)state;
    memset(&store, 0, sizeof(store));
    assert_true(bell_gcra_rule_of(100, 1, 99, &gcra) && bell_lease_rule_of(&gcra, 4, &rule));
    bell_lease_init(&lease, 77);
    return 0;
}

static void set_rule(uint64_t count, uint64_t period_s, uint64_t burst, uint32_t edges) {
    bell_gcra_rule gcra;

    assert_true(bell_gcra_rule_of(count, period_s, burst, &gcra) && bell_lease_rule_of(&gcra, edges, &rule));
}

static bool take(int64_t now_us, uint64_t cost) {
    return bell_lease_take(&lease, &rule, now_us, cost).allowed;
}

static uint64_t drain(int64_t now_us) {
    uint64_t n = 0;

    while (take(now_us, 1)) {
        n++;
    }
    return n;
}

static bell_lease_answer exchange(int64_t now_us, int64_t store_us) {
    bell_lease_request q;

    bell_lease_begin(&lease, &rule, 1, now_us, &q);
    bell_lease_answer a = bell_lease_exchange(&store, &rule, store_us, &q);
    bell_lease_answered(&lease, &rule, q.number, now_us, &a);
    return a;
}

static void rules(void **state) {
    static const struct {
        uint64_t period_s, burst;
        uint32_t edges;
        bool taken;
    } rows[] = {{1, 99, 4, true}, {1, 99, 0, false}, {1, 99, 64, true}, {1, 99, 65, false}, {31536000, 16, 4, true}, {31536000, 18, 4, false}};
    bell_gcra_rule gcra;

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_true(bell_gcra_rule_of(1, rows[i].period_s, rows[i].burst, &gcra));
        assert_int_equal(bell_lease_rule_of(&gcra, rows[i].edges, &rule), rows[i].taken);
    }
}

/* ---- the edge */

/* A share is a quarter of the burst, and then a quarter of the rate. */
static void without_a_store(void **state) {
    bell_gcra_answer a;

    (void)state;
    assert_int_equal(bell_lease_take(&lease, &rule, NOW, 0).remaining, 25);
    assert_int_equal(drain(NOW), 25);
    a = bell_lease_take(&lease, &rule, NOW, 1);
    assert_true(!a.allowed && a.retry_after_us == 40000 && a.more_us == 40000);
    assert_false(take(NOW + 39999, 1));
    assert_true(take(NOW + 40000, 1));
    assert_int_equal(drain(NOW + 400000), 9);
    assert_int_equal(drain(NOW + 3600LL * SECOND), 25);
    set_rule(1, 60, 0, 4); /* less than one for each */
    bell_lease_init(&lease, 78);
    assert_int_equal(drain(NOW), 1);
    assert_false(take(NOW + 239LL * SECOND, 1));
    assert_true(take(NOW + 240LL * SECOND, 1));
}

/* What costs more than a share is taken of a whole one, and paid for; what costs more than there can be is not. */
static void dear_uses(void **state) {
    bell_gcra_answer a;

    (void)state;
    assert_true(take(NOW, 60));
    assert_false(take(NOW + 60 * 40000 - 1, 25));
    assert_true(take(NOW + 60 * 40000, 25));
    a = bell_lease_take(&lease, &rule, NOW, 101);
    assert_true(!a.allowed && a.hopeless && a.retry_after_us > 0);
    bell_lease_init(&lease, 78);
    assert_true(take(NOW, 1));
    bell_lease_answer got = exchange(NOW, STORE);
    assert_true(got.granted > 2 && got.granted < 60);
    assert_true(take(NOW, 60)); /* one unit of credit is enough */
    assert_int_equal(bell_lease_in_hand(&lease, NOW), 0);
    assert_false(take(NOW, 1));
    assert_int_equal(exchange(NOW + 100000, STORE + 100000).left + bell_lease_in_hand(&lease, NOW + 100000), 100 + 10 - 61);
}

/* A key without a lease has the same of a rule. */
static void share_as_a_rule(void **state) {
    bell_gcra_rule share = bell_lease_share(&rule, 1);
    int64_t tat = BELL_GCRA_NEVER;

    (void)state;
    assert_true(share.unit_us == 40000 && bell_gcra_limit(&share) == 25);
    for (unsigned i = 0; i < 30; i++) {
        bell_gcra_answer a = bell_gcra_take(&share, tat, NOW, 1), same = bell_lease_take(&lease, &rule, NOW, 1);
        tat = a.tat_us;
        assert_true(a.allowed == same.allowed && a.remaining == same.remaining && a.retry_after_us == same.retry_after_us);
    }
    assert_int_equal(tat, lease.local_tat_us);
    share = bell_lease_share(&rule, 60); /* it wants a whole one */
    assert_true(share.unit_us == 40000 && bell_gcra_limit(&share) == 60);
    assert_int_equal(bell_gcra_limit((share = bell_lease_share(&rule, UINT64_MAX), &share)), 100);
    set_rule(1, 60, 0, 4);
    share = bell_lease_share(&rule, 1);
    assert_true(share.unit_us == 240 * (int64_t)SECOND && bell_gcra_limit(&share) == 1);
    set_rule(1, 31536000, 16, 64); /* longer than a rule may take to come back */
    share = bell_lease_share(&rule, 17);
    assert_true(share.burst_us + share.unit_us <= BELL_GCRA_SPAN_MAX_US && bell_gcra_limit(&share) == 1);
}

/* What is left is about all edges, as far as this one knows. */
static void what_is_left(void **state) {
    (void)state;
    assert_int_equal(bell_lease_left(&lease, &rule, NOW), 100);
    assert_int_equal(drain(NOW), 25);
    assert_int_equal(bell_lease_left(&lease, &rule, NOW), 0);
    assert_int_equal(exchange(NOW, STORE).granted, 75);
    assert_int_equal(bell_lease_left(&lease, &rule, NOW), 75);
    assert_int_equal(drain(NOW), 75);
    assert_int_equal(bell_lease_left(&lease, &rule, NOW), 0);
    assert_int_equal(bell_lease_left(&lease, &rule, NOW + 100000), 10); /* has come meanwhile */
    assert_true(!bell_lease_is_alone(&lease, NOW + BELL_LEASE_LOST_US) && bell_lease_is_alone(&lease, NOW + BELL_LEASE_LOST_US + 1));
    assert_int_equal(bell_lease_left(&lease, &rule, NOW + SECOND), 100); /* alone: a whole share, four times */
    assert_int_equal(drain(NOW + SECOND), 25);
    assert_int_equal(bell_lease_left(&lease, &rule, NOW + SECOND), 0);
}

static void leases(void **state) {
    bell_lease_answer a;

    (void)state;
    assert_int_equal(bell_lease_due_us(&lease, NOW), INT64_MAX);
    assert_int_equal(drain(NOW), 25);
    assert_int_equal(bell_lease_due_us(&lease, NOW), NOW); /* at once, for a key that is new */
    a = exchange(NOW, STORE);
    assert_int_equal(a.granted, 75); /* nobody else wants any, and 25 were told of */
    assert_int_equal(a.left, 0);
    assert_int_equal(a.tat_us, STORE + SECOND);
    assert_int_equal(bell_lease_in_hand(&lease, NOW), 75);
    assert_int_equal(bell_lease_due_us(&lease, NOW), NOW + (75 * 2 < lease.demand ? BELL_LEASE_TIGHT_US : BELL_LEASE_CALM_US));
    assert_int_equal(drain(NOW), 75);
    assert_int_equal(drain(NOW + BELL_LEASE_LOST_US), 0);
    assert_int_equal(drain(NOW + BELL_LEASE_LOST_US + 20000), 13); /* alone: a quarter of the rate since the last answer */
    a = exchange(NOW + 600000, STORE + 600000);
    assert_int_equal(a.granted, 60 - 13);
    assert_int_equal(bell_lease_in_hand(&lease, NOW + 600000 + BELL_LEASE_VALID_US - 1), 47);
    assert_int_equal(bell_lease_in_hand(&lease, NOW + 600000 + BELL_LEASE_VALID_US), 0); /* is over */
}

/* What is spent while an exchange is under way is spent of the lease that it brings. */
static void spent_meanwhile(void **state) {
    bell_lease_request q;

    (void)state;
    assert_true(take(NOW, 1));
    exchange(NOW, STORE);
    assert_true(bell_lease_in_hand(&lease, NOW) >= 12);
    bell_lease_begin(&lease, &rule, 1, NOW + 100000, &q);
    assert_int_equal(bell_lease_due_us(&lease, NOW + SECOND), INT64_MAX);
    assert_true(take(NOW + 101000, 5));
    bell_lease_answer a = bell_lease_exchange(&store, &rule, STORE + 100000, &q);
    bell_lease_answered(&lease, &rule, q.number + 1, NOW + 102000, &a); /* of another one */
    bell_lease_answered(&lease, &rule, q.number, NOW + 102000, &a);
    assert_int_equal(bell_lease_in_hand(&lease, NOW + 102000), a.granted - 5);
    uint64_t granted = a.granted;
    a.granted = 1000;
    bell_lease_answered(&lease, &rule, q.number, NOW + 102000, &a); /* once */
    assert_int_equal(bell_lease_in_hand(&lease, NOW + 102000), granted - 5);
}

static void given_back(void **state) {
    (void)state;
    assert_true(take(NOW, 10));
    bell_lease_give_back(&lease, 10);
    bell_lease_answer a = exchange(NOW, STORE);
    assert_int_equal(a.tat_us, STORE + (int64_t)a.granted * 10000);
    uint64_t in_hand = bell_lease_in_hand(&lease, NOW);
    assert_true(take(NOW, 5));
    exchange(NOW + 100000, STORE + 100000);
    bell_lease_give_back(&lease, 5); /* the store knows of them already */
    assert_true(in_hand > 5);
    a = exchange(NOW + 200000, STORE + 200000);
    assert_int_equal(a.tat_us, STORE + 200000 + (int64_t)a.granted * 10000);
}

/* The answer is lost: the next exchange makes good what the store thinks was lent. */
static void a_lost_answer(void **state) {
    bell_lease_request q;
    bell_lease_answer a;

    (void)state;
    assert_int_equal(drain(NOW), 25);
    bell_lease_begin(&lease, &rule, 1, NOW, &q);
    a = bell_lease_exchange(&store, &rule, STORE, &q);
    assert_int_equal(a.granted, 75);
    bell_lease_failed(&lease, q.number);
    assert_int_equal(bell_lease_due_us(&lease, NOW), NOW + BELL_LEASE_TIGHT_US);
    a = bell_lease_exchange(&store, &rule, STORE, &q); /* once more, late */
    assert_true(a.is_late && store.tat_us == STORE + SECOND);
    a = exchange(NOW + 100000, STORE + 100000);
    assert_int_equal(a.granted + a.left, 85); /* 25 were spent, 10 have come */
}

/* Its process was stopped in the midst of it, and replaced: the exchange is nobody's. */
static void an_exchange_that_nobody_ends(void **state) {
    bell_lease_request lost;

    (void)state;
    assert_true(take(NOW, 1));
    bell_lease_begin(&lease, &rule, 1, NOW, &lost);
    bell_lease_answer late = bell_lease_exchange(&store, &rule, STORE, &lost);
    assert_int_equal(bell_lease_due_us(&lease, NOW + BELL_LEASE_VALID_US - 1), INT64_MAX);
    assert_int_equal(bell_lease_due_us(&lease, NOW + BELL_LEASE_VALID_US), NOW + BELL_LEASE_VALID_US);
    bell_lease_answer a = exchange(NOW + BELL_LEASE_VALID_US, STORE + BELL_LEASE_VALID_US);
    assert_int_equal(bell_lease_in_hand(&lease, NOW + BELL_LEASE_VALID_US), a.granted);
    late.granted = 1;
    bell_lease_answered(&lease, &rule, lost.number, NOW + BELL_LEASE_VALID_US, &late);
    assert_int_equal(bell_lease_in_hand(&lease, NOW + BELL_LEASE_VALID_US), a.granted);
}

/* Whatever it says, an edge has no more than there can ever be, and waits no longer than the rule has it. */
static void a_store_that_lies(void **state) {
    static const bell_lease_answer rows[] = {
        {.granted = BELL_LEASE_UNITS_MAX - 1, .left = BELL_LEASE_UNITS_MAX - 1, .tat_us = STORE, .now_us = STORE},
        {.granted = 131, .left = 0, .tat_us = (int64_t)BELL_LEASE_UNITS_MAX - 1, .now_us = 0},
        {.granted = 131, .left = 0, .tat_us = 0, .now_us = (int64_t)BELL_LEASE_UNITS_MAX - 1},
    };
    bell_lease_request q;

    for (size_t i = 0; i < ROWS(rows); i++) {
        set_up(state);
        assert_true(take(NOW, 1));
        bell_lease_begin(&lease, &rule, 1, NOW, &q);
        bell_lease_answered(&lease, &rule, q.number, NOW, &rows[i]);
        assert_int_equal(drain(NOW), 100 + BELL_LEASE_SLACK_US / 10000);
        bell_gcra_answer a = bell_lease_take(&lease, &rule, NOW, 1);
        assert_true(!a.allowed && a.retry_after_us > 0 && a.retry_after_us <= 990000 + 4 * 10000 + BELL_LEASE_OWED_US);
        assert_in_range(bell_lease_left(&lease, &rule, NOW), 0, 100);
        bell_lease_begin(&lease, &rule, 1, NOW + 100000, &q);
        bell_lease_answer next = bell_lease_exchange(&store, &rule, STORE, &q); /* an honest one, in its stead */
        assert_true(next.tat_us <= STORE + 1000000 + BELL_LEASE_OWED_US);
    }
}

static void hammer(bell_lease *shared, uint64_t *allowed, unsigned *met) {
    __atomic_add_fetch(met, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(met, __ATOMIC_SEQ_CST) < 4) {
        sched_yield();
    }
    for (int i = 0; i < 20000; i++) {
        if (bell_lease_take(shared, &rule, NOW, 1).allowed) {
            __atomic_add_fetch(allowed, 1, __ATOMIC_SEQ_CST);
        }
    }
}

/* Four processes, one lease or one share: each unit goes to one of them. */
static void of_several_processes(void **state) {
    struct {
        bell_lease lease;
        uint64_t allowed;
        unsigned met;
    } *m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(m != MAP_FAILED);
    for (int round = 0; round < 6; round++) {
        pid_t children[4];
        int status;
        bell_lease_init(&m->lease, (uint64_t)round);
        m->allowed = m->met = 0;
        if (round % 2) {
            m->lease.ceiling = 5000;
            m->lease.until_us = INT64_MAX;
            m->lease.answered_us = NOW;
        }
        for (int i = 0; i < 4; i++) {
            children[i] = fork();
            if (children[i] == 0) {
                alarm(120);
                hammer(&m->lease, &m->allowed, &m->met);
                _exit(0);
            }
        }
        for (int i = 0; i < 4; i++) {
            assert_true(waitpid(children[i], &status, 0) == children[i] && status == 0);
        }
        assert_int_equal(m->allowed, round % 2 ? 5000 : 25);
        assert_int_equal(m->lease.spent, m->allowed);
        assert_int_equal(m->lease.asked, 80000);
    }
    munmap(m, sizeof(*m));
}

/* ---- the store */

static bell_lease_answer ask(uint64_t edge, uint64_t number, uint64_t spent, uint64_t want, int64_t store_us) {
    bell_lease_request q = {.edge = edge, .epoch = 9, .number = number, .spent = spent, .since = spent, .want = want};

    return bell_lease_exchange(&store, &rule, store_us, &q);
}

/* Whoever wants little gets it, and the others even parts of what remains. */
static void fair_shares(void **state) {
    bell_lease_answer a;

    (void)state;
    assert_int_equal(ask(1, 1, 0, 1000, STORE).granted, 100); /* alone */
    assert_int_equal(ask(2, 1, 0, 1000, STORE).granted, 0);
    assert_int_equal(ask(3, 1, 0, 10, STORE).granted, 0);
    a = ask(1, 2, 100, 1000, STORE + 500000); /* 50 have come: 10, and two times 20 */
    assert_true(a.granted == 20 && a.left == 30);
    a = ask(3, 2, 0, 10, STORE + 500000);
    assert_true(a.granted == 10 && a.left == 20);
    a = ask(4, 1, 0, 0, STORE + 500000);
    assert_true(a.granted == 0 && a.left == 20);
    assert_int_equal(ask(2, 2, 0, 1000, STORE + 500000).granted, 7); /* what is left is shared again */
    set_rule(1, 2, 0, 4);
    memset(&store, 0, sizeof(store));
    ask(1, 1, 0, 0, STORE);
    assert_int_equal(ask(2, 1, 0, 5, STORE).granted, 1); /* one is somebody's, however many want it */
    assert_int_equal(ask(1, 2, 0, 5, STORE).granted, 0);
    assert_int_equal(ask(1, 3, 0, 5, STORE + 2000000 - BELL_LEASE_SLACK_US - 1).granted, 0);
    assert_int_equal(ask(1, 4, 0, 5, STORE + 2000000 - BELL_LEASE_SLACK_US).granted, 1);
}

/* With plenty, more than what is asked for: half of it, in even parts. */
static void plenty(void **state) {
    (void)state;
    assert_int_equal(ask(1, 1, 0, 1, STORE).granted, 12);
    assert_int_equal(ask(2, 1, 0, 1, STORE).granted, 11);
    assert_int_equal(ask(1, 2, 0, 0, STORE).left, 89); /* all of it is given back */
}

/* Three edges want all they can get, and one of them is heard no more: it is lent its share, a quarter of the rate, until it says what it has spent.
 */
static void a_silent_edge(void **state) {
    uint64_t spent = 0, number = 1;
    int64_t at;

    (void)state;
    assert_int_equal(ask(1, 1, 0, 1000, STORE).granted, 100);
    assert_int_equal(ask(2, 1, 0, 1000, STORE).granted, 0);
    for (at = STORE + 100000; at <= STORE + 10 * SECOND; at += 100000) {
        uint64_t lent = ask(3, number++, spent, 1000, at).granted;
        spent += lent;
        ask(4, number, 0, 0, at);
    }
    assert_in_range(spent, 1000 - 500 - 55, 1000 - 500); /* two of the four have a share; the last part is not yet given */
    at -= 100000;
    int64_t tat = store.tat_us;
    bell_lease_answer a = ask(1, 2, 100 + 250, 0, at);
    assert_int_equal(a.tat_us, tat); /* as was thought */
    a = ask(2, 2, 300, 0, at);
    assert_int_equal(a.tat_us, tat + 500000); /* fifty more */
    for (at += 100000; at <= STORE + 75 * SECOND; at += 100000) {
        ask(3, number++, spent, 1000, at);
    }
    assert_int_equal(store.nrecords, 1); /* the others are forgotten */
}

/* Nobody was heard for a minute: whoever comes first does not get what the others have spent meanwhile. */
static void a_store_that_was_away(void **state) {
    int64_t at = STORE + 90LL * SECOND;

    (void)state;
    for (uint64_t i = 1; i <= 4; i++) {
        ask(i, 1, 0, 1000, STORE);
    }
    bell_lease_request q = {.edge = 1, .epoch = 9, .number = 2, .spent = 100 + 2250, .age_us = 90LL * SECOND, .want = 1000};
    bell_lease_answer a = bell_lease_exchange(&store, &rule, at, &q);
    assert_in_range(a.granted + a.left, 0, 3);
    assert_int_equal(store.nrecords, 4);
    int64_t tat = store.tat_us;
    for (q.edge = 2; q.edge <= 4; q.edge++) {
        q.spent = 2250;
        q.want = 0;
        assert_int_equal(bell_lease_exchange(&store, &rule, at, &q).tat_us, tat);
    }
}

static void debts(void **state) {
    bell_lease_request q = {.edge = 1, .epoch = 9, .number = 1, .spent = 500, .since = 500, .want = 10};
    bell_lease_answer a = bell_lease_exchange(&store, &rule, STORE, &q);

    (void)state;
    assert_true(a.granted == 0 && a.tat_us == STORE + 2 * SECOND); /* one second behind all that it may have, not four */
    memset(&store, 0, sizeof(store));
    q.age_us = 10 * SECOND; /* over ten seconds: half of what came */
    a = bell_lease_exchange(&store, &rule, STORE, &q);
    assert_int_equal(a.granted + a.left, 100);
    memset(&store, 0, sizeof(store));
    q.spent = q.since = 1000;
    a = bell_lease_exchange(&store, &rule, STORE, &q);
    assert_int_equal(a.tat_us - (int64_t)a.granted * 10000, STORE);
}

/* The store is emptied: what the edges know bounds what it gives. */
static void an_emptied_store(void **state) {
    bell_lease_answer a;

    (void)state;
    assert_int_equal(drain(NOW), 25);
    exchange(NOW, STORE);
    assert_int_equal(drain(NOW), 75);
    memset(&store, 0, sizeof(store));
    a = exchange(NOW + 100000, STORE + 100000);
    assert_int_equal(a.granted + a.left, 10);
    memset(&store, 0, sizeof(store));
    a = exchange(NOW + 200000, STORE - 3600LL * SECOND); /* and by another clock */
    assert_true(a.granted == 0 && a.tat_us <= STORE - 3600LL * SECOND + 2LL * SECOND);
    a = exchange(NOW + 2200000, STORE - 3598LL * SECOND);
    assert_true(a.granted + a.left >= 90);
}

static void a_clock_that_steps(void **state) {
    (void)state;
    assert_int_equal(ask(1, 1, 0, 1000, STORE).granted, 100);
    assert_int_equal(ask(1, 2, 100, 1000, STORE - 3600LL * SECOND).granted, 0);
    assert_int_equal(ask(1, 3, 100, 1000, STORE - 3599LL * SECOND).granted, 0);
    assert_true(ask(1, 4, 100, 1000, STORE - 3598LL * SECOND + 10000).granted > 0); /* what is owed is bounded */
    bell_lease_answer a = ask(2, 1, 0, 1000, STORE + 3600LL * SECOND);
    assert_int_equal(a.granted + a.left, 100);
}

/* What an edge that began anew was lent is lost; what one that came back late was lent is not given again. */
static void records(void **state) {
    (void)state;
    assert_int_equal(ask(1, 1, 0, 60, STORE).granted, 60);
    bell_lease_request q = {.edge = 1, .epoch = 10, .number = 1, .want = 60};
    bell_lease_answer a = bell_lease_exchange(&store, &rule, STORE, &q);
    assert_true(a.granted == 40 && store.nrecords == 1);
    memset(&store, 0, sizeof(store));
    assert_int_equal(ask(1, 1, 0, 100, STORE).granted, 100);
    uint64_t number = 1;
    for (int64_t at = STORE; at <= STORE + BELL_LEASE_RETURN_US + 1; at += 100000) {
        ask(2, number++, 0, 0, at);
    }
    int64_t tat = ask(2, number, 0, 0, STORE + BELL_LEASE_RETURN_US + 1).tat_us;
    assert_int_equal(ask(1, 2, 0, 0, STORE + BELL_LEASE_RETURN_US + 1).tat_us, tat); /* too long ago to be given back */
    memset(&store, 0, sizeof(store));
    for (uint64_t i = 1; i <= BELL_LEASE_EDGES_MAX; i++) {
        ask(i, 1, 0, 1, STORE + (int64_t)i);
    }
    ask(1000, 1, 0, 1, STORE + 1000);
    assert_int_equal(store.nrecords, BELL_LEASE_EDGES_MAX);
    assert_false(ask(1, 1, 0, 1, STORE + 1001).is_late); /* was forgotten, as the oldest */
    assert_true(ask(3, 1, 0, 1, STORE + 1001).is_late);
}

/* ---- texts */

static void texts(void **state) {
    static const char *const bad[] = {
        "", "0", "0 1 2 3", "2 1 2 3 4", "0 1 2 3 4 ", "0 1 2 3 4 5", "0  1 2 3 4", "0 1 -2 3 4", "0 1 2 3 9007199254740992"};
    bell_lease_request q = {.edge = 1, .epoch = 2, .number = 3, .spent = 40, .since = 5, .lent = 6, .want = 7, .age_us = 8, .tat_us = 9}, back;
    bell_lease_rule back_rule;
    bell_lease_answer a;
    char out[BELL_LEASE_REQUEST_MAX];

    (void)state;
    size_t len = bell_lease_write(&q, &rule, out);
    assert_int_equal(len, strlen(out));
    assert_string_equal(out, "1 2 3 40 5 6 7 8 9 10000 990000 4");
    assert_true(bell_lease_read_request(bell_str_of(out), &back, &back_rule));
    assert_true(memcmp(&q, &back, sizeof(q)) == 0 && back_rule.edges == 4 && back_rule.gcra.burst_us == 990000);
    memset(&q, 0xff, sizeof(q));
    assert_in_range(bell_lease_write(&q, &rule, out), 100, sizeof(out) - 1);
    q.age_us = q.tat_us = INT64_MAX;
    assert_in_range(bell_lease_write(&q, &rule, out), 100, sizeof(out) - 1);
    assert_true(bell_lease_read_request(bell_str_of(out), &back, &back_rule));
    assert_false(bell_lease_read_request(BELL_STR("1 2 3 40 5 6 7 8 9 0 990000 4"), &back, &back_rule));
    assert_false(bell_lease_read_request(BELL_STR("1 2 3 40 5 6 7 8 9 10000 990000 65"), &back, &back_rule));
    assert_false(bell_lease_read_request(BELL_STR("1 2 3 4 5 6 7 8 9 10000 990000 4"), &back, &back_rule));
    assert_true(bell_lease_read(BELL_STR("0 1 2 3 4"), &a));
    assert_true(!a.is_late && a.granted == 1 && a.left == 2 && a.tat_us == 3 && a.now_us == 4);
    assert_true(bell_lease_read(BELL_STR("1 0 0 3 4"), &a) && a.is_late);
    for (size_t i = 0; i < ROWS(bad); i++) {
        assert_row(!bell_lease_read(bell_str_of(bad[i]), &a), bad[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rules, set_up),
        cmocka_unit_test_setup(without_a_store, set_up),
        cmocka_unit_test_setup(dear_uses, set_up),
        cmocka_unit_test_setup(share_as_a_rule, set_up),
        cmocka_unit_test_setup(what_is_left, set_up),
        cmocka_unit_test_setup(leases, set_up),
        cmocka_unit_test_setup(spent_meanwhile, set_up),
        cmocka_unit_test_setup(given_back, set_up),
        cmocka_unit_test_setup(a_lost_answer, set_up),
        cmocka_unit_test_setup(an_exchange_that_nobody_ends, set_up),
        cmocka_unit_test_setup(a_store_that_lies, set_up),
        cmocka_unit_test_setup(of_several_processes, set_up),
        cmocka_unit_test_setup(fair_shares, set_up),
        cmocka_unit_test_setup(plenty, set_up),
        cmocka_unit_test_setup(a_silent_edge, set_up),
        cmocka_unit_test_setup(a_store_that_was_away, set_up),
        cmocka_unit_test_setup(debts, set_up),
        cmocka_unit_test_setup(an_emptied_store, set_up),
        cmocka_unit_test_setup(a_clock_that_steps, set_up),
        cmocka_unit_test_setup(records, set_up),
        cmocka_unit_test_setup(texts, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
