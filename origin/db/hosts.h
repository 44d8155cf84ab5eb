/* The hosts of a conninfo, one at a time. libpq tries the hosts of a list in order, but one that takes packets and never answers uses up the whole
 * time of a try, and the next try begins with it again; so the pool tries one host at a time and goes on to the next by itself. */
#ifndef FB_HOSTS_H
#define FB_HOSTS_H

#include <libpq-fe.h>

typedef struct {
    /* NULL: left to libpq. In `text`. */
    const char *host, *hostaddr, *port;
} fb_pg_host;

#define FB_PG_HOSTS_MAX 16

typedef struct {
    fb_pg_host list[FB_PG_HOSTS_MAX];
    unsigned n; /* at least 1: a conninfo that names no host, or is wrong, is one try of libpq as it stands */
    char *text[3];
} fb_pg_hosts;

void fb_pg_hosts_init(fb_pg_hosts *h, const char *conninfo);
void fb_pg_hosts_fini(fb_pg_hosts *h);

/* What a conninfo may leave open, and what it may not say: the words of PQconnectStartParams and PQconnectdbParams, with expand_dbname. The
 * operator's conninfo wins over the bounds of TCP and over target_session_attrs=read-write, and loses against user and application. */
#define FB_PG_WORDS_MAX 16
typedef struct {
    const char *words[FB_PG_WORDS_MAX], *values[FB_PG_WORDS_MAX];
} fb_pg_words;

/* `host` may be NULL: as the conninfo says. The texts are borrowed. */
void fb_pg_words_fill(fb_pg_words *w, const char *conninfo, const fb_pg_host *host, const char *user, const char *application);

#endif
