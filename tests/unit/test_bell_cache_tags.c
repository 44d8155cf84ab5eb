#include "bell_cache_tags.h"
#include "fields.h"
#include "unit.h"

#include <stdio.h>

static const unsigned char key[BELL_SIPHASH_KEY_BYTES] = "0123456789abcde";

static bell_cache_tags_verdict read_tags(const char *lines, uint32_t tenant_id, bell_cache_tags *out) {
    bell_str text = bell_str_of(lines);
    bell_fields answer = fields_of(&text);

    return bell_cache_tags_read(&answer, key, tenant_id, out);
}

static void fields(void **state) {
    static const struct {
        const char *lines, *tags; /* with "|" between; NULL: refused */
    } rows[] = {
        {"", ""},
        {"Cache-Tag:\n", ""},
        {"Cache-Tag: a\n", "a"},
        {"Cache-Tag: a,b\n", "a|b"},
        {"Cache-Tag: a , b,,\t c\n", "a|b|c"},
        {"Cache-Tag: a\ncache-tag: b\n", "a|b"},
        {"Cache-Tag: a,a\nCache-Tag: a\n", "a"},
        {"Surrogate-Key: a b  c\n", "a|b|c"},
        {"Surrogate-Key: a\nCache-Tag: b, c\nSurrogate-Key: c d\n", "a|b|c|d"},
        {"Cache-Tag: course-17, /units/3?x=1, \xC3\xA4\n", "course-17|/units/3?x=1|\xC3\xA4"},
        {"Cache-Tag: a, A\n", "a|A"},
        {"Other: a\n", ""},
        {"Cache-Tag: a b\n", NULL},
        {"Cache-Tag: \"a,b\"\n", "\"a|b\""},
        {"Surrogate-Key: a,b\n", NULL},
        {"Surrogate-Key: a\tb\n", NULL},
        {"Cache-Tag: a\x7f\n", NULL},
        {"Cache-Tag: \xC3\n", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_cache_tags tags;
        bell_str want = bell_str_of(rows[i].tags);
        unsigned n = 0;

        assert_row(read_tags(rows[i].lines, 7, &tags) == (rows[i].tags != NULL ? BELL_CACHE_TAGS_OK : BELL_CACHE_TAGS_MALFORMED), rows[i].lines);
        if (rows[i].tags == NULL) {
            continue;
        }
        for (; want.len > 0; n++) {
            assert_row(bell_cache_tags_has(&tags, bell_cache_tag_hash(key, 7, bell_str_cut(&want, '|'))), rows[i].lines);
        }
        assert_row(tags.count == n, rows[i].lines);
        for (unsigned j = 1; j < tags.count; j++) {
            assert_row(tags.hashes[j - 1] < tags.hashes[j], rows[i].lines);
        }
    }
}

static void bounds(void **state) {
    static char line[20000];
    bell_cache_tags tags;

    (void)state;
    snprintf(line, sizeof(line), "Cache-Tag: %0*d\n", BELL_CACHE_TAG_BYTES, 1);
    assert_int_equal(read_tags(line, 7, &tags), BELL_CACHE_TAGS_OK);
    snprintf(line, sizeof(line), "Cache-Tag: %0*d\n", BELL_CACHE_TAG_BYTES + 1, 1);
    assert_int_equal(read_tags(line, 7, &tags), BELL_CACHE_TAGS_LARGE);
    for (int more = 0; more < 2; more++) {
        size_t len = (size_t)snprintf(line, sizeof(line), "Surrogate-Key:");
        for (int i = 0; i < BELL_CACHE_TAGS_MAX + more; i++) {
            len += (size_t)snprintf(line + len, sizeof(line) - len, " t%d", i);
        }
        assert_int_equal(read_tags(line, 7, &tags), more ? BELL_CACHE_TAGS_LARGE : BELL_CACHE_TAGS_OK);
        snprintf(line + len, sizeof(line) - len, " t0 t1 t2");
        assert_int_equal(read_tags(line, 7, &tags), more ? BELL_CACHE_TAGS_LARGE : BELL_CACHE_TAGS_OK);
    }
    assert_int_equal(tags.count, BELL_CACHE_TAGS_MAX);
    for (int more = 0; more < 2; more++) { /* the same tag again and again is no more than one, but bytes are bytes */
        size_t len = (size_t)snprintf(line, sizeof(line), "Cache-Tag: a");
        memset(line + len, ',', BELL_CACHE_TAGS_BYTES - 2);
        snprintf(line + len + BELL_CACHE_TAGS_BYTES - 2, 20, "a%s\n", more ? "a" : "");
        assert_int_equal(read_tags(line, 7, &tags), more ? BELL_CACHE_TAGS_LARGE : BELL_CACHE_TAGS_OK);
    }
}

/* The bound is on all lines together. */
static void bounds_of_lines(void **state) {
    static char line[3 * BELL_CACHE_TAGS_BYTES];
    bell_cache_tags tags;

    (void)state;
    for (size_t more = 0; more < 2; more++) {
        size_t half = BELL_CACHE_TAGS_BYTES / 2, len = (size_t)snprintf(line, sizeof(line), "Cache-Tag: ");
        memset(line + len, ',', half);
        len += half;
        len += (size_t)snprintf(line + len, sizeof(line) - len, "\nCache-Tag: ");
        memset(line + len, ',', half + more);
        snprintf(line + len + half + more, 2, "\n");
        assert_int_equal(read_tags(line, 7, &tags), more ? BELL_CACHE_TAGS_LARGE : BELL_CACHE_TAGS_OK);
    }
}

static void tenants_kinds_and_keys_stay_apart(void **state) {
    static const unsigned char other[BELL_SIPHASH_KEY_BYTES] = "0123456789abcdf";
    bell_cache_tags tags;
    uint64_t url, second;

    (void)state;
    assert_int_equal(read_tags("Cache-Tag: a, /a\n", 7, &tags), BELL_CACHE_TAGS_OK);
    assert_true(bell_cache_tags_has(&tags, bell_cache_tag_hash(key, 7, BELL_STR("a"))));
    assert_false(bell_cache_tags_has(&tags, bell_cache_tag_hash(key, 8, BELL_STR("a"))));
    assert_false(bell_cache_tags_has(&tags, bell_cache_tag_hash(other, 7, BELL_STR("a"))));
    assert_true(bell_cache_url_hash(key, 7, BELL_STR_NULL, BELL_STR("/a"), &url));
    assert_false(bell_cache_tags_has(&tags, url));
    assert_true(bell_cache_url_hash(key, 7, BELL_STR("h"), BELL_STR("/a"), &second));
    assert_true(url != second);
    assert_true(bell_cache_url_hash(key, 8, BELL_STR("h"), BELL_STR("/a"), &url));
    assert_true(url != second);
    assert_true(bell_cache_url_hash(key, 7, BELL_STR("h"), BELL_STR("/a"), &url));
    assert_true(url == second);
    assert_true(bell_cache_url_hash(key, 7, BELL_STR("h:8443"), BELL_STR("/a"), &url));
    assert_true(url == second);
    assert_true(bell_cache_url_hash(key, 7, BELL_STR("[::1]"), BELL_STR("/a"), &second));
    assert_true(bell_cache_url_hash(key, 7, BELL_STR("[::1]:80"), BELL_STR("/a"), &url));
    assert_true(url == second);
    assert_true(bell_cache_url_hash(key, 7, BELL_STR("[::2]"), BELL_STR("/a"), &url));
    assert_true(url != second);
}

static void bounds_of_urls(void **state) {
    static char target[BELL_CACHE_URL_BYTES_MAX];
    uint64_t hash;

    (void)state;
    memset(target, '/', sizeof(target));
    assert_true(bell_cache_url_hash(key, 7, BELL_STR_NULL, (bell_str){target, sizeof(target)}, &hash));
    assert_false(bell_cache_url_hash(key, 7, BELL_STR("h"), (bell_str){target, sizeof(target)}, &hash));
    assert_true(bell_cache_url_hash(key, 7, BELL_STR("h"), (bell_str){target, sizeof(target) - 1}, &hash));
    assert_false(bell_cache_url_hash(key, 7, BELL_STR("h"), BELL_STR_NULL, &hash));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),          cmocka_unit_test(bounds),
        cmocka_unit_test(bounds_of_lines), cmocka_unit_test(tenants_kinds_and_keys_stay_apart),
        cmocka_unit_test(bounds_of_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
