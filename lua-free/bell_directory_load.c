/* From documents to an image. Everything is checked here, so that a lookup finds only what it may serve. */
#include "bell_directory_image.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define LIST_MAX  1024 /* hosts, flags, limits, keys of a tenant; servers of a pool */
#define WHERE_MAX 48

/* What of a tenant or a pool is read: it points into its JSON, but for the arrays. */
typedef struct {
    bell_directory_row row;
    bell_str hosts[LIST_MAX], flags[LIST_MAX];
    bell_directory_limit limits[LIST_MAX];
    bell_record_key keys[LIST_MAX];
    bell_record_server servers[LIST_MAX];
} lists;

typedef struct {
    bell_directory_editor e;
    lists *w;
    bell_str rest; /* of the payload */
    uint32_t id_before;
    uint32_t default_id;
    size_t ntenants, nhosts; /* counted */
    bool is_delta;
} loader;

/* Tenants are parsed one at a time: the whole tree of a large directory would be ten times its text. */
typedef bool (*take_fn)(loader *l, const json_t *value, const char *where);

/* ---- for sentences: what was found, cut and made harmless for a log line */

static const char *shown(bell_str s, char out[65]) {
    size_t n = s.len < 64 ? s.len : 64;

    for (size_t i = 0; i < n; i++) {
        out[i] = s.p[i] >= ' ' && s.p[i] <= '~' ? s.p[i] : '?';
    }
    out[n] = '\0';
    return out;
}

static bool is_not(loader *l, const char *where, const char *what, bell_str found, const char *expected) {
    char text[65];

    return bell_directory_fail(&l->e, "%s%s: \"%s\" is not %s", where, what, shown(found, text), expected);
}

/* ---- members */

static bell_str text_of(const json_t *v) {
    return (bell_str){json_string_value(v), json_string_length(v)};
}

static bell_str text_at(const json_t *object, const char *name) {
    return text_of(json_object_get(object, name));
}

/* An absent one is 0; false: it is something else than a number from 0 to max. */
static bool number_at(const json_t *object, const char *name, uint64_t max, uint64_t *out) {
    const json_t *v = json_object_get(object, name);

    *out = 0;
    if (v == NULL) {
        return true;
    }
    if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max) {
        return false;
    }
    *out = (uint64_t)json_integer_value(v);
    return true;
}

/* An absent list is empty. */
static bool list_at(loader *l, const json_t *object, const char *name, const char *where, size_t *n) {
    const json_t *list = json_object_get(object, name);

    *n = json_array_size(list);
    if (list != NULL && !json_is_array(list)) {
        return bell_directory_fail(&l->e, "%s.%s is not an array", where, name);
    }
    return *n <= LIST_MAX || bell_directory_fail(&l->e, "%s.%s has %zu members, and %d are the most", where, name, *n, LIST_MAX);
}

/* ---- tenants */

static bool take_hosts(loader *l, const json_t *tenant, lists *w, const char *where) {
    char what[WHERE_MAX];

    if (json_object_get(tenant, "hosts") == NULL) {
        return bell_directory_fail(&l->e, "%s.hosts is not an array", where);
    }
    if (!list_at(l, tenant, "hosts", where, &w->row.nhosts)) {
        return false;
    }
    for (size_t i = 0; i < w->row.nhosts; i++) {
        const json_t *host = json_array_get(json_object_get(tenant, "hosts"), i);

        snprintf(what, sizeof(what), ".hosts[%zu]", i);
        w->hosts[i] = text_of(host);
        if (!json_is_string(host)) {
            return bell_directory_fail(&l->e, "%s%s is not a string", where, what);
        }
        if (!bell_directory_is_host(w->hosts[i])) {
            return is_not(l, where, what, w->hosts[i], "a host name in lower case");
        }
    }
    w->row.hosts = w->hosts;
    return true;
}

static bool take_flags(loader *l, const json_t *tenant, lists *w, const char *where) {
    if (!list_at(l, tenant, "flags", where, &w->row.nflags)) {
        return false;
    }
    for (size_t i = 0; i < w->row.nflags; i++) {
        w->flags[i] = text_of(json_array_get(json_object_get(tenant, "flags"), i));
        if (!bell_directory_is_word(w->flags[i])) {
            return is_not(l, where, ".flags", w->flags[i], "1 to 63 of a-z, 0-9, hyphen, dot and underscore");
        }
    }
    w->row.flags = w->flags;
    return true;
}

