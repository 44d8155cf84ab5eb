#include "origin/server/settings.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Loads a file with this text; what was said about it goes to said. */
static bool load(const char *text, size_t len, fb_settings *s, char *said, size_t said_len) {
    char path[] = "/tmp/fb-settings-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    close(fd);
    memset(said, 0, said_len);
    FILE *err = fmemopen(said, said_len - 1, "w");
    bool ok = fb_settings_load(s, path, err);
    fclose(err);
    unlink(path);
    return ok;
}

static void defaults(void **state) {
    (void)state;
    fb_settings s;
    char said[600];
    assert_true(load("", 0, &s, said, sizeof said));
    assert_string_equal(said, "");
    assert_string_equal(s.listen, "unix:/run/firstbell/api.sock");
    assert_string_equal(s.database, "host=/run/firstbell dbname=firstbell");
    assert_int_equal(s.workers, 0);
    assert_int_equal(s.session_ttl_s, 43200);
    assert_int_equal(s.outbox_keep_days, 14);
}

static void values(void **state) {
    (void)state;
    static const char text[] = "# a comment\n\n  listen =  127.0.0.1:8080  # where\r\nworkers=3\ndatabase = host=/x dbname=a#b\n"
                               "access_log = -\nmedia_root = /srv/media files\nlast_line_has_no_end = \n";
    fb_settings s;
    char said[600];
    assert_true(load(text, strlen(text) - strlen("last_line_has_no_end = \n"), &s, said, sizeof said));
    assert_string_equal(s.listen, "127.0.0.1:8080");
    assert_int_equal(s.workers, 3);
    assert_string_equal(s.database, "host=/x dbname=a#b");
    assert_string_equal(s.access_log, "-");
    assert_string_equal(s.media_root, "/srv/media files");
    assert_true(load("workers=4", 9, &s, said, sizeof said));
    assert_int_equal(s.workers, 4);
}

static const struct {
    const char *text, *said; /* a part of the sentence */
} wrong[] = {
    {"workers", ":1: found \"workers\", expected \"key = value\""},
    {"\n\nwrokers = 3", ":3: there is no setting \"wrokers\""},
    {"workers = 3\nworkers = 3", ":2: workers is set a second time"},
    {"workers =", "workers is \"\", expected a whole number from 0 to 64"},
    {"workers = 65", "workers is \"65\", expected a whole number from 0 to 64"},
    {"workers = -1", "workers is \"-1\", expected a whole number from 0 to 64"},
    {"workers = 3x", "workers is \"3x\", expected a whole number"},
    {"workers = 99999999999999999999", "expected a whole number from 0 to 64"},
    {"db_connections = 0", "db_connections is \"0\", expected a whole number from 1 to 64"},
    {"web_root = web", "web_root is \"web\", expected an absolute path"},
    {"web_root = -", "expected an absolute path"},
    {"error_log = log", "error_log is \"log\", expected an absolute path, or -"},
    {"database =", "database is \"\", expected a value"},
    {"listen = unix:api.sock", "expected unix:PATH with an absolute path"},
    {"listen = unix:/", "expected unix:PATH with an absolute path"},
    {"listen = 8080", "expected unix:PATH"},
    {"listen = :8080", "expected unix:PATH"},
    {"listen = 127.0.0.1:0", "expected unix:PATH"},
    {"listen = 127.0.0.1:65536", "expected unix:PATH"},
    {"listen = localhost:80", "expected unix:PATH"},
    {"listen = unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "expected a socket path of at most 107 bytes"},
};

static void wrong_files(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(wrong); i++) {
        fb_settings s;
        char said[600];
        assert_row(!load(wrong[i].text, strlen(wrong[i].text), &s, said, sizeof said), wrong[i].text);
        assert_row(strstr(said, wrong[i].said), wrong[i].text);
        assert_row(strncmp(said, "firstbell: /tmp/fb-settings-", 28) == 0 && said[strlen(said) - 1] == '\n', wrong[i].text);
    }
}

static void long_lines(void **state) {
    (void)state;
    fb_settings s;
    char said[3000];
    char text[3000];
    memset(text, 'a', sizeof text);
    memcpy(text, "web_root=/", 10);
    assert_false(load(text, 600, &s, said, sizeof said));
    assert_non_null(strstr(said, "expected at most 511 bytes"));
    assert_true(load(text, 9 + 511, &s, said, sizeof said));
    assert_int_equal(strlen(s.web_root), 511);
    assert_false(load(text, sizeof text, &s, said, sizeof said));
    assert_non_null(strstr(said, ":1: the line is longer than 2046 bytes"));
}

static void no_file(void **state) {
    (void)state;
    fb_settings s;
    char said[600] = "";
    FILE *err = fmemopen(said, sizeof said - 1, "w");
    assert_false(fb_settings_load(&s, "/nonexistent/firstbell.conf", err));
    fclose(err);
    assert_non_null(strstr(said, "/nonexistent/firstbell.conf cannot be read: No such file"));
}

/* What `firstbell settings` prints is a file that can be loaded. */
static void printed_settings_load(void **state) {
    (void)state;
    char text[8192] = "";
    FILE *out = fmemopen(text, sizeof text - 1, "w");
    fb_settings_print(out);
    fclose(out);
    fb_settings printed, plain;
    char said[600];
    assert_true(load(text, strlen(text), &printed, said, sizeof said));
    assert_true(load("", 0, &plain, said, sizeof said));
    assert_memory_equal(&printed, &plain, sizeof plain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),   cmocka_unit_test(values),  cmocka_unit_test(wrong_files),
        cmocka_unit_test(long_lines), cmocka_unit_test(no_file), cmocka_unit_test(printed_settings_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
