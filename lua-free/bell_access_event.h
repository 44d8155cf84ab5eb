/* Access events: who was sent which bytes of which object. An edge tells them, the origin makes progress of them; this is the form between the two.
 *
 * In Redis (all keys begin as those of the directory do; nothing else is under "bell:access:"):
 *
 *     XADD bell:access:{TENANT_ID} MAXLEN ~ N * v 1 events TEXT       a batch: events of one tenant, from one worker of an edge
 *     SADD bell:access:tenants TENANT_ID                              behind each batch, on the same connection
 *
 * TENANT_ID is the number of the directory, in decimal digits; the braces keep a tenant's stream in one slot of a Redis Cluster. TEXT is 1 to
 * BELL_ACCESS_BATCH_BYTES bytes: lines, each with one event and a newline behind it, the last one too. N is the edge's setting (10000 unless said
 * otherwise): the oldest batches of a stream that nobody reads are given up.
 *
 * What a reader may count on:
 *   - A tenant whose stream got a batch is in the set after that. So who takes the tenant out of the set first and reads the stream afterwards misses
 *     nothing; who takes it out behind the reading has to look at the stream once more.
 *   - An event comes at least once. An edge that got no answer sends a batch again on its next connection, so the same event may be in two batches.
 *     The id (nginx's $request_id) is the same then, and two events with one tenant and one id are one.
 *   - Batches of several edges and workers come in any order; `at` is the clock of the edge.
 *   - Events can be missing: what an edge cannot keep it drops, and counts. They show that something was sent, never that nothing was.
 *   - A batch whose "v" is not "1" is of a later form and none of these lines.
 *   - Whoever may write to Redis can write anything. A line that cannot be read spoils itself only.
 *
 * An event is a JSON object, with these members in this order when an edge writes it, each once, and no others:
 *
 *     {"at":1763752345678,"subject":"42","by":"session","path":"/media/9/film.mp4","from":0,"to":65536,"size":5242880,"status":206,
 *      "id":"0123456789abcdef0123456789abcdef"}
 *
 *     at        Unix time in milliseconds, when the last of the bytes was handed to the network
 *     subject   who asked: a text of 1 to BELL_ACCESS_SUBJECT_BYTES bytes, UTF-8, without control characters
 *     by        how the subject is known: "session", or the kind of the issuer whose token was in the request ("path", "cloudfront", "cat", …)
 *     issuer    not with "session": the issuer's name in the configuration of the edge
 *     path      of the request after a token was cut out of it, without the query, as the client spelled it: percent-encoded, in printable ASCII. One
 *               object has many spellings: who compares decodes it and resolves dot segments and doubled slashes first, as nginx has done
 *     from, to  which bytes of the object were sent, from the first to the one behind the last (from < to); what was sent, not what was asked for
 *     size      of the object; -1 when the edge does not know it, then `to` counts bytes as they were sent, compression and framing included
 *     status    200 (then from is 0) or 206
 *     id        the request's: 32 hexadecimal digits, lower case
 *
 * The subject of a session of ours is the user's number (bell_session.h); with a colon it is of an issuer of access tokens that the tenant trusts.
 * The subject of a token in the address is what its issuer wrote there, true as far as the holder of that key is trusted; of "path" the key is one
 * for Firstbell's own tokens (bell_path_token.h). With both in a request it is the session's. */
#ifndef BELL_ACCESS_EVENT_H
#define BELL_ACCESS_EVENT_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_ACCESS_TENANTS      "bell:access:tenants"
#define BELL_ACCESS_VERSION      "1"
#define BELL_ACCESS_STREAM_BYTES 32 /* room for the key of a stream, its NUL too */

#define BELL_ACCESS_BATCH_BYTES   65536
#define BELL_ACCESS_SUBJECT_BYTES 256
#define BELL_ACCESS_BY_BYTES      32 /* lower-case letters, digits, hyphens */
#define BELL_ACCESS_ISSUER_BYTES  128
#define BELL_ACCESS_PATH_BYTES    2048 /* as it is in an event */
#define BELL_ACCESS_ID_BYTES      32
#define BELL_ACCESS_LINE_BYTES    3072 /* the longest event and its newline */

#define BELL_ACCESS_NUMBER_MAX INT64_C(9007199254740991) /* of at, from, to and size: 2^53 - 1 (RFC 7493, section 2.2) */

/* The texts are borrowed. */
typedef struct {
    int64_t at_ms;
    int64_t from;
    int64_t to;
    int64_t size; /* -1: not known */
    unsigned status;
    bell_str subject;
    bell_str by;
    bell_str issuer; /* empty with "session", and only then */
    bell_str path;
    bell_str id;
} bell_access_event;

/* Where the texts of an event lie that was read. */
typedef struct {
    char text[BELL_ACCESS_SUBJECT_BYTES + BELL_ACCESS_BY_BYTES + BELL_ACCESS_ISSUER_BYTES + BELL_ACCESS_PATH_BYTES + BELL_ACCESS_ID_BYTES];
} bell_access_room;

/* Writes the line, newline included, to `out`, which has BELL_ACCESS_LINE_BYTES bytes; its length. The path may be as it came: bytes that are not
 * printable ASCII, quotes and backslashes are percent-encoded, and it ends before the first "?" or "#". 0: the event breaks a rule of the form
 * (a text that is too long, nothing sent, …), and what is in `out` is nothing. Allocates nothing. */
size_t bell_access_event_write(const bell_access_event *e, char *out) __attribute__((warn_unused_result));

/* Reads a line, without its newline, of somebody who may mean no good: what is returned keeps all rules above, and its texts lie in *room. */
bool bell_access_event_read(bell_str line, bell_access_room *room, bell_access_event *out) __attribute__((warn_unused_result));

/* Takes the next line off a batch's text; false when there is none left, or what is left is longer than a batch may be. A last line without its
 * newline counts as a line. */
bool bell_access_batch_next(bell_str *text, bell_str *line) __attribute__((warn_unused_result));

/* "bell:access:{7}", with a NUL behind it; its length. */
size_t bell_access_stream(uint32_t tenant_id, char out[BELL_ACCESS_STREAM_BYTES]);

#pragma GCC visibility pop

#endif
