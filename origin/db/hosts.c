#include "origin/db/hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *copy_of(const PQconninfoOption *options, const char *keyword) {
    for (; options != NULL && options->keyword != NULL; options++) {
        if (strcmp(options->keyword, keyword) == 0) {
            return options->val != NULL && options->val[0] != '\0' ? strdup(options->val) : NULL;
        }
    }
    return NULL;
}

static unsigned count(const char *text) {
    unsigned n = text != NULL;
    for (; text != NULL && *text != '\0'; text++) {
        n += *text == ',';
    }
    return n;
}

/* The next of a list whose commas become ends; NULL for an empty one. */
static const char *take(char **rest) {
    char *first = *rest;
    if (first == NULL) {
        return NULL;
    }
    char *comma = strchr(first, ',');
    if (comma != NULL) {
        *comma++ = '\0';
    }
    *rest = comma;
    return first[0] != '\0' ? first : NULL;
}

static void read_list(fb_pg_hosts *h) {
    unsigned hosts = count(h->text[0]), addresses = count(h->text[1]), ports = count(h->text[2]);
    unsigned n = hosts > addresses ? hosts : addresses;
    bool fits = (hosts == 0 || hosts == n) && (addresses == 0 || addresses == n) && (ports <= 1 || ports == n);

    if (n == 0 || n > FB_PG_HOSTS_MAX || !fits) {
        return; /* the default, or libpq says what is wrong with it */
    }
    char *rest[3] = {h->text[0], h->text[1], h->text[2]};
    for (unsigned i = 0; i < n; i++) {
        fb_pg_host *one = &h->list[i];
        one->host = take(&rest[0]);
        one->hostaddr = take(&rest[1]);
        one->port = ports == 1 ? h->text[2] : take(&rest[2]);
        /* What is left open here would be filled in from the conninfo, and that is a list. */
        one->host = one->host == NULL && hosts > 0 ? one->hostaddr : one->host;
        one->port = one->port == NULL && ports > 1 ? h->text[3] : one->port;
        if (one->host == NULL && one->hostaddr == NULL) {
            memset(h->list, 0, sizeof(h->list));
            return; /* libpq's default host among others */
        }
    }
    h->n = n;
}

void fb_pg_hosts_init(fb_pg_hosts *h, const char *conninfo) {
    memset(h, 0, sizeof(*h));
    h->n = 1;
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    if (options == NULL) {
        return;
    }
    static const char *const keywords[3] = {"host", "hostaddr", "port"};
    PQconninfoOption *defaults = PQconndefaults(); /* PGHOST and its like */
    for (int i = 0; i < 3; i++) {
        h->text[i] = copy_of(options, keywords[i]);
        if (h->text[i] == NULL && i < 2) {
            h->text[i] = copy_of(defaults, keywords[i]);
        }
    }
    h->text[3] = copy_of(defaults, "port");
    PQconninfoFree(defaults);
    PQconninfoFree(options);
    read_list(h);
}

void fb_pg_hosts_fini(fb_pg_hosts *h) {
    for (int i = 0; i < 4; i++) {
        free(h->text[i]);
        h->text[i] = NULL;
    }
}

bool fb_pg_host_at(fb_pg_host *h, const char *addresses, unsigned first, char names[FB_PG_NAMES_BYTES], char rotated[FB_ADDRESSES_BYTES]) {
    unsigned n = count(addresses);
    const char *at = addresses;
    size_t len = 0;

    if (n == 0) {
        return false;
    }
    for (first %= n; first > 0; first--) {
        at = strchr(at, ',') + 1;
    }
    int before = at > addresses ? (int)(at - 1 - addresses) : 0;
    snprintf(rotated, FB_ADDRESSES_BYTES, "%s%s%.*s", at, before > 0 ? "," : "", before, addresses);
    for (unsigned i = 0; i < n && len < FB_PG_NAMES_BYTES; i++) {
        len += (size_t)snprintf(names + len, FB_PG_NAMES_BYTES - len, "%s%s", i > 0 ? "," : "", h->host);
    }
    h->host = names;
    h->hostaddr = rotated;
    return len < FB_PG_NAMES_BYTES;
}

void fb_pg_words_fill(fb_pg_words *w, const char *conninfo, const fb_pg_host *host, const char *user, const char *application) {
    const char *const pairs[][2] = {
        {"connect_timeout", "5"},
        {"keepalives_idle", "10"},
        {"keepalives_interval", "5"},
        {"keepalives_count", "3"},
        {"tcp_user_timeout", "15000"},
        {"target_session_attrs", "read-write"},
        {"dbname", conninfo},
        {"host", host != NULL ? host->host : NULL},
        {"hostaddr", host != NULL ? host->hostaddr : NULL},
        {"port", host != NULL ? host->port : NULL},
        {"user", user},
        {"application_name", application},
        {"client_encoding", "UTF8"},
        {NULL, NULL},
    };
    _Static_assert(sizeof(pairs) / sizeof(pairs[0]) <= FB_PG_WORDS_MAX, "all words fit");
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        w->words[i] = pairs[i][0];
        w->values[i] = pairs[i][1];
    }
}