static bool take_limits(loader *l, json_t *tenant, lists *w, const char *where) {
    json_t *limits = json_object_get(tenant, "limits");

    if (limits != NULL && !json_is_object(limits)) {
        return bell_directory_fail(&l->e, "%s.limits is not an object", where);
    }
    if (json_object_size(limits) > LIST_MAX) {
        return bell_directory_fail(&l->e, "%s.limits has more than %d members", where, LIST_MAX);
    }
    for (void *i = json_object_iter(limits); i != NULL; i = json_object_iter_next(limits, i)) {
        bell_directory_limit *limit = &w->limits[w->row.nlimits++];

        limit->name = bell_str_of(json_object_iter_key(i));
        if (!bell_directory_is_word(limit->name) || !number_at(limits, json_object_iter_key(i), INT64_MAX, &limit->value)) {
            return is_not(l, where, ".limits", limit->name, "a limit: a word of a-z, 0-9, hyphen, dot and underscore, with a number of 0 or more");
        }
    }
    w->row.limits = w->limits;
    return true;
}

static bool take_key(const json_t *v, bell_record_key *k) {
    uint64_t from, until;

    k->kid = text_at(v, "kid");
    k->use = text_at(v, "use");
    k->alg = text_at(v, "alg");
    k->material = text_at(v, "key");
    if (!number_at(v, "from", BELL_DIRECTORY_SECONDS_MAX, &from) || !number_at(v, "until", BELL_DIRECTORY_SECONDS_MAX, &until)) {
        return false;
    }
    k->from_s = (int64_t)from;
    k->until_s = (int64_t)until;
    return bell_directory_is_text(k->kid, BELL_DIRECTORY_NAME_MAX) && bell_directory_is_word(k->use) && bell_directory_is_word(k->alg) &&
           json_is_string(json_object_get(v, "key")) && bell_directory_is_text(k->material, BELL_DIRECTORY_MATERIAL_MAX);
}

static bool take_keys(loader *l, const json_t *tenant, lists *w, const char *where) {
    if (!list_at(l, tenant, "keys", where, &w->row.nkeys)) {
        return false;
    }
    for (size_t i = 0; i < w->row.nkeys; i++) {
        if (!take_key(json_array_get(json_object_get(tenant, "keys"), i), &w->keys[i])) {
            return bell_directory_fail(
                &l->e, "%s.keys[%zu] is not a key with \"kid\", \"use\", \"alg\" and \"key\", texts, and a time in \"from\" and \"until\"", where, i);
        }
    }
    w->row.keys = w->keys;
    return true;
}

/* A member of another type is refused, not passed over: "notice": 5 is a mistake that somebody wants to hear of. */
static bool take_name_at(loader *l, const json_t *tenant, const char *member, const char *where, bell_str *out) {
    const json_t *v = json_object_get(tenant, member);
    char what[WHERE_MAX];

    *out = text_of(v);
    if (v == NULL || (json_is_string(v) && bell_directory_is_name(*out))) {
        return true;
    }
    snprintf(what, sizeof(what), ".%s", member);
    return is_not(l, where, what, *out, "1 to 63 of a-z, 0-9 and hyphen");
}

static bool take_placement(loader *l, const json_t *tenant, bell_directory_row *r, const char *where) {
    const json_t *notice = json_object_get(tenant, "notice");
    uint64_t sessions_from;

    if (!take_name_at(l, tenant, "upstream", where, &r->upstream) || !take_name_at(l, tenant, "cluster", where, &r->cluster) ||
        !take_name_at(l, tenant, "region", where, &r->region)) {
        return false;
    }
    r->notice = text_of(notice);
    if ((notice != NULL && !json_is_string(notice)) || !bell_directory_is_text(r->notice, BELL_DIRECTORY_NOTICE_MAX)) {
        return bell_directory_fail(&l->e, "%s.notice is not a text of at most %d bytes", where, BELL_DIRECTORY_NOTICE_MAX);
    }
    if (!number_at(tenant, "sessions_from", BELL_DIRECTORY_SECONDS_MAX, &sessions_from)) {
        return bell_directory_fail(&l->e, "%s.sessions_from is not a time in seconds since 1970", where);
    }
    r->sessions_from_s = (int64_t)sessions_from;
    return true;
}

