/* longest input: 2048 bytes. A playlist: what is read of it lies within it, time and bytes go forward only, and it ends. */
#include "bell_playlist.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_str text = {(const char *)data, size};
    bell_playlist h;
    bell_playlist_part part;
    uint64_t at_us = 0;
    size_t parts = 0;

    bell_playlist_kind kind = bell_playlist_open(&h, text);
    while (bell_playlist_next(&h, &part)) {
        fuzz_assert(kind != BELL_PLAYLIST_NONE && ++parts <= size);
        fuzz_assert(part.uri.len == 0 || (part.uri.p >= text.p && part.uri.p + part.uri.len <= text.p + text.len));
        fuzz_assert(part.begin_us == at_us && part.end_us >= at_us && part.end_us <= BELL_PLAYLIST_TIME_MAX_US);
        fuzz_assert(part.first_byte + part.bytes <= BELL_PLAYLIST_BYTE_MAX);
        at_us = part.end_us;
    }
    fuzz_assert(!bell_playlist_next(&h, &part));
    return 0;
}
