/* The first byte says what the rest is: 's' a snapshot, 'i' an image in shared memory, 'd' a delta's payload, anything else a snapshot's payload; a
 * payload gets a right header.
 * longest input: 2048 bytes */
#include "bell_directory_doc.h"
#include "fuzz.h"

#include <openssl/evp.h>

#define CAPACITY 16384
#define NOW_S    1000

static const bell_directory_keys no_keys;
static _Alignas(8) char image[CAPACITY];
static char copy[BELL_DIRECTORY_RECORD_MAX];

static void read_record(size_t len) {
    bell_str list = bell_record_get(copy, len, BELL_RECORD_KEYS);
    bell_record_server server;
    bell_record_key key;
    uint64_t limit;

    while (bell_record_next_key(&list, &key)) {
        fuzz_assert(key.material.len <= len);
    }
    list = bell_record_get(copy, len, BELL_RECORD_SERVERS);
    while (bell_record_next_server(&list, &server)) {
        fuzz_assert(server.address.len <= len);
    }
    (void)bell_record_limit(copy, len, BELL_STR("rooms"), &limit);
    (void)bell_record_has_flag(copy, len, BELL_STR("live"));
}

static void look_up(const void *at, size_t len) {
    static const char *const hosts[] = {"a.example", "demo.localhost", "[::1]", "b", "x.y.district.example"};
    bell_directory_trace trace;
    bell_tenant t;

    bell_directory_version(at, len);
    bell_directory_tenant_count(at, len);
    bell_directory_fill_percent(at, len);
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        if (bell_directory_find_traced(at, len, bell_str_of(hosts[i]), &t, &trace) != BELL_DIRECTORY_NOBODY) {
            fuzz_assert(strlen(t.name) <= BELL_DIRECTORY_NAME_MAX && strlen(t.locale) <= BELL_DIRECTORY_LOCALE_MAX);
            (void)!bell_directory_is_unchanged(at, len, &trace, 1);
        }
    }
    (void)!bell_directory_is_revoked(at, len, 1, BELL_STR("42"), 1);
    read_record(bell_directory_copy_tenant(at, len, 1, copy));
    read_record(bell_directory_copy_pool(at, len, BELL_STR("api"), copy));
}

static void load(bell_str snapshot) {
    char err[400] = "";
    bool good = bell_directory_load(image, CAPACITY, snapshot, &no_keys, NOW_S, err, sizeof(err)) == BELL_DIRECTORY_OK;

    fuzz_assert(good == (err[0] == '\0'));
    fuzz_assert(good == (bell_directory_version(image, CAPACITY) != 0));
    look_up(image, CAPACITY);
}

/* The one that a delta changes. */
static void load_base(void) {
    static const bell_str hosts[] = {BELL_STR("a.example"), BELL_STR("*.district.example")};
    const bell_directory_row row = {
        .id = 1, .status = BELL_TENANT_EXAM, .name = BELL_STR("a"), .locale = BELL_STR("en"), .hosts = hosts, .nhosts = 2};
    const bell_directory_doc doc = {.version = 6, .rows = &row, .nrows = 1};
    bell_buf out;

    bell_buf_init(&out, 4096);
    fuzz_assert(bell_directory_write(&out, &doc, NULL));
    load(bell_buf_str(&out));
    bell_buf_fini(&out);
}

static void apply(bell_str delta) {
    char err[400] = "";
    bool good;

    load_base();
    good = bell_directory_apply(image, CAPACITY, delta, &no_keys, NOW_S, err, sizeof(err)) == BELL_DIRECTORY_OK;
    fuzz_assert(good == (err[0] == '\0'));
    fuzz_assert(bell_directory_version(image, CAPACITY) == (good ? 7 : 0));
    look_up(image, CAPACITY);
}

static void take_payload(const uint8_t *data, size_t size, bool is_delta) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    bell_buf document;

    fuzz_assert(EVP_Digest(data, size, hash, NULL, EVP_sha256(), NULL) == 1);
    bell_buf_init(&document, size + BELL_DIRECTORY_HEADER_MAX);
    bell_buf_printf(&document, "bell-directory 2 %d 7 %zu ", is_delta ? 6 : 0, size);
    for (int i = 0; i < 32; i++) {
        bell_buf_printf(&document, "%02x", hash[i]);
    }
    bell_buf_add_z(&document, " - -\n");
    bell_buf_add(&document, data, size);
    fuzz_assert(!document.failed);
    if (is_delta) {
        apply(bell_buf_str(&document));
    } else {
        load(bell_buf_str(&document));
    }
    bell_buf_fini(&document);
}

static void read_image(const uint8_t *data, size_t size) {
    void *at = malloc(size ? size : 1);

    fuzz_assert(at != NULL);
    memcpy(at, data, size);
    look_up(at, size);
    free(at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    if (data[0] == 's') {
        load((bell_str){(const char *)data + 1, size - 1});
    } else if (data[0] == 'i') {
        read_image(data + 1, size - 1);
    } else {
        take_payload(data + 1, size - 1, data[0] == 'd');
    }
    return 0;
}
