
/*
 * The second tier of a zone: objects in files.  The shelf is an index of its
 * own in the zone's memory, under the zone's lock; an object is in memory, on
 * the shelf, or both, and both are one object then, of one id.  What is put
 * into memory takes another object of that key off the shelf, and the other
 * way round, so that nothing former is found when the latter goes.
 *
 *     load ---> temp/<id> ---whole---> 1/2f/<id>     written by one worker
 *       |          |                      |
 *     flight <-- waiters read          readers send it
 *
 * A file's name is its object's id, which is never another's: it is written
 * once, and a 304 adds to its end.  Who has it open has that object, whatever
 * becomes of the name.  Names are taken away behind the lock (the doomed); a
 * file that is missed by that is found by the keeper, who goes round.
 */

#ifndef _NGX_HTTP_BELL_CACHE_SHELF_H_INCLUDED_
#define _NGX_HTTP_BELL_CACHE_SHELF_H_INCLUDED_


#include "bell_shelf.h"

#include "ngx_http_bell_cache.h"


#pragma GCC visibility push(hidden)


#define NGX_HTTP_BELL_CACHE_DOOMED  4096    /* a power of two */


/* the payload of an entry of the shelf's index */

typedef struct {
    bell_freshness_times          times;
    uint64_t                      id;
    uint64_t                      url;
    uint64_t                      body_bytes;
    uint64_t                      checked;
    uint64_t                      stamp;
    uint32_t                      head_bytes;
    uint16_t                      kind;
    uint16_t                      unused;
} ngx_http_bell_cache_filed_t;


/* in the zone's memory */

struct ngx_http_bell_cache_shelf_shared_s {
    uint32_t                      off;      /* files are not used */
    uint32_t                      slots;
    uint32_t                      anew;     /* the table has to be emptied */
    uint64_t                      capacity; /* bytes of files */
    uint64_t                      promised; /* of these, to loads */
    uint64_t                      stamps;
    uint64_t                      before;   /* ids that another nginx gave */
    uint32_t                      verified; /* bodies of these */
    uint64_t                      evicted;
    uint64_t                      failures; /* of reading and writing */
    ngx_atomic_t                  told_s;   /* of a failure in the log */
    ngx_atomic_t                  round_s;  /* when the last one began */

    uint32_t                      ndoomed;  /* ids of files to be deleted */
    uint64_t                      doomed[NGX_HTTP_BELL_CACHE_DOOMED];

    uint64_t                     *changed;  /* slots, a bit each */
    void                         *index;
};


typedef struct ngx_http_bell_cache_round_s  ngx_http_bell_cache_round_t;
typedef struct ngx_http_bell_cache_behind_s  ngx_http_bell_cache_behind_t;


/* of this nginx, as long as one of its configurations has the path */

typedef struct {
    ngx_fd_t                      fd;
    ngx_fd_t                      table;
    ngx_fd_t                      purges;
    ngx_uint_t                    refs;
    char                          boot[BELL_SHELF_BOOT_BYTES];
} ngx_http_bell_cache_lock_file_t;


/* of a configuration */

struct ngx_http_bell_cache_shelf_s {
    ngx_http_bell_cache_shelf_shared_t  *sh;
    ngx_cycle_t                  *cycle;    /* while it begins */
    ngx_path_t                   *path;
    ngx_path_t                   *temp;
    off_t                         disk;
    off_t                         largest;  /* bytes of a body */
    ngx_uint_t                    files;
    ngx_http_bell_cache_lock_file_t     *lock;
    ngx_http_bell_cache_round_t  *round;    /* of the process that keeps */
    ngx_http_bell_cache_behind_t *behind;   /* of this process */
};


/* what a reader has open */

struct ngx_http_bell_cache_file_s {
    ngx_fd_t                      fd;
    ngx_str_t                     name;
    uint64_t                      id;
    uint64_t                      bytes;    /* as the shelf knows it */
    uint64_t                      stamp;
    uint32_t                      body_crc;
    uint32_t                      head;     /* chains, if it is in memory */
    uint32_t                      body;     /* since it was found */
    uint16_t                      version;  /* of its entry then */
};


/* ---- ngx_http_bell_cache_shelf.c: under the lock, but where it is said */

size_t ngx_http_bell_cache_shelf_size(ngx_http_bell_cache_shelf_t *shelf,
    ngx_uint_t tenants);
void ngx_http_bell_cache_shelf_lay_out(ngx_http_bell_cache_zone_t *zone,
    u_char *p);
/* Empty; what is in files is to be deleted. */
ngx_int_t ngx_http_bell_cache_shelf_clear(ngx_http_bell_cache_zone_t *zone);

/* So many bytes of files more can be there; others go for them. */
void ngx_http_bell_cache_shelf_room(ngx_http_bell_cache_zone_t *zone,
    uint64_t bytes);
