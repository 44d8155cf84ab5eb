#include "bell_cache_index.h"
#include "unit.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENTRIES  64
#define TENANTS  4
#define CAPACITY 6400

static void *index_;
static size_t size;

/* Keys that went, in their order. */
static uint64_t gone[1 << 20];
static size_t ngone;

static void note_gone(void *data, const bell_cache_entry *e) {
    assert_ptr_equal(data, gone);
    gone[ngone++ % ROWS(gone)] = (uint32_t)e->hash.words[0];
}

static const bell_cache_evicted evicted = {note_gone, gone};

static void make(uint32_t entries, uint32_t tenants, uint64_t capacity) {
    if (index_ != NULL) {
        munmap(index_, size);
    }
    size = bell_cache_index_size(entries, tenants);
    index_ = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(index_ != MAP_FAILED);
    memset(index_, 0xa5, size);
    assert_true(bell_cache_index_init(index_, size, entries, tenants, capacity));
    ngone = 0;
}

static int set_up(void **state) {
    (void)state;
    make(ENTRIES, TENANTS, CAPACITY);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    munmap(index_, size);
    index_ = NULL;
    return 0;
}

/* The number is in the lower half: neighbours have other buckets, and those that meet are known. */
static bell_cache_hash hash_of(uint64_t n) {
    uint64_t mixed = (n + 1) * 0x9e3779b97f4a7c15u;

    return (bell_cache_hash){{(mixed & 0xffffffff00000000u) | n, mixed >> 17}};
}

static uint64_t number_of(const bell_cache_entry *e) {
    return (uint32_t)e->hash.words[0];
}

static uint32_t put(uint64_t n, uint32_t tenant, uint64_t bytes) {
    bell_cache_hash hash = hash_of(n);

    return bell_cache_index_put(index_, &hash, tenant, bytes, &n, sizeof(n), &evicted);
}

static bool has(uint64_t n) {
    bell_cache_hash hash = hash_of(n);
    bell_cache_entry e;
    uint32_t number = bell_cache_index_get(index_, &hash, &e);
    uint64_t payload;

    if (number == 0) {
        assert_null(bell_cache_index_find(index_, &hash));
        return false;
    }
    memcpy(&payload, e.payload, sizeof(payload));
    assert_int_equal(payload, n);
    assert_non_null(bell_cache_index_find(index_, &hash));
    return true;
}

static void hit(uint64_t n, unsigned times) {
    bell_cache_hash hash = hash_of(n);
    bell_cache_entry e;
    uint32_t number = bell_cache_index_get(index_, &hash, &e);

    assert_int_not_equal(number, 0);
    while (times-- > 0) {
        bell_cache_index_touch(index_, number);
    }
}

/* All that can be seen of it agrees. */
static void check_whole(void) {
    const bell_cache_entry *e;
    uint64_t bytes = 0;
    uint32_t number = 0, count = 0;

    while ((e = bell_cache_index_next(index_, &number)) != NULL) {
        assert_true(has(number_of(e)));
        bytes += e->bytes;
        count++;
    }
    assert_int_equal(count, bell_cache_index_count(index_));
    assert_int_equal(bytes, bell_cache_index_bytes(index_));
}

static void layout(void **state) {
    static const struct {
        uint32_t entries, tenants;
        uint64_t capacity;
        size_t less, offset;
        bool good;
    } rows[] = {{1, 1, 1, 0, 0, true},  {100, 7, 1, 0, 0, true}, {100, 7, 1, 1, 0, false}, {100, 7, 1, 0, 8, false},
                {0, 7, 1, 0, 0, false}, {1, 0, 1, 0, 0, false},  {1, 1, 0, 0, 0, false}};
    char *memory = aligned_alloc(64, 65536);

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t bytes = bell_cache_index_size(rows[i].entries, rows[i].tenants) - rows[i].less;
        assert_true(bell_cache_index_init(memory + rows[i].offset, bytes, rows[i].entries, rows[i].tenants, rows[i].capacity) == rows[i].good);
    }
    free(memory);
    assert_true(bell_cache_index_size(1 << 20, 50000) / (1 << 20) <= 200); /* bytes an object */
}

