/* longest input: 2048 bytes. The first byte says what tokens are wanted, the line behind it where the playlist is, the rest is the playlist. Whatever
 * it names: a URI that is given a token is let in with it by who verifies such tokens, for just that target, and its end is the token's. */
#include "bell_google_cdn.h"
#include "bell_hls.h"
#include "bell_path_token.h"
#include "fuzz.h"

#include <string.h>

#define NOW   1800000000
#define UNTIL (NOW + 600)

static const bell_hls_scheme schemes[] = {BELL_HLS_PATH, BELL_HLS_AKAMAI, BELL_HLS_GOOGLE_CDN};

static bell_akamai_options akamai = {.name = {"hdnts", 5}, .alg = BELL_SIGNED_HMAC_SHA256};
static bell_signed_keys keys[3];
static bell_hls hls;
static bell_m3u8 rewriter;
static char room[BELL_HLS_ROOM], verifiers_room[65536], changed[BELL_M3U8_TARGET_MAX + BELL_HLS_TOKEN_MAX + 1];

static bool no_field(void *data, bell_str name, unsigned nth, bell_str *value) {
    (void)data;
    (void)name;
    (void)nth;
    *value = BELL_STR_NULL;
    return false;
}

static bell_signed_reason verify(bell_str target, bell_signed_result *out) {
    static const bell_path_token_options path = {.one_host = true};
    static const bell_google_cdn_options google = {.cookie = {NULL, 0}};
    bell_signed_request r = {.method = BELL_STR("GET"),
                             .scheme = hls.base.scheme,
                             .host = hls.base.host,
                             .target = target,
                             .now_s = NOW,
                             .tenant_id = hls.tenant_id,
                             .field = no_field};
    bell_signed_room own = {verifiers_room, sizeof(verifiers_room)};
    bell_signed_call call = {.request = &r, .keys = &keys[hls.scheme - BELL_HLS_PATH], .room = &own};

    switch (hls.scheme) {
    case BELL_HLS_PATH:
        return bell_path_token_check(&call, &path, out);
    case BELL_HLS_AKAMAI:
        return bell_akamai_check(&call, &akamai, out);
    default:
        return bell_google_cdn_check(&call, &google, out);
    }
}

/* As bell_m3u8.c puts a query behind. */
static bell_str with_query(bell_str target, bell_str query) {
    const char *mark = memchr(target.p, '?', target.len), *last = target.p + target.len - 1;
    size_t len = target.len;

    memcpy(changed, target.p, len);
    if (mark == NULL || (mark != last && *last != '&')) {
        changed[len++] = mark == NULL ? '?' : '&';
    }
    fuzz_assert(query.len < sizeof(changed) - len);
    memcpy(changed + len, query.p, query.len);
    return (bell_str){changed, len + query.len};
}

/* Without a separator that stands for nothing, which goes with a token behind it. */
static bool is_same(bell_str got, bell_str wanted) {
    while (!bell_str_eq(got, wanted) && wanted.len > got.len && (wanted.p[wanted.len - 1] == '&' || wanted.p[wanted.len - 1] == '?')) {
        wanted.len--;
    }
    return bell_str_eq(got, wanted);
}

static bool edit(void *data, const bell_m3u8_uri *uri, bell_m3u8_change *change) {
    bell_signed_result out;

    if (!bell_hls_edit(data, uri, change)) {
        return false;
    }
    fuzz_assert((change->query.len == 0) != (change->uri.len == 0));
    bell_str target = change->uri.len > 0 ? change->uri : with_query(uri->target, change->query);
    fuzz_assert(verify(target, &out) == BELL_SIGNED_OK);
    fuzz_assert(out.expires_s == UNTIL && is_same(out.target, uri->target));
    return true;
}

static void make_keys(void) {
    static const bell_signed_alg algs[] = {BELL_SIGNED_HMAC_SHA256, BELL_SIGNED_HMAC_SHA256, BELL_SIGNED_HMAC_SHA1};
    const char *why;

    for (size_t i = 0; i < 3; i++) {
        keys[i].keys[0] = bell_signed_key_secret(BELL_STR("k1"), algs[i], BELL_STR("aabbccddeeff00112233445566778899"), true, &why);
        fuzz_assert(keys[i].keys[0] != NULL);
        keys[i].nkeys = 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bell_buf out;
    bell_str in = {(const char *)data + 1, size - 1};

    if (size < 3 || data[1] != '/') {
        return 0;
    }
    if (keys[0].nkeys == 0) {
        make_keys();
        bell_buf_init(&out, 1 << 24);
    }
    bell_str base = bell_str_cut(&in, '\n');
    memset(&hls, 0, offsetof(bell_hls, own));
    hls.scheme = schemes[data[0] % 3];
    hls.whole_paths = data[0] & 0x40;
    akamai.escape = data[0] & 0x20;
    akamai.ignore_query = data[0] & 0x10;
    hls.base = (bell_uri_base){BELL_STR("https"), BELL_STR("cdn.school.example"), base};
    hls.akamai = &akamai;
    hls.key = keys[hls.scheme - BELL_HLS_PATH].keys[0];
    hls.tenant_id = 7;
    hls.subject = BELL_STR("a&b c");
    hls.until_s = UNTIL;
    hls.below = data[0] & 0x80 ? BELL_STR("/") : BELL_STR_NULL;
    hls.room = (bell_signed_room){room, sizeof(room)};
    if (!bell_hls_init(&hls)) {
        return 0;
    }
    bell_buf_reset(&out);
    bell_m3u8_init(&rewriter, &hls.base, edit, &hls);
    if (bell_m3u8_feed(&rewriter, in, &out)) {
        fuzz_assert(bell_m3u8_end(&rewriter, &out));
    }
    return 0;
}
