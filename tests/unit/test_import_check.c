#include "origin/courses/import_check.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

/* The first sentence, and how many there were. */
typedef struct {
    char first[1024];
    unsigned count;
} said;

static void remember(void *arg, const char *sentence) {
    said *s = arg;
    if (s->count++ == 0) {
        snprintf(s->first, sizeof s->first, "%s", sentence);
    }
}

static bool check(const char *text, fb_course_tree *tree, said *s) {
    *s = (said){0};
    return fb_course_check(bell_str_of(text), tree, remember, s);
}

#define ITEM(key, more)                                                                                                                              \
    "{\"key\":\"" key "\",\"kind\":\"reading\",\"title\":\"T\",\"content\":{\"blocks\":[{\"type\":\"paragraph\",\"text\":\"x\"}]}" more "}"
#define COURSE(items)                                                                                                                                \
    "{\"title\":\"C\",\"assets\":[{\"key\":\"a\"}],\"modules\":[{\"key\":\"m\",\"title\":\"M\",\"lessons\":[{\"key\":\"l\",\"title\":\"L\","         \
    "\"items\":[" items "]}]}]}"
#define CONTENT(content) COURSE("{\"key\":\"i\",\"kind\":\"reading\",\"title\":\"T\",\"content\":" content "}")
#define IMAGE(src)       CONTENT("{\"blocks\":[{\"type\":\"image\",\"alt\":\"\",\"src\":\"" src "\"}]}")

static void a_tree_becomes_rows(void **state) {
    (void)state;
    fb_course_tree t;
    said s;
    assert_true(check(COURSE(ITEM("one", "") "," ITEM("two", ",\"requires\":[{\"item\":\"one\"}]")), &t, &s));
    assert_int_equal(s.count, 0);
    assert_int_equal(json_array_size(t.modules), 1);
    assert_int_equal(json_array_size(t.lessons), 1);
    assert_int_equal(json_array_size(t.items), 2);
    assert_int_equal(json_array_size(t.assets), 1);
    const json_t *two = json_array_get(t.items, 1);
    assert_string_equal(json_string_value(json_object_get(two, "lesson")), "l");
    assert_int_equal(json_integer_value(json_object_get(two, "position")), 1);
    assert_int_equal(json_integer_value(json_object_get(two, "kind")), 2);
    const json_t *need = json_array_get(t.prerequisites, 0);
    assert_string_equal(json_string_value(json_object_get(need, "item")), "two");
    assert_string_equal(json_string_value(json_object_get(need, "required")), "one");
    assert_true(json_is_null(json_object_get(need, "minimum")));
    fb_course_tree_free(&t);
}

static void files_are_found_in_every_depth(void **state) {
    (void)state;
    fb_course_tree t;
    said s;
    assert_true(
        check(CONTENT("{\"blocks\":[{\"type\":\"paragraph\",\"text\":\"x\"}],\"more\":[[{\"deep\":\"media:a/v0/s0.ts\"}],\"media:a/b\"]}"), &t, &s));
    assert_int_equal(t.nmedia, 2);
    assert_string_equal(t.media[0].where, "modules[0].lessons[0].items[0].content.more[0][0].deep");
    assert_string_equal(t.media[0].file, "v0/s0.ts");
    assert_int_equal(t.media[0].asset_len, 1);
    assert_string_equal(t.media[1].file, "b");
    fb_course_tree_free(&t);
}

static const struct {
    const char *text, *sentence; /* its beginning */
} refused[] = {
    {"", "line 1: this is not JSON"},
    {"[", "line 1: this is not JSON"},
    {"{\"title\":\"C\"} x", "line 1: this is not JSON: end of file expected"},
    {"{\"a\":1,\"a\":2}", "line 1: this is not JSON: duplicate object key"},
    {"{\"title\":\"\\u0000\"}", "line 1: this is not JSON"},
    {"{\"title\":\"\xff\"}", "line 1: this is not JSON"},
    {"[]", "expected an object, found an array"},
    {"{}", "title: expected a text of 1 to 500 bytes, found nothing"},
    {"{\"title\":\"C\"}", "modules: expected an array, found nothing"},
    {"{\"title\":\"C\",\"modules\":[3]}", "modules[0]: expected an object, found a number"},
    {COURSE(ITEM("k", ",\"extra\":1")), "modules[0].lessons[0].items[0]: there is no member \"extra\" here"},
    {COURSE(ITEM("-k", "")), "modules[0].lessons[0].items[0]: the key \"-k\" may only have"},
    {COURSE(ITEM("k", "") "," ITEM("k", "")), "modules[0].lessons[0].items[1]: the key \"k\" is used a second time"},
    {COURSE(ITEM("k", ",\"requires\":{}")), "modules[0].lessons[0].items[0].requires: expected an array, found an object"},
    {COURSE(ITEM("k", ",\"requires\":[\"k\"]")), "modules[0].lessons[0].items[0].requires[0]: expected an object, found a text"},
    {COURSE(ITEM("k", ",\"requires\":[{\"item\":\"k\"}]")),
     "items require each other in a circle, so that none could ever be opened: k \xe2\x86\x92 k"},
    {IMAGE("http://example.com/x.png"), "modules[0].lessons[0].items[0].content.blocks[0].src: expected a file as"},
    {IMAGE("media:"), "modules[0].lessons[0].items[0].content.blocks[0].src: \"media:\" names the asset \"\", which"},
    {IMAGE("media:a"), "modules[0].lessons[0].items[0].content.blocks[0].src: \"media:a\" must name a file"},
    {IMAGE("media:a/"), "modules[0].lessons[0].items[0].content.blocks[0].src: \"media:a/\" must name a file"},
    {IMAGE("media:a//b"), "modules[0].lessons[0].items[0].content.blocks[0].src: \"media:a//b\" must name a file"},
    {IMAGE("media:a/../b"), "modules[0].lessons[0].items[0].content.blocks[0].src: \"media:a/../b\" must name a file"},
    {IMAGE("media:a/.b"), "modules[0].lessons[0].items[0].content.blocks[0].src: \"media:a/.b\" must name a file"},
    {IMAGE("media:b/c"), "modules[0].lessons[0].items[0].content.blocks[0].src: \"media:b/c\" names the asset \"b\", which"},
    {CONTENT("{\"blocks\":[{\"type\":\"paragraph\",\"text\":\"x\"}],\"d\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}"),
     "modules[0].lessons[0].items[0].content.d[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: the content is nested more than 16 deep"},
};

static void refusals(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(refused); i++) {
        fb_course_tree t;
        said s;
        assert_row(!check(refused[i].text, &t, &s), refused[i].text);
        assert_row(s.count > 0, refused[i].text);
        assert_row(strncmp(s.first, refused[i].sentence, strlen(refused[i].sentence)) == 0, s.first);
        fb_course_tree_free(&t);
    }
}

/* A name of any length must not write past the place in the file that is kept. */
static void long_names(void **state) {
    (void)state;
    size_t len = 100000;
    char *name = malloc(len + 1);
    char *text = malloc(2 * len + 1000);
    memset(name, 'n', len);
    name[len] = 0;
    sprintf(text, "{\"title\":\"C\",\"modules\":[{\"%s\":1,\"key\":\"%s\"}]}", name, name);
    fb_course_tree t;
    said s;
    assert_false(check(text, &t, &s));
    fb_course_tree_free(&t);
    free(name);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_becomes_rows),
        cmocka_unit_test(files_are_found_in_every_depth),
        cmocka_unit_test(refusals),
        cmocka_unit_test(long_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
