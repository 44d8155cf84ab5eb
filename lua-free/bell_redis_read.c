/* What comes from a node. It is read here and not by hiredis' own dispatch, which ends the process when a node says what nobody has asked (in all
 * versions an assertion), and does not know SSUBSCRIBE, whose messages are of that kind. Whatever a node says costs it its connection at most. */
#include "bell_redis_parts.h"

#include <hiredis/async.h>

#define DEPTH_MAX    8                  /* lists in lists */
#define ELEMENTS_MAX ((size_t)1 << 20)  /* of a list */
#define ANSWER_MAX   ((size_t)64 << 20) /* bytes */

/* ---- what hiredis' reader makes of it */

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

/* hiredis' own, but for lists. The same for all connections, whoever makes them. */
static redisReplyObjectFunctions functions;
static void *(*make_any_list)(const redisReadTask *task, element_count n);

/* hiredis makes room for as many elements as are announced, and frees what is in lists by recursion. NULL: it takes that for a lack of memory. */
static void *make_list(const redisReadTask *task, element_count n) {
    size_t depth = 0;

    for (const redisReadTask *t = task; t != NULL; t = t->parent) {
        depth++;
    }
    return depth <= DEPTH_MAX && (size_t)n <= ELEMENTS_MAX ? make_any_list(task, n) : NULL;
}

void bell_redis_read_begin(redisReader *reader) {
    if (make_any_list == NULL) {
        make_any_list = reader->fn->createArray;
        functions = *reader->fn;
        functions.createArray = make_list;
    }
    reader->fn = &functions;
}

/* ---- answers */

/* It goes to logs, where a line is a line. */
static void clean(redisReply *error) {
    for (size_t i = 0; i < (size_t)error->len; i++) {
        unsigned char c = (unsigned char)error->str[i];
        error->str[i] = c < ' ' || c == 0x7f ? '?' : (char)c;
    }
}

static void hear(bell_redis_link *l, redisReply *reply) {
    if (reply->type == REDIS_REPLY_ERROR) {
        clean(reply);
    }
    if (l->is_of_channels && l->state == BELL_REDIS_LINK_READY) {
        bell_redis_channel_heard(l, reply);
    } else {
        bell_redis_link_answered(l, reply);
    }
}

/* false: there is no whole answer, or the connection is given up, perhaps with the store. */
static bool read_one(bell_redis_io *io) {
    void *reply = NULL;

    if (redisReaderGetReply(io->ac->c.reader, &reply) != REDIS_OK) {
        bell_redis_link_close(io->link, "it speaks another protocol, or says more than anybody has asked for");
        return false;
    }
    if (reply == NULL) {
        if (io->come > ANSWER_MAX) {
            bell_redis_link_close(io->link, "its answer is longer than 64 MiB");
        }
        return false;
    }
    io->come = 0;
    hear(io->link, reply);
    freeReplyObject(reply);
    return !io->is_doomed;
}

static void read_from(bell_redis_io *io) {
    redisContext *c = &io->ac->c;
    size_t before = c->reader->len;
    char out[BELL_REDIS_REASON_MAX];

    if (redisBufferRead(c) != REDIS_OK) {
        bell_redis_link_close(io->link, bell_redis_link_reason(io, out, sizeof out));
        return;
    }
    io->come += c->reader->len - before;
    while (read_one(io)) {
    }
    if (io->ssl != NULL && !io->is_doomed) {
        redisAsyncHandleWrite(io->ac); /* what had to wait for something to read */
    }
}

/* Before it is connected there is nothing to read. */
void bell_redis_io_ready(bell_redis_io *io, bool readable, bool writable) {
    bell_redis *r = io->link->r;
    bool gone = false, over = false;

    r->over = &over; // cppcheck-suppress autoVariables ; taken back in settle()
    r->is_inside = true;
    io->gone = &gone; // cppcheck-suppress autoVariables ; taken back below
    io->is_inside = true;
    if (io->ssl != NULL) {
        bell_redis_tls_forget();
    }
    if (writable) {
        redisAsyncHandleWrite(io->ac);
    }
    if (readable && !gone && !io->is_doomed && io->link->state != BELL_REDIS_LINK_CONNECTING) {
        read_from(io);
    }
    if (!gone) {
        io->gone = NULL;
        io->is_inside = false;
        if (io->is_doomed) {
            redisAsyncFree(io->ac);
        }
    }
    if (!over) {
        bell_redis_settle(r);
    }
}
