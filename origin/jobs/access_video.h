/* The time line of a video: which bytes of which file play when, out of the HLS playlists and the files below media_root. */
#ifndef FB_JOBS_ACCESS_VIDEO_H
#define FB_JOBS_ACCESS_VIDEO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FB_VIDEO_ERROR_BYTES 400

typedef struct fb_video fb_video;

/* Reads `file` below the folder, a playlist with renditions or with segments, and what it leads to. NULL: a sentence is in err. Freed with
 * fb_video_free. */
fb_video *fb_video_load(const char *folder, const char *file, char err[FB_VIDEO_ERROR_BYTES]) __attribute__((warn_unused_result));
void fb_video_free(fb_video *v);

/* Of the longest rendition. */
int64_t fb_video_duration_ms(const fb_video *v);

typedef void fb_video_each(void *arg, int64_t begin_ms, int64_t end_ms);

/* Calls `each` for the times, with begin < end, that bytes [from, to) of a file play at, the part of a segment for a part of its time. All times are
 * multiples of a step, 0.1 s or a 4000th of the video, but for its end: bytes that adjoin make times that adjoin, and a row of them has a bounded
 * number of pieces. size: of the file as it was sent, -1 when that is not known; another than the file has now is another edition. false: the file is
 * no part of the video. */
bool fb_video_times(const fb_video *v, const char *file, int64_t from, int64_t to, int64_t size, fb_video_each *each, void *arg);

/* The last videos that were asked for, by one thread. */
typedef struct fb_videos fb_videos;

typedef struct {
    int32_t tenant_id;
    int64_t item_id;
    int64_t version; /* of the course's content */
} fb_video_key;

fb_videos *fb_videos_new(void) __attribute__((warn_unused_result));
void fb_videos_free(fb_videos *c);
/* The video of that key, loaded when it is not there; good until the next call. NULL: as with fb_video_load, and tried again each time. */
const fb_video *fb_videos_get(fb_videos *c, const fb_video_key *key, const char *folder, const char *file, char err[FB_VIDEO_ERROR_BYTES])
    __attribute__((warn_unused_result));

#endif
