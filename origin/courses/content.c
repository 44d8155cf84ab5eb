#include "origin/courses/content.h"

#define MARK     "\"media:"
#define MARK_LEN (sizeof(MARK) - 1)

static bell_str find_id(const PGresult *assets, bell_str key) {
    for (int row = 0; row < PQntuples(assets); row++) {
        if (bell_str_eq(fb_col(assets, row, 0), key)) {
            return fb_col(assets, row, 1);
        }
    }
    return BELL_STR_NULL;
}

/* A quote behind a backslash is inside of a text and begins none. */
static const char *find_mark(const char *p, const char *end, const char *start) {
    while ((p = memmem(p, (size_t)(end - p), MARK, MARK_LEN)) != NULL) {
        if (p == start || p[-1] != '\\') {
            return p;
        }
        p += MARK_LEN;
    }
    return NULL;
}

void fb_content_write(bell_json *j, bell_str content, const PGresult *assets) {
    const char *p = content.p, *end = content.p + content.len, *mark;
    bell_buf out;

    bell_buf_init(&out, FB_REPLY_MAX_BYTES);
    while ((mark = find_mark(p, end, content.p)) != NULL) {
        const char *key = mark + MARK_LEN, *slash = memchr(key, '/', (size_t)(end - key));
        bell_str id = slash != NULL ? find_id(assets, (bell_str){key, (size_t)(slash - key)}) : BELL_STR_NULL;
        if (id.p == NULL) {
            bell_buf_add(&out, p, (size_t)(key - p));
            p = key;
            continue;
        }
        bell_buf_add(&out, p, (size_t)(mark - p));
        bell_buf_add_z(&out, "\"/media/");
        bell_buf_add_str(&out, id);
        p = slash;
    }
    bell_buf_add(&out, p, (size_t)(end - p));
    if (out.failed) {
        j->buf->failed = true;
    } else {
        bell_json_raw(j, bell_buf_str(&out));
    }
    bell_buf_fini(&out);
}
