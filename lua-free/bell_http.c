#include "bell_http.h"

#include "bell_hex.h"

#define METHOD_MAX_BYTES 7 /* "OPTIONS" */
/* What a request line has beside its target: the longest method, two spaces, "HTTP/1.1" and CR. */
#define LINE_EXTRA_BYTES (METHOD_MAX_BYTES + 2 + 8 + 1)
/* Of one chunk-size line, of all chunk extensions, and of all trailers of a body. */
#define CHUNK_LINE_MAX_BYTES 256
#define EXTENSIONS_MAX_BYTES 4096
#define TRAILERS_MAX_BYTES   4096

/* What a byte may be part of. */
enum {
    TOKEN = 1,  /* RFC 9110, 5.6.2 */
    TARGET = 2, /* visible ASCII without '#': a fragment never travels */
    VALUE = 4,  /* RFC 9110, 5.5: visible ASCII, space, tab, obs-text */
    HOST = 8,   /* RFC 3986, 3.2.2: unreserved, sub-delims, '%' */
};

#define ALNUM  (TOKEN | TARGET | VALUE | HOST)
#define TSYM   (TOKEN | TARGET | VALUE)
#define THSYM  (TARGET | VALUE | HOST)
#define SYMBOL (TARGET | VALUE)

static const unsigned char classes[256] = {
    ['0' ... '9'] = ALNUM, ['A' ... 'Z'] = ALNUM,   ['a' ... 'z'] = ALNUM, ['!'] = ALNUM,  ['$'] = ALNUM,  ['%'] = ALNUM,
    ['&'] = ALNUM,         ['\''] = ALNUM,          ['*'] = ALNUM,         ['+'] = ALNUM,  ['-'] = ALNUM,  ['.'] = ALNUM,
    ['_'] = ALNUM,         ['~'] = ALNUM,           ['#'] = TOKEN | VALUE, ['^'] = TSYM,   ['`'] = TSYM,   ['|'] = TSYM,
    ['('] = THSYM,         [')'] = THSYM,           [','] = THSYM,         [':'] = SYMBOL, [';'] = THSYM,  ['='] = THSYM,
    ['['] = SYMBOL,        [']'] = SYMBOL,          ['"'] = SYMBOL,        ['/'] = SYMBOL, ['<'] = SYMBOL, ['>'] = SYMBOL,
    ['?'] = SYMBOL,        ['@'] = SYMBOL,          ['\\'] = SYMBOL,       ['{'] = SYMBOL, ['}'] = SYMBOL, [' '] = VALUE,
    ['\t'] = VALUE,        [0x80 ... 0xFF] = VALUE,
};

static const char *skip(const char *p, const char *end, unsigned char class) {
    while (p < end && (classes[(unsigned char)*p] & class)) {
        p++;
    }
    return p;
}

static int refuse(int status, const char **reason, const char *sentence) {
    *reason = sentence;
    return -status;
}

/* Looks for the empty line that ends the head and checks every line end on its way, so that a client who sends rubbish is told at its
 * first bad line end and not when its time is over. The verdict depends on the bytes up to there only, never on how they were cut. */
static int find_end(const char *buf, size_t len, size_t *scanned, size_t target_max_bytes, const char **reason) {
    size_t line_max = target_max_bytes < INT32_MAX / 2 ? target_max_bytes + LINE_EXTRA_BYTES : INT32_MAX;
    const char *p = buf + *scanned, *end = buf + len, *lf;

    if (*scanned <= line_max && len > line_max && memchr(buf, '\n', line_max + 1) == NULL) {
        return refuse(414, reason, "the request target is too long (RFC 9112, 3)");
    }
    while (p < end && (lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        if (lf == buf || lf[-1] != '\r') {
            return refuse(400, reason, "a line ends in a line feed without a carriage return (RFC 9112, 2.2)");
        }
        if (lf - 1 == buf || lf[-2] == '\n') {
            return (int)(lf + 1 - buf);
        }
        p = lf + 1;
    }
    *scanned = len;
    return 0;
}

static bell_http_method method_of(bell_str name) {
    static const struct {
        bell_str name;
        bell_http_method method;
    } methods[] = {
        {{"GET", 3}, BELL_HTTP_GET},     {{"POST", 4}, BELL_HTTP_POST},     {{"PUT", 3}, BELL_HTTP_PUT},         {{"HEAD", 4}, BELL_HTTP_HEAD},
        {{"PATCH", 5}, BELL_HTTP_PATCH}, {{"DELETE", 6}, BELL_HTTP_DELETE}, {{"OPTIONS", 7}, BELL_HTTP_OPTIONS},
    };

    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        if (bell_str_eq(name, methods[i].name)) {
            return methods[i].method;
        }
    }
    return 0;
}

