/* Asking other servers over HTTPS without blocking the loop: libcurl's multi interface on libevent. For answers that fit into memory.
 *
 * Only https, the certificate verified against one CA file, TLS 1.2 or later; no redirect is followed, no proxy of the environment used, nothing is
 * decompressed. Addresses that are not public are connected to only for hosts that the operator has listed. Everything has a bound: time to
 * connect and in all, bytes, transfers at a time, transfers that wait for one of these; a tenant has at most half of either, so that a slow
 * provider of one district leaves room for the others. GETs of one tenant for the same URL at the same time share one transfer. */
#ifndef FB_FETCH_H
#define FB_FETCH_H

#include "bell_str.h"

struct event_base;

typedef struct fb_fetcher fb_fetcher;
typedef struct fb_fetch fb_fetch;

typedef struct {
    const char *ca_file;
    const char *private_hosts; /* words; may have addresses that are not public */
    long connect_timeout_ms, timeout_ms;
    unsigned running_max, waiting_max;
} fb_fetcher_options;

typedef enum {
    FB_FETCH_ANSWERED,    /* with any status */
    FB_FETCH_UNREACHABLE, /* no address, no connection, no trust, a connection that broke */
    FB_FETCH_LATE,
    FB_FETCH_LARGE, /* the answer has more than max_bytes, or its head more than 64 KiB */
} fb_fetch_outcome;

/* Owned by the caller, who keeps it alive until `done` was called or fb_fetch_cancel. */
struct fb_fetch {
    int32_t tenant_id;
    const char *url;           /* fb_fetch_url_is_https() */
    const char *form;          /* posted as application/x-www-form-urlencoded; NULL: GET */
    const char *authorization; /* the header's value, or NULL */
    size_t max_bytes;
    void (*done)(fb_fetch *f, void *owner); /* on the loop, never from within fb_fetch_start */
    void *owner;

    /* Until `done` returns: */
    fb_fetch_outcome outcome;
    long status;
    bell_str body;
    const char *reason; /* of what is not ANSWERED, for logs */

    struct fb_transfer *transfer;
    fb_fetch *next;
};

fb_fetcher *fb_fetcher_new(struct event_base *base, const fb_fetcher_options *o);
/* Ends what is under way without a word. */
void fb_fetcher_free(fb_fetcher *w);

/* false: no room (or no memory, or no such URL); `done` will not be called. */
bool fb_fetch_start(fb_fetcher *w, fb_fetch *f) __attribute__((warn_unused_result));
/* The caller does not wait any more; the last one who goes breaks the transfer off. */
void fb_fetch_cancel(fb_fetch *f);

#endif
