#define _GNU_SOURCE 1
#include "origin/server/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "bell_str.h"

#define LINE_MAX_BYTES 2048

typedef enum {
    TEXT,
    PATH,         /* absolute */
    PATH_OR_DASH, /* absolute, or "-" for a standard stream */
    LISTEN,       /* unix:PATH or ADDRESS:PORT */
    SERVER,       /* the same, or "-" */
    SWITCH,       /* on or off */
    RELAY,        /* smtps://HOST[:PORT], smtp://HOST[:PORT], smtp+plain://HOST[:PORT], or "-" */
    MAILBOX,      /* NAME@HOST, or "-" */
    NUMBER,
} setting_type;

typedef struct {
    const char *name;
    setting_type type;
    size_t offset;
    const char *text; /* the default, of all but NUMBER */
    long number, min, max;
    const char *sentence;
} setting;

#define TEXT_AT(field, type, text)         #field, type, offsetof(fb_settings, field), text, 0, 0, 0
#define NUMBER_AT(field, number, min, max) #field, NUMBER, offsetof(fb_settings, field), NULL, number, min, max

static const setting settings[] = {
    {TEXT_AT(listen, LISTEN, "unix:/run/firstbell/api.sock"), "where the api listens: unix:PATH or ADDRESS:PORT"},
    {TEXT_AT(database, TEXT, "host=/run/firstbell dbname=firstbell"), "how PostgreSQL is reached: a libpq conninfo without a user"},
    {TEXT_AT(direct_database, TEXT, "-"), "the same past a pooler, for all commands but the api; - is as database"},
    {TEXT_AT(schema_dir, PATH, "/usr/share/firstbell/schema"), "the numbered SQL files of `firstbell migrate`"},
    {TEXT_AT(web_root, PATH, "/usr/share/firstbell/web"), "the pages and their files"},
    {TEXT_AT(media_root, PATH, "/var/lib/firstbell/media"), "media of courses, one folder a tenant"},
    {TEXT_AT(session_key, PATH, "/var/lib/firstbell/keys/session.pem"), "the EC P-256 private key that signs sessions, in PEM"},
    {TEXT_AT(session_keys_dir, PATH, "/var/lib/firstbell/keys/sessions"), "the next key of sessions and those that have signed (`firstbell keys`)"},
    {TEXT_AT(session_public_keys, PATH, "/var/lib/firstbell/keys/sessions.pub.pem"),
     "the public halves of all of them, for edges; `firstbell keys rotate` writes it"},
    {TEXT_AT(edge_keys_dir, PATH, "/var/lib/firstbell/keys/edges"),
     "the keys of the edges that are believed, ID.key each (`firstbell edge-key new`)"},
    {TEXT_AT(directory_file, PATH, "/var/lib/firstbell/directory.snapshot"), "the tenant directory that the jobs publish and the edge reads"},
    {TEXT_AT(access_log, PATH_OR_DASH, "-"), "one JSON line a request; - is standard output"},
    {TEXT_AT(error_log, PATH_OR_DASH, "-"), "what went wrong; - is standard error"},
    {TEXT_AT(pid_file, PATH, "/run/firstbell/api.pid"), "the process id of the api's master"},
    {TEXT_AT(jobs_pid_file, PATH, "/run/firstbell/jobs.pid"), "the process id of the queue worker, locked while it runs"},
    {TEXT_AT(fetch_ca_file, PATH, "/etc/ssl/certs/ca-certificates.crt"),
     "the authorities in PEM that other servers, such as identity providers, are verified with"},
    {TEXT_AT(fetch_private_hosts, TEXT, "-"),
     "hosts that may have addresses in a private network, parted by spaces; others are asked at public addresses only"},
    {TEXT_AT(oidc_secrets_dir, PATH, "/var/lib/firstbell/keys/oidc"),
     "client secrets of identity providers, a file each; `firstbell tenant oidc add` puts them there"},
    {NUMBER_AT(workers, 0, 0, FB_WORKERS_MAX), "worker processes of the api; 0 is one a core"},
    {NUMBER_AT(db_connections, 4, 1, 64), "connections to PostgreSQL, a worker"},
    {NUMBER_AT(db_waiting_max, 256, 1, 65536), "requests that may wait for a connection to PostgreSQL, a worker"},
    {NUMBER_AT(db_heavy_connections, 2, 1, 32), "further connections to PostgreSQL, a worker, for reads of many rows, one at a time each"},
    {NUMBER_AT(db_heavy_waiting_max, 64, 1, 65536), "reads of many rows that may wait for one of these, a worker"},
    {NUMBER_AT(db_batch_connections, 2, 1, 8), "further connections to PostgreSQL, a worker, for progress that is saved for many at once"},
    {NUMBER_AT(db_batch_waiting_max, 4096, 1, 65536), "saves of progress that may wait for one of these, a worker"},
    {NUMBER_AT(db_statement_timeout_ms, 5000, 100, 600000), "milliseconds a statement may take, on routes that name no time of their own"},
    {TEXT_AT(db_prepared, SWITCH, "on"), "off behind pgbouncer in transaction mode: no prepared statements, one request at a time a connection"},
    {NUMBER_AT(connections_max, 4096, 16, 65536), "client connections, a worker"},
    {NUMBER_AT(head_max_bytes, 16384, 1024, 262144), "bytes of a request's line and headers"},
    {NUMBER_AT(body_max_bytes, 1048576, 1024, 67108864), "bytes of a request's body"},
    {NUMBER_AT(request_deadline_ms, 10000, 100, 600000), "milliseconds a request may take, all in all"},
    {NUMBER_AT(idle_timeout_ms, 75000, 1000, 3600000), "milliseconds a kept connection may be idle"},
    {NUMBER_AT(drain_timeout_ms, 15000, 0, 600000), "milliseconds that requests in flight are given when the api stops"},
    {NUMBER_AT(helper_threads, 2, 1, 64), "threads for password checks, a worker"},
    {NUMBER_AT(helper_queue_max, 64, 1, 65536), "password checks that may wait for a thread, a worker"},
    {NUMBER_AT(session_ttl_s, 43200, 60, 2592000), "seconds a sign-in lasts"},
    {NUMBER_AT(jobs_statement_timeout_s, 60, 1, 3600), "seconds a statement of the queue worker may take"},
    {NUMBER_AT(sessions_a_user_max, 10, 1, 1000), "open sessions of one person; one more ends the oldest"},
    {NUMBER_AT(fetches_max, 64, 1, 1024), "other servers asked at a time, a worker; a tenant has at most half"},
    {NUMBER_AT(fetches_waiting_max, 256, 1, 65536), "requests that may wait to ask another server, a worker; a tenant has at most half"},
    {NUMBER_AT(fetch_connect_timeout_ms, 3000, 100, 60000), "milliseconds to connect to another server"},
    {NUMBER_AT(fetch_timeout_ms, 5000, 100, 60000), "milliseconds another server may take, all in all"},
    {NUMBER_AT(oidc_attempt_s, 600, 30, 3600), "seconds for a sign-in at an identity provider, from the button to the way back"},
    {NUMBER_AT(oidc_cache_s, 900, 1, 86400), "seconds for which the configuration and the keys of an identity provider are used"},
    {NUMBER_AT(oidc_keys_again_s, 30, 1, 3600), "seconds between two fetches of a provider's keys because a token does not fit to them"},
    {NUMBER_AT(outbox_keep_days, 14, 1, 3650), "days that events stay in the outbox"},
    {NUMBER_AT(media_link_lifetime_s, 14400, 10, 86400),
     "seconds that a signed address of a video or picture is good for; the pages ask again in time"},
    {NUMBER_AT(media_key_settle_s, 60, 0, 86400),
     "seconds that a new key of a tenant only verifies, so that every edge has it before it signs addresses"},
    {TEXT_AT(codes_key, PATH, "/var/lib/firstbell/keys/codes.key"), "the keys under which one-time codes and links are stored, one a line"},
    {NUMBER_AT(code_valid_days, 14, 1, 90), "days that a code of a class's sheet or of a reset may be used"},
    {NUMBER_AT(password_min_length, 8, 8, 64), "characters that a new password must have"},
    {NUMBER_AT(public_port, 443, 1, 65535), "the edge's port in the addresses that mails carry"},
    {TEXT_AT(smtp_url, RELAY, "-"),
     "the relay for mails about forgotten passwords: smtps://, smtp:// (STARTTLS) or smtp+plain://HOST:PORT; - is none"},
    {TEXT_AT(smtp_from, MAILBOX, "-"), "the address that mails come from"},
    {TEXT_AT(smtp_user, TEXT, "-"), "the user name for the relay; - is none"},
    {TEXT_AT(smtp_password_file, PATH_OR_DASH, "-"), "the file with the password for the relay; - is none"},
    {TEXT_AT(smtp_ca_file, PATH_OR_DASH, "-"), "the certificate authority of the relay, in PEM; - is those that the system trusts"},
    {NUMBER_AT(smtp_timeout_ms, 15000, 100, 60000), "milliseconds that handing one mail to the relay may take"},
    {NUMBER_AT(reset_link_ttl_s, 3600, 300, 86400), "seconds that the link in a mail may be used"},
    {TEXT_AT(directory_key, PATH_OR_DASH, "-"), "the Ed25519 private key that signs the directory, in PEM; - leaves it unsigned"},
    {NUMBER_AT(directory_publish_interval_ms, 100, 10, 10000),
     "milliseconds from one change of the directory to the next; what comes between them is one"},
    {NUMBER_AT(directory_snapshot_interval_s, 60, 0, 86400),
     "seconds from one snapshot of the directory to the next, where Redis has the changes; 0: with each change, for edges that read the file"},
    {NUMBER_AT(directory_deltas_keep, 1000, 10, 100000), "changes of the directory that are kept for edges that were away"},
    {NUMBER_AT(directory_deltas_keep_s, 3600, 60, 604800), "seconds for which they are kept at most"},
    {TEXT_AT(redis, SERVER, "-"), "Redis, through which edges hear of changes and tell who was sent what: unix:PATH or ADDRESS:PORT; - is none"},
    {TEXT_AT(redis_user, TEXT, "-"), "the user name for Redis; - is the default one"},
    {TEXT_AT(redis_password_file, PATH_OR_DASH, "-"), "the file with the password for Redis; - is none"},
    {NUMBER_AT(redis_timeout_ms, 2000, 100, 60000), "milliseconds to connect to Redis, and that one command may take"},
    {NUMBER_AT(access_interval_ms, 1000, 50, 60000), "milliseconds from one look for access events of edges to the next"},
    {NUMBER_AT(access_completion_percent, 0, 0, 100),
     "percent of a video that, once fetched, complete it for a student; 0: fetching completes nothing"},
    {NUMBER_AT(access_prefetch_s, 60, 0, 3600),
     "seconds that a player may be ahead: what else of these percent is fetched faster than at double speed completes nothing"},
    {NUMBER_AT(purges_a_minute_max, 120, 1, 100000), "purges that a district may ask for within a minute"},
    {NUMBER_AT(purges_stream_max, 10000, 100, 1000000),
     "purges that stay in Redis, about, for edges that were away; one that missed more takes all it has for stale"},
    {NUMBER_AT(purges_keep_days, 90, 1, 3650), "days that it stays on record who asked for which purge"},
    {TEXT_AT(warm_edges, TEXT, "-"),
     "the edges that are warmed ahead of what stands in a calendar, https://HOST:PORT each, parted by spaces; - is none"},
    {TEXT_AT(warm_ca_file, PATH_OR_DASH, "-"), "the certificate authority of these edges, in PEM; - is those that the system trusts"},
    {NUMBER_AT(warm_rate, 50, 1, 10000), "addresses a second that one of these edges is asked for"},
    {NUMBER_AT(warm_connections, 8, 1, 256), "connections to it"},
};
#define SETTINGS (sizeof settings / sizeof *settings)

