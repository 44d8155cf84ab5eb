/* Ranges and cookies: the first byte chooses a size, the rest is the header's value.
 * longest input: 512 bytes */
#include "bell_http.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint64_t sizes[] = {0, 1, 100, UINT64_MAX};
    uint64_t bytes = size ? sizes[data[0] % 4] : 0, first, last;
    bell_str value = size ? (bell_str){(const char *)data + 1, size - 1} : BELL_STR_NULL, cookie;
    int verdict = bell_http_range(value, bytes, &first, &last);

    fuzz_assert(verdict >= -1 && verdict <= 1);
    fuzz_assert(verdict != 1 || (first <= last && last < bytes));
    cookie = bell_http_cookie(value, BELL_STR("a"));
    fuzz_assert(cookie.p == NULL || (cookie.p >= value.p + 2 && cookie.p + cookie.len <= value.p + value.len && cookie.p[-1] == '='));
    return 0;
}
