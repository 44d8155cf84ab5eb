/* What somebody wants to be purged, as the table purges has it: shared by the api and the command line. */
#ifndef FB_PURGES_WISH_H
#define FB_PURGES_WISH_H

#include "bell_purge_url.h"

typedef struct {
    bell_purge_kind kind;
    bool is_hard;
    const char *name;  /* the host without its port; NULL: of a tag and of all */
    const char *host;  /* NULL likewise */
    const char *value; /* NULL: of all */
    bell_purge_url url;
    char tag[260];
} fb_purge_wish;

/* text: the URL, the prefix or the tag; nothing for BELL_PURGE_ALL. Texts of the wish point into it, so that it stays where it is. NULL, or a
 * sentence about the text, without a capital and a full stop. */
const char *fb_purge_wish_of(fb_purge_wish *w, bell_purge_kind kind, bell_str text) __attribute__((warn_unused_result));

/* The call that notes it: parameters are tenant, actor (NULL: the command line), kind, hard, name, host, value, how many a minute; the row is one of
 * fb_purge_outcome, the id, and with FB_PURGE_TOO_MANY the seconds until there is room. */
#define FB_PURGE_ASK_SQL "SELECT outcome, purge_id, wait_s FROM purge_ask($1, $2, $3, $4, $5, $6, $7, $8)"
#define FB_PURGE_PARAMS  8

typedef enum { FB_PURGE_ASKED = 1, FB_PURGE_FOREIGN_HOST, FB_PURGE_TOO_MANY } fb_purge_outcome;

/* The parameters that are the wish's own. */
const char *fb_purge_kind_param(const fb_purge_wish *w);
const char *fb_purge_hard_param(const fb_purge_wish *w);

#endif
