/* What a check is answered: a status is one of HTTP, and is told as soon as its bytes are there, however they come.
 * longest input: 64 bytes */
#include "bell_balance.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int all = bell_health_status((bell_str){(const char *)data, size}), said = 0;

    fuzz_assert(all == -1 || all == 0 || (all >= 100 && all <= 599));
    fuzz_assert(all != 0 || size < sizeof("HTTP/1.1 200 ") - 1);
    for (size_t n = 0; n <= size && said == 0; n++) {
        said = bell_health_status((bell_str){(const char *)data, n});
    }
    fuzz_assert(said == all);
    return 0;
}