static char *text_of(fb_settings *s, const setting *d) {
    return (char *)s + d->offset;
}

static void set_defaults(fb_settings *s) {
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < SETTINGS; i++) {
        const setting *d = &settings[i];
        if (d->type == NUMBER) {
            *(long *)(void *)text_of(s, d) = d->number;
        } else {
            snprintf(text_of(s, d), FB_SETTING_TEXT_MAX, "%s", d->text);
        }
    }
}

/* NULL when the value is right; otherwise what was expected. */
static const char *check_listen(bell_str v) {
    static const char expected[] = "unix:PATH with an absolute path, or ADDRESS:PORT with a numeric address and a port from 1 to 65535";
    if (bell_str_starts(v, BELL_STR("unix:"))) {
        size_t path_bytes = v.len - 5;
        if (path_bytes >= sizeof((struct sockaddr_un *)0)->sun_path) {
            return "a socket path of at most 107 bytes";
        }
        return path_bytes > 1 && v.p[5] == '/' ? NULL : expected;
    }
    const char *colon = memrchr(v.p, ':', v.len);
    uint64_t port;
    if (!colon || colon == v.p || !bell_str_to_u64((bell_str){colon + 1, (size_t)(v.p + v.len - colon - 1)}, 65535, &port) || port == 0) {
        return expected;
    }
    bell_str address = {v.p, (size_t)(colon - v.p)};
    bool v6 = address.p[0] == '[' && address.p[address.len - 1] == ']';
    for (size_t i = 0; i < address.len; i++) {
        if (!strchr(v6 ? "0123456789abcdefABCDEF:.[]" : "0123456789.", address.p[i])) {
            return expected;
        }
    }
    return NULL;
}

