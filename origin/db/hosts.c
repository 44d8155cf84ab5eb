#include "origin/db/hosts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static char *copy_of(const PQconninfoOption *options, const char *keyword) {
    for (; options->keyword != NULL; options++) {
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

/* The next of a list whose commas become ends; NULL for an empty one, which libpq takes for its default. */
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

    if (n < 2 || n > FB_PG_HOSTS_MAX || !fits) {
        return; /* libpq says what is wrong with it */
    }
    char *rest[3] = {h->text[0], h->text[1], h->text[2]};
    for (unsigned i = 0; i < n; i++) {
        fb_pg_host *one = &h->list[i];
        one->host = take(&rest[0]);
        one->hostaddr = take(&rest[1]);
        one->port = ports == 1 ? h->text[2] : take(&rest[2]);
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
    for (int i = 0; i < 3; i++) {
        h->text[i] = copy_of(options, keywords[i]);
    }
    PQconninfoFree(options);
    read_list(h);
}

void fb_pg_hosts_fini(fb_pg_hosts *h) {
    for (int i = 0; i < 3; i++) {
        free(h->text[i]);
        h->text[i] = NULL;
    }
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