/* NGX_DECLINED: there is no room for a file of so many bytes. */
ngx_int_t ngx_http_bell_cache_shelf_promise(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight, uint64_t bytes);
void ngx_http_bell_cache_shelf_released(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight);

/* In place of what had that hash; NGX_ERROR, and the file is doomed. */
ngx_int_t ngx_http_bell_cache_shelf_put(ngx_http_bell_cache_zone_t *zone,
    const bell_shelf_object *o);
/* Of an index that is filled again: nothing goes for it. */
ngx_int_t ngx_http_bell_cache_shelf_restore(ngx_http_bell_cache_zone_t *zone,
    const bell_shelf_object *o);
/*
 * Behind ngx_http_bell_cache_file_renew(), whose result "written" is.  NGX_OK:
 * what was stale is there as it is now.
 */
ngx_int_t ngx_http_bell_cache_shelf_renewed(ngx_http_bell_cache_load_t *load,
    ngx_int_t written, const bell_shelf_object *o);
/* What had that hash, and is not of that id, goes; 0: whatever it is. */
void ngx_http_bell_cache_shelf_forget(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_hash *hash, uint64_t but);
/* What is there; NGX_DECLINED: nothing. */
ngx_int_t ngx_http_bell_cache_shelf_of(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_hash *hash, ngx_http_bell_cache_filed_t *filed);
/* Other times for what was found, if it is there as it was. */
void ngx_http_bell_cache_shelf_set(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_found_t *found);
/* Something is there that was not when it was looked for. */
ngx_uint_t ngx_http_bell_cache_shelf_changed(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_hash *hash, ngx_http_bell_cache_found_t *found);
void ngx_http_bell_cache_shelf_doom(ngx_http_bell_cache_zone_t *zone,
    uint64_t id);

/* Without the lock: a copy. */
ngx_int_t ngx_http_bell_cache_shelf_get(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_hash *hash, bell_shelf_object *o);
void ngx_http_bell_cache_shelf_object(const bell_cache_entry *entry,
    bell_shelf_object *o);


/* ---- ngx_http_bell_cache_file.c: what is read, without the lock */

/* As ngx_http_bell_cache_find(), and found->file is set. */
ngx_int_t ngx_http_bell_cache_file_find(ngx_http_bell_cache_ctx_t *ctx,
    bell_cache_hash *hash, bell_str key);
ngx_int_t ngx_http_bell_cache_file_body(ngx_http_bell_cache_ctx_t *ctx,
    ngx_chain_t *out);
/* Bytes of a flight's file that were published. */
size_t ngx_http_bell_cache_file_read(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, u_char *p, size_t len);

/* The same, of one that is being written: it is open from here on. */
ngx_int_t ngx_http_bell_cache_file_follow(ngx_http_bell_cache_ctx_t *ctx,
    uint64_t id);

/*
 * Head and trailer, as the shelf knows them, in so many bytes.  NGX_DECLINED:
 * they are not those of that object.
 */
ngx_int_t ngx_http_bell_cache_file_end(ngx_http_bell_cache_zone_t *zone,
    ngx_fd_t fd, const bell_shelf_object *o, u_char *p, bell_shelf_object *is);

/* It goes from the shelf, and a line says why. */
void ngx_http_bell_cache_file_lost(ngx_http_bell_cache_ctx_t *ctx,
    bell_shelf_object *o, ngx_http_bell_cache_file_t *file, const char *what);

/* Its name, in NGX_MAX_PATH bytes. */
u_char *ngx_http_bell_cache_file_name(ngx_path_t *path, uint64_t id,
    u_char *name);
/* Once a minute at most. */
void ngx_http_bell_cache_file_failed(ngx_http_bell_cache_zone_t *zone,
    ngx_log_t *log, ngx_err_t err, const char *what, u_char *name);


/* ---- ngx_http_bell_cache_write.c: what is written, without the lock */

/* A file for what a load brings.  NGX_DECLINED: it is not to have one. */
ngx_int_t ngx_http_bell_cache_file_begin(ngx_http_bell_cache_load_t *load);
/* What has come until now goes there, and what comes will. */
ngx_int_t ngx_http_bell_cache_file_spill(ngx_http_bell_cache_load_t *load,
    ngx_http_bell_cache_flight_t *flight);
/* NGX_DECLINED: so many bytes more are too many. */
ngx_int_t ngx_http_bell_cache_file_room(ngx_http_bell_cache_load_t *load,
    ngx_http_bell_cache_flight_t *flight, size_t len);
/* The next bytes of a body.  NGX_DECLINED: they cannot be written. */
ngx_int_t ngx_http_bell_cache_file_write(ngx_http_bell_cache_load_t *load,
    u_char *p, size_t len, off_t at);
