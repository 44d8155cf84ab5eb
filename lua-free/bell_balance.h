/* How requests are spread over the servers of a pool: the less loaded of two that were drawn by lot (Mitzenmacher 2001, "The power of two choices"),
 * how a server that came back is given its share bit by bit, and what is known of a server's health. Pure: random numbers and the clock are the
 * caller's. Times are milliseconds of one clock that never goes back. */
#ifndef BELL_BALANCE_H
#define BELL_BALANCE_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_BALANCE_WEIGHT_MAX 1000 /* of a server */
#define BELL_BALANCE_UNIT       1000 /* what a weight of 1 is in the functions below: a start that is slow has fractions */

/* The share of a server that came up_ms ago, when its start is to take slow_ms (0: none): grows evenly, is never less than 1. weight: 1 to 1000;
 * slow_ms: less than 2^32. */
uint64_t bell_balance_share(uint32_t weight, uint64_t up_ms, uint64_t slow_ms);

/* Draws two different servers, each with the chance that its share gives it; who has a share of 0 is never drawn. At most 1024 servers, shares from
 * bell_balance_share, any random numbers. false: nobody can be drawn. When there is only one, *a and *b are that one. */
bool bell_balance_draw(const uint64_t *shares, size_t n, const uint64_t random[2], size_t *a, size_t *b) __attribute__((warn_unused_result));

/* Whether one request more is better off at b: (active + 1) / share is less there. In doubt it is a, who was drawn first. */
bool bell_balance_is_better(uint64_t active_a, uint64_t share_a, uint64_t active_b, uint64_t share_b);

/* ---- health: what checks and requests have shown of a server. All zeros: nothing is known yet, and it is used. */

typedef struct {
    uint32_t fall, rise;      /* checks in a row that take it away, that bring it back; fall 0: there are no checks */
    uint32_t max_fails;       /* requests that fail within fail_timeout_ms and have it left out for as long; 0: requests prove nothing */
    uint64_t fail_timeout_ms; /* at least 1 */
} bell_health_rules;

typedef struct {
    uint32_t checked;    /* a bell_health_checked_as */
    uint32_t contrary;   /* checks in a row that said otherwise */
    uint32_t fails;      /* requests since fails_ms */
    uint32_t left_out;   /* 1: since requests failed */
    uint64_t fails_ms;   /* when the first of the fails was */
    uint64_t trial_ms;   /* left out: when one request may try it */
    uint64_t came_ms;    /* when it came, or came back */
    uint32_t is_late;    /* 1: it came when others were here, its start is slow */
    uint32_t last_check; /* 1: passed */
} bell_health;

typedef enum { BELL_CHECKED_NEVER, BELL_CHECKED_UP, BELL_CHECKED_DOWN } bell_health_checked_as;

typedef enum {
    BELL_HEALTH_UP,
    BELL_HEALTH_TRIAL,    /* left out, and one request may try it now */
    BELL_HEALTH_LEFT_OUT, /* requests failed */
    BELL_HEALTH_DOWN,     /* checks failed */
} bell_health_state;

bell_health_state bell_health_of(const bell_health *h, const bell_health_rules *rules, uint64_t now_ms);
/* Its share: bell_balance_share by when it came. */
uint64_t bell_health_share(const bell_health *h, uint32_t weight, uint64_t slow_ms, uint64_t now_ms);

/* These change what is known, and say whether the server's state is another now.
 *
 * A check: the first one decides alone; then `fall` or `rise` in a row do. */
bool bell_health_checked(bell_health *h, const bell_health_rules *rules, bool passed, uint64_t now_ms);
/* A request failed for a reason that is the server's: max_fails of them within fail_timeout_ms leave it out; the one that tried it does at once. */
bool bell_health_failed(bell_health *h, const bell_health_rules *rules, uint64_t now_ms);
/* A request was answered: a server that was on trial is back. One that is left out and was not asked stays so. */
bool bell_health_answered(bell_health *h, uint64_t now_ms);

/* A request goes to a server on trial: nobody else does until fail_timeout_ms have gone by. */
void bell_health_try(bell_health *h, const bell_health_rules *rules, uint64_t now_ms);
/* All servers of a pool are left out: that is forgotten. What checks say stays. */
void bell_health_forgive(bell_health *h);
/* It joined a pool that was there, or is no longer drained or down: its start is slow. */
void bell_health_came(bell_health *h, uint64_t now_ms);

/* The status that the first bytes of an HTTP/1 answer tell: 100 to 599; 0: there are too few bytes yet; -1: this is no answer of HTTP/1
 * (RFC 9112, section 4; the reason phrase may be missing with its space, as many servers have it). */
int bell_health_status(bell_str head);

#pragma GCC visibility pop

#endif
