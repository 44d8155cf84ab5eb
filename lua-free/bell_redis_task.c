/* A command from its caller to its end. It is in one place at any time: among the homeless, in a link's waiting, with hiredis, in a pause, or among
 * the ended. Its one timer is the end of a pause or its deadline. */
#include "bell_redis_parts.h"

#include <ctype.h>
#include <hiredis/hiredis.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define LATER_LEAST_MS 10
#define LATER_MOST_MS  500
#define WORDS_BYTES    ((size_t)64 << 20)
#define BYTES_MAX      ((size_t)256 << 20) /* of all commands in flight */
#define HEAD_MAX       128

void bell_redis_script_init(bell_redis_script *s, bell_str text) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    s->text = text;
    s->sha1[0] = '\0';
    if (EVP_Digest(text.p, text.len, digest, &n, EVP_sha1(), NULL) == 1) {
        for (unsigned i = 0; i < n && i < 20; i++) {
            snprintf(s->sha1 + 2 * (size_t)i, 3, "%02x", digest[i]);
        }
    }
}

/* ---- as it is sent */

/* At out, which has room for it. */
static char *put_word(char *out, bell_str word) {
    out += sprintf(out, "$%zu\r\n", word.len);
    if (word.p != NULL) {
        memcpy(out, word.p, word.len);
    }
    out += word.len;
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

static size_t room_for(const bell_redis_call *call) {
    size_t n = HEAD_MAX + call->key.len + HEAD_MAX;

    for (size_t i = 0; i < call->nwords; i++) {
        n += call->words[i].len + 32;
    }
    return n;
}

static void write_bytes(bell_redis_task *t, const bell_redis_call *call) {
    char *out = t->bytes;

    if (t->script != NULL) {
        out += sprintf(out, "*%zu\r\n$7\r\nEVALSHA\r\n$40\r\n%.40s\r\n", call->nwords + 4, t->script->sha1);
        t->head_len = (size_t)(out - t->bytes);
        out = put_word(out, BELL_STR("1"));
        out = put_word(out, call->key);
    } else {
        out += sprintf(out, "*%zu\r\n", call->nwords);
    }
    for (size_t i = 0; i < call->nwords; i++) {
        out = put_word(out, call->words[i]);
    }
    t->len = (size_t)(out - t->bytes);
}

/* "*7\r\n" is the same for both. */
static bool send_text(bell_redis_link *l, bell_redis_task *t) {
    bell_str text = t->script->text;
    size_t count_len = strcspn(t->bytes, "\n") + 1, rest = t->len - t->head_len;
    char *bytes = malloc(count_len + HEAD_MAX + text.len + rest);

    if (bytes == NULL) {
        bell_redis_link_close(l, "a command could not be sent: there is no memory left");
        return false;
    }
    memcpy(bytes, t->bytes, count_len);
    char *out = put_word(put_word(bytes + count_len, BELL_STR("EVAL")), text);
    memcpy(out, t->bytes + t->head_len, rest);
    bool is_sent = bell_redis_link_send(l, t, NULL, bytes, (size_t)(out - bytes) + rest);
    free(bytes);
    return is_sent;
}

/* ---- the end */

static void leave(bell_redis_task *t) {
    switch (t->state) {
    case BELL_REDIS_TASK_HOMELESS:
    case BELL_REDIS_TASK_WAITING:
        bell_list_remove(&t->queue);
        break;
    case BELL_REDIS_TASK_SENT:
        if (t->sent != NULL) {
            t->sent->task = NULL;
            t->sent = NULL;
        }
        break;
    case BELL_REDIS_TASK_PAUSED:
    case BELL_REDIS_TASK_ENDED:
        break;
    }
    t->link = NULL;
}

/* Has no place any more. */
static void take_out(bell_redis_task *t) {
    bell_redis *r = t->r;

    leave(t);
    bell_redis_timer_clear(&r->timers, &t->timer);
    bell_list_remove(&t->all);
    r->bytes -= t->len;
    r->in_flight -= t->pinned == NULL;
    t->state = BELL_REDIS_TASK_ENDED;
}

/* Without a reply: told later. */
static void end(bell_redis_task *t, const char *reason) {
    bell_redis *r = t->r;
    bool unsure = t->is_unsure || (t->state == BELL_REDIS_TASK_SENT && t->sent != NULL);

    take_out(t);
    t->outcome = unsure ? BELL_REDIS_UNSURE : BELL_REDIS_UNDONE;
    if (reason != t->reason) {
        snprintf(t->reason, sizeof t->reason, "%s", reason);
    }
    bell_list_add(&r->ended, &t->queue);
    bell_redis_rearm(r);
}

void bell_redis_task_tell(bell_redis_task *t) {
    bell_redis_result result = {.outcome = t->outcome, .error = t->error, .reason = t->reason};

    bell_list_remove(&t->queue);
    t->handler(t->data, &result);
    free(t);
}

void bell_redis_task_end_all(bell_redis *r, const char *reason) {
    bell_redis_task *t;

    while ((t = BELL_LIST_FIRST(&r->tasks, bell_redis_task, all)) != NULL) {
        end(t, reason);
    }
}

/* With a reply: told now, as the last thing. */
static void finish(bell_redis_task *t, const redisReply *reply, const char *reason) {
    bell_redis_result result = {
        .outcome = reason == NULL ? BELL_REDIS_DONE : BELL_REDIS_REFUSED, .error = t->error, .reply = reply, .reason = reason};

    take_out(t);
    t->handler(t->data, &result);
    free(t);
}

/* ---- time */

static void on_timer(bell_redis_timer *timer) {
    bell_redis_task *t = (bell_redis_task *)((char *)timer - offsetof(bell_redis_task, timer));
    bell_redis *r = t->r;
    char reason[BELL_REDIS_REASON_MAX + 64];

    if (bell_redis_now(r) < t->deadline_ms) {
        bell_redis_timer_set(&r->timers, &t->timer, t->deadline_ms);
        bell_redis_task_route(t);
        return;
    }
    r->figures.late++;
    if (t->reason[0] != '\0') {
        snprintf(reason, sizeof reason, "not within its time: %s", t->reason);
    } else if (t->state == BELL_REDIS_TASK_SENT) {
        snprintf(reason, sizeof reason, "not within its time: the node does not answer");
    } else {
        snprintf(reason, sizeof reason, "not within its time: %s", r->reason[0] != '\0' ? r->reason : "no node can be used");
    }
    end(t, reason);
}

/* In the pause it has no place. */
static void later(bell_redis_task *t) {
    bell_redis *r = t->r;
    int64_t at = bell_redis_now(r) + bell_redis_pause(r, t->pauses, LATER_LEAST_MS, LATER_MOST_MS);

    leave(t);
    t->state = BELL_REDIS_TASK_PAUSED;
    t->pauses++;
    t->redirects = 0;
    t->is_asking = t->with_text = false;
    r->figures.repeated++;
    bell_redis_timer_set(&r->timers, &t->timer, at < t->deadline_ms ? at : t->deadline_ms);
    bell_redis_rearm(r);
}

/* ---- the way there */

/* What ASKING is answered does not matter: the command behind it is, too. */
static void asked(bell_redis_link *l, const redisReply *reply) {
    (void)l;
    (void)reply;
}

static void send_now(bell_redis_task *t, bell_redis_link *l) {
    static const char asking[] = "*1\r\n$6\r\nASKING\r\n";

    t->state = BELL_REDIS_TASK_SENT;
    t->link = l;
    if (t->is_asking && !bell_redis_link_send(l, NULL, asked, asking, sizeof asking - 1)) {
        later(t);
        return;
    }
    if (!(t->with_text ? send_text(l, t) : bell_redis_link_send(l, t, NULL, t->bytes, t->len))) {
        later(t);
    }
}

/* It is nowhere. */
static void send_to(bell_redis_task *t, bell_redis_link *l) {
    if (bell_redis_link_can_take(l)) {
        send_now(t, l);
        return;
    }
    t->state = BELL_REDIS_TASK_WAITING;
    t->link = l;
    bell_list_add(&l->waiting, &t->queue);
    if (l->state == BELL_REDIS_LINK_PAUSED && t->pinned == NULL) {
        bell_redis_map_want(l->r); /* it could not be reached: somebody else may have its slots soon */
    }
    bell_redis_link_open(l);
}

static bell_redis_link *link_for(const bell_redis_task *t) {
    if (t->pinned != NULL) {
        return t->pinned;
    }
    return t->r->o.is_cluster && t->has_key ? bell_redis_map_link(t->r, t->slot, false) : bell_redis_map_any(t->r);
}

void bell_redis_task_route(bell_redis_task *t) {
    bell_redis *r = t->r;
    bell_redis_link *l = link_for(t);

    leave(t);
    if (l != NULL) {
        send_to(t, l);
        return;
    }
    t->state = BELL_REDIS_TASK_HOMELESS;
    bell_list_add(&r->homeless, &t->queue);
    if (!r->is_map_asked) { /* else it is routed again, soon */
        bell_redis_map_want(r);
    }
}

void bell_redis_task_route_all(bell_list *list) {
    bell_list now;
    bell_redis_task *t;

    bell_list_take(&now, list);
    while ((t = BELL_LIST_FIRST(&now, bell_redis_task, queue)) != NULL) {
        bell_list_remove(&t->queue);
        t->state = BELL_REDIS_TASK_PAUSED;
        if (t->is_asking) {
            send_to(t, t->link); /* somebody else has told it where to go */
        } else {
            bell_redis_task_route(t);
        }
    }
}

void bell_redis_task_flush(bell_redis_link *l) {
    bell_redis_task *t;

    while (bell_redis_link_can_take(l) && (t = BELL_LIST_FIRST(&l->waiting, bell_redis_task, queue)) != NULL) {
        bell_list_remove(&t->queue);
        send_now(t, l);
    }
}

/* ---- the way back */

void bell_redis_task_lost(bell_redis_task *t, const char *reason) {
    bool was_sent = t->state == BELL_REDIS_TASK_SENT;

    t->state = BELL_REDIS_TASK_PAUSED; /* it was taken out of where it was */
    snprintf(t->reason, sizeof t->reason, "%s", reason);
    t->is_unsure = t->is_unsure || was_sent;
    if (t->pinned != NULL || (was_sent && !t->may_repeat)) {
        end(t, t->reason);
    } else if (was_sent || t->r->o.is_cluster) {
        later(t);
    } else {
        bell_redis_task_route(t);
    }
}

static void send_there(bell_redis_task *t, const bell_redis_verdict *v) {
    bell_redis *r = t->r;

    r->figures.redirected++;
    t->redirects++;
    if (v->step == BELL_REDIS_SEND_THERE) {
        t->is_asking = t->with_text = false;
        bell_redis_map_moved(r, v);
        bell_redis_task_route(t);
        return;
    }
    bell_redis_link *l = bell_redis_link_to(r, &v->to, false);
    if (l == NULL) {
        later(t);
        return;
    }
    t->is_asking = true;
    send_to(t, l);
}

/* Why it is told no more than Redis' own words, NULL: it goes on. */
static const char *refusal(const bell_redis_task *t, const bell_redis_verdict *v, const redisReply *reply) {
    bool is_elsewhere = v->error == BELL_REDIS_MOVED || v->error == BELL_REDIS_ASK;

    if (is_elsewhere && !t->r->o.is_cluster) {
        return "this Redis is one of a cluster, and \"cluster\" was not said";
    }
    if (v->step == BELL_REDIS_GIVE_UP || t->pinned != NULL || (v->step == BELL_REDIS_EVAL && t->script == NULL)) {
        return v->error == BELL_REDIS_OTHER ? reply->str : bell_redis_error_reason(v->error);
    }
    return NULL;
}

void bell_redis_task_answered(bell_redis_task *t, bell_redis_link *l, const redisReply *reply) {
    bell_redis *r = t->r;
    bell_redis_verdict v;

    if (reply->type != REDIS_REPLY_ERROR) {
        finish(t, reply, NULL);
        return;
    }
    bell_redis_judge((bell_str){reply->str, (size_t)reply->len}, &l->at, t->redirects, &v);
    t->error = v.error;
    if (v.refresh) {
        bell_redis_map_want(r);
    }
    const char *reason = refusal(t, &v, reply);
    if (reason != NULL) {
        finish(t, reply, reason);
        return;
    }
    snprintf(t->reason, sizeof t->reason, "%.*s", (int)sizeof t->reason - 1, bell_redis_error_reason(v.error));
    leave(t);
    if (v.error == BELL_REDIS_READONLY && !r->o.is_cluster) {
        bell_redis_map_lost(r, l);
    }
    if (v.step == BELL_REDIS_SEND_THERE || v.step == BELL_REDIS_ASK_THERE) {
        send_there(t, &v);
    } else if (v.step == BELL_REDIS_EVAL) {
        t->redirects++;
        t->with_text = true;
        send_to(t, l);
    } else {
        t->state = BELL_REDIS_TASK_PAUSED;
        later(t);
    }
}

/* ---- the call */

bell_redis_task *bell_redis_task_new(bell_redis *r, const bell_redis_script *script, const bell_redis_call *call) {
    size_t room = room_for(call);
    bell_redis_task *t = NULL;
    size_t ntasks = (size_t)r->in_flight + BELL_REDIS_LINKS_MAX + 16;

    if (bell_redis_timers_reserve(&r->timers, ntasks + 16)) {
        t = malloc(sizeof *t + room);
    }
    if (t == NULL) {
        return NULL;
    }
    memset(t, 0, sizeof *t);
    t->r = r;
    t->state = BELL_REDIS_TASK_PAUSED;
    t->script = script;
    t->timer.fire = on_timer;
    t->handler = call->handler;
    t->data = call->data;
    t->may_repeat = call->may_repeat;
    t->has_key = call->key.p != NULL;
    t->slot = bell_redis_slot(call->key);
    t->error = BELL_REDIS_OTHER;
    write_bytes(t, call);
    r->bytes += t->len;
    t->deadline_ms = bell_redis_now(r) + (call->deadline_ms != 0 ? call->deadline_ms : r->o.timeout_ms);
    bell_list_add(&r->tasks, &t->all);
    bell_redis_timer_set(&r->timers, &t->timer, t->deadline_ms);
    return t;
}

/* What would change the connection, which all commands share. */
static bool is_ours(bell_str name) {
    static const char *const names[] = {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE",
                                        "MONITOR",   "MULTI",      "EXEC",       "DISCARD",     "WATCH",        "UNWATCH",
                                        "SELECT",    "QUIT",       "RESET",      "HELLO",       "AUTH",         "ASKING",
                                        "READONLY",  "READWRITE",  "CLIENT",     "SYNC",        "PSYNC",        "REPLCONF"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (bell_str_ieq(name, bell_str_of(names[i]))) {
            return true;
        }
    }
    return false;
}

static const char *check(const bell_redis *r, const bell_redis_script *script, const bell_redis_call *call) {
    if (r->is_closed) {
        return "the store is closed";
    }
    if (r->in_flight >= r->o.in_flight_max) {
        return "too many commands are in flight";
    }
    if (script == NULL && (call->nwords == 0 || is_ours(call->words[0]))) {
        return "a command that changes the connection, which all share";
    }
    if (script != NULL && (call->key.p == NULL || script->sha1[0] == '\0')) {
        return "a script without a key or without its SHA-1";
    }
    size_t room = call->nwords <= BELL_REDIS_WORDS_MAX ? room_for(call) : SIZE_MAX;
    if (room > WORDS_BYTES) {
        return "a command of more than 1024 words or 64 MiB";
    }
    return r->bytes + room > BYTES_MAX ? "more than 256 MiB of commands are in flight" : NULL;
}

static const char *take(bell_redis *r, const bell_redis_script *script, const bell_redis_call *call) {
    const char *reason = check(r, script, call);
    bell_redis_task *t = reason == NULL ? bell_redis_task_new(r, script, call) : NULL;

    if (reason == NULL && t == NULL) {
        reason = "there is no memory left";
    }
    if (reason == NULL) {
        r->in_flight++;
        bell_redis_task_route(t);
        bell_redis_rearm(r);
    }
    return reason;
}

const char *bell_redis_command(bell_redis *r, const bell_redis_call *call) {
    return take(r, NULL, call);
}

const char *bell_redis_eval(bell_redis *r, const bell_redis_script *script, const bell_redis_call *call) {
    return take(r, script, call);
}
