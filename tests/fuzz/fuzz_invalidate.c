/* What a request that changes something makes untrue: three lines, the target, Location and Content-Location.
 * longest input: 512 bytes */
#include "bell_invalidate.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_str text = {(const char *)data, size}, targets[BELL_INVALIDATE_MAX];
    const bell_uri_base request = {BELL_STR("https"), BELL_STR("www.school.example"), bell_str_cut(&text, '\n')};
    bell_str location = bell_str_cut(&text, '\n');
    const bell_invalidate_answer answer = {BELL_STR("POST"), 201, location, text};
    size_t room_bytes = 7 * size + 100, used = 0; /* a byte is escaped as three, once for each of two */
    char *room = malloc(room_bytes);

    fuzz_assert(room != NULL);
    if (request.target.len > 0 && request.target.p[0] == '/') {
        unsigned n = bell_invalidate_targets(&request, &answer, room, room_bytes, targets);
        fuzz_assert(n >= 1 && n <= BELL_INVALIDATE_MAX && bell_str_eq(targets[0], request.target));
        for (unsigned i = 1; i < n; i++) {
            fuzz_assert(targets[i].p == room + used && targets[i].len > 0 && targets[i].p[0] == '/' && !bell_str_eq(targets[i], targets[i - 1]));
            used += targets[i].len;
        }
        fuzz_assert(used <= room_bytes && bell_invalidate_targets(&request, &answer, room, 0, targets) == 1);
    }
    free(room);
    return 0;
}
