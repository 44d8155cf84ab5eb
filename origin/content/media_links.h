/* Addresses of media as they are given out: "/media/ASSET/FILE", and where the tenant has keys for it (`firstbell tenant key add --use path`), with a
 * token of our own behind the asset's folder (lua-free/bell_path_token.h): for the tenant, the person who asks, all that is in the folder, and a
 * time.
 *
 * The key is the newest of those that count and have been in the directory for media_key_settle_s, so that every edge has them; one that counts for
 * as long as the token goes before one that does not. Where none has been there for that long, it is the oldest. A token never outlives its key. It
 * stays the same for an eighth of its time, so that a browser finds what it has kept. */
#ifndef FB_MEDIA_LINKS_H
#define FB_MEDIA_LINKS_H

#include "bell_path_token.h"
#include "origin/server/job.h"

typedef struct {
    bell_signed_key *key; /* NULL: addresses are plain */
    bell_path_token token;
    int64_t now_s;
    char subject[24];
    /* the folder that was written last: most of a lesson's files are in one */
    char asset[24];
    char component[BELL_PATH_TOKEN_MAX_BYTES];
    size_t component_len;
} fb_media_links;

extern const fb_stmt fb_sql_media_keys;

/* Adds that statement to the job's group; its rows are what fb_media_links_open takes. */
void fb_media_links_ask(fb_job *job);

/* false: the tenant has keys and none of them can sign, which the log says; addresses are plain then, and edges that ask for a token refuse them. In
 * either case to be given back with fb_media_links_close. */
bool fb_media_links_open(fb_media_links *l, fb_job *job, const PGresult *keys);
void fb_media_links_close(fb_media_links *l);
/* The same without a request: for that subject (at most 23 bytes; empty: nobody in particular), for so long at most. false: *why is half a sentence
 * about the last of the keys. */
bool fb_media_links_begin(fb_media_links *l, const PGresult *keys, int32_t tenant_id, const char *subject, long lifetime_s, const char **why)
    __attribute__((warn_unused_result));

/* Appends "/media/ASSET/", with "bell-token=…/" behind it where addresses are signed. When that cannot be done, out->failed is set. */
void fb_media_links_folder(fb_media_links *l, bell_str asset, bell_buf *out);

/* "expires" and "expires_in_s", null where addresses are plain, as members of the object that is open. */
void fb_media_links_write_end(const fb_media_links *l, bell_json *j);

#endif
