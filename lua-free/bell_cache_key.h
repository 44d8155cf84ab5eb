/* The key of a stored answer (RFC 9111, section 2): who may share it, what was asked for, and of whom.
 *
 * Safe by construction: tenant, scope and host are in every key, each text with its length in front, so that no two different questions ever give the
 * same bytes, whatever strangers put into a URL. Questions that ask for the same thing in two spellings give the same bytes where RFC 3986 6.2.2 says
 * that they are the same, and where an operator's rules for queries say so.
 *
 * The bytes are found by a keyed hash of 128 bits (bell_siphash128) and trusted when they are equal. */
#ifndef BELL_CACHE_KEY_H
#define BELL_CACHE_KEY_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

/* Who an answer is for. Without a word of the origin's an answer to a request that is somebody's is not stored at all. */
typedef enum {
    BELL_CACHE_PUBLIC = 1, /* everybody of the tenant */
    BELL_CACHE_ROLE,       /* those who have one role */
    BELL_CACHE_SUBJECT,    /* one person */
} bell_cache_scope;

/* Classes of methods (RFC 9110, 9.2). */
typedef enum {
    BELL_CACHE_READ = 1, /* GET and HEAD: answered from one stored answer */
    BELL_CACHE_SAFE,     /* changes nothing, and is not stored: OPTIONS, TRACE, and the registered ones that only read */
    BELL_CACHE_UNSAFE,   /* all others, those that nobody knows too (RFC 9111, 4.4) */
} bell_cache_method;

/* Methods are case sensitive. */
bell_cache_method bell_cache_method_of(bell_str method);

typedef struct {
    uint32_t tenant_id; /* 0 without a directory */
    bell_cache_method method;
    bell_cache_scope scope;
    bell_str who;    /* the role or the subject, as the edge has verified it; empty for BELL_CACHE_PUBLIC, and for no other */
    bell_str scheme; /* empty: the answer is the same for all schemes, as with origins that are not told */
    bell_str origin; /* who is asked, in the caller's words: one address may lead to several, by the listener or the rule that it came through */
    bell_str host; /* what was asked, not the tenant's first name: two names of one tenant may be two sites. With a port that is not the usual one */
    bell_str target;     /* as received, in origin form: path, and query if any */
    uint64_t part_first; /* of a part of it (bell_range.h), which is an answer of its own, that one who asks for the whole never finds: */
    uint64_t part_bytes; /* its first byte, and how long parts are; 0: the whole */
} bell_cache_question;

/* Rules for queries. Names are compared behind the normalisation of escapes, case sensitive; a name that ends in "*" stands for all that begin so. */
typedef struct {
    const bell_str *drop; /* parameters that change nothing: "utm_*", "fbclid" */
    size_t ndrop;
    const bell_str *keep; /* when there are any: all others change nothing */
    size_t nkeep;
    bool sort;          /* by name; the order of those with equal names stays. Empty pairs go. A query past the bounds below stays as it is */
    bool empty_is_none; /* "/a?" is "/a" */
} bell_cache_query_rules;

#define BELL_CACHE_SORTED_PAIRS_MAX 64
#define BELL_CACHE_SORTED_BYTES_MAX 4096

/* Writes the bytes of a key: at most 40 more than the five texts have. Their number; -1: not to be stored or looked up, because there is no room, the
 * method is not BELL_CACHE_READ, `who` does not fit the scope, or bell_cache_target_write() refuses. Without rules the target is one that
 * bell_cache_target_write() has written, and is taken as it is. */
long bell_cache_key_write(const bell_cache_question *asked, const bell_cache_query_rules *rules, char *out, size_t room)
    __attribute__((warn_unused_result));

/* What a key is of; the texts are parts of it. What stands behind a target, of a variant, is taken for its end. false: it is no key. */
bool bell_cache_key_read(bell_str key, bell_cache_question *asked) __attribute__((warn_unused_result));

/* The target alone in the one spelling that keys have: escapes of letters, digits, "-", ".", "_" and "~" are decoded, all others have digits in upper
 * case; nothing else is decoded ("%2F" stays apart from "/"). In a query a pair with a "%" that begins no escape stays as it is; without any pair
 * left by the rules there is no "?". At most as long as the target; on the way there it may need room for one byte
 * more. -1: no room; a path that does not begin with "/", has a segment "." or "..", plain or encoded, or a "%" that begins no escape; blanks,
 * control bytes or "#". */
long bell_cache_target_write(bell_str target, const bell_cache_query_rules *rules, char *out, size_t room) __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