ngx_int_t ngx_http_bell_cache_file_stored(ngx_http_bell_cache_load_t *load);
void ngx_http_bell_cache_file_abandon(ngx_http_bell_cache_load_t *load);
/* All of it, at that place; ngx_errno says why not. */
ngx_int_t ngx_http_bell_cache_write_at(ngx_fd_t fd, const void *p, size_t len,
    off_t at);
/* A file that is whole has its own name from here on. */
ngx_int_t ngx_http_bell_cache_file_rename(ngx_http_bell_cache_zone_t *zone,
    uint64_t id);
/* A 304: another head for the file of what was stale.  NGX_DECLINED: none. */
ngx_int_t ngx_http_bell_cache_file_renew(ngx_http_bell_cache_load_t *load,
    bell_freshness_times *times, bell_str head, bell_shelf_object *o);


/* ---- ngx_http_bell_cache_journal.c: what is known, on disk */

/*
 * Reads what a former nginx has left; "is_late": the zone is in use.  NGX_ERROR:
 * nothing can be kept there.
 */
ngx_int_t ngx_http_bell_cache_journal_open(ngx_http_bell_cache_zone_t *zone,
    ngx_uint_t is_late, ngx_log_t *log);
/* The key of the files, for who is to have them later. */
void ngx_http_bell_cache_journal_key(ngx_http_bell_cache_zone_t *zone);
/* Around what changes purges, or what was seen of their feed. */
void ngx_http_bell_cache_journal_begin(ngx_http_bell_cache_zone_t *zone);
void ngx_http_bell_cache_journal_end(ngx_http_bell_cache_zone_t *zone);
/* Of the keeper: writes what was changed; 1: there is more. */
ngx_uint_t ngx_http_bell_cache_journal_flush(ngx_http_bell_cache_zone_t *zone,
    ngx_log_t *log);
/* The last process ends. */
void ngx_http_bell_cache_journal_leave(ngx_http_bell_cache_zone_t *zone,
    ngx_log_t *log);


/* ---- ngx_http_bell_cache_behind.c: small objects, to files and back */

/* An object that was put into memory, or what says where answers are. */
void ngx_http_bell_cache_behind(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_hash *hash, uint64_t id);
/* A small one that was found in a file is in memory from here on. */
ngx_int_t ngx_http_bell_cache_bring_back(ngx_http_bell_cache_ctx_t *ctx,
    bell_shelf_object *o, ngx_http_bell_cache_file_t *file, u_char *head);
/* The process ends, or has another configuration: what waits is written now. */
void ngx_http_bell_cache_behind_stop(ngx_http_bell_cache_zone_t *zone);
/* Of the keeper: what is asked for in memory counts as asked for in files. */
void ngx_http_bell_cache_tell_hits(ngx_http_bell_cache_zone_t *zone,
    uint32_t *number);


/* ---- ngx_http_bell_cache_unshelve.c: what was purged hard leaves files */

#define NGX_HTTP_BELL_CACHE_END_BYTES                                         \
    (NGX_HTTP_BELL_CACHE_HEAD_BYTES + BELL_SHELF_TRAILER_BYTES)

/*
 * Of who erases: some of the shelf's places, from zone->sh->erasure.at on,
 * with room for NGX_HTTP_BELL_CACHE_END_BYTES.  Takes the lock.
 */
void ngx_http_bell_cache_unshelve(ngx_http_bell_cache_zone_t *zone,
    u_char *room, ngx_log_t *log);


/* ---- ngx_http_bell_cache_keep.c: who goes round */

void ngx_http_bell_cache_keep_start(ngx_http_bell_cache_main_conf_t *bmcf);
/* 1: it was started, in this process. */
ngx_uint_t ngx_http_bell_cache_keep_stop(void);
/* Some of the files that are doomed are deleted; takes the lock. */
void ngx_http_bell_cache_delete_doomed(ngx_http_bell_cache_zone_t *zone,
    ngx_log_t *log);


/* ---- ngx_http_bell_cache_path.c: path=, and whose it is */

/* NGX_DECLINED: the word is not about files; NGX_ERROR: it is told why. */
ngx_int_t ngx_http_bell_cache_shelf_option(ngx_conf_t *cf,
    ngx_http_bell_cache_zone_t *zone, ngx_str_t *word);
char *ngx_http_bell_cache_shelf_add(ngx_conf_t *cf,
    ngx_http_bell_cache_zone_t *zone, size_t size);
ngx_int_t ngx_http_bell_cache_shelf_open(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_zone_t *old, ngx_log_t *log);
/*
 * A file of the zone's own, such as its table, which no link leads to or away
 * from.  Its whole name in "path", of NGX_MAX_PATH bytes; ngx_errno says why
 * it is NGX_INVALID_FILE.
 */
ngx_fd_t ngx_http_bell_cache_open_own(ngx_http_bell_cache_shelf_t *shelf,
    const char *name, int flags, u_char *path);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_CACHE_SHELF_H_INCLUDED_ */
