#include "origin/purges/wish.h"

#include <stdio.h>

static const char *read_tag(fb_purge_wish *w, bell_str tag) {
    bell_purge purge = {.sequence = 1, .at_ms = 1, .kind = BELL_PURGE_TAG, .value = tag};
    const char *fault = bell_purge_fault(&purge);
    if (fault == NULL) {
        snprintf(w->tag, sizeof w->tag, "%.*s", BELL_STR_ARG(tag));
        w->value = w->tag;
    }
    return fault;
}

static const char *read_url(fb_purge_wish *w, bell_str text) {
    const char *fault = bell_purge_url_read(text, w->kind, &w->url);
    if (fault == NULL) {
        w->name = w->url.name;
        w->host = w->url.host;
        w->value = w->url.value;
    }
    return fault;
}

const char *fb_purge_wish_of(fb_purge_wish *w, bell_purge_kind kind, bell_str text) {
    w->kind = kind;
    w->name = w->host = w->value = NULL;
    switch (kind) {
    case BELL_PURGE_TAG:
        return read_tag(w, text);
    case BELL_PURGE_ALL:
        return NULL;
    default:
        return read_url(w, text);
    }
}

const char *fb_purge_kind_param(const fb_purge_wish *w) {
    static const char *const numbers[BELL_PURGE_KINDS] = {
        [BELL_PURGE_URL] = "1", [BELL_PURGE_PREFIX] = "2", [BELL_PURGE_TAG] = "3", [BELL_PURGE_ALL] = "4"};
    return numbers[w->kind];
}

const char *fb_purge_hard_param(const fb_purge_wish *w) {
    return w->is_hard ? "true" : "false";
}
