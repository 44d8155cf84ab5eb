/* What the tests of Redis' replies share: a reply of hiredis', as its own reader makes it of what a server sends, written shorter.
 *
 * "[" and "]" around a list, 'text', numbers, nil; a blank between them: "[[0 16383 ['127.0.0.1' 7000 'id']]]". Lines are as RESP2 has them. */
#ifndef REDIS_REPLY_H
#define REDIS_REPLY_H

#include "bell_buf.h"
#include "unit.h"

#include <hiredis/hiredis.h>

/* The number of values up to the list's end. */
static inline size_t redis_reply_count(const char *p) {
    size_t n = 0, depth = 0;

    for (; *p != '\0' && (depth > 0 || *p != ']'); p++) {
        n += depth == 0 && *p != ' ';
        if (*p == '\'') {
            p = strchr(p + 1, '\'');
        } else if (*p == '[') {
            depth++;
        } else if (*p == ']') {
            depth--;
        } else if (*p != ' ') {
            p += strcspn(p, " ]") - 1;
        }
    }
    return n;
}

static inline void redis_reply_resp(const char *p, bell_buf *out) {
    while (*p != '\0') {
        if (*p == '[') {
            bell_buf_printf(out, "*%zu\r\n", redis_reply_count(p + 1));
            p++;
        } else if (*p == '\'') {
            size_t len = (size_t)(strchr(p + 1, '\'') - p - 1);
            bell_buf_printf(out, "$%zu\r\n%.*s\r\n", len, (int)len, p + 1);
            p += len + 2;
        } else if (*p == ' ' || *p == ']') {
            p++;
        } else {
            size_t len = strcspn(p, " ]");
            if (strncmp(p, "nil", 3) == 0) {
                bell_buf_add_z(out, "$-1\r\n");
            } else {
                bell_buf_printf(out, ":%.*s\r\n", (int)len, p);
            }
            p += len;
        }
    }
}

/* To be freed with freeReplyObject(). */
static inline redisReply *redis_reply_of(const char *text) {
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    bell_buf resp;

    bell_buf_init(&resp, 1 << 22);
    redis_reply_resp(text, &resp);
    assert_false(resp.failed);
    assert_int_equal(redisReaderFeed(reader, resp.p, resp.len), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    bell_buf_fini(&resp);
    return reply;
}

#endif
