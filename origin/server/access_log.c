#include "origin/server/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bell_json.h"
#include "origin/server/log.h"

#define TEXT_MAX_BYTES (256 * 1024)
#define FLUSH_BYTES    (32 * 1024)

static int open_path(const char *path) {
    if (strcmp(path, "-") == 0) {
        return STDOUT_FILENO;
    }
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

bool fb_access_log_open(fb_access_log *l, const char *path) {
    l->dropped = 0;
    bell_buf_init(&l->text, TEXT_MAX_BYTES);
    l->fd = open_path(path);
    return l->fd >= 0;
}

bool fb_access_log_reopen(fb_access_log *l, const char *path) {
    fb_access_log_flush(l);
    int fd = open_path(path);
    if (fd < 0) {
        return false;
    }
    if (l->fd != STDOUT_FILENO) {
        close(l->fd);
    }
    l->fd = fd;
    return true;
}

void fb_access_log_close(fb_access_log *l) {
    fb_access_log_flush(l);
    if (l->fd > STDERR_FILENO) {
        close(l->fd);
    }
    bell_buf_fini(&l->text);
}

static void add_time(bell_json *j, int64_t unix_us) {
    char when[40];
    time_t s = (time_t)(unix_us / 1000000);
    struct tm tm;
    gmtime_r(&s, &tm);
    size_t n = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
    unsigned ms = (unsigned)(unix_us / 1000 % 1000);
    when[n++] = '.';
    when[n++] = (char)('0' + ms / 100);
    when[n++] = (char)('0' + ms / 10 % 10);
    when[n++] = (char)('0' + ms % 10);
    when[n++] = 'Z';
    bell_json_key(j, "time");
    bell_json_str(j, (bell_str){when, n});
}

void fb_access_log_add(fb_access_log *l, const fb_access *a) {
    bell_json j;
    size_t before = l->text.len;

    bell_json_init(&j, &l->text);
    bell_json_object_open(&j);
    add_time(&j, a->started_us);
    bell_json_key(&j, "request_id");
    bell_json_str(&j, a->request_id);
    bell_json_key(&j, "tenant_id");
    bell_json_int(&j, a->tenant_id);
    bell_json_key(&j, "user_id");
    bell_json_int(&j, (int64_t)a->user_id);
    bell_json_key(&j, "method");
    bell_json_str(&j, a->method);
    bell_json_key(&j, "path");
    bell_json_str(&j, a->path);
    bell_json_key(&j, "route");
    bell_json_z(&j, a->route);
    bell_json_key(&j, "status");
    bell_json_int(&j, a->status);
    bell_json_key(&j, "sent_bytes");
    bell_json_int(&j, (int64_t)a->sent_bytes);
    bell_json_key(&j, "duration_us");
    bell_json_int(&j, a->duration_us);
    bell_json_object_close(&j);
    bell_buf_add_char(&l->text, '\n');

    if (l->text.failed) { /* the file has not taken lines for a while: this one is lost and counted */
        l->text.len = before;
        l->text.failed = false;
        l->dropped++;
    }
    if (l->text.len >= FLUSH_BYTES) {
        fb_access_log_flush(l);
    }
}

void fb_access_log_flush(fb_access_log *l) {
    while (l->text.len > 0) {
        ssize_t n = write(l->fd, l->text.p, l->text.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return; /* kept, up to the bound, for the next try */
        }
        bell_buf_consume(&l->text, (size_t)n);
    }
    if (l->dropped > 0) {
        fb_log(FB_LOG_WARNING, "the access log lost %llu lines while its file could not be written", (unsigned long long)l->dropped);
        l->dropped = 0;
    }
}
