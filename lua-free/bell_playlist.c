#include "bell_playlist.h"

#define MAGIC     "#EXTM3U"
#define RENDITION "#EXT-X-STREAM-INF:"
#define SEGMENT   "#EXTINF:"
#define RANGE     "#EXT-X-BYTERANGE:"
#define GAP       "#EXT-X-GAP"

static bell_str next_line(bell_str *rest) {
    bell_str line = bell_str_cut(rest, '\n');
    if (line.len > 0 && line.p[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}

bell_playlist_kind bell_playlist_open(bell_playlist *h, bell_str text) {
    *h = (bell_playlist){.rest = text};
    if (!bell_str_eq(next_line(&h->rest), BELL_STR(MAGIC))) {
        h->broken = true;
        return BELL_PLAYLIST_NONE;
    }
    for (bell_str rest = h->rest; rest.len > 0 && h->kind == BELL_PLAYLIST_NONE;) {
        bell_str line = next_line(&rest);
        if (bell_str_starts(line, BELL_STR(RENDITION))) {
            h->kind = BELL_PLAYLIST_RENDITIONS;
        } else if (bell_str_starts(line, BELL_STR(SEGMENT))) {
            h->kind = BELL_PLAYLIST_SEGMENTS;
        }
    }
    h->broken = h->kind == BELL_PLAYLIST_NONE;
    return h->kind;
}

/* "3.336667" in microseconds; what is finer is cut off. */
static bool read_duration(bell_str value, uint64_t *us) {
    bell_str fraction = bell_str_trim(bell_str_cut(&value, ','));
    bell_str whole = bell_str_cut(&fraction, '.');
    uint64_t s, part = 0, digit;

    if (!bell_str_to_u64(whole, BELL_PLAYLIST_TIME_MAX_US / 1000000, &s)) {
        return false;
    }
    for (size_t i = 0; i < fraction.len; i++) {
        if (!bell_str_to_u64((bell_str){fraction.p + i, 1}, 9, &digit)) {
            return false;
        }
    }
    for (size_t i = 0; i < 6; i++) {
        part = part * 10 + (i < fraction.len ? (uint64_t)(fraction.p[i] - '0') : 0);
    }
    *us = s * 1000000 + part;
    return true;
}

typedef struct {
    uint64_t us;
    uint64_t bytes, first_byte;
    bool has_time, has_range, has_first, is_gap;
} tags;

/* "n" or "n@o" */
static bool read_range(bell_str value, tags *t) {
    bell_str bytes = bell_str_cut(&value, '@');
    t->has_range = true;
    t->has_first = value.len > 0;
    return bell_str_to_u64(bytes, BELL_PLAYLIST_BYTE_MAX, &t->bytes) && t->bytes > 0 &&
           (!t->has_first || bell_str_to_u64(value, BELL_PLAYLIST_BYTE_MAX, &t->first_byte));
}

/* The tags in front of a segment's URI. */
static bool read_tag(bell_str line, tags *t) {
    if (bell_str_starts(line, BELL_STR(SEGMENT))) {
        t->has_time = true;
        return read_duration((bell_str){line.p + sizeof SEGMENT - 1, line.len - (sizeof SEGMENT - 1)}, &t->us);
    }
    if (bell_str_starts(line, BELL_STR(RANGE))) {
        return read_range((bell_str){line.p + sizeof RANGE - 1, line.len - (sizeof RANGE - 1)}, t);
    }
    t->is_gap = t->is_gap || bell_str_eq(line, BELL_STR(GAP));
    return true;
}

static bool end_segment(bell_playlist *h, bell_str uri, const tags *t, bell_playlist_part *part) {
    bool goes_on = t->has_range && !t->has_first;

    if (h->at_us + t->us > BELL_PLAYLIST_TIME_MAX_US || (goes_on && !bell_str_eq(uri, h->last_uri)) || (goes_on && h->next_byte == 0)) {
        return false; /* the range of a file that was not the one before (4.3.2.2) */
    }
    *part = (bell_playlist_part){.uri = t->is_gap ? (bell_str){"", 0} : uri, .begin_us = h->at_us, .end_us = h->at_us + t->us};
    if (t->has_range) {
        part->first_byte = goes_on ? h->next_byte : t->first_byte;
        part->bytes = t->bytes;
    }
    h->at_us = part->end_us;
    h->last_uri = uri;
    h->next_byte = t->has_range ? part->first_byte + part->bytes : 0;
    return h->next_byte <= BELL_PLAYLIST_BYTE_MAX;
}

/* A segment without a duration is none (4.3.2.1). */
static bool next_segment(bell_playlist *h, bell_playlist_part *part) {
    tags t = {0};
    while (h->rest.len > 0) {
        bell_str line = next_line(&h->rest);
        bool is_tag = line.len == 0 || line.p[0] == '#';
        if (is_tag ? !read_tag(line, &t) : !t.has_time || !end_segment(h, line, &t, part)) {
            h->broken = true;
            return false;
        }
        if (!is_tag) {
            return true;
        }
    }
    return false;
}

static bool next_rendition(bell_playlist *h, bell_playlist_part *part) {
    bool announced = false;
    while (h->rest.len > 0) {
        bell_str line = next_line(&h->rest);
        if (line.len > 0 && line.p[0] != '#' && announced) {
            *part = (bell_playlist_part){.uri = line};
            return true;
        }
        announced = announced || bell_str_starts(line, BELL_STR(RENDITION));
    }
    return false;
}

bool bell_playlist_next(bell_playlist *h, bell_playlist_part *part) {
    if (h->broken) {
        return false;
    }
    return h->kind == BELL_PLAYLIST_RENDITIONS ? next_rendition(h, part) : next_segment(h, part);
}
