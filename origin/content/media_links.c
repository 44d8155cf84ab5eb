#include "origin/content/media_links.h"

#include <stdio.h>
#include <time.h>

#include "bell_hls.h"
#include "origin/server/log.h"
#include "origin/server/worker.h"

#define QUIET_S 10 /* between two lines of the log about a tenant's keys */
#define SAYING  64 /* lines in that time at most: tenants share them */

/* $1 tenant, $2 seconds until every edge has a key, $3 seconds that a token is for. Those that do not count come too: a tenant that has any wants its
 * addresses signed. from_at lets an operator say when a key begins; added_at is what nobody has to think of. */
const fb_stmt fb_sql_media_keys = {
    "media_keys",
    "SELECT k.kid, k.alg, k.material, coalesce(ceil(date_part('epoch', k.until_at))::bigint, 0), k.counts "
    "FROM (SELECT t.*, coalesce(t.from_at <= now(), true) AND coalesce(t.until_at > now(), true) AS counts, "
    "             greatest(t.added_at, t.from_at) AS since, greatest(t.added_at, t.from_at) <= now() - make_interval(secs => $2::integer) AS "
    "settled, "
    "             coalesce(t.until_at >= now() + make_interval(secs => $3::integer), true) AS lasts "
    "      FROM tenant_keys t WHERE t.tenant_id = $1 AND t.use = 'path') k "
    "ORDER BY k.counts DESC, k.settled DESC, k.lasts DESC, CASE WHEN k.settled THEN k.since END DESC, k.since, k.kid LIMIT 32",
    3,
};

enum { KID, ALG, MATERIAL, UNTIL, COUNTS };

void fb_media_links_ask(fb_job *job) {
    const fb_settings *s = job->worker->settings;

    fb_call_add(job, &fb_sql_media_keys, fb_text_i64(job, job->tenant_id), fb_text_i64(job, s->media_key_settle_s),
                fb_text_i64(job, s->media_link_lifetime_s));
}

/* As edges read it (modules/signed). NULL: *why is half a sentence. PostgreSQL says what counts by its clock; by ours it may have ended. */
static bell_signed_key *key_of(const PGresult *keys, int row, bool lasts, const char **why) {
    bell_str kid = fb_col(keys, row, KID), alg = fb_col(keys, row, ALG);
    bool hex = bell_str_eq(alg, BELL_STR("hex"));

    if (PQgetvalue(keys, row, COUNTS)[0] != 't' || !lasts) {
        *why = "its time is over, or has not begun";
        return NULL;
    }
    if (!bell_path_token_is_key_id(kid)) {
        *why = "its id is none that a token could name";
        return NULL;
    }
    if (!hex && !bell_str_eq(alg, BELL_STR("base64url"))) {
        *why = "its algorithm is neither \"hex\" nor \"base64url\"";
        return NULL;
    }
    return bell_signed_key_secret(kid, BELL_SIGNED_HMAC_SHA256, fb_col(keys, row, MATERIAL), hex, why);
}

/* At the bell a whole district asks. */
static void tell(const fb_job *job, int64_t now_s, const char *kid, const char *why) {
    static int64_t said[SAYING];
    int64_t *said_s = &said[(uint32_t)job->tenant_id % SAYING];

    if (*said_s == 0 || now_s < *said_s || now_s - *said_s >= QUIET_S) {
        *said_s = now_s;
        fb_log(
            FB_LOG_ERROR,
            "request %s: no key of tenant %d can sign addresses of media; \"%s\": %s; `firstbell tenant key list` shows them, `tenant key add --use "
            "path` adds one",
            job->request_id, (int)job->tenant_id, kid, why);
    }
}

bool fb_media_links_begin(fb_media_links *l, const PGresult *keys, int32_t tenant_id, const char *subject, long lifetime_s, const char **why) {
    memset(l, 0, sizeof(*l));
    l->now_s = (int64_t)time(NULL);
    for (int row = 0; l->key == NULL && row < PQntuples(keys); row++) {
        l->token.until_s = bell_hls_until(l->now_s, lifetime_s, fb_col_i64(keys, row, UNTIL));
        l->key = key_of(keys, row, l->token.until_s > l->now_s, why);
    }
    snprintf(l->subject, sizeof(l->subject), "%s", subject);
    l->token.subject = bell_str_of(l->subject);
    l->token.tenant_id = (uint32_t)tenant_id;
    return l->key != NULL || PQntuples(keys) == 0;
}

bool fb_media_links_open(fb_media_links *l, fb_job *job, const PGresult *keys) {
    const char *why = "";
    char subject[24];

    snprintf(subject, sizeof(subject), "%llu", (unsigned long long)job->session.user_id);
    if (fb_media_links_begin(l, keys, job->tenant_id, subject, job->worker->settings->media_link_lifetime_s, &why)) {
        return true;
    }
    tell(job, l->now_s, PQgetvalue(keys, PQntuples(keys) - 1, KID), why);
    return false;
}

void fb_media_links_close(fb_media_links *l) {
    bell_signed_key_free(l->key);
    l->key = NULL;
}

static bool make_component(fb_media_links *l, bell_str asset, bell_str prefix) {
    if (bell_str_eq(asset, bell_str_of(l->asset))) {
        return true;
    }
    long len = bell_path_token_write(l->key, &l->token, prefix, l->component);
    if (len < 0 || asset.len >= sizeof(l->asset)) {
        return false;
    }
    memcpy(l->asset, asset.p, asset.len);
    l->asset[asset.len] = '\0';
    l->component_len = (size_t)len;
    return true;
}

void fb_media_links_folder(fb_media_links *l, bell_str asset, bell_buf *out) {
    char prefix[64];
    int len = snprintf(prefix, sizeof(prefix), "/media/%.*s/", (int)(asset.len < 32 ? asset.len : 32), asset.p);

    bell_buf_add(out, prefix, (size_t)len);
    if (l->key == NULL) {
        return;
    }
    if (!make_component(l, asset, (bell_str){prefix, (size_t)len})) {
        out->failed = true;
        return;
    }
    bell_buf_add(out, l->component, l->component_len);
    bell_buf_add_char(out, '/');
}

void fb_media_links_write_end(const fb_media_links *l, bell_json *j) {
    bell_json_key(j, "expires");
    if (l->key == NULL) {
        bell_json_null(j);
    } else {
        fb_write_time(j, l->token.until_s);
    }
    bell_json_key(j, "expires_in_s");
    if (l->key == NULL) {
        bell_json_null(j);
    } else {
        bell_json_int(j, l->token.until_s - l->now_s);
    }
}
