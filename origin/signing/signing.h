/* Signed URLs of our own: a token in the path (bell_path_token.h), under a key that signer and edges share. */
#ifndef FB_SIGNING_H
#define FB_SIGNING_H

#include "bell_buf.h"
#include "bell_path_token.h"

/* A key from a file ID.key of 64 hexadecimal digits which nobody but its owner may read. NULL: err has a sentence with the path. The caller gives it
 * back with bell_signed_key_free. */
bell_signed_key *fb_sign_key_load(const char *path, char *err, size_t err_len) __attribute__((warn_unused_result));
/* The id in the name of such a file; NULL p: it has none. */
bell_str fb_sign_key_id(const char *path);

typedef struct {
    bell_path_token token; /* its host is taken from the URL */
    bool one_host;         /* for the URL's host alone */
    bell_str prefix;       /* of the path, with both slashes: all below it is allowed; empty: the folder that the URL is in */
} fb_sign_wish;

/* Appends "https://HOST/PREFIX/TOKEN/REST" for such a URL, or the same of a path alone. false: err has a sentence, and nothing is appended. */
bool fb_sign_url(const bell_signed_key *k, const fb_sign_wish *wish, bell_str url, bell_buf *out, char *err, size_t err_len)
    __attribute__((warn_unused_result));

#endif
