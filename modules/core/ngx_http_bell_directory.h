
/*
 * The tenant directory in shared memory: one writer, readers without locks.
 *
 * The zone holds two images (lua-free/bell_directory.h) and two counters.
 * Generation g lies in slot g & 1.  A writer sets writing = g + 1, fills the
 * slot that no new reader looks at, and sets published = g + 1 when what it
 * holds is good; a refused one leaves the slot without a version.  A reader
 * looks up in the slot of "published" and copies the tenant out; when
 * "writing" is two ahead afterwards, its slot was being overwritten, and it
 * looks again.  A writer that is killed in the middle leaves "published" as
 * it was: the half-written slot is filled anew by the next one.
 */

#ifndef _NGX_HTTP_BELL_DIRECTORY_H_INCLUDED_
#define _NGX_HTTP_BELL_DIRECTORY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "bell_directory_doc.h"


#pragma GCC visibility push(hidden)

/* room for a sentence that says why a snapshot is refused, NUL included */
#define NGX_HTTP_BELL_REASON_LEN  512

#define NGX_HTTP_BELL_INTERVAL_MIN_MS  10
#define NGX_HTTP_BELL_INTERVAL_MAX_MS  (3600 * 1000)


typedef struct {
    u_char                          *image;
    uint64_t                         version;

    size_t                           snapshot_len;  /* of the writer only */
    uint32_t                         snapshot_crc;
} ngx_http_bell_directory_slot_t;


/* a file as it was when the feed judged it; missing ones are all zeros */

typedef struct {
    uint64_t                         dev;
    uint64_t                         ino;
    uint64_t                         size;
    uint64_t                         mtime_ns;
    uint64_t                         ctime_ns;
} ngx_http_bell_directory_stamp_t;


typedef struct {
    ngx_atomic_t                     published;
    ngx_atomic_t                     writing;
    ngx_atomic_t                     writer;     /* pid, 0: nobody */

    ngx_atomic_t                     polled_ms;  /* monotonic clock */
    ngx_atomic_t                     recheck;    /* judge the file again */

    size_t                           capacity;   /* of a slot, bytes */
    ngx_http_bell_directory_slot_t   slots[2];

    /* below: of the writer only */

    ngx_uint_t                       judged;     /* "stamp" is valid */
    ngx_http_bell_directory_stamp_t  stamp;
} ngx_http_bell_directory_sh_t;


typedef struct {
    ngx_http_bell_directory_sh_t    *sh;
    ngx_shm_zone_t                  *shm_zone;

    ngx_str_t                        file;
    ngx_msec_t                       interval;

    ngx_str_t                        conf_file;  /* where it is configured */
    ngx_uint_t                       conf_line;

    ngx_event_t                      timer;
    ngx_connection_t                 dummy;      /* for the timer's log */
} ngx_http_bell_directory_t;


/* ngx_shm_zone_t's init; shm_zone->data is the ngx_http_bell_directory_t */
ngx_int_t ngx_http_bell_directory_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);

/*
 * Looks a normalized host name up; an empty one is nobody's own and can only
 * be the default tenant's.  Any process, any time, no lock; *version is the
 * directory's that was used.
 */
bell_directory_match ngx_http_bell_directory_find(ngx_http_bell_directory_t *d, bell_str host,
    bell_tenant *tenant, uint64_t *version);

/* 0: nothing is in service yet */
uint64_t ngx_http_bell_directory_version(ngx_http_bell_directory_t *d);

/*
 * A feed (today the file) takes the lock, applies, and gives the lock back
 * before it returns to the event loop.  NGX_AGAIN: another process is at it.
 * The lock of a process that has died is taken over.
 */
ngx_int_t ngx_http_bell_directory_lock(ngx_http_bell_directory_t *d,
    ngx_log_t *log);
void ngx_http_bell_directory_unlock(ngx_http_bell_directory_t *d);

/*
 * Checks a whole snapshot and puts it in service; the lock is held.
 *
 *     NGX_OK        it is in service now, in all processes
 *     NGX_DONE      it was in service already
 *     NGX_DECLINED  refused, the former one stays; "reason" is a sentence
 */
ngx_int_t ngx_http_bell_directory_apply(ngx_http_bell_directory_t *d,
    bell_str snapshot, char reason[NGX_HTTP_BELL_REASON_LEN]);


/* The feed from the file: ngx_http_bell_directory_file.c */

/* at start, in the master: NGX_ERROR has been logged as [emerg] */
ngx_int_t ngx_http_bell_directory_file_load(ngx_http_bell_directory_t *d,
    ngx_log_t *log);

/* in each worker: the timer by which one of them looks at the file */
void ngx_http_bell_directory_file_watch(ngx_http_bell_directory_t *d,
    ngx_log_t *log);

/* 1: there was a timer in this process */
ngx_uint_t ngx_http_bell_directory_file_unwatch(void);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_DIRECTORY_H_INCLUDED_ */
