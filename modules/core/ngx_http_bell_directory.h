
/*
 * The tenant directory in shared memory: one writer, readers without locks.
 *
 * The zone holds two images (lua-free/bell_directory.h) and two counters.
 * Generation g lies in slot g & 1.  A writer sets writing = g + 1, changes or
 * fills the slot that no new reader looks at, and sets published = g + 1 when
 * what it holds is good.  A reader looks up in the slot of "published" and
 * copies out what it found; when "writing" is two ahead afterwards, its slot
 * was being overwritten, and it looks again.
 *
 * A slot whose version is 0 holds nothing to rely on: it is set so before the
 * first byte is changed, and to the image's version when that is whole.  So a
 * writer that is killed anywhere leaves "published" and its slot as they
 * were, and the other slot as one that is filled anew by the next writer.
 *
 * The idle slot lacks what was applied last.  Its documents are kept beside
 * the slots; they are replayed on it before others are applied, and when that
 * cannot be done it is copied whole from the one in service.
 */

#ifndef _NGX_HTTP_BELL_DIRECTORY_H_INCLUDED_
#define _NGX_HTTP_BELL_DIRECTORY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "bell_directory_doc.h"
#include "ngx_http_bell_core.h"
#include "ngx_http_bell_feed.h"


#pragma GCC visibility push(hidden)

/* room for a sentence that says why a snapshot is refused, NUL included */
#define NGX_HTTP_BELL_REASON_LEN  512

/* room for the documents that were applied last, bytes, where there is room */
#define NGX_HTTP_BELL_BATCH_MIN   (64 * 1024)

#define NGX_HTTP_BELL_INTERVAL_MS      1000
#define NGX_HTTP_BELL_INTERVAL_MIN_MS  10
#define NGX_HTTP_BELL_INTERVAL_MAX_MS  (3600 * 1000)


typedef struct {
    u_char                          *image;
    uint64_t                         version;   /* 0: not whole */

    /* of the snapshot it was filled with, 0 when it was changed since */
    size_t                           snapshot_len;
    uint32_t                         snapshot_crc;
} ngx_http_bell_directory_slot_t;


/* the documents that were applied last: they lead from a version to another */

typedef struct {
    u_char                          *bytes;
    size_t                           size;      /* of "bytes" */
    size_t                           len;
    uint64_t                         from;
    uint64_t                         to;        /* 0: none are here */
} ngx_http_bell_directory_batch_t;


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

    ngx_http_bell_feed_sh_t          feed;       /* who reads from Redis */

    size_t                           capacity;   /* of a slot, bytes */
    ngx_http_bell_directory_slot_t   slots[2];
    ngx_http_bell_directory_batch_t  batch;

    /* written by the writer or the feeder, read by anybody as they are */

    ngx_http_bell_counters_t         counters;
    ngx_uint_t                       clock_is_wrong;

    /* below: of the writer only */

    ngx_uint_t                       judged;     /* "stamp" is valid */
    ngx_http_bell_directory_stamp_t  stamp;
} ngx_http_bell_directory_sh_t;

/* what a look-up was answered from */

typedef struct {
    ngx_atomic_uint_t                generation;
    uint64_t                         version;
    bell_directory_trace             trace;
} ngx_http_bell_directory_found_t;


typedef struct ngx_http_bell_hosts_s  ngx_http_bell_hosts_t;


typedef struct {
    ngx_http_bell_directory_sh_t    *sh;
    ngx_shm_zone_t                  *shm_zone;

    bell_directory_keys              keys;

    ngx_str_t                        file;       /* one of these two */
    ngx_str_t                        state;
    ngx_str_t                        deltas;     /* behind the state */

    ngx_flag_t                       redis;
    ngx_msec_t                       interval;

    ngx_str_t                        conf_file;  /* where it is configured */
    ngx_uint_t                       conf_line;

    ngx_http_bell_hosts_t           *hosts;      /* NULL: none are kept */

    ngx_event_t                      timer;
    ngx_connection_t                 dummy;      /* for the timer's log */
} ngx_http_bell_directory_t;


/* "bell_directory ...;": NGX_CONF_OK, or what nginx makes a sentence of */
char *ngx_http_bell_directory_parse(ngx_conf_t *cf,
    ngx_http_bell_directory_t *d);

/* ngx_shm_zone_t's init; shm_zone->data is the ngx_http_bell_directory_t */
ngx_int_t ngx_http_bell_directory_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);

/*
 * Looks a normalized host name up; an empty one is nobody's own and can only
 * be the default tenant's.  Any process, any time, no lock; *found says in
 * what, also when it is nobody's.
 */
bell_directory_match ngx_http_bell_directory_find(
    ngx_http_bell_directory_t *d, bell_str host, bell_tenant *tenant,
    ngx_http_bell_directory_found_t *found);

/*
 * 1: what was found in that generation is what would be found now, and
 * *generation and *version are those in service.  0: it is to be looked up.
 */
ngx_uint_t ngx_http_bell_directory_confirm(ngx_http_bell_directory_t *d,
    ngx_atomic_uint_t *generation, uint64_t *version,
    bell_directory_trace *trace);

/* The same; mostly nothing has changed, and that is seen at once. */

