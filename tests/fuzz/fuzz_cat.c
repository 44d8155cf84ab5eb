/* longest input: 1024 bytes. The first byte says what the rest is: 'c' CBOR; 't' a token as it is sent; 'm' a COSE message, which gets base64url; 'h'
 * the protected headers of a message with a right MAC; 'u' a target, for a token that is right; anything else claims, which get a right MAC, so that
 * they are read. What is accepted was signed, is in time, and its renewal is accepted as well. */
#include "bell_base64.h"
#include "bell_cat.h"
#include "bell_cbor.h"
#include "fuzz.h"

#include <string.h>

#define NOW 1800000000

static bell_signed_keys keys;
static char token[BELL_CAT_TOKEN_MAX * 2];
static char room_bytes[BELL_CAT_ROOM_BYTES];

static bool field(void *data, bell_str name, unsigned nth, bell_str *value) {
    static const char agent[] = "Chromebook/1";

    if (nth == 0 && bell_str_ieq(name, BELL_STR("user-agent"))) {
        *value = bell_str_of(agent);
        return true;
    }
    *value = *(bell_str *)data;
    return nth == 0 && value->len > 0 && bell_str_ieq(name, BELL_CAT_NAME);
}

static bell_signed_reason use_up(void *data, const bell_signed_use *use) {
    (void)data;
    fuzz_assert(use->id.len > 0 && use->expires_s > NOW && use->key == keys.keys[0]);
    return use->is_named && use->id.p[0] == 's' ? BELL_SIGNED_REPLAYED : BELL_SIGNED_OK;
}

static void set_up(void) {
    const char *why;

    keys.keys[0] = bell_signed_key_secret(BELL_STR("k1"), BELL_SIGNED_HMAC_SHA256,
                                          BELL_STR("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"), true, &why);
    fuzz_assert(keys.keys[0] != NULL);
    keys.nkeys = 1;
}

static bell_signed_reason check(bell_str text, bell_str target, bell_signed_result *out) {
    static const bell_str audience = {"edge", 4};
    bell_signed_room room = {room_bytes, sizeof(room_bytes)};
    bell_signed_request request = {.method = BELL_STR("GET"),
                                   .scheme = BELL_STR("https"),
                                   .host = BELL_STR("cdn.school.example"),
                                   .target = target,
                                   .country = BELL_STR("US"),
                                   .asn = 64500,
                                   .alpn = BELL_STR("h2"),
                                   .now_s = NOW,
                                   .field = field,
                                   .data = &text};
    bell_cat_options options = {.issuer = BELL_STR("school"),
                                .audiences = &audience,
                                .naudiences = 1,
                                .param = BELL_CAT_PARAM,
                                .field = BELL_CAT_NAME,
                                .renewal_window_s = BELL_CAT_RENEWAL_WINDOW_S,
                                .use = use_up};
    bell_signed_call call = {.request = &request, .keys = &keys, .room = &room};

    fuzz_assert(bell_address_parse(BELL_STR("192.0.2.10"), &request.client));
    bell_signed_reason r = bell_cat_check(&call, &options, out);
    fuzz_assert(r == BELL_SIGNED_MISSING || out->target.p != NULL);
    fuzz_assert(r != BELL_SIGNED_OK || out->expires_s > NOW);
    return r;
}

static void check_renewal(const bell_signed_result *out) {
    static char again[BELL_CAT_ROOM_BYTES];
    bell_signed_result renewed;
    bell_str value = out->field_value;

    for (size_t i = 0; i < out->field_value.len + out->set_cookie.len; i++) {
        char c = i < value.len ? value.p[i] : out->set_cookie.p[i - value.len];
        fuzz_assert(c >= ' ' && c <= '~');
    }
    value = bell_str_cut(&value, ';');
    if (value.len > 0 && value.len <= BELL_CAT_TOKEN_MAX) {
        memcpy(again, value.p, value.len);
        bell_signed_reason r = check((bell_str){again, value.len}, BELL_STR("/hls/c7/720/s1.ts"), &renewed);
        fuzz_assert(r == BELL_SIGNED_OK || r == BELL_SIGNED_REPLAYED);
    }
}

