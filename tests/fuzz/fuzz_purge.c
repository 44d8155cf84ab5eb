/* Lines that take stored answers back: what is read is written so.
 * longest input: 512 bytes */
#include "bell_purge.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_str line = {(const char *)data, size};
    bell_purge p;
    char *out = malloc(size + 1);

    fuzz_assert(out != NULL);
    if (bell_purge_read(line, &p)) {
        fuzz_assert(bell_purge_fault(&p) == NULL && memchr(line.p, '\n', line.len) == NULL);
        fuzz_assert(bell_purge_write(&p, out, size) == (long)size && memcmp(out, data, size) == 0);
        fuzz_assert(bell_purge_write(&p, out, size - 1) == -1);
        fuzz_assert(!bell_purge_is_about(&p, p.tenant_id + 1, p.host, p.value));
        fuzz_assert(bell_purge_is_about(&p, p.tenant_id, p.host, p.value) == (p.kind != BELL_PURGE_TAG));
    }
    free(out);
    return 0;
}
