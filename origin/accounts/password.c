#include "origin/accounts/password.h"

#include <argon2.h>
#include <sys/random.h>

#define MEMORY_KIB 19456
#define PASSES     2
#define LANES      1
#define SALT_BYTES 16
#define HASH_BYTES 32

/* Of a password that nobody knows; it makes an unknown account cost what a known one does. Same cost settings as above. */
static const char dummy[] = "$argon2id$v=19$m=19456,t=2,p=1$qn/DfiPGOrcZFxt80+rTfA$fzByxuJNMTZ6nHkbqQKmQH/LAh7ILHG9xWaZ3Elvzbc";

const char *fb_password_problem(bell_str password) {
    if (password.len < FB_PASSWORD_MIN_BYTES) {
        return "the password is too short: at least 10 bytes are needed";
    }
    if (password.len > FB_PASSWORD_MAX_BYTES) {
        return "the password is too long: at most 256 bytes are taken";
    }
    if (!bell_str_is_utf8(password)) {
        return "the password is not UTF-8 text";
    }
    return NULL;
}

bool fb_password_hash(bell_str password, char encoded[FB_PASSWORD_ENCODED_MAX]) {
    unsigned char salt[SALT_BYTES];
    if (getrandom(salt, sizeof salt, 0) != sizeof salt) {
        return false;
    }
    return argon2id_hash_encoded(PASSES, MEMORY_KIB, LANES, password.p, password.len, salt, sizeof salt, HASH_BYTES, encoded,
                                 FB_PASSWORD_ENCODED_MAX) == ARGON2_OK;
}

bool fb_password_verify(const char *encoded, bell_str password) {
    bool possible = encoded && password.len <= FB_PASSWORD_MAX_BYTES;
    if (password.len > FB_PASSWORD_MAX_BYTES) {
        password.len = FB_PASSWORD_MAX_BYTES; /* hashing more would let a stranger buy work with a long text */
    }
    bool matches = argon2id_verify(possible ? encoded : dummy, password.p, password.len) == ARGON2_OK;
    return matches && possible;
}
