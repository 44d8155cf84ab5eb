/* The hosts of a conninfo, one at a time. libpq tries the hosts of a list in order, but one that takes packets and never answers uses up the whole
 * time of a try, and the next try begins with it again; so the pool tries one host at a time and goes on to the next by itself. */
#ifndef FB_HOSTS_H
#define FB_HOSTS_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "origin/db/resolver.h"

typedef struct {
    /* NULL: left to libpq. In `text`. */
    const char *host, *hostaddr, *port;
} fb_pg_host;

#define FB_PG_HOSTS_MAX 16

typedef struct {
    fb_pg_host list[FB_PG_HOSTS_MAX];
    unsigned n;    /* at least 1: a conninfo that names no host, or is wrong, is one try of libpq as it stands */
    char *text[4]; /* what `list` points into; the last is libpq's default port */
} fb_pg_hosts;

void fb_pg_hosts_init(fb_pg_hosts *h, const char *conninfo);
void fb_pg_hosts_fini(fb_pg_hosts *h);

#define FB_PG_NAMES_BYTES (FB_ADDRESSES_MAX * 256)

/* A host whose name has these addresses (parted by commas) becomes what libpq wants for trying them in turn, `first` and those behind it before the
 * others, so that one which swallows all packets does not use up the time of every try: a name and an address each. The texts are in names and
 * rotated. false: the name is too long. */
bool fb_pg_host_at(fb_pg_host *h, const char *addresses, unsigned first, char names[FB_PG_NAMES_BYTES], char rotated[FB_ADDRESSES_BYTES])
    __attribute__((warn_unused_result));

/* What a conninfo may leave open, and what it may not say: the words of PQconnectStartParams and PQconnectdbParams, with expand_dbname. The
 * operator's conninfo wins over the bounds of TCP and over target_session_attrs=read-write, and loses against user and application. */
#define FB_PG_WORDS_MAX 16
typedef struct {
    const char *words[FB_PG_WORDS_MAX], *values[FB_PG_WORDS_MAX];
} fb_pg_words;

/* `host` may be NULL: as the conninfo says. The texts are borrowed. */
void fb_pg_words_fill(fb_pg_words *w, const char *conninfo, const fb_pg_host *host, const char *user, const char *application);

#endif