static bool take_words(loader *l, const json_t *tenant, bell_directory_row *r, const char *where) {
    bell_str status = text_at(tenant, "status");

    r->status = bell_tenant_status_of(status);
    r->title = text_at(tenant, "title");
    r->name = text_at(tenant, "name");
    r->locale = text_at(tenant, "locale");
    if (r->status == 0) {
        return is_not(l, where, ".status", status, "active, read-only, exam or suspended");
    }
    if (!json_is_string(json_object_get(tenant, "title"))) {
        return bell_directory_fail(&l->e, "%s.title is not a string", where);
    }
    if (!bell_directory_is_text(r->title, BELL_DIRECTORY_TITLE_MAX)) {
        return bell_directory_fail(&l->e, "%s.title is longer than %d bytes", where, BELL_DIRECTORY_TITLE_MAX);
    }
    if (!bell_directory_is_name(r->name)) {
        return is_not(l, where, ".name", r->name, "1 to 63 of a-z, 0-9 and hyphen");
    }
    return bell_directory_is_locale(r->locale) || is_not(l, where, ".locale", r->locale, "a language tag");
}

static bool take_id(loader *l, const json_t *value, const char *where, uint32_t *id) {
    if (!json_is_integer(value) || json_integer_value(value) <= 0 || json_integer_value(value) > UINT32_MAX) {
        return bell_directory_fail(&l->e, "%s is not a number from 1 to %u", where, UINT32_MAX);
    }
    *id = (uint32_t)json_integer_value(value);
    return true;
}

static bool take_tenant_id(loader *l, const json_t *tenant, const char *where, uint32_t *id) {
    char at[WHERE_MAX];

    if (!json_is_object(tenant)) {
        return bell_directory_fail(&l->e, "%s is not an object", where);
    }
    snprintf(at, sizeof(at), "%s.id", where);
    if (!take_id(l, json_object_get(tenant, "id"), at, id)) {
        return false;
    }
    if (*id <= l->id_before) {
        return bell_directory_fail(&l->e, "%s is %u, but ids ascend and the one before is %u", at, *id, l->id_before);
    }
    l->id_before = *id;
    return true;
}

static bool take_tenant(loader *l, const json_t *tenant, const char *where) {
    lists *w = l->w;

    w->row = (bell_directory_row){0};
    return take_tenant_id(l, tenant, where, &w->row.id) && take_words(l, tenant, &w->row, where) && take_hosts(l, tenant, w, where) &&
           take_placement(l, tenant, &w->row, where) && take_flags(l, tenant, w, where) && take_limits(l, (json_t *)(uintptr_t)tenant, w, where) &&
           take_keys(l, tenant, w, where) && bell_directory_put_tenant(&l->e, &w->row, where);
}

/* ---- pools and revocations */

static bool take_server(const json_t *v, bell_record_server *s) {
    uint64_t weight;

    s->address = text_at(v, "address");
    s->state = bell_server_state_of(text_at(v, "state"));
    if (!number_at(v, "weight", BELL_DIRECTORY_WEIGHT_MAX, &weight) || weight == 0) {
        return false;
    }
    s->weight = (uint32_t)weight;
    return s->state != 0 && bell_directory_is_server(s->address);
}

static bool take_pool(loader *l, const json_t *v, const char *where) {
    bell_directory_pool pool = {.name = text_at(v, "name"), .servers = l->w->servers};

    if (!bell_directory_is_name(pool.name)) {
        return is_not(l, where, ".name", pool.name, "1 to 63 of a-z, 0-9 and hyphen");
    }
    if (!list_at(l, v, "servers", where, &pool.nservers)) {
        return false;
    }
    for (size_t i = 0; i < pool.nservers; i++) {
        if (!take_server(json_array_get(json_object_get(v, "servers"), i), &l->w->servers[i])) {
            return bell_directory_fail(
                &l->e,
                "%s.servers[%zu] is not a server with an \"address\" (ADDRESS:PORT or unix:PATH), a \"weight\" from 1 to %d and "
                "a \"state\" (up, drain, down)",
                where, i, BELL_DIRECTORY_WEIGHT_MAX);
        }
    }
    return bell_directory_put_pool(&l->e, &pool, where);
}

