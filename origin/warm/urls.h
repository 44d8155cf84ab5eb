/* What is to be asked of an edge: addresses of one district, as its students will ask for them. Files of lessons get the token that an edge wants. */
#ifndef FB_WARM_URLS_H
#define FB_WARM_URLS_H

#include <libpq-fe.h>
#include <stdio.h>

#include "bell_buf.h"
#include "origin/content/media_links.h"

#define FB_WARM_URLS_MAX      200000
#define FB_WARM_URL_BYTES_MAX 8000

typedef struct {
    char **urls; /* whole: "https://HOST[:PORT]/…"; owned, as are they */
    size_t n, room;
    const char *origin;    /* in front of a path: "https://HOST[:PORT]" */
    const PGresult *hosts; /* of the district, a row each */
    fb_media_links *links; /* signs, where the district has a key for it */
} fb_warm_urls;

/* "/PATH", of `origin`, or a whole URL of a host of the district. NULL, or a sentence about what is wrong, without a capital and a full stop. */
const char *fb_warm_urls_add(fb_warm_urls *u, bell_str text) __attribute__((warn_unused_result));
/* The same for each line; empty ones and those that begin with # are passed by. false: sentences with the line's number have been written. */
bool fb_warm_urls_read(fb_warm_urls *u, FILE *f, const char *name) __attribute__((warn_unused_result));
void fb_warm_urls_fini(fb_warm_urls *u);

#endif
