#include "origin/db/redis.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bell_str.h"
#include "origin/server/log.h"

#define PAUSE_MIN_MS       100
#define PAUSE_MAX_MS       5000
#define PASSWORD_MAX_BYTES 512
#define REASON_BYTES       300

struct fb_redis {
    const fb_settings *settings;
    redisContext *c; /* NULL: none */
    int64_t again_at_ms;
    long pause_ms;
    bool away; /* and that has been logged */
    bool complained;
    bool hushed;
};

static int64_t monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool fb_redis_is_set(const fb_settings *s) {
    return strcmp(s->redis, "-") != 0;
}

fb_redis *fb_redis_new(const fb_settings *s) {
    fb_redis *r = calloc(1, sizeof *r);
    if (r) {
        r->settings = s;
        r->pause_ms = PAUSE_MIN_MS;
    }
    return r;
}

void fb_redis_free(fb_redis *r) {
    if (r) {
        if (r->c) {
            redisFree(r->c);
        }
        free(r);
    }
}

void fb_redis_hush(fb_redis *r) {
    r->hushed = true;
}

/* The next try is after the pause, which doubles. */
static void lose(fb_redis *r, const char *reason) {
    if (!r->away && !r->hushed) {
        fb_log(FB_LOG_ERROR, "Redis at %s cannot be used: %s; trying until it can", r->settings->redis, reason);
    }
    r->away = true;
    if (r->c) {
        redisFree(r->c);
        r->c = NULL;
    }
    r->again_at_ms = monotonic_ms() + r->pause_ms;
    r->pause_ms = r->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : r->pause_ms * 2;
}

static struct timeval timeout_of(const fb_settings *s) {
    return (struct timeval){s->redis_timeout_ms / 1000, s->redis_timeout_ms % 1000 * 1000};
}

static redisContext *dial(const fb_settings *s) {
    char host[FB_SETTING_TEXT_MAX];
    if (strncmp(s->redis, "unix:", 5) == 0) {
        return redisConnectUnixWithTimeout(s->redis + 5, timeout_of(s));
    }
    snprintf(host, sizeof host, "%s", s->redis[0] == '[' ? s->redis + 1 : s->redis);
    char *colon = strrchr(host, ':');
    int port = atoi(colon + 1);
    *colon = 0;
    if (colon > host && colon[-1] == ']') {
        colon[-1] = 0;
    }
    return redisConnectWithTimeout(host, port, timeout_of(s));
}

/* The first line of a file that nobody else may read, anew with each connection: a password is changed without a restart. */
static bool read_password(const char *path, char out[PASSWORD_MAX_BYTES + 1], char *reason, size_t reason_len) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(reason, reason_len, "redis_password_file %s cannot be read: %s", path, strerror(errno));
    } else if ((st.st_mode & 077) != 0) {
        snprintf(reason, reason_len, "redis_password_file %s may be read or written by others (mode %04o); expected 0600", path,
                 (unsigned)st.st_mode & 07777);
    } else {
        n = read(fd, out, PASSWORD_MAX_BYTES);
        out[n > 0 ? n : 0] = 0;
        out[strcspn(out, "\r\n")] = 0;
        if (n <= 0) {
            snprintf(reason, reason_len, "redis_password_file %s holds no password", path);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return n > 0;
}

static bool sign_in(fb_redis *r, char *reason, size_t reason_len) {
    const fb_settings *s = r->settings;
    char password[PASSWORD_MAX_BYTES + 1];
    if (strcmp(s->redis_password_file, "-") == 0) {
        return true;
    }
    if (!read_password(s->redis_password_file, password, reason, reason_len)) {
        return false;
    }
    redisReply *reply =
        strcmp(s->redis_user, "-") == 0 ? redisCommand(r->c, "AUTH %s", password) : redisCommand(r->c, "AUTH %s %s", s->redis_user, password);
    OPENSSL_cleanse(password, sizeof password);
    bool ok = reply && reply->type != REDIS_REPLY_ERROR;
    if (!ok) {
        snprintf(reason, reason_len, "it refuses the password: %.200s", reply ? reply->str : r->c->errstr);
    }
    if (reply) {
        freeReplyObject(reply);
    }
    return ok;
}

static bool is_connected(fb_redis *r) {
    char reason[REASON_BYTES + FB_SETTING_TEXT_MAX];
    if (r->c) {
        return true;
    }
    if (monotonic_ms() < r->again_at_ms) {
        return false;
    }
    r->c = dial(r->settings);
    if (!r->c || r->c->err || redisSetTimeout(r->c, timeout_of(r->settings)) != REDIS_OK) {
        lose(r, r->c ? r->c->errstr : "no memory");
        return false;
    }
    if (!sign_in(r, reason, sizeof reason)) {
        lose(r, reason);
        return false;
    }
    return true;
}

redisReply *fb_redis_do(fb_redis *r, int argc, const char **argv, const size_t *lengths) {
    if (!is_connected(r)) {
        return NULL;
    }
    redisReply *reply = redisCommandArgv(r->c, argc, argv, lengths);
    if (!reply) {
        lose(r, r->c->err == REDIS_ERR_IO && errno == EAGAIN ? "no answer in time" : r->c->errstr);
        return NULL;
    }
    r->pause_ms = PAUSE_MIN_MS;
    if (r->away && !r->hushed) {
        fb_log(FB_LOG_NOTICE, "Redis at %s is back", r->settings->redis);
    }
    r->away = false;
    return reply;
}

void fb_redis_complain(fb_redis *r, const char *what, const redisReply *reply) {
    if (!r->complained) {
        fb_log(FB_LOG_ERROR, "Redis at %s refuses %s: %.200s", r->settings->redis, what,
               reply->type == REDIS_REPLY_ERROR ? reply->str : "another kind of answer came");
    }
    r->complained = true;
}

void fb_redis_is_well(fb_redis *r) {
    if (r->complained) {
        fb_log(FB_LOG_NOTICE, "Redis at %s takes what it had refused", r->settings->redis);
    }
    r->complained = false;
}
