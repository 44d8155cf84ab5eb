/* HLS playlists (RFC 8216 and its successor, draft-pantos-hls-rfc8216bis) rewritten as they pass: bytes in, in pieces of any size, bytes out. Found
 * are the lines that are URIs and the URIs in the attributes of tags that have one (the table is in bell_m3u8.c); each that leads to the playlist's
 * own scheme and host is shown to the caller, who says what becomes of it. Everything else stays as it is, byte for byte: comments, tags that are not
 * known, ends of lines, a byte order mark, URIs of other hosts and schemes (data:, skd:, …), URIs with variables of EXT-X-DEFINE ("{$name}"), whose
 * value is not known here, URIs that the server would refuse ("%2e%2e", bad escapes), and a body that does not begin with #EXTM3U.
 *
 * A line longer than BELL_M3U8_LINE_MAX is passed on as it is and counted: its URI gets no token and will be refused, but the rest of the playlist
 * plays; an answer whose head is on its way cannot become an error any more. */
#ifndef BELL_M3U8_H
#define BELL_M3U8_H

#include "bell_buf.h"
#include "bell_uri.h"

#pragma GCC visibility push(hidden)

#define BELL_M3U8_LINE_MAX   16384 /* bytes, its end counted */
#define BELL_M3U8_TARGET_MAX 8192  /* bytes; a URI that resolves to more stays as it is */

typedef struct {
    bell_str text;   /* as in the playlist */
    bell_str target; /* what a client will ask for: path and query */
    bell_str tag;    /* "EXT-X-KEY", …; empty for a line that is a URI */
} bell_m3u8_uri;

/* What becomes of it: one of the two, the other is empty. Without control bytes, spaces and quotes, and a path that does not begin with "//", which
 * would be the name of a host: or the URI stays as it is. The fragment is kept behind either. */
typedef struct {
    bell_str query; /* "name=value", put behind what query there is */
    bell_str uri;   /* in place of the URI */
} bell_m3u8_change;

/* false: it stays as it is. What *change points to is read before the next call. */
typedef bool bell_m3u8_edit(void *data, const bell_m3u8_uri *uri, bell_m3u8_change *change);

typedef enum { BELL_M3U8_START, BELL_M3U8_LINES, BELL_M3U8_LONG_LINE, BELL_M3U8_OTHER } bell_m3u8_state;

typedef struct {
    bell_uri_base base;
    bell_m3u8_edit *edit;
    void *data;
    bell_m3u8_state state; /* OTHER: no playlist */
    unsigned changed;      /* URIs */
    unsigned long_lines;
    size_t held; /* bytes of a line that is not whole yet */
    char line[BELL_M3U8_LINE_MAX];
    char target[BELL_M3U8_TARGET_MAX];
} bell_m3u8;

/* The base's texts are borrowed until the end. */
void bell_m3u8_init(bell_m3u8 *m, const bell_uri_base *base, bell_m3u8_edit *edit, void *data);

/* Appends to `out` what is known to follow; false: it has failed (bound or memory). */
bool bell_m3u8_feed(bell_m3u8 *m, bell_str bytes, bell_buf *out) __attribute__((warn_unused_result));
/* The body is complete: the last line, if nothing ended it. */
bool bell_m3u8_end(bell_m3u8 *m, bell_buf *out) __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
