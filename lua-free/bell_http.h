/* A strict HTTP/1.1 request codec without I/O (RFC 9112): what nginx sends upstream, plus Upgrade. Everything else is refused:
 * bare LF or CR, obs-fold, white space before a colon, two lengths, a length with Transfer-Encoding, codings other than one final
 * "chunked", HTTP/0.9 and HTTP/2 prefaces, absolute-, authority- and asterisk-form targets, a missing or a second Host, NUL and
 * control bytes. The parser keeps pointers into the caller's buffer and copies nothing. */
#ifndef BELL_HTTP_H
#define BELL_HTTP_H

#include "bell_buf.h"

#pragma GCC visibility push(hidden)

#define BELL_HTTP_HEADERS_MAX 64

typedef enum {
    BELL_HTTP_GET = 1,
    BELL_HTTP_HEAD = 2,
    BELL_HTTP_POST = 4,
    BELL_HTTP_PUT = 8,
    BELL_HTTP_PATCH = 16,
    BELL_HTTP_DELETE = 32,
    BELL_HTTP_OPTIONS = 64,
} bell_http_method;

typedef struct {
    bell_str name;  /* as sent */
    bell_str value; /* without surrounding white space */
} bell_http_header;

typedef struct {
    bell_http_method method;
    bell_str method_name;
    bell_str target; /* origin-form as sent: begins with '/' */
    bell_str path;   /* target up to '?', still percent-encoded */
    bell_str query;  /* after '?', empty when absent */
    bell_str host;
    unsigned minor; /* HTTP/1.minor: 0 or 1 */
    bool keep_alive;
    bool expect_continue;
    bool upgrade; /* Connection names Upgrade and there is an Upgrade header */
    bool chunked;
    int64_t content_length; /* bytes; -1 without Content-Length */
    size_t nheaders;
    bell_http_header headers[BELL_HTTP_HEADERS_MAX];
} bell_http_request;

/* Parses a request head at buf[0..len). *scanned remembers how far earlier calls have looked for the end of the head (0 at first).
 * > 0: bytes of the head, `out` is filled and points into buf; 0: more bytes are needed;
 * < 0: refused, -status is the answer to give (400, 414 target over target_max_bytes, 417 an expectation other than 100-continue, 431 too
 * many headers, 501 method or coding, 505 version; close afterwards) and *reason a static sentence that names RFC and section. What is refused, and
 * where, does not depend on how the bytes were cut. The bound on the whole head is the caller's buffer: full and 0 means 431. */
int bell_http_parse_head(const char *buf, size_t len, size_t *scanned, size_t target_max_bytes, bell_http_request *out, const char **reason)
    __attribute__((warn_unused_result));

/* The first header of that name (any case); NULL p when absent. */
bell_str bell_http_header_get(const bell_http_request *r, bell_str name);
/* How often that name occurs. */
size_t bell_http_header_count(const bell_http_request *r, bell_str name);

/* A body on its way: fed with what arrived, gives back slices of payload. */
typedef struct {
    int state;
    bool chunked;
    uint64_t left_bytes;     /* of the body (length) or of the chunk */
    uint64_t received_bytes; /* payload so far */
    uint64_t max_bytes;
    uint32_t line_bytes;      /* of the chunk-size line being read, or of all trailers */
    uint32_t extension_bytes; /* of all chunk extensions so far */
} bell_http_body;

typedef enum {
    BELL_HTTP_BODY_MORE,  /* all input is used and more is needed; *data is empty */
    BELL_HTTP_BODY_DATA,  /* *data holds payload (within the input); call again with the rest, be it empty */
    BELL_HTTP_BODY_DONE,  /* complete; *data is empty; what follows *used is the next request */
    BELL_HTTP_BODY_ERROR, /* a malformed chunk, extension or trailer (RFC 9112, 7.1): answer 400 and close */
    BELL_HTTP_BODY_LARGE, /* over max_bytes: answer 413 and close */
} bell_http_body_state;

void bell_http_body_init(bell_http_body *b, const bell_http_request *r, uint64_t max_bytes);
/* Chunk extensions and trailers are read, bounded and dropped. A request without a body is DONE at the first call (len may be 0). */
bell_http_body_state bell_http_body_feed(bell_http_body *b, const char *in, size_t len, size_t *used, bell_str *data)
    __attribute__((warn_unused_result));

/* "Not Found" for 404; "Unknown" for what is not in the table. */
const char *bell_http_reason(unsigned status);

/* One range of "bytes=a-b", "bytes=a-", "bytes=-n" against a size. 1: [*first, *last] inclusive; 0: no usable Range, send all
 * (also for several ranges); -1: unsatisfiable, answer 416. */
int bell_http_range(bell_str value, uint64_t size_bytes, uint64_t *first, uint64_t *last);

/* The value of cookie `name` in a Cookie header value (RFC 6265, 5.4), quotes included; NULL p when absent or when the name occurs twice (ambiguous).
 */
bell_str bell_http_cookie(bell_str header, bell_str name);

#pragma GCC visibility pop

#endif
