/* What is read of a cache's files: the first byte says what the rest is, a record, the end of a file, a preface or a name. The second one says, where
 * it is odd, that the checksum is set right first, as one who has the key would.
 * longest input: 512 bytes */
#include "bell_shelf.h"
#include "fuzz.h"

static const unsigned char key[BELL_SIPHASH_KEY_BYTES] = "a key of fuzzing";

static void check_object(const bell_shelf_object *o) {
    fuzz_assert(o->id != 0 && o->kind != 0 && o->head_bytes > 0 && o->head_bytes <= BELL_SHELF_HEAD_MAX);
    fuzz_assert(o->bytes - o->head_bytes - BELL_SHELF_TRAILER_BYTES >= o->body_bytes && o->bytes <= INT64_MAX);
}

static void check_record(const uint8_t *data, size_t size) {
    unsigned char bytes[BELL_SHELF_RECORD_BYTES] = {0}, again[BELL_SHELF_RECORD_BYTES];
    bell_shelf_object o;

    memcpy(bytes, data, size < sizeof(bytes) ? size : sizeof(bytes));
    if (bell_shelf_record_read(key, 1, bytes, &o)) {
        check_object(&o);
        bell_shelf_record_write(key, 1, &o, again);
        fuzz_assert(memcmp(bytes, again, sizeof(bytes)) == 0);
    }
    memcpy(&o, data, size < sizeof(o) ? size : sizeof(o));
    memset((char *)&o + (size < sizeof(o) ? size : sizeof(o)), 0, size < sizeof(o) ? sizeof(o) - size : 0);
    bell_shelf_record_write(key, 2, &o, bytes);
    if (bell_shelf_record_read(key, 2, bytes, &o)) {
        check_object(&o);
    }
}

static void check_end(const uint8_t *data, size_t size, bool is_right) {
    unsigned char *end = malloc(size + 1); /* a sanitizer sees what is read before and behind it */
    bell_shelf_object o;

    fuzz_assert(end != NULL);
    memcpy(end, data, size);
    if (is_right && size >= BELL_SHELF_TRAILER_BYTES && bell_shelf_trailer_peek(end + size - BELL_SHELF_TRAILER_BYTES, &o) &&
        o.head_bytes == size - BELL_SHELF_TRAILER_BYTES) {
        bell_shelf_trailer_write(key, &o, end);
        fuzz_assert(bell_shelf_trailer_read(key, (bell_str){(char *)end, size}, &o));
        check_object(&o);
    }
    if (bell_shelf_trailer_read(key, (bell_str){(char *)end, size}, &o)) {
        check_object(&o);
        fuzz_assert(o.head_bytes + BELL_SHELF_TRAILER_BYTES == size);
    }
    free(end);
}

static void check_preface(const uint8_t *data, size_t size) {
    unsigned char bytes[BELL_SHELF_PREFACE_BYTES] = {0}, again[BELL_SHELF_PREFACE_BYTES];
    bell_shelf_preface p, back;

    memcpy(bytes, data, size < sizeof(bytes) ? size : sizeof(bytes));
    if (bell_shelf_preface_read(bytes, &p)) {
        bell_shelf_preface_write(&p, again);
        fuzz_assert(bell_shelf_preface_read(again, &back) && memcmp(&p, &back, sizeof(p)) == 0);
    }
}

static void check_name(const uint8_t *data, size_t size) {
    char name[BELL_SHELF_NAME_BYTES];
    uint64_t id;

    if (bell_shelf_name_read((bell_str){(const char *)data, size}, &id)) {
        bell_shelf_name_write(id, name);
        fuzz_assert(size == sizeof(name) && memcmp(name, data, size) == 0);
    }
    (void)bell_crc32c(0, (bell_str){(const char *)data, size});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    switch (data[0] % 4) {
    case 0:
        check_record(data + 2, size - 2);
        break;
    case 1:
        check_end(data + 2, size - 2, (data[1] & 1) != 0);
        break;
    case 2:
        check_preface(data + 2, size - 2);
        break;
    default:
        check_name(data + 2, size - 2);
    }
    return 0;
}