/* "HTTP/1.1" exactly: 0 and *minor, or what to refuse with. */
static int parse_version(bell_str v, unsigned *minor, const char **reason) {
    bool shaped = v.len == 8 && memcmp(v.p, "HTTP/", 5) == 0 && v.p[5] >= '0' && v.p[5] <= '9' && v.p[6] == '.' && v.p[7] >= '0' && v.p[7] <= '9';

    if (!shaped) {
        return refuse(400, reason, "the request line does not end in an HTTP version (RFC 9112, 2.3)");
    }
    if (v.p[5] != '1' || v.p[7] > '1') {
        return refuse(505, reason, "only HTTP/1.0 and HTTP/1.1 are spoken here (RFC 9110, 15.6.6)");
    }
    *minor = (unsigned)(v.p[7] - '0');
    return 0;
}

/* RFC 9112, section 3: the whole line is checked for its shape before what it asks for is judged. */
static int parse_request_line(bell_str line, size_t target_max_bytes, bell_http_request *out, const char **reason) {
    const char *end = line.p + line.len, *p = skip(line.p, end, TOKEN), *question;
    int bad;

    out->method_name = (bell_str){line.p, (size_t)(p - line.p)};
    if (out->method_name.len == 0 || p == end || *p != ' ') {
        return refuse(400, reason, "the request line does not begin with a method and one space (RFC 9112, 3)");
    }
    line.p = ++p;
    p = skip(p, end, TARGET);
    out->target = (bell_str){line.p, (size_t)(p - line.p)};
    if (out->target.len == 0 || p == end || *p != ' ') {
        return refuse(400, reason,
                      "the request target is missing, is not followed by one space, or holds a byte that must be percent-encoded (RFC 9112, 3.2)");
    }
    bad = parse_version((bell_str){p + 1, (size_t)(end - p - 1)}, &out->minor, reason);
    if (bad) {
        return bad;
    }
    out->method = method_of(out->method_name);
    if (out->method == 0) {
        return refuse(501, reason, "the method is not known here (RFC 9110, 9.1)");
    }
    if (out->target.p[0] != '/') {
        return refuse(400, reason, "the request target does not begin with a slash: other forms are for proxies (RFC 9112, 3.2)");
    }
    if (out->target.len > target_max_bytes) {
        return refuse(414, reason, "the request target is too long (RFC 9112, 3)");
    }
    question = memchr(out->target.p, '?', out->target.len);
    out->path = out->target;
    if (question != NULL) {
        out->path.len = (size_t)(question - out->target.p);
        out->query = (bell_str){question + 1, out->target.len - out->path.len - 1};
    }
    return 0;
}