/* A host or an address in brackets, and perhaps a port: nothing that could be a path or a user. */
static bool is_authority(bell_str v) {
    const char *colon = v.len > 0 ? memrchr(v.p, ':', v.len) : NULL;
    uint64_t port;
    if (colon && colon[-1] != ']' && memchr(v.p, '[', v.len)) {
        colon = NULL;
    }
    if (colon) {
        if (!bell_str_to_u64((bell_str){colon + 1, (size_t)(v.p + v.len - colon - 1)}, 65535, &port) || port == 0) {
            return false;
        }
        v.len = (size_t)(colon - v.p);
    }
    for (size_t i = 0; i < v.len; i++) {
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_[]:", v.p[i]) || v.p[i] == 0) {
            return false;
        }
    }
    return v.len > 0;
}

static const char *check_relay(bell_str v) {
    static const char *const schemes[] = {"smtps://", "smtp://", "smtp+plain://"};
    if (bell_str_eq(v, BELL_STR("-"))) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t n = strlen(schemes[i]);
        if (bell_str_starts(v, bell_str_of(schemes[i])) && is_authority((bell_str){v.p + n, v.len - n})) {
            return NULL;
        }
    }
    return "smtps://HOST:PORT, smtp://HOST:PORT (with STARTTLS), smtp+plain://HOST:PORT (without TLS), or -";
}

