#include "bell_redis_timer.h"

#include <stdlib.h>

bool bell_redis_timers_reserve(bell_redis_timers *ts, size_t n) {
    if (n <= ts->cap) {
        return true;
    }
    size_t cap = ts->cap > 0 ? ts->cap : 64;
    while (cap < n) {
        cap *= 2;
    }
    bell_redis_timer **heap = realloc(ts->heap, cap * sizeof(bell_redis_timer *));
    if (heap == NULL) {
        return false;
    }
    ts->heap = heap;
    ts->cap = cap;
    return true;
}

void bell_redis_timers_fini(bell_redis_timers *ts) {
    free(ts->heap);
    *ts = (bell_redis_timers){0};
}

/* Places are counted from 1, so that place i has 2i and 2i + 1 below it. */
static void put(bell_redis_timers *ts, bell_redis_timer *t, size_t place) {
    ts->heap[place - 1] = t;
    t->place = place;
}

static void rise(bell_redis_timers *ts, bell_redis_timer *t, size_t place) {
    while (place > 1 && ts->heap[place / 2 - 1]->at_ms > t->at_ms) {
        put(ts, ts->heap[place / 2 - 1], place);
        place /= 2;
    }
    put(ts, t, place);
}

static void sink(bell_redis_timers *ts, bell_redis_timer *t, size_t place) {
    for (size_t child = place * 2; child <= ts->len; child = place * 2) {
        if (child < ts->len && ts->heap[child]->at_ms < ts->heap[child - 1]->at_ms) {
            child++;
        }
        if (ts->heap[child - 1]->at_ms >= t->at_ms) {
            break;
        }
        put(ts, ts->heap[child - 1], place);
        place = child;
    }
    put(ts, t, place);
}

void bell_redis_timer_set(bell_redis_timers *ts, bell_redis_timer *t, int64_t at_ms) {
    bell_redis_timer_clear(ts, t);
    t->at_ms = at_ms;
    ts->len++;
    rise(ts, t, ts->len);
}

void bell_redis_timer_clear(bell_redis_timers *ts, bell_redis_timer *t) {
    size_t place = t->place;

    if (place == 0) {
        return;
    }
    bell_redis_timer *last = ts->heap[ts->len - 1];
    t->place = 0;
    ts->len--;
    if (last == t) {
        return;
    }
    if (place > 1 && ts->heap[place / 2 - 1]->at_ms > last->at_ms) {
        rise(ts, last, place);
    } else {
        sink(ts, last, place);
    }
}

bell_redis_timer *bell_redis_timer_first(const bell_redis_timers *ts) {
    return ts->len > 0 ? ts->heap[0] : NULL;
}
