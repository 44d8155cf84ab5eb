#include "origin/jobs/access_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bell_access_event.h"

#define WORDS_MAX    6
#define NUMBER_BYTES 24

/* ---- ids */

bool fb_access_id_read(bell_str text, fb_access_id *id) {
    bell_str seq = text, ms = bell_str_cut(&seq, '-');
    return bell_str_to_u64(ms, UINT64_MAX, &id->ms) && bell_str_to_u64(seq, UINT64_MAX, &id->seq);
}

void fb_access_id_write(fb_access_id id, char out[FB_ACCESS_ID_BYTES]) {
    snprintf(out, FB_ACCESS_ID_BYTES, "%llu-%llu", (unsigned long long)id.ms, (unsigned long long)id.seq);
}

int fb_access_id_compare(fb_access_id a, fb_access_id b) {
    return a.ms != b.ms ? (a.ms > b.ms) - (a.ms < b.ms) : (a.seq > b.seq) - (a.seq < b.seq);
}

static fb_access_id behind(fb_access_id id) {
    return id.seq < UINT64_MAX ? (fb_access_id){id.ms, id.seq + 1} : (fb_access_id){id.ms + (id.ms < UINT64_MAX), 0};
}

/* ---- commands */

static redisReply *ask(fb_redis *r, int argc, const char **argv) {
    size_t lengths[WORDS_MAX] = {0};
    for (int i = 0; i < argc; i++) {
        lengths[i] = strlen(argv[i]);
    }
    return fb_redis_do(r, argc, argv, lengths);
}

static bool is_wrong_type(const redisReply *reply) {
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "WRONGTYPE", 9) == 0;
}

/* Redis' reply to a command, when it is of that type; otherwise NULL, and the answer is in *answer. */
static redisReply *expect(fb_redis *r, int type, const char *what, int argc, const char **argv, fb_access_answer *answer) {
    redisReply *reply = ask(r, argc, argv);
    *answer = reply ? FB_ACCESS_WELL : FB_ACCESS_AWAY;
    if (reply && reply->type != type) {
        bool no_key = reply->type == REDIS_REPLY_ERROR && strcmp(reply->str, "ERR no such key") == 0;
        *answer = no_key || is_wrong_type(reply) ? FB_ACCESS_NONE : FB_ACCESS_AWAY;
        if (!no_key) {
            fb_redis_complain(r, what, reply);
        }
        freeReplyObject(reply);
        reply = NULL;
    }
    return reply;
}

/* The number that a command answers with; -1: it does not, for the reason in *answer. */
static int64_t ask_number(fb_redis *r, const char *what, int argc, const char **argv, fb_access_answer *answer) {
    redisReply *reply = expect(r, REDIS_REPLY_INTEGER, what, argc, argv, answer);
    int64_t number = reply ? reply->integer : -1;
    if (reply) {
        freeReplyObject(reply);
    }
    return number;
}

static fb_access_answer change_set(fb_redis *r, const char *command, const char *member, const char *what) {
    fb_access_answer answer;
    int64_t changed = ask_number(r, what, 3, (const char *[]){command, BELL_ACCESS_TENANTS, member}, &answer);
    return answer == FB_ACCESS_WELL && changed == 0 ? FB_ACCESS_NONE : answer;
}

fb_access_answer fb_access_tenants(fb_redis *r, int32_t tenants[FB_ACCESS_TENANTS_MAX], size_t *n) {
    char most[NUMBER_BYTES];
    fb_access_answer answer;
    snprintf(most, sizeof most, "%d", FB_ACCESS_TENANTS_MAX);
    redisReply *reply =
        expect(r, REDIS_REPLY_ARRAY, "the set of access events", 3, (const char *[]){"SRANDMEMBER", BELL_ACCESS_TENANTS, most}, &answer);
    *n = 0;
    answer = answer == FB_ACCESS_NONE ? FB_ACCESS_AWAY : answer; /* something else than a set: there is nothing to do before somebody removes it */
    for (size_t i = 0; reply && i < reply->elements && *n < FB_ACCESS_TENANTS_MAX && answer != FB_ACCESS_AWAY; i++) {
        const redisReply *e = reply->element[i];
        uint64_t id;
        if (e->type == REDIS_REPLY_STRING && bell_str_to_u64((bell_str){e->str, e->len}, INT32_MAX, &id) && id > 0 && e->str[0] != '0') {
            tenants[(*n)++] = (int32_t)id;
        } else if (e->type == REDIS_REPLY_STRING) {
            const size_t lengths[] = {4, sizeof BELL_ACCESS_TENANTS - 1, e->len};
            redisReply *gone = fb_redis_do(r, 3, (const char *[]){"SREM", BELL_ACCESS_TENANTS, e->str}, lengths);
            answer = gone ? answer : FB_ACCESS_AWAY;
            if (gone) {
                freeReplyObject(gone);
            }
        }
    }
    if (reply) {
        freeReplyObject(reply);
    }
    return answer;
}

