#include "bell_cache_status.h"

#include "bell_sf.h"

const char *bell_cache_outcome_name(bell_cache_outcome outcome) {
    static const char *const names[] = {
        [BELL_OUTCOME_HIT] = "hit",           [BELL_OUTCOME_BYPASS] = "bypass",       [BELL_OUTCOME_METHOD] = "method",
        [BELL_OUTCOME_URI_MISS] = "uri-miss", [BELL_OUTCOME_VARY_MISS] = "vary-miss", [BELL_OUTCOME_MISS] = "miss",
        [BELL_OUTCOME_REQUEST] = "request",   [BELL_OUTCOME_STALE] = "stale",         [BELL_OUTCOME_PARTIAL] = "partial",
    };

    return names[outcome];
}

static void put_name(bell_sf_writer *w, bell_str name) {
    if (bell_sf_token_fits(name)) {
        bell_sf_put_token(w, name);
    } else {
        bell_sf_put_string(w, name);
    }
}

static void put_forwarded(bell_sf_writer *w, const bell_cache_status *s) {
    bell_sf_param_token(w, "fwd", bell_str_of(bell_cache_outcome_name(s->outcome)));
    if (s->fwd_status != 0) {
        bell_sf_param_integer(w, "fwd-status", s->fwd_status);
    }
    if (s->stored) {
        bell_sf_param_boolean(w, "stored", true);
    }
    if (s->collapsed) {
        bell_sf_param_boolean(w, "collapsed", true);
    }
}

/* A parameter that may be left out: without room for it, or a form, the writer is as it was. */
static void put_optional(bell_sf_writer *w, const char *key, bell_str text, bool token) {
    bell_sf_writer with = *w;

    if (text.p == NULL) {
        return;
    }
    if (token && bell_sf_token_fits(text)) {
        bell_sf_param_token(&with, key, text);
    } else {
        bell_sf_param_string(&with, key, text);
    }
    if (!with.failed) {
        *w = with;
    }
}

/* Our own entry behind `received`, which is put as it is. */
static size_t write_behind(const bell_cache_status *s, bell_str received, char *out, size_t cap) {
    bell_sf_writer w;

    if (received.len > cap) {
        return 0;
    }
    bell_sf_writer_init(&w, out, cap);
    if (received.len > 0) {
        memcpy(out, received.p, received.len);
        w.len = received.len;
    }
    put_name(&w, s->cache);
    if (s->outcome == BELL_OUTCOME_HIT) {
        bell_sf_param_boolean(&w, "hit", true);
    } else {
        put_forwarded(&w, s);
    }
    if (s->has_ttl) {
        bell_sf_param_integer(&w, "ttl", s->ttl_s);
    }
    if (w.failed) {
        return 0;
    }
    put_optional(&w, "key", s->key, false);
    put_optional(&w, "detail", s->detail, true);
    return w.len;
}

size_t bell_cache_status_write(const bell_cache_status *s, bell_str upstream, char *out, size_t cap) {
    bell_str received = bell_str_trim(upstream);
    size_t n = 0;

    if (received.len > 0 && bell_sf_is_list(received)) {
        n = write_behind(s, received, out, cap);
    }
    return n > 0 ? n : write_behind(s, BELL_STR_NULL, out, cap);
}
