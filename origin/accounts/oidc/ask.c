/* What a provider is asked: its configuration, its keys, tokens for a code. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "origin/accounts/oidc/cache.h"
#include "origin/accounts/oidc/flow.h"
#include "origin/server/log.h"
#include "origin/server/reply.h"
#include "origin/server/worker.h"

#define FAILED_S         3 /* seconds for which a provider that failed is not asked again */
#define SECRET_MAX_BYTES 512
#define FORM_MAX_BYTES   16384

void fb_oidc_refuse(fb_job *job, fb_oidc_message m, const char *why) {
    const fb_oidc_flow *f = job->state;
    fb_log(FB_LOG_WARNING, "request %s: tenant %d, identity provider %llu: %s", job->request_id, job->tenant_id, (unsigned long long)f->provider.id,
           why);
    fb_oidc_reply_message(job, m, f->provider.title);
}

fb_oidc_message fb_oidc_fetch_failed(fb_job *job, const char *what) {
    const fb_oidc_flow *f = job->state;
    bool answered = f->fetch.outcome == FB_FETCH_ANSWERED;

    fb_log(FB_LOG_WARNING, "request %s: tenant %d, identity provider %llu: its %s: %s (status %ld)", job->request_id, job->tenant_id,
           (unsigned long long)f->provider.id, what, answered ? "not what was asked for" : f->fetch.reason, f->fetch.status);
    if (f->fetch.outcome == FB_FETCH_LARGE || (answered && f->fetch.status < 500 && f->fetch.status != 429)) {
        return FB_OIDC_BROKEN;
    }
    return FB_OIDC_UNAVAILABLE;
}

static fb_oidc_cached *cached(fb_job *job) {
    const fb_oidc_flow *f = job->state;
    fb_oidc_cached *c = fb_oidc_cache_get(job->tenant_id, f->provider.issuer);
    if (c == NULL) {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
    }
    return c;
}

static void ask(fb_job *job, const char *url, fb_step next) {
    fb_oidc_flow *f = job->state;
    if (url == NULL) {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
        return;
    }
    f->fetch = (fb_fetch){.url = url, .max_bytes = FB_OIDC_DOCUMENT_MAX};
    fb_await_fetch(job, &f->fetch, next);
}

static void remember_failure(fb_job *job, fb_oidc_cached *c, fb_oidc_message m) {
    const fb_oidc_flow *f = job->state;
    c->failed_until_s = fb_oidc_now_s() + FAILED_S;
    c->failed_as = m;
    fb_oidc_reply_message(job, m, f->provider.title);
}

/* Whether it failed a moment ago; then that has been answered. */
static bool has_failed(fb_job *job, const fb_oidc_cached *c) {
    const fb_oidc_flow *f = job->state;
    if (c->failed_until_s <= fb_oidc_now_s()) {
        return false;
    }
    fb_oidc_reply_message(job, c->failed_as, f->provider.title);
    return true;
}

/* ---- configuration */

static void use_metadata(fb_job *job, const fb_oidc_cached *c) {
    fb_oidc_flow *f = job->state;
    if (fb_oidc_metadata_copy(&job->arena, &c->metadata, &f->metadata)) {
        f->then(job);
    } else {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
    }
}

/* What was fetched, into the cache. false: answered. */
static bool keep_metadata(fb_job *job, fb_oidc_cached *c) {
    fb_oidc_flow *f = job->state;
    const char *why;

    if (f->fetch.outcome != FB_FETCH_ANSWERED || f->fetch.status != 200) {
        remember_failure(job, c, fb_oidc_fetch_failed(job, "configuration"));
        return false;
    }
    if (!fb_oidc_cache_put_metadata(c, f->fetch.body, fb_oidc_now_s() + job->worker->settings->oidc_cache_s, &why)) {
        fb_log(FB_LOG_WARNING, "request %s: identity provider %s: %s", job->request_id, c->issuer, why);
        remember_failure(job, c, FB_OIDC_BROKEN);
        return false;
    }
    return true;
}

static void got_metadata(fb_job *job) {
    fb_oidc_cached *c = cached(job);

    /* Somebody who waited for the same answer may have read it. */
    if (c != NULL && (c->metadata_until_s > fb_oidc_now_s() || keep_metadata(job, c))) {
        use_metadata(job, c);
    }
}

