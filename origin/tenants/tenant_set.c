/* `firstbell tenant set`: what a district is, may and says; `firstbell tenant sign-out`: the end of all its sessions. */
#include <string.h>

#include "bell_directory_image.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"
#include "origin/tenants/tenants.h"

#define WORDS_MAX      64
#define VALUE_DIGITS   18
#define VALUE_TEXT_MAX 32
#define LIMIT_TEXT_MAX (BELL_DIRECTORY_NAME_MAX + VALUE_DIGITS + 2)
#define NOTHING        "-" /* takes a value away */

typedef struct {
    const char *name;
    const char *status, *title, *locale, *upstream, *cluster, *region, *notice, *zone; /* NULL: as it is */
    const char *flags[WORDS_MAX], *no_flags[WORDS_MAX], *limits[WORDS_MAX];
    int nflags, nno_flags, nlimits;
} tenant_wish;

static bool is_none(const char *word) {
    return strcmp(word, NOTHING) == 0;
}

static bool check_name(const char *option, const char *word) {
    if (!word || is_none(word) || bell_directory_is_name(bell_str_of(word))) {
        return true;
    }
    fprintf(stderr, "firstbell: --%s is \"%s\", expected 1 to 63 small letters, digits and hyphens, or - for none\n", option, word);
    return false;
}

static bool check_words(const char *option, const char *const *words, int n) {
    for (int i = 0; i < n; i++) {
        if (!bell_directory_is_word(bell_str_of(words[i]))) {
            fprintf(stderr, "firstbell: --%s is \"%s\", expected 1 to 63 small letters, digits and any of _ . -\n", option, words[i]);
            return false;
        }
    }
    return true;
}

/* NAME=NUMBER, or NAME=- for none. */
static bool check_limit(const char *text) {
    bell_str rest = bell_str_of(text);
    bell_str name = bell_str_cut(&rest, '=');
    uint64_t value;
    if (bell_directory_is_word(name) &&
        (bell_str_eq(rest, BELL_STR(NOTHING)) || (rest.len <= VALUE_DIGITS && bell_str_to_u64(rest, INT64_MAX, &value)))) {
        return true;
    }
    fprintf(stderr, "firstbell: --limit is \"%s\", expected NAME=NUMBER with a whole number of at most %d digits, or NAME=- to take it away\n", text,
            VALUE_DIGITS);
    return false;
}

static bool check_notice(const char *text) {
    if (!text || bell_directory_is_text(bell_str_of(text), BELL_DIRECTORY_NOTICE_MAX)) {
        return true;
    }
    fprintf(stderr, "firstbell: the notice must be UTF-8 of at most %d bytes\n", BELL_DIRECTORY_NOTICE_MAX);
    return false;
}

static bool check_status(const char *text) {
    if (!text || bell_tenant_status_of(bell_str_of(text)) != 0) {
        return true;
    }
    fprintf(stderr, "firstbell: --status is \"%s\", expected active, read-only, exam or suspended\n", text);
    return false;
}

static bool check_wish(const tenant_wish *w) {
    bool ok = check_status(w->status) && (!w->title || fb_tenant_title_is_right(w->title)) && (!w->locale || fb_tenant_locale_is_right(w->locale)) &&
              check_name("upstream", w->upstream) && check_name("cluster", w->cluster) && check_name("region", w->region) &&
              check_notice(w->notice) && check_words("flag", w->flags, w->nflags) && check_words("no-flag", w->no_flags, w->nno_flags);
    for (int i = 0; ok && i < w->nlimits; i++) {
        ok = check_limit(w->limits[i]);
    }
    return ok;
}

/* The pool must be there: a district that is placed on nothing is served by nobody. */
static bool pool_is_there(PGconn *c, const char *pool) {
    if (!pool || is_none(pool)) {
        return true;
    }
    PGresult *r = fb_pg_exec(c, "SELECT FROM pools WHERE name = $1", 1, &pool);
    bool there = r && PQntuples(r) == 1;
    if (r && !there) {
        fprintf(stderr, "firstbell: there is no pool named \"%s\"; `firstbell pool set` makes one, `firstbell pool list` shows those there are\n",
                pool);
    }
    PQclear(r);
    return there;
}

/* PostgreSQL's names of zones are those of the tz database. */
static bool zone_is_there(PGconn *c, const char *zone) {
    if (!zone) {
        return true;
    }
    PGresult *r = fb_pg_exec(c, "SELECT FROM pg_timezone_names WHERE name = $1", 1, &zone);
    bool there = r && PQntuples(r) == 1;
    if (r && !there) {
        fprintf(stderr, "firstbell: --time-zone is \"%s\", expected the name of a time zone such as America/New_York or UTC\n", zone);
    }
    PQclear(r);
    return there;
}

