#include "bell_session.h"

#include <stddef.h>
#include <stdio.h>

#include "bell_role.h"

/* ---- texts */

static bool is_printable(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < ' ' || s.p[i] > '~') {
            return false;
        }
    }
    return true;
}

/* Appends behind the texts that are there. The lengths were checked by the callers: together they fit. */
static void append(bell_session *s, uint16_t *bytes, bell_str text) {
    if (text.len > 0) {
        memcpy((char *)s + bell_session_bytes(s), text.p, text.len);
        *bytes = (uint16_t)(*bytes + text.len);
    }
}

size_t bell_session_bytes(const bell_session *s) {
    return offsetof(bell_session, text) + s->subject_bytes + s->role_bytes + s->sid_bytes + s->scopes_bytes;
}

bool bell_session_is_whole(const bell_session *s, size_t bytes) {
    return bytes >= offsetof(bell_session, text) && bytes <= sizeof(*s) && bytes == bell_session_bytes(s);
}

bell_str bell_session_subject(const bell_session *s) {
    return (bell_str){s->text, s->subject_bytes};
}

bell_str bell_session_role(const bell_session *s) {
    return (bell_str){s->text + s->subject_bytes, s->role_bytes};
}

bell_str bell_session_sid(const bell_session *s) {
    return (bell_str){s->text + s->subject_bytes + s->role_bytes, s->sid_bytes};
}

bell_str bell_session_scopes(const bell_session *s) {
    return (bell_str){s->text + s->subject_bytes + s->role_bytes + s->sid_bytes, s->scopes_bytes};
}

/* ---- our own */

uint64_t bell_session_source(const bell_token_key *k) {
    uint64_t source = 0;
    const char *id = bell_token_key_id(k);

    /* eleven letters of which 64 bits are a hash; any eight of them tell keys of ours apart */
    memcpy(&source, id, sizeof(source));
    return source;
}

static bell_session_verdict of_token_verdict(bell_token_verdict v) {
    switch (v) {
    case BELL_TOKEN_OK:
        return BELL_SESSION_OK;
    case BELL_TOKEN_UNKNOWN_KEY:
        return BELL_SESSION_UNKNOWN_KEY;
    case BELL_TOKEN_BAD_SIGNATURE:
        return BELL_SESSION_BAD_SIGNATURE;
    case BELL_TOKEN_EXPIRED:
        return BELL_SESSION_EXPIRED;
    case BELL_TOKEN_NOT_YET:
        return BELL_SESSION_NOT_YET;
    case BELL_TOKEN_WRONG_TENANT:
        return BELL_SESSION_WRONG_TENANT;
    case BELL_TOKEN_MALFORMED:
        break;
    }
    return BELL_SESSION_MALFORMED;
}

bell_session_verdict bell_session_open(const bell_token_key *const *keys, size_t nkeys, bell_str token, bell_session *out) {
    const bell_token_key *key;
    bell_token_claims c;
    bell_token_verdict v = bell_token_open(keys, nkeys, token, &c, &key);
    char subject[24];

    if (v != BELL_TOKEN_OK) {
        return of_token_verdict(v);
    }
    memset(out, 0, offsetof(bell_session, text));
    out->source = bell_session_source(key);
    out->tenant_id = c.tenant_id;
    out->issued_s = out->not_before_s = c.issued_s;
    out->expires_s = c.expires_s;
    int n = snprintf(subject, sizeof(subject), "%llu", (unsigned long long)c.user_id);
    append(out, &out->subject_bytes, (bell_str){subject, (size_t)n});
    append(out, &out->role_bytes, bell_str_of(bell_role_name(c.role)));
    append(out, &out->sid_bytes, (bell_str){c.sid, BELL_TOKEN_SID_BYTES});
    return BELL_SESSION_OK;
}

/* ---- of others */

static bell_session_verdict of_jwt_verdict(bell_jwt_verdict v) {
    switch (v) {
    case BELL_JWT_OK:
        return BELL_SESSION_OK;
    case BELL_JWT_ALGORITHM:
        return BELL_SESSION_ALGORITHM;
    case BELL_JWT_UNKNOWN_KEY:
        return BELL_SESSION_UNKNOWN_KEY;
    case BELL_JWT_BAD_SIGNATURE:
        return BELL_SESSION_BAD_SIGNATURE;
    case BELL_JWT_ISSUER:
        return BELL_SESSION_WRONG_ISSUER;
    case BELL_JWT_AUDIENCE:
        return BELL_SESSION_WRONG_AUDIENCE;
    default:
        return BELL_SESSION_MALFORMED;
    }
}

static bell_str text_of(const json_t *v) {
    return json_is_string(v) ? (bell_str){json_string_value(v), json_string_length(v)} : BELL_STR_NULL;
}

