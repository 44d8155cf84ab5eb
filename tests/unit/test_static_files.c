#include "origin/server/static_files.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOBODY 65534

static char root[] = "/tmp/fb-web-XXXXXX";

static const char *below(const char *name) {
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static void put(const char *name, const char *text) {
    FILE *f = fopen(below(name), "we");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static int make_root(void **state) {
    (void)state;
    if (mkdtemp(root) == NULL || chmod(root, 0755) != 0 || mkdir(below("js"), 0755) != 0) {
        return 1;
    }
    put("index.html", "<p>one");
    put("js/api.js", "two");
    put("js/.hidden", "not served");
    return 0;
}

static int remove_root(void **state) {
    static const char *const names[] = {"js/.hidden", "js/api.js", "index.html"};
    (void)state;
    for (size_t i = 0; i < ROWS(names); i++) {
        unlink(below(names[i]));
    }
    return rmdir(below("js")) + rmdir(root);
}

static void files_are_found_by_their_path(void **state) {
    fb_static_files s;
    char err[400] = "";
    (void)state;
    assert_true(fb_static_load(&s, root, err, sizeof(err)));
    assert_int_equal(s.nfiles, 2);
    const fb_static_file *f = fb_static_find(&s, BELL_STR("js/api.js"));
    assert_non_null(f);
    assert_string_equal(f->content_type, "text/javascript; charset=utf-8");
    assert_true(bell_str_eq(f->body, BELL_STR("two")));
    assert_string_not_equal(f->etag, fb_static_find(&s, BELL_STR("index.html"))->etag);
    assert_null(fb_static_find(&s, BELL_STR("js/api")));
    fb_static_free(&s);
}

/* A part of the pages is not enough to start with. */
static void a_folder_that_cannot_be_read_is_named(void **state) {
    fb_static_files s;
    char err[400] = "", expected[400];
    bool is_root = geteuid() == 0;
    (void)state;
    assert_int_equal(chmod(below("js"), 0), 0);
    assert_true(!is_root || seteuid(NOBODY) == 0);
    bool loaded = fb_static_load(&s, root, err, sizeof(err));
    assert_true(!is_root || seteuid(0) == 0);
    assert_int_equal(chmod(below("js"), 0755), 0);
    assert_false(loaded);
    snprintf(expected, sizeof(expected), "web_root %s/js: Permission denied", root);
    assert_string_equal(err, expected);
}

static void a_file_that_is_too_large_is_named(void **state) {
    fb_static_files s;
    char err[400] = "", expected[400];
    (void)state;
    assert_int_equal(truncate(below("js/api.js"), FB_STATIC_BYTES_MAX + 1), 0);
    assert_false(fb_static_load(&s, root, err, sizeof(err)));
    assert_int_equal(truncate(below("js/api.js"), 3), 0);
    snprintf(expected, sizeof(expected), "web_root %s/js/api.js: File too large", root);
    assert_string_equal(err, expected);
}

static void no_pages_are_said(void **state) {
    fb_static_files s;
    char err[400] = "";
    (void)state;
    assert_false(fb_static_load(&s, "/nonexistent", err, sizeof(err)));
    assert_string_equal(err, "web_root /nonexistent: No such file or directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(files_are_found_by_their_path), cmocka_unit_test(a_folder_that_cannot_be_read_is_named),
                                       cmocka_unit_test(a_file_that_is_too_large_is_named), cmocka_unit_test(no_pages_are_said)};
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
