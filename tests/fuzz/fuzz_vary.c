/* Vary and the keys of variants: the first byte chooses rules, the rest is fields, a line each, of answer and request alike.
 * longest input: 1024 bytes */
#include "bell_vary.h"
#include "fuzz.h"
#include "tests/unit/fields.h"

enum { ROOM = 8192 };

/* Sorted, each once, in lower case: what stands between commas is above what stood before. */
static void check_names(const bell_vary *vary) {
    bell_str rest = bell_vary_names(vary), before = BELL_STR_NULL;
    unsigned n = 0;

    fuzz_assert(vary->count <= BELL_VARY_NAMES_MAX && vary->len <= BELL_VARY_BYTES_MAX);
    for (; rest.len > 0; n++) {
        bell_str name = bell_str_cut(&rest, ',');
        size_t common = name.len < before.len ? name.len : before.len;
        int order = common > 0 ? memcmp(before.p, name.p, common) : 0;
        fuzz_assert(bell_field_is_token(name) && (order < 0 || (order == 0 && before.len < name.len)));
        for (size_t i = 0; i < name.len; i++) {
            fuzz_assert(name.p[i] < 'A' || name.p[i] > 'Z');
        }
        before = name;
    }
    fuzz_assert(n == vary->count);
}

static size_t read_u32(const unsigned char *p) {
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* Makes lines of a key again; false: some of its values are no longer what was sent, or end in a blank (behind an open quote), which a line cannot.
 */
static bool write_lines(const char *key, size_t len, char *out, size_t *out_len) {
    size_t at = 0;

    *out_len = 0;
    while (at < len) {
        size_t name_len = read_u32((const unsigned char *)key + at);
        const char *name = key + at + 4, *head = name + name_len;
        size_t value_len = read_u32((const unsigned char *)head);
        if ((head[4] != 'a' && head[4] != 'v') || (value_len > 0 && (is_blank(head[5]) || is_blank(head[4 + value_len])))) {
            return false;
        }
        if (head[4] == 'v') {
            memcpy(out + *out_len, name, name_len);
            out[*out_len + name_len] = ':';
            memcpy(out + *out_len + name_len + 1, head + 5, value_len);
            *out_len += name_len + value_len + 2;
            out[*out_len - 1] = '\n';
        }
        fuzz_assert(head[4] == 'v' || value_len == 0);
        at += 9 + name_len + value_len;
    }
    fuzz_assert(at == len);
    return true;
}

static void check_key(const bell_vary *vary, const bell_vary_rules *rules, const bell_fields *request) {
    static char key[ROOM], again[ROOM], lines[ROOM];
    long len = bell_vary_key(bell_vary_names(vary), rules, request, key, ROOM);
    size_t lines_len;

    fuzz_assert(len >= 0 && len < ROOM && (len > 0) == (vary->count > 0));
    fuzz_assert(len == 0 || bell_vary_key(bell_vary_names(vary), rules, request, again, (size_t)len - 1) == -1);
    fuzz_assert(bell_vary_key(bell_vary_names(vary), rules, request, again, (size_t)len) == len && memcmp(key, again, (size_t)len) == 0);
    if (write_lines(key, (size_t)len, lines, &lines_len)) {
        bell_str text = {lines, lines_len};
        bell_fields normal = fields_of(&text);
        fuzz_assert(bell_vary_key(bell_vary_names(vary), rules, &normal, again, ROOM) == len && memcmp(key, again, (size_t)len) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const bell_str site[] = {{"en", 2}, {"de", 2}, {"pt-BR", 5}};
    static const bell_vary_rules rules[] = {{0}, {.codings = BELL_VARY_GZIP}, {.languages = site, .nlanguages = 3}, {.language = {"de", 2}}};
    bell_str text = {(const char *)data + (size > 0), size - (size > 0)}, language;
    bell_fields fields = fields_of(&text);
    char out[64];
    bell_vary vary;

    bell_vary_verdict verdict = bell_vary_read(&fields, &vary);
    check_names(&vary);
    if (size > 0 && verdict == BELL_VARY_OK) {
        check_key(&vary, &rules[data[0] % 4], &fields);
    }
    if (bell_vary_top_language(&fields, out, sizeof(out), &language)) {
        fuzz_assert(bell_vary_is_language(language));
    }
    return 0;
}
