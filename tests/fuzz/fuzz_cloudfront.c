/* The first byte says what the rest is: 'p' a policy, which both readers get; anything else a target and, behind a newline, a Cookie field. Every
 * signature is taken for right, so that what stands behind it is reached; longest input: 4096 bytes. */
#include "bell_cloudfront.h"
#include "fuzz.h"

#define NOW 1800000000

static bell_signed_keys keys;
static char room_bytes[16384];

static void make_key(void) {
    static const char jwk[] = "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"jaPMlcdNFtOnVF2ssn4nSGCvKlXgFtidL6eOn5bXPLs\","
                              "\"y\":\"MQyqWC8i9xRWjDxwAfTh1hI_C_u1eYeTD9y-siwpWdY\"}";
    const char *why;

    keys.keys[0] = bell_signed_key_public(BELL_STR("K"), bell_str_of(jwk), &why);
    fuzz_assert(keys.keys[0] != NULL);
    keys.nkeys = 1;
}

static bool is_right(void *data, const bell_signed_key *key, bell_signed_alg alg, bell_str bytes, bell_str signature, bell_str spelled) {
    (void)spelled;
    (void)data;
    fuzz_assert(key == keys.keys[0] && (alg == BELL_SIGNED_ECDSA_SHA1 || alg == BELL_SIGNED_ECDSA_SHA256));
    fuzz_assert(bytes.len > 0 && signature.len > 0 && signature.len <= 512);
    return true;
}

static bool cookie_field(void *data, bell_str name, unsigned nth, bell_str *value) {
    *value = *(bell_str *)data;
    return nth == 0 && value->len > 0 && bell_str_eq(name, BELL_STR("cookie"));
}

/* What is read in place is what jansson reads. */
static void check_policy(bell_str text) {
    bell_signed_room room = {room_bytes, sizeof(room_bytes)}, again = {room_bytes + 8192, 8192};
    bell_cloudfront_policy a, b;
    bool read = bell_cloudfront_policy_read(text, &room, &a), read_json = bell_cloudfront_policy_read_json(text, &again, &b);

    fuzz_assert(read == read_json);
    if (read) {
        fuzz_assert(a.has_resource == b.has_resource && bell_str_eq(a.resource, b.resource));
        fuzz_assert(a.until_s == b.until_s && a.from_s == b.from_s && a.until_s > 0);
        fuzz_assert(bell_str_eq(a.network, b.network) && (a.network.p == NULL) == (b.network.p == NULL));
    }
}

static bool is_part(bell_str target) {
    bell_str value, path, query;
    bool has_query;

    bell_signed_split(target, &path, &query, &has_query);
    return bell_signed_param(query, BELL_STR("Signature"), &value) + bell_signed_param(query, BELL_STR("Policy"), &value) +
               bell_signed_param(query, BELL_STR("Key-Pair-Id"), &value) >
           0;
}

static void check_request(bell_str target, bell_str cookie) {
    bell_cloudfront_options options = {.any_resource = target.len % 2};
    bell_signed_room room = {room_bytes, sizeof(room_bytes)};
    bell_signed_request r = {.scheme = BELL_STR("https"),
                             .host = BELL_STR("h.example"),
                             .target = target,
                             .now_s = NOW,
                             .client = {.family = AF_INET, .bytes = {192, 0, 2, 10}},
                             .field = cookie_field,
                             .data = &cookie};
    bell_signed_call call = {.request = &r, .keys = &keys, .verifier = {.verify = is_right}, .room = &room};
    bell_signed_result out;
    bell_signed_reason reason = bell_cloudfront_check(&call, &options, &out);

    fuzz_assert(reason < BELL_SIGNED_REASONS && reason != BELL_SIGNED_SIGNATURE);
    fuzz_assert((reason == BELL_SIGNED_MISSING) == (out.target.p == NULL));
    if (reason == BELL_SIGNED_MISSING) {
        return;
    }
    fuzz_assert(out.token.p != NULL && out.target.len <= target.len && !is_part(out.target));
    if (reason == BELL_SIGNED_OK) {
        fuzz_assert(out.expires_s > NOW && bell_str_eq(out.key_id, BELL_STR("K")) && bell_signed_is_plain_target(out.target));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (keys.nkeys == 0) {
        make_key();
    }
    if (size == 0) {
        return 0;
    }
    bell_str rest = {(const char *)data, size};
    if (data[0] == 'p') {
        check_policy((bell_str){rest.p + 1, rest.len - 1});
    } else {
        bell_str target = bell_str_cut(&rest, '\n');
        check_request(target, rest);
    }
    return 0;
}
