#include "bell_m3u8.h"

#include "bell_signed.h"

/* The attributes that are URIs, always in quotes. */
static const struct {
    bell_str tag, names[2];
} uri_attributes[] = {
    {BELL_STR("EXT-X-PART"), {BELL_STR("URI")}},
    {BELL_STR("EXT-X-PRELOAD-HINT"), {BELL_STR("URI")}},
    {BELL_STR("EXT-X-MAP"), {BELL_STR("URI")}},
    {BELL_STR("EXT-X-KEY"), {BELL_STR("URI")}},
    {BELL_STR("EXT-X-MEDIA"), {BELL_STR("URI")}},
    {BELL_STR("EXT-X-I-FRAME-STREAM-INF"), {BELL_STR("URI")}},
    {BELL_STR("EXT-X-RENDITION-REPORT"), {BELL_STR("URI")}},
    {BELL_STR("EXT-X-SESSION-KEY"), {BELL_STR("URI")}},
    {BELL_STR("EXT-X-SESSION-DATA"), {BELL_STR("URI")}},
    {BELL_STR("EXT-X-CONTENT-STEERING"), {BELL_STR("SERVER-URI")}},
    {BELL_STR("EXT-X-DATERANGE"), {BELL_STR("X-ASSET-URI"), BELL_STR("X-ASSET-LIST")}},
};

void bell_m3u8_init(bell_m3u8 *m, const bell_uri_base *base, bell_m3u8_edit *edit, void *data) {
    m->base = *base;
    m->edit = edit;
    m->data = data;
    m->state = BELL_M3U8_START;
    m->changed = 0;
    m->long_lines = 0;
    m->held = 0;
}

/* ---- one URI */

static bool is_clean(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '\x7f') {
            return false;
        }
    }
    return true;
}

static bool has_variable(bell_str s) {
    return s.len > 0 && memmem(s.p, s.len, "{$", 2) != NULL;
}

static bell_str without_fragment(bell_str s) {
    const char *at = s.len > 0 ? memchr(s.p, '#', s.len) : NULL;
    return at != NULL ? (bell_str){s.p, (size_t)(at - s.p)} : s;
}

static void add_query(bell_buf *out, bell_str uri, bell_str query) {
    const char *mark = memchr(uri.p, '?', uri.len), *last = uri.p + uri.len - 1;

    bell_buf_add_str(out, uri);
    if (mark == NULL) {
        bell_buf_add_char(out, '?');
    } else if (mark != last && *last != '&') { /* a second "?" is one of the query */
        bell_buf_add_char(out, '&');
    }
    bell_buf_add_str(out, query);
}

/* Appends what stands in place of the text. */
static void put_uri(bell_m3u8 *m, bell_str text, bell_str tag, bell_buf *out) {
    bell_str whole = without_fragment(text);
    bell_m3u8_uri uri = {.text = text, .tag = tag};
    bell_m3u8_change change = {BELL_STR_NULL, BELL_STR_NULL};

    if (has_variable(text) || !bell_uri_resolve(&m->base, text, m->target, sizeof(m->target), &uri.target) ||
        !bell_signed_is_plain_target(uri.target) || !m->edit(m->data, &uri, &change) || (change.uri.len == 0) == (change.query.len == 0) ||
        !is_clean(change.query) || !is_clean(change.uri) || (change.uri.len > 0 && change.uri.p[0] == '#') ||
        bell_str_starts(change.uri, BELL_STR("//"))) {
        bell_buf_add_str(out, text);
        return;
    }
    if (change.uri.len > 0) {
        bell_buf_add_str(out, change.uri);
    } else {
        add_query(out, whole, change.query);
    }
    bell_buf_add(out, text.p + whole.len, text.len - whole.len);
    m->changed++;
}

/* ---- attributes (RFC 8216, section 4.2) */

static const bell_str *attributes_of(bell_str tag) {
    for (size_t i = 0; i < sizeof(uri_attributes) / sizeof(*uri_attributes); i++) {
        if (bell_str_eq(uri_attributes[i].tag, tag)) {
            return uri_attributes[i].names;
        }
    }
    return NULL;
}

/* The next NAME="value" or NAME=value of the list; false at its end, or where it is no list any more. *text lacks the quotes. */
static bool next_attribute(bell_str *list, bell_str *name, bell_str *text, bool *quoted) {
    const char *p = list->p, *end = list->p + list->len, *stop;

    while (p < end && (*p == ' ' || *p == '\t' || *p == ',')) {
        p++;
    }
    const char *equals = p < end ? memchr(p, '=', (size_t)(end - p)) : NULL;
    if (equals == NULL) {
        return false;
    }
    *name = (bell_str){p, (size_t)(equals - p)};
    p = equals + 1;
    *quoted = p < end && *p == '"';
    p += *quoted;
    stop = p < end ? memchr(p, *quoted ? '"' : ',', (size_t)(end - p)) : NULL;
    if (stop == NULL && *quoted) {
        return false;
    }
    stop = stop != NULL ? stop : end;
    *text = (bell_str){p, (size_t)(stop - p)};
    p = stop + *quoted;
    *list = (bell_str){p, (size_t)(end - p)};
    return true;
}

