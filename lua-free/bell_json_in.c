#include "bell_json_in.h"

#include <stdio.h>

/* Where a byte stands, for a sentence; counted only when there is one to write. */
static bool refuse(bell_str text, size_t at, const char *sentence, char *err, size_t err_len) {
    size_t line = 1, column = 1;

    for (size_t i = 0; i < at; i++) {
        column = text.p[i] == '\n' ? 1 : column + 1;
        line += text.p[i] == '\n';
    }
    snprintf(err, err_len, "Line %zu, column %zu: %s", line, column, sentence);
    return false;
}

/* The position behind a string that begins at text.p[at]; the end of the text when it has no end: the parser will say so. */
static size_t skip_string(bell_str text, size_t at) {
    for (at++; at < text.len && text.p[at] != '"'; at++) {
        at += text.p[at] == '\\';
    }
    return at + 1;
}

/* Every value but the outermost stands behind a bracket or a comma (or, in an object, behind a name that does), so that these are counted. */
static bool is_bounded(bell_str text, char *err, size_t err_len) {
    size_t depth = 0, values = 0, at = 0;

    while (at < text.len) {
        char c = text.p[at];

        if (c == '"') {
            at = skip_string(text, at);
            continue;
        }
        if ((c == '[' || c == '{') && ++depth > BELL_JSON_IN_DEPTH_MAX) {
            return refuse(text, at, "arrays and objects are nested more than 32 deep.", err, err_len);
        }
        if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
        if ((c == ',' || c == '[' || c == '{') && ++values > BELL_JSON_IN_VALUES_MAX) {
            return refuse(text, at, "there are more than 10000 values.", err, err_len);
        }
        at++;
    }
    return true;
}

_Static_assert(BELL_JSON_IN_DEPTH_MAX == 32 && BELL_JSON_IN_VALUES_MAX == 10000, "the sentences name the bounds");

/* Where the first byte stands that is a NUL or no UTF-8; the text's length when there is none. */
static size_t first_bad_byte(bell_str text) {
    size_t at = 0;

    while (at < text.len && text.p[at] != '\0') {
        int step = bell_str_utf8_step(text.p + at, text.len - at);

        if (step < 0) {
            return at;
        }
        at += (size_t)step;
    }
    return at;
}

json_t *bell_json_read(bell_str text, char *err, size_t err_len) {
    json_error_t e;

    if (!bell_str_is_utf8(text)) {
        refuse(text, first_bad_byte(text), "a NUL, or a byte that is not UTF-8.", err, err_len);
        return NULL;
    }
    if (!is_bounded(text, err, err_len)) {
        return NULL;
    }
    json_t *v = json_loadb(text.len > 0 ? text.p : "", text.len, JSON_REJECT_DUPLICATES, &e);
    if (v == NULL) {
        const char *what = "not well-formed JSON.";

        if (json_error_code(&e) == json_error_duplicate_key) {
            what = "a name stands twice in one object.";
        } else if (json_error_code(&e) == json_error_out_of_memory) {
            what = "there was no memory to read on.";
        }
        snprintf(err, err_len, "Line %d, column %d: %s", e.line > 0 ? e.line : 1, e.column > 0 ? e.column : 1, what);
    }
    return v;
}
