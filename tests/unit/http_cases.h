/* The cases of RFC 9112 as tables: what is refused with which status and why, and how streams of bytes are cut into requests. The unit test of the
 * codec judges them at every cut; tests/fuzz/frames hands them to the comparison with Node's parser. */
#ifndef HTTP_CASES_H
#define HTTP_CASES_H

#include <stddef.h>

/* The bytes of a literal, NULs included. */
#define B(text) (text), sizeof(text) - 1

#define HTTP_CASES_TARGET_MAX 100
#define HTTP_CASES_BODY_MAX   1000

#define REST " HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD "POST / HTTP/1.1\r\nHost: a\r\n"

/* The codec's reasons. */
#define NO_VERSION        "the request line does not end in an HTTP version (RFC 9112, 2.3)"
#define BAD_LENGTH        "the Content-Length is not one number of bytes (RFC 9112, 6.3)"
#define OTHER_CODING      "the only transfer coding known here is chunked (RFC 9112, 6.1)"
#define NO_COLON          "a header has no name, or something else than a colon behind its name (RFC 9112, 5.1)"
#define BAD_TARGET        "the request target is missing, is not followed by one space, or holds a byte that must be percent-encoded (RFC 9112, 3.2)"
#define BAD_HOST          "the Host header is not a host (RFC 9112, 3.2)"
#define CONTROL           "a header holds a control byte (RFC 9110, 5.5)"
#define UNKNOWN_METHOD    "the method is not known here (RFC 9110, 9.1)"
#define OTHER_FORM        "the request target does not begin with a slash: other forms are for proxies (RFC 9112, 3.2)"
#define NO_METHOD         "the request line does not begin with a method and one space (RFC 9112, 3)"
#define BARE_LF           "a line ends in a line feed without a carriage return (RFC 9112, 2.2)"
#define OTHER_VERSION     "only HTTP/1.0 and HTTP/1.1 are spoken here (RFC 9110, 15.6.6)"
#define FOLDED            "a header is folded over two lines (RFC 9112, 5.2)"
#define EXPECTATION       "the only expectation known here is 100-continue (RFC 9110, 10.1.1)"
#define NO_HOST           "there is no Host header (RFC 9112, 3.2)"
#define LENGTH_AND_CODING "there is a Content-Length beside a Transfer-Encoding (RFC 9112, 6.3)"
#define TWO_LENGTHS       "there are two Content-Length headers (RFC 9112, 6.3)"
#define EMPTY_CODING      "the Transfer-Encoding is empty (RFC 9112, 6.1)"
#define TWO_CODINGS       "there are two Transfer-Encoding headers (RFC 9112, 6.3)"
#define TWO_HOSTS         "there are two Host headers (RFC 9112, 3.2)"
#define CODING_IN_1_0     "there is a Transfer-Encoding in a request of HTTP/1.0 (RFC 9112, 6.1)"
#define LONG_TARGET       "the request target is too long (RFC 9112, 3)"
#define MANY_HEADERS      "there are too many headers (RFC 9110, 5.4)"

typedef struct {
    const char *bytes;
    size_t len;
    int status;
    const char *reason;
} http_refusal;

