#include "bell_jws.h"

#include "bell_base64.h"

bool bell_jws_split(bell_str token, bell_jws *out) {
    bell_str rest = token;

    out->header = bell_str_cut(&rest, '.');
    out->payload = bell_str_cut(&rest, '.');
    out->input = (bell_str){token.p, out->header.len + 1 + out->payload.len};
    out->signature = rest;
    return out->header.len > 0 && out->header.len <= BELL_JWS_HEADER_BYTES && out->payload.len > 0 && out->input.len < token.len &&
           (rest.len == 0 || memchr(rest.p, '.', rest.len) == NULL);
}

json_t *bell_jws_object(bell_str encoded, unsigned char *room) {
    long len = bell_base64url_decode(encoded, room);
    json_t *v = len > 0 ? json_loadb((const char *)room, (size_t)len, JSON_REJECT_DUPLICATES, NULL) : NULL;

    if (v != NULL && !json_is_object(v)) {
        json_decref(v);
        v = NULL;
    }
    return v;
}

bell_str bell_jws_text(const json_t *value) {
    return json_is_string(value) ? (bell_str){json_string_value(value), json_string_length(value)} : BELL_STR_NULL;
}
