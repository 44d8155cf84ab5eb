/* Signed requests: what the verifiers of each issuer share. A request carries a token (in its URL, a cookie or a header) which somebody signed who
 * knows a key; a verifier says whether that token allows this request, now. One function for each kind of issuer (bell_cloudfront.h, bell_akamai.h,
 * …), all of the same form, so that several stand side by side at one place: BELL_SIGNED_MISSING means that another one may be asked.
 *
 * Everything is compared as it was received: the raw request target, never a decoded or normalized form of it. Signatures are verified before what
 * they cover is parsed. A verifier allocates nothing that outlives it; what it needs comes from the caller's room, and a request that does not fit
 * there is malformed. */
#ifndef BELL_SIGNED_H
#define BELL_SIGNED_H

#include <netinet/in.h>

#include "bell_signed_key.h"

#pragma GCC visibility push(hidden)

/* The vocabulary of reasons: for metrics, logs and variables. The client is told none of it. */
typedef enum {
    BELL_SIGNED_OK,
    BELL_SIGNED_MISSING, /* no token of this kind */
    BELL_SIGNED_MALFORMED,
    BELL_SIGNED_ALGORITHM, /* one that is not accepted, or not the key's */
    BELL_SIGNED_KEY,       /* unknown, or out of its window */
    BELL_SIGNED_SIGNATURE,
    BELL_SIGNED_EXPIRED, /* at the second of the end already */
    BELL_SIGNED_NOT_YET,
    BELL_SIGNED_RESOURCE, /* the token is for another one */
    BELL_SIGNED_PATH,     /* dot segments and their like: served would be another object than the text names */
    BELL_SIGNED_ADDRESS,
    BELL_SIGNED_METHOD,
    BELL_SIGNED_HEADER,
    BELL_SIGNED_COUNTRY,
    BELL_SIGNED_ISSUER,
    BELL_SIGNED_AUDIENCE,
    BELL_SIGNED_VERSION,
    BELL_SIGNED_REPLAYED,    /* it counts once, and was used */
    BELL_SIGNED_FULL,        /* it counts once, and there is no room to remember that it was used */
    BELL_SIGNED_UNSUPPORTED, /* a claim that nobody here understands */
    BELL_SIGNED_TENANT,
    BELL_SIGNED_REASONS
} bell_signed_reason;

/* "ok", "missing", … */
const char *bell_signed_reason_name(bell_signed_reason r);

typedef struct {
    sa_family_t family; /* AF_INET, AF_INET6, or 0: unknown; an IPv4-mapped IPv6 address is given as IPv4 */
    unsigned char bytes[16];
} bell_address;

/* Text of either family; false for others. Mapped IPv4 becomes IPv4. */
bool bell_address_parse(bell_str text, bell_address *out);
/* "ADDRESS" or "ADDRESS/BITS". 1 inside, 0 not, -1 malformed (host bits that are set are no fault). */
int bell_address_is_inside(const bell_address *a, bell_str network);

typedef struct {
    bell_str method;
    bell_str scheme; /* lower case: what the client used, as the operator says */
    bell_str host;   /* lower case, as in the request, with a port that is not the scheme's own */
    bell_str target; /* raw, in origin form: path, and query if any */
    bell_address client;
    bell_str country;   /* ISO 3166-1 alpha-2 of the client; empty: not known */
    uint32_t asn;       /* of the client's network; 0: not known */
    bell_str alpn;      /* the protocol that TLS agreed on, "h2" or "http/1.1"; empty: not known */
    int64_t now_s;      /* Unix seconds */
    uint32_t tenant_id; /* 0 without a directory */
    /* The nth (from 0) field of that name, compared without case, with its value trimmed; false when there is none. */
    bool (*field)(void *data, bell_str name, unsigned nth, bell_str *value);
    void *data;
} bell_signed_request;

/* Memory that a verifier takes pieces of, one behind the other. Its start is the caller's to set back. */
typedef struct {
    char *p;
    size_t left;
} bell_signed_room;

/* NULL when it is used up. Not aligned. */
char *bell_signed_take(bell_signed_room *room, size_t bytes);

/* For those who keep verdicts on public-key signatures (bell_sigcache.h); with NULLs OpenSSL is asked each time. `spelled` is what a verdict is kept
 * under besides key, algorithm and bytes: the signature, or the text that it stands in, so that a known one need not be decoded again; empty when it
 * is not to be kept. */
typedef struct {
    /* Whether they are right: in place of OpenSSL, or asking it. */
    bool (*verify)(void *data, const bell_signed_key *key, bell_signed_alg alg, bell_str bytes, bell_str signature, bell_str spelled);
    /* Whether they were right before. */
    bool (*known)(void *data, const bell_signed_key *key, bell_signed_alg alg, bell_str bytes, bell_str spelled);
    void *data;
} bell_signed_verifier;