static bool take_revoked(loader *l, const json_t *v, const char *where) {
    bell_directory_revoked r = {.subject = text_at(v, "subject")};
    uint64_t tenant, before, until;

    if (!number_at(v, "tenant", UINT32_MAX, &tenant) || tenant == 0 || r.subject.len == 0 || r.subject.len > BELL_DIRECTORY_SUBJECT_MAX ||
        !number_at(v, "before", BELL_DIRECTORY_SECONDS_MAX, &before) || !number_at(v, "until", BELL_DIRECTORY_SECONDS_MAX, &until)) {
        return bell_directory_fail(&l->e, "%s is not a \"tenant\" and \"subject\" with times in \"before\" and \"until\"", where);
    }
    r.tenant_id = (uint32_t)tenant;
    r.before_s = (int64_t)before;
    r.until_s = (int64_t)until;
    bell_directory_put_revoked(&l->e, &r);
    return true;
}

/* ---- what a delta takes out, before it puts anything: a host may go from one tenant to another in it */

static bool take_tenant_out(loader *l, const json_t *tenant, const char *where) {
    uint32_t id = 0;

    if (!take_tenant_id(l, tenant, where, &id)) {
        return false;
    }
    (void)bell_directory_take_tenant_out(&l->e, id);
    return true;
}

static bool take_pool_out(loader *l, const json_t *pool, const char *where) {
    (void)where;
    (void)bell_directory_take_pool_out(&l->e, text_at(pool, "name"));
    return true;
}

/* What is not there was taken out already. */
static bool take_removed(loader *l, const json_t *id, const char *where) {
    uint32_t number = 0;

    if (!take_id(l, id, where, &number)) {
        return false;
    }
    (void)bell_directory_take_tenant_out(&l->e, number);
    return true;
}

static bool take_removed_pool(loader *l, const json_t *name, const char *where) {
    (void)where;
    (void)bell_directory_take_pool_out(&l->e, text_of(name));
    return true;
}

static bool pass_over(loader *l, const json_t *v, const char *where) {
    (void)l;
    (void)v;
    (void)where;
    return true;
}

static bool count_tenant(loader *l, const json_t *tenant, const char *where) {
    (void)where;
    l->ntenants++;
    l->nhosts += json_array_size(json_object_get(tenant, "hosts"));
    return true;
}

/* ---- the payload's own marks */

