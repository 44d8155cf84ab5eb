#include "bell_freshness.h"

#define HEURISTIC_PART 10 /* RFC 9111, section 4.2.2: a tenth is typical */
#define LN_2           0.693147180559945309417

static uint32_t seconds_between(int64_t from_s, int64_t to_s) {
    if (to_s <= from_s) {
        return 0;
    }
    return to_s - from_s < BELL_DELTA_MAX_S ? (uint32_t)(to_s - from_s) : BELL_DELTA_MAX_S;
}

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static uint32_t larger(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

/* A response without a Date that can be read was made when it came (RFC 9110, section 6.6.1). */
static int64_t date_of(const bell_response_meta *m) {
    return m->date == BELL_FIELD_GOOD ? m->date_s : m->response_time_s;
}

bool bell_freshness_is_heuristic_status(unsigned status) {
    switch (status) {
    case 200:
    case 203:
    case 204:
    case 206:
    case 300:
    case 301:
    case 308:
    case 404:
    case 405:
    case 410:
    case 414:
    case 501:
        return true;
    default:
        return false;
    }
}

static uint32_t heuristic_lifetime(const bell_response_meta *m, const bell_cache_policy *policy) {
    if (!bell_freshness_is_heuristic_status(m->status) && !(bell_response_meta_control(m)->set & BELL_CC_PUBLIC)) {
        return 0;
    }
    if (m->last_modified == BELL_FIELD_GOOD && policy->heuristic_max_s > 0) {
        return smaller(seconds_between(m->last_modified_s, date_of(m)) / HEURISTIC_PART, policy->heuristic_max_s);
    }
    return smaller(policy->default_ttl_s, BELL_DELTA_MAX_S);
}

uint32_t bell_freshness_lifetime_s(const bell_response_meta *m, const bell_cache_policy *policy, bool *heuristic) {
    const bell_cache_control *cc = bell_response_meta_control(m);

    *heuristic = false;
    if (cc->set & BELL_CC_S_MAXAGE) {
        return cc->s_maxage_s;
    }
    if (cc->set & BELL_CC_MAX_AGE) {
        return cc->max_age_s;
    }
    if (m->expires != BELL_FIELD_ABSENT && !bell_response_meta_is_targeted(m)) {
        return m->expires == BELL_FIELD_GOOD ? seconds_between(date_of(m), m->expires_s) : 0;
    }
    *heuristic = true;
    return heuristic_lifetime(m, policy);
}

uint32_t bell_freshness_initial_age_s(const bell_response_meta *m) {
    uint32_t apparent_s = seconds_between(date_of(m), m->response_time_s);
    uint32_t delay_s = seconds_between(m->request_time_s, m->response_time_s);
    uint32_t age_s = m->age == BELL_FIELD_GOOD ? m->age_s : 0;

    age_s = delay_s < BELL_DELTA_MAX_S - age_s ? age_s + delay_s : BELL_DELTA_MAX_S;
    return larger(apparent_s, age_s);
}

static uint16_t flags_of(const bell_response_meta *m, const bell_cache_control *cc, bool heuristic) {
    uint16_t flags = 0;

    if (cc->set & BELL_CC_NO_CACHE) {
        flags |= BELL_TIMES_NO_CACHE;
    }
    if (cc->set & (BELL_CC_MUST_REVALIDATE | BELL_CC_PROXY_REVALIDATE | BELL_CC_S_MAXAGE)) {
        flags |= BELL_TIMES_NEVER_STALE;
    }
    if (cc->set & BELL_CC_IMMUTABLE) {
        flags |= BELL_TIMES_IMMUTABLE;
    }
    if (m->etag || m->last_modified == BELL_FIELD_GOOD) {
        flags |= BELL_TIMES_VALIDATOR;
    }
    if (heuristic) {
        flags |= BELL_TIMES_HEURISTIC;
    }
    return flags;
}

static bool may_be_stale(const bell_freshness_times *t) {
    return !(t->flags & (BELL_TIMES_NO_CACHE | BELL_TIMES_NEVER_STALE | BELL_TIMES_INVALID));
}

bell_freshness_times bell_freshness_compute(const bell_response_meta *m, const bell_cache_policy *policy) {
    const bell_cache_control *cc = bell_response_meta_control(m);
    bell_freshness_times t = {.status = (uint16_t)m->status};
    bool heuristic;

    t.fresh_s = bell_freshness_lifetime_s(m, policy, &heuristic);
    t.born_s = m->response_time_s - bell_freshness_initial_age_s(m);
    t.flags = flags_of(m, cc, heuristic);
    if (may_be_stale(&t)) {
        t.stale_max_s = smaller(policy->stale_max_s, BELL_DELTA_MAX_S);
        t.swr_s = cc->set & BELL_CC_STALE_WHILE_REVALIDATE ? cc->stale_while_revalidate_s : t.fresh_s > 0 ? policy->default_swr_s : 0;
        t.sie_s = cc->set & BELL_CC_STALE_IF_ERROR ? cc->stale_if_error_s : policy->default_sie_s;
        t.swr_s = smaller(t.swr_s, t.stale_max_s);
        t.sie_s = smaller(t.sie_s, t.stale_max_s);
    }
    return t;
}

uint32_t bell_freshness_age_s(const bell_freshness_times *t, int64_t now_s) {
    return seconds_between(t->born_s, now_s);
}

int64_t bell_freshness_ttl_s(const bell_freshness_times *t, int64_t now_s) {
    return (int64_t)t->fresh_s - (now_s > t->born_s ? now_s - t->born_s : 0);
}

int64_t bell_freshness_fresh_until_s(const bell_freshness_times *t) {
    return t->born_s + t->fresh_s;
}

int64_t bell_freshness_swr_until_s(const bell_freshness_times *t) {
    return bell_freshness_fresh_until_s(t) + t->swr_s;
}

int64_t bell_freshness_sie_until_s(const bell_freshness_times *t) {
    return bell_freshness_fresh_until_s(t) + larger(t->swr_s, t->sie_s);
}

const char *bell_freshness_verdict_name(bell_freshness_verdict verdict) {
    static const char *const names[] = {
        [BELL_FRESH] = "fresh",
        [BELL_STALE_REVALIDATE_BEHIND] = "stale",
        [BELL_MUST_VALIDATE] = "validate",
        [BELL_ONLY_IF_CACHED_504] = "only-if-cached",
    };

    return names[verdict];
}

/* Section 5.2.1.2: no more than so many seconds; the operator's bound holds for it as well. */
static bool max_stale_allows(const bell_freshness_times *t, const bell_cache_request *rq, int64_t stale_s) {
    return (rq->set & BELL_CC_MAX_STALE) && stale_s <= smaller(rq->max_stale_s, t->stale_max_s) && t->stale_max_s > 0;
}

/* Sections 5.2.1.1 and 5.2.1.3: too old for the request, or not fresh for long enough. */
static bool request_refuses(const bell_freshness_times *t, const bell_cache_request *rq, int64_t ttl_s, int64_t now_s) {
    return ((rq->set & BELL_CC_MAX_AGE) && bell_freshness_age_s(t, now_s) > rq->max_age_s) ||
           ((rq->set & BELL_CC_MIN_FRESH) && ttl_s < (int64_t)rq->min_fresh_s);
}

/* Who says max-stale wants nothing staler, and who asks for an age without it wants nothing stale (section 5.2.1.1). */
static bool stale_is_allowed(const bell_freshness_times *t, const bell_cache_request *rq, int64_t stale_s) {
    if (!may_be_stale(t)) {
        return false;
    }
    if (rq->set & BELL_CC_MAX_STALE) {
        return max_stale_allows(t, rq, stale_s);
    }
    return stale_s < t->swr_s && !(rq->set & BELL_CC_MAX_AGE);
}

static bell_freshness_verdict judge_stored(const bell_freshness_times *t, const bell_cache_request *rq, int64_t now_s, bool exam) {
    int64_t ttl_s = bell_freshness_ttl_s(t, now_s);

    if ((t->flags & (BELL_TIMES_NO_CACHE | BELL_TIMES_INVALID)) || bell_cache_request_no_cache(rq)) {
        return BELL_MUST_VALIDATE;
    }
    if (ttl_s > 0 && (t->flags & BELL_TIMES_IMMUTABLE)) {
        return BELL_FRESH; /* RFC 8246, section 2: a reload asks with max-age=0 */
    }
    if (request_refuses(t, rq, ttl_s, now_s)) {
        return BELL_MUST_VALIDATE;
    }
    if (ttl_s > 0) {
        return BELL_FRESH;
    }
    return !exam && stale_is_allowed(t, rq, -ttl_s) ? BELL_STALE_REVALIDATE_BEHIND : BELL_MUST_VALIDATE;
}

bell_freshness_verdict bell_freshness_judge(const bell_freshness_times *t, const bell_cache_request *rq, int64_t now_s, bool exam) {
    static const bell_cache_request nothing_asked;
    bell_freshness_verdict verdict;

    rq = rq ? rq : &nothing_asked;
    verdict = t ? judge_stored(t, rq, now_s, exam) : BELL_MUST_VALIDATE;
    return verdict == BELL_MUST_VALIDATE && (rq->set & BELL_CC_ONLY_IF_CACHED) ? BELL_ONLY_IF_CACHED_504 : verdict;
}

static bool is_failure(unsigned status) {
    return status == 0 || status == 500 || status == 502 || status == 503 || status == 504;
}

/* A request's max-age and min-fresh are wishes that give way to an answer; its no-cache is not. */
bool bell_freshness_on_error(const bell_freshness_times *t, const bell_cache_request *rq, unsigned status, int64_t now_s, bool exam) {
    static const bell_cache_request nothing_asked;
    int64_t stale_s;
    uint32_t window_s;

    rq = rq ? rq : &nothing_asked;
    if (t == NULL || !is_failure(status) || (t->flags & (BELL_TIMES_NO_CACHE | BELL_TIMES_INVALID)) || bell_cache_request_no_cache(rq)) {
        return false;
    }
    stale_s = -bell_freshness_ttl_s(t, now_s);
    if (stale_s < 0) {
        return true; /* it was fresh, and validated early or because the request wished so */
    }
    /* a failure that was stored says nothing that the one of this moment does not */
    if (exam || !may_be_stale(t) || is_failure(t->status)) {
        return false;
    }
    window_s = larger(t->swr_s, t->sie_s);
    if (rq->set & BELL_CC_STALE_IF_ERROR) {
        window_s = larger(window_s, smaller(rq->stale_if_error_s, t->stale_max_s));
    }
    return stale_s < window_s || max_stale_allows(t, rq, stale_s);
}

void bell_freshness_soften(bell_freshness_times *t, int64_t now_s, uint32_t swr_s) {
    t->fresh_s = smaller(t->fresh_s, bell_freshness_age_s(t, now_s));
    if (may_be_stale(t)) {
        t->swr_s = larger(t->swr_s, smaller(swr_s, t->stale_max_s));
    }
}

void bell_freshness_invalidate(bell_freshness_times *t) {
    t->flags |= BELL_TIMES_INVALID;
}

/* -ln(u) for 2^-53 <= u <= 1, to about six digits, without a library of mathematics: of u = m * 2^e with m in [1/2, 1) the logarithm is
 * e * ln 2 + 2 * artanh((m - 1) / (m + 1)). */
static double minus_ln(double u) {
    uint64_t bits;
    double m, z, z2;
    int e;

    memcpy(&bits, &u, sizeof(bits));
    e = (int)(bits >> 52 & 0x7FF) - 1022;
    bits = (bits & ~(UINT64_C(0x7FF) << 52)) | UINT64_C(1022) << 52;
    memcpy(&m, &bits, sizeof(m));
    z = (m - 1) / (m + 1);
    z2 = z * z;
    return -(e * LN_2 + 2 * z * (1 + z2 * (1.0 / 3 + z2 * (1.0 / 5 + z2 * (1.0 / 7 + z2 * (1.0 / 9 + z2 / 11))))));
}

bool bell_freshness_refresh_early(int64_t left_ms, uint32_t fetch_ms, double beta, double random) {
    double u = random > 0 ? 1 - random : 1;

    if (left_ms <= 0) {
        return true;
    }
    if (!(beta > 0)) {
        return false;
    }
    u = u < 0x1p-53 ? 0x1p-53 : u;
    return fetch_ms * beta * minus_ln(u) >= (double)left_ms;
}
