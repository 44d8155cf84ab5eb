/* A date of HTTP: what is read can be written and is read the same again.
 * longest input: 48 bytes */
#include "bell_http_date.h"
#include "fuzz.h"

#define NOW_S 1795262400 /* 2026-11-21 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t unix_s = 42, again;
    char text[30];

    if (!bell_http_date_parse((bell_str){(const char *)data, size}, NOW_S, &unix_s)) {
        fuzz_assert(unix_s == 42);
        return 0;
    }
    fuzz_assert(size >= 24 && size <= 33);
    fuzz_assert(unix_s >= -62167219200 && unix_s <= 253402300800); /* year 0 to a leap second after 9999 */
    bell_http_date(unix_s, text);
    fuzz_assert(bell_http_date_parse(bell_str_of(text), NOW_S, &again));
    fuzz_assert(unix_s < 0 ? again == 0 : unix_s > 253402300799 ? again == 253402300799 : again == unix_s);
    return 0;
}