static bool is_uri_name(const bell_str names[2], bell_str name) {
    return bell_str_eq(names[0], name) || (names[1].len > 0 && bell_str_eq(names[1], name));
}

/* A tag of the table; what is not a URI in it is passed on in runs. */
static void put_tag(bell_m3u8 *m, bell_str line, bell_str tag, const bell_str names[2], bell_buf *out) {
    const char *done = line.p;
    size_t head = 1 + tag.len + 1; /* "#", tag, ":" */
    bell_str list = {line.p + head, line.len - head}, name, text;
    bool quoted;

    while (next_attribute(&list, &name, &text, &quoted)) {
        if (quoted && text.len > 0 && is_uri_name(names, name)) {
            bell_buf_add(out, done, (size_t)(text.p - done));
            put_uri(m, text, tag, out);
            done = text.p + text.len;
        }
    }
    bell_buf_add(out, done, (size_t)(line.p + line.len - done));
}

/* ---- lines */

static void put_plain(bell_m3u8 *m, bell_str line, bell_buf *out) {
    bell_str uri = bell_str_trim(line);

    if (uri.len == 0 || uri.p[0] == '#') {
        bell_buf_add_str(out, line);
        return;
    }
    bell_buf_add(out, line.p, (size_t)(uri.p - line.p));
    put_uri(m, uri, BELL_STR_NULL, out);
    bell_buf_add(out, uri.p + uri.len, (size_t)(line.p + line.len - uri.p) - uri.len);
}

/* Without its end. */
static void put_content(bell_m3u8 *m, bell_str line, bell_buf *out) {
    const char *colon;
    const bell_str *names;
    bell_str tag;

    if (line.len == 0 || line.p[0] != '#') {
        put_plain(m, line, out);
        return;
    }
    colon = bell_str_starts(line, BELL_STR("#EXT-X-")) ? memchr(line.p, ':', line.len) : NULL;
    tag = (bell_str){line.p + 1, colon != NULL ? (size_t)(colon - line.p) - 1 : 0};
    names = tag.len > 0 ? attributes_of(tag) : NULL;
    if (names != NULL) {
        put_tag(m, line, tag, names, out);
    } else {
        bell_buf_add_str(out, line);
    }
}

static bool is_first_line(bell_str line) {
    bell_str head = BELL_STR("#EXTM3U");

    if (bell_str_starts(line, BELL_STR("\xef\xbb\xbf"))) {
        line = (bell_str){line.p + 3, line.len - 3};
    }
    return bell_str_starts(line, head) && (line.len == head.len || line.p[head.len] == ' ' || line.p[head.len] == '\t');
}

static void put_line(bell_m3u8 *m, bell_str line, bell_buf *out) {
    bell_str content = line;

    content.len -= content.len > 0 && content.p[content.len - 1] == '\n';
    content.len -= content.len > 0 && content.p[content.len - 1] == '\r';
    if (m->state == BELL_M3U8_START) {
        m->state = is_first_line(content) ? BELL_M3U8_LINES : BELL_M3U8_OTHER;
        bell_buf_add_str(out, line);
        return;
    }
    put_content(m, content, out);
    bell_buf_add(out, line.p + content.len, line.len - content.len);
}

static void pass_long(bell_m3u8 *m, bell_str piece, bool is_whole, bell_buf *out) {
    bell_buf_add(out, m->line, m->held);
    bell_buf_add_str(out, piece);
    m->held = 0;
    if (m->state == BELL_M3U8_START) {
        m->state = BELL_M3U8_OTHER;
        return;
    }
    m->long_lines++;
    m->state = is_whole ? BELL_M3U8_LINES : BELL_M3U8_LONG_LINE;
}

/* A piece of one line, up to its end when `is_whole`. */
static void take_piece(bell_m3u8 *m, bell_str piece, bool is_whole, bell_buf *out) {
    if (m->state == BELL_M3U8_LONG_LINE) {
        bell_buf_add_str(out, piece);
        m->state = is_whole ? BELL_M3U8_LINES : BELL_M3U8_LONG_LINE;
    } else if (piece.len > sizeof(m->line) - m->held) {
        pass_long(m, piece, is_whole, out);
    } else if (is_whole && m->held == 0) {
        put_line(m, piece, out);
    } else {
        memcpy(m->line + m->held, piece.p, piece.len);
        m->held += piece.len;
        if (is_whole) {
            bell_str line = {m->line, m->held};
            m->held = 0;
            put_line(m, line, out);
        }
    }
}

bool bell_m3u8_feed(bell_m3u8 *m, bell_str bytes, bell_buf *out) {
    while (bytes.len > 0 && m->state != BELL_M3U8_OTHER) {
        const char *end = memchr(bytes.p, '\n', bytes.len);
        bell_str piece = {bytes.p, end != NULL ? (size_t)(end - bytes.p) + 1 : bytes.len};
        take_piece(m, piece, end != NULL, out);
        bytes = (bell_str){bytes.p + piece.len, bytes.len - piece.len};
    }
    bell_buf_add_str(out, bytes);
    return !out->failed;
}

bool bell_m3u8_end(bell_m3u8 *m, bell_buf *out) {
    bell_str line = {m->line, m->held};

    if (line.len > 0) {
        m->held = 0;
        put_line(m, line, out);
    }
    return !out->failed;
}
