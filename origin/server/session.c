#include "origin/server/session.h"

#include <sys/random.h>
#include <time.h>

#include "bell_hex.h"
#include "origin/server/log.h"
#include "origin/server/reply.h"
#include "origin/server/worker.h"

bell_str fb_cookie(const bell_http_request *q, bell_str name) {
    bell_str header = bell_http_header_get(q, BELL_STR("Cookie"));

    if (header.p == NULL || bell_http_header_count(q, BELL_STR("Cookie")) != 1) {
        return BELL_STR_NULL;
    }
    return bell_http_cookie(header, name);
}

/* Only what was found right is kept; whose time has come or whose tenant is another is asked anew of each. */
static bell_token_verdict verify(fb_worker *w, bell_str token, uint32_t tenant_id, int64_t now_s, bell_token_claims *out) {
    const bell_token_claims *known = fb_token_cache_get(w->tokens, token);

    if (known != NULL) {
        bell_token_verdict judged = bell_token_judge(known, tenant_id, now_s);
        if (judged == BELL_TOKEN_OK) {
            *out = *known;
        }
        return judged;
    }
    const fb_session_keys *k = &w->session_keys;
    bell_token_verdict v = bell_token_verify((const bell_token_key *const *)k->keys, k->nkeys, token, tenant_id, now_s, out);
    if (v == BELL_TOKEN_OK) {
        fb_token_cache_put(w->tokens, token, out);
    }
    return v;
}

void fb_session_read(fb_job *job) {
    bell_str token = fb_cookie(job->request, BELL_STR(FB_SESSION_COOKIE));

    job->has_session = false;
    if (token.p == NULL || token.len == 0) {
        return;
    }
    bell_token_verdict v = verify(job->worker, token, (uint32_t)job->tenant_id, (int64_t)time(NULL), &job->session);
    job->has_session = v == BELL_TOKEN_OK;
    if (v != BELL_TOKEN_OK && v != BELL_TOKEN_EXPIRED) {
        fb_log(FB_LOG_WARNING, "request %s: session refused: %s", job->request_id, bell_token_verdict_text(v));
    }
}

bool fb_session_new_sid(char sid[BELL_TOKEN_SID_BYTES + 1]) {
    unsigned char random[BELL_TOKEN_SID_BYTES / 2];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return false;
    }
    bell_hex_encode(random, sizeof(random), sid);
    sid[BELL_TOKEN_SID_BYTES] = '\0';
    return true;
}

bool fb_session_is_sid(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f'))) {
            return false;
        }
    }
    return s.len == BELL_TOKEN_SID_BYTES;
}

bool fb_session_give(fb_job *job, const bell_token_claims *c) {
    char token[BELL_TOKEN_MAX_BYTES];

    if (bell_token_mint(job->worker->session_keys.keys[0], c, token) < 0) {
        return false;
    }
    fb_reply_header(job, "Set-Cookie: " FB_SESSION_COOKIE "=%s; Max-Age=%lld; " FB_COOKIE_ATTRIBUTES, token, (long long)(c->expires_s - c->issued_s));
    return true;
}

void fb_session_take_away(fb_job *job) {
    fb_reply_header(job, "Set-Cookie: " FB_SESSION_COOKIE "=; Max-Age=0; " FB_COOKIE_ATTRIBUTES);
}