/* One mailbox as it stands in an envelope (RFC 5321, without quoted local parts). */
static const char *check_mailbox(bell_str v) {
    static const char expected[] = "an address like firstbell@example.org, or -";
    const char *at = memchr(v.p, '@', v.len);
    if (bell_str_eq(v, BELL_STR("-"))) {
        return NULL;
    }
    if (!at || at == v.p || at == v.p + v.len - 1 || memchr(at + 1, '@', (size_t)(v.p + v.len - at - 1)) || v.len > 254) {
        return expected;
    }
    for (size_t i = 0; i < v.len; i++) {
        if ((unsigned char)v.p[i] <= 0x20 || (unsigned char)v.p[i] >= 0x7f || strchr("<>()[],;:\\\"", v.p[i])) {
            return expected;
        }
    }
    return NULL;
}

static const char *check_text(const setting *d, bell_str v) {
    if (v.len == 0) {
        return "a value";
    }
    if (v.len >= FB_SETTING_TEXT_MAX) {
        return "at most 511 bytes";
    }
    if (d->type == PATH) {
        return v.p[0] == '/' ? NULL : "an absolute path, one that begins with /";
    }
    if (d->type == PATH_OR_DASH) {
        return v.p[0] == '/' || bell_str_eq(v, BELL_STR("-")) ? NULL : "an absolute path, or -";
    }
    if (d->type == SWITCH) {
        return bell_str_eq(v, BELL_STR("on")) || bell_str_eq(v, BELL_STR("off")) ? NULL : "on or off";
    }
    switch (d->type) {
    case LISTEN:
        return check_listen(v);
    case SERVER:
        return bell_str_eq(v, BELL_STR("-")) ? NULL : check_listen(v);
    case RELAY:
        return check_relay(v);
    case MAILBOX:
        return check_mailbox(v);
    default:
        return NULL;
    }
}

/* False: `expected` holds what the value should have been. */
static bool set_value(fb_settings *s, const setting *d, bell_str v, char *expected, size_t expected_len) {
    if (d->type == NUMBER) {
        uint64_t number;
        if (!bell_str_to_u64(v, (uint64_t)d->max, &number) || (long)number < d->min) {
            snprintf(expected, expected_len, "a whole number from %ld to %ld", d->min, d->max);
            return false;
        }
        *(long *)(void *)text_of(s, d) = (long)number;
        return true;
    }
    const char *wrong = check_text(d, v);
    if (wrong) {
        snprintf(expected, expected_len, "%s", wrong);
        return false;
    }
    memcpy(text_of(s, d), v.p, v.len);
    text_of(s, d)[v.len] = 0;
    return true;
}

/* The line without its comment, which begins at the line's start or behind white space, and without white space around. */
static bell_str without_comment(bell_str line) {
    for (size_t i = 0; i < line.len; i++) {
        if (line.p[i] == '#' && (i == 0 || line.p[i - 1] == ' ' || line.p[i - 1] == '\t')) {
            line.len = i;
            break;
        }
    }
    return bell_str_trim(line);
}

