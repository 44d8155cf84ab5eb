#include "bell_cat_parts.h"

#include "bell_base64.h"

static bell_signed_reason one_of(unsigned count, bell_str value, bell_cat_carrier carrier, bell_cat_token *t) {
    t->carrier = carrier;
    t->out->token = value;
    return count == 1 && value.len > 0 ? BELL_SIGNED_OK : BELL_SIGNED_MALFORMED;
}

/* Verifiers that renew tokens write the cookie's name in small letters, whatever it was before. */
static unsigned find_cookie(const bell_signed_request *r, bell_str wanted, bell_str *value) {
    bell_str field, name, text;
    unsigned times = 0;

    for (unsigned nth = 0; r->field(r->data, BELL_STR("cookie"), nth, &field); nth++) {
        while (bell_signed_next_cookie(&field, &name, &text)) {
            if (bell_str_ieq(name, wanted) && times++ == 0) {
                *value = text;
            }
        }
    }
    return times;
}

static bell_signed_reason find_token(bell_cat_token *t) {
    const bell_signed_request *r = t->call->request;
    const bell_cat_options *o = t->options;
    bell_str path, query, value = BELL_STR_NULL, second;
    bool has_query;
    unsigned n;

    bell_signed_split(r->target, &path, &query, &has_query);
    if (o->param.len > 0 && (n = bell_signed_param(query, o->param, &value)) > 0) {
        return one_of(n, value, CAT_IN_QUERY, t);
    }
    if (o->field.len > 0 && r->field(r->data, o->field, 0, &value)) {
        return one_of(r->field(r->data, o->field, 1, &second) ? 2 : 1, value, CAT_IN_FIELD, t);
    }
    if (o->cookie.len > 0 && (n = find_cookie(r, o->cookie, &value)) > 0) {
        return one_of(n, value, CAT_IN_COOKIE, t);
    }
    return BELL_SIGNED_MISSING;
}

/* Without room for a target that keeps the other parameters it is the path alone: what is logged has no token in any case. */
static bool strip_target(bell_cat_token *t) {
    bell_str path, query, target = t->call->request->target;
    bool has_query;

    t->out->target = t->options->param.len > 0 ? bell_signed_strip(t->call->room, target, &t->options->param, 1) : target;
    if (t->out->target.p == NULL) {
        bell_signed_split(target, &path, &query, &has_query);
        t->out->target = path;
        return false;
    }
    return true;
}

/* Into base64url without padding; false for padding in the middle or too much of it. In a query "+" and "/" are not the text that was meant. */
static bool unify(bell_str token, bool plain, char *to, size_t *len) {
    size_t n = token.len;

    while (n > 0 && token.p[n - 1] == '=' && token.len - n < 2) {
        n--;
    }
    if (n < token.len && token.len % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char c = token.p[i];
        to[i] = plain || (c != '+' && c != '/') ? c : (c == '+' ? '-' : '_');
    }
    *len = n;
    return true;
}

static bool decode(bell_cat_token *t, bell_str *bytes) {
    bell_str token = t->out->token;
    char *p = token.len <= BELL_CAT_TOKEN_MAX ? bell_signed_take(t->call->room, token.len) : NULL;
    size_t len;

    if (p == NULL) {
        return false;
    }
    long n = bell_base64url_decode(token, (unsigned char *)p); /* as nearly all are written */
    if (n < 0 && unify(token, t->carrier == CAT_IN_QUERY, p, &len)) {
        n = bell_base64url_decode((bell_str){p, len}, (unsigned char *)p); /* in place: it never writes past what it has read */
    }
    *bytes = (bell_str){p, n > 0 ? (size_t)n : 0};
    return n > 0;
}

/* What leaves a trace comes last: who is refused has used nothing up, and who has used it up before gets no new one. */
static bell_signed_reason renew_and_use(bell_cat_token *t, int64_t *failed) {
    bell_signed_room before = *t->call->room;
    bell_signed_reason r = bell_cat_renew(t);

    if (r != BELL_SIGNED_OK || (r = bell_cat_use_up(t)) == BELL_SIGNED_OK) {
        return r;
    }
    *t->call->room = before;
    t->out->set_cookie = t->out->field_name = t->out->field_value = t->out->redirect = BELL_STR_NULL;
    t->out->redirect_status = 0;
    *failed = r == BELL_SIGNED_REPLAYED ? CAT_REPLAY : 0;
    return r;
}

bell_signed_reason bell_cat_check(const bell_signed_call *call, const bell_cat_options *options, bell_signed_result *out) {
    bell_cat_token t = {.call = call, .options = options, .out = out};
    bell_signed_reason r;
    int64_t failed = 0;
    bell_str bytes;

    *out = (bell_signed_result){.expires_s = 0};
    r = find_token(&t);
    if (r == BELL_SIGNED_MISSING) {
        return r;
    }
    if (!strip_target(&t) || r != BELL_SIGNED_OK || !decode(&t, &bytes)) {
        return BELL_SIGNED_MALFORMED;
    }
    if ((r = bell_cat_open(&t, bytes)) != BELL_SIGNED_OK || (r = bell_cat_collect(&t)) != BELL_SIGNED_OK) {
        return r;
    }
    if (!bell_signed_is_plain_target(out->target)) {
        return BELL_SIGNED_PATH;
    }
    if ((r = bell_cat_hold(&t, &failed)) == BELL_SIGNED_OK) {
        r = renew_and_use(&t, &failed);
    }
    if (failed != 0) {
        bell_cat_foreseen(&t, failed);
    }
    return r;
}
