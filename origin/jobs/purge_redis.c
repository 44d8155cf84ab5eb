#include "origin/jobs/purge_redis.h"

#include <stdio.h>
#include <string.h>

#define STREAM       "bell:purges"
#define NUMBER_BYTES 24

/* The number in an id, SEQUENCE-0; false: no number of ours. */
static bool read_id(const redisReply *value, uint64_t *sequence) {
    bell_str rest = {value->str, value->len};
    return value->type == REDIS_REPLY_STRING && bell_str_to_u64(bell_str_cut(&rest, '-'), FB_PURGE_SEQUENCE_MAX, sequence);
}

/* Out of what XINFO STREAM says. */
static bool read_last(const redisReply *reply, uint64_t *last) {
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
        const redisReply *name = reply->element[i];
        if (name->type == REDIS_REPLY_STRING && strcmp(name->str, "last-generated-id") == 0) {
            return read_id(reply->element[i + 1], last);
        }
    }
    return false;
}

bool fb_purge_redis_last(fb_redis *r, uint64_t *last) {
    const char *words[] = {"XINFO", "STREAM", STREAM};
    const size_t lengths[] = {5, 6, sizeof STREAM - 1};
    redisReply *reply = fb_redis_do(r, 3, words, lengths);
    *last = 0;
    if (!reply) {
        return false;
    }
    bool none = reply->type == REDIS_REPLY_ERROR && strcmp(reply->str, "ERR no such key") == 0;
    bool ok = none || read_last(reply, last);
    if (!ok) {
        fb_redis_complain(r, "the stream bell:purges, or it ends in an entry that is none of ours", reply);
    }
    freeReplyObject(reply);
    return ok;
}

static bool is_there_already(const redisReply *reply) {
    return reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "equal or smaller") != NULL;
}

bool fb_purge_redis_add(fb_redis *r, uint64_t sequence, bell_str line, long keep) {
    char id[NUMBER_BYTES + 2], most[NUMBER_BYTES];
    snprintf(id, sizeof id, "%llu-0", (unsigned long long)sequence);
    snprintf(most, sizeof most, "%ld", keep);
    const char *words[] = {"XADD", STREAM, "MAXLEN", "~", most, id, "p", line.p};
    const size_t lengths[] = {4, sizeof STREAM - 1, 6, 1, strlen(most), strlen(id), 1, line.len};
    redisReply *reply = fb_redis_do(r, 8, words, lengths);
    if (!reply) {
        return false;
    }
    bool ok = reply->type != REDIS_REPLY_ERROR || is_there_already(reply);
    if (!ok) {
        fb_redis_complain(r, "a purge", reply);
    }
    freeReplyObject(reply);
    return ok;
}
