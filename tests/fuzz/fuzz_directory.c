/* The first byte says what the rest is: 's' a snapshot, 'i' an image in shared memory, anything else a payload, which gets a right header.
 * longest input: 2048 bytes */
#include "bell_directory.h"
#include "fuzz.h"

#include <openssl/evp.h>

static void look_up(const void *image, size_t len) {
    static const char *const hosts[] = {"a.example", "demo.localhost", "[::1]", "b"};
    bell_tenant t;

    bell_directory_version(image, len);
    bell_directory_tenant_count(image, len);
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        if (bell_directory_find(image, len, bell_str_of(hosts[i]), &t) != 0) {
            fuzz_assert(strlen(t.name) <= BELL_DIRECTORY_NAME_MAX && strlen(t.locale) <= BELL_DIRECTORY_LOCALE_MAX);
        }
    }
}

static void build(bell_str snapshot) {
    char err[300] = "";
    size_t len = 0;
    void *image = bell_directory_build(snapshot, &len, err, sizeof(err));

    fuzz_assert((image == NULL) == (err[0] != '\0'));
    if (image != NULL) {
        fuzz_assert(bell_directory_version(image, len) != 0);
        look_up(image, len);
    }
    free(image);
}

static void build_payload(const uint8_t *data, size_t size) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    bell_buf snapshot;

    fuzz_assert(EVP_Digest(data, size, hash, NULL, EVP_sha256(), NULL) == 1);
    bell_buf_init(&snapshot, size + BELL_DIRECTORY_HEADER_MAX);
    bell_buf_printf(&snapshot, "bell-directory 1 7 %zu ", size);
    for (int i = 0; i < 32; i++) {
        bell_buf_printf(&snapshot, "%02x", hash[i]);
    }
    bell_buf_add_char(&snapshot, '\n');
    bell_buf_add(&snapshot, data, size);
    fuzz_assert(!snapshot.failed);
    build(bell_buf_str(&snapshot));
    bell_buf_fini(&snapshot);
}

static void read_image(const uint8_t *data, size_t size) {
    void *image = malloc(size ? size : 1);

    fuzz_assert(image != NULL);
    memcpy(image, data, size);
    look_up(image, size);
    free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    if (data[0] == 's') {
        build((bell_str){(const char *)data + 1, size - 1});
    } else if (data[0] == 'i') {
        read_image(data + 1, size - 1);
    } else {
        build_payload(data + 1, size - 1);
    }
    return 0;
}
