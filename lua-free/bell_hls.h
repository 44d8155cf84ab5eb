/* Tokens for the URIs of a playlist, as the rewriter of bell_m3u8.h asks for them. What stands in the playlist's own directory shares one token, made
 * once; what stands elsewhere on the host gets one that reaches as little further as its scheme allows:
 *
 *   path        the component behind the directory: "/hls/c7/bell-token=…/720/s1.ts"; elsewhere behind the directory of what is asked for. Bound to
 *               the host ("v1h"), for a playlist's URIs that are signed are all of its host.
 *   akamai      a parameter of the query with an "acl" of all that begins with the directory; elsewhere of the one path, whatever its query
 *   google-cdn  URLPrefix and its like in the query, for the directory; elsewhere for what begins with the one object's path, which is none
 *               when it ends with "/"
 *   inherit     what the playlist itself was asked with, for schemes whose secret is elsewhere: parameters of the query, or a component of the path
 *
 * The root, also as "//", is no directory that a token is made for, unless `below` is "/": it would open the whole host. Left as they are: URIs
 * outside of it, URIs that carry a token already, and those whose token cannot be made. Nothing is allocated. */
#ifndef BELL_HLS_H
#define BELL_HLS_H

#include "bell_akamai.h"
#include "bell_m3u8.h"

#pragma GCC visibility push(hidden)

#define BELL_HLS_TOKEN_MAX  4096  /* bytes of a token, as it stands in a URI */
#define BELL_HLS_FOLDER_MAX 2048  /* bytes of the directory, or of the object elsewhere */
#define BELL_HLS_ROOM       32768 /* bytes that one URI takes at most */

typedef enum { BELL_HLS_NONE, BELL_HLS_PATH, BELL_HLS_AKAMAI, BELL_HLS_GOOGLE_CDN, BELL_HLS_INHERIT } bell_hls_scheme;

typedef struct {
    bool known; /* made already, or found impossible: then it is empty */
    size_t len;
    char text[BELL_HLS_TOKEN_MAX];
} bell_hls_token;

/* Texts are borrowed until the last URI. */
typedef struct {
    bell_hls_scheme scheme;
    bell_uri_base base;                /* of the playlist, without its own token */
    bool whole_paths;                  /* its own token is in its path, where relative URIs would inherit it as well: they become paths */
    const bell_akamai_options *akamai; /* of the issuer; its location is the query */
    const bell_signed_key *key;        /* may change between two URIs; NULL: nothing more is made */
    uint32_t tenant_id;
    bell_str subject, data; /* empty: none; google-cdn has neither */
    int64_t until_s;        /* Unix seconds */
    bell_str below;         /* nothing outside of this path, which begins and ends with "/", gets a token; empty: all of the host */
    bell_str query;         /* inherit: "name=value&…", */
    bell_str component;     /* or "NAME=…/", */
    bell_str before;        /* and the path in front of it, that ends with "/" */
    bell_signed_room room;  /* of BELL_HLS_ROOM bytes: for one URI at a time, shared with whom you like between them */

    /* its own */
    bell_hls_token own, other;
    bell_str folder;
    char other_is_for[BELL_HLS_FOLDER_MAX];
    size_t other_is_for_len;
} bell_hls;

/* The fields above "its own" are filled in. false: no token can be made for the playlist's directory, or there is none to inherit, so that the
 * playlist had better stay as it is. */
bool bell_hls_init(bell_hls *h) __attribute__((warn_unused_result));

/* For bell_m3u8_init(); data is the bell_hls. */
bool bell_hls_edit(void *data, const bell_m3u8_uri *uri, bell_m3u8_change *change);

/* The key to sign with: the first secret of that algorithm that is valid now and until *until_s; or else, of those valid now, the one that is so for
 * longest, whose end *until_s becomes. NULL: none is. */
const bell_signed_key *bell_hls_choose_key(const bell_signed_keys *keys, bell_signed_alg alg, int64_t now_s, int64_t *until_s);

/* When tokens end that begin now: in `lifetime_s` at most, and never behind `most_s` (0: no bound). It stays the same for an eighth of the lifetime,
 * and with it the token of one who asks again, so that what his client has kept by its address is found. */
int64_t bell_hls_until(int64_t now_s, int64_t lifetime_s, int64_t most_s);

/* What a target lost when a token was cut out of it: the parameters of its query (in `room`; "name=value&…"), or the component of its path
 * ("NAME=…/", *before is the path in front of it, that ends with "/"). All are empty for a target that lost nothing, or something else. */
void bell_hls_find_token(bell_str target, bell_str cut, bell_signed_room *room, bell_str *query, bell_str *before, bell_str *component);

#pragma GCC visibility pop

#endif
