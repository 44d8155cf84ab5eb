/* A text from a stranger as JSON, against jansson alone: what is read is the same, and what is refused is over a bound or no JSON.
 * longest input: 512 bytes */
#include "bell_json_in.h"
#include "fuzz.h"

static size_t depth_of(const json_t *v) {
    size_t deepest = 0, i;
    const char *name;
    json_t *member;

    if (json_is_array(v)) {
        json_array_foreach(v, i, member) {
            size_t d = depth_of(member);
            deepest = d > deepest ? d : deepest;
        }
    } else if (json_is_object(v)) {
        json_object_foreach((json_t *)v, name, member) {
            size_t d = depth_of(member);
            deepest = d > deepest ? d : deepest;
        }
    } else {
        return 0;
    }
    return deepest + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char err[BELL_JSON_IN_ERROR_BYTES] = "";
    bell_str text = {(const char *)data, size};
    json_t *ours = bell_json_read(text, err, sizeof(err)), *plain = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

    fuzz_assert((ours == NULL) == (err[0] != '\0') && strlen(err) < sizeof(err) - 1);
    if (ours != NULL) {
        fuzz_assert(json_equal(ours, plain) && depth_of(ours) <= BELL_JSON_IN_DEPTH_MAX);
    } else if (plain != NULL) { /* no text of this size has too many values; jansson passes over a NUL between values */
        fuzz_assert(depth_of(plain) > BELL_JSON_IN_DEPTH_MAX || memchr(data, '\0', size) != NULL);
    }
    json_decref(ours);
    json_decref(plain);
    return 0;
}
