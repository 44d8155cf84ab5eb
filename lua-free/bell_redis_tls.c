/* TLS to Redis, where hiredis has it: from 1.0 on, with its own library beside. auto/configure and the module's config define BELL_REDIS_TLS where
 * both are there. */
#include "bell_redis_parts.h"

#include <hiredis/async.h>
#include <stdio.h>

#ifdef BELL_REDIS_TLS

#include <hiredis/hiredis_ssl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct bell_redis_tls {
    SSL_CTX *ctx;
    char name[BELL_REDIS_HOST_MAX + 1];
};

static const char *path_of(bell_str file, char path[PATH_MAX]) {
    if (file.len == 0 || file.len >= PATH_MAX) {
        return NULL;
    }
    memcpy(path, file.p, file.len);
    path[file.len] = '\0';
    return path;
}

static const char *load_cas(SSL_CTX *ctx, const bell_redis_tls_files *o) {
    char path[PATH_MAX];

    if (o->ca_file.len == 0) {
        return SSL_CTX_set_default_verify_paths(ctx) == 1 ? NULL : "the system has no CAs";
    }
    return SSL_CTX_load_verify_locations(ctx, path_of(o->ca_file, path), NULL) == 1 ? NULL : "the CA's file cannot be read, or holds no certificate";
}

static const char *load_own(SSL_CTX *ctx, const bell_redis_tls_files *o) {
    char path[PATH_MAX];

    if (o->cert_file.len == 0) {
        return NULL;
    }
    const char *file = path_of(o->cert_file, path);
    if (file == NULL || SSL_CTX_use_certificate_chain_file(ctx, file) != 1) {
        return "the certificate's file cannot be read, or holds none";
    }
    file = path_of(o->key_file, path);
    if (file == NULL || SSL_CTX_use_PrivateKey_file(ctx, file, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
        return "the key's file cannot be read, or its key is not the certificate's";
    }
    return NULL;
}

static const char *fill(SSL_CTX *ctx, const bell_redis_tls_files *o) {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER); /* hiredis' grows while it is written */
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
        return "OpenSSL has no TLS 1.2";
    }
    const char *reason = load_cas(ctx, o);
    return reason != NULL ? reason : load_own(ctx, o);
}

static const char *check(const bell_redis_tls_files *o) {
    if (o->ca_file.len == 0 && o->name.len == 0) {
        return "TLS needs a CA of its own, or the name that the certificate is for";
    }
    if ((o->cert_file.len == 0) != (o->key_file.len == 0)) {
        return "a certificate and its key go together";
    }
    return o->name.len > BELL_REDIS_HOST_MAX ? "a name has at most 255 bytes" : NULL;
}

bell_redis_tls *bell_redis_tls_new(const bell_redis_tls_files *files, const char **reason) {
    *reason = check(files);
    if (*reason != NULL) {
        return NULL;
    }
    bell_redis_tls *t = calloc(1, sizeof *t);
    *reason = "there is no memory left";
    if (t == NULL || (t->ctx = SSL_CTX_new(TLS_client_method())) == NULL) {
        free(t);
        return NULL;
    }
    if (files->name.len > 0) {
        memcpy(t->name, files->name.p, files->name.len);
    }
    *reason = fill(t->ctx, files);
    if (*reason != NULL) {
        bell_redis_tls_free(t);
        return NULL;
    }
    return t;
}

void bell_redis_tls_free(bell_redis_tls *t) {
    if (t != NULL) {
        SSL_CTX_free(t->ctx);
        free(t);
    }
}

void bell_redis_tls_forget(void) {
    ERR_clear_error();
}

/* hiredis says no more than errno, which is not about TLS. What OpenSSL keeps would be taken for somebody else's fault. */
const char *bell_redis_tls_reason(void *ssl, char *out, size_t room) {
    long verdict = SSL_get_verify_result(ssl);
    const char *said = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    if (verdict != X509_V_OK) {
        snprintf(out, room, "TLS fails: its certificate is not taken: %s", X509_verify_cert_error_string(verdict));
        return out;
    }
    if (said == NULL) {
        return NULL;
    }
    snprintf(out, room, "TLS fails: %s", said);
    return out;
}

/* What is near may have answered already: then hiredis has seen all of the greeting, and refuses it here. */
void *bell_redis_tls_begin(bell_redis_tls *t, redisAsyncContext *ac, char *out, size_t room) {
    SSL *ssl = SSL_new(t->ctx);

    snprintf(out, room, "TLS cannot begin");
    if (ssl == NULL) {
        return NULL;
    }
    SSL_set_connect_state(ssl);
    bool named = t->name[0] == '\0' || (SSL_set1_host(ssl, t->name) == 1 && SSL_set_tlsext_host_name(ssl, t->name) == 1);
    if (!named || redisInitiateSSL(&ac->c, ssl) != REDIS_OK) { /* which has it then, and only then */
        if (bell_redis_tls_reason(ssl, out, room) == NULL && ac->c.err) {
            snprintf(out, room, "%s", ac->c.errstr);
        }
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}

#else

bell_redis_tls *bell_redis_tls_new(const bell_redis_tls_files *files, const char **reason) {
    (void)files;
    *reason = "TLS to Redis needs hiredis 1.0 or newer with its TLS library, and this was built without";
    return NULL;
}

void bell_redis_tls_free(bell_redis_tls *tls) {
    (void)tls;
}

void *bell_redis_tls_begin(bell_redis_tls *tls, redisAsyncContext *ac, char *out, size_t room) {
    (void)tls;
    (void)ac;
    snprintf(out, room, "it was built without TLS");
    return NULL;
}

void bell_redis_tls_forget(void) {
}

const char *bell_redis_tls_reason(void *ssl, char *out, size_t room) {
    (void)ssl;
    (void)out;
    (void)room;
    return NULL;
}

#endif
