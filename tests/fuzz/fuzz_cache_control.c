/* Cache-Control of responses ('r') and requests ('q'), and CDN-Cache-Control ('c'), as the first byte says; then lines. What is written badly hides
 * no directive that comes behind it, and the order of lines says nothing. longest input: 512 bytes */
#include "bell_cache_control.h"
#include "fuzz.h"

#define MAX 512

static void check_numbers(const bell_cache_control *cc) {
    fuzz_assert(cc->max_age_s <= BELL_DELTA_MAX_S && cc->s_maxage_s <= BELL_DELTA_MAX_S);
    fuzz_assert(cc->stale_while_revalidate_s <= BELL_DELTA_MAX_S && cc->stale_if_error_s <= BELL_DELTA_MAX_S);
    fuzz_assert((cc->set & BELL_CC_MAX_AGE) || cc->max_age_s == 0);
    fuzz_assert((cc->set & BELL_CC_S_MAXAGE) || cc->s_maxage_s == 0);
    fuzz_assert(cc->nnames <= BELL_CC_NAMES_MAX);
}

/* The first name of a list of them, which is one. */
static void check_names(const bell_cache_control *cc, bell_str text) {
    for (size_t i = 0; i < cc->nnames; i++) {
        bell_str list = cc->names[i], name = BELL_STR_NULL;

        fuzz_assert(list.p >= text.p && list.p + list.len <= text.p + text.len);
        while (name.len == 0) {
            fuzz_assert(list.len > 0);
            name = bell_str_trim(bell_str_cut(&list, ','));
        }
        fuzz_assert(bell_cache_control_names(cc, name));
    }
}

static bell_str last_line(bell_str *lines) {
    size_t n = lines->len;
    bell_str line;

    while (n > 0 && lines->p[n - 1] != '\n') {
        n--;
    }
    line = (bell_str){lines->p + n, lines->len - n};
    lines->len = n > 0 ? n - 1 : 0;
    return line;
}

static void response(bell_str text) {
    bell_cache_control forth = {0}, back = {0}, more = {0};
    char longer[MAX + 32];
    uint32_t ordered = ~(uint32_t)(BELL_CC_NO_CACHE | BELL_CC_PRIVATE); /* which of too many lists are kept depends on the order */

    for (bell_str rest = text; rest.len > 0;) {
        bell_cache_control_add(&forth, bell_str_cut(&rest, '\n'));
    }
    for (bell_str rest = text; rest.len > 0;) {
        bell_cache_control_add(&back, last_line(&rest));
    }
    check_numbers(&forth);
    check_names(&forth, text);
    fuzz_assert((forth.set & ordered) == (back.set & ordered) && forth.max_age_s == back.max_age_s && forth.s_maxage_s == back.s_maxage_s);
    if (text.len <= MAX) {
        int n = snprintf(longer, sizeof(longer), "%.*s", BELL_STR_ARG(text)); /* up to the first NUL */

        n += snprintf(longer + n, sizeof(longer) - (size_t)n, ", no-store,max-age=7");
        bell_cache_control_add(&more, (bell_str){longer, (size_t)n});
        fuzz_assert((more.set & BELL_CC_NO_STORE) && (more.set & BELL_CC_MAX_AGE) && more.max_age_s <= 7);
    }
}

static void targeted(bell_str text) {
    bell_cache_control cc = {0}, before;

    for (bell_str rest = text; rest.len > 0;) {
        before = cc;
        if (!bell_cdn_cache_control_add(&cc, bell_str_cut(&rest, '\n'))) {
            fuzz_assert(memcmp(&cc, &before, sizeof(cc)) == 0);
        }
    }
    check_numbers(&cc);
    check_names(&cc, text);
}

static void request(bell_str text) {
    bell_cache_request rq = {0};

    for (bell_str rest = text; rest.len > 0;) {
        bell_cache_request_add_pragma(&rq, bell_str_cut(&rest, '\n'));
    }
    for (bell_str rest = text; rest.len > 0;) {
        bell_cache_request_add(&rq, bell_str_cut(&rest, '\n'));
    }
    fuzz_assert(rq.max_age_s <= BELL_DELTA_MAX_S && rq.min_fresh_s <= BELL_DELTA_MAX_S && rq.max_stale_s <= BELL_DELTA_MAX_S);
    fuzz_assert(text.len == 0 || bell_cache_request_no_cache(&rq) == ((rq.set & BELL_CC_NO_CACHE) != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_str text = size ? (bell_str){(const char *)data + 1, size - 1} : BELL_STR_NULL;

    switch (size ? data[0] : 'r') {
    case 'c':
        targeted(text);
        break;
    case 'q':
        request(text);
        break;
    default:
        response(text);
        break;
    }
    return 0;
}
