#include "origin/jobs/access_fetches.h"

#include <stdlib.h>

#include "bell_access_event.h"
#include "bell_url.h"

#define ARENA_MAX_BYTES (16u << 20) /* of the paths of one round */
#define DAY_MS          INT64_C(86400000)
#define PAST_MAX_MS     (30 * DAY_MS) /* an edge keeps nothing that long */
#define FUTURE_MAX_MS   DAY_MS
#define MEDIA           "/media/"

void fb_access_fetches_init(fb_access_fetches *f) {
    *f = (fb_access_fetches){0};
    bell_arena_init(&f->arena, ARENA_MAX_BYTES);
}

void fb_access_fetches_fini(fb_access_fetches *f) {
    free(f->list);
    bell_arena_fini(&f->arena);
    *f = (fb_access_fetches){0};
}

static bool read_id(bell_str digits, int64_t *id) {
    uint64_t number;
    if (!bell_str_to_u64(digits, INT64_MAX, &number) || number == 0) {
        return false;
    }
    *id = (int64_t)number;
    return true;
}

/* A session's subject is the number of a user; one with a colon is of another issuer, and what stands in a signed address is whatever its issuer
 * calls people: a number there is nobody's of ours. */
static bool is_person(const bell_access_event *e, int64_t *user_id) {
    return bell_str_eq(e->by, BELL_STR("session")) && read_id(e->subject, user_id);
}

/* "/media/ASSET/FILE", as the origin serves it. */
static bool is_media(bell_str path, int64_t *asset_id, bell_str *file) {
    if (!bell_str_starts(path, BELL_STR(MEDIA))) {
        return false;
    }
    *file = (bell_str){path.p + sizeof MEDIA - 1, path.len - (sizeof MEDIA - 1)};
    return read_id(bell_str_cut(file, '/'), asset_id) && bell_url_is_plain_path(*file);
}

static bool make_room(fb_access_fetches *f) {
    if (f->n < f->cap) {
        return true;
    }
    size_t cap = f->cap == 0 ? 64 : 2 * f->cap;
    fb_access_fetch *grown = realloc(f->list, cap * sizeof *grown);
    if (!grown) {
        return false;
    }
    f->list = grown;
    f->cap = cap;
    return true;
}

static bool add(fb_access_fetches *f, const bell_access_event *e, int64_t now_ms) {
    fb_access_fetch fetch = {.from = e->from, .to = e->to, .size = e->size, .at_ms = e->at_ms < now_ms ? e->at_ms : now_ms};
    bell_str file;
    if (e->at_ms < now_ms - PAST_MAX_MS || e->at_ms > now_ms + FUTURE_MAX_MS) {
        f->counts.malformed++;
    } else if (!is_person(e, &fetch.user_id)) {
        f->counts.strangers++;
    } else if (!is_media(e->path, &fetch.asset_id, &file)) {
        f->counts.others++;
    } else {
        fetch.file = bell_arena_strdup(&f->arena, file);
        if (!fetch.file || !make_room(f)) {
            return false;
        }
        f->list[f->n++] = fetch;
    }
    return true;
}

bool fb_access_fetches_add(fb_access_fetches *f, bell_str text, int64_t now_ms) {
    bell_access_room room;
    bell_access_event event;
    bell_str line;
    bool ok = true;
    while (ok && bell_access_batch_next(&text, &line)) {
        f->counts.events++;
        if (bell_access_event_read(line, &room, &event)) {
            ok = add(f, &event, now_ms);
        } else {
            f->counts.malformed++;
        }
    }
    if (text.len > 0 && ok) { /* longer than a batch may be */
        f->counts.events++;
        f->counts.malformed++;
    }
    return ok;
}
