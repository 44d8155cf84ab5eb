/* The signed directory of a whole state, 50,000 tenants with 150,000 names, with one byte changed at each of 1,000 random places: never taken. */
#include "bell_directory_image.h"
#include "unit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TENANTS 50000
#define TRIES   1000 /* FB_TEST_TRIES says another number, where every step is slow */
#define NOW_S   1800000000

static bell_buf snapshot;
static char *image;
static size_t capacity;
static bell_directory_key *key;

static bell_directory_key *new_key(void) {
    char path[] = "/tmp/bell-directory-XXXXXX", err[300] = "";
    EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    FILE *f = fdopen(mkstemp(path), "w");

    assert_int_equal(PEM_write_PrivateKey(f, k, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    EVP_PKEY_free(k);
    bell_directory_key *made = bell_directory_key_load(path, err, sizeof(err));
    unlink(path);
    assert_string_equal(err, "");
    return made;
}

static void add_tenant(bell_buf *b, unsigned n) {
    bell_buf_printf(b,
                    "%s{\"id\":%u,\"name\":\"district-%u\",\"title\":\"District %u\",\"status\":\"active\",\"locale\":\"en\",\"hosts\":["
                    "\"district-%u.firstbell.example\",\"learn.district-%u.k12.example\",\"*.district-%u.k12.example\"]}",
                    n > 1 ? "," : "", n, n, n, n, n, n);
}

static int set_up(void **state) {
    bell_buf payload;

    (void)state;
    key = new_key();
    bell_buf_init(&payload, BELL_DIRECTORY_DOCUMENT_MAX);
    bell_buf_add_z(&payload, "{\"version\":7,\"tenants\":[");
    for (unsigned n = 1; n <= TENANTS; n++) {
        add_tenant(&payload, n);
    }
    bell_buf_add_z(&payload, "]}");
    bell_buf_init(&snapshot, BELL_DIRECTORY_DOCUMENT_MAX);
    assert_true(bell_directory_seal(&snapshot, 0, 7, bell_buf_str(&payload), key));
    bell_buf_add_str(&snapshot, bell_buf_str(&payload));
    assert_false(snapshot.failed);
    bell_buf_fini(&payload);
    capacity = (bell_directory_capacity_of(bell_buf_str(&snapshot)) + 63) / 64 * 64;
    image = aligned_alloc(64, capacity);
    assert_non_null(image);
    memset(image, 0, capacity);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    bell_buf_fini(&snapshot);
    free(image);
    bell_directory_key_free(key);
    return 0;
}

static bool load(void) {
    const bell_directory_keys keys = {{key}, 1};
    char err[400] = "";

    bell_directory_image_spoil(image); /* what was there before is not what is looked at afterwards */
    bool good = bell_directory_load(image, capacity, bell_buf_str(&snapshot), &keys, NOW_S, err, sizeof(err)) == BELL_DIRECTORY_OK;

    assert_true(good == (err[0] == '\0'));
    return good;
}

static void as_it_was_written(void **state) {
    bell_tenant t;

    (void)state;
    assert_true(load());
    assert_int_equal(bell_directory_version(image, capacity), 7);
    assert_int_equal(bell_directory_tenant_count(image, capacity), TENANTS);
    assert_int_equal(bell_directory_find(image, capacity, BELL_STR("www.district-50000.k12.example"), &t), BELL_DIRECTORY_WILDCARD);
    assert_int_equal(t.id, TENANTS);
}

/* Every tenth in the header, which is short and would hardly be hit. */
static void with_a_byte_changed(void **state) {
    const char *other = getenv("FB_TEST_TRIES");
    unsigned seed = 4711, tries = other != NULL ? (unsigned)atoi(other) : TRIES;

    (void)state;
    for (unsigned i = 0; i < tries; i++) {
        size_t range = i % 10 == 0 ? 200 : snapshot.len;
        size_t at = ((size_t)rand_r(&seed) << 15 ^ (size_t)rand_r(&seed)) % range;
        char was = snapshot.p[at];

        snapshot.p[at] = (char)(was ^ (1 + rand_r(&seed) % 255));
        if (load() || bell_directory_version(image, capacity) != 0) {
            fail_msg("taken with byte %zu changed from %d to %d", at, was, snapshot.p[at]);
        }
        snapshot.p[at] = was;
    }
    assert_true(load());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_it_was_written),
        cmocka_unit_test(with_a_byte_changed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
