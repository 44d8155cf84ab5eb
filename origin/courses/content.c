#include "origin/courses/content.h"

#define MARK     "\"media:"
#define MARK_LEN (sizeof(MARK) - 1)

/* Where a content names a file of an asset: the quote that begins the text, the first byte of the file's name, and the asset's row. */
typedef struct {
    const char *begin, *file;
    int row;
} reference;

static int find_asset(const PGresult *assets, bell_str key) {
    for (int row = 0; row < PQntuples(assets); row++) {
        if (bell_str_eq(fb_col(assets, row, 0), key)) {
            return row;
        }
    }
    return -1;
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

/* The next one at p or behind it; what names no asset is passed by. */
static bool find_reference(const char *p, bell_str content, const PGresult *assets, reference *out) {
    const char *end = content.p + content.len, *mark;

    while ((mark = find_mark(p, end, content.p)) != NULL) {
        const char *key = mark + MARK_LEN, *slash = memchr(key, '/', (size_t)(end - key));
        int row = slash != NULL ? find_asset(assets, (bell_str){key, (size_t)(slash - key)}) : -1;
        if (row >= 0) {
            *out = (reference){mark, slash + 1, row};
            return true;
        }
        p = key;
    }
    return false;
}

void fb_content_write(bell_json *j, bell_str content, const PGresult *assets, fb_media_links *links) {
    const char *p = content.p;
    reference found;
    bell_buf out;

    if (content.len == 0) {
        bell_json_null(j);
        return;
    }
    bell_buf_init(&out, FB_REPLY_MAX_BYTES);
    while (find_reference(p, content, assets, &found)) {
        bell_buf_add(&out, p, (size_t)(found.begin - p));
        bell_buf_add_char(&out, '"');
        fb_media_links_folder(links, fb_col(assets, found.row, 1), &out);
        p = found.file;
    }
    bell_buf_add(&out, p, (size_t)(content.p + content.len - p));
    if (out.failed) {
        j->buf->failed = true;
    } else {
        bell_json_raw(j, bell_buf_str(&out));
    }
    bell_buf_fini(&out);
}

void fb_content_find_assets(bell_str content, const PGresult *assets, bool *named) {
    reference found;

    for (const char *p = content.p; content.len > 0 && find_reference(p, content, assets, &found); p = found.file) {
        named[found.row] = true;
    }
}
