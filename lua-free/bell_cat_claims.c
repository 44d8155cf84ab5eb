/* The claims of a token against a request, in the order of the table at the end. */
#include "bell_cat_parts.h"

#include "bell_signed_text.h"

#define PRIVATE_USE   (-65536) /* labels below are (RFC 8392, 9.1) */
#define DATE_MAX      9007199254740991LL
#define IPV4_TAG      52 /* RFC 9164 */
#define IPV6_TAG      54
#define VERSION       1
#define FIRST_CAT     CAT_REPLAY
#define CAT_PLACES_AT 8

enum { REPLAY_FREE, REPLAY_ONCE, REPLAY_NOTICED }; /* of "catreplay" */

unsigned bell_cat_place(int64_t label) {
    if (label >= CAT_ISS && label <= CAT_CTI) {
        return (unsigned)label;
    }
    if ((label >= CAT_REPLAY && label <= CAT_GEO) || label == CAT_IF || label == CAT_R) {
        return (unsigned)(label - FIRST_CAT) + CAT_PLACES_AT;
    }
    return 0;
}

/* Claims for private use mean nothing here, but none may be there twice. */
typedef struct {
    int64_t labels[BELL_CBOR_PAIRS_MAX];
    size_t n;
    bool unknown; /* a claim that is neither known nor private */
} others;

static bool add_other(others *o, bool is_number, int64_t label) {
    for (size_t i = 0; is_number && i < o->n; i++) {
        if (o->labels[i] == label) {
            return false;
        }
    }
    o->unknown = o->unknown || !is_number || label >= PRIVATE_USE;
    o->labels[o->n] = label;
    o->n += is_number;
    return true;
}

static bool collect_one(bell_cat_token *t, bell_str *rest, others *o) {
    bell_cbor_item key;
    int64_t label = 0;
    bell_str value;

    if (!bell_cbor_next(rest, &key) || key.type > BELL_CBOR_TEXT || !bell_cbor_take(rest, &value)) {
        return false;
    }
    bool is_number = bell_cbor_to_i64(&key, &label);
    unsigned place = is_number ? bell_cat_place(label) : 0;
    if (place == 0) {
        return add_other(o, is_number, label);
    }
    bool first = t->claims[place].len == 0;
    t->claims[place] = value;
    return first;
}

bell_signed_reason bell_cat_collect(bell_cat_token *t) {
    bell_str rest = t->payload;
    others o;
    bell_cbor_item head;

    o.n = 0;
    o.unknown = false;
    if (!bell_cbor_next(&rest, &head) || head.type != BELL_CBOR_MAP || head.n > BELL_CBOR_PAIRS_MAX) {
        return BELL_SIGNED_MALFORMED;
    }
    for (uint64_t i = 0; i < head.n; i++) {
        if (!collect_one(t, &rest, &o)) {
            return BELL_SIGNED_MALFORMED;
        }
    }
    if (rest.len > 0) {
        return BELL_SIGNED_MALFORMED;
    }
    return o.unknown ? BELL_SIGNED_UNSUPPORTED : BELL_SIGNED_OK;
}

/* ---- values */

bool bell_cat_text(bell_str whole, bell_str *out) {
    bell_cbor_item item;

    if (!bell_cbor_is(whole, BELL_CBOR_TEXT, &item)) {
        return false;
    }
    *out = item.text;
    return true;
}

bool bell_cat_uint(bell_str whole, uint64_t max, uint64_t *out) {
    bell_cbor_item item;

    if (!bell_cbor_is(whole, BELL_CBOR_UINT, &item) || item.n > max) {
        return false;
    }
    *out = item.n;
    return true;
}

/* Unix seconds, whole or not (RFC 7519's NumericDate); rounded up, so that "now is before it" means the same in whole seconds. */
static bool date_of(bell_str whole, int64_t *out) {
    bell_cbor_item item;

    if (!bell_cbor_next(&whole, &item)) {
        return false;
    }
    if (item.type != BELL_CBOR_FLOAT) {
        return bell_cbor_to_i64(&item, out) && *out <= DATE_MAX && *out >= -DATE_MAX;
    }
    if (!(item.number <= (double)DATE_MAX && item.number >= -(double)DATE_MAX)) {
        return false; /* also what is no number */
    }
    *out = (int64_t)item.number;
    *out += (double)*out < item.number;
    return true;
}

