/* What was normalized is normal, and is what it says.
 * longest input: 320 bytes */
#include "bell_host.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char once[BELL_HOST_MAX_BYTES + 1], twice[BELL_HOST_MAX_BYTES + 1];
    long len = bell_host_normalize((bell_str){(const char *)data, size}, once);

    if (len < 0) {
        return 0;
    }
    fuzz_assert(len > 0 && len <= BELL_HOST_MAX_BYTES && strlen(once) == (size_t)len);
    fuzz_assert(strspn(once, once[0] == '[' ? "[]0123456789abcdef:." : "0123456789abcdefghijklmnopqrstuvwxyz-.") == (size_t)len);
    fuzz_assert(bell_host_normalize(bell_str_of(once), twice) == len && memcmp(once, twice, (size_t)len + 1) == 0);
    return 0;
}
