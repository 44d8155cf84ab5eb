#include "origin/accounts/oidc/documents.h"

#include "origin/server/fetch_target.h"

#define ERROR_NAME_MAX 60

static bell_str text_of(const json_t *object, const char *name) {
    const json_t *v = json_object_get(object, name);
    return json_is_string(v) ? (bell_str){json_string_value(v), json_string_length(v)} : BELL_STR_NULL;
}

static json_t *parse_object(bell_str text) {
    json_t *v = text.len > 0 ? json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, NULL) : NULL;

    if (v != NULL && !json_is_object(v)) {
        json_decref(v);
        return NULL;
    }
    return v;
}

/* NULL when the member is no https URL. */
static const char *take_url(bell_arena *arena, const json_t *doc, const char *name) {
    bell_str url = text_of(doc, name);
    const char *copy = url.p != NULL && memchr(url.p, '\0', url.len) == NULL ? bell_arena_strdup(arena, url) : NULL;

    return copy != NULL && fb_fetch_url_is_https(copy, NULL) ? copy : NULL;
}

static bool supports_s256(const json_t *doc) {
    const json_t *methods = json_object_get(doc, "code_challenge_methods_supported"), *one;
    size_t i;

    json_array_foreach(methods, i, one) {
        if (json_is_string(one) && strcmp(json_string_value(one), "S256") == 0) {
            return true;
        }
    }
    return methods == NULL; /* not said; one that does not know PKCE passes over it */
}

static bool take_metadata(bell_arena *arena, const json_t *doc, const char *issuer, fb_oidc_metadata *out, const char **why) {
    if (doc == NULL) {
        *why = "its configuration is not a JSON object";
        return false;
    }
    if (!bell_str_eq(text_of(doc, "issuer"), bell_str_of(issuer))) {
        *why = "its configuration names another issuer";
        return false;
    }
    *out = (fb_oidc_metadata){.authorization_endpoint = take_url(arena, doc, "authorization_endpoint"),
                              .token_endpoint = take_url(arena, doc, "token_endpoint"),
                              .jwks_uri = take_url(arena, doc, "jwks_uri"),
                              .userinfo_endpoint = take_url(arena, doc, "userinfo_endpoint"),
                              .says_iss = json_is_true(json_object_get(doc, "authorization_response_iss_parameter_supported"))};
    if (out->authorization_endpoint == NULL || out->token_endpoint == NULL || out->jwks_uri == NULL) {
        *why = "its configuration lacks an https authorization_endpoint, token_endpoint or jwks_uri";
        return false;
    }
    if (!supports_s256(doc)) {
        *why = "it does not support PKCE with S256";
        return false;
    }
    return true;
}

bool fb_oidc_metadata_parse(bell_arena *arena, bell_str json, const char *issuer, fb_oidc_metadata *out, const char **why) {
    json_t *doc = parse_object(json);
    bool good = take_metadata(arena, doc, issuer, out, why);

    json_decref(doc);
    return good;
}

bool fb_oidc_metadata_copy(bell_arena *arena, const fb_oidc_metadata *in, fb_oidc_metadata *out) {
    *out = (fb_oidc_metadata){.authorization_endpoint = bell_arena_strdup(arena, bell_str_of(in->authorization_endpoint)),
                              .token_endpoint = bell_arena_strdup(arena, bell_str_of(in->token_endpoint)),
                              .jwks_uri = bell_arena_strdup(arena, bell_str_of(in->jwks_uri)),
                              .says_iss = in->says_iss};
    if (in->userinfo_endpoint != NULL) {
        out->userinfo_endpoint = bell_arena_strdup(arena, bell_str_of(in->userinfo_endpoint));
    }
    return out->authorization_endpoint != NULL && out->token_endpoint != NULL && out->jwks_uri != NULL &&
           (in->userinfo_endpoint == NULL || out->userinfo_endpoint != NULL);
}

const char *fb_oidc_error_name(bell_arena *arena, bell_str code) {
    char name[ERROR_NAME_MAX + 1];
    size_t n = 0;

    for (size_t i = 0; i < code.len && n < ERROR_NAME_MAX; i++) {
        char c = code.p[i], low = (char)(c | 0x20);
        if ((low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '_') {
            name[n++] = c;
        }
    }
    return n > 0 ? bell_arena_strdup(arena, (bell_str){name, n}) : NULL;
}

/* What goes into a header line must not hold more than one. */
static const char *take_token(bell_arena *arena, const json_t *doc, const char *name) {
    bell_str s = text_of(doc, name);

    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f) {
            return NULL;
        }
    }
    return s.len > 0 ? bell_arena_strdup(arena, s) : NULL;
}

bool fb_oidc_tokens_parse(bell_arena *arena, bell_str json, fb_oidc_tokens *out) {
    json_t *doc = parse_object(json);

    *out = (fb_oidc_tokens){.id_token = take_token(arena, doc, "id_token"),
                            .access_token = take_token(arena, doc, "access_token"),
                            .error = fb_oidc_error_name(arena, text_of(doc, "error"))};
    json_decref(doc);
    return out->id_token != NULL || out->error != NULL;
}

const char *fb_oidc_claim(bell_arena *arena, const json_t *claims, const char *name) {
    bell_str s = text_of(claims, name);

    if (s.len == 0 || s.len > FB_OIDC_CLAIM_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f) {
            return NULL;
        }
    }
    return bell_arena_strdup(arena, s);
}

bool fb_oidc_claim_is_true(const json_t *claims, const char *name) {
    return json_is_true(json_object_get(claims, name)) || bell_str_eq(text_of(claims, name), BELL_STR("true"));
}
