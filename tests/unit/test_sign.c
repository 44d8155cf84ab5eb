#include "origin/signing/signing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "signed.h"

#define NOW    1800000000
#define SECRET "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static char folder[200];

static int make_folder(void **state) {
    const char *tmp = getenv("TMPDIR");

    (void)state;
    snprintf(folder, sizeof(folder), "%s/fb-test-sign-XXXXXX", tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

/* A key from a file of that name, text and mode, which is gone again. */
static bell_signed_key *load(const char *name, const char *text, mode_t mode, char *err, size_t err_len) {
    char path[300];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
    bell_signed_key *k = fb_sign_key_load(path, err, err_len);
    unlink(path);
    return k;
}

static void keys_of_files(void **state) {
    static const struct {
        const char *name, *text;
        mode_t mode;
        const char *why; /* NULL: it is a key */
    } rows[] = {
        {"k1.key", SECRET "\n", 0600, NULL},
        {"k1.key", SECRET, 0400, NULL},
        {"A-b_9.key", SECRET "\n", 0600, NULL},
        {"k1.key", SECRET "\n", 0640, "may be read or written by others (mode 0640)"},
        {"k1.key", SECRET "\n\n", 0600, "a line of 64 hexadecimal digits"},
        {"k1.key", SECRET "00\n", 0600, "a line of 64 hexadecimal digits"},
        {"k1.key", "x" SECRET, 0600, "a line of 64 hexadecimal digits"},
        {"k1.key", "", 0600, "a line of 64 hexadecimal digits"},
        {"k1", SECRET, 0600, "expected a file ID.key"},
        {".key", SECRET, 0600, "expected a file ID.key"},
        {"k.1.key", SECRET, 0600, "expected a file ID.key"},
        {"abcdefghijklmnopqrstuvwxyz0123456.key", SECRET, 0600, "expected a file ID.key"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char err[600] = "";
        bell_signed_key *k = load(rows[i].name, rows[i].text, rows[i].mode, err, sizeof(err));
        assert_row((k != NULL) == (rows[i].why == NULL), rows[i].name);
        if (k != NULL) {
            assert_row(strncmp(k->id, rows[i].name, strlen(rows[i].name) - 4) == 0, rows[i].name);
        } else {
            assert_row(strstr(err, rows[i].why) != NULL, err);
            assert_row(strstr(err, "0001020304") == NULL, err);
        }
        bell_signed_key_free(k);
    }
    char err[600];
    assert_null(fb_sign_key_load("/nonexistent/k1.key", err, sizeof(err)));
    assert_non_null(strstr(err, "/nonexistent/k1.key: the key cannot be read"));
    assert_null(fb_sign_key_load("/nonexistent/.key/k1.key/", err, sizeof(err)));
}

static void urls_are_signed(void **state) {
    static const struct {
        const char *url, *prefix;
        bool one_host;
        const char *before, *after; /* the component; NULL: refused, `after` is why */
    } rows[] = {
        {"https://cdn.school.example/c7/m.m3u8", "", false, "https://cdn.school.example/c7/", "/m.m3u8"},
        {"https://cdn.school.example/c7/m.m3u8?x=/y", "", false, "https://cdn.school.example/c7/", "/m.m3u8?x=/y"},
        {"https://cdn.school.example/c7/720/m.m3u8", "/c7/", false, "https://cdn.school.example/c7/", "/720/m.m3u8"},
        {"https://cdn.school.example/c7/720/", "/", false, "https://cdn.school.example/", "/c7/720/"},
        {"https://cdn.school.example/", "", false, "https://cdn.school.example/", "/"},
        {"http://CDN.School.Example:80/c7/m", "", true, "http://CDN.School.Example:80/c7/", "/m"},
        {"https://cdn.school.example:443/c7/m", "", true, "https://cdn.school.example:443/c7/", "/m"},
        {"/c7/m.m3u8", "", false, "/c7/", "/m.m3u8"},
        {"/m.m3u8", "", false, "/", "/m.m3u8"},
        {"/c7/m.m3u8", "", true, NULL, "a path alone has no host"},
        {"/c7/m.m3u8", "/c8/", false, NULL, "the URL is not below \"/c8/\""},
        {"/c7/m.m3u8", "/c7", false, NULL, "begins and ends with a slash"},
        {"/c7/m.m3u8", "/c7/../", false, NULL, "begins and ends with a slash"},
        {"/c7/../m.m3u8", "", false, NULL, "expected https://HOST/PATH"},
        {"/c7/m#x", "", false, NULL, "expected https://HOST/PATH"},
        {"/c7/bell-token=x/m", "", false, NULL, "begins and ends with a slash"},
        {"c7/m", "", false, NULL, "expected https://HOST/PATH"},
        {"", "", false, NULL, "expected https://HOST/PATH"},
        {"https://cdn.school.example", "", false, NULL, "expected https://HOST/PATH"},
        {"https:///m", "", false, NULL, "expected https://HOST/PATH"},
        {"ftp://cdn.school.example/m", "", false, NULL, "expected https://HOST/PATH"},
        {"https://me@cdn.school.example/m", "", true, NULL, "expected https://HOST/PATH"},
    };
    char err[600];
    bell_signed_keys keys = {.keys = {load("k1.key", SECRET, 0600, err, sizeof(err))}, .nkeys = 1};
    bell_signed_result out;
    signed_case c;

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        fb_sign_wish wish = {.token = {.tenant_id = 7, .until_s = NOW + 60, .subject = {"s-17", 4}},
                             .one_host = rows[i].one_host,
                             .prefix = bell_str_of(rows[i].prefix)};
        bell_buf url;
        bell_buf_init(&url, 4096);
        bool ok = fb_sign_url(keys.keys[0], &wish, bell_str_of(rows[i].url), &url, err, sizeof(err));
        assert_row(ok == (rows[i].before != NULL), rows[i].url);
        if (!ok) {
            assert_row(url.len == 0 && strstr(err, rows[i].after) != NULL, err);
            bell_buf_fini(&url);
            continue;
        }
        size_t before = strlen(rows[i].before), after = strlen(rows[i].after);
        assert_row(memcmp(url.p, rows[i].before, before) == 0, rows[i].url);
        assert_row(url.len > before + after && memcmp(url.p + url.len - after, rows[i].after, after) == 0, rows[i].url);
        assert_row(memcmp(url.p + before, rows[i].one_host ? "bell-token=v1h.k1.7." : "bell-token=v1.k1.7..", 20) == 0, rows[i].url);

        /* and it is right */
        const char *target = strchr(url.p[0] == '/' ? url.p : strstr(url.p, "//") + 2, '/');
        bell_path_token_options options = {0};
        signed_case_init(&c);
        c.request.tenant_id = 7;
        c.request.target = (bell_str){target, url.len - (size_t)(target - url.p)};
        bell_signed_call call = signed_call(&c, &keys);
        assert_row(bell_path_token_check(&call, &options, &out) == BELL_SIGNED_OK, rows[i].url);
        assert_row(bell_str_eq(out.subject, BELL_STR("s-17")), rows[i].url);
        assert_row(out.target.len < strlen(rows[i].url) + 1 &&
                       memcmp(rows[i].url + strlen(rows[i].url) - out.target.len, out.target.p, out.target.len) == 0,
                   rows[i].url);
        bell_buf_fini(&url);
    }
    signed_keys_free(&keys);
}

static void what_does_not_fit_is_refused(void **state) {
    char err[600];
    bell_signed_key *k = load("k1.key", SECRET, 0600, err, sizeof(err));
    fb_sign_wish wish = {.token = {.tenant_id = 7, .until_s = NOW, .subject = {"a\nb", 3}}};
    bell_buf url;

    (void)state;
    bell_buf_init(&url, 100);
    assert_false(fb_sign_url(k, &wish, BELL_STR("/c7/m"), &url, err, sizeof(err)));
    assert_non_null(strstr(err, "printable ASCII of at most 64 and 128 bytes"));
    wish.token.subject = BELL_STR("s");
    wish.token.data = BELL_STR("12345678901234567890123456789012345678901234567890");
    assert_false(fb_sign_url(k, &wish, BELL_STR("/c7/m"), &url, err, sizeof(err)));
    assert_string_equal(err, "the URL is too long");
    bell_buf_fini(&url);
    bell_signed_key_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_files),
        cmocka_unit_test(urls_are_signed),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
