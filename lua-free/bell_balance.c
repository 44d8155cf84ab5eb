#include "bell_balance.h"

uint64_t bell_balance_share(uint32_t weight, uint64_t up_ms, uint64_t slow_ms) {
    uint64_t whole = (uint64_t)weight * BELL_BALANCE_UNIT, share;

    if (up_ms >= slow_ms) {
        return whole;
    }
    share = whole * up_ms / slow_ms;
    return share > 0 ? share : 1;
}

/* The server that holds the point `at` of all shares laid end to end, `but` left out. */
static size_t drawn(const uint64_t *shares, size_t n, uint64_t at, size_t but) {
    for (size_t i = 0; i < n; i++) {
        if (i == but || shares[i] == 0) {
            continue;
        }
        if (at < shares[i]) {
            return i;
        }
        at -= shares[i];
    }
    return n;
}

bool bell_balance_draw(const uint64_t *shares, size_t n, const uint64_t random[2], size_t *a, size_t *b) {
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += shares[i];
    }
    if (sum == 0) {
        return false;
    }
    *a = drawn(shares, n, random[0] % sum, n);
    sum -= shares[*a];
    *b = sum > 0 ? drawn(shares, n, random[1] % sum, *a) : *a;
    return true;
}

bool bell_balance_is_better(uint64_t active_a, uint64_t share_a, uint64_t active_b, uint64_t share_b) {
    return (active_b + 1) * share_a < (active_a + 1) * share_b;
}

/* ---- health */

bell_health_state bell_health_of(const bell_health *h, const bell_health_rules *rules, uint64_t now_ms) {
    if (rules->fall > 0 && h->checked == BELL_CHECKED_DOWN) {
        return BELL_HEALTH_DOWN;
    }
    if (rules->max_fails == 0 || !h->left_out) {
        return BELL_HEALTH_UP;
    }
    return now_ms >= h->trial_ms ? BELL_HEALTH_TRIAL : BELL_HEALTH_LEFT_OUT;
}

uint64_t bell_health_share(const bell_health *h, uint32_t weight, uint64_t slow_ms, uint64_t now_ms) {
    /* another process may have been a moment ahead with its clock */
    uint64_t up_ms = now_ms > h->came_ms ? now_ms - h->came_ms : 0;

    return bell_balance_share(weight, up_ms, h->is_late ? slow_ms : 0);
}

bool bell_health_checked(bell_health *h, const bell_health_rules *rules, bool passed, uint64_t now_ms) {
    uint32_t was = h->checked;

    h->last_check = passed;
    if (was == (passed ? BELL_CHECKED_UP : BELL_CHECKED_DOWN)) {
        h->contrary = 0;
        return false;
    }
    h->contrary++;
    if (was != BELL_CHECKED_NEVER && h->contrary < (passed ? rules->rise : rules->fall)) {
        return false;
    }
    h->checked = passed ? BELL_CHECKED_UP : BELL_CHECKED_DOWN;
    h->contrary = 0;
    if (passed && was == BELL_CHECKED_DOWN) {
        bell_health_forgive(h);
        bell_health_came(h, now_ms);
    }
    /* that a new server is well is no news: it was used already */
    return !passed || was == BELL_CHECKED_DOWN;
}

bool bell_health_failed(bell_health *h, const bell_health_rules *rules, uint64_t now_ms) {
    if (rules->max_fails == 0) {
        return false;
    }
    if (h->left_out) {
        h->trial_ms = now_ms + rules->fail_timeout_ms;
        return false;
    }
    /* another process may have been a moment ahead with its clock */
    if (h->fails == 0 || (now_ms > h->fails_ms && now_ms - h->fails_ms >= rules->fail_timeout_ms)) {
        h->fails = 0;
        h->fails_ms = now_ms;
    }
    h->fails++;
    if (h->fails < rules->max_fails) {
        return false;
    }
    h->left_out = 1;
    h->trial_ms = now_ms + rules->fail_timeout_ms;
    return true;
}

bool bell_health_answered(bell_health *h, uint64_t now_ms) {
    if (!h->left_out) {
        return false;
    }
    bell_health_forgive(h);
    bell_health_came(h, now_ms);
    return true;
}

void bell_health_try(bell_health *h, const bell_health_rules *rules, uint64_t now_ms) {
    h->trial_ms = now_ms + rules->fail_timeout_ms;
}

void bell_health_forgive(bell_health *h) {
    h->left_out = 0;
    h->fails = 0;
}

void bell_health_came(bell_health *h, uint64_t now_ms) {
    h->came_ms = now_ms;
    h->is_late = 1;
}

int bell_health_status(bell_str head) {
    static const char form[] = "HTTP/1.D DDD";
    int status = 0;
    char next;

    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        if (i == head.len) {
            return 0;
        }
        if (form[i] == 'D' ? head.p[i] < '0' || head.p[i] > '9' : head.p[i] != form[i]) {
            return -1;
        }
        status = i > 8 ? status * 10 + (head.p[i] - '0') : 0;
    }
    if (head.len == sizeof(form) - 1) {
        return 0;
    }
    next = head.p[sizeof(form) - 1];
    return (next == ' ' || next == '\r' || next == '\n') && status >= 100 && status <= 599 ? status : -1;
}
