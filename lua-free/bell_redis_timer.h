/* Moments to come, the earliest first: a binary heap whose entries live in what they belong to. */
#ifndef BELL_REDIS_TIMER_H
#define BELL_REDIS_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

typedef struct bell_redis_timer bell_redis_timer;

struct bell_redis_timer {
    int64_t at_ms;
    size_t place; /* in the heap, from 1; 0: not set */
    void (*fire)(bell_redis_timer *t);
};

typedef struct {
    bell_redis_timer **heap;
    size_t len, cap;
} bell_redis_timers;

/* Makes room for n of them in all. false: no memory. */
bool bell_redis_timers_reserve(bell_redis_timers *ts, size_t n) __attribute__((warn_unused_result));
void bell_redis_timers_fini(bell_redis_timers *ts);

/* Set anew when it was set. There is room for it. */
void bell_redis_timer_set(bell_redis_timers *ts, bell_redis_timer *t, int64_t at_ms);
void bell_redis_timer_clear(bell_redis_timers *ts, bell_redis_timer *t);
/* The earliest; NULL: none is set. */
bell_redis_timer *bell_redis_timer_first(const bell_redis_timers *ts);

#pragma GCC visibility pop

#endif
