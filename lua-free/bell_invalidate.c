#include "bell_invalidate.h"

#include "bell_cache_key.h"

static bool is_among(const bell_str *targets, unsigned n, bell_str one) {
    for (unsigned i = 0; i < n; i++) {
        if (bell_str_eq(targets[i], one)) {
            return true;
        }
    }
    return false;
}

unsigned bell_invalidate_targets(const bell_uri_base *request, const bell_invalidate_answer *answer, char *room, size_t room_bytes,
                                 bell_str targets[BELL_INVALIDATE_MAX]) {
    const bell_str named[] = {answer->location, answer->content_location};
    unsigned n = 0;

    if (bell_cache_method_of(answer->method) != BELL_CACHE_UNSAFE || answer->status < 200 || answer->status >= 400) {
        return 0;
    }
    targets[n++] = request->target;
    for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++) {
        bell_str target;
        if (!bell_uri_resolve(request, named[i], room, room_bytes, &target) || is_among(targets, n, target)) {
            continue;
        }
        targets[n++] = target;
        room += target.len;
        room_bytes -= target.len;
    }
    return n;
}
