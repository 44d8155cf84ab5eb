#include "load/requests.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bell_buf.h"

#define REQUEST_MAX_BYTES (1 << 20)

static void add_header(bell_buf *b, bell_str header) {
    bell_buf_add_str(b, header);
    bell_buf_add_z(b, "\r\n");
}

/* Whether one of the headers, parted by tabs, says the host. */
static bool names_host(bell_str headers) {
    while (headers.len > 0 && headers.p[0] != '=') {
        bell_str header = bell_str_cut(&headers, '\t');

        if (bell_str_ieq(bell_str_cut(&header, ':'), BELL_STR("host"))) {
            return true;
        }
    }
    return false;
}

/* false: the line is no request. */
static bool make_request(bell_str line, load_request *out) {
    bell_str what = bell_str_cut(&line, '\t'), body = BELL_STR_NULL;
    bell_buf b;

    if (memchr(what.p, ' ', what.len) == NULL) {
        return false;
    }
    bell_buf_init(&b, REQUEST_MAX_BYTES);
    bell_buf_add_str(&b, what);
    bell_buf_add_z(&b, " HTTP/1.1\r\n");
    size_t line_len = b.len;
    if (!names_host(line)) {
        bell_buf_add_z(&b, "Host: localhost\r\n");
    }
    while (line.len > 0 && line.p[0] != '=') {
        add_header(&b, bell_str_cut(&line, '\t'));
    }
    if (line.len > 0) {
        body = (bell_str){line.p + 1, line.len - 1};
        bell_buf_printf(&b, "Content-Length: %zu\r\n", body.len);
    }
    bell_buf_add_z(&b, "\r\n");
    bell_buf_add_str(&b, body);
    *out = (load_request){.bytes = b.p, .len = b.len, .line_len = line_len};
    return !b.failed;
}

static bool add_line(load_requests *l, size_t *room, bell_str line) {
    if (l->count == *room) {
        *room = *room > 0 ? *room * 2 : 64;
        load_request *more = realloc(l->requests, *room * sizeof(*more));
        if (more == NULL) {
            return false;
        }
        l->requests = more;
    }
    return make_request(line, &l->requests[l->count]) && ++l->count > 0;
}

static bool read_lines(FILE *f, load_requests *out, char *err, size_t err_len) {
    char *line = NULL;
    size_t line_room = 0, room = 0;
    unsigned number = 0;
    bool ok = true;

    for (ssize_t n; ok && (n = getline(&line, &line_room, f)) > 0;) {
        bell_str text = {line, (size_t)n - (line[n - 1] == '\n')};
        number++;
        if (text.len > 0 && text.p[0] != '#' && !add_line(out, &room, text)) {
            snprintf(err, err_len, "line %u is no request; METHOD PATH and headers parted by tabs are expected", number);
            ok = false;
        }
    }
    if (ok && out->count == 0) {
        snprintf(err, err_len, "there is no request in it");
        ok = false;
    }
    free(line);
    return ok;
}

bool load_requests_read(const char *path, load_requests *out, char *err, size_t err_len) {
    *out = (load_requests){0};
    snprintf(err, err_len, "%s", "");
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        snprintf(err, err_len, "%s", strerror(errno));
        return false;
    }
    bool ok = read_lines(f, out, err, err_len);
    fclose(f);
    if (!ok) {
        load_requests_free(out);
    }
    return ok;
}

void load_requests_free(load_requests *l) {
    for (size_t i = 0; i < l->count; i++) {
        free(l->requests[i].bytes);
        free(l->requests[i].before);
    }
    free(l->requests);
    *l = (load_requests){0};
}

bool load_request_stamp(load_request *q, bell_context_key *key, uint32_t tenant_id, int64_t now_s) {
    bell_context_claims c = {.time_s = now_s, .tenant_id = tenant_id};
    char value[BELL_CONTEXT_MAX_BYTES];
    bell_str target = {q->bytes, q->line_len};
    bell_buf b;

    if (q->stamp_len > 0 && now_s - q->stamped_s < LOAD_CONTEXT_S) {
        return true;
    }
    bell_str method = bell_str_cut(&target, ' ');
    if (bell_context_write(key, &c, method, bell_str_cut(&target, ' '), value) < 0) {
        return false;
    }
    bell_buf_init(&b, REQUEST_MAX_BYTES + BELL_CONTEXT_MAX_BYTES);
    bell_buf_add(&b, q->bytes, q->line_len);
    bell_buf_printf(&b, "Bell-Context: %s\r\n", value);
    size_t stamp_len = b.len - q->line_len, rest = q->line_len + q->stamp_len;
    bell_buf_add(&b, q->bytes + rest, q->len - rest);
    if (b.failed) {
        bell_buf_fini(&b);
        return false;
    }
    free(q->before);
    q->before = q->bytes;
    q->bytes = b.p;
    q->len = b.len;
    q->stamp_len = stamp_len;
    q->stamped_s = now_s;
    return true;
}