static bool is_space(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static void skip_space(bell_str *rest) {
    while (rest->len > 0 && is_space(rest->p[0])) {
        rest->p++;
        rest->len--;
    }
}

/* Passes over `mark` and white space on both sides of it; false when something else stands there. */
static bool skip_mark(bell_str *rest, const char *mark) {
    bell_str m = bell_str_of(mark);

    skip_space(rest);
    if (!bell_str_starts(*rest, m)) {
        return false;
    }
    rest->p += m.len;
    rest->len -= m.len;
    skip_space(rest);
    return true;
}

/* Passes over `,"name":`; false, and nothing is passed over, when another member or the end stands there. */
static bool skip_member(bell_str *rest, const char *name) {
    bell_str there = *rest;

    if (!skip_mark(&there, ",") || !skip_mark(&there, "\"") || !bell_str_starts(there, bell_str_of(name))) {
        return false;
    }
    there.p += strlen(name);
    there.len -= strlen(name);
    if (!bell_str_starts(there, BELL_STR("\"")) || !skip_mark(&there, "\"") || !skip_mark(&there, ":")) {
        return false;
    }
    *rest = there;
    return true;
}

/* Decimal digits at the front of *rest, as JSON writes a number that is not negative. */
static bool take_number(bell_str *rest, uint64_t max, uint64_t *out) {
    bell_str digits = {rest->p, 0};

    while (rest->len > 0 && rest->p[0] >= '0' && rest->p[0] <= '9') {
        digits.len++;
        rest->p++;
        rest->len--;
    }
    return (digits.len == 1 || (digits.len > 1 && digits.p[0] != '0')) && bell_str_to_u64(digits, max, out);
}

static bool take_value(loader *l, const char *name, size_t i, take_fn take) {
    char where[WHERE_MAX];
    json_error_t error;
    json_t *v = json_loadb(l->rest.p, l->rest.len, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &error);
    bool good;

    snprintf(where, sizeof(where), "%s[%zu]", name, i);
    if (v == NULL) {
        return bell_directory_fail(&l->e, "%s is not valid JSON: %s", where, error.text);
    }
    l->rest.p += error.position;
    l->rest.len -= (size_t)error.position;
    good = take(l, v, where);
    json_decref(v);
    return good;
}

static bool take_array(loader *l, const char *name, take_fn take) {
    size_t i = 0;

    if (!skip_mark(&l->rest, "[")) {
        return bell_directory_fail(&l->e, "\"%s\" is not an array", name);
    }
    if (skip_mark(&l->rest, "]")) {
        return true;
    }
    do {
        if (!take_value(l, name, i++, take)) {
            return false;
        }
    } while (skip_mark(&l->rest, ","));
    return skip_mark(&l->rest, "]") || bell_directory_fail(&l->e, "expected a comma or the end of the %s behind %s[%zu]", name, name, i - 1);
}

static bool take_member(loader *l, const char *name, take_fn take) {
    return !skip_member(&l->rest, name) || take_array(l, name, take);
}

static bool take_default(loader *l) {
    uint64_t id;

    if (!skip_member(&l->rest, "default_tenant")) {
        return true;
    }
    if (!take_number(&l->rest, UINT32_MAX, &id) || id == 0) {
        return bell_directory_fail(&l->e, "default_tenant is not a number above 0");
    }
    l->default_id = (uint32_t)id;
    return true;
}

static bool take_version(loader *l) {
    uint64_t version = 0;

    if (!skip_mark(&l->rest, "{") || !skip_mark(&l->rest, "\"version\"") || !skip_mark(&l->rest, ":") ||
        !take_number(&l->rest, BELL_DIRECTORY_VERSION_MAX, &version)) {
        return bell_directory_fail(&l->e, "the payload does not begin with {\"version\":N");
    }
    if (version != l->e.version) {
        return bell_directory_fail(&l->e, "the payload says version %llu, the header %llu", (unsigned long long)version,
                                   (unsigned long long)l->e.version);
    }
    return true;
}

/* Once over the payload: what is to be done with its tenants, pools, revocations and removals. */
static bool pass(loader *l, bell_str payload, take_fn tenant, take_fn pool, take_fn revoked, take_fn removed, take_fn removed_pool) {
    l->rest = payload;
    l->id_before = 0;
    if (!take_version(l)) {
        return false;
    }
    if (!skip_member(&l->rest, "tenants")) {
        return bell_directory_fail(&l->e, "\"tenants\", an array, does not follow the version");
    }
    if (!take_array(l, "tenants", tenant) || !take_member(l, "pools", pool) || !take_member(l, "revoked", revoked)) {
        return false;
    }
    if (l->is_delta && (!take_member(l, "removed", removed) || !take_member(l, "removed_pools", removed_pool))) {
        return false;
    }
    if (!take_default(l)) {
        return false;
    }
    return (skip_mark(&l->rest, "}") && l->rest.len == 0) ||
           bell_directory_fail(&l->e, "the payload does not end where it should, behind what is known of it");
}

static bool check_default(loader *l) {
    const image_head *h = (const image_head *)l->e.image;
    bell_tenant t;

    if (l->default_id == 0) {
        return true;
    }
    if (h->ntenants != 1) {
        return bell_directory_fail(&l->e, "there is a default_tenant beside %u tenants: it is for a directory of one", h->ntenants);
    }
    /* an image that is closed with a default finds it, or there is none of that number */
    bell_directory_image_close(&l->e, l->default_id);
    return bell_directory_find(l->e.image, h->capacity_bytes, BELL_STR_NULL, &t) == BELL_DIRECTORY_DEFAULT ||
           bell_directory_fail(&l->e, "default_tenant is %u, which is no tenant of this directory", l->default_id);
}

/* The sentence is written when it is not OK. */
static bell_directory_verdict finish(loader *l, bool good) {
    if (good && check_default(l)) {
        bell_directory_image_close(&l->e, l->default_id);
        return BELL_DIRECTORY_OK;
    }
    bell_directory_image_spoil(l->e.image);
    return l->e.full ? BELL_DIRECTORY_FULL : BELL_DIRECTORY_REFUSED;
}

static bool begin(loader *l) {
    l->w = malloc(sizeof(*l->w));
    return l->w != NULL || bell_directory_fail(&l->e, "out of memory for the directory");
}

static bool load(loader *l, size_t capacity, bell_str payload) {
    return begin(l) && bell_directory_image_init(&l->e, capacity) && pass(l, payload, take_tenant, take_pool, take_revoked, pass_over, pass_over);
}

bell_directory_verdict bell_directory_load(void *image, size_t capacity, bell_str snapshot, const bell_directory_keys *keys, int64_t now_s, char *err,
                                           size_t err_len) {
    loader l = {.e = {.image = image, .now_s = now_s, .err = err, .err_len = err_len}};
    bell_directory_verdict verdict;
    bell_directory_head head;

    if (capacity < sizeof(image_head)) {
        (void)bell_directory_fail(&l.e, "an image of %zu bytes is too small for anything", capacity);
        return BELL_DIRECTORY_FULL;
    }
    memset(image, 0, sizeof(image_head)); /* whatever was there before: nobody takes it for an image */
    if (!bell_directory_open(snapshot, keys, &head, err, err_len)) {
        return BELL_DIRECTORY_REFUSED;
    }
    if (head.from != 0) {
        (void)bell_directory_fail(&l.e, "it is a delta from version %llu, and a snapshot was expected", (unsigned long long)head.from);
        return BELL_DIRECTORY_REFUSED;
    }
    l.e.version = head.version;
    verdict = finish(&l, load(&l, capacity, head.payload));
    free(l.w);
    return verdict;
}

static bool apply(loader *l, bell_str payload) {
    return begin(l) && pass(l, payload, take_tenant_out, take_pool_out, pass_over, take_removed, take_removed_pool) &&
           pass(l, payload, take_tenant, take_pool, take_revoked, pass_over, pass_over);
}

bell_directory_verdict bell_directory_apply(void *image, size_t capacity, bell_str delta, const bell_directory_keys *keys, int64_t now_s, char *err,
                                            size_t err_len) {
    loader l = {.e = {.image = image, .now_s = now_s, .err = err, .err_len = err_len}, .is_delta = true};
    uint64_t current = bell_directory_version(image, capacity);
    bell_directory_verdict verdict;
    bell_directory_head head;

    if (!bell_directory_open(delta, keys, &head, err, err_len)) {
        return BELL_DIRECTORY_REFUSED;
    }
    if (current == 0 || head.from != current) {
        (void)bell_directory_fail(&l.e, "it leads from version %llu to %llu, and version %llu is what is here", (unsigned long long)head.from,
                                  (unsigned long long)head.version, (unsigned long long)current);
        return BELL_DIRECTORY_GAP;
    }
    l.e.version = head.version;
    bell_directory_image_spoil(image);
    verdict = finish(&l, apply(&l, head.payload));
    free(l.w);
    return verdict;
}

/* What a record has as text is shorter than the JSON that says it. */
size_t bell_directory_capacity_of(bell_str snapshot) {
    char err[8];
    loader l = {.e = {.err = err, .err_len = sizeof(err)}};
    bell_directory_head head;
    bool whole;

    if (!bell_directory_peek(snapshot, &head, &whole, err, sizeof(err))) {
        return 0;
    }
    l.e.version = head.version;
    return pass(&l, head.payload, count_tenant, count_tenant, pass_over, pass_over, pass_over)
               ? bell_directory_capacity(l.ntenants, l.nhosts, head.payload.len)
               : 0;
}