typedef bool fits(const bell_cat_token *t, bell_str text);

/* Whether one of an array of texts (of bytes as well) fits: 1, 0, -1 for other shapes. All are looked at: the shape does not depend on the request.
 */
static int one_fits(const bell_cat_token *t, bell_str array, fits *f) {
    bell_cbor_item item;
    int found = 0;

    if (!bell_cbor_next(&array, &item) || item.type != BELL_CBOR_ARRAY) {
        return -1;
    }
    for (uint64_t left = item.n; left > 0; left--) {
        if (!bell_cbor_next(&array, &item) || (item.type != BELL_CBOR_TEXT && item.type != BELL_CBOR_BYTES)) {
            return -1;
        }
        found |= f(t, item.text);
    }
    return found;
}

static bell_signed_reason verdict(int found, bell_signed_reason otherwise) {
    if (found < 0) {
        return BELL_SIGNED_MALFORMED;
    }
    return found > 0 ? BELL_SIGNED_OK : otherwise;
}

/* ---- claims; an empty value: the claim is not there */

static bell_signed_reason hold_version(bell_cat_token *t, bell_str v) {
    uint64_t version;

    (void)t;
    return bell_cat_uint(v, UINT64_MAX, &version) && version == VERSION ? BELL_SIGNED_OK : BELL_SIGNED_VERSION;
}

static bell_signed_reason hold_issuer(bell_cat_token *t, bell_str v) {
    bell_str issuer = BELL_STR_NULL;

    if (v.len > 0 && !bell_cat_text(v, &issuer)) {
        return BELL_SIGNED_MALFORMED;
    }
    return t->options->issuer.len == 0 || bell_str_eq(issuer, t->options->issuer) ? BELL_SIGNED_OK : BELL_SIGNED_ISSUER;
}

static bool is_audience(const bell_cat_token *t, bell_str text) {
    for (size_t i = 0; i < t->options->naudiences; i++) {
        if (bell_str_eq(t->options->audiences[i], text)) {
            return true;
        }
    }
    return false;
}

static bell_signed_reason hold_audience(bell_cat_token *t, bell_str v) {
    bell_str one;

    return verdict(bell_cat_text(v, &one) ? is_audience(t, one) : one_fits(t, v, is_audience), BELL_SIGNED_AUDIENCE);
}

static bell_signed_reason hold_end(bell_cat_token *t, bell_str v) {
    int64_t end;

    if (v.len == 0) {
        return BELL_SIGNED_EXPIRED;
    }
    if (!date_of(v, &end)) {
        return BELL_SIGNED_MALFORMED;
    }
    t->out->expires_s = end;
    return t->call->request->now_s >= end ? BELL_SIGNED_EXPIRED : BELL_SIGNED_OK;
}

static bell_signed_reason hold_begin(bell_cat_token *t, bell_str v) {
    int64_t begin;

    if (!date_of(v, &begin)) {
        return BELL_SIGNED_MALFORMED;
    }
    return t->call->request->now_s < begin ? BELL_SIGNED_NOT_YET : BELL_SIGNED_OK;
}

static bell_signed_reason hold_issued(bell_cat_token *t, bell_str v) {
    int64_t when;

    (void)t;
    return date_of(v, &when) ? BELL_SIGNED_OK : BELL_SIGNED_MALFORMED;
}

static bell_signed_reason hold_subject(bell_cat_token *t, bell_str v) {
    bell_str subject;

    if (!bell_cat_text(v, &subject) || !bell_signed_is_text(subject)) { /* an upstream may be told it in a field */
        return BELL_SIGNED_MALFORMED;
    }
    t->out->subject = subject;
    return BELL_SIGNED_OK;
}

static bell_signed_reason hold_id(bell_cat_token *t, bell_str v) {
    bell_cbor_item item;

    (void)t;
    return bell_cbor_is(v, BELL_CBOR_BYTES, &item) ? BELL_SIGNED_OK : BELL_SIGNED_MALFORMED;
}

/* The probability with which a token is to be refused: libraries write it in different ways, and only "never" is the same in all. */
static bell_signed_reason hold_probability(bell_cat_token *t, bell_str v) {
    bell_cbor_item item;

    (void)t;
    if (!bell_cbor_next(&v, &item)) {
        return BELL_SIGNED_MALFORMED;
    }
    bool never = (item.type == BELL_CBOR_UINT && item.n == 0) || (item.type == BELL_CBOR_FLOAT && item.number == 0);
    return never ? BELL_SIGNED_OK : BELL_SIGNED_UNSUPPORTED;
}

