/* A head and what follows it as a body: cutting the bytes into pieces must never change what is read. */
#include "bell_http.h"
#include "fuzz.h"

#define TARGET_MAX_BYTES 64
#define BODY_MAX_BYTES   4096

static int parse_in_pieces(const char *bytes, size_t size, size_t piece, bell_http_request *r, const char **reason) {
    size_t scanned = 0, n = 0;
    int verdict = 0;

    while (verdict == 0 && n < size) {
        n = size - n < piece ? size : n + piece;
        verdict = bell_http_parse_head(bytes, n, &scanned, TARGET_MAX_BYTES, r, reason);
    }
    return verdict;
}

static int is_within(bell_str s, const char *bytes, size_t size) {
    return s.len == 0 || (s.p >= bytes && s.p + s.len <= bytes + size);
}

static void check_request(const bell_http_request *r, const char *bytes, size_t head) {
    fuzz_assert(is_within(r->target, bytes, head) && is_within(r->query, bytes, head) && is_within(r->host, bytes, head));
    fuzz_assert(r->target.len > 0 && r->target.p[0] == '/' && r->target.len <= TARGET_MAX_BYTES);
    fuzz_assert(r->host.len > 0 && bell_http_header_count(r, BELL_STR("Host")) == 1);
    fuzz_assert(!r->chunked || r->content_length == -1);
    fuzz_assert(bell_http_header_count(r, BELL_STR("Content-Length")) == (r->content_length >= 0));
    fuzz_assert(bell_http_header_count(r, BELL_STR("Transfer-Encoding")) == r->chunked);
    for (size_t i = 0; i < r->nheaders; i++) {
        fuzz_assert(is_within(r->headers[i].name, bytes, head) && r->headers[i].name.len > 0);
        fuzz_assert(is_within(r->headers[i].value, bytes, head));
        for (size_t k = 0; k < r->headers[i].value.len; k++) {
            fuzz_assert((unsigned char)r->headers[i].value.p[k] >= ' ' || r->headers[i].value.p[k] == '\t');
        }
    }
}

typedef struct {
    bell_http_body_state end;
    size_t used;
    uint64_t payload_hash, payload_bytes;
} outcome;

static outcome feed(const bell_http_request *r, const char *bytes, size_t size, size_t piece) {
    outcome o = {.end = BELL_HTTP_BODY_MORE, .payload_hash = 5381};
    bell_http_body b;

    bell_http_body_init(&b, r, BODY_MAX_BYTES);
    do {
        size_t n = size - o.used < piece ? size - o.used : piece, used;
        bell_str data;

        o.end = bell_http_body_feed(&b, bytes + o.used, n, &used, &data);
        fuzz_assert(used <= n && is_within(data, bytes + o.used, n));
        fuzz_assert(data.len == 0 || o.end == BELL_HTTP_BODY_DATA);
        fuzz_assert(o.end != BELL_HTTP_BODY_DATA || data.len > 0);
        for (size_t i = 0; i < data.len; i++) {
            o.payload_hash = o.payload_hash * 33 + (unsigned char)data.p[i];
        }
        o.payload_bytes += data.len;
        o.used += used;
    } while (o.end == BELL_HTTP_BODY_DATA || (o.end == BELL_HTTP_BODY_MORE && o.used < size));
    fuzz_assert(o.payload_bytes == b.received_bytes && o.payload_bytes <= BODY_MAX_BYTES);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *bytes = (const char *)data, *reason = NULL, *other_reason = NULL;
    bell_http_request r, other;
    size_t scanned = 0, piece = size ? 1 + data[size - 1] % 7 : 1;
    int head = bell_http_parse_head(bytes, size, &scanned, TARGET_MAX_BYTES, &r, &reason);
    outcome whole, pieces;

    fuzz_assert(parse_in_pieces(bytes, size, piece, &other, &other_reason) == head);
    fuzz_assert(reason == other_reason && (reason != NULL) == (head < 0));
    if (head <= 0) {
        return 0;
    }
    fuzz_assert((size_t)head <= size);
    check_request(&r, bytes, (size_t)head);
    whole = feed(&r, bytes + head, size - (size_t)head, SIZE_MAX);
    pieces = feed(&r, bytes + head, size - (size_t)head, piece);
    fuzz_assert(whole.end == pieces.end && whole.payload_hash == pieces.payload_hash && whole.payload_bytes == pieces.payload_bytes);
    fuzz_assert(whole.end == BELL_HTTP_BODY_MORE || whole.used == pieces.used);
    return 0;
}
