#include "bell_storable.h"

/* For must-understand: statuses whose caching this cache implements, which is that of any other (RFC 9111, section 5.2.2.3). */
static bool is_understood(unsigned status) {
    return (status >= 200 && status <= 206) || (status >= 300 && status <= 303) || status == 307 || status == 308 ||
           (status >= 400 && status <= 417) || (status >= 421 && status <= 431) || status == 451 || (status >= 500 && status <= 505);
}

/* What is no answer for others: interim ones, and those that speak of this request's preconditions or range. */
static bool status_fits(const bell_response_meta *m, const bell_cache_policy *policy) {
    if (m->status < 200 || m->status > 599 || m->status == 304 || m->status == 412 || m->status == 416) {
        return false;
    }
    return m->status != 206 || policy->store_partial;
}

/* Sections 3 and 5.2.2.3: must-understand lifts no-store from what is understood. */
static bell_store_verdict directives(const bell_response_meta *m) {
    uint32_t set = bell_response_meta_control(m)->set;

    if ((set & BELL_CC_MUST_UNDERSTAND) && !is_understood(m->status)) {
        return BELL_STORE_NOT_STATUS;
    }
    if ((set & BELL_CC_NO_STORE) && !(set & BELL_CC_MUST_UNDERSTAND)) {
        return BELL_STORE_NOT_NO_STORE;
    }
    return set & BELL_CC_PRIVATE ? BELL_STORE_NOT_PRIVATE : BELL_STORE;
}

static bell_store_verdict for_whom(const bell_response_meta *m, const bell_cache_policy *policy) {
    uint32_t allow = BELL_CC_PUBLIC | BELL_CC_S_MAXAGE | BELL_CC_MUST_REVALIDATE;

    switch (m->scope) {
    case BELL_SCOPE_PUBLIC:
    case BELL_SCOPE_ROLE:
        return BELL_STORE;
    case BELL_SCOPE_PRIVATE:
        return m->authenticated ? BELL_STORE : BELL_STORE_NOT_SUBJECT;
    case BELL_SCOPE_UNKNOWN:
        return BELL_STORE_NOT_SCOPE_UNKNOWN;
    case BELL_SCOPE_NONE:
        break;
    }
    if (m->authenticated) {
        return BELL_STORE_NOT_SCOPE;
    }
    if (m->authorization && !(policy->scope_optional && (bell_response_meta_control(m)->set & allow))) {
        return BELL_STORE_NOT_AUTHORIZATION;
    }
    return BELL_STORE;
}

/* The last condition of section 3. */
static bool is_explicit(const bell_response_meta *m) {
    return (bell_response_meta_control(m)->set & (BELL_CC_PUBLIC | BELL_CC_MAX_AGE | BELL_CC_S_MAXAGE)) ||
           (m->expires != BELL_FIELD_ABSENT && !bell_response_meta_is_targeted(m)) || bell_freshness_is_heuristic_status(m->status);
}

/* The operator's windows are for what is stored anyway; here only those that the response asks for count. */
static bool is_usable(const bell_response_meta *m, const bell_cache_policy *policy) {
    bell_freshness_times t = bell_freshness_compute(m, policy);
    int64_t ttl_s = bell_freshness_ttl_s(&t, m->response_time_s);
    uint32_t set = bell_response_meta_control(m)->set;

    if (t.flags & (BELL_TIMES_VALIDATOR | BELL_TIMES_NO_CACHE)) {
        return t.flags & BELL_TIMES_VALIDATOR;
    }
    return ttl_s > 0 || ((set & BELL_CC_STALE_WHILE_REVALIDATE) && -ttl_s < t.swr_s) || ((set & BELL_CC_STALE_IF_ERROR) && -ttl_s < t.sie_s);
}

bell_store_verdict bell_storable(const bell_response_meta *m, const bell_cache_policy *policy) {
    bell_store_verdict verdict;

    if (!m->get) {
        return BELL_STORE_NOT_METHOD;
    }
    if (m->request_no_store) {
        return BELL_STORE_NOT_REQUEST;
    }
    if (!status_fits(m, policy)) {
        return BELL_STORE_NOT_STATUS;
    }
    if (m->vary_any) {
        return BELL_STORE_NOT_VARY;
    }
    if (m->set_cookie && !policy->store_set_cookie) {
        return BELL_STORE_NOT_SET_COOKIE;
    }
    verdict = directives(m);
    verdict = verdict == BELL_STORE ? for_whom(m, policy) : verdict;
    if (verdict != BELL_STORE) {
        return verdict;
    }
    if (!is_explicit(m)) {
        return BELL_STORE_NOT_EXPLICIT;
    }
    return is_usable(m, policy) ? BELL_STORE : BELL_STORE_NOT_USABLE;
}

const char *bell_storable_name(bell_store_verdict verdict) {
    static const char *const names[BELL_STORE_VERDICTS] = {
        [BELL_STORE] = "stored",
        [BELL_STORE_NOT_METHOD] = "method",
        [BELL_STORE_NOT_REQUEST] = "request-no-store",
        [BELL_STORE_NOT_STATUS] = "status",
        [BELL_STORE_NOT_VARY] = "vary-any",
        [BELL_STORE_NOT_SET_COOKIE] = "set-cookie",
        [BELL_STORE_NOT_NO_STORE] = "no-store",
        [BELL_STORE_NOT_PRIVATE] = "private",
        [BELL_STORE_NOT_SCOPE] = "no-scope",
        [BELL_STORE_NOT_SCOPE_UNKNOWN] = "scope-unknown",
        [BELL_STORE_NOT_SUBJECT] = "no-subject",
        [BELL_STORE_NOT_AUTHORIZATION] = "authorization",
        [BELL_STORE_NOT_EXPLICIT] = "not-explicit",
        [BELL_STORE_NOT_SIZE] = "size",
        [BELL_STORE_NOT_PART] = "part",
        [BELL_STORE_NOT_DIRECT] = "indirect",
        [BELL_STORE_NOT_USABLE] = "not-usable",
    };

    return names[verdict];
}