static bell_signed_reason hold_uri(bell_cat_token *t, bell_str v) {
    return bell_cat_uri(v, t->call->request, t->out->target);
}

static bool is_method(const bell_cat_token *t, bell_str text) {
    return bell_str_ieq(text, t->call->request->method);
}

static bell_signed_reason hold_method(bell_cat_token *t, bell_str v) {
    return verdict(one_fits(t, v, is_method), BELL_SIGNED_METHOD);
}

static bool is_country(const bell_cat_token *t, bell_str text) {
    return bell_str_ieq(text, t->call->request->country);
}

static bell_signed_reason hold_country(bell_cat_token *t, bell_str v) {
    int found = one_fits(t, v, is_country);

    return verdict(found > 0 ? t->call->request->country.len > 0 : found, BELL_SIGNED_COUNTRY);
}

static bool is_protocol(const bell_cat_token *t, bell_str text) {
    return bell_str_eq(text, t->call->request->alpn);
}

static bell_signed_reason hold_protocol(bell_cat_token *t, bell_str v) {
    if (t->call->request->alpn.len == 0) {
        return BELL_SIGNED_UNSUPPORTED;
    }
    return verdict(one_fits(t, v, is_protocol), BELL_SIGNED_HEADER);
}

/* Each field of that name must match, or a second one would be taken by somebody behind us. */
static bell_signed_reason hold_field(const bell_signed_request *r, bell_str name, bell_str matches) {
    bell_signed_reason reason = BELL_SIGNED_OK;
    bell_str value;
    unsigned n = 0;

    for (; reason == BELL_SIGNED_OK && r->field(r->data, name, n, &value); n++) {
        reason = bell_cat_match(matches, value, CAT_AS_IS);
    }
    return n == 0 ? BELL_SIGNED_RESOURCE : reason;
}

static bell_signed_reason hold_fields(bell_cat_token *t, bell_str v) {
    bell_cbor_item head, name;
    bell_str matches;

    if (!bell_cbor_next(&v, &head) || head.type != BELL_CBOR_MAP || head.n == 0) {
        return BELL_SIGNED_MALFORMED;
    }
    for (uint64_t i = 0; i < head.n; i++) {
        if (!bell_cbor_next(&v, &name) || !bell_cbor_take(&v, &matches) || name.type != BELL_CBOR_TEXT || name.text.len == 0) {
            return BELL_SIGNED_MALFORMED;
        }
        bell_signed_reason r = hold_field(t->call->request, name.text, matches);
        if (r != BELL_SIGNED_OK) {
            return r == BELL_SIGNED_RESOURCE ? BELL_SIGNED_HEADER : r;
        }
    }
    return BELL_SIGNED_OK;
}

/* ---- catnip */

/* Zero bytes at the end of a prefix may be left out (RFC 9164, 3.1.2). */
static bool is_in_prefix(const bell_address *a, bell_str prefix, uint64_t bits) {
    for (size_t i = 0; i * 8 < bits; i++) {
        unsigned here = bits - i * 8 < 8 ? (unsigned)(bits - i * 8) : 8;
        unsigned mask = 0xffU << (8 - here) & 0xffU;
        unsigned want = i < prefix.len ? (unsigned char)prefix.p[i] : 0;
        if (((a->bytes[i] ^ want) & mask) != 0) {
            return false;
        }
    }
    return true;
}

static int network_holds(const bell_address *a, uint64_t tag, bell_str value) {
    size_t bytes = tag == IPV4_TAG ? 4 : 16;
    sa_family_t family = tag == IPV4_TAG ? AF_INET : AF_INET6;
    uint64_t bits = bytes * 8;
    bell_cbor_item item;

    if ((tag != IPV4_TAG && tag != IPV6_TAG) || !bell_cbor_next(&value, &item)) {
        return -1;
    }
    bool whole = item.type != BELL_CBOR_ARRAY;
    if (!whole && (item.n != 2 || !bell_cbor_next(&value, &item) || item.type != BELL_CBOR_UINT || item.n > bits)) {
        return -1;
    }
    bits = whole ? bits : item.n;
    if (!whole && !bell_cbor_next(&value, &item)) {
        return -1;
    }
    if (item.type != BELL_CBOR_BYTES || item.text.len > bytes || (whole && item.text.len != bytes)) {
        return -1;
    }
    return a->family == family && is_in_prefix(a, item.text, bits);
}

