#define PCRE2_CODE_UNIT_WIDTH 8
#include "bell_regex.h"

#include <pcre2.h>

/* No mode that the pattern asks for with "(*UTF)", and no "\C": texts are bytes. A dollar is the end, not the line feed before it. */
#define OPTIONS (PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY)
#define WHOLE   (PCRE2_ANCHORED | PCRE2_ENDANCHORED)

static pcre2_code *compile(bell_str pattern, bool search) {
    pcre2_compile_context *bounds = pcre2_compile_context_create(NULL);
    pcre2_code *code = NULL;
    PCRE2_SIZE offset;
    int error;

    if (bounds != NULL && pcre2_set_max_pattern_length(bounds, BELL_REGEX_PATTERN_BYTES) == 0 &&
        pcre2_set_parens_nest_limit(bounds, BELL_REGEX_DEPTH) == 0) {
        code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.len, OPTIONS | (search ? 0 : WHOLE), &error, &offset, bounds);
    }
    pcre2_compile_context_free(bounds);
    return code;
}

static int match(const pcre2_code *code, bell_str text) {
    pcre2_match_context *bounds = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int n = PCRE2_ERROR_NOMEMORY;

    if (bounds != NULL && data != NULL && pcre2_set_match_limit(bounds, BELL_REGEX_STEPS) == 0 &&
        pcre2_set_depth_limit(bounds, BELL_REGEX_STEPS) == 0 && pcre2_set_heap_limit(bounds, BELL_REGEX_HEAP_KIB) == 0) {
        n = pcre2_match(code, (PCRE2_SPTR)text.p, text.len, 0, 0, data, bounds);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(bounds);
    return n >= 0;
}

int bell_regex_matches(bell_str pattern, bell_str text, bool search) {
    pcre2_code *code = compile(pattern, search);

    if (code == NULL) {
        return -1;
    }
    int n = match(code, text);
    pcre2_code_free(code);
    return n;
}