/* The use of a token that says how often it may be used, once all else that it says holds. */
typedef struct {
    bool once;                  /* false: it counts every time, and that it was used before is to be noticed */
    const bell_signed_key *key; /* ids of tokens are unique for an issuer only */
    bool is_named;              /* `id` is the token's id, any bytes; otherwise all of its claims, as they are signed: they have no other spelling */
    bell_str id;
    int64_t expires_s; /* Unix seconds: it need not be remembered longer */
} bell_signed_use;

/* What a verifier is called with besides its own options. */
typedef struct {
    const bell_signed_request *request;
    const bell_signed_keys *keys; /* of this issuer and tenant */
    bell_signed_verifier verifier;
    bell_signed_room *room;
} bell_signed_call;

/* What it finds. Texts point into the request, the keys or the room; empty: none. Filled as far as the reason lets: the key from SIGNATURE on, claims
 * only behind a signature that holds. */
typedef struct {
    bell_str target;   /* the request's without what belongs to the token; always set but with MISSING */
    bell_str key_id;   /* of the key that the token names or that was found right */
    bell_str token;    /* that which is secret about the request: for a hash in logs */
    bell_str subject;  /* who, or which session, as the issuer has it */
    bell_str data;     /* the issuer's own words (Akamai "data", Media CDN "Data") */
    int64_t expires_s; /* Unix seconds; 0: never */
    /* a renewal that the token asks for, and that the caller sends: at most one of them */
    bell_str set_cookie; /* the value of a Set-Cookie field */
    bell_str field_name, field_value;
    bell_str redirect; /* a target, with redirect_status; or, with a refusal, the URI that the token itself names for that case */
    unsigned redirect_status;
} bell_signed_result;

/* ---- parts that the verifiers share */

/* Whether the path is served as the object that its text names: it begins with "/" and has no segment "." or "..", plain or encoded, also between
 * encoded slashes or backslashes and before ";"; no "#" (nor has the query), no backslash, no control byte, plain or encoded; every "%" begins an
 * escape. Empty segments are no fault. */
bool bell_signed_is_plain_target(bell_str target);

/* The next "name=value" of a query that is not empty; false at its end. */
bool bell_signed_next_pair(bell_str *query, bell_str *pair, bell_str *name, bell_str *value);
/* A parameter of a query by its raw name, case sensitive: how often it is there; *value is the first one's, raw. */
unsigned bell_signed_param(bell_str query, bell_str name, bell_str *value);
/* The next "name=value" of a Cookie field, as sent, without the blanks around it; false at its end. */
bool bell_signed_next_cookie(bell_str *field, bell_str *name, bell_str *value);
/* A cookie by name, case sensitive, over all Cookie fields: how often it is there; *value is the first one's, as sent. */
unsigned bell_signed_cookie(const bell_signed_request *r, bell_str name, bell_str *value);
/* Splits a target; *has_query tells "/a?" from "/a". */
void bell_signed_split(bell_str target, bell_str *path, bell_str *query, bool *has_query);
/* The target without the parameters of these names (raw, case sensitive), the others in their order, empty ones too; without any left, without "?".
 * So it gives what a signer had who appended them behind "?" or "&". Points into the target where nothing is copied. NULL p: no room. */
bell_str bell_signed_strip(bell_signed_room *room, bell_str target, const bell_str *names, size_t nnames);

/* A pattern in which "*" stands for any run of bytes, "?" for one byte when `one` is set; in time of at most pattern times text. */
bool bell_signed_matches(bell_str pattern, bell_str text, bool one);

/* Keys of that id which are valid now, from the one numbered *i on (0 first): several may have one id, as in a key set. An id whose p is NULL stands
 * for any. NULL: no more. */
const bell_signed_key *bell_signed_next_key(const bell_signed_keys *keys, bell_str id, int64_t now_s, size_t *i);
/* The first of them: NULL when there is none, or no id. */
const bell_signed_key *bell_signed_find(const bell_signed_keys *keys, bell_str id, int64_t now_s);
/* Asks the verifier, or OpenSSL; false also for an algorithm that is not the key's. */
bool bell_signed_verify(const bell_signed_call *call, const bell_signed_key *key, bell_signed_alg alg, bell_str bytes, bell_str signature);
/* The same of a signature that stands in a text with hardly another spelling: the verdict is kept under that. */
bool bell_signed_verify_spelled(const bell_signed_call *call, const bell_signed_key *key, bell_signed_alg alg, bell_str bytes, bell_str signature,
                                bell_str spelled);
/* Whether it would say so without a look at the signature. */
bool bell_signed_is_known(const bell_signed_call *call, const bell_signed_key *key, bell_signed_alg alg, bell_str bytes, bell_str spelled);

/* Decimal Unix seconds: 1 to 10 digits without a leading zero. */
bool bell_signed_seconds(bell_str text, int64_t *out);

#pragma GCC visibility pop

#endif
