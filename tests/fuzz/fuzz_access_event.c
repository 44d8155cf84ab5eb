/* The first byte says what the rest is: 'w' texts of an event to be written, split at NULs (path, subject, kind, issuer, and the range as it comes),
 * anything else the text of a batch as a stranger would put it into the stream. What is read can be written and is the same when it is read again.
 * longest input: 1500 bytes */
#include "bell_access_event.h"
#include "fuzz.h"

#define ID "0123456789abcdef0123456789abcdef"

static void check_same(const bell_access_event *a, const bell_access_event *b) {
    fuzz_assert(a->at_ms == b->at_ms && a->from == b->from && a->to == b->to && a->size == b->size && a->status == b->status);
    fuzz_assert(bell_str_eq(a->subject, b->subject) && bell_str_eq(a->by, b->by) && bell_str_eq(a->issuer, b->issuer));
    fuzz_assert(bell_str_eq(a->path, b->path) && bell_str_eq(a->id, b->id));
}

static void check_read(const bell_access_event *e) {
    char line[BELL_ACCESS_LINE_BYTES];
    bell_access_event again;
    bell_access_room room;
    size_t n = bell_access_event_write(e, line);

    fuzz_assert(n > 1 && n <= sizeof(line) && memchr(line, '\n', n) == line + n - 1);
    fuzz_assert(e->from < e->to && (e->size == -1 || e->to <= e->size) && e->path.p[0] == '/');
    fuzz_assert(bell_access_event_read((bell_str){line, n - 1}, &room, &again));
    check_same(e, &again);
}

static void check_batch(bell_str text) {
    bell_str line;
    bell_access_event e;
    bell_access_room room;

    while (bell_access_batch_next(&text, &line)) {
        if (bell_access_event_read(line, &room, &e)) {
            check_read(&e);
        }
    }
}

static void check_written(bell_str rest) {
    char line[BELL_ACCESS_LINE_BYTES];
    bell_access_event back, e = {.at_ms = 1800000000000, .size = -1, .status = 206, .id = BELL_STR(ID)};
    bell_access_room room;

    e.path = bell_str_cut(&rest, '\0');
    e.subject = bell_str_cut(&rest, '\0');
    e.by = bell_str_cut(&rest, '\0');
    e.issuer = bell_str_cut(&rest, '\0');
    int64_t *numbers[] = {&e.from, &e.to, &e.size};
    for (size_t i = 0; i < 3 && rest.len >= sizeof(int64_t); i++) {
        memcpy(numbers[i], rest.p, sizeof(int64_t));
        rest = (bell_str){rest.p + sizeof(int64_t), rest.len - sizeof(int64_t)};
    }
    size_t n = bell_access_event_write(&e, line);
    if (n == 0) {
        return;
    }
    fuzz_assert(n <= sizeof(line) && memchr(line, '\n', n) == line + n - 1);
    fuzz_assert(bell_access_event_read((bell_str){line, n - 1}, &room, &back));
    e.path = back.path; /* the one text that is written in another spelling */
    check_same(&e, &back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 0 && data[0] == 'w') {
        check_written((bell_str){(const char *)data + 1, size - 1});
    } else if (size > 0) {
        check_batch((bell_str){(const char *)data + 1, size - 1});
    }
    return 0;
}