static void what_was_put_is_there(void **state) {
    bell_cache_hash hash = hash_of(1);
    uint64_t other = 1;

    (void)state;
    assert_false(has(1));
    assert_int_not_equal(put(1, 7, 100), 0);
    assert_true(has(1));
    assert_false(has(1 + ENTRIES)); /* of the same bucket */
    assert_int_not_equal(put(1 + ENTRIES, 7, 200), 0);
    assert_true(has(1) && has(1 + ENTRIES));
    assert_int_equal(bell_cache_index_tenant_bytes(index_, 7), 300);
    assert_int_equal(put(1, 8, 50) != 0, true); /* in the place of the other */
    assert_int_equal(ngone, 1);
    assert_int_equal(bell_cache_index_tenant_bytes(index_, 7), 200);
    assert_int_equal(bell_cache_index_tenant_bytes(index_, 8), 50);
    assert_true(bell_cache_index_set(index_, &hash, &other, sizeof(other)));
    assert_true(has(1));
    assert_true(bell_cache_index_remove(index_, &hash, &evicted));
    assert_false(bell_cache_index_remove(index_, &hash, &evicted));
    assert_false(bell_cache_index_set(index_, &hash, &other, sizeof(other)));
    assert_false(has(1));
    assert_int_equal(bell_cache_index_count(index_), 1);
    assert_int_equal(put(2, 7, CAPACITY + 1), 0);
    assert_int_not_equal(put(2, 7, CAPACITY), 0); /* all others go */
    assert_true(has(2) && !has(1 + ENTRIES));
    check_whole();
    assert_true(bell_cache_index_evict(index_, &evicted)); /* one at a time, of whoever holds most */
    assert_false(has(2));
    assert_false(bell_cache_index_evict(index_, &evicted));
    assert_int_equal(bell_cache_index_bytes(index_), 0);
    check_whole();
}

/* A walk over many objects, each once, leaves those that are asked for again. */
static void a_walk_pushes_nobody_out(void **state) {
    (void)state;
    for (uint64_t n = 1; n <= 20; n++) {
        put(n, 7, 100);
        hit(n, 2);
    }
    for (uint64_t n = 1000; n < 3000; n++) {
        put(n, 7, 100);
    }
    for (uint64_t n = 1; n <= 20; n++) {
        assert_true(has(n));
    }
    check_whole();
}

/* Main objects that nobody asks for go round and out. */
static void what_was_of_use_once_goes_too(void **state) {
    (void)state;
    for (uint64_t n = 1; n <= 60; n++) {
        put(n, 7, 100);
        hit(n, 2);
    }
    for (uint64_t n = 1000; n < 1400; n++) {
        put(n, 7, 100);
        hit(n, 2);
    }
    for (uint64_t n = 1; n <= 60; n++) {
        assert_false(has(n));
    }
    check_whole();
}

/* What went and is asked for again soon is not one of a walk. */
static void a_ghost_comes_back(void **state) {
    (void)state;
    put(1, 7, 100);
    for (uint64_t n = 1000; has(1); n++) {
        put(n, 7, 100);
    }
    put(1, 7, 100);
    for (uint64_t n = 2000; n < 2200; n++) {
        put(n, 7, 100);
    }
    assert_true(has(1));
    check_whole();
}

/* One district asks for all the world, another for ten things an hour: those stay. */
static void shares(void **state) {
    (void)state;
    for (uint64_t n = 1; n <= 10; n++) {
        put(n, 7, 100);
    }
    for (uint64_t n = 1000; n < 9000; n++) {
        put(n, 8, 100);
        hit(n, 3);
    }
    for (uint64_t n = 1; n <= 10; n++) {
        assert_true(has(n));
    }
    assert_true(bell_cache_index_tenant_bytes(index_, 8) >= CAPACITY - 1100);
    /* three who ask for as much have about as much */
    for (uint64_t n = 10000; n < 30000; n++) {
        put(n, 8 + (uint32_t)(n % 3), 100);
    }
    for (uint32_t tenant = 8; tenant <= 10; tenant++) {
        assert_in_range(bell_cache_index_tenant_bytes(index_, tenant), CAPACITY / 5, CAPACITY / 2);
    }
    for (uint64_t n = 1; n <= 10; n++) {
        assert_true(has(n));
    }
    check_whole();
}

