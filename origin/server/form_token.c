#include "origin/server/form_token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include "bell_base64.h"
#include "bell_url.h"
#include "origin/server/reply.h"
#include "origin/server/route.h"
#include "origin/server/session.h"
#include "origin/server/worker.h"

#define NONCE_BYTES     16
#define MAC_BYTES       32
#define TOKEN_BYTES     (NONCE_BYTES + MAC_BYTES)
#define TOKEN_LEN       BELL_BASE64URL_LEN(TOKEN_BYTES)
#define COOKIE_LEN      BELL_TOKEN_SID_BYTES
#define COOKIE_DAYS_S   86400
#define BINDING_SESSION 's'
#define BINDING_COOKIE  'c'

static bool mac(const unsigned char *secret, const unsigned char *nonce, int32_t tenant_id, char kind, const char *binding,
                unsigned char out[MAC_BYTES]) {
    char text[NONCE_BYTES + 64];
    unsigned len = 0;

    memcpy(text, nonce, NONCE_BYTES);
    int n = snprintf(text + NONCE_BYTES, sizeof(text) - NONCE_BYTES, "%d.%c.%s", tenant_id, kind, binding);
    return HMAC(EVP_sha256(), secret, BELL_TOKEN_SECRET_BYTES, (const unsigned char *)text, NONCE_BYTES + (size_t)n, out, &len) != NULL;
}

/* The number in the cookie, or false. */
static bool read_cookie(const fb_job *job, char number[COOKIE_LEN + 1]) {
    bell_str value = fb_cookie(job->request, BELL_STR(FB_FORM_COOKIE));

    if (!fb_session_is_sid(value)) {
        return false;
    }
    memcpy(number, value.p, COOKIE_LEN);
    number[COOKIE_LEN] = '\0';
    return true;
}

static bool give_cookie(fb_job *job, char number[COOKIE_LEN + 1]) {
    if (!read_cookie(job, number) && !fb_session_new_sid(number)) {
        return false;
    }
    fb_reply_header(job, "Set-Cookie: " FB_FORM_COOKIE "=%s; Max-Age=%d; " FB_COOKIE_ATTRIBUTES, number, COOKIE_DAYS_S);
    return true;
}

/* What is open to everybody is bound to the cookie, also for who has a session: it may end while the page is open. */
static bool is_for_session(const fb_job *job) {
    return job->has_session && (job->route == NULL || job->route->scope != FB_SCOPE_NONE);
}

const char *fb_form_token_new(fb_job *job) {
    unsigned char token[TOKEN_BYTES];
    char number[COOKIE_LEN + 1], text[TOKEN_LEN + 1];
    bool by_session = is_for_session(job);

    if (getrandom(token, NONCE_BYTES, 0) != NONCE_BYTES || (!by_session && !give_cookie(job, number))) {
        return NULL;
    }
    if (!mac(job->worker->session_keys.form_secrets[0], token, job->tenant_id, by_session ? BINDING_SESSION : BINDING_COOKIE,
             by_session ? job->session.sid : number, token + NONCE_BYTES)) {
        return NULL;
    }
    bell_base64url_encode(token, TOKEN_BYTES, text);
    return bell_arena_strdup(&job->arena, (bell_str){text, TOKEN_LEN});
}

static bool matches(const fb_job *job, const unsigned char *token, char kind, const char *binding) {
    const fb_session_keys *keys = &job->worker->session_keys;
    bell_str got = {(const char *)token + NONCE_BYTES, MAC_BYTES};
    unsigned char expected[MAC_BYTES];
    bool any = false;

    for (size_t i = 0; i < keys->nkeys; i++) {
        bool made = mac(keys->form_secrets[i], token, job->tenant_id, kind, binding, expected);
        any |= made && bell_str_eq_secret(got, (bell_str){(const char *)expected, MAC_BYTES});
    }
    return any;
}

bool fb_form_token_holds(fb_job *job) {
    unsigned char token[TOKEN_LEN];
    char number[COOKIE_LEN + 1];
    bell_str text;

    if (bell_form_get(&job->arena, bell_buf_str(&job->body), BELL_STR(FB_FORM_FIELD), &text) != 1 || text.len != TOKEN_LEN ||
        bell_base64url_decode(text, token) != TOKEN_BYTES) {
        return false;
    }
    if (job->has_session && matches(job, token, BINDING_SESSION, job->session.sid)) {
        return true;
    }
    return read_cookie(job, number) && matches(job, token, BINDING_COOKIE, number);
}