static ngx_inline ngx_uint_t
ngx_http_bell_directory_holds(ngx_http_bell_directory_t *d,
    ngx_atomic_uint_t *generation, uint64_t *version,
    bell_directory_trace *trace)
{
    return d->sh->published == *generation
           || ngx_http_bell_directory_confirm(d, generation, version, trace);
}

/* 0: nothing is in service yet */
uint64_t ngx_http_bell_directory_version(ngx_http_bell_directory_t *d);

/* what the core's table calls is_revoked and directory_status */
ngx_uint_t ngx_http_bell_directory_is_revoked(ngx_http_bell_directory_t *d,
    uint32_t tenant_id, bell_str subject, int64_t began_s);
void ngx_http_bell_directory_status(ngx_http_bell_directory_t *d,
    ngx_http_bell_directory_status_t *status);

/*
 * The record of a tenant, by number, or of a pool, by name when tenant_id is
 * 0; "out" has room for BELL_DIRECTORY_RECORD_MAX.  Its length, 0: none.
 */
size_t ngx_http_bell_directory_record(ngx_http_bell_directory_t *d,
    uint32_t tenant_id, bell_str pool, void *out, uint64_t *version);

/*
 * A feed takes the lock, applies, and gives the lock back before it returns
 * to the event loop.  NGX_AGAIN: another process is at it.  The lock of a
 * process that has died is taken over.
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

/* Checks a snapshot in the same way, and puts it nowhere; the lock is held. */
ngx_int_t ngx_http_bell_directory_check(ngx_http_bell_directory_t *d,
    bell_str snapshot, char reason[NGX_HTTP_BELL_REASON_LEN]);

/*
 * Puts several deltas in service by one switch, in their order; the lock is
 * held.  Those that lead to no higher version than the one in service are
 * passed over.  When one of them is not taken, those before it are.
 *
 *     NGX_OK        what they say is in service now
 *     NGX_DONE      all of it was already
 *     NGX_AGAIN     one leads from a version that was not reached: a snapshot
 *                   is needed; "reason" is a sentence
 *     NGX_DECLINED  one is refused, or there is no room for it; likewise
 */
ngx_int_t ngx_http_bell_directory_apply_deltas(ngx_http_bell_directory_t *d,
    bell_str *documents, ngx_uint_t n, char reason[NGX_HTTP_BELL_REASON_LEN]);

/*
 * As a worker starts: what a process that died has left locked is found
 * before another process can be given its number.
 */
void ngx_http_bell_directory_sweep(ngx_http_bell_directory_t *d,
    ngx_log_t *log);

/* For these three files: a slot's change begins, and is or is not a switch. */
ngx_http_bell_directory_slot_t *ngx_http_bell_directory_begin(
    ngx_http_bell_directory_t *d);
void ngx_http_bell_directory_publish(ngx_http_bell_directory_t *d,
    ngx_http_bell_directory_slot_t *slot);


/* The feed from the file: ngx_http_bell_directory_file.c */

/* at start, in the master: NGX_ERROR has been logged as [emerg] */
ngx_int_t ngx_http_bell_directory_file_load(ngx_http_bell_directory_t *d,
    ngx_log_t *log);

/* in each worker: the timer by which one of them looks at the file */
void ngx_http_bell_directory_file_watch(ngx_http_bell_directory_t *d,
    ngx_log_t *log);

/* 1: there was a timer in this process */
ngx_uint_t ngx_http_bell_directory_file_unwatch(void);


/* The state on disk: ngx_http_bell_directory_state.c */

/*
 * What the two files of the state were when they were looked at last; of the
 * process that writes them.  Zeros: nothing is there.
 */
typedef struct {
    uint64_t                         snapshot;   /* versions */
    uint64_t                         version;    /* with the deltas */
    size_t                           snapshot_len;
    size_t                           deltas_len;
    ngx_uint_t                       broken;     /* not to be appended to */
    ngx_uint_t                       told;       /* that it cannot be written */
} ngx_http_bell_state_t;

/*
 * Puts in service what the state has beyond it, and says in the log what is
 * refused and why; the lock is held.  "cut": a torn tail is cut off, for who
 * will go on writing.  The first does so in the master, at the start.
 */
ngx_int_t ngx_http_bell_directory_state_begin(ngx_http_bell_directory_t *d,
    ngx_log_t *log);
void ngx_http_bell_directory_state_load(ngx_http_bell_directory_t *d,
    ngx_http_bell_state_t *state, ngx_uint_t cut, ngx_log_t *log);

/* Replaces the state by a snapshot that was checked; NGX_ERROR is logged. */
ngx_int_t ngx_http_bell_directory_state_replace(ngx_http_bell_directory_t *d,
    ngx_http_bell_state_t *state, bell_str snapshot, ngx_log_t *log);

/* Appends deltas that were applied; those it has already are passed over. */
ngx_int_t ngx_http_bell_directory_state_append(ngx_http_bell_directory_t *d,
    ngx_http_bell_state_t *state, bell_str *documents, ngx_uint_t n,
    ngx_log_t *log);

/* A whole file, from ngx_alloc().  Otherwise "reason" is a sentence. */
ngx_int_t ngx_http_bell_directory_read_file(ngx_fd_t fd, ngx_str_t *content,
    ngx_file_info_t *fi, ngx_log_t *log, char *reason);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_DIRECTORY_H_INCLUDED_ */
