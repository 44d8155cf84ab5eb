/* Vary (RFC 9110 12.5.5) and the key of a variant (RFC 9111 4.1): which stored answer of a URL a request may have.
 *
 * Two requests have the same key when they say the same in every field that the answer varies on, by what these fields mean. Where a field is not
 * understood, or is not well-formed, its lines are compared as they were sent: such a request misses, it never gets another one's answer. */
#ifndef BELL_VARY_H
#define BELL_VARY_H

#include "bell_fields.h"

#pragma GCC visibility push(hidden)

#define BELL_VARY_NAMES_MAX     16
#define BELL_VARY_BYTES_MAX     512 /* of the names with the commas between them */
#define BELL_VARY_LANGUAGES_MAX 32  /* of an Accept-Language; one with more is compared as it was sent */

typedef enum {
    BELL_VARY_OK,        /* also without any name: one answer is for all */
    BELL_VARY_ANY,       /* "*" somewhere in the list: no other request may have this answer */
    BELL_VARY_LARGE,     /* past the bounds above */
    BELL_VARY_MALFORMED, /* a name that is no token */
} bell_vary_verdict;

/* The names in lower case, sorted, each one once, with commas between: what stands in an index and is compared there. */
typedef struct {
    unsigned count;
    size_t len;
    char names[BELL_VARY_BYTES_MAX];
} bell_vary;

/* Over all lines of an answer. With any other verdict than OK the answer is not to be stored. "*" is told before all others. */
bell_vary_verdict bell_vary_read(const bell_fields *answer, bell_vary *out) __attribute__((warn_unused_result));
static inline bell_str bell_vary_names(const bell_vary *v) {
    return (bell_str){v->names, v->len};
}

/* Codings of content that an operator's origins speak. */
enum { BELL_VARY_IDENTITY = 1, BELL_VARY_GZIP = 2, BELL_VARY_BR = 4, BELL_VARY_ZSTD = 8 };

typedef struct {
    /* Which codings beside identity are asked about; 0: all of the above. */
    unsigned codings;
    /* The languages that the site has, as tags of RFC 5646, the one to take first among equals in front. None: it is not known. */
    const bell_str *languages;
    size_t nlanguages;
    /* In place of what the request says of languages, whatever that is: see bell_vary_top_language(). */
    bell_str language;
} bell_vary_rules;

/* Writes the key: what the request says in the fields of these names (from bell_vary_names()). Bytes written; -1: no room, so not to be stored or
 * looked up. Different lists of names never give the same bytes. A field that is absent is something else than one that is empty.
 *   Accept-Encoding: the set of codings with a weight above 0, out of those that the rules ask about (RFC 9110 12.5.3); x-gzip is gzip.
 *   Accept-Language: the ranges in the order of their weights, in lower case; those of the same weight sorted (12.5.4). Where the site's languages
 *     are known: the one of them that the request likes best (RFC 4647 3.3.1 and 3.4), the first among equals, or none.
 *   Cookie and Authorization: as they were sent, lines of Cookie joined with "; " (RFC 9113 8.2.3).
 *   Others: lines joined with commas (RFC 9110 5.2), without the blanks around commas that are not quoted; letters are not folded. */
long bell_vary_key(bell_str names, const bell_vary_rules *rules, const bell_fields *request, char *out, size_t room)
    __attribute__((warn_unused_result));

/* Whether a key of these names holds what is nobody else's business: the values of Cookie or Authorization. Who keeps such a key, on disk or in
 * memory, keeps its hash in its place. */
bool bell_vary_has_secrets(bell_str names);

/* Whether an answer that varies on Accept-Encoding may be stored under these rules: its Content-Encoding is empty, identity or a single coding that
 * the rules ask about. Another one would be given to clients that never said they take it. */
bool bell_vary_is_coding_known(const bell_vary_rules *rules, bell_str content_encoding);

/* A tag of RFC 5646, as far as its bytes go: one that may stand in bell_vary_rules.language. */
bool bell_vary_is_language(bell_str tag);
/* The one language that a request likes best, in lower case: false when it names none, "*" or several alike. An answer with that Content-Language,
 * kept under a key written with it as bell_vary_rules.language too, is what the origin would choose for this request. */
bool bell_vary_top_language(const bell_fields *request, char *out, size_t room, bell_str *language);

#pragma GCC visibility pop

#endif
