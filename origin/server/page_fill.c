#include "origin/server/page_fill.h"

void fb_html_escape(bell_buf *out, bell_str text) {
    for (size_t i = 0; i < text.len; i++) {
        switch (text.p[i]) {
        case '&':
            bell_buf_add_z(out, "&amp;");
            break;
        case '<':
            bell_buf_add_z(out, "&lt;");
            break;
        case '>':
            bell_buf_add_z(out, "&gt;");
            break;
        case '"':
            bell_buf_add_z(out, "&quot;");
            break;
        case '\'':
            bell_buf_add_z(out, "&#39;");
            break;
        default:
            bell_buf_add_char(out, text.p[i]);
        }
    }
}

void fb_page_fill(bell_buf *out, bell_str page, const fb_page_mark *marks, size_t nmarks) {
    const char *copied = page.p, *end = page.p + page.len;

    for (const char *at = page.p; at < end;) {
        const fb_page_mark *m = NULL;
        for (size_t i = 0; i < nmarks && m == NULL; i++) {
            if (*at == marks[i].mark[0] && bell_str_starts((bell_str){at, (size_t)(end - at)}, bell_str_of(marks[i].mark))) {
                m = &marks[i];
            }
        }
        if (m == NULL) {
            at++;
            continue;
        }
        bell_buf_add(out, copied, (size_t)(at - copied));
        if (m->is_html) {
            bell_buf_add_str(out, m->text);
        } else {
            fb_html_escape(out, m->text);
        }
        at += strlen(m->mark);
        copied = at;
    }
    bell_buf_add(out, copied, (size_t)(end - copied));
}
