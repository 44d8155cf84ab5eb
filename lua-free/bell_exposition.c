#include "bell_exposition.h"

#include "bell_json.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* A sentence has no quotes around it, so that its own stay as they are. */
static void put_escaped(bell_buf *out, bell_str text, bool quoted) {
    for (size_t i = 0; i < text.len;) {
        int n = bell_str_utf8_step(text.p + i, text.len - i);
        if (n <= 0) {
            bell_buf_add_z(out, REPLACEMENT);
            i += (size_t)-n;
            continue;
        }
        char c = text.p[i];
        if (c == '\n') {
            bell_buf_add_z(out, "\\n");
        } else if (c == '\\' || (quoted && c == '"')) {
            bell_buf_add_char(out, '\\');
            bell_buf_add_char(out, c);
        } else {
            bell_buf_add(out, text.p + i, (size_t)n);
        }
        i += (size_t)n;
    }
}

void bell_exposition_family(bell_buf *out, const char *name, const char *type, bell_str help) {
    if (help.len > 0) {
        bell_buf_printf(out, "# HELP %s ", name);
        put_escaped(out, help, false);
        bell_buf_add_char(out, '\n');
    }
    bell_buf_printf(out, "# TYPE %s %s\n", name, type);
}

void bell_exposition_begin(bell_buf *out, const char *name) {
    bell_buf_add_z(out, name);
}

void bell_exposition_label(bell_buf *out, bool first, const char *label, bell_str value) {
    bell_buf_printf(out, "%c%s=\"", first ? '{' : ',', label);
    put_escaped(out, value, true);
    bell_buf_add_char(out, '"');
}

void bell_exposition_end(bell_buf *out, bool has_labels, int64_t value, unsigned digits) {
    bell_json number; /* is written in the same way */

    bell_buf_add_z(out, has_labels ? "} " : " ");
    bell_json_init(&number, out);
    bell_json_fixed(&number, value, digits);
    bell_buf_add_char(out, '\n');
}