fb_access_answer fb_access_take(fb_redis *r, int32_t tenant) {
    char id[NUMBER_BYTES];
    snprintf(id, sizeof id, "%d", tenant);
    return change_set(r, "SREM", id, "to take a tenant out of the set of access events");
}

fb_access_answer fb_access_put_back(fb_redis *r, int32_t tenant) {
    char id[NUMBER_BYTES];
    snprintf(id, sizeof id, "%d", tenant);
    return change_set(r, "SADD", id, "to put a tenant into the set of access events");
}

static const char *stream_of(int32_t tenant, char key[BELL_ACCESS_STREAM_BYTES]) {
    bell_access_stream((uint32_t)tenant, key);
    return key;
}

fb_access_answer fb_access_has_entries(fb_redis *r, int32_t tenant) {
    char key[BELL_ACCESS_STREAM_BYTES];
    fb_access_answer answer;
    int64_t entries = ask_number(r, "to look for access events", 2, (const char *[]){"XLEN", stream_of(tenant, key)}, &answer);
    return answer == FB_ACCESS_WELL && entries == 0 ? FB_ACCESS_NONE : answer;
}

/* ---- a stream */

static void read_member(const redisReply *name, const redisReply *value, fb_access_state *out) {
    if (name->type != REDIS_REPLY_STRING) {
        return;
    }
    if (strcmp(name->str, "length") == 0 && value->type == REDIS_REPLY_INTEGER) {
        out->length = value->integer;
    } else if (strcmp(name->str, "entries-added") == 0 && value->type == REDIS_REPLY_INTEGER) {
        out->added = value->integer;
    } else if (strcmp(name->str, "last-generated-id") == 0 && value->type == REDIS_REPLY_STRING &&
               !fb_access_id_read((bell_str){value->str, value->len}, &out->last)) {
        out->last = (fb_access_id){0, 0};
    }
}

fb_access_answer fb_access_look(fb_redis *r, int32_t tenant, fb_access_state *out) {
    char key[BELL_ACCESS_STREAM_BYTES];
    fb_access_answer answer;
    *out = (fb_access_state){0};
    redisReply *reply =
        expect(r, REDIS_REPLY_ARRAY, "to look at access events", 3, (const char *[]){"XINFO", "STREAM", stream_of(tenant, key)}, &answer);
    if (reply) {
        for (size_t i = 0; i + 1 < reply->elements; i += 2) {
            read_member(reply->element[i], reply->element[i + 1], out);
        }
        freeReplyObject(reply);
    }
    return answer;
}

int64_t fb_access_trim(fb_redis *r, int32_t tenant, fb_access_id position) {
    char key[BELL_ACCESS_STREAM_BYTES], id[FB_ACCESS_ID_BYTES];
    fb_access_answer answer;
    fb_access_id_write(behind(position), id);
    return ask_number(r, "to remove access events that were read", 4, (const char *[]){"XTRIM", stream_of(tenant, key), "MINID", id}, &answer);
}

/* An entry is [id, [name, value, …]]. */
static void read_entry(const redisReply *e, fb_access_entry *out) {
    bool of_our_form = false;
    *out = (fb_access_entry){0};
    if (e->type != REDIS_REPLY_ARRAY || e->elements != 2 || e->element[0]->type != REDIS_REPLY_STRING ||
        !fb_access_id_read((bell_str){e->element[0]->str, e->element[0]->len}, &out->id) || e->element[1]->type != REDIS_REPLY_ARRAY) {
        return;
    }
    const redisReply *fields = e->element[1];
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        bell_str name = {fields->element[i]->str, fields->element[i]->len}, value = {fields->element[i + 1]->str, fields->element[i + 1]->len};
        if (bell_str_eq(name, BELL_STR("v"))) {
            of_our_form = bell_str_eq(value, BELL_STR(BELL_ACCESS_VERSION));
        } else if (bell_str_eq(name, BELL_STR("events"))) {
            out->text = value;
        }
    }
    out->text = of_our_form ? out->text : BELL_STR_NULL;
}

fb_access_answer fb_access_read(fb_redis *r, int32_t tenant, fb_access_id after, size_t most, fb_access_entries *out) {
    char key[BELL_ACCESS_STREAM_BYTES], id[FB_ACCESS_ID_BYTES], count[NUMBER_BYTES];
    fb_access_answer answer;
    *out = (fb_access_entries){0};
    fb_access_id_write(behind(after), id);
    snprintf(count, sizeof count, "%zu", most);
    out->reply = expect(r, REDIS_REPLY_ARRAY, "to read access events", 6, (const char *[]){"XRANGE", stream_of(tenant, key), id, "+", "COUNT", count},
                        &answer);
    out->list = out->reply ? calloc(out->reply->elements + 1, sizeof *out->list) : NULL;
    for (size_t i = 0; out->list && i < out->reply->elements; i++) {
        read_entry(out->reply->element[i], &out->list[out->n++]);
    }
    return out->reply && !out->list ? FB_ACCESS_AWAY : answer;
}

void fb_access_entries_free(fb_access_entries *e) {
    if (e->reply) {
        freeReplyObject(e->reply);
    }
    free(e->list);
    *e = (fb_access_entries){0};
}
