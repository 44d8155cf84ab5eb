/* `firstbell sign` and `firstbell sign-key new`: URLs with a token of our own, and the keys for them. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "origin/db/pg.h"
#include "origin/server/commands.h"
#include "origin/server/key_file.h"
#include "origin/server/options.h"
#include "origin/signing/signing.h"

#define SECRET_BYTES       32
#define LIFETIME_DEFAULT_S 3600
#define LIFETIME_MAX_S     31536000
#define URL_MAX_BYTES      16384
#define ERR_BYTES          (FB_KEY_PATH_BYTES + 200)

typedef struct {
    const char *tenant, *key, *subject, *data, *prefix, *lifetime, *from, *url;
} sign_words;

static bool fail(const char *why) {
    fprintf(stderr, "firstbell: %s\n", why);
    return false;
}

static bool take_lifetime(const char *text, int64_t *out) {
    uint64_t n = LIFETIME_DEFAULT_S;

    if (text && (!bell_str_to_u64(bell_str_of(text), LIFETIME_MAX_S, &n) || n == 0)) {
        fprintf(stderr, "firstbell: --lifetime is \"%s\", expected 1 to %d seconds\n", text, LIFETIME_MAX_S);
        return false;
    }
    *out = (int64_t)n;
    return true;
}

static bool take_from(const char *text, int64_t *out) {
    struct tm tm = {0};
    const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;

    *out = 0;
    if (text && (!end || *end || strlen(text) != strlen("2026-08-31T08:00:00Z") || (*out = timegm(&tm)) <= 0)) {
        fprintf(stderr, "firstbell: --from is \"%s\", expected a time in UTC such as 2026-08-31T08:00:00Z\n", text);
        return false;
    }
    return true;
}

static bool take_tenant(const fb_settings *s, const char *name, uint32_t *out) {
    PGconn *c = name ? fb_pg_connect(s, "fb_operator", "sign") : NULL;
    int32_t id = c ? fb_pg_tenant_id(c, name) : 0;

    PQfinish(c);
    *out = (uint32_t)id;
    return !name || id > 0;
}

static bell_str optional(const char *text) {
    return text ? bell_str_of(text) : BELL_STR_NULL;
}

static bool print_url(const fb_sign_wish *wish, const sign_words *w) {
    char err[ERR_BYTES];
    bell_buf out;
    bell_signed_key *k = fb_sign_key_load(w->key, err, sizeof err);

    if (!k) {
        return fail(err);
    }
    bell_buf_init(&out, URL_MAX_BYTES);
    bool ok = fb_sign_url(k, wish, bell_str_of(w->url), &out, err, sizeof err) || fail(err);
    if (ok) {
        printf("%.*s\n", (int)out.len, out.p);
    }
    bell_buf_fini(&out);
    bell_signed_key_free(k);
    return ok;
}

int fb_cmd_sign(const fb_settings *s, int argc, char **argv) {
    sign_words w = {0};
    fb_sign_wish wish = {0};
    int64_t lifetime_s;
    fb_option options[] = {{"tenant", &w.tenant, 1, false, 0}, {"key", &w.key, 1, true, 0},        {"subject", &w.subject, 1, false, 0},
                           {"data", &w.data, 1, false, 0},     {"prefix", &w.prefix, 1, false, 0}, {"lifetime", &w.lifetime, 1, false, 0},
                           {"from", &w.from, 1, false, 0},     {"one-host", NULL, 1, false, 0}};

    if (!fb_options_parse(argc, argv, options, 8, &w.url, 1) || !take_lifetime(w.lifetime, &lifetime_s) || !take_from(w.from, &wish.token.from_s)) {
        return 2;
    }
    wish.token.until_s = (wish.token.from_s > 0 ? wish.token.from_s : (int64_t)time(NULL)) + lifetime_s;
    wish.token.subject = optional(w.subject);
    wish.token.data = optional(w.data);
    wish.prefix = optional(w.prefix);
    wish.one_host = options[7].seen > 0;
    return take_tenant(s, w.tenant, &wish.token.tenant_id) && print_url(&wish, &w) ? 0 : 1;
}

/* ---- keys */

static bool make_key(const char *path) {
    unsigned char secret[SECRET_BYTES];
    char text[2 * SECRET_BYTES + 2];

    if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret) {
        fprintf(stderr, "firstbell: the system gave no randomness: %s\n", strerror(errno));
        return false;
    }
    for (size_t i = 0; i < sizeof secret; i++) {
        snprintf(text + 2 * i, 3, "%02x", secret[i]);
    }
    text[2 * SECRET_BYTES] = '\n';
    bool ok = fb_key_file_put(path, text, 2 * SECRET_BYTES + 1);
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(text, sizeof text);
    return ok;
}

int fb_cmd_sign_key_new(const fb_settings *s, int argc, char **argv) {
    const char *file;
    char path[FB_KEY_PATH_BYTES];

    (void)s;
    if (!fb_options_parse(argc, argv, NULL, 0, &file, 1)) {
        return 2;
    }
    if (!fb_sign_key_id(file).p || strlen(file) + 3 > sizeof path) {
        fprintf(stderr, "firstbell: \"%s\" cannot be a key of signers: expected a file ID.key, the id being 1 to %d letters, digits, - and _\n", file,
                BELL_PATH_TOKEN_KEY_BYTES);
        return 2;
    }
    snprintf(path, sizeof path, "%s%s", strchr(file, '/') ? "" : "./", file);
    if (access(path, F_OK) == 0) {
        fprintf(stderr,
                "firstbell: %s is there already; to exchange a key, make one of another name, let edges take both, and sign with the new one\n",
                file);
        return 1;
    }
    if (!make_key(path)) {
        return 1;
    }
    printf("%s is made. `firstbell sign --key %s` signs with it. Edges verify with the same: `firstbell tenant key add --tenant NAME --use path "
           "--alg hex"
           " --file %s %.*s`, or bell_signed_issuer NAME path secret=%.*s:FILE; in a copy that is kept as secret.\n",
           file, file, file, BELL_STR_ARG(fb_sign_key_id(file)), BELL_STR_ARG(fb_sign_key_id(file)));
    return 0;
}
