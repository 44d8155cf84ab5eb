/* What the files of bell_cat share; nobody else's. */
#ifndef BELL_CAT_PARTS_H
#define BELL_CAT_PARTS_H

#include "bell_cat.h"
#include "bell_cbor.h"

#include <cbor.h>

#pragma GCC visibility push(hidden)

/* Labels of claims (registry of CWT claims). */
enum {
    CAT_ISS = 1,
    CAT_SUB = 2,
    CAT_AUD = 3,
    CAT_EXP = 4,
    CAT_NBF = 5,
    CAT_IAT = 6,
    CAT_CTI = 7,
    CAT_REPLAY = 308,
    CAT_POR = 309,
    CAT_V = 310,
    CAT_NIP = 311,
    CAT_U = 312,
    CAT_M = 313,
    CAT_ALPN = 314,
    CAT_H = 315,
    CAT_GEO = 316,
    CAT_IF = 322,
    CAT_R = 323,
};

typedef enum { CAT_IN_QUERY, CAT_IN_FIELD, CAT_IN_COOKIE } bell_cat_carrier;

#define CAT_CLAIMS 24 /* places for claims: labels 1 to 7 and 308 to 323 */

typedef struct {
    const bell_signed_call *call;
    const bell_cat_options *options;
    bell_signed_result *out;
    bell_cat_carrier carrier;
    const bell_signed_key *key;
    bell_str payload;            /* the claims, a map */
    bell_str claims[CAT_CLAIMS]; /* their values as whole items; empty: not there */
    uint64_t replay;             /* "catreplay", once it was looked at */
} bell_cat_token;

/* The place of a claim; 0 for one that is not known. */
unsigned bell_cat_place(int64_t label);

static inline bell_str bell_cat_claim(const bell_cat_token *t, int64_t label) {
    return t->claims[bell_cat_place(label)];
}

/* Opens COSE and verifies it: t->key and t->payload. */
bell_signed_reason bell_cat_open(bell_cat_token *t, bell_str bytes);

/* Finds the claims of the payload, and holds them against the request. *failed is the claim that does not hold. */
bell_signed_reason bell_cat_collect(bell_cat_token *t);
bell_signed_reason bell_cat_hold(bell_cat_token *t, int64_t *failed);
/* Uses the token up, if it is one of those: behind all else. */
bell_signed_reason bell_cat_use_up(bell_cat_token *t);

/* A whole item of that type. */
bool bell_cat_text(bell_str whole, bell_str *out);
bool bell_cat_uint(bell_str whole, uint64_t max, uint64_t *out);

/* A map of matches against a text: OK, RESOURCE, MALFORMED or UNSUPPORTED. */
typedef enum { CAT_AS_IS, CAT_FOLDED, CAT_QUERY, CAT_FOLDER } bell_cat_compare;
bell_signed_reason bell_cat_match(bell_str matches, bell_str text, bell_cat_compare how);
/* "catu" against the request's URI with `target`. */
bell_signed_reason bell_cat_uri(bell_str claim, const bell_signed_request *r, bell_str target);

/* "catr": whether it is one; and fills the renewal of t->out when it is due. */
bell_signed_reason bell_cat_renewal(bell_cat_token *t, bell_str claim);
bell_signed_reason bell_cat_renew(bell_cat_token *t);
/* A status with a Location. */
bool bell_cat_is_redirect(uint64_t code);
/* "catif": fills t->out->redirect when it says where to go when that claim fails. */
void bell_cat_foreseen(bell_cat_token *t, int64_t failed);

/* Writes into a piece of the room; what does not fit makes it full, and nothing of it counts. */
typedef struct {
    char *p;
    size_t len, cap;
    bool full;
} cat_writer;

static inline bool cat_writer_of(bell_signed_room *room, size_t cap, cat_writer *w) {
    *w = (cat_writer){.p = bell_signed_take(room, cap), .cap = cap};
    return w->p != NULL;
}

static inline void cat_put(cat_writer *w, const void *p, size_t n) {
    if (n > w->cap - w->len) {
        w->full = true;
    } else if (n > 0) {
        memcpy(w->p + w->len, p, n);
        w->len += n;
    }
}

static inline void cat_put_str(cat_writer *w, bell_str s) {
    cat_put(w, s.p, s.len);
}

static inline void cat_put_uint(cat_writer *w, uint64_t v) {
    unsigned char head[BELL_CBOR_HEAD_MAX];
    size_t n = cbor_encode_uint(v, head, sizeof(head));

    cat_put(w, head, n);
}

static inline bell_str cat_written(const cat_writer *w) {
    return w->full ? BELL_STR_NULL : (bell_str){w->p, w->len};
}

#pragma GCC visibility pop

#endif
