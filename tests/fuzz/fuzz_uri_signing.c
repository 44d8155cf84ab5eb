/* The first byte says what the rest is: 't' a target and 'c' the value of a
 * Cookie field as a stranger would send them, 'p' a path with "@" in place of
 * a token that is right, 'h' a header and 'j' an encrypted claim that get the
 * rest of a right token, 'r' a regular expression, a line feed and a text,
 * anything else claims that get a right header and signature.
 * longest input: 1500 bytes */
#include "bell_base64.h"
#include "bell_jwe.h"
#include "bell_regex.h"
#include "bell_uri_signing.h"
#include "fuzz.h"

#include <openssl/hmac.h>

#define NOW   1800000000
#define RIGHT "{\"exp\":1800000030,\"cdniuc\":\"regex:.*\"}"

static const char secret[] = "0123456789abcdef";
static bell_signed_keys keys;

/* One Cookie field, or none. */
static bool field(void *data, bell_str name, unsigned nth, bell_str *value) {
    const bell_str *cookie = data;

    *value = *cookie;
    return cookie->p != NULL && nth == 0 && bell_str_eq(name, BELL_STR("cookie"));
}

static bell_signed_reason use_up(void *data, const bell_signed_use *use) {
    (void)data;
    fuzz_assert(use->once && use->id.len > 0 && use->expires_s >= NOW && use->key == keys.keys[0]);
    return BELL_SIGNED_OK;
}

static bell_signed_reason check(bell_str target, bell_str cookie, char room_bytes[32768], bell_signed_result *out) {
    bell_uri_signing_options options = {.private_keys = &keys, .plain_address = true, .use = use_up, .renewal_key = BELL_STR("k1")};
    bell_signed_room room = {room_bytes, 32768};
    bell_signed_request r = {.method = BELL_STR("GET"),
                             .scheme = BELL_STR("https"),
                             .host = BELL_STR("a.example"),
                             .target = target,
                             .now_s = NOW,
                             .client = {.family = AF_INET, .bytes = {192, 0, 2, 10}},
                             .field = field,
                             .data = &cookie};
    bell_signed_call call = {.request = &r, .keys = &keys, .room = &room};
    bell_signed_reason reason = bell_uri_signing_check(&call, &options, out);

    fuzz_assert((reason == BELL_SIGNED_MISSING) == (out->target.p == NULL));
    fuzz_assert(reason == BELL_SIGNED_OK || out->set_cookie.p == NULL);
    return reason;
}

/* What a stranger sends, for whom the secret is none. */
static void check_stranger(bell_str target, bell_str cookie) {
    static char room[32768];
    bell_signed_result out;

    fuzz_assert(check(target, cookie, room, &out) != BELL_SIGNED_OK);
}

static size_t sign(bell_str header, bell_str payload, char *token) {
    unsigned char mac[32];
    size_t len = bell_base64url_encode(header.p, header.len, token);

    token[len++] = '.';
    len += bell_base64url_encode(payload.p, payload.len, token + len);
    fuzz_assert(HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)token, len, mac, NULL) != NULL);
    token[len++] = '.';
    return len + bell_base64url_encode(mac, sizeof(mac), token + len);
}

/* A renewed token is right as well. */
static void check_signed(bell_str header, bell_str payload) {
    static char target[8192], room[32768], other[32768];
    bell_signed_result out, again;
    size_t n = (size_t)snprintf(target, sizeof(target), "/a/b?URISigningPackage=");

    n += sign(header, payload, target + n);
    bell_signed_reason reason = check((bell_str){target, n}, BELL_STR_NULL, room, &out);
    fuzz_assert(reason != BELL_SIGNED_MISSING && bell_str_eq(out.target, BELL_STR("/a/b")));
    if (out.set_cookie.len > 0) {
        bell_str rest = out.set_cookie, pair = bell_str_cut(&rest, ';');
        fuzz_assert(bell_str_starts(rest, BELL_STR(" Path=/")));
        fuzz_assert(check(BELL_STR("/a/b"), pair, other, &again) == BELL_SIGNED_OK);
        fuzz_assert(again.expires_s > NOW && bell_str_eq(again.subject, out.subject));
    }
}

/* Wherever a right token stands, nothing of it is left. */
static void check_place(bell_str form) {
    static char target[8192], room[32768];
    bell_signed_result out;
    size_t n = 0, tokens = 0;

    for (size_t i = 0; i < form.len && tokens < 4; i++) {
        if (form.p[i] == '@') {
            n += (size_t)snprintf(target + n, 32, "URISigningPackage=");
            n += sign(BELL_STR("{\"alg\":\"HS256\"}"), BELL_STR(RIGHT), target + n);
            tokens++;
        } else {
            target[n++] = form.p[i];
        }
    }
    if (check((bell_str){target, n}, BELL_STR_NULL, room, &out) == BELL_SIGNED_OK) {
        bell_str path, query;
        bool has_query;
        bell_signed_split(out.target, &path, &query, &has_query);
        fuzz_assert(path.p[0] == '/' && memmem(path.p, path.len, "/URISigningPackage=", 19) == NULL);
        fuzz_assert(memmem(path.p, path.len, ";URISigningPackage=", 19) == NULL);
        fuzz_assert(bell_signed_param(query, BELL_STR("URISigningPackage"), &path) == 0);
    }
}

static void check_jwe(bell_str text) {
    char claims[4000];
    bell_signed_room room = {claims, sizeof(claims)};
    bell_str plain;

    if (bell_jwe_open(&keys, NOW, text, &room, &plain) == BELL_SIGNED_OK) {
        fuzz_assert(plain.len > 0 && plain.len < text.len);
    }
}

static void check_regex(bell_str text) {
    bell_str pattern = bell_str_cut(&text, '\n');
    int whole = bell_regex_matches(pattern, text, false), part = bell_regex_matches(pattern, text, true);

    fuzz_assert(whole >= -1 && whole <= 1 && (whole == -1) == (part == -1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *why;

    if (keys.nkeys == 0) {
        keys.keys[0] = bell_signed_key_secret(BELL_STR("k1"), BELL_SIGNED_HMAC_SHA256, BELL_STR("MDEyMzQ1Njc4OWFiY2RlZg"), false, &why);
        fuzz_assert(keys.keys[0] != NULL);
        keys.nkeys = 1;
    }
    if (size == 0 || size > 1500) {
        return 0;
    }
    bell_str rest = {(const char *)data + 1, size - 1};
    switch (data[0]) {
    case 't':
        check_stranger(rest, BELL_STR_NULL);
        break;
    case 'c':
        check_stranger(BELL_STR("/"), rest);
        break;
    case 'p':
        check_place(rest);
        break;
    case 'h':
        check_signed(rest, BELL_STR(RIGHT));
        break;
    case 'j':
        check_jwe(rest);
        break;
    case 'r':
        check_regex(rest);
        break;
    default:
        check_signed(BELL_STR("{\"alg\":\"HS256\"}"), rest);
    }
    return 0;
}
