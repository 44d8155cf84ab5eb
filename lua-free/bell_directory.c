/* The rules of the directory's rows, and how a snapshot is written. */
#include "bell_directory_image.h"
#include "bell_json.h"

#include <openssl/evp.h>

#define SHA256_BYTES 32

static const struct {
    bell_tenant_status status;
    const char *name;
} statuses[] = {
    {BELL_TENANT_ACTIVE, "active"},
    {BELL_TENANT_READ_ONLY, "read-only"},
    {BELL_TENANT_EXAM, "exam"},
    {BELL_TENANT_SUSPENDED, "suspended"},
};

#define NSTATUSES (sizeof(statuses) / sizeof(*statuses))

const char *bell_tenant_status_name(bell_tenant_status s) {
    for (size_t i = 0; i < NSTATUSES; i++) {
        if (statuses[i].status == s) {
            return statuses[i].name;
        }
    }
    return NULL;
}

bell_tenant_status bell_tenant_status_of(bell_str name) {
    for (size_t i = 0; i < NSTATUSES; i++) {
        if (bell_str_eq(name, bell_str_of(statuses[i].name))) {
            return statuses[i].status;
        }
    }
    return 0;
}

static bool is_alnum_or_hyphen(bell_str s, bool upper) {
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (upper && c >= 'A' && c <= 'Z') || c == '-')) {
            return false;
        }
    }
    return s.len > 0;
}

bool bell_directory_is_name(bell_str s) {
    return s.len <= BELL_DIRECTORY_NAME_MAX && is_alnum_or_hyphen(s, false);
}

bool bell_directory_is_locale(bell_str s) {
    return s.len <= BELL_DIRECTORY_LOCALE_MAX && is_alnum_or_hyphen(s, true);
}

bool bell_directory_is_host(bell_str s) {
    char normal[BELL_HOST_MAX_BYTES + 1];
    long len = bell_host_normalize(s, normal);

    return len > 0 && bell_str_eq(s, (bell_str){normal, (size_t)len});
}

bool bell_directory_sha256(bell_str s, char out[BELL_DIRECTORY_SHA256_DIGITS + 1]) {
    static const char hex[] = "0123456789abcdef";
    unsigned char hash[EVP_MAX_MD_SIZE];

    if (EVP_Digest(s.p ? s.p : "", s.len, hash, NULL, EVP_sha256(), NULL) != 1) {
        return false;
    }
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        out[2 * i] = hex[hash[i] >> 4];
        out[2 * i + 1] = hex[hash[i] & 15];
    }
    out[BELL_DIRECTORY_SHA256_DIGITS] = '\0';
    return true;
}

static bool is_row(const bell_directory_row *r, uint32_t id_before) {
    if (r->id <= id_before || bell_tenant_status_name(r->status) == NULL || !bell_directory_is_name(r->name) ||
        !bell_directory_is_locale(r->locale)) {
        return false;
    }
    for (size_t i = 0; i < r->nhosts; i++) {
        if (!bell_directory_is_host(r->hosts[i])) {
            return false;
        }
    }
    return bell_str_is_utf8(r->title);
}

static void write_row(bell_json *j, const bell_directory_row *r) {
    bell_json_object_open(j);
    bell_json_key(j, "id");
    bell_json_int(j, r->id);
    bell_json_key(j, "name");
    bell_json_str(j, r->name);
    bell_json_key(j, "title");
    bell_json_str(j, r->title);
    bell_json_key(j, "status");
    bell_json_z(j, bell_tenant_status_name(r->status));
    bell_json_key(j, "locale");
    bell_json_str(j, r->locale);
    bell_json_key(j, "hosts");
    bell_json_array_open(j);
    for (size_t i = 0; i < r->nhosts; i++) {
        bell_json_str(j, r->hosts[i]);
    }
    bell_json_array_close(j);
    bell_json_object_close(j);
}

static bool write_payload(bell_buf *out, uint64_t version, const bell_directory_row *rows, size_t nrows, uint32_t default_tenant) {
    bell_json j;

    bell_json_init(&j, out);
    bell_json_object_open(&j);
    bell_json_key(&j, "version");
    bell_json_int(&j, (int64_t)version);
    bell_json_key(&j, "tenants");
    bell_json_array_open(&j);
    for (size_t i = 0; i < nrows; i++) {
        if (!is_row(&rows[i], i ? rows[i - 1].id : 0)) {
            return false;
        }
        write_row(&j, &rows[i]);
    }
    bell_json_array_close(&j);
    if (default_tenant != 0) {
        bell_json_key(&j, "default_tenant");
        bell_json_int(&j, default_tenant);
    }
    bell_json_object_close(&j);
    return bell_json_done(&j);
}

bool bell_directory_write(bell_buf *out, uint64_t version, const bell_directory_row *rows, size_t nrows, uint32_t default_tenant) {
    char hash[BELL_DIRECTORY_SHA256_DIGITS + 1];
    bell_buf payload;
    bool good;

    if (version == 0 || version > BELL_DIRECTORY_VERSION_MAX || (default_tenant != 0 && (nrows != 1 || rows[0].id != default_tenant))) {
        return false;
    }
    bell_buf_init(&payload, out->max_bytes);
    good = write_payload(&payload, version, rows, nrows, default_tenant) && bell_directory_sha256(bell_buf_str(&payload), hash);
    if (good) {
        bell_buf_printf(out, BELL_DIRECTORY_WORD "%llu %zu %s\n", (unsigned long long)version, payload.len, hash);
        bell_buf_add_str(out, bell_buf_str(&payload));
    }
    bell_buf_fini(&payload);
    return good && !out->failed;
}
