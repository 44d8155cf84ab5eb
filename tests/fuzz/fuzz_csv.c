/* A file read whole and in pieces: the same records, the same error.
 * longest input: 1024 bytes */
#include "bell_csv.h"
#include "fuzz.h"

#define RECORD_MAX_BYTES 200

typedef struct {
    uint64_t hash, records;
    char error[160];
    uint64_t error_line;
} outcome;

static bool on_record(void *arg, const bell_csv_record *rec) {
    outcome *o = arg;
    size_t total = 0;

    o->records++;
    fuzz_assert(rec->nfields > 0 && rec->nfields <= BELL_CSV_FIELDS_MAX && rec->line >= o->records);
    for (size_t i = 0; i < rec->nfields; i++) {
        fuzz_assert(bell_str_is_utf8(rec->fields[i]));
        total += rec->fields[i].len;
        for (size_t k = 0; k < rec->fields[i].len; k++) {
            fuzz_assert(rec->fields[i].p[k] != '\n' && rec->fields[i].p[k] != '\r');
            o->hash = o->hash * 33 + (unsigned char)rec->fields[i].p[k];
        }
        o->hash = o->hash * 33 + 256;
    }
    fuzz_assert(total <= RECORD_MAX_BYTES);
    o->hash = o->hash * 33 + 257 + rec->line;
    return true;
}

static outcome read_all(const char *bytes, size_t size, size_t piece) {
    outcome o = {.hash = 5381};
    bell_csv c;
    bool good = true;

    bell_csv_init(&c, RECORD_MAX_BYTES, on_record, &o);
    for (size_t at = 0, n; good && at < size; at += n) {
        n = size - at < piece ? size - at : piece;
        good = bell_csv_feed(&c, bytes + at, n);
    }
    good = good && bell_csv_end(&c);
    fuzz_assert(good == (c.error[0] == '\0'));
    memcpy(o.error, c.error, sizeof(o.error));
    o.error_line = c.error_line;
    bell_csv_fini(&c);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    outcome whole = read_all((const char *)data, size, SIZE_MAX);
    outcome pieces = read_all((const char *)data, size, size ? 1 + data[size - 1] % 5 : 1);

    fuzz_assert(whole.hash == pieces.hash && whole.records == pieces.records);
    fuzz_assert(strcmp(whole.error, pieces.error) == 0 && whole.error_line == pieces.error_line);
    return 0;
}
