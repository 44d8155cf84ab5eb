/* What an HLS playlist (RFC 8216) says of time: which renditions there are, and when each segment plays and which bytes it is. Reading only, of a
 * text that is there whole; bell_m3u8.h rewrites playlists as they pass. */
#ifndef BELL_PLAYLIST_H
#define BELL_PLAYLIST_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_PLAYLIST_TIME_MAX_US (UINT64_C(86400) * 1000000) /* of all segments together: a day */
#define BELL_PLAYLIST_BYTE_MAX    (UINT64_C(1) << 53)         /* of a byte range */

typedef enum {
    BELL_PLAYLIST_NONE,       /* no playlist, or one that breaks the rules */
    BELL_PLAYLIST_RENDITIONS, /* a multivariant playlist: each part is a rendition with pictures */
    BELL_PLAYLIST_SEGMENTS,   /* a media playlist: each part is a segment */
} bell_playlist_kind;

/* A part with an empty URI is time that passes without a file (EXT-X-GAP). */
typedef struct {
    bell_str uri; /* as it stands, borrowed from the text */
    /* of segments: */
    uint64_t begin_us, end_us; /* from the beginning of the playlist */
    uint64_t first_byte;
    uint64_t bytes; /* 0: the whole file */
} bell_playlist_part;

typedef struct {
    bell_str rest;
    bell_playlist_kind kind;
    bool broken; /* a rule was broken: there are no further parts */
    uint64_t at_us;
    bell_str last_uri;  /* of the segment before, where a byte range goes on */
    uint64_t next_byte; /* behind that segment's */
} bell_playlist;

/* Begins with a text. What kind it is is said by the first tag of one kind or the other; a text without either is NONE. */
bell_playlist_kind bell_playlist_open(bell_playlist *h, bell_str text);

/* The next part; false: there is none, or `broken`. */
bool bell_playlist_next(bell_playlist *h, bell_playlist_part *part) __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
