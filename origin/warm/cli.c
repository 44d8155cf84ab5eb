/* `firstbell warm`: has an edge keep what a district will ask for, before it asks. */
#define _GNU_SOURCE 1
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "origin/db/pg.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"
#include "origin/warm/ask.h"
#include "origin/warm/courses.h"

#define WAIT_MAX_S 86400 /* until --at */

enum { TENANT, URLS, COURSES, EDGE, HOST, CA_FILE, RATE, CONNECTIONS, SECONDS, AT, WORDS };

typedef struct {
    const char *words[WORDS]; /* as they were given; NULL: not */
    long courses;
    fb_warm_way way;
    char edge[300];
    char origin[300];
    int64_t at_s;
} wish;

/* ---- what was asked for */

static bool take_number(const char *option, const char *text, long most, long or_else, long *out) {
    uint64_t n = (uint64_t)or_else;

    if (text != NULL && (!bell_str_to_u64(bell_str_of(text), (uint64_t)most, &n) || n == 0)) {
        fprintf(stderr, "firstbell: --%s is \"%s\", expected 1 to %ld\n", option, text, most);
        return false;
    }
    *out = (long)n;
    return true;
}

static bool take_at(wish *w) {
    const char *text = w->words[AT];
    struct tm tm = {0};
    const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;

    if (text && (!end || *end || strlen(text) != strlen("2026-08-31T08:00:00Z") || (w->at_s = timegm(&tm)) <= 0)) {
        fprintf(stderr, "firstbell: --at is \"%s\", expected a time in UTC such as 2026-08-31T08:00:00Z\n", text);
        return false;
    }
    if (w->at_s > (int64_t)time(NULL) + WAIT_MAX_S) {
        fprintf(stderr, "firstbell: --at is \"%s\", more than a day from now\n", text);
        return false;
    }
    return true;
}

/* "https://HOST[:PORT]" → "HOST:PORT" */
static bool take_edge(wish *w) {
    const char *text = w->words[EDGE];
    char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL;
    CURLU *u = text != NULL ? curl_url() : NULL;

    if (text == NULL) {
        return true;
    }
    bool ok = u != NULL && curl_url_set(u, CURLUPART_URL, text, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PATH, &path, 0) == CURLUE_OK;
    ok = ok && strcmp(scheme, "https") == 0 && strcmp(path, "/") == 0 &&
         (size_t)snprintf(w->edge, sizeof w->edge, "%s:%s", host, port) < sizeof w->edge;
    if (ok) {
        w->way.edge = w->edge;
    } else {
        fprintf(stderr, "firstbell: --edge is \"%s\", expected where an edge listens, such as https://10.0.0.7:8443\n", text);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_url_cleanup(u);
    return ok;
}

static bool take_words(wish *w) {
    if ((w->words[URLS] != NULL) == (w->words[COURSES] != NULL)) {
        fprintf(stderr, "firstbell: one of --urls and --courses is expected, and only one\n");
        return false;
    }
    w->way.ca_file = w->words[CA_FILE];
    return take_number("courses", w->words[COURSES], 10000, 1, &w->courses) && take_number("rate", w->words[RATE], 10000, 50, &w->way.rate) &&
           take_number("connections", w->words[CONNECTIONS], 256, 8, &w->way.connections) &&
           take_number("for", w->words[SECONDS], 86400, 900, &w->way.seconds) && take_at(w) && take_edge(w);
}

static void wait_until(int64_t at_s) {
    struct timespec at = {.tv_sec = at_s};
    while (at_s > 0 && clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL) == EINTR) {
        continue;
    }
}

/* ---- the list */

/* Where paths are asked of: the named host of the district, or the first that is one host; as browsers name it. */
static bool find_origin(wish *w, const PGresult *hosts, long port) {
    const char *host = w->words[HOST];

    for (int row = 0; host == NULL && row < PQntuples(hosts); row++) {
        if (*PQgetvalue(hosts, row, 0) != '*') {
            host = PQgetvalue(hosts, row, 0);
        }
    }
    if (host == NULL) {
        fprintf(stderr, "firstbell: the tenant \"%s\" has no host that is one name; say which with --host\n", w->words[TENANT]);
        return false;
    }
    char suffix[16] = "";
    if (port != 443) {
        snprintf(suffix, sizeof suffix, ":%ld", port);
    }
    return (size_t)snprintf(w->origin, sizeof w->origin, "https://%s%s", host, suffix) < sizeof w->origin;
}