/* More tenants than shares: those who come late have one between them. */
static void more_tenants_than_shares(void **state) {
    (void)state;
    for (uint32_t tenant = 0; tenant < 12; tenant++) {
        put(100 + tenant, tenant, 10);
    }
    for (uint32_t tenant = 0; tenant < TENANTS; tenant++) {
        assert_int_equal(bell_cache_index_tenant_bytes(index_, tenant), 10);
    }
    assert_int_equal(bell_cache_index_tenant_bytes(index_, 11), 80);
    for (uint64_t n = 1000; n < 1200; n++) {
        put(n, 11, 100);
    }
    for (uint32_t tenant = 0; tenant < TENANTS; tenant++) {
        assert_true(has(100 + tenant));
    }
    check_whole();
}

static void few_entries_for_many_bytes(void **state) {
    (void)state;
    make(8, 2, UINT64_MAX);
    for (uint64_t n = 0; n < 1000; n++) {
        assert_int_not_equal(put(n, (uint32_t)n % 5, n % 3 == 0 ? 0 : UINT64_C(1) << 40), 0);
        assert_true(has(n));
        assert_true(bell_cache_index_count(index_) <= 8);
    }
    check_whole();
    assert_int_not_equal(put(1, 1, UINT64_MAX), 0); /* all others with bytes go: a sum of theirs would begin anew */
    assert_true(bell_cache_index_bytes(index_) == UINT64_MAX && has(1));
    check_whole();
    make(8, 2, 1000);
    for (uint64_t n = 0; n < 100; n++) {
        put(n, 1, 0); /* nothing but entries */
    }
    assert_int_equal(bell_cache_index_count(index_), 8);
    check_whole();
}

/* Whatever is done, it says what a list of what is there would say. */
static void beside_a_model(void **state) {
    enum { KEYS = 300 };
    static bool there[KEYS];

    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        srand(seed);
        make(1 + seed * 7, 1 + seed % 5, 100 * seed);
        memset(there, 0, sizeof(there));
        for (unsigned i = 0; i < 4000; i++) {
            uint64_t n = (uint64_t)rand() % KEYS;
            bell_cache_hash hash = hash_of(n);
            ngone = 0;
            switch (rand() % 4) {
            case 0:
                assert_int_equal(bell_cache_index_remove(index_, &hash, &evicted), there[n]);
                break;
            case 1:
                if (there[n]) {
                    hit(n, 1);
                }
                break;
            default:
                if (put(n, (uint32_t)rand() % 9, (uint64_t)rand() % 200) != 0) {
                    for (size_t g = 0; g < ngone; g++) {
                        there[gone[g]] = false;
                    }
                    ngone = 0;
                    there[n] = true;
                }
            }
            for (size_t g = 0; g < ngone; g++) {
                there[gone[g]] = false;
            }
            for (size_t k = 0; i % 50 == 0 && k < KEYS; k++) {
                assert_int_equal(has(k), there[k]);
            }
        }
        check_whole();
        assert_true(bell_cache_index_bytes(index_) <= 100u * seed);
    }
}

/* A writer and two readers: an entry is read whole or not at all. */
static void never_torn(void **state) {
    pid_t readers[2];
    volatile uint32_t *done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(done != MAP_FAILED);
    make(16, 2, 1000);
    for (int r = 0; r < 2; r++) {
        readers[r] = fork();
        if (readers[r] == 0) {
            int code = 0;
            for (uint64_t n = 0; *done == 0; n = (n + 1) % 40) {
                bell_cache_hash hash = hash_of(n);
                bell_cache_entry e;
                uint64_t words[BELL_CACHE_PAYLOAD_BYTES / 8];
                uint32_t number = bell_cache_index_get(index_, &hash, &e);
                memcpy(words, e.payload, sizeof(words));
                for (size_t i = 0; number != 0 && i < sizeof(words) / 8; i++) {
                    code |= words[i] != words[0] || words[0] % 40 != n || number_of(&e) != n;
                }
                bell_cache_index_touch(index_, number);
            }
            _exit(code);
        }
    }
    for (uint64_t i = 0; i < 300000; i++) {
        uint64_t words[BELL_CACHE_PAYLOAD_BYTES / 8];
        bell_cache_hash hash = hash_of(i % 40);
        for (size_t w = 0; w < sizeof(words) / 8; w++) {
            words[w] = i;
        }
        if (i % 3 == 0 || !bell_cache_index_set(index_, &hash, words, sizeof(words))) {
            bell_cache_index_put(index_, &hash, 1, 100, words, sizeof(words), &evicted);
        }
    }
    *done = 1;
    for (int r = 0; r < 2; r++) {
        int status;
        assert_int_equal(waitpid(readers[r], &status, 0), readers[r]);
        assert_int_equal(status, 0);
    }
    munmap((void *)(uintptr_t)done, 4096);
}

