/* The fields of a stored answer: which are kept (RFC 9111 3.1), the block of bytes that they are kept in, and what a 304 changes in it (3.2, 4.3.4).
 *
 * Fields that were meant for the cache itself (CDN-Cache-Control, Cache-Tag, …) are kept as well, because a 304 need not repeat them and freshness is
 * reckoned anew then; they are marked hidden and shown to nobody. */
#ifndef BELL_STORED_FIELDS_H
#define BELL_STORED_FIELDS_H

#include "bell_fields.h"

#pragma GCC visibility push(hidden)

#define BELL_STORED_NAME_MAX       255   /* bytes */
#define BELL_STORED_VALUE_MAX      65535 /* bytes of one line */
#define BELL_STORED_CONNECTION_MAX 8     /* lines of Connection */

typedef enum {
    BELL_STORED_NOT,    /* for one connection or one proxy; Set-Cookie; Age, which is reckoned anew; named by the rules */
    BELL_STORED_SHOWN,  /* goes to clients as it came */
    BELL_STORED_HIDDEN, /* for caches that stand where this one does: CDN-Cache-Control, Surrogate-Control, Cache-Scope, Cache-Tag, Surrogate-Key */
} bell_stored_class;

typedef struct {
    bool set_cookie; /* Set-Cookie is kept as any other field: an operator's word, for sites whose cookies say nothing of anybody */
    /* Lists of names that are not kept: what stands in no-cache="…" and private="…" (5.2.2.4, 5.2.2.7). */
    const bell_str *named;
    size_t nnamed;
} bell_stored_rules;

/* Without regard to Connection. A name that is no token is BELL_STORED_NOT. */
bell_stored_class bell_stored_class_of(const bell_stored_rules *rules, bell_str name);

/* Writes the block of an answer. Its bytes, 0 without fields; -1, and the answer is not to be stored: no room, a value with a line end or NUL in it,
 * or something past the bounds above. What Connection names is left out, as Connection is. */
long bell_stored_write(const bell_field_list *answer, const bell_stored_rules *rules, char *out, size_t room) __attribute__((warn_unused_result));

/* Writes the block that is true after a 304 (or a 206, or the answer to a HEAD): lines of `block` whose name the update does not have, in their
 * order, and behind them those of the update. The rules are asked of both. Not changed are Content-Length, Content-Encoding, Content-Range and
 * digests (Content-MD5, Content-Digest, …): they are about the bytes that are stored. Content-Type and all others are. Vary may be another one then:
 * who finds other names in it than before stores the answer under their key, for the request that was validated. Bytes or -1 as above; -1 also when
 * the block is damaged. `out` is not within the block. */
long bell_stored_update(bell_str block, const bell_field_list *update, const bell_stored_rules *rules, char *out, size_t room)
    __attribute__((warn_unused_result));

typedef struct {
    bell_str name; /* as it was sent */
    bell_str value;
    bool is_hidden;
} bell_stored_field;

/* The next line, which *rest moves past; texts point into it. false at the end, where *rest is empty, and where the bytes are no block, with *rest
 * not empty. Nothing outside of *rest is read, whatever it holds. */
bool bell_stored_next(bell_str *rest, bell_stored_field *field);
/* Whether all of it can be read, and shown: names that are tokens, values without line ends and NUL. */
bool bell_stored_is_sound(bell_str block);

/* bell_fields and bell_field_list over a block, hidden lines too: `data` is a bell_str. */
bool bell_stored_field_of(void *data, bell_str name, unsigned nth, bell_str *value);
bool bell_stored_field_at(void *data, unsigned i, bell_str *name, bell_str *value);

#pragma GCC visibility pop

#endif
