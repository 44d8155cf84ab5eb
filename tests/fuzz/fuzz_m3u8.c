/* longest input: 2048 bytes. The first byte says how the rest, a playlist, is cut into pieces. Whatever it is and however it is cut, the answer is
 * the same, and without what was put behind the URIs it is the playlist. What is shown is a target of this host. */
#include "bell_m3u8.h"
#include "bell_signed.h"
#include "fuzz.h"

#include <string.h>

typedef struct {
    unsigned shown;
} seen;

static bool edit(void *data, const bell_m3u8_uri *uri, bell_m3u8_change *change) {
    seen *s = data;

    s->shown++;
    fuzz_assert(uri->text.len > 0 && uri->target.len > 0 && uri->target.p[0] == '/' && bell_signed_is_plain_target(uri->target));
    for (size_t i = 0; i < uri->target.len; i++) {
        fuzz_assert(uri->target.p[i] > ' ' && uri->target.p[i] <= '~');
    }
    change->query = BELL_STR("~~token~~");
    return true;
}

static bell_m3u8 rewriter;

static void rewrite(bell_str in, size_t piece, bell_buf *out, seen *s) {
    bell_uri_base base = {BELL_STR("https"), BELL_STR("cdn.school.example"), BELL_STR("/hls/c7/master.m3u8?a=1")};

    *s = (seen){0};
    bell_m3u8_init(&rewriter, &base, edit, s);
    while (in.len > 0) {
        size_t n = piece < in.len ? piece : in.len;
        fuzz_assert(bell_m3u8_feed(&rewriter, (bell_str){in.p, n}, out));
        in = (bell_str){in.p + n, in.len - n};
    }
    fuzz_assert(bell_m3u8_end(&rewriter, out));
    fuzz_assert(rewriter.changed <= s->shown);
}

/* Takes every "~~token~~" out, with the "?" or "&" that was put before it where the playlist has none. */
static void compare(bell_str in, bell_str out) {
    static const bell_str mark = {"~~token~~", 9};
    size_t i = 0;

    for (size_t o = 0; o < out.len;) {
        bell_str rest = {out.p + o, out.len - o};
        if (bell_str_starts(rest, mark)) {
            o += mark.len;
        } else if (rest.len > mark.len && (rest.p[0] == '?' || rest.p[0] == '&') && bell_str_starts((bell_str){rest.p + 1, rest.len - 1}, mark) &&
                   (i == in.len || in.p[i] != rest.p[0])) {
            o += mark.len + 1;
        } else {
            fuzz_assert(i < in.len && in.p[i] == rest.p[0]);
            i++;
            o++;
        }
    }
    fuzz_assert(i == in.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bell_buf whole, pieces;
    seen one, other;

    if (size < 2) {
        return 0;
    }
    if (whole.max_bytes == 0) {
        bell_buf_init(&whole, 1 << 20);
        bell_buf_init(&pieces, 1 << 20);
    }
    bell_str in = {(const char *)data + 1, size - 1};
    bell_buf_reset(&whole);
    bell_buf_reset(&pieces);
    rewrite(in, in.len, &whole, &one);
    rewrite(in, (size_t)data[0] % 61 + 1, &pieces, &other);
    fuzz_assert(bell_str_eq(bell_buf_str(&whole), bell_buf_str(&pieces)) && one.shown == other.shown);
    if (memmem(in.p, in.len, "~~", 2) == NULL) {
        compare(in, bell_buf_str(&whole));
    }
    return 0;
}