static bool take_dates(const json_t *claims, bell_session *out) {
    double issued, expires, not_before;

    if (!bell_jwt_date(claims, "iat", &issued) || !bell_jwt_date(claims, "exp", &expires)) {
        return false;
    }
    not_before = issued;
    if (json_object_get(claims, "nbf") != NULL && !bell_jwt_date(claims, "nbf", &not_before)) {
        return false;
    }
    out->issued_s = (int64_t)issued;
    out->expires_s = (int64_t)expires;
    out->not_before_s = (int64_t)(not_before > issued ? not_before : issued);
    return true;
}

static bool take_subject(const json_t *claims, bell_str issuer, bell_session *out) {
    bell_str sub = text_of(json_object_get(claims, "sub"));

    if (sub.len == 0 || issuer.len + 1 + sub.len > BELL_SESSION_SUBJECT_BYTES || !is_printable(sub)) {
        return false;
    }
    append(out, &out->subject_bytes, issuer);
    append(out, &out->subject_bytes, BELL_STR(":"));
    append(out, &out->subject_bytes, sub);
    return true;
}

/* The words of "scope" that the issuer may give; as many as there is room for. */
static void take_scopes(const json_t *claims, const bell_issuer *issuer, bell_session *out) {
    bell_str rest = text_of(json_object_get(claims, "scope"));

    while (rest.len > 0) {
        bell_str word = bell_str_cut(&rest, ' ');
        size_t gap = out->scopes_bytes > 0 ? 1 : 0;

        if (!bell_issuer_gives_scope(issuer, word) || out->scopes_bytes + gap + word.len > BELL_SESSION_SCOPES_BYTES) {
            continue;
        }
        append(out, &out->scopes_bytes, (bell_str){" ", gap});
        append(out, &out->scopes_bytes, word);
    }
    if (out->scopes_bytes == 0) {
        append(out, &out->scopes_bytes, BELL_STR(BELL_SESSION_NO_SCOPES)); /* empty would be all of the role's */
    }
}

static bell_session_verdict read_claims(const json_t *claims, const bell_issuer *issuer, bell_session *out) {
    bell_str role = text_of(json_object_get(claims, "role"));

    if (!take_dates(claims, out)) {
        return BELL_SESSION_MALFORMED;
    }
    if (!take_subject(claims, bell_issuer_name(issuer), out)) {
        return BELL_SESSION_BAD_SUBJECT;
    }
    if (bell_issuer_gives_role(issuer, role)) {
        append(out, &out->role_bytes, role);
    }
    take_scopes(claims, issuer, out);
    return BELL_SESSION_OK;
}

bell_session_verdict bell_session_open_foreign(const bell_issuer *issuer, uint32_t tenant_id, bell_str token, bell_session *out) {
    json_t *claims;
    bell_session_verdict v = of_jwt_verdict(bell_issuer_verify(issuer, token, &claims));

    if (v != BELL_SESSION_OK) {
        return v;
    }
    memset(out, 0, offsetof(bell_session, text));
    out->source = bell_issuer_id(issuer);
    out->tenant_id = tenant_id;
    v = read_claims(claims, issuer, out);
    json_decref(claims);
    return v;
}

/* ---- */

bell_session_verdict bell_session_judge(const bell_session *s, uint32_t tenant_id, int64_t now_s) {
    if (s->tenant_id != tenant_id) {
        return BELL_SESSION_WRONG_TENANT;
    }
    if (s->not_before_s > BELL_SESSION_SKEW_S && s->not_before_s - BELL_SESSION_SKEW_S > now_s) {
        return BELL_SESSION_NOT_YET;
    }
    return s->expires_s <= now_s ? BELL_SESSION_EXPIRED : BELL_SESSION_OK;
}

const char *bell_session_verdict_name(bell_session_verdict v) {
    static const char *const names[BELL_SESSION_VERDICTS] = {
        [BELL_SESSION_OK] = "valid",
        [BELL_SESSION_NONE] = "none",
        [BELL_SESSION_MALFORMED] = "malformed",
        [BELL_SESSION_ALGORITHM] = "wrong-algorithm",
        [BELL_SESSION_UNKNOWN_KEY] = "unknown-key",
        [BELL_SESSION_BAD_SIGNATURE] = "bad-signature",
        [BELL_SESSION_WRONG_ISSUER] = "wrong-issuer",
        [BELL_SESSION_WRONG_AUDIENCE] = "wrong-audience",
        [BELL_SESSION_WRONG_TENANT] = "wrong-tenant",
        [BELL_SESSION_BAD_SUBJECT] = "bad-subject",
        [BELL_SESSION_EXPIRED] = "expired",
        [BELL_SESSION_NOT_YET] = "not-yet",
        [BELL_SESSION_SIGNED_OUT] = "signed-out",
    };
    return names[v];
}
