#include "origin/jobs/access_video.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

static char folder[200];

static int make_folder(void **state) {
    const char *tmp = getenv("TMPDIR");

    (void)state;
    snprintf(folder, sizeof(folder), "%s/fb-test-video-XXXXXX", tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state) {
    char command[260];

    (void)state;
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    return system(command); /* NOLINT(cert-env33-c): a folder of ours */
}

static void put(const char *name, const char *text, size_t len) {
    char path[300];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void put_text(const char *name, const char *text) {
    put(name, text, strlen(text));
}

typedef struct {
    char text[200];
    size_t n;
} said;

static void say(void *arg, int64_t begin_ms, int64_t end_ms) {
    said *s = arg;
    s->n += (size_t)snprintf(s->text + s->n, sizeof(s->text) - s->n, "%s%lld-%lld", s->n > 0 ? " " : "", (long long)begin_ms, (long long)end_ms);
}

/* When these bytes play, "none" when the file is no part of the video. */
static const char *times(const fb_video *v, const char *file, int64_t from, int64_t to, int64_t size) {
    static said s;
    s = (said){0};
    return fb_video_times(v, file, from, to, size, say, &s) ? s.text : "none";
}

static const char zeros[4000];

static void bytes_have_their_time(void **state) {
    char err[FB_VIDEO_ERROR_BYTES];
    (void)state;
    put_text("master.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n./low.m3u8?x=1\n#EXT-X-STREAM-INF:BANDWIDTH=2\nhigh.m3u8\n#EXT-X-STREAM-INF:"
                            "BANDWIDTH=3\nhttps://cdn.example/best.m3u8\n");
    put_text("low.m3u8", "#EXTM3U\n#EXTINF:4,\na.ts\n#EXTINF:4,\n#EXT-X-GAP\nlost.ts\n#EXTINF:4,\nnot-there.ts\n#EXTINF:3.55,\nb.ts\n");
    put_text("high.m3u8", "#EXTM3U\n#EXTINF:5,\n#EXT-X-BYTERANGE:1000@100\nall.mp4\n#EXTINF:5,\n#EXT-X-BYTERANGE:2000\nall.mp4\n#EXTINF:6,\n"
                          "#EXT-X-BYTERANGE:9999\nall.mp4\n");
    put("a.ts", zeros, 1000);
    put("b.ts", zeros, 10);
    put("all.mp4", zeros, 4000);
    fb_video *v = fb_video_load(folder, "master.m3u8", err);
    assert_non_null(v);
    assert_int_equal(fb_video_duration_ms(v), 16000);
    assert_string_equal(times(v, "a.ts", 0, 1000, 1000), "0-4000");
    assert_string_equal(times(v, "a.ts", 0, 1000, -1), "0-4000");
    assert_string_equal(times(v, "a.ts", 0, 5000, -1), "0-4000"); /* as it was sent, framing included */
    assert_string_equal(times(v, "a.ts", 0, 999, 999), "none");   /* another edition */
    assert_string_equal(times(v, "a.ts", 250, 600, 1000), "1000-2400");
    assert_string_equal(times(v, "a.ts", 255, 270, 1000), ""); /* less than a step */
    assert_string_equal(times(v, "b.ts", 0, 10, 10), "12000-15500");
    assert_string_equal(times(v, "lost.ts", 0, 10, -1), "none");
    assert_string_equal(times(v, "not-there.ts", 0, 10, -1), "none");
    assert_string_equal(times(v, "all.mp4", 0, 4000, 4000), "0-10000"); /* the third range is longer than the file */
    assert_string_equal(times(v, "all.mp4", 0, 100, 4000), "");
    assert_string_equal(times(v, "all.mp4", 600, 2100, 4000), "2500-7500");
    assert_string_equal(times(v, "all.mp4", 3999, INT64_MAX, 4000), "");
    fb_video_free(v);
}

/* Time that the file's order does not follow: what does not adjoin is told apart. */
static void ranges_may_stand_in_any_order(void **state) {
    char err[FB_VIDEO_ERROR_BYTES];
    (void)state;
    put_text("mixed.m3u8", "#EXTM3U\n#EXTINF:4,\n#EXT-X-BYTERANGE:1000@1000\nmixed.mp4\n#EXTINF:4,\n#EXT-X-BYTERANGE:1000@0\nmixed.mp4\n");
    put("mixed.mp4", zeros, 2000);
    fb_video *v = fb_video_load(folder, "mixed.m3u8", err);
    assert_non_null(v);
    assert_string_equal(times(v, "mixed.mp4", 0, 2000, 2000), "4000-8000 0-4000");
    fb_video_free(v);
}

/* However many pieces a file is fetched in, the pieces of time are few. */
static void pieces_are_bounded(void **state) {
    char err[FB_VIDEO_ERROR_BYTES];
    unsigned pieces = 0;
    (void)state;
    put_text("long.m3u8", "#EXTM3U\n#EXTINF:80000,\nlong.ts\n");
    char path[300];
    snprintf(path, sizeof(path), "%s/long.ts", folder);
    put("long.ts", zeros, 1);
    assert_int_equal(truncate(path, 100000), 0);
    fb_video *v = fb_video_load(folder, "long.m3u8", err);
    assert_non_null(v);
    for (int64_t byte = 0; byte < 100000; byte += 2) {
        pieces += *times(v, "long.ts", byte, byte + 1, 100000) != 0;
    }
    assert_in_range(pieces, 1, 4000);
    assert_string_equal(times(v, "long.ts", 0, 100000, 100000), "0-80000000");
    fb_video_free(v);
}

static const struct {
    const char *file, *text, *sentence;
} refused[] = {
    {"gone.m3u8", NULL, "gone.m3u8: No such file or directory"},
    {"page.m3u8", "<html>", "page.m3u8: no HLS playlist"},
    {"bad.m3u8", "#EXTM3U\n#EXTINF:x,\na.ts\n", "bad.m3u8: a playlist that breaks the rules of HLS"},
    {"round.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nround.m3u8\n", "round.m3u8: no HLS playlist"},
    {"lead.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nnowhere.m3u8\n", "nowhere.m3u8: No such file or directory"},
    {".", NULL, ".: Invalid argument"},
};

static void what_is_no_video_is_a_sentence(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(refused); i++) {
        char err[FB_VIDEO_ERROR_BYTES] = "";
        if (refused[i].text) {
            put_text(refused[i].file, refused[i].text);
        }
        assert_null(fb_video_load(folder, refused[i].file, err));
        assert_string_equal(err, refused[i].sentence);
    }
}

/* Each is looked for, whether it is there or not: a playlist of nothing takes no more of a reader's time than one that plays. */
static void segments_are_bounded(void **state) {
    char err[FB_VIDEO_ERROR_BYTES] = "", *text = malloc(2 << 20);
    (void)state;
    assert_non_null(text);
    for (int more = 0; more < 2; more++) {
        size_t n = (size_t)sprintf(text, "#EXTM3U\n");
        for (int i = 0; i < 50000 + more; i++) {
            n += (size_t)sprintf(text + n, "#EXTINF:1,\nx%d\n", i);
        }
        put("many.m3u8", text, n);
        fb_video *v = fb_video_load(folder, "many.m3u8", err);
        assert_int_equal(v == NULL, more);
        fb_video_free(v);
    }
    assert_string_equal(err, "many.m3u8: the video has more than 50000 segments, or too long names of them");
    free(text);
}

static void playlists_are_bounded(void **state) {
    char err[FB_VIDEO_ERROR_BYTES] = "", text[1000], path[300];
    size_t n = (size_t)sprintf(text, "#EXTM3U\n");
    (void)state;
    for (int i = 0; i < 5; i++) {
        n += (size_t)sprintf(text + n, "#EXT-X-STREAM-INF:BANDWIDTH=1\nlarge.m3u8\n");
    }
    put_text("lead5.m3u8", text);
    put_text("large.m3u8", "#EXTM3U\n#EXTINF:1,\na.ts\n");
    snprintf(path, sizeof(path), "%s/large.m3u8", folder);
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    for (int i = 0; i < 1000; i++) {
        assert_true(fprintf(f, "#%03990d\n", i) > 0);
    }
    assert_int_equal(fclose(f), 0);
    assert_null(fb_video_load(folder, "lead5.m3u8", err));
    assert_string_equal(err, "large.m3u8: the playlists of the video have more than 16 MiB");
}

static void the_last_ones_are_kept_by_version(void **state) {
    char err[FB_VIDEO_ERROR_BYTES];
    (void)state;
    put_text("one.m3u8", "#EXTM3U\n#EXTINF:4,\na.ts\n");
    fb_videos *c = fb_videos_new();
    assert_non_null(c);
    fb_video_key key = {1, 7, 1};
    const fb_video *v = fb_videos_get(c, &key, folder, "one.m3u8", err);
    assert_non_null(v);
    assert_int_equal(fb_video_duration_ms(v), 4000);
    put_text("one.m3u8", "#EXTM3U\n#EXTINF:5,\na.ts\n");
    assert_ptr_equal(fb_videos_get(c, &key, folder, "one.m3u8", err), v);
    assert_int_equal(fb_video_duration_ms(fb_videos_get(c, &(fb_video_key){2, 7, 1}, folder, "one.m3u8", err)), 5000);
    key.version = 2;
    assert_int_equal(fb_video_duration_ms(fb_videos_get(c, &key, folder, "one.m3u8", err)), 5000);
    for (int item = 100; item < 300; item++) { /* more than are kept */
        assert_non_null(fb_videos_get(c, &(fb_video_key){1, item, 1}, folder, "one.m3u8", err));
    }
    put_text("one.m3u8", "#EXTM3U\n#EXTINF:6,\na.ts\n");
    assert_int_equal(fb_video_duration_ms(fb_videos_get(c, &key, folder, "one.m3u8", err)), 6000);
    assert_null(fb_videos_get(c, &(fb_video_key){1, 7, 3}, folder, "gone.m3u8", err));
    assert_non_null(fb_videos_get(c, &(fb_video_key){1, 7, 3}, folder, "one.m3u8", err));
    fb_videos_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_their_time),          cmocka_unit_test(ranges_may_stand_in_any_order),     cmocka_unit_test(pieces_are_bounded),
        cmocka_unit_test(what_is_no_video_is_a_sentence), cmocka_unit_test(the_last_ones_are_kept_by_version), cmocka_unit_test(segments_are_bounded),
        cmocka_unit_test(playlists_are_bounded),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