static size_t find_setting(bell_str name) {
    size_t i = 0;
    while (i < SETTINGS && !bell_str_eq(bell_str_of(settings[i].name), name)) {
        i++;
    }
    return i;
}

static bool load_line(fb_settings *s, bell_str line, const char *path, unsigned number, bool *seen, FILE *err) {
    line = without_comment(line);
    if (line.len == 0) {
        return true;
    }
    if (!memchr(line.p, '=', line.len)) {
        fprintf(err, "firstbell: %s:%u: found \"%.*s\", expected \"key = value\"\n", path, number, BELL_STR_ARG(line));
        return false;
    }
    bell_str value;
    bell_str rest = line;
    bell_str name = bell_str_trim(bell_str_cut(&rest, '='));
    value = bell_str_trim(rest);
    size_t i = find_setting(name);
    if (i == SETTINGS) {
        fprintf(err, "firstbell: %s:%u: there is no setting \"%.*s\"; `firstbell settings` lists them all\n", path, number, BELL_STR_ARG(name));
        return false;
    }
    if (seen[i]) {
        fprintf(err, "firstbell: %s:%u: %s is set a second time; keep one of the lines\n", path, number, settings[i].name);
        return false;
    }
    seen[i] = true;
    char expected[160];
    if (!set_value(s, &settings[i], value, expected, sizeof expected)) {
        fprintf(err, "firstbell: %s:%u: %s is \"%.*s\", expected %s\n", path, number, settings[i].name, BELL_STR_ARG(value), expected);
        return false;
    }
    return true;
}

static bool load_lines(fb_settings *s, FILE *f, const char *path, FILE *err) {
    char line[LINE_MAX_BYTES];
    bool seen[SETTINGS] = {false};
    for (unsigned number = 1; fgets(line, sizeof line, f); number++) {
        size_t len = strlen(line);
        if (len + 1 == sizeof line && line[len - 1] != '\n') {
            fprintf(err, "firstbell: %s:%u: the line is longer than %d bytes\n", path, number, LINE_MAX_BYTES - 2);
            return false;
        }
        while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
            len--;
        }
        if (!load_line(s, (bell_str){line, len}, path, number, seen, err)) {
            return false;
        }
    }
    if (ferror(f)) {
        fprintf(err, "firstbell: %s cannot be read: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}

/* What one setting asks of another. */
static bool check_together(const fb_settings *s, const char *path, FILE *err) {
    bool has_relay = strcmp(s->smtp_url, "-") != 0;
    bool signs_in = strcmp(s->smtp_user, "-") != 0;
    const char *wrong = NULL;
    if (has_relay && strcmp(s->smtp_from, "-") == 0) {
        wrong = "smtp_url needs smtp_from, the address that mails come from";
    } else if (signs_in != (strcmp(s->smtp_password_file, "-") != 0)) {
        wrong = "smtp_user and smtp_password_file go together";
    } else if (strcmp(s->redis_user, "-") != 0 && strcmp(s->redis_password_file, "-") == 0) {
        wrong = "redis_user needs redis_password_file";
    } else if (signs_in && bell_str_starts(bell_str_of(s->smtp_url), BELL_STR("smtp+plain://"))) {
        wrong = "smtp_user needs a relay with TLS: smtps:// or smtp://";
    }
    if (wrong) {
        fprintf(err, "firstbell: %s: %s\n", path, wrong);
    }
    return !wrong;
}

bool fb_settings_load(fb_settings *s, const char *path, FILE *err) {
    set_defaults(s);
    FILE *f = fopen(path, "re");
    if (!f) {
        fprintf(err, "firstbell: the settings file %s cannot be read: %s; name another with -c FILE or in FIRSTBELL_CONF\n", path, strerror(errno));
        return false;
    }
    bool ok = load_lines(s, f, path, err) && check_together(s, path, err);
    fclose(f);
    return ok;
}

void fb_settings_print(FILE *out) {
    for (size_t i = 0; i < SETTINGS; i++) {
        const setting *d = &settings[i];
        if (d->type == NUMBER) {
            fprintf(out, "%s = %ld  # %s (%ld to %ld)\n", d->name, d->number, d->sentence, d->min, d->max);
        } else {
            const char *bound = d->type == PATH || d->type == PATH_OR_DASH ? " (absolute path)" : d->type == SWITCH ? " (on or off)" : "";
            fprintf(out, "%s = %s  # %s%s\n", d->name, d->text, d->sentence, bound);
        }
    }
}