static bell_signed_reason hold_network(bell_cat_token *t, bell_str v) {
    const bell_signed_request *r = t->call->request;
    bell_cbor_item item;
    bell_str entry;
    int found = 0, one;

    if (!bell_cbor_next(&v, &item) || item.type != BELL_CBOR_ARRAY) {
        return BELL_SIGNED_MALFORMED;
    }
    for (uint64_t left = item.n; bell_cbor_each(&v, &left, &entry);) {
        if (!bell_cbor_next(&entry, &item)) {
            return BELL_SIGNED_MALFORMED;
        }
        if (item.type == BELL_CBOR_UINT) {
            one = r->asn != 0 && item.n == r->asn;
        } else {
            one = item.type == BELL_CBOR_TAG ? network_holds(&r->client, item.n, entry) : -1;
        }
        if (one < 0) {
            return BELL_SIGNED_MALFORMED;
        }
        found |= one;
    }
    return found ? BELL_SIGNED_OK : BELL_SIGNED_ADDRESS;
}

/* ---- the rest */

static bell_signed_reason hold_map(bell_cat_token *t, bell_str v) {
    bell_cbor_item item;

    (void)t;
    return bell_cbor_is(v, BELL_CBOR_MAP, &item) ? BELL_SIGNED_OK : BELL_SIGNED_MALFORMED;
}

static bell_signed_reason hold_replay(bell_cat_token *t, bell_str v) {
    if (!bell_cat_uint(v, UINT64_MAX, &t->replay)) {
        return BELL_SIGNED_MALFORMED;
    }
    return t->replay <= REPLAY_NOTICED && (t->replay == REPLAY_FREE || t->options->use != NULL) ? BELL_SIGNED_OK : BELL_SIGNED_UNSUPPORTED;
}

/* The signature is over the claims; around them a stranger can write the same token in other bytes. An id without bytes is none. */
bell_signed_reason bell_cat_use_up(bell_cat_token *t) {
    bell_signed_use use = {.once = t->replay == REPLAY_ONCE, .key = t->key, .id = t->payload, .expires_s = t->out->expires_s};
    bell_cbor_item item;

    if (t->replay == REPLAY_FREE) {
        return BELL_SIGNED_OK;
    }
    if (bell_cbor_is(bell_cat_claim(t, CAT_CTI), BELL_CBOR_BYTES, &item) && item.text.len > 0) {
        use.is_named = true;
        use.id = item.text;
    }
    return t->options->use(t->options->data, &use);
}

/* Who the token is of and when it holds come before what it is for. */
static const struct {
    int64_t label;
    bool always; /* is asked without the claim as well */
    bell_signed_reason (*hold)(bell_cat_token *t, bell_str value);
} claims[] = {
    {CAT_V, false, hold_version},   {CAT_ISS, true, hold_issuer},     {CAT_AUD, false, hold_audience},    {CAT_EXP, true, hold_end},
    {CAT_NBF, false, hold_begin},   {CAT_IAT, false, hold_issued},    {CAT_SUB, false, hold_subject},     {CAT_CTI, false, hold_id},
    {CAT_IF, false, hold_map},      {CAT_R, false, bell_cat_renewal}, {CAT_POR, false, hold_probability}, {CAT_U, false, hold_uri},
    {CAT_M, false, hold_method},    {CAT_NIP, false, hold_network},   {CAT_ALPN, false, hold_protocol},   {CAT_H, false, hold_fields},
    {CAT_GEO, false, hold_country}, {CAT_REPLAY, false, hold_replay},
};

bell_signed_reason bell_cat_hold(bell_cat_token *t, int64_t *failed) {
    for (size_t i = 0; i < sizeof(claims) / sizeof(*claims); i++) {
        bell_str value = bell_cat_claim(t, claims[i].label);
        if (value.len == 0 && !claims[i].always) {
            continue;
        }
        bell_signed_reason r = claims[i].hold(t, value);
        if (r != BELL_SIGNED_OK) {
            *failed = claims[i].label;
            return r;
        }
    }
    return BELL_SIGNED_OK;
}
