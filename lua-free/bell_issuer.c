#include "bell_issuer.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "bell_role.h"

struct bell_issuer {
    json_t *members; /* keeps the texts below */
    bell_jwks *keys;
    bell_str issuer, audience;
    const json_t *roles, *scopes; /* arrays of texts, or NULL */
    uint64_t id;
    size_t name_bytes;
    char name[BELL_ISSUER_NAME_BYTES];
};

static bell_str text_of(const json_t *v) {
    return json_is_string(v) ? (bell_str){json_string_value(v), json_string_length(v)} : BELL_STR_NULL;
}

static bool is_name(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-')) {
            return false;
        }
    }
    return s.len > 0 && s.len <= BELL_ISSUER_NAME_BYTES;
}

static bool take_text(const json_t *members, const char *name, bell_str *out) {
    *out = text_of(json_object_get(members, name));
    return out->len > 0 && out->len <= BELL_ISSUER_TEXT_BYTES;
}

/* A scope is a word without what would end it (RFC 6749, 3.3); a role one of ours. */
static bool is_scope(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\') {
            return false;
        }
    }
    return s.len > 0 && s.len <= 64;
}

/* Who runs the whole of Firstbell is nobody's but ours to name. */
static bool is_role(bell_str s) {
    return bell_role_is_name(s) && !bell_str_eq(s, BELL_STR("operator"));
}

static bool take_list(const json_t *members, const char *name, bool (*is_right)(bell_str), const json_t **out) {
    const json_t *list = json_object_get(members, name), *one;
    size_t i;

    *out = list;
    if (list == NULL) {
        return true;
    }
    if (!json_is_array(list) || json_array_size(list) > BELL_ISSUER_LIST_MAX) {
        return false;
    }
    json_array_foreach(list, i, one) {
        if (!is_right(text_of(one))) {
            return false;
        }
    }
    return true;
}

static bool hash(bell_issuer *i, bell_str text) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 && EVP_DigestUpdate(ctx, i->name, i->name_bytes) == 1 &&
                EVP_DigestUpdate(ctx, "", 1) == 1 && EVP_DigestUpdate(ctx, text.p, text.len) == 1 && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;

    EVP_MD_CTX_free(ctx);
    if (good) {
        memcpy(&i->id, digest, sizeof(i->id));
    }
    return good;
}

static const char *fill(bell_issuer *i, bell_str text) {
    const char *why = NULL;

    if (!json_is_object(i->members)) {
        return "it is not a JSON object, or a member stands there twice";
    }
    if (!take_text(i->members, "issuer", &i->issuer)) {
        return "\"issuer\" is missing or no text of 1 to 255 bytes";
    }
    if (!take_text(i->members, "audience", &i->audience)) {
        return "\"audience\" is missing or no text of 1 to 255 bytes";
    }
    if (!take_list(i->members, "roles", is_role, &i->roles)) {
        return "\"roles\" is no list of at most 16 names of roles, other than operator";
    }
    if (!take_list(i->members, "scopes", is_scope, &i->scopes)) {
        return "\"scopes\" is no list of at most 16 words";
    }
    i->keys = bell_jwks_parse(text, &why);
    if (i->keys == NULL) {
        return why;
    }
    if (i->keys->nkeys == 0) {
        return "none of its keys can be used: RSA of 2048 to 4096 bits, P-256 or Ed25519 are";
    }
    return hash(i, text) ? NULL : "out of memory";
}

bell_issuer *bell_issuer_parse(bell_str name, bell_str text, const char **why) {
    bell_issuer *i = is_name(name) ? calloc(1, sizeof(*i)) : NULL;

    if (i == NULL) {
        *why = is_name(name) ? "out of memory" : "its name has more than 32 bytes, or others than letters, digits, _, . and -";
        return NULL;
    }
    memcpy(i->name, name.p, name.len);
    i->name_bytes = name.len;
    i->members = text.len > 0 ? json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    *why = fill(i, text);
    if (*why != NULL) {
        bell_issuer_free(i);
        return NULL;
    }
    return i;
}

void bell_issuer_free(bell_issuer *i) {
    if (i == NULL) {
        return;
    }
    bell_jwks_free(i->keys);
    json_decref(i->members);
    free(i);
}

bell_str bell_issuer_name(const bell_issuer *i) {
    return (bell_str){i->name, i->name_bytes};
}

uint64_t bell_issuer_id(const bell_issuer *i) {
    return i->id;
}

static bool is_for(const json_t *aud, bell_str audience) {
    const json_t *one;
    size_t i;
    bool named = bell_str_eq(text_of(aud), audience);

    json_array_foreach(aud, i, one) {
        named = named || bell_str_eq(text_of(one), audience);
    }
    return named;
}

bell_jwt_verdict bell_issuer_verify(const bell_issuer *i, bell_str token, json_t **claims) {
    bell_jwa alg;
    bell_jwt_verdict v = bell_jwt_verify(i->keys, BELL_JWT_ACCESS_TOKEN, token, claims, &alg);

    if (v == BELL_JWT_OK && !bell_str_eq(text_of(json_object_get(*claims, "iss")), i->issuer)) {
        v = BELL_JWT_ISSUER;
    }
    if (v == BELL_JWT_OK && !is_for(json_object_get(*claims, "aud"), i->audience)) {
        v = BELL_JWT_AUDIENCE;
    }
    if (v != BELL_JWT_OK) {
        json_decref(*claims);
        *claims = NULL;
    }
    return v;
}

static bool has(const json_t *list, bell_str word) {
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one) {
        if (bell_str_eq(text_of(one), word)) {
            return true;
        }
    }
    return false;
}

bool bell_issuer_gives_role(const bell_issuer *i, bell_str role) {
    return has(i->roles, role);
}

bool bell_issuer_gives_scope(const bell_issuer *i, bell_str scope) {
    return has(i->scopes, scope);
}
