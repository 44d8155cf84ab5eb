/* The first byte says what the rest is: 't' a target as a stranger would send
 * it, anything else the parts of a token, which get a right MAC for the prefix
 * /c7/ so that they are read. longest input: 700 bytes */
#include "bell_base64.h"
#include "bell_path_token.h"
#include "fuzz.h"

#include <openssl/hmac.h>

#define NOW    1800000000
#define SECRET "2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a"
#define HOST   "a.example"

static bell_signed_keys keys;

static bool no_field(void *data, bell_str name, unsigned nth, bell_str *value) {
    (void)data;
    (void)name;
    (void)nth;
    *value = BELL_STR_NULL;
    return false;
}

static bell_signed_reason check(bell_str target, char *room_bytes, bell_signed_result *out) {
    static const bell_path_token_options options;
    bell_signed_room room = {room_bytes, 2048};
    bell_signed_request r = {.method = BELL_STR("GET"),
                             .scheme = BELL_STR("https"),
                             .host = BELL_STR(HOST),
                             .target = target,
                             .now_s = NOW,
                             .tenant_id = 42,
                             .field = no_field};
    bell_signed_call call = {.request = &r, .keys = &keys, .room = &room};
    bell_signed_reason reason = bell_path_token_check(&call, &options, out);

    fuzz_assert((reason == BELL_SIGNED_MISSING) == (out->target.p == NULL));
    fuzz_assert(out->target.len <= target.len);
    fuzz_assert(reason == BELL_SIGNED_MISSING || target.p[0] != '/' || out->target.p[0] == '/');
    return reason;
}

/* What is left has no token in its path. */
static void check_target(bell_str target) {
    char room[2048];
    bell_signed_result out;
    bell_signed_reason reason = check(target, room, &out);

    fuzz_assert(reason != BELL_SIGNED_OK);
    if (reason != BELL_SIGNED_MISSING) {
        bell_str path, query;
        bool has_query;
        bell_signed_split(out.target, &path, &query, &has_query);
        fuzz_assert(memmem(path.p, path.len, "/" BELL_PATH_TOKEN_NAME, strlen(BELL_PATH_TOKEN_NAME) + 1) == NULL);
    }
}

/* What is taken is what would have been written: there is one spelling. */
static void check_signed(bell_str parts) {
    char target[1500], room[2048], again[BELL_PATH_TOKEN_MAX_BYTES];
    unsigned char key[32], mac[32], text[1500];
    bool one_host = bell_str_starts(parts, BELL_STR("v1h."));
    bell_signed_result out;

    memset(key, 0x2a, sizeof(key));
    int n = snprintf((char *)text, sizeof(text), "firstbell path token\n%s\n/c7/\n", one_host ? HOST : "");
    memcpy(text + n, parts.p, parts.len);
    fuzz_assert(HMAC(EVP_sha256(), key, sizeof(key), text, (size_t)n + parts.len, mac, NULL) != NULL);
    n = snprintf(target, sizeof(target), "/c7/bell-token=");
    memcpy(target + n, parts.p, parts.len);
    n += (int)parts.len;
    target[n++] = '.';
    n += (int)bell_base64url_encode(mac, sizeof(mac), target + n);
    memcpy(target + n, "/s.ts", 5);
    bell_signed_reason reason = check((bell_str){target, (size_t)n + 5}, room, &out);
    if (reason != BELL_SIGNED_OK) {
        return;
    }
    fuzz_assert(bell_str_eq(out.target, BELL_STR("/c7/s.ts")) && out.expires_s > NOW);
    bell_path_token t = {
        .tenant_id = 42, .until_s = out.expires_s, .subject = out.subject, .data = out.data, .host = one_host ? BELL_STR(HOST) : BELL_STR_NULL};
    bell_str rest = parts;
    for (int i = 0; i < 3; i++) {
        bell_str_cut(&rest, '.');
    }
    bell_signed_seconds(bell_str_cut(&rest, '.'), &t.from_s);
    fuzz_assert(t.from_s <= NOW);
    long len = bell_path_token_write(keys.keys[0], &t, BELL_STR("/c7/"), again);
    fuzz_assert(len > 0 && bell_str_eq((bell_str){again, (size_t)len}, out.token));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *why;

    if (keys.nkeys == 0) {
        keys.keys[0] = bell_signed_key_secret(BELL_STR("k1"), BELL_SIGNED_HMAC_SHA256, BELL_STR(SECRET), true, &why);
        fuzz_assert(keys.keys[0] != NULL);
        keys.nkeys = 1;
    }
    if (size == 0 || size > 700) {
        return 0;
    }
    bell_str rest = {(const char *)data + 1, size - 1};
    if (data[0] == 't') {
        check_target(rest);
    } else {
        check_signed(rest);
    }
    return 0;
}
