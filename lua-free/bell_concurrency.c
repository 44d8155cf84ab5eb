#include "bell_concurrency.h"

#define TOLERANCE      1.25 /* answers may take so much longer than without a queue */
#define CUT_MOST       0.5  /* in one window */
#define CUT_OVERLOAD   0.8
#define CUT_UNUSED     0.9
#define DIP            0.5
#define STILL_AS_MANY  0.8 /* of the number before it sank */
#define STILL_AS_SLOW  0.7 /* of what it took before the number was halved */
#define SLOWER         1.5 /* times what it took then, though there are fewer: it has become slower meanwhile, and then says nothing of now */
#define FOUND          0.8 /* a dip in which it takes so much of what it took in the one before has found nothing new */
#define BASE_PART      0.2 /* how much a window that uses less than half of the number says of the time without a queue */
#define DIP_EVERY_US   10000000
#define DIP_EVERY_BASE 50 /* and not more often than so many answers take one after the other */
#define DIP_SOON_US    1000000
#define DIP_SOON_BASE  10
#define ANSWERS_LEAST  16
#define ANSWERS_MOST   64
#define ANSWERS_FEW    4 /* are enough when they took long to come */
#define WINDOW_MOST_US 5000000
#define CUT_EVERY_US   200000

static double smaller(double a, double b) {
    return a < b ? a : b;
}

static double larger(double a, double b) {
    return a > b ? a : b;
}

/* By Newton's method; of 1 or more. */
static double root_of(double n) {
    double root = n;

    for (int i = 0; i < 16; i++) {
        root = (root + n / root) / 2;
    }
    return root;
}

static double bounded(double limit, const bell_concurrency_rule *rule) {
    return smaller(larger(limit, rule->min), rule->max);
}

static void begin_window(bell_concurrency *c, int64_t now_us) {
    c->sum_us = 0;
    c->answers = 0;
    c->most_in_flight = 0;
    c->from_us = now_us;
}

static void put_off_dip(bell_concurrency *c, int64_t now_us) {
    c->dip_us = now_us + (int64_t)larger(DIP_EVERY_US, DIP_EVERY_BASE * c->base_us);
}

/* What was found may be of a moment alone. */
static void dip_soon(bell_concurrency *c, int64_t now_us) {
    c->dip_us = now_us + (int64_t)larger(DIP_SOON_US, DIP_SOON_BASE * c->base_us);
}

void bell_concurrency_init(bell_concurrency *c, const bell_concurrency_rule *rule, uint32_t start, int64_t now_us) {
    *c = (bell_concurrency){.limit = bounded(start, rule), .cut_us = now_us};
    begin_window(c, now_us);
    put_off_dip(c, now_us);
}

uint32_t bell_concurrency_limit(const bell_concurrency *c, const bell_concurrency_rule *rule) {
    double limit = c->is_dip ? c->limit * DIP : c->limit;

    return (uint32_t)larger(bounded(limit, rule), 1);
}

/* Whether answers come later because there are many: then they come sooner when there are half as many. */
static bool is_slow_for_all(bell_concurrency *c, double took_us) {
    bool is_slow = took_us > c->before_us * STILL_AS_SLOW;

    if (c->limit > c->before_limit * STILL_AS_MANY || took_us > c->before_us * SLOWER) {
        c->before_limit = c->limit;
        c->before_us = took_us;
        return false;
    }
    if (c->limit > c->before_limit * DIP) {
        return false;
    }
    if (is_slow) {
        c->limit = c->before_limit;
    } else {
        c->before_limit = c->limit;
        c->before_us = took_us;
    }
    return is_slow;
}

/* So few are under way that their latency says little of the number; the night is no reason to begin small in the morning. */
static void judge_unused(bell_concurrency *c, double took_us) {
    if (TOLERANCE * c->base_us >= took_us) {
        c->base_us += (took_us - c->base_us) * BASE_PART;
    } else if (TOLERANCE * c->base_us < took_us * CUT_MOST) {
        c->limit = larger(c->limit * CUT_UNUSED, c->most_in_flight * 2.0);
    }
}

static void judge(bell_concurrency *c, double took_us, int64_t now_us) {
    double gradient = smaller(larger(TOLERANCE * c->base_us / took_us, CUT_MOST), 1);

    if (gradient >= 1) {
        c->before_limit = 0;
    } else if (is_slow_for_all(c, took_us)) {
        c->base_us = took_us;
        c->before_limit = 0;
        dip_soon(c, now_us);
        return;
    }
    c->limit = c->limit * gradient + root_of(c->limit);
}

static void end_dip(bell_concurrency *c, double took_us, int64_t now_us) {
    double before_us = c->base_us;

    c->base_us = took_us;
    c->is_dip = false;
    if (took_us < before_us * FOUND || before_us == 0) {
        c->dip_us = now_us; /* with fewer still it may take less */
    } else if (took_us > before_us / FOUND) {
        dip_soon(c, now_us);
    } else {
        put_off_dip(c, now_us);
    }
}

static void end_window(bell_concurrency *c, const bell_concurrency_rule *rule, int64_t now_us) {
    double took_us = larger(c->sum_us / c->answers, 1);

    if (c->is_dip || c->base_us == 0) {
        end_dip(c, took_us, now_us);
    } else if (c->most_in_flight * 2.0 < c->limit) {
        judge_unused(c, took_us);
        put_off_dip(c, now_us);
    } else {
        judge(c, took_us, now_us);
        c->is_dip = now_us >= c->dip_us;
    }
    c->limit = bounded(c->limit, rule);
    begin_window(c, now_us);
}

void bell_concurrency_answer(bell_concurrency *c, const bell_concurrency_rule *rule, int64_t now_us, int64_t took_us, uint32_t in_flight) {
    double enough = smaller(larger(c->limit / 2, ANSWERS_LEAST), ANSWERS_MOST);

    if (took_us < 0 || now_us - took_us <= c->from_us) {
        return;
    }
    c->answers++;
    c->sum_us += (double)took_us;
    c->most_in_flight = in_flight > c->most_in_flight ? in_flight : c->most_in_flight;
    if (c->answers >= enough || (c->answers >= ANSWERS_FEW && now_us - c->from_us >= WINDOW_MOST_US)) {
        end_window(c, rule, now_us);
    }
}

void bell_concurrency_overload(bell_concurrency *c, const bell_concurrency_rule *rule, int64_t now_us, uint32_t in_flight) {
    if (in_flight * 2.0 < c->limit || now_us - c->cut_us < (int64_t)larger(CUT_EVERY_US, c->base_us)) {
        return; /* those of one moment are one */
    }
    c->cut_us = now_us;
    c->limit = bounded(c->limit * CUT_OVERLOAD, rule);
    c->is_dip = false;
    begin_window(c, now_us);
}
