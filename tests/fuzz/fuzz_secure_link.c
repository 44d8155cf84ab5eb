/* Lines: a target, what stands in front of the comma of "secure_link", what
 * stands behind it, and what "secure_link_md5" evaluates to. A first byte 'r'
 * has the right hash put in place of the second line. The target is also taken
 * for one of the older form. longest input: 600 bytes */
#include "bell_base64.h"
#include "bell_secure_link.h"
#include "fuzz.h"

#include <openssl/evp.h>

#define NOW 1800000000

static bool no_field(void *data, bell_str name, unsigned nth, bell_str *value) {
    (void)data;
    (void)name;
    (void)nth;
    *value = BELL_STR_NULL;
    return false;
}

static void hash_of(bell_str text, char out[32]) {
    unsigned char hash[EVP_MAX_MD_SIZE];

    fuzz_assert(EVP_Digest(text.p, text.len, hash, NULL, EVP_md5(), NULL) == 1);
    bell_base64url_encode(hash, 16, out);
}

static void check(const bell_signed_request *r, const bell_secure_link_options *options, bool right) {
    char bytes[2048], want[32];
    bell_signed_room room = {bytes, sizeof(bytes)};
    bell_signed_call call = {.request = r, .room = &room};
    bell_signed_result out;
    bell_signed_reason reason = bell_secure_link_check(&call, options, &out);

    hash_of(options->expression, want);
    if (reason == BELL_SIGNED_OK || reason == BELL_SIGNED_EXPIRED) {
        fuzz_assert(bell_str_starts(options->hash, bell_str_of(want)) && out.expires_s > 0);
        fuzz_assert((reason == BELL_SIGNED_OK) == (out.expires_s > NOW));
    }
    fuzz_assert(!right || reason != BELL_SIGNED_MISSING);
    fuzz_assert((reason == BELL_SIGNED_MISSING) == (out.token.len == 0));
}

static void check_secret(const bell_signed_request *r) {
    char bytes[2048];
    bell_signed_room room = {bytes, sizeof(bytes)};
    bell_signed_call call = {.request = r, .room = &room};
    bell_secure_link_secret_options options = {.secret = BELL_STR("enigma")};
    bell_signed_result out;
    bell_signed_reason reason = bell_secure_link_secret_check(&call, &options, &out);

    fuzz_assert(reason == BELL_SIGNED_MISSING || out.target.len + 33 == r->target.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const bell_str names[] = {{"md5", 3}, {"expires", 7}};

    if (size == 0 || size > 600) {
        return 0;
    }
    bell_str rest = {(const char *)data + 1, size - 1}, target = bell_str_cut(&rest, '\n'), hash = bell_str_cut(&rest, '\n');
    bell_secure_link_options options = {
        .hash = hash, .has_expires = true, .expires = bell_str_cut(&rest, '\n'), .expression = rest, .params = names, .nparams = 2};
    bell_signed_request r = {
        .method = BELL_STR("GET"), .scheme = BELL_STR("https"), .host = BELL_STR("a.example"), .target = target, .now_s = NOW, .field = no_field};
    char right[32];

    if (data[0] == 'r') {
        hash_of(options.expression, right);
        options.hash = bell_str_of(right);
    }
    check(&r, &options, data[0] == 'r');
    check_secret(&r);
    return 0;
}
