/* "catif": {claim: [status, {field: value}, key id]} says how to answer when that claim fails. Only a redirect is followed: its Location is text, or
 * a text and the claims of a token that is signed with that key and stands behind it. What cannot be done is left out: the request is refused all the
 * same. */
#include "bell_cat_parts.h"

#define LOCATION_MAX_BYTES 2048

/* The value of a whole number in a map; empty: none. */
static bell_str value_of(bell_str map, int64_t label) {
    bell_cbor_item head, key;
    bell_str value;
    int64_t here;

    if (bell_cbor_next(&map, &head) && head.type == BELL_CBOR_MAP) {
        for (uint64_t n = head.n; n > 0 && bell_cbor_next(&map, &key) && bell_cbor_take(&map, &value); n--) {
            if (bell_cbor_to_i64(&key, &here) && here == label) {
                return value;
            }
        }
    }
    return BELL_STR_NULL;
}

static bell_str location_of(bell_str fields) {
    bell_cbor_item head, key;
    bell_str value;

    if (bell_cbor_next(&fields, &head) && head.type == BELL_CBOR_MAP) {
        for (uint64_t n = head.n; n > 0 && bell_cbor_next(&fields, &key) && bell_cbor_take(&fields, &value); n--) {
            if (key.type == BELL_CBOR_TEXT && bell_str_ieq(key.text, BELL_STR("Location"))) {
                return value;
            }
        }
    }
    return BELL_STR_NULL;
}

/* An address of the web, or a path of this host; printable, so that it can stand in a field. */
static bool is_location(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~') {
            return false;
        }
    }
    return s.len <= LOCATION_MAX_BYTES &&
           (bell_str_starts(s, BELL_STR("https://")) || bell_str_starts(s, BELL_STR("http://")) || bell_str_starts(s, BELL_STR("/")));
}

/* Claims that are given, and who issues it, when and by which version, where they are silent about that. */
static bell_str complete(const bell_cat_token *t, bell_str given) {
    bell_str rest = given, issuer = t->options->issuer;
    unsigned char head[BELL_CBOR_HEAD_MAX];
    bool iss = value_of(given, CAT_ISS).len == 0 && issuer.len > 0, iat = value_of(given, CAT_IAT).len == 0, v = value_of(given, CAT_V).len == 0;
    bell_cbor_item map;
    cat_writer w;

    if (!bell_cbor_next(&rest, &map) || map.type != BELL_CBOR_MAP || !cat_writer_of(t->call->room, given.len + issuer.len + 64, &w)) {
        return BELL_STR_NULL;
    }
    size_t n = cbor_encode_map_start(map.n + iss + iat + v, head, sizeof(head));
    cat_put(&w, head, n);
    cat_put_str(&w, rest);
    if (iss) {
        cat_put_uint(&w, CAT_ISS);
        n = cbor_encode_string_start(issuer.len, head, sizeof(head));
        cat_put(&w, head, n);
        cat_put_str(&w, issuer);
    }
    if (iat) {
        cat_put_uint(&w, CAT_IAT);
        cat_put_uint(&w, (uint64_t)t->call->request->now_s);
    }
    if (v) {
        cat_put_uint(&w, CAT_V);
        cat_put_uint(&w, 1);
    }
    return cat_written(&w);
}

static bell_str with_token(const bell_cat_token *t, bell_str location, bell_str claims, bell_str kid) {
    const bell_signed_key *key = kid.len > 0 ? bell_signed_find(t->call->keys, kid, t->call->request->now_s) : NULL;
    bell_str given = key != NULL ? complete(t, claims) : BELL_STR_NULL, token = given.p != NULL ? bell_cat_mint(t->call->room, key, given) : given;
    cat_writer w;

    if (token.p == NULL || !cat_writer_of(t->call->room, location.len + token.len, &w)) {
        return BELL_STR_NULL;
    }
    cat_put_str(&w, location);
    cat_put_str(&w, token);
    return cat_written(&w);
}

/* [text, claims] */
static bell_str built(const bell_cat_token *t, bell_str value, bell_str kid) {
    bell_cbor_item item, text;
    bell_str claims;

    if (!bell_cbor_next(&value, &item) || item.type != BELL_CBOR_ARRAY || item.n != 2 || !bell_cbor_next(&value, &text) ||
        text.type != BELL_CBOR_TEXT || !is_location(text.text) || !bell_cbor_take(&value, &claims)) {
        return BELL_STR_NULL;
    }
    return with_token(t, text.text, claims, kid);
}

void bell_cat_foreseen(bell_cat_token *t, int64_t failed) {
    bell_str answer = value_of(bell_cat_claim(t, CAT_IF), failed), fields, value, text;
    bell_cbor_item list, code, kid = {.type = BELL_CBOR_OTHER};

    if (!bell_cbor_next(&answer, &list) || list.type != BELL_CBOR_ARRAY || list.n < 2 || list.n > 3 || !bell_cbor_next(&answer, &code) ||
        code.type != BELL_CBOR_UINT || !bell_cat_is_redirect(code.n) || !bell_cbor_take(&answer, &fields) ||
        (list.n == 3 && !bell_cbor_next(&answer, &kid))) {
        return;
    }
    value = location_of(fields);
    if (bell_cat_text(value, &text)) {
        t->out->redirect = is_location(text) ? text : BELL_STR_NULL;
    } else {
        t->out->redirect = built(t, value, kid.text);
    }
    t->out->redirect_status = t->out->redirect.len > 0 ? (unsigned)code.n : 0;
}