static void places(void **state) {
    bell_cache_hash h = hash_of(1), none = hash_of(2);
    uint32_t n;

    (void)state;
    assert_null(bell_cache_index_at(index_, 0));
    assert_null(bell_cache_index_at(index_, 1));
    assert_null(bell_cache_index_at(index_, ENTRIES + 1));
    n = bell_cache_index_put(index_, &h, 1, 10, "a", 1, &evicted);
    assert_int_equal(bell_cache_index_number(index_, bell_cache_index_find(index_, &h)), n);
    assert_ptr_equal(bell_cache_index_at(index_, n), bell_cache_index_find(index_, &h));
    assert_false(bell_cache_index_remove(index_, &none, &evicted));
    assert_true(bell_cache_index_remove(index_, &h, &evicted));
    assert_null(bell_cache_index_at(index_, n));
}

/* What next() tells, put back into an empty index in that order, goes in the order in which it would have gone. */
static void restored(void **state) {
    static bell_cache_entry copies[ENTRIES];
    static uint64_t first[ENTRIES];
    size_t n = 0, ngone_first;
    uint32_t at = 0;

    (void)state;
    for (uint64_t i = 0; i < 3 * ENTRIES; i++) {
        bell_cache_hash h = hash_of(i);
        uint32_t number = bell_cache_index_put(index_, &h, (uint32_t)(i % 3), 50 + i % 7, &i, sizeof(i), &evicted);
        for (uint64_t hit = 0; hit < i % 5; hit++) {
            bell_cache_index_touch(index_, number);
        }
    }
    for (const bell_cache_entry *e; (e = bell_cache_index_next(index_, &at)) != NULL;) {
        copies[n++] = *e;
    }
    assert_int_equal(n, bell_cache_index_count(index_));
    ngone = 0;
    while (bell_cache_index_evict(index_, &evicted)) {
    }
    ngone_first = ngone;
    memcpy(first, gone, ngone * sizeof(*gone));
    make(ENTRIES, TENANTS, CAPACITY);
    for (size_t i = 0; i < n; i++) {
        const bell_cache_entry *e = &copies[i];
        uint32_t number = bell_cache_index_restore(index_, &e->hash, e->tenant_id, e->bytes, e->queue, e->hits, e->payload, sizeof(e->payload));
        assert_int_equal(number, i + 1); /* in the order of places */
        assert_memory_equal(bell_cache_index_at(index_, number)->payload, e->payload, sizeof(e->payload));
        assert_int_equal(bell_cache_index_restore(index_, &e->hash, e->tenant_id, 1, 0, 0, NULL, 0), 0);
    }
    bell_cache_hash more = hash_of(1000);
    assert_int_equal(bell_cache_index_restore(index_, &more, 1, CAPACITY, 0, 0, NULL, 0), 0);
    while (bell_cache_index_evict(index_, &evicted)) {
    }
    assert_int_equal(ngone, ngone_first);
    for (size_t i = 0; i < n; i++) { /* of each tenant; whose turn it is begins anew */
        size_t rank = 0, other = 0;
        for (size_t j = 0; j < n && first[j] != gone[i]; j++) {
            rank += first[j] % 3 == gone[i] % 3;
        }
        for (size_t j = 0; j < i; j++) {
            other += gone[j] % 3 == gone[i] % 3;
        }
        assert_int_equal(rank, other);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout),
        cmocka_unit_test_setup_teardown(what_was_put_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_walk_pushes_nobody_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_of_use_once_goes_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_ghost_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(shares, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_tenants_than_shares, set_up, tear_down),
        cmocka_unit_test_setup_teardown(few_entries_for_many_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(beside_a_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(never_torn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(restored, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