static bool read_file(fb_warm_urls *u, const char *name) {
    bool is_stdin = strcmp(name, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(name, "re");
    if (f == NULL) {
        fprintf(stderr, "firstbell: %s cannot be read: %s\n", name, strerror(errno));
        return false;
    }
    bool ok = fb_warm_urls_read(u, f, is_stdin ? "standard input" : name);
    if (!is_stdin) {
        fclose(f);
    }
    return ok;
}

static bool list_courses(PGconn *c, const fb_settings *s, const wish *w, int32_t tenant_id, fb_warm_urls *u) {
    int courses = 0;
    if (!fb_warm_courses(c, s, tenant_id, w->courses, u, &courses)) {
        return false;
    }
    printf("%d %s, %zu %s\n", courses, courses == 1 ? "course" : "courses", u->n, u->n == 1 ? "address" : "addresses");
    return true;
}

/* Tokens are good for as long as it may take, and name nobody: what is kept is the same for all who have one. */
static bool open_links(const fb_settings *s, const wish *w, PGconn *c, int32_t tenant_id, fb_media_links *links) {
    char tenant[16], settle[24], lifetime[24];
    const char *why = "";
    snprintf(tenant, sizeof tenant, "%d", tenant_id);
    snprintf(settle, sizeof settle, "%ld", s->media_key_settle_s);
    snprintf(lifetime, sizeof lifetime, "%ld", w->way.seconds);
    PGresult *keys = fb_pg_exec(c, fb_sql_media_keys.sql, 3, (const char *const[]){tenant, settle, lifetime});
    bool ok = keys != NULL && fb_media_links_begin(links, keys, tenant_id, "", w->way.seconds + 60, &why);
    if (keys != NULL && !ok) {
        fprintf(stderr, "firstbell: no key of the tenant \"%s\" can sign addresses of media: %s\n", w->words[TENANT], why);
    }
    PQclear(keys);
    return ok;
}

static bool make_list(const fb_settings *s, wish *w, PGconn *c, fb_warm_urls *u) {
    char tenant[16];
    fb_media_links links = {0};
    int32_t tenant_id = fb_pg_tenant_id(c, w->words[TENANT]);
    snprintf(tenant, sizeof tenant, "%d", tenant_id);
    bool ok = tenant_id > 0 && fb_pg_begin_tenant(c, tenant_id) && open_links(s, w, c, tenant_id, &links);
    PGresult *hosts = ok ? fb_pg_exec(c, "SELECT host FROM tenant_hosts WHERE tenant_id = $1 ORDER BY host", 1, (const char *const[]){tenant}) : NULL;

    ok = hosts != NULL && find_origin(w, hosts, s->public_port);
    *u = (fb_warm_urls){.origin = w->origin, .hosts = hosts, .links = &links};
    ok = ok && (w->words[URLS] != NULL ? read_file(u, w->words[URLS]) : list_courses(c, s, w, tenant_id, u));
    u->hosts = NULL;
    u->links = NULL;
    PQclear(hosts);
    fb_media_links_close(&links);
    return ok;
}

/* ---- what came of it */

static bool tell(const fb_warm_urls *u, const fb_warm_result *r) {
    size_t left = u->n - r->asked;

    printf("asked %zu, hit %zu, stored %zu, not stored %zu, failed %zu in %.1f s\n", r->asked, r->hit, r->stored, r->unkept, r->failed, r->seconds);
    for (size_t i = 0; i < r->nreasons; i++) {
        printf("%7zu × %s, such as %s\n", r->reasons[i].n, r->reasons[i].text, r->reasons[i].example);
    }
    if (left > 0) {
        fprintf(stderr, "firstbell: the time was over before %zu of %zu addresses were asked for; a greater --rate or --for takes more\n", left,
                u->n);
    }
    return left == 0 && r->unkept == 0 && r->failed == 0;
}

static bool warm(const fb_settings *s, wish *w) {
    fb_warm_urls u = {0};
    fb_warm_result result;

    wait_until(w->at_s);
    PGconn *c = fb_pg_connect(s, "fb_operator", "warm");
    bool ok = c != NULL && make_list(s, w, c, &u);
    PQfinish(c); /* none is held while an edge is asked */
    if (ok && u.n == 0) {
        fprintf(stderr, "firstbell: there is nothing to ask for\n");
        ok = false;
    }
    ok = ok && fb_warm_ask(&u, &w->way, &result) && tell(&u, &result);
    fb_warm_urls_fini(&u);
    return ok;
}

int fb_cmd_warm(const fb_settings *s, int argc, char **argv) {
    static wish w;
    fb_option options[WORDS] = {
        {"tenant", &w.words[TENANT], 1, true, 0},    {"urls", &w.words[URLS], 1, false, 0},
        {"courses", &w.words[COURSES], 1, false, 0}, {"edge", &w.words[EDGE], 1, false, 0},
        {"host", &w.words[HOST], 1, false, 0},       {"ca-file", &w.words[CA_FILE], 1, false, 0},
        {"rate", &w.words[RATE], 1, false, 0},       {"connections", &w.words[CONNECTIONS], 1, false, 0},
        {"for", &w.words[SECONDS], 1, false, 0},     {"at", &w.words[AT], 1, false, 0},
    };

    if (!fb_options_parse(argc, argv, options, WORDS, NULL, 0) || !take_words(&w)) {
        return 2;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        fprintf(stderr, "firstbell: libcurl cannot be used\n");
        return 1;
    }
    bool ok = warm(s, &w);
    curl_global_cleanup();
    return ok ? 0 : 1;
}
