/* How a document of the directory is written. */
#include "bell_directory_image.h"
#include "bell_json.h"

static bool is_seconds(int64_t s) {
    return s >= 0 && s <= (int64_t)BELL_DIRECTORY_SECONDS_MAX;
}

static bool is_name_or_none(bell_str s) {
    return s.len == 0 || bell_directory_is_name(s);
}

static bool are_keys(const bell_record_key *keys, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (keys[i].kid.len > BELL_DIRECTORY_NAME_MAX || !bell_directory_is_text(keys[i].kid, BELL_DIRECTORY_NAME_MAX) ||
            !bell_directory_is_word(keys[i].use) || !bell_directory_is_word(keys[i].alg) ||
            !bell_directory_is_text(keys[i].material, BELL_DIRECTORY_MATERIAL_MAX) || !is_seconds(keys[i].from_s) || !is_seconds(keys[i].until_s)) {
            return false;
        }
    }
    return true;
}

static bool is_row(const bell_directory_row *r, uint32_t id_before) {
    if (r->id <= id_before || bell_tenant_status_name(r->status) == NULL || !bell_directory_is_name(r->name) ||
        !bell_directory_is_locale(r->locale) || !is_name_or_none(r->upstream) || !is_name_or_none(r->cluster) || !is_name_or_none(r->region) ||
        !bell_directory_is_text(r->title, BELL_DIRECTORY_TITLE_MAX) || !bell_directory_is_text(r->notice, BELL_DIRECTORY_NOTICE_MAX) ||
        !is_seconds(r->sessions_from_s)) {
        return false;
    }
    for (size_t i = 0; i < r->nhosts; i++) {
        if (!bell_directory_is_host(r->hosts[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < r->nflags; i++) {
        if (!bell_directory_is_word(r->flags[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < r->nlimits; i++) {
        if (!bell_directory_is_word(r->limits[i].name) || r->limits[i].value > INT64_MAX) {
            return false;
        }
    }
    return are_keys(r->keys, r->nkeys);
}

static void write_texts(bell_json *j, const char *key, const bell_str *texts, size_t n) {
    bell_json_key(j, key);
    bell_json_array_open(j);
    for (size_t i = 0; i < n; i++) {
        bell_json_str(j, texts[i]);
    }
    bell_json_array_close(j);
}

static void write_text(bell_json *j, const char *key, bell_str s) {
    if (s.len > 0) {
        bell_json_key(j, key);
        bell_json_str(j, s);
    }
}

static void write_number(bell_json *j, const char *key, int64_t v) {
    bell_json_key(j, key);
    bell_json_int(j, v);
}

/* Their names are words, which JSON does not escape; bell_json_key takes literals only. */
static void write_limits(bell_json *j, const bell_directory_limit *limits, size_t n) {
    char name[BELL_DIRECTORY_NAME_MAX + 1];

    bell_json_key(j, "limits");
    bell_json_object_open(j);
    for (size_t i = 0; i < n; i++) {
        memcpy(name, limits[i].name.p, limits[i].name.len);
        name[limits[i].name.len] = '\0';
        write_number(j, name, (int64_t)limits[i].value);
    }
    bell_json_object_close(j);
}

static void write_keys(bell_json *j, const bell_record_key *keys, size_t n) {
    bell_json_key(j, "keys");
    bell_json_array_open(j);
    for (size_t i = 0; i < n; i++) {
        bell_json_object_open(j);
        bell_json_key(j, "kid");
        bell_json_str(j, keys[i].kid);
        write_text(j, "use", keys[i].use);
        write_text(j, "alg", keys[i].alg);
        bell_json_key(j, "key");
        bell_json_str(j, keys[i].material);
        if (keys[i].from_s != 0) {
            write_number(j, "from", keys[i].from_s);
        }
        if (keys[i].until_s != 0) {
            write_number(j, "until", keys[i].until_s);
        }
        bell_json_object_close(j);
    }
    bell_json_array_close(j);
}

static void write_row(bell_json *j, const bell_directory_row *r) {
    bell_json_object_open(j);
    write_number(j, "id", r->id);
    bell_json_key(j, "name");
    bell_json_str(j, r->name);
    bell_json_key(j, "title");
    bell_json_str(j, r->title);
    bell_json_key(j, "status");
    bell_json_z(j, bell_tenant_status_name(r->status));
    bell_json_key(j, "locale");
    bell_json_str(j, r->locale);
    write_texts(j, "hosts", r->hosts, r->nhosts);
    write_text(j, "upstream", r->upstream);
    write_text(j, "cluster", r->cluster);
    write_text(j, "region", r->region);
    write_text(j, "notice", r->notice);
    if (r->nflags > 0) {
        write_texts(j, "flags", r->flags, r->nflags);
    }
    if (r->nlimits > 0) {
        write_limits(j, r->limits, r->nlimits);
    }
    if (r->nkeys > 0) {
        write_keys(j, r->keys, r->nkeys);
    }
    if (r->sessions_from_s != 0) {
        write_number(j, "sessions_from", r->sessions_from_s);
    }
    bell_json_object_close(j);
}

static bool write_rows(bell_json *j, const bell_directory_doc *d) {
    bell_json_key(j, "tenants");
    bell_json_array_open(j);
    for (size_t i = 0; i < d->nrows; i++) {
        if (!is_row(&d->rows[i], i ? d->rows[i - 1].id : 0)) {
            return false;
        }
        write_row(j, &d->rows[i]);
    }
    bell_json_array_close(j);
    return true;
}

static bool write_pool(bell_json *j, const bell_directory_pool *p) {
    if (!bell_directory_is_name(p->name)) {
        return false;
    }
    bell_json_object_open(j);
    bell_json_key(j, "name");
    bell_json_str(j, p->name);
    bell_json_key(j, "servers");
    bell_json_array_open(j);
    for (size_t i = 0; i < p->nservers; i++) {
        const bell_record_server *s = &p->servers[i];

        if (!bell_directory_is_server(s->address) || s->weight == 0 || s->weight > BELL_DIRECTORY_WEIGHT_MAX ||
            bell_server_state_name(s->state) == NULL) {
            return false;
        }
        bell_json_object_open(j);
        bell_json_key(j, "address");
        bell_json_str(j, s->address);
        write_number(j, "weight", s->weight);
        bell_json_key(j, "state");
        bell_json_z(j, bell_server_state_name(s->state));
        bell_json_object_close(j);
    }
    bell_json_array_close(j);
    bell_json_object_close(j);
    return true;
}

static bool write_pools(bell_json *j, const bell_directory_doc *d) {
    if (d->npools == 0) {
        return true;
    }
    bell_json_key(j, "pools");
    bell_json_array_open(j);
    for (size_t i = 0; i < d->npools; i++) {
        if (!write_pool(j, &d->pools[i])) {
            return false;
        }
    }
    bell_json_array_close(j);
    return true;
}

static bool write_revoked(bell_json *j, const bell_directory_doc *d) {
    if (d->nrevoked == 0) {
        return true;
    }
    bell_json_key(j, "revoked");
    bell_json_array_open(j);
    for (size_t i = 0; i < d->nrevoked; i++) {
        const bell_directory_revoked *r = &d->revoked[i];

        if (r->tenant_id == 0 || r->subject.len == 0 || !bell_directory_is_text(r->subject, BELL_DIRECTORY_SUBJECT_MAX) || !is_seconds(r->before_s) ||
            !is_seconds(r->until_s)) {
            return false;
        }
        bell_json_object_open(j);
        write_number(j, "tenant", r->tenant_id);
        bell_json_key(j, "subject");
        bell_json_str(j, r->subject);
        write_number(j, "before", r->before_s);
        write_number(j, "until", r->until_s);
        bell_json_object_close(j);
    }
    bell_json_array_close(j);
    return true;
}

static void write_removed(bell_json *j, const bell_directory_doc *d) {
    if (d->nremoved > 0) {
        bell_json_key(j, "removed");
        bell_json_array_open(j);
        for (size_t i = 0; i < d->nremoved; i++) {
            bell_json_int(j, d->removed[i]);
        }
        bell_json_array_close(j);
    }
    if (d->nremoved_pools > 0) {
        write_texts(j, "removed_pools", d->removed_pools, d->nremoved_pools);
    }
}

static bool write_payload(bell_buf *out, const bell_directory_doc *d) {
    bell_json j;

    bell_json_init(&j, out);
    bell_json_object_open(&j);
    write_number(&j, "version", (int64_t)d->version);
    if (!write_rows(&j, d) || !write_pools(&j, d) || !write_revoked(&j, d)) {
        return false;
    }
    write_removed(&j, d);
    if (d->default_tenant != 0) {
        write_number(&j, "default_tenant", d->default_tenant);
    }
    bell_json_object_close(&j);
    return bell_json_done(&j);
}

static bool is_head(const bell_directory_doc *d) {
    bool snapshot = d->from == 0;

    if (d->version == 0 || d->version > BELL_DIRECTORY_VERSION_MAX || d->from >= d->version || (snapshot && (d->nremoved || d->nremoved_pools))) {
        return false;
    }
    for (size_t i = 0; i < d->nremoved_pools; i++) {
        if (!bell_directory_is_name(d->removed_pools[i])) {
            return false;
        }
    }
    return !snapshot || d->default_tenant == 0 || (d->nrows == 1 && d->rows[0].id == d->default_tenant);
}

bool bell_directory_write(bell_buf *out, const bell_directory_doc *d, const bell_directory_key *key) {
    bell_buf payload;
    bool good;

    if (!is_head(d)) {
        return false;
    }
    bell_buf_init(&payload, out->max_bytes < BELL_DIRECTORY_DOCUMENT_MAX ? out->max_bytes : BELL_DIRECTORY_DOCUMENT_MAX);
    good = write_payload(&payload, d) && bell_directory_seal(out, d->from, d->version, bell_buf_str(&payload), key);
    if (good) {
        bell_buf_add_str(out, bell_buf_str(&payload));
    }
    bell_buf_fini(&payload);
    return good && !out->failed;
}