void fb_oidc_need_metadata(fb_job *job, fb_step then) {
    fb_oidc_flow *f = job->state;
    fb_oidc_cached *c = cached(job);

    if (c == NULL) {
        return;
    }
    f->then = then;
    if (c->metadata_until_s > fb_oidc_now_s()) {
        use_metadata(job, c);
    } else if (!has_failed(job, c)) {
        bell_str issuer = bell_str_of(f->provider.issuer);
        issuer.len -= issuer.len > 0 && issuer.p[issuer.len - 1] == '/';
        ask(job, bell_arena_printf(&job->arena, "%.*s/.well-known/openid-configuration", BELL_STR_ARG(issuer)), got_metadata);
    }
}

/* ---- keys */

static bool keep_keys(fb_job *job, fb_oidc_cached *c) {
    fb_oidc_flow *f = job->state;
    const fb_settings *s = job->worker->settings;
    int64_t now_s = fb_oidc_now_s();
    const char *why;

    if (f->fetch.outcome != FB_FETCH_ANSWERED || f->fetch.status != 200) {
        remember_failure(job, c, fb_oidc_fetch_failed(job, "keys"));
        return false;
    }
    if (!fb_oidc_cache_put_keys(c, f->fetch.body, now_s + s->oidc_cache_s, now_s + s->oidc_keys_again_s, &why)) {
        fb_log(FB_LOG_WARNING, "request %s: identity provider %s: %s", job->request_id, c->issuer, why);
        remember_failure(job, c, FB_OIDC_BROKEN);
        return false;
    }
    return true;
}

static void got_keys(fb_job *job) {
    const fb_oidc_flow *f = job->state;
    fb_oidc_cached *c = cached(job);

    if (c != NULL && ((c->keys != NULL && c->keys_version != f->keys_version) || keep_keys(job, c))) {
        f->then(job);
    }
}

void fb_oidc_need_keys(fb_job *job, fb_step then, bool again) {
    fb_oidc_flow *f = job->state;
    fb_oidc_cached *c = cached(job);

    if (c == NULL) {
        return;
    }
    int64_t now_s = fb_oidc_now_s();
    f->then = then;
    f->keys_version = c->keys_version;
    if (!again && c->keys != NULL && c->keys_until_s > now_s) {
        then(job);
    } else if (again && c->keys_again_s > now_s) {
        fb_oidc_refuse(job, FB_OIDC_UNTRUSTED, "its ID token does not fit to its keys, which were fetched a moment ago");
    } else if (!has_failed(job, c)) {
        ask(job, f->metadata.jwks_uri, got_keys);
    }
}

/* ---- tokens */

void fb_oidc_secret_path(const char *dir, int32_t tenant_id, uint64_t provider_id, char *out, size_t out_len) {
    snprintf(out, out_len, "%s/%d-%llu", dir, tenant_id, (unsigned long long)provider_id);
}

/* The secret of the provider's file, read each time: a new one counts at once. false: a sentence is in why. */
static bool read_secret(fb_job *job, char out[SECRET_MAX_BYTES + 1], char *why, size_t why_len) {
    const fb_oidc_flow *f = job->state;
    char path[FB_SETTING_TEXT_MAX + 64];
    struct stat st;

    fb_oidc_secret_path(job->worker->settings->oidc_secrets_dir, job->tenant_id, f->provider.id, path, sizeof(path));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(why, why_len, "its secret cannot be read: %s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
        snprintf(why, why_len, "its secret %s is not a file that its owner alone can read (mode 0600)", path);
    } else {
        ssize_t n = read(fd, out, SECRET_MAX_BYTES);
        close(fd);
        while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == '\r')) {
            n--;
        }
        snprintf(why, why_len, "its secret %s is empty or cannot be read", path);
        out[n > 0 ? n : 0] = '\0';
        return n > 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    return false;
}