static void check_message(const unsigned char *bytes, size_t len, bool is_signed) {
    bell_signed_result out;

    size_t n = bell_base64url_encode(bytes, len, token);
    bell_signed_reason r = check((bell_str){token, n}, BELL_STR("/hls/c7/720/s1.ts"), &out);
    fuzz_assert(is_signed || r != BELL_SIGNED_OK);
    fuzz_assert(!is_signed || r != BELL_SIGNED_SIGNATURE);
    if (r == BELL_SIGNED_OK) {
        check_renewal(&out);
    }
}

/* Heads of byte strings of up to 65535 bytes, always in three bytes: another spelling than that which is signed. */
static size_t put_bytes(unsigned char *to, bell_str s) {
    to[0] = 0x59;
    to[1] = (unsigned char)(s.len >> 8);
    to[2] = (unsigned char)s.len;
    memcpy(to + 3, s.p, s.len);
    return s.len + 3;
}

static size_t put_head(unsigned char *to, size_t len) {
    if (len < 24) {
        to[0] = (unsigned char)(0x40 | len);
        return 1;
    }
    to[0] = len < 256 ? 0x58 : 0x59;
    to[1] = (unsigned char)(len < 256 ? len : len >> 8);
    to[2] = (unsigned char)len;
    return len < 256 ? 2 : 3;
}

static void check_signed(bell_str secure, bell_str claims) {
    static unsigned char message[4096];
    unsigned char heads[2][3], mac[BELL_SIGNED_MAC_MAX];
    bell_str pieces[] = {BELL_STR("\x84\x64MAC0"), {(char *)heads[0], put_head(heads[0], secure.len)}, secure,
                         BELL_STR("\x40"),         {(char *)heads[1], put_head(heads[1], claims.len)}, claims};
    size_t len = 0;

    if (secure.len + claims.len > 2000) {
        return;
    }
    fuzz_assert(bell_signed_mac(keys.keys[0], pieces, 6, mac) == 32);
    memcpy(message, "\xd8\x3d\xd1\x84", 4);
    len = 4;
    len += put_bytes(message + len, secure);
    memcpy(message + len, "\xa1\x04\x42k1", 5);
    len += 5;
    len += put_bytes(message + len, claims);
    len += put_bytes(message + len, (bell_str){(char *)mac, 32});
    check_message(message, len, true);
}

static void check_target(bell_str target) {
    static const char claims[] = "\xa3\x01\x66school\x04\x1a\x6b\x49\xd4\x58\x19\x01\x38\xa1\x03\xa1\x01\x65/hls/";
    static char room[4000];
    bell_signed_room r = {room, sizeof(room)};
    bell_signed_result out;

    bell_str text = bell_cat_mint(&r, keys.keys[0], (bell_str){claims, sizeof(claims) - 1});
    fuzz_assert(text.p != NULL);
    if (check(text, target, &out) == BELL_SIGNED_OK) {
        fuzz_assert(bell_str_starts(out.target, BELL_STR("/hls/")) && bell_signed_is_plain_target(out.target));
    }
}

/* What is taken as a whole is read to its end without another error. */
static void check_cbor(bell_str bytes) {
    bell_str whole;
    bell_cbor_item item;

    if (bell_cbor_take(&bytes, &whole)) {
        while (whole.len > 0) {
            fuzz_assert(bell_cbor_next(&whole, &item));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_signed_result out;

    if (keys.nkeys == 0) {
        set_up();
    }
    if (size == 0 || size > 2000) {
        return 0;
    }
    bell_str rest = {(const char *)data + 1, size - 1};
    switch (data[0]) {
    case 'c':
        check_cbor(rest);
        break;
    case 't':
        fuzz_assert(check(rest, BELL_STR("/hls/c7/720/s1.ts"), &out) != BELL_SIGNED_OK);
        break;
    case 'm':
        check_message(data + 1, size - 1, false);
        break;
    case 'h':
        check_signed(rest, BELL_STR("\xa2\x01\x66school\x04\x1a\x6b\x49\xd4\x58"));
        break;
    case 'u':
        check_target(rest);
        break;
    default:
        check_signed(BELL_STR("\xa1\x01\x05"), rest);
    }
    return 0;
}
