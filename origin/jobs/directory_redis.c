#include "origin/jobs/directory_redis.h"

#include <stdio.h>
#include <string.h>

#include "bell_directory_doc.h"
#include "origin/jobs/directory_file.h"

#define DELTAS   "bell:directory:deltas"
#define SNAPSHOT "bell:directory:snapshot"
#define VERSION  "bell:directory:version"
#define NUMBER   24

static redisReply *ask(fb_redis *r, int argc, const char **argv) {
    size_t lengths[4] = {0};
    for (int i = 0; i < argc; i++) {
        lengths[i] = strlen(argv[i]);
    }
    return fb_redis_do(r, argc, argv, lengths);
}

/* The text of a reply; empty when it is none (absent, or a key of another type). */
static bell_str text_of(const redisReply *reply) {
    return reply->type == REDIS_REPLY_STRING ? (bell_str){reply->str, reply->len} : (bell_str){"", 0};
}

/* A stream that somebody removed alone is as good as a Redis that has nothing. */
static bool stream_is_there(fb_redis *r, bool *there) {
    redisReply *reply = ask(r, 2, (const char *[]){"EXISTS", DELTAS});
    if (!reply) {
        return false;
    }
    *there = reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
    freeReplyObject(reply);
    return true;
}

bool fb_directory_redis_look(fb_redis *r, fb_directory_in_redis *out) {
    char last[NUMBER];
    bool there;
    *out = (fb_directory_in_redis){0, 0};
    snprintf(last, sizeof last, "%d", BELL_DIRECTORY_HEADER_MAX - 1);
    redisReply *reply = ask(r, 4, (const char *[]){"GETRANGE", SNAPSHOT, "0", last});
    if (!reply) {
        return false;
    }
    out->snapshot = fb_directory_snapshot_version(text_of(reply));
    freeReplyObject(reply);
    reply = ask(r, 2, (const char *[]){"GET", VERSION});
    if (!reply) {
        return false;
    }
    if (!bell_str_to_u64(text_of(reply), BELL_DIRECTORY_VERSION_MAX, &out->version)) {
        out->version = 0;
    }
    freeReplyObject(reply);
    if (!stream_is_there(r, &there)) {
        return false;
    }
    out->version = there ? out->version : 0;
    return true;
}

static bool is_older(const redisReply *reply) {
    return reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "equal or smaller") != NULL;
}

/* The reply to a command that changes something: freed; a refusal is logged. */
static bool is_done(fb_redis *r, const char *what, redisReply *reply) {
    bool done = reply && (reply->type != REDIS_REPLY_ERROR || is_older(reply));
    if (reply && !done) {
        fb_redis_complain(r, what, reply);
    }
    if (reply) {
        freeReplyObject(reply);
    }
    return done;
}

bool fb_directory_redis_add(fb_redis *r, uint64_t version, bell_str delta, long keep) {
    char id[NUMBER + 2], most[NUMBER], number[NUMBER];
    snprintf(id, sizeof id, "%llu-0", (unsigned long long)version);
    snprintf(most, sizeof most, "%ld", keep);
    snprintf(number, sizeof number, "%llu", (unsigned long long)version);
    const char *add[] = {"XADD", DELTAS, "MAXLEN", "~", most, id, "d", delta.p};
    const size_t lengths[] = {4, sizeof DELTAS - 1, 6, 1, strlen(most), strlen(id), 1, delta.len};
    return is_done(r, "a delta of the directory", fb_redis_do(r, 8, add, lengths)) &&
           is_done(r, "the version of the directory", ask(r, 3, (const char *[]){"SET", VERSION, number}));
}

bool fb_directory_redis_set(fb_redis *r, bell_str snapshot) {
    const char *set[] = {"SET", SNAPSHOT, snapshot.p};
    const size_t lengths[] = {3, sizeof SNAPSHOT - 1, snapshot.len};
    return is_done(r, "a snapshot of the directory", fb_redis_do(r, 3, set, lengths));
}
