/* Conditional requests: the first two lines are tags of a stored answer and of a 304, the rest is fields, a line each. Where a date is wanted,
 * decimal seconds are one. longest input: 512 bytes */
#include "bell_conditional.h"
#include "fuzz.h"
#include "tests/unit/fields.h"

static bool read_date(bell_str text, int64_t now_s, int64_t *unix_s) {
    uint64_t v;

    (void)now_s;
    if (!bell_str_to_u64(text, INT64_MAX, &v)) {
        return false;
    }
    *unix_s = (int64_t)v;
    return true;
}

static bool none_but_etags(void *data, bell_str name, unsigned nth, bell_str *value) {
    *value = *(const bell_str *)data;
    return nth == 0 && bell_str_ieq(name, BELL_STR("if-none-match"));
}

/* A tag that a cache sends is its own when it comes back. */
static void check_etags(const bell_validators *v, const bell_validators *other) {
    const bell_str etags[] = {v->etag, other->etag, v->etag};
    char out[1200], one[600];
    bell_str sent = {out, bell_condition_write_etags(etags, 3, out, sizeof(out))};
    const bell_fields fields = {none_but_etags, &sent};
    const bell_condition_request request = {&fields, true, read_date, 0};

    fuzz_assert(sent.len <= v->etag.len + other->etag.len + 2 && memchr(out, '\n', sent.len) == NULL);
    if (bell_condition_write_etags(etags, 1, one, sizeof(one)) > 0) {
        fuzz_assert(bell_condition_at_cache(&request, v) == BELL_CONDITION_NOT_MODIFIED);
    }
}

static void check_select(const bell_validators *v, const bell_validators *answer) {
    const bell_validators stored[] = {*v, *answer, *v};
    bool selected[3];
    unsigned n = bell_condition_select(stored, 3, answer, selected);

    fuzz_assert(n == (unsigned)selected[0] + selected[1] + selected[2]);
    fuzz_assert(answer->etag.len == 0 || n > 0); /* one that has a tag is about the answer with the same one */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_str text = {(const char *)data, size};
    bell_validators v = {200, bell_str_trim(bell_str_cut(&text, '\n')), size % 3 == 0 ? BELL_NO_TIME : 1000, 2000};
    bell_validators answer = {304, bell_str_trim(bell_str_cut(&text, '\n')), size % 2 == 0 ? BELL_NO_TIME : 1000, 3000};
    const bell_fields fields = fields_of(&text);
    bell_condition_request request = {&fields, size % 5 != 0, read_date, 0};

    bell_condition at_cache = bell_condition_at_cache(&request, &v), at_origin = bell_condition_at_origin(&request, &v);
    fuzz_assert(at_cache != BELL_CONDITION_FAILED && at_origin != BELL_CONDITION_FORWARD);
    fuzz_assert(at_cache != BELL_CONDITION_NOT_MODIFIED || request.is_read);
    fuzz_assert(bell_condition_at_origin(&request, NULL) != BELL_CONDITION_NOT_MODIFIED);
    (void)bell_condition_takes_range(&request, &v);
    if (v.etag.len <= 500 && answer.etag.len <= 500) {
        check_etags(&v, &answer);
    }
    check_select(&v, &answer);
    return 0;
}
