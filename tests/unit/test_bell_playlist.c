#include "bell_playlist.h"
#include "unit.h"

#include <stdio.h>

#define MEDIA "#EXTM3U\n#EXT-X-TARGETDURATION:4\n"

/* Everything that a playlist says, a line a part. */
static const char *say(const char *text) {
    static char said[1000];
    bell_playlist h;
    bell_playlist_part part;
    size_t n = 0;

    static const char *const kinds[] = {"none", "renditions", "segments"};
    n += (size_t)snprintf(said, sizeof(said), "%s\n", kinds[bell_playlist_open(&h, bell_str_of(text))]);
    while (bell_playlist_next(&h, &part)) {
        n += (size_t)snprintf(said + n, sizeof(said) - n, "%.*s", BELL_STR_ARG(part.uri));
        if (h.kind == BELL_PLAYLIST_SEGMENTS) {
            n += (size_t)snprintf(said + n, sizeof(said) - n, " %llu-%llu", (unsigned long long)part.begin_us, (unsigned long long)part.end_us);
        }
        if (part.bytes > 0) {
            n += (size_t)snprintf(said + n, sizeof(said) - n, " %llu@%llu", (unsigned long long)part.bytes, (unsigned long long)part.first_byte);
        }
        n += (size_t)snprintf(said + n, sizeof(said) - n, "\n");
    }
    snprintf(said + n, sizeof(said) - n, "%s", h.broken ? "broken" : "end");
    return said;
}

static const struct {
    const char *text, *said;
} playlists[] = {
    {"", "none\nbroken"},
    {"#EXTM3U", "none\nbroken"},
    {"#EXTM3U8\n#EXTINF:4,\na.ts\n", "none\nbroken"},
    {"\n#EXTM3U\n#EXTINF:4,\na.ts\n", "none\nbroken"},
    {MEDIA "#EXTINF:4,\na.ts\n#EXTINF:3.5,title, of it\nb/c.ts?q=1\n#EXT-X-ENDLIST\n", "segments\na.ts 0-4000000\nb/c.ts?q=1 4000000-7500000\nend"},
    {"#EXTM3U\r\n#EXTINF:3.336667,\r\na.ts\r\n#EXTINF:3.3366679,\r\nb.ts", "segments\na.ts 0-3336667\nb.ts 3336667-6673334\nend"},
    {MEDIA "#EXTINF:0.04\na.ts\n\n# a comment\n#EXTINF: 2 ,\nb.ts\n", "segments\na.ts 0-40000\nb.ts 40000-2040000\nend"},
    {MEDIA "#EXTINF:4,\n#EXT-X-GAP\na.ts\n#EXTINF:4,\nb.ts\n", "segments\n 0-4000000\nb.ts 4000000-8000000\nend"},
    /* byte ranges */
    {MEDIA "#EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"100@0\"\n#EXTINF:4,\n#EXT-X-BYTERANGE:50@100\nall.mp4\n#EXTINF:4,\n#EXT-X-BYTERANGE:60\nall.mp4\n",
     "segments\nall.mp4 0-4000000 50@100\nall.mp4 4000000-8000000 60@150\nend"},
    {MEDIA "#EXTINF:4,\n#EXT-X-BYTERANGE:50@0\na.mp4\n#EXTINF:4,\n#EXT-X-BYTERANGE:60\nb.mp4\n", "segments\na.mp4 0-4000000 50@0\nbroken"},
    {MEDIA "#EXTINF:4,\na.mp4\n#EXTINF:4,\n#EXT-X-BYTERANGE:60\na.mp4\n", "segments\na.mp4 0-4000000\nbroken"},
    {MEDIA "#EXTINF:4,\n#EXT-X-BYTERANGE:60\na.mp4\n", "segments\nbroken"},
    {MEDIA "#EXTINF:4,\n#EXT-X-BYTERANGE:0@0\na.mp4\n", "segments\nbroken"},
    {MEDIA "#EXTINF:4,\n#EXT-X-BYTERANGE:9007199254740993@0\na.mp4\n", "segments\nbroken"},
    {MEDIA "#EXTINF:4,\n#EXT-X-BYTERANGE:9007199254740992@1\na.mp4\n", "segments\nbroken"},
    {MEDIA "#EXTINF:4,\n#EXT-X-BYTERANGE:5@x\na.mp4\n", "segments\nbroken"},
    /* durations */
    {MEDIA "#EXTINF:\na.ts\n", "segments\nbroken"},
    {MEDIA "#EXTINF:-1,\na.ts\n", "segments\nbroken"},
    {MEDIA "#EXTINF:4.5x,\na.ts\n", "segments\nbroken"},
    {MEDIA "#EXTINF:1e3,\na.ts\n", "segments\nbroken"},
    {MEDIA "#EXTINF:86400,\na.ts\n#EXTINF:0.000001,\nb.ts\n", "segments\na.ts 0-86400000000\nbroken"},
    {MEDIA "#EXTINF:86401,\na.ts\n", "segments\nbroken"},
    {MEDIA "#EXTINF:4,\na.ts\nb.ts\n", "segments\na.ts 0-4000000\nbroken"},
    {MEDIA "#EXTINF:4,\n", "segments\nend"},
    /* renditions */
    {"#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"sound.m3u8\"\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"frames.m3u8\"\n"
     "#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\n# a comment\n\nhigh/index.m3u8\n",
     "renditions\nlow.m3u8\nhigh/index.m3u8\nend"},
    {"#EXTM3U\nnobody.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\nnobody.m3u8\n", "renditions\nlow.m3u8\nend"},
    {"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", "renditions\nend"},
};

static void playlists_are_read(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(playlists); i++) {
        const char *said = say(playlists[i].text);
        if (strcmp(said, playlists[i].said) != 0) {
            fail_msg("row %zu, \"%s\": expected\n%s\nfound\n%s", i, playlists[i].text, playlists[i].said, said);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(playlists_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
