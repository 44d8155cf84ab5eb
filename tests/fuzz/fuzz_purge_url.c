/* URLs that are to be purged: what is read can be sent, and read again comes out the same.
 * longest input: 512 bytes */
#include "bell_purge_url.h"
#include "fuzz.h"

static void can_be_sent(const bell_purge_url *u, bell_purge_kind kind) {
    char line[BELL_PURGE_BYTES_MAX];
    bell_purge purge = {.sequence = UINT64_MAX, .at_ms = INT64_MAX, .tenant_id = UINT32_MAX, .kind = kind};
    bell_purge read;

    purge.host = bell_str_of(u->host);
    purge.value = bell_str_of(u->value);
    long len = bell_purge_write(&purge, line, sizeof(line));
    fuzz_assert(len > 0 && bell_purge_read((bell_str){line, (size_t)len}, &read));
    fuzz_assert(bell_purge_is_about(&read, UINT32_MAX, purge.host, purge.value));
}

static void comes_out_the_same(const bell_purge_url *u) {
    char url[sizeof(*u) + 16];
    bell_purge_url again;
    int len = snprintf(url, sizeof(url), "https://%s%s", u->host, u->value);

    fuzz_assert(len > 0 && bell_purge_url_read((bell_str){url, (size_t)len}, BELL_PURGE_URL, &again) == NULL);
    fuzz_assert(strcmp(u->name, again.name) == 0 && strcmp(u->value, again.value) == 0);
    fuzz_assert(strcmp(u->host, again.host) == 0 || strstr(u->host, ":443") != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_str text = {(const char *)data, size};
    bell_purge_url url;
    bell_purge_url prefix;
    bool is_url = bell_purge_url_read(text, BELL_PURGE_URL, &url) == NULL;
    bool is_prefix = bell_purge_url_read(text, BELL_PURGE_PREFIX, &prefix) == NULL;

    fuzz_assert(is_url || !is_prefix);
    if (is_url) {
        can_be_sent(&url, BELL_PURGE_URL);
        comes_out_the_same(&url);
    }
    if (is_prefix) {
        can_be_sent(&prefix, BELL_PURGE_PREFIX);
        fuzz_assert(strcmp(url.host, prefix.host) == 0 && strcmp(url.value, prefix.value) == 0);
    }
    return 0;
}