static const http_refusal http_refusals[] __attribute__((unused)) = {
    /* request lines */
    {B("\r\n"), 400, NO_METHOD},
    {B("\r\nGET /" REST), 400, NO_METHOD},
    {B("\nGET /" REST), 400, BARE_LF},
    {B(" GET /" REST), 400, NO_METHOD},
    {B("GET  /" REST), 400, BAD_TARGET},
    {B("GET\t/" REST), 400, NO_METHOD},
    {B("GET / " REST), 400, NO_VERSION},
    {B("GET /a b" REST), 400, NO_VERSION},
    {B("GET /\t" REST), 400, BAD_TARGET},
    {B("GET" REST), 400, BAD_TARGET},
    {B("GET " REST), 400, BAD_TARGET},
    {B("GET\r\nHost: a\r\n\r\n"), 400, NO_METHOD},
    {B("G@T /" REST), 400, NO_METHOD},
    {B("GE\xC3\xA4 /" REST), 400, NO_METHOD},
    {B("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), 400, NO_VERSION},
    {B("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"), 400, NO_VERSION},
    {B("GET / http/1.1\r\nHost: a\r\n\r\n"), 400, NO_VERSION},
    {B("GET / HTTP/1.1x\r\nHost: a\r\n\r\n"), 400, NO_VERSION},
    {B("GET / HTTP/11\r\nHost: a\r\n\r\n"), 400, NO_VERSION},
    {B("GET / HTTP/1,1\r\nHost: a\r\n\r\n"), 400, NO_VERSION},
    {B("GET / HTTP/1.10\r\nHost: a\r\n\r\n"), 400, NO_VERSION},
    {B("GET / HTTP/01.1\r\nHost: a\r\n\r\n"), 400, NO_VERSION},
    {B("GET / HTTP/+1.1\r\nHost: a\r\n\r\n"), 400, NO_VERSION},
    {B("GET / HTTPS/1.1\r\nHost: a\r\n\r\n"), 400, NO_VERSION},
    {B("GET / HTTP/\r\nHost: a\r\n\r\n"), 400, NO_VERSION},
    {B("GET / ICY/1.1\r\nHost: a\r\n\r\n"), 400, NO_VERSION},
    {B("GET / HTTP/1.x\r\nHost: a\r\n\r\n"), 400, NO_VERSION},
    {B("GET /\r\n\r\n"), 400, BAD_TARGET}, /* HTTP/0.9 */
    {B("GET /\r\nHost: a\r\n\r\n"), 400, BAD_TARGET},
    {B("GET / HTTP/0.9\r\nHost: a\r\n\r\n"), 505, OTHER_VERSION},
    {B("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), 505, OTHER_VERSION},
    {B("GET / HTTP/1.9\r\nHost: a\r\n\r\n"), 505, OTHER_VERSION},
    {B("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505, OTHER_VERSION},
    {B("GET / HTTP/3.0\r\nHost: a\r\n\r\n"), 505, OTHER_VERSION},
    {B("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, OTHER_VERSION},
    {B("get /" REST), 501, UNKNOWN_METHOD},
    {B("Get /" REST), 501, UNKNOWN_METHOD},
    {B("TRACE /" REST), 501, UNKNOWN_METHOD},
    {B("CONNECT a:443" REST), 501, UNKNOWN_METHOD},
    {B("PROPFIND /" REST), 501, UNKNOWN_METHOD},
    {B("GETT /" REST), 501, UNKNOWN_METHOD},
    {B("M-SEARCH *" REST), 501, UNKNOWN_METHOD},
    {B("GET http://a/" REST), 400, OTHER_FORM},
    {B("GET https://a/x?y" REST), 400, OTHER_FORM},
    {B("GET a" REST), 400, OTHER_FORM},
    {B("GET a:443" REST), 400, OTHER_FORM},
    {B("GET ?x" REST), 400, OTHER_FORM},
    {B("OPTIONS *" REST), 400, OTHER_FORM},
    {B("GET *" REST), 400, OTHER_FORM},
    {B("GET /a#b" REST), 400, BAD_TARGET},
    {B("GET /\x7F" REST), 400, BAD_TARGET},
    {B("GET /\x01" REST), 400, BAD_TARGET},
    {B("GET /\xC3\xA4" REST), 400, BAD_TARGET},
    {B("GET /\x80" REST), 400, BAD_TARGET},
    {B("\x16\x03\x01\x02\n\r\n"), 400, BARE_LF}, /* TLS on a plain port */

    {B("GET /\0" REST), 400, BAD_TARGET},
    {B("G\0T /" REST), 400, NO_METHOD},

    /* line ends */
    {B("GET / HTTP/1.1\nHost: a\r\n\r\n"), 400, BARE_LF},
    {B("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400, BARE_LF},
    {B("GET / HTTP/1.1\r\nHost: a\r\n\n"), 400, BARE_LF},
    {B("GET / HTTP/1.1\nHost: a\n\n"), 400, BARE_LF},
    {B("GET / HTTP/1.1\rHost: a\r\n\r\n"), 400, NO_VERSION},
    {B("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"), 400, CONTROL},
    {B("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"), 400, CONTROL},
    {B("GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n"), 400, NO_COLON},
    {B("GET / HTTP/1.1\r\nHost: a\r\nX: b\x0B\r\n\r\n"), 400, CONTROL},

    /* headers */
    {B("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), 400, FOLDED},
    {B("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"), 400, FOLDED},
    {B("GET / HTTP/1.1\r\nHost: a\r\n\tb: c\r\n\r\n"), 400, FOLDED},
    {B("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"), 400, FOLDED},
    {B("GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n"), 400, FOLDED},
    {B("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400, NO_COLON},
    {B("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n"), 400, NO_COLON},
    {B("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"), 400, NO_COLON},
    {B("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"), 400, NO_COLON},
    {B("GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n"), 400, NO_COLON},
    {B("GET / HTTP/1.1\r\nHost: a\r\nX(: b\r\n\r\n"), 400, NO_COLON},
    {B("GET / HTTP/1.1\r\nHost: a\r\nX\x80: b\r\n\r\n"), 400, NO_COLON},
    {B("GET / HTTP/1.1\r\nHost: a\r\n\"X\": b\r\n\r\n"), 400, NO_COLON},
    {B("GET / HTTP/1.1\r\nHost: a\r\nX: b\x01\r\n\r\n"), 400, CONTROL},
    {B("GET / HTTP/1.1\r\nHost: a\r\nX: b\x7F"
       "c\r\n\r\n"),
     400, CONTROL},
    {B("GET / HTTP/1.1\r\nHost: a\r\nX: 12345678901234567890\x1F"
       "x\r\n\r\n"),
     400, CONTROL},
    {B("GET / HTTP/1.1\r\nHost: a\r\nX: 12345678901234567890\x7F"
       "x234567890\r\n\r\n"),
     400, CONTROL},

    {B("GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n"), 400, NO_COLON},
    {B("GET / HTTP/1.1\r\nHost: a\r\nX: b\0\r\n\r\n"), 400, CONTROL},

    /* Host */
    {B("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"), 400, CONTROL},
    {B("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: :80\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: ::1]\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: []\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: [[::1]]\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\n\r\n"), 400, NO_HOST},
    {B("GET / HTTP/1.0\r\n\r\n"), 400, NO_HOST},
    {B("GET / HTTP/1.1\r\nX: b\r\n\r\n"), 400, NO_HOST},
    {B("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400, TWO_HOSTS},
    {B("GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n"), 400, TWO_HOSTS},
    {B("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: \t \r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: a#b\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: a?b\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: \xC3\xA4\r\n\r\n"), 400, BAD_HOST},
    {B("GET / HTTP/1.1\r\nHost: http://a\r\n\r\n"), 400, BAD_HOST},

    /* lengths: two readers must never disagree about where a body ends */
    {B(HEAD "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), 400, TWO_LENGTHS},
    {B(HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), 400, TWO_LENGTHS},
    {B(HEAD "Content-Length: 0\r\ncontent-length: 0\r\n\r\n"), 400, TWO_LENGTHS},
    {B(HEAD "Content-Length: 5, 5\r\n\r\n"), 400, BAD_LENGTH},
    {B(HEAD "Content-Length: 5,6\r\n\r\n"), 400, BAD_LENGTH},
    {B(HEAD "Content-Length:\r\n\r\n"), 400, BAD_LENGTH},
    {B(HEAD "Content-Length: +5\r\n\r\n"), 400, BAD_LENGTH},
    {B(HEAD "Content-Length: -5\r\n\r\n"), 400, BAD_LENGTH},
    {B(HEAD "Content-Length: 0x5\r\n\r\n"), 400, BAD_LENGTH},
    {B(HEAD "Content-Length: 5 5\r\n\r\n"), 400, BAD_LENGTH},
    {B(HEAD "Content-Length: 5.0\r\n\r\n"), 400, BAD_LENGTH},
    {B(HEAD "Content-Length: 5e1\r\n\r\n"), 400, BAD_LENGTH},
    {B(HEAD "Content-Length: \"5\"\r\n\r\n"), 400, BAD_LENGTH},
    {B(HEAD "Content-Length: 5;\r\n\r\n"), 400, BAD_LENGTH},
    {B(HEAD "Content-Length: \xB2\r\n\r\n"), 400, BAD_LENGTH},
    {B(HEAD "Content-Length: 9223372036854775808\r\n\r\n"), 400, BAD_LENGTH},
    {B(HEAD "Content-Length: 18446744073709551617\r\n\r\n"), 400, BAD_LENGTH},
    {B(HEAD "Content-Length: 99999999999999999999999999\r\n\r\n"), 400, BAD_LENGTH},
    {B(HEAD "Content-Length : 5\r\n\r\n"), 400, NO_COLON},
    {B(HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, LENGTH_AND_CODING},
    {B(HEAD "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"), 400, LENGTH_AND_CODING},
    {B(HEAD "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"), 400, LENGTH_AND_CODING},

    /* codings */
    {B(HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, TWO_CODINGS},
    {B(HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"), 400, TWO_CODINGS},
    {B(HEAD "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n"), 501, OTHER_CODING},
    {B(HEAD "Transfer-Encoding:\r\n\r\n"), 400, EMPTY_CODING},
    {B(HEAD "Transfer-Encoding: \r\n\r\n"), 400, EMPTY_CODING},
    {B(HEAD "Transfer-Encoding : chunked\r\n\r\n"), 400, NO_COLON},
    {B(HEAD "Transfer-Encoding\t:chunked\r\n\r\n"), 400, NO_COLON},
    {B(HEAD " Transfer-Encoding: chunked\r\n\r\n"), 400, FOLDED},
    {B(HEAD "Transfer-Encoding: \x0B"
            "chunked\r\n\r\n"),
     400, CONTROL},
    {B(HEAD "Transfer-Encoding:\x0C"
            "chunked\r\n\r\n"),
     400, CONTROL},
    {B(HEAD "Transfer-Encoding:\r\n chunked\r\n\r\n"), 400, EMPTY_CODING},
    {B(HEAD "X: y\rTransfer-Encoding: chunked\r\n\r\n"), 400, CONTROL},
    {B(HEAD "X: y\nTransfer-Encoding: chunked\r\n\r\n"), 400, BARE_LF},
    {B(HEAD "Transfer-Encoding: identity\r\n\r\n"), 501, OTHER_CODING},
    {B(HEAD "Transfer-Encoding: gzip\r\n\r\n"), 501, OTHER_CODING},
    {B(HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501, OTHER_CODING},
    {B(HEAD "Transfer-Encoding: chunked, gzip\r\n\r\n"), 501, OTHER_CODING},
    {B(HEAD "Transfer-Encoding: chunked, chunked\r\n\r\n"), 501, OTHER_CODING},
    {B(HEAD "Transfer-Encoding: chunked,\r\n\r\n"), 501, OTHER_CODING},
    {B(HEAD "Transfer-Encoding: ,chunked\r\n\r\n"), 501, OTHER_CODING},
    {B(HEAD "Transfer-Encoding: xchunked\r\n\r\n"), 501, OTHER_CODING},
    {B(HEAD "Transfer-Encoding: chunkedx\r\n\r\n"), 501, OTHER_CODING},
    {B(HEAD "Transfer-Encoding: chunke\r\n\r\n"), 501, OTHER_CODING},
    {B(HEAD "Transfer-Encoding: \"chunked\"\r\n\r\n"), 501, OTHER_CODING},
    {B(HEAD "Transfer-Encoding: chunked;q=1\r\n\r\n"), 501, OTHER_CODING},
    {B(HEAD "Transfer-Encoding: \xC2\xA0"
            "chunked\r\n\r\n"),
     501, OTHER_CODING},
    {B("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, CODING_IN_1_0},

    /* expectations */
    {B(HEAD "Expect: 200-ok\r\n\r\n"), 417, EXPECTATION},
    {B(HEAD "Expect:\r\n\r\n"), 417, EXPECTATION},
    {B(HEAD "Expect: 100-continue, x\r\n\r\n"), 417, EXPECTATION},
};

/* A stream and how it is read: "METHOD target body" for each request, in order, and how it ends: "more" (waits for more bytes), "close" (the client
 * asked for the end), or a status. "100" stands before a request that asks for a 100-continue. */
typedef struct {
    const char *bytes;
    size_t len;
    const char *read;
} http_stream_case;

#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"

static const http_stream_case http_streams[] __attribute__((unused)) = {
    /* heads, RFC 9112, 2 to 5 */
    {B(""), "more"},
    {B("G"), "more"},
    {B("GET / HTTP/1.1"), "more"},
    {B("GET / HTTP/1.1\r"), "more"},
    {B("GET / HTTP/1.1\r\n"), "more"},
    {B("GET / HTTP/1.1\r\nHost: a\r\n"), "more"},
    {B("GET / HTTP/1.1\r\nHost: a\r\n\r"), "more"},
    {B("GET /" REST), "GET / ;more"},
    {B("GET /a/b?c=d&e" REST), "GET /a/b?c=d&e ;more"},
    {B("GET //a" REST), "GET //a ;more"},
    {B("GET /%2e%2E/%zz%" REST), "GET /%2e%2E/%zz% ;more"},
    {B("OPTIONS /" REST), "OPTIONS / ;more"},
    {B("DELETE /x" REST), "DELETE /x ;more"},
    {B("GET / HTTP/1.1\r\nHost: a\r\nX: \xE4\xF6 obs-text\r\n\r\n"), "GET / ;more"},
    {B("GET / HTTP/1.1\r\nhost:[::1]:8443\r\n\r\n"), "GET / ;more"},
    {B("GET / HTTP/1.1\r\nHost: a:\r\n\r\n"), "GET / ;more"},
    {B("GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY: \t\r\n\r\n"), "GET / ;more"},

    /* connections, RFC 9112, 9 */
    {B("GET /1" REST "GET /2" REST "HEAD /3" REST), "GET /1 ;GET /2 ;HEAD /3 ;more"},
    {B("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2" REST), "GET /1 ;close"},
    {B("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\nGET /2" REST), "GET /1 ;close"},
    {B("GET /1 HTTP/1.0\r\nHost: a\r\n\r\nGET /2" REST), "GET /1 ;close"},
    {B("GET /1 HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\nGET /2" REST), "GET /1 ;GET /2 ;more"},
    {B("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), "GET /1 ;more"},
    {B("GET /1" REST "get /2" REST), "GET /1 ;501"},
    {B("GET /1" REST "\r\nGET /2" REST), "GET /1 ;400"},
    {B("GET /1" REST "GET /2"), "GET /1 ;more"},

    /* lengths, RFC 9112, 6.2 */
    {B(HEAD "Content-Length: 0\r\n\r\nGET /" REST), "POST / ;GET / ;more"},
    {B(HEAD "Content-Length: 3\r\n\r\nabcGET /" REST), "POST / abc;GET / ;more"},
    {B(HEAD "Content-Length: 0003\r\n\r\nabc"), "POST / abc;more"},
    {B(HEAD "Content-Length: 4\r\n\r\nabc"), "more"},
    {B(HEAD "Content-Length: 1000\r\n\r\nabc"), "more"},
    {B(HEAD "Content-Length: 1001\r\n\r\nabc"), "413"},
    {B(HEAD "Content-Length: 9223372036854775807\r\n\r\n"), "413"},
    {B(HEAD "\r\nGET /" REST), "POST / ;GET / ;more"}, /* no length, no body */
    {B("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /2" REST), "GET / abc;GET /2 ;more"},
    {B("DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"), "DELETE / abc;more"},
    {B("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"), "100 PUT / abc;more"},
    {B("PUT / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"), "PUT / abc;close"},

    /* chunks, RFC 9112, 7.1 */
    {B(CHUNKED "0\r\n\r\nGET /" REST), "POST / ;GET / ;more"},
    {B(CHUNKED "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET /" REST), "POST / abcde;GET / ;more"},
    {B(CHUNKED "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), "POST / 01234567890123456789;more"},
    {B(CHUNKED "000000003\r\nabc\r\n0000\r\n\r\n"), "POST / abc;more"},
    {B(CHUNKED "3;name\r\nabc\r\n0;n=v;m=\"q \\\" q\"\r\n\r\n"), "POST / abc;more"},
    {B(CHUNKED "3\r\nabc\r\n0\r\nTrailer: x\r\nContent-Length: 9\r\n\r\nGET /" REST), "POST / abc;GET / ;more"},
    {B(CHUNKED "3\r\nabc"), "more"},
    {B(CHUNKED "3\r\nabc\r\n0\r\n"), "more"},
    {B(CHUNKED "3\r\nabcd\r\n"), "400"},
    {B(CHUNKED "3\nabc\r\n0\r\n\r\n"), "400"},
    {B(CHUNKED "3\r\nabc\n0\r\n\r\n"), "400"},
    {B(CHUNKED "3\r\nabc0\r\n\r\n"), "400"},
    {B(CHUNKED "3 \r\nabc\r\n0\r\n\r\n"), "400"},
    {B(CHUNKED " 3\r\nabc\r\n0\r\n\r\n"), "400"},
    {B(CHUNKED "0x3\r\nabc\r\n0\r\n\r\n"), "400"},
    {B(CHUNKED "-3\r\nabc\r\n0\r\n\r\n"), "400"},
    {B(CHUNKED "\r\nabc\r\n0\r\n\r\n"), "400"},
    {B(CHUNKED "g\r\n"), "400"},
    {B(CHUNKED "3;\r\nabc\r\n0\r\n\r\n"), "400"},
    {B(CHUNKED "3;a\nb\r\nabc\r\n0\r\n\r\n"), "400"},
    {B(CHUNKED "3;a=\"\r\nabc\r\n0\r\n\r\n"), "400"},
    {B(CHUNKED "3;\0\r\nabc\r\n0\r\n\r\n"), "400"},
    {B(CHUNKED "0\r\nX : y\r\n\r\n"), "400"},
    {B(CHUNKED "0\r\nX: y\r\n z\r\n\r\n"), "400"},
    {B(CHUNKED "0\r\nX: y\n\r\n"), "400"},
    {B(CHUNKED "0\r\nX: \0\r\n\r\n"), "400"},
    {B(CHUNKED "0\r\nGET / HTTP/1.1\r\n\r\n"), "400"},
    {B(CHUNKED "3e9\r\n"), "413"}, /* told at the digit that passes the bound, before a byte of it */
    {B(CHUNKED "3e8\r\nabc"), "more"},
    {B(CHUNKED "ffffffffffffffff\r\nabc"), "413"},
    {B(CHUNKED "10000000000000003\r\nabc\r\n0\r\n\r\n"), "413"}, /* 3 in 64 bits */
    {B(CHUNKED "3\r\nabc\r\nfffffffffffffffd\r\n"), "413"},

    /* what others have smuggled with */
    {B(HEAD "Content-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin" REST), "400"},
    {B(HEAD "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n"), "400"},
    {B(HEAD "Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"), "501"},
    {B(HEAD "Content-Length: 6\r\nContent-Length: 5\r\n\r\n12345G"), "400"},
    {B(HEAD "Content-Length: 5\r\nX: y\nContent-Length: 0\r\n\r\n12345"), "400"},
    {B("GET / HTTP/1.1\r\nHost: a\r\nX: y\rContent-Length: 30\r\n\r\nGET /admin" REST), "400"},
    {B("GET / HTTP/1.1\r\nHost: a\r\n\0Content-Length: 30\r\n\r\nGET /admin" REST), "400"},
    {B("GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 30\r\n\r\nGET /2" REST), "GET / ;GET /2 ;more"},
    {B("POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400"},
};

#endif