static bool set_columns(PGconn *c, const char *id, const tenant_wish *w) {
    char status[VALUE_TEXT_MAX];
    snprintf(status, sizeof status, "%d", w->status ? (int)bell_tenant_status_of(bell_str_of(w->status)) : 0);
    const char *const row[] = {id, w->status ? status : NULL, w->title, w->locale, w->upstream, w->cluster, w->region, w->notice, w->zone};
    return fb_pg_do(c,
                    "UPDATE tenants SET status = coalesce($2::smallint, status), title = coalesce($3, title), locale = coalesce($4, locale),"
                    " upstream = nullif(coalesce($5, upstream), '-'), cluster = nullif(coalesce($6, cluster), '-'),"
                    " region = nullif(coalesce($7, region), '-'), notice = nullif(coalesce($8, notice), '-'), time_zone = coalesce($9, time_zone)"
                    " WHERE id = $1::int",
                    9, row);
}

static bool set_flags(PGconn *c, const char *id, const tenant_wish *w) {
    bool ok = true;
    for (int i = 0; ok && i < w->nno_flags; i++) {
        ok = fb_pg_do(c, "UPDATE tenants SET flags = array_remove(flags, $2 COLLATE \"C\") WHERE id = $1::int", 2,
                      (const char *const[]){id, w->no_flags[i]});
    }
    for (int i = 0; ok && i < w->nflags; i++) {
        ok = fb_pg_do(c, "UPDATE tenants SET flags = array_append(flags, $2 COLLATE \"C\") WHERE id = $1::int AND $2 <> ALL (flags)", 2,
                      (const char *const[]){id, w->flags[i]});
    }
    return ok;
}

static bool set_limits(PGconn *c, const char *id, const tenant_wish *w) {
    bool ok = true;
    for (int i = 0; ok && i < w->nlimits; i++) {
        char name[LIMIT_TEXT_MAX];
        snprintf(name, sizeof name, "%s", w->limits[i]);
        size_t name_len = strcspn(name, "=");
        const char *value = w->limits[i] + name_len + 1;
        name[name_len] = 0;
        ok = is_none(value) ? fb_pg_do(c, "UPDATE tenants SET limits = limits - $2::text WHERE id = $1::int", 2, (const char *const[]){id, name})
                            : fb_pg_do(c, "UPDATE tenants SET limits = limits || jsonb_build_object($2::text, $3::bigint) WHERE id = $1::int", 3,
                                       (const char *const[]){id, name, value});
    }
    return ok;
}

int fb_cmd_tenant_set(const fb_settings *s, int argc, char **argv) {
    static tenant_wish w;
    char id[FB_TENANT_ID_BYTES];
    fb_option options[] = {
        {"status", &w.status, 1, false, 0},       {"title", &w.title, 1, false, 0},       {"locale", &w.locale, 1, false, 0},
        {"upstream", &w.upstream, 1, false, 0},   {"cluster", &w.cluster, 1, false, 0},   {"region", &w.region, 1, false, 0},
        {"notice", &w.notice, 1, false, 0},       {"flag", w.flags, WORDS_MAX, false, 0}, {"no-flag", w.no_flags, WORDS_MAX, false, 0},
        {"limit", w.limits, WORDS_MAX, false, 0}, {"time-zone", &w.zone, 1, false, 0},
    };
    const int noptions = (int)(sizeof options / sizeof *options);
    if (!fb_options_parse(argc, argv, options, noptions, &w.name, 1)) {
        return 2;
    }
    int seen = 0;
    for (int i = 0; i < noptions; i++) {
        seen += options[i].seen;
    }
    if (seen == 0) {
        fprintf(stderr, "firstbell: nothing was said that %s should be\n", w.name);
        return 2;
    }
    w.nflags = options[7].seen;
    w.nno_flags = options[8].seen;
    w.nlimits = options[9].seen;
    PGconn *c = check_wish(&w) ? fb_tenant_begin(s, "tenant set", w.name, id) : NULL;
    bool ok = c && pool_is_there(c, w.upstream) && zone_is_there(c, w.zone) && set_columns(c, id, &w) && set_flags(c, id, &w) &&
              set_limits(c, id, &w) && fb_tenant_commit(c);
    PQfinish(c);
    return ok ? 0 : 1;
}

int fb_cmd_tenant_sign_out(const fb_settings *s, int argc, char **argv) {
    const char *name;
    char id[FB_TENANT_ID_BYTES];
    if (!fb_options_parse(argc, argv, NULL, 0, &name, 1)) {
        return 2;
    }
    PGconn *c = fb_tenant_begin(s, "tenant sign-out", name, id);
    PGresult *r = NULL;
    bool ok = c && fb_pg_do(c, "UPDATE tenants SET sessions_from = now() WHERE id = $1::int", 1, (const char *const[]){id});
    if (ok) {
        r = fb_pg_exec(c, "DELETE FROM sessions WHERE tenant_id = $1::int", 1, (const char *const[]){id});
    }
    ok = r && fb_tenant_commit(c);
    if (ok) {
        printf("%s sessions of %s have ended; everybody signs in anew\n", PQcmdTuples(r), name);
    }
    PQclear(r);
    PQfinish(c);
    return ok ? 0 : 1;
}