/* Eight bytes of a field value at once: true when none is a control (tab included) or DEL. */
static bool is_visible_word(const char *p) {
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t w, del;

    memcpy(&w, p, sizeof(w));
    del = w ^ ones * 0x7F;
    return ((((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & tops) == 0;
}

static const char *skip_value(const char *p, const char *end) {
    for (;;) {
        while (end - p >= 8 && is_visible_word(p)) {
            p += 8;
        }
        if (p == end || !(classes[(unsigned char)*p] & VALUE)) {
            return p;
        }
        p++;
    }
}

static int parse_header(bell_str line, bell_http_header *h, const char **reason) {
    const char *end = line.p + line.len, *p = skip(line.p, end, TOKEN);

    h->name = (bell_str){line.p, (size_t)(p - line.p)};
    if (p == line.p && (*p == ' ' || *p == '\t')) {
        return refuse(400, reason, "a header is folded over two lines (RFC 9112, 5.2)");
    }
    if (h->name.len == 0 || p == end || *p != ':') {
        return refuse(400, reason, "a header has no name, or something else than a colon behind its name (RFC 9112, 5.1)");
    }
    if (skip_value(++p, end) != end) {
        return refuse(400, reason, "a header holds a control byte (RFC 9110, 5.5)");
    }
    h->value = bell_str_trim((bell_str){p, (size_t)(end - p)});
    return 0;
}

/* uri-host [ ":" port ] (RFC 3986, 3.2.2), and the host is not empty: a tenant is found by it. */
static bool is_host(bell_str v) {
    const char *p = v.p, *end = v.p + v.len, *begin = p;

    if (p < end && *p == '[') {
        for (begin = ++p; p < end && (*p == ':' || (classes[(unsigned char)*p] & HOST)); p++) {
        }
        if (p == end || *p != ']' || p++ == begin) {
            return false;
        }
    } else if ((p = skip(p, end, HOST)) == begin) {
        return false;
    }
    if (p < end && *p == ':') {
        for (p++; p < end && *p >= '0' && *p <= '9'; p++) {
        }
    }
    return p == end;
}

static int take_host(bell_http_request *out, bell_str value, const char **reason) {
    if (out->host.p != NULL) {
        return refuse(400, reason, "there are two Host headers (RFC 9112, 3.2)");
    }
    if (!is_host(value)) {
        return refuse(400, reason, "the Host header is not a host (RFC 9112, 3.2)");
    }
    out->host = value;
    return 0;
}

static int take_length(bell_http_request *out, bell_str value, const char **reason) {
    uint64_t length;

    if (out->content_length >= 0) {
        return refuse(400, reason, "there are two Content-Length headers (RFC 9112, 6.3)");
    }
    if (!bell_str_to_u64(value, INT64_MAX, &length)) {
        return refuse(400, reason, "the Content-Length is not one number of bytes (RFC 9112, 6.3)");
    }
    out->content_length = (int64_t)length;
    return 0;
}

static int take_coding(bell_http_request *out, bell_str value, const char **reason) {
    if (out->chunked) {
        return refuse(400, reason, "there are two Transfer-Encoding headers (RFC 9112, 6.3)");
    }
    if (value.len == 0) {
        return refuse(400, reason, "the Transfer-Encoding is empty (RFC 9112, 6.1)");
    }
    if (!bell_str_ieq(value, BELL_STR("chunked"))) {
        return refuse(501, reason, "the only transfer coding known here is chunked (RFC 9112, 6.1)");
    }
    out->chunked = true;
    return 0;
}

static int take_expect(bell_http_request *out, bell_str value, const char **reason) {
    if (!bell_str_ieq(value, BELL_STR("100-continue"))) {
        return refuse(417, reason, "the only expectation known here is 100-continue (RFC 9110, 10.1.1)");
    }
    out->expect_continue = true;
    return 0;
}

/* What the Connection headers say together; an option that is not known here is not for us. */
typedef struct {
    bool close, keep_alive, upgrade;
    bool upgrade_header;
} connection_options;

static void take_connection(connection_options *c, bell_str value) {
    while (value.len > 0) {
        bell_str option = bell_str_trim(bell_str_cut(&value, ','));

        c->close |= bell_str_ieq(option, BELL_STR("close"));
        c->keep_alive |= bell_str_ieq(option, BELL_STR("keep-alive"));
        c->upgrade |= bell_str_ieq(option, BELL_STR("upgrade"));
    }
}

/* Headers that decide about framing or the connection; their lengths all differ, so that most headers cost one comparison. */
static int take_header(bell_http_request *out, connection_options *c, const bell_http_header *h, const char **reason) {
    switch (h->name.len) {
    case 4:
        return bell_str_ieq(h->name, BELL_STR("host")) ? take_host(out, h->value, reason) : 0;
    case 6:
        return bell_str_ieq(h->name, BELL_STR("expect")) ? take_expect(out, h->value, reason) : 0;
    case 7:
        c->upgrade_header |= h->value.len > 0 && bell_str_ieq(h->name, BELL_STR("upgrade"));
        return 0;
    case 10:
        if (bell_str_ieq(h->name, BELL_STR("connection"))) {
            take_connection(c, h->value);
        }
        return 0;
    case 14:
        return bell_str_ieq(h->name, BELL_STR("content-length")) ? take_length(out, h->value, reason) : 0;
    case 17:
        return bell_str_ieq(h->name, BELL_STR("transfer-encoding")) ? take_coding(out, h->value, reason) : 0;
    default:
        return 0;
    }
}

/* What only the whole head can tell. */
static int conclude(bell_http_request *out, const connection_options *c, const char **reason) {
    if (out->host.p == NULL) {
        return refuse(400, reason, "there is no Host header (RFC 9112, 3.2)");
    }
    if (out->chunked && out->content_length >= 0) {
        return refuse(400, reason, "there is a Content-Length beside a Transfer-Encoding (RFC 9112, 6.3)");
    }
    /* RFC 9112, 6.1: somebody on the way did not understand the coding */
    if (out->chunked && out->minor == 0) {
        return refuse(400, reason, "there is a Transfer-Encoding in a request of HTTP/1.0 (RFC 9112, 6.1)");
    }
    out->keep_alive = !c->close && (out->minor == 1 || c->keep_alive);
    out->upgrade = out->minor == 1 && c->upgrade && c->upgrade_header;
    out->expect_continue = out->minor == 1 && out->expect_continue;
    return 0;
}

/* A line up to its CR LF. A bare CR stays in it and is refused as a control byte. */
static bell_str next_line(const char **p, const char *end) {
    const char *lf = memchr(*p, '\n', (size_t)(end - *p));
    bell_str line = {*p, (size_t)(lf - 1 - *p)};

    *p = lf + 1;
    return line;
}

/* `head` ends in an empty line and every line in CR LF: find_end() has seen to it. */
static int parse_lines(bell_str head, size_t target_max_bytes, bell_http_request *out, const char **reason) {
    const char *p = head.p, *end = head.p + head.len - 2;
    connection_options c = {0};
    int bad = parse_request_line(next_line(&p, head.p + head.len), target_max_bytes, out, reason);

    while (bad == 0 && p < end) {
        bell_http_header *h = &out->headers[out->nheaders];

        if (out->nheaders == BELL_HTTP_HEADERS_MAX) {
            return refuse(431, reason, "there are too many headers (RFC 9110, 5.4)");
        }
        bad = parse_header(next_line(&p, end), h, reason);
        if (bad == 0) {
            bad = take_header(out, &c, h, reason);
        }
        out->nheaders++;
    }
    return bad ? bad : conclude(out, &c, reason);
}

int bell_http_parse_head(const char *buf, size_t len, size_t *scanned, size_t target_max_bytes, bell_http_request *out, const char **reason) {
    int head_len, bad;

    *reason = NULL;
    if (len > INT32_MAX) {
        len = INT32_MAX;
    }
    head_len = find_end(buf, len, scanned, target_max_bytes, reason);
    if (head_len <= 0) {
        return head_len;
    }
    /* not the table of headers: it is large and nheaders says how much of it counts */
    memset(out, 0, offsetof(bell_http_request, headers));
    out->content_length = -1;
    bad = parse_lines((bell_str){buf, (size_t)head_len}, target_max_bytes, out, reason);
    return bad ? bad : head_len;
}

bell_str bell_http_header_get(const bell_http_request *r, bell_str name) {
    for (size_t i = 0; i < r->nheaders; i++) {
        if (bell_str_ieq(r->headers[i].name, name)) {
            return r->headers[i].value;
        }
    }
    return BELL_STR_NULL;
}

size_t bell_http_header_count(const bell_http_request *r, bell_str name) {
    size_t n = 0;

    for (size_t i = 0; i < r->nheaders; i++) {
        n += bell_str_ieq(r->headers[i].name, name);
    }
    return n;
}

/* Where a body is. The length form uses PAYLOAD, COMPLETE and LARGE only. */
enum {
    BODY_SIZE_FIRST,      /* a chunk's size: its first digit */
    BODY_SIZE,            /* its further digits */
    BODY_EXTENSION_FIRST, /* behind ';': the first byte of a name */
    BODY_EXTENSION_NAME,
    BODY_EXTENSION_VALUE, /* behind '=' */
    BODY_EXTENSION_TOKEN,
    BODY_EXTENSION_QUOTED,
    BODY_EXTENSION_ESCAPED, /* behind a backslash */
    BODY_EXTENSION_END,     /* behind the closing quote */
    BODY_SIZE_LF,
    BODY_PAYLOAD,
    BODY_PAYLOAD_CR,
    BODY_PAYLOAD_LF,
    BODY_TRAILER, /* the first byte of a trailer line, or the CR of the last line */
    BODY_TRAILER_NAME,
    BODY_TRAILER_VALUE,
    BODY_TRAILER_LF,
    BODY_LAST_LF,
    BODY_COMPLETE,
    BODY_BROKEN,
    BODY_TOO_LARGE,
};

void bell_http_body_init(bell_http_body *b, const bell_http_request *r, uint64_t max_bytes) {
    *b = (bell_http_body){.chunked = r->chunked, .max_bytes = max_bytes};
    if (r->chunked) {
        b->state = BODY_SIZE_FIRST;
        return;
    }
    b->left_bytes = r->content_length > 0 ? (uint64_t)r->content_length : 0;
    if (b->left_bytes > max_bytes) {
        b->state = BODY_TOO_LARGE;
    } else {
        b->state = b->left_bytes > 0 ? BODY_PAYLOAD : BODY_COMPLETE;
    }
}

/* One more byte of a chunk's size. A size over the bound is seen at the digit that passes it, long before it could overflow. */
static int size_step(bell_http_body *b, char c) {
    int digit = bell_hex_digit(c);

    if (digit >= 0) {
        if (b->left_bytes > (UINT64_MAX >> 4)) {
            return BODY_TOO_LARGE;
        }
        b->left_bytes = b->left_bytes << 4 | (uint64_t)digit;
        return b->left_bytes > b->max_bytes - b->received_bytes ? BODY_TOO_LARGE : BODY_SIZE;
    }
    if (b->state == BODY_SIZE_FIRST) {
        return BODY_BROKEN;
    }
    if (c == ';') {
        return BODY_EXTENSION_FIRST;
    }
    return c == '\r' ? BODY_SIZE_LF : BODY_BROKEN;
}

/* chunk-ext (RFC 9112, 7.1.1) without the bad white space that a sender must not make. A line end inside of quotes is refused: a reader who knows
 * no quotes would end the line there. */
static int extension_step(const bell_http_body *b, char c) {
    unsigned char class = classes[(unsigned char)c];

    switch (b->state) {
    case BODY_EXTENSION_FIRST:
        return class & TOKEN ? BODY_EXTENSION_NAME : BODY_BROKEN;
    case BODY_EXTENSION_VALUE:
        return c == '"' ? BODY_EXTENSION_QUOTED : class & TOKEN ? BODY_EXTENSION_TOKEN : BODY_BROKEN;
    case BODY_EXTENSION_QUOTED:
        if (c == '"' || c == '\\') {
            return c == '"' ? BODY_EXTENSION_END : BODY_EXTENSION_ESCAPED;
        }
        return class & VALUE ? BODY_EXTENSION_QUOTED : BODY_BROKEN;
    case BODY_EXTENSION_ESCAPED:
        return class & VALUE ? BODY_EXTENSION_QUOTED : BODY_BROKEN;
    }
    if ((class & TOKEN) && b->state != BODY_EXTENSION_END) {
        return b->state;
    }
    if (c == '=' && b->state == BODY_EXTENSION_NAME) {
        return BODY_EXTENSION_VALUE;
    }
    return c == ';' ? BODY_EXTENSION_FIRST : c == '\r' ? BODY_SIZE_LF : BODY_BROKEN;
}

static bool in_extension(int state) {
    return state >= BODY_EXTENSION_FIRST && state <= BODY_EXTENSION_END;
}

static int size_line_end(bell_http_body *b, char c) {
    b->line_bytes = 0;
    if (c != '\n') {
        return BODY_BROKEN;
    }
    return b->left_bytes > 0 ? BODY_PAYLOAD : BODY_TRAILER;
}

static int trailer_step(const bell_http_body *b, char c) {
    unsigned char class = classes[(unsigned char)c];

    if (b->state == BODY_TRAILER && c == '\r') {
        return BODY_LAST_LF;
    }
    if (b->state == BODY_TRAILER_VALUE) {
        return class & VALUE ? BODY_TRAILER_VALUE : c == '\r' ? BODY_TRAILER_LF : BODY_BROKEN;
    }
    if (class & TOKEN) {
        return BODY_TRAILER_NAME;
    }
    return b->state == BODY_TRAILER_NAME && c == ':' ? BODY_TRAILER_VALUE : BODY_BROKEN;
}

/* Counts the bytes of a size line and of the trailers; extensions also count for the whole body, or a body of one-byte chunks could carry
 * hundreds of times its own size. */
static bool line_within_bound(bell_http_body *b) {
    if (b->state == BODY_PAYLOAD_CR || b->state == BODY_PAYLOAD_LF) {
        return true;
    }
    if (in_extension(b->state) && ++b->extension_bytes > EXTENSIONS_MAX_BYTES) {
        return false;
    }
    return ++b->line_bytes <= (b->state >= BODY_TRAILER ? TRAILERS_MAX_BYTES : CHUNK_LINE_MAX_BYTES);
}

/* The state after one byte of framing. */
static int framing_step(bell_http_body *b, char c) {
    if (!line_within_bound(b)) {
        return BODY_BROKEN;
    }
    switch (b->state) {
    case BODY_SIZE_FIRST:
    case BODY_SIZE:
        return size_step(b, c);
    case BODY_SIZE_LF:
        return size_line_end(b, c);
    case BODY_PAYLOAD_CR:
        return c == '\r' ? BODY_PAYLOAD_LF : BODY_BROKEN;
    case BODY_PAYLOAD_LF:
        return c == '\n' ? BODY_SIZE_FIRST : BODY_BROKEN;
    case BODY_TRAILER_LF:
        return c == '\n' ? BODY_TRAILER : BODY_BROKEN;
    case BODY_LAST_LF:
        return c == '\n' ? BODY_COMPLETE : BODY_BROKEN;
    default:
        return in_extension(b->state) ? extension_step(b, c) : trailer_step(b, c);
    }
}

/* Takes the payload at the front of `in`; the state moves on when the piece is complete. */
static bell_str take_payload(bell_http_body *b, const char *in, size_t len) {
    bell_str data = {in, len < b->left_bytes ? len : (size_t)b->left_bytes};

    b->left_bytes -= data.len;
    b->received_bytes += data.len;
    if (b->left_bytes == 0) {
        b->state = b->chunked ? BODY_PAYLOAD_CR : BODY_COMPLETE;
    }
    return data;
}

bell_http_body_state bell_http_body_feed(bell_http_body *b, const char *in, size_t len, size_t *used, bell_str *data) {
    *used = 0;
    *data = BELL_STR_NULL;
    for (;;) {
        switch (b->state) {
        case BODY_COMPLETE:
            return BELL_HTTP_BODY_DONE;
        case BODY_BROKEN:
            return BELL_HTTP_BODY_ERROR;
        case BODY_TOO_LARGE:
            return BELL_HTTP_BODY_LARGE;
        }
        if (*used == len) {
            return BELL_HTTP_BODY_MORE;
        }
        if (b->state == BODY_PAYLOAD) {
            *data = take_payload(b, in + *used, len - *used);
            *used += data->len;
            return BELL_HTTP_BODY_DATA;
        }
        b->state = framing_step(b, in[(*used)++]);
    }
}
