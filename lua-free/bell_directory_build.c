/* From a snapshot to an image: everything is checked here, so that a lookup finds only what it may serve. */
#include "bell_directory_image.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* A set of texts in `text`, each with the tenant it belongs to. */
typedef struct {
    image_slot *slots;
    uint32_t nslots; /* a power of two, at least a third of them empty */
    uint32_t used;
} slot_table;

/* What a snapshot is turned into before its parts are laid behind each other. */
typedef struct {
    uint64_t version;
    image_tenant *tenants;
    uint32_t ntenants, tenants_cap;
    uint32_t seed[4];
    slot_table hosts, names;
    bell_buf text;
    uint32_t default_tenant; /* an index */
    char *err;
    size_t err_len;
} builder;

static bool fail(builder *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool fail(builder *b, const char *fmt, ...) {
    va_list args;

    va_start(args, fmt);
    vsnprintf(b->err, b->err_len, fmt, args);
    va_end(args);
    return false;
}

static bool no_memory(builder *b) {
    return fail(b, "out of memory for the directory");
}

static image_slot *slot_for(const slot_table *t, uint64_t hash, const char *text, bell_str s) {
    uint32_t mask = t->nslots - 1, at = (uint32_t)hash & mask;

    for (;; at = (at + 1) & mask) {
        image_slot *slot = &t->slots[at];

        if (slot->host_bytes == 0) {
            return slot;
        }
        if (slot->hash == (uint32_t)(hash >> 32) && bell_str_eq(s, (bell_str){text + slot->host_at, slot->host_bytes})) {
            return slot;
        }
    }
}

static bool table_grow(slot_table *t, const uint32_t seed[4], const char *text) {
    slot_table bigger = {.nslots = t->nslots ? t->nslots * 2 : 16, .used = t->used};

    bigger.slots = calloc(bigger.nslots, sizeof(*bigger.slots));
    if (bigger.slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < t->nslots; i++) {
        bell_str s = {text + t->slots[i].host_at, t->slots[i].host_bytes};

        if (s.len > 0) {
            *slot_for(&bigger, bell_directory_hash(seed, s), text, s) = t->slots[i];
        }
    }
    free(t->slots);
    *t = bigger;
    return true;
}

static bool add_text(builder *b, bell_str s, uint32_t *at) {
    *at = (uint32_t)b->text.len;
    bell_buf_add_str(&b->text, s);
    return !b->text.failed || no_memory(b);
}

/* The tenant that has the text already is left in *owner; else it is added for the newest tenant, BELL_DIRECTORY_NO_TENANT in *owner. */
static bool table_add(builder *b, slot_table *t, bell_str s, uint32_t *owner) {
    uint64_t hash = bell_directory_hash(b->seed, s);
    image_slot *slot;

    if (t->used >= t->nslots / 3 * 2 && !table_grow(t, b->seed, b->text.p)) {
        return no_memory(b);
    }
    slot = slot_for(t, hash, b->text.p, s);
    *owner = slot->host_bytes ? slot->tenant : BELL_DIRECTORY_NO_TENANT;
    if (slot->host_bytes) {
        return true;
    }
    *slot = (image_slot){.hash = (uint32_t)(hash >> 32), .tenant = b->ntenants, .host_bytes = (uint32_t)s.len};
    t->used++;
    return add_text(b, s, &slot->host_at);
}

/* For sentences: what was found, cut and made harmless for a log line. */
static const char *shown(bell_str s, char out[65]) {
    size_t n = s.len < 64 ? s.len : 64;

    for (size_t i = 0; i < n; i++) {
        out[i] = s.p[i] >= ' ' && s.p[i] <= '~' ? s.p[i] : '?';
    }
    out[n] = '\0';
    return out;
}

static bell_str string_at(const json_t *object, const char *name) {
    const json_t *s = json_object_get(object, name);

    return (bell_str){json_string_value(s), json_string_length(s)};
}

static bool take_hosts(builder *b, const json_t *hosts) {
    char text[65];
    uint32_t owner = BELL_DIRECTORY_NO_TENANT;

    if (!json_is_array(hosts)) {
        return fail(b, "tenants[%u].hosts is not an array", b->ntenants);
    }
    for (size_t i = 0; i < json_array_size(hosts); i++) {
        const json_t *host = json_array_get(hosts, i);
        bell_str s = {json_string_value(host), json_string_length(host)};

        if (!json_is_string(host)) {
            return fail(b, "tenants[%u].hosts[%zu] is not a string", b->ntenants, i);
        }
        if (!bell_directory_is_host(s)) {
            return fail(b, "tenants[%u].hosts[%zu]: \"%s\" is not a host name in lower case", b->ntenants, i, shown(s, text));
        }
        if (!table_add(b, &b->hosts, s, &owner)) {
            return false;
        }
        if (owner != BELL_DIRECTORY_NO_TENANT) {
            return fail(b, "tenants[%u].hosts[%zu]: \"%s\" belongs to tenants[%u] already", b->ntenants, i, shown(s, text), owner);
        }
    }
    return true;
}

static bool take_name(builder *b, bell_str name, image_tenant *t) {
    char text[65];
    uint32_t owner = BELL_DIRECTORY_NO_TENANT;

    if (!bell_directory_is_name(name)) {
        return fail(b, "tenants[%u].name: \"%s\" is not 1 to 63 of a-z, 0-9 and hyphen", b->ntenants, shown(name, text));
    }
    if (!table_add(b, &b->names, name, &owner)) {
        return false;
    }
    if (owner != BELL_DIRECTORY_NO_TENANT) {
        return fail(b, "tenants[%u].name: \"%s\" is the name of tenants[%u] already", b->ntenants, shown(name, text), owner);
    }
    t->name_at = (uint32_t)(b->text.len - name.len);
    t->name_bytes = (uint32_t)name.len;
    return true;
}

/* Neighbours mostly speak the same language: its text is kept once. */
static bool take_locale(builder *b, bell_str locale, image_tenant *t) {
    const image_tenant *before = b->ntenants ? &b->tenants[b->ntenants - 1] : NULL;
    char text[65];

    if (!bell_directory_is_locale(locale)) {
        return fail(b, "tenants[%u].locale: \"%s\" is not a language tag", b->ntenants, shown(locale, text));
    }
    t->locale_bytes = (uint32_t)locale.len;
    if (before != NULL && bell_str_eq(locale, (bell_str){b->text.p + before->locale_at, before->locale_bytes})) {
        t->locale_at = before->locale_at;
        return true;
    }
    return add_text(b, locale, &t->locale_at);
}

static image_tenant *tenant_room(builder *b) {
    uint32_t cap = b->tenants_cap ? b->tenants_cap * 2 : 16;
    image_tenant *more;

    if (b->ntenants < b->tenants_cap) {
        return &b->tenants[b->ntenants];
    }
    more = realloc(b->tenants, cap * sizeof(*more));
    if (more == NULL) {
        return NULL;
    }
    b->tenants = more;
    b->tenants_cap = cap;
    return &more[b->ntenants];
}

static bool take_tenant(builder *b, const json_t *tenant) {
    const json_t *id = json_object_get(tenant, "id");
    json_int_t value = json_integer_value(id), before = b->ntenants ? b->tenants[b->ntenants - 1].id : 0;
    bell_str status = string_at(tenant, "status");
    image_tenant *t = tenant_room(b);
    char text[65];

    if (t == NULL) {
        return no_memory(b);
    }
    if (!json_is_integer(id) || value <= 0 || value > UINT32_MAX) {
        return fail(b, "tenants[%u].id is not a number from 1 to %u", b->ntenants, UINT32_MAX);
    }
    if (value <= before) {
        return fail(b, "tenants[%u].id is %lld, but ids ascend and the one before is %lld", b->ntenants, (long long)value, (long long)before);
    }
    *t = (image_tenant){.id = (uint32_t)value, .status = bell_tenant_status_of(status)};
    if (t->status == 0) {
        return fail(b, "tenants[%u].status: \"%s\" is not active, read-only, exam or suspended", b->ntenants, shown(status, text));
    }
    if (!json_is_string(json_object_get(tenant, "title"))) {
        return fail(b, "tenants[%u].title is not a string", b->ntenants);
    }
    if (!take_name(b, string_at(tenant, "name"), t) || !take_locale(b, string_at(tenant, "locale"), t)) {
        return false;
    }
    if (!take_hosts(b, json_object_get(tenant, "hosts"))) {
        return false;
    }
    b->ntenants++;
    return true;
}

/* One JSON value at the front of *rest. Tenants are parsed one at a time: the whole tree of a large directory would be ten times its text. */
static json_t *next_value(bell_str *rest, json_error_t *error) {
    json_t *v = json_loadb(rest->p, rest->len, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, error);

    if (v != NULL) {
        rest->p += error->position;
        rest->len -= (size_t)error->position;
    }
    return v;
}

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

static bool parse_tenants(builder *b, bell_str *rest) {
    json_error_t error;

    if (skip_mark(rest, "]")) {
        return true;
    }
    do {
        json_t *tenant = next_value(rest, &error);
        bool good;

        if (tenant == NULL) {
            return fail(b, "tenants[%u] is not valid JSON: %s", b->ntenants, error.text);
        }
        good = json_is_object(tenant) ? take_tenant(b, tenant) : fail(b, "tenants[%u] is not an object", b->ntenants);
        json_decref(tenant);
        if (!good) {
            return false;
        }
    } while (skip_mark(rest, ","));
    return skip_mark(rest, "]") || fail(b, "expected a comma or the end of the tenants behind tenants[%u]", b->ntenants - 1);
}

/* Decimal digits at the front of *rest, as JSON writes a number that is not negative. */
static bool parse_number(bell_str *rest, uint64_t max, uint64_t *out) {
    bell_str digits = {rest->p, 0};

    while (rest->len > 0 && rest->p[0] >= '0' && rest->p[0] <= '9') {
        digits.len++;
        rest->p++;
        rest->len--;
    }
    return (digits.len == 1 || (digits.len > 1 && digits.p[0] != '0')) && bell_str_to_u64(digits, max, out);
}

static bool take_default(builder *b, uint64_t id) {
    if (b->ntenants != 1) {
        return fail(b, "there is a default_tenant beside %u tenants: it is for a directory of one", b->ntenants);
    }
    if (b->tenants[0].id != id) {
        return fail(b, "default_tenant is %llu, which is no tenant of this directory", (unsigned long long)id);
    }
    b->default_tenant = 0;
    return true;
}

static bool parse_payload(builder *b, bell_str rest) {
    uint64_t version = 0, default_id;

    if (!skip_mark(&rest, "{") || !skip_mark(&rest, "\"version\"") || !skip_mark(&rest, ":") ||
        !parse_number(&rest, BELL_DIRECTORY_VERSION_MAX, &version)) {
        return fail(b, "the payload does not begin with {\"version\":N");
    }
    if (version != b->version) {
        return fail(b, "the payload says version %llu, the header %llu", (unsigned long long)version, (unsigned long long)b->version);
    }
    if (!skip_mark(&rest, ",") || !skip_mark(&rest, "\"tenants\"") || !skip_mark(&rest, ":") || !skip_mark(&rest, "[")) {
        return fail(b, "\"tenants\", an array, does not follow the version");
    }
    if (!parse_tenants(b, &rest)) {
        return false;
    }
    if (skip_mark(&rest, ",")) {
        if (!skip_mark(&rest, "\"default_tenant\"") || !skip_mark(&rest, ":") || !parse_number(&rest, UINT32_MAX, &default_id)) {
            return fail(b, "what follows the tenants is not a default_tenant");
        }
        if (!take_default(b, default_id)) {
            return false;
        }
    }
    if (!skip_mark(&rest, "}") || rest.len > 0) {
        return fail(b, "the payload does not end behind its tenants and default_tenant");
    }
    return true;
}

/* The header's line; *payload is left with what follows it. */
static bool parse_header(builder *b, bell_str snapshot, bell_str *payload, bell_str *hash) {
    bell_str window = {snapshot.p, snapshot.len < BELL_DIRECTORY_HEADER_MAX ? snapshot.len : BELL_DIRECTORY_HEADER_MAX}, line, length;
    uint64_t bytes;

    if (!bell_str_starts(window, BELL_STR(BELL_DIRECTORY_WORD))) {
        return fail(b, "not a directory: expected a first line that begins with \"" BELL_DIRECTORY_WORD "\"");
    }
    line = bell_str_cut(&window, '\n');
    if (line.len == snapshot.len || line.len == BELL_DIRECTORY_HEADER_MAX) {
        return fail(b, "the first line does not end: the file is torn or was changed");
    }
    *payload = (bell_str){snapshot.p + line.len + 1, snapshot.len - line.len - 1};
    *hash = (bell_str){line.p + sizeof(BELL_DIRECTORY_WORD) - 1, line.len - (sizeof(BELL_DIRECTORY_WORD) - 1)};
    if (!bell_str_to_u64(bell_str_cut(hash, ' '), BELL_DIRECTORY_VERSION_MAX, &b->version) || b->version == 0) {
        return fail(b, "the header's version is not a number above 0");
    }
    length = bell_str_cut(hash, ' ');
    if (!bell_str_to_u64(length, SIZE_MAX, &bytes)) {
        return fail(b, "the header's length of the payload is not a number");
    }
    if (bytes != payload->len) {
        return fail(b, "the payload is %zu bytes, the header says %llu: the file is torn or was changed", payload->len, (unsigned long long)bytes);
    }
    return true;
}

static bool parse_snapshot(builder *b, bell_str snapshot) {
    char actual[BELL_DIRECTORY_SHA256_DIGITS + 1];
    bell_str payload = BELL_STR_NULL, hash = BELL_STR_NULL;

    if (snapshot.len > UINT32_MAX / 4) {
        return fail(b, "the directory is larger than 1 GiB");
    }
    if (!parse_header(b, snapshot, &payload, &hash)) {
        return false;
    }
    if (!bell_directory_sha256(payload, actual)) {
        return fail(b, "OpenSSL could not compute SHA-256");
    }
    if (!bell_str_eq(hash, (bell_str){actual, BELL_DIRECTORY_SHA256_DIGITS})) {
        return fail(b, "checksum does not match: the file is torn or was changed");
    }
    return parse_payload(b, payload);
}

static bool prepare(builder *b) {
    if (getrandom(b->seed, sizeof(b->seed), 0) != (ssize_t)sizeof(b->seed)) {
        return fail(b, "the system gave no random bytes");
    }
    bell_buf_reserve(&b->text, 1);
    if (b->text.failed || !table_grow(&b->hosts, b->seed, b->text.p) || !table_grow(&b->names, b->seed, b->text.p)) {
        return no_memory(b);
    }
    return true;
}

/* Texts were counted from the first of them; in the image they count from its start. */
static void lay_out(const builder *b, const image_head *h, uint32_t text_at, char *image) {
    image_tenant *tenants = (image_tenant *)(image + h->tenants_at);
    image_slot *slots = (image_slot *)(image + h->slots_at);

    memcpy(image, h, sizeof(*h));
    for (uint32_t i = 0; i < b->ntenants; i++) {
        tenants[i] = b->tenants[i];
        tenants[i].name_at += text_at;
        tenants[i].locale_at += text_at;
    }
    memcpy(slots, b->hosts.slots, b->hosts.nslots * sizeof(*slots));
    for (uint32_t i = 0; i < b->hosts.nslots; i++) {
        slots[i].host_at += slots[i].host_bytes ? text_at : 0;
    }
    memcpy(image + text_at, b->text.p, b->text.len);
}

static void *image_new(builder *b, size_t *image_len) {
    uint64_t tenants_bytes = (uint64_t)b->ntenants * sizeof(image_tenant), slots_bytes = (uint64_t)b->hosts.nslots * sizeof(image_slot);
    uint64_t text_at = sizeof(image_head) + tenants_bytes + slots_bytes, total = text_at + b->text.len;
    image_head h = {
        .magic = IMAGE_MAGIC,
        .format = IMAGE_FORMAT,
        .image_bytes = (uint32_t)total,
        .version_low = (uint32_t)b->version,
        .version_high = (uint32_t)(b->version >> 32),
        .default_tenant = b->default_tenant,
        .ntenants = b->ntenants,
        .tenants_at = sizeof(h),
        .nslots = b->hosts.nslots,
        .slots_at = (uint32_t)(sizeof(h) + tenants_bytes),
    };
    char *image;

    if (total > UINT32_MAX) {
        fail(b, "the directory's image would be larger than 4 GiB");
        return NULL;
    }
    memcpy(h.seed, b->seed, sizeof(h.seed));
    image = malloc((size_t)total);
    if (image == NULL) {
        no_memory(b);
        return NULL;
    }
    lay_out(b, &h, (uint32_t)text_at, image);
    *image_len = (size_t)total;
    return image;
}

void *bell_directory_build(bell_str snapshot, size_t *image_len, char *err, size_t err_len) {
    builder b = {.default_tenant = BELL_DIRECTORY_NO_TENANT, .err = err, .err_len = err_len};
    void *image = NULL;

    bell_buf_init(&b.text, UINT32_MAX / 2);
    if (prepare(&b) && parse_snapshot(&b, snapshot)) {
        image = image_new(&b, image_len);
    }
    bell_buf_fini(&b.text);
    free(b.hosts.slots);
    free(b.names.slots);
    free(b.tenants);
    return image;
}