/* RFC 6749, 2.3.1: both parts percent-encoded, then base64. */
static const char *basic_authorization(fb_job *job, const char *secret) {
    const fb_oidc_flow *f = job->state;
    bell_buf plain;
    char *out = NULL;

    bell_buf_init(&plain, 4096);
    fb_oidc_escape(&plain, bell_str_of(f->provider.client_id));
    bell_buf_add_char(&plain, ':');
    fb_oidc_escape(&plain, bell_str_of(secret));
    if (!plain.failed) {
        out = bell_arena_alloc(&job->arena, plain.len * 2 + 16);
    }
    if (out != NULL) {
        memcpy(out, "Basic ", sizeof("Basic "));
        EVP_EncodeBlock((unsigned char *)out + 6, (unsigned char *)plain.p, (int)plain.len);
        explicit_bzero(plain.p, plain.len);
    }
    bell_buf_fini(&plain);
    return out;
}

static void got_tokens(fb_job *job) {
    fb_oidc_flow *f = job->state;

    if (f->fetch.outcome != FB_FETCH_ANSWERED || f->fetch.status >= 500 || f->fetch.status == 429) {
        fb_oidc_reply_message(job, fb_oidc_fetch_failed(job, "token endpoint"), f->provider.title);
    } else if (!fb_oidc_tokens_parse(&job->arena, f->fetch.body, &f->tokens) || (f->fetch.status == 200) != (f->tokens.id_token != NULL)) {
        fb_oidc_refuse(job, FB_OIDC_BROKEN, "its token endpoint gave neither an ID token nor an error");
    } else if (f->fetch.status == 200) {
        f->then(job);
    } else if (strcmp(f->tokens.error, "invalid_grant") == 0) {
        fb_oidc_refuse(job, FB_OIDC_STALE, "its token endpoint does not take the code (invalid_grant)");
    } else {
        const char *why = bell_arena_printf(&job->arena, "its token endpoint says %s", f->tokens.error);
        fb_oidc_refuse(job, FB_OIDC_BROKEN, why != NULL ? why : "its token endpoint says no");
    }
}

static bool write_form(fb_job *job, const char *secret, bell_buf *form) {
    const fb_oidc_flow *f = job->state;
    const char *redirect_uri = fb_oidc_redirect_uri(job);
    char verifier[FB_OIDC_RANDOM_LEN + 1];

    if (redirect_uri == NULL || !fb_oidc_derive(&f->attempt, "verifier", verifier)) {
        return false;
    }
    fb_oidc_param(form, "grant_type", BELL_STR("authorization_code"));
    fb_oidc_param(form, "code", f->code);
    fb_oidc_param(form, "redirect_uri", bell_str_of(redirect_uri));
    fb_oidc_param(form, "code_verifier", bell_str_of(verifier));
    if (f->provider.auth != FB_OIDC_AUTH_BASIC) {
        fb_oidc_param(form, "client_id", bell_str_of(f->provider.client_id));
    }
    if (f->provider.auth == FB_OIDC_AUTH_POST) {
        fb_oidc_param(form, "client_secret", bell_str_of(secret));
    }
    bell_buf_add_char(form, '\0');
    return !form->failed;
}

void fb_oidc_get_tokens(fb_job *job, fb_step then) {
    fb_oidc_flow *f = job->state;
    char secret[SECRET_MAX_BYTES + 1] = "", why[FB_SETTING_TEXT_MAX + 160];
    bell_buf form;

    if (f->provider.auth != FB_OIDC_AUTH_NONE && !read_secret(job, secret, why, sizeof(why))) {
        fb_oidc_refuse(job, FB_OIDC_BROKEN, why);
        return;
    }
    f->then = then;
    bell_buf_init(&form, FORM_MAX_BYTES);
    f->fetch = (fb_fetch){.url = f->metadata.token_endpoint, .max_bytes = FB_OIDC_DOCUMENT_MAX};
    if (f->provider.auth == FB_OIDC_AUTH_BASIC) {
        f->fetch.authorization = basic_authorization(job, secret);
    }
    if (write_form(job, secret, &form) && (f->provider.auth != FB_OIDC_AUTH_BASIC || f->fetch.authorization != NULL)) {
        f->fetch.form = form.p; /* copied when the fetch begins */
        fb_await_fetch(job, &f->fetch, got_tokens);
    } else {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
    }
    explicit_bzero(secret, sizeof(secret));
    bell_buf_fini(&form);
}
