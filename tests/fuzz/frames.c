/* How the codec cuts bytes into requests, for the comparison with another parser: one line of JSON for each file named, or for each row of the tables
 * of tests/unit/http_cases.h with --table:
 *   {"name","bytes":BASE64URL,"requests":[{"method","target","body":BASE64URL}],"end":"more|close|refused","status","reason"} */
#include "bell_base64.h"
#include "bell_json.h"
#include "tests/unit/http_cases.h"
#include "tests/unit/http_stream.h"

#include <stdio.h>
#include <stdlib.h>

#define BODY_MAX (1u << 20)

static void write_bytes(bell_json *j, bell_str bytes) {
    char *text = malloc(BELL_BASE64URL_LEN(bytes.len) + 1);

    if (text == NULL) {
        abort();
    }
    bell_json_str(j, (bell_str){text, bell_base64url_encode(bytes.p, bytes.len, text)});
    free(text);
}

static void write_request(void *arg, const http_stream *s) {
    bell_json *j = arg;

    bell_json_object_open(j);
    bell_json_key(j, "method");
    bell_json_str(j, s->request.method_name);
    bell_json_key(j, "target");
    bell_json_str(j, s->request.target);
    bell_json_key(j, "body");
    write_bytes(j, bell_buf_str(&s->payload));
    bell_json_object_close(j);
}

static void write_end(bell_json *j, const http_stream *s) {
    bell_json_key(j, "end");
    bell_json_z(j, s->refused ? "refused" : s->closed ? "close" : "more");
    bell_json_key(j, "status");
    bell_json_int(j, s->refused);
    bell_json_key(j, "reason");
    bell_json_z(j, s->refused && !s->in_body ? s->reason
                   : s->refused == 413       ? "the body is too large"
                   : s->refused              ? "the body is malformed (RFC 9112, 7.1)"
                                             : NULL);
}

static void show(const char *name, bell_str bytes) {
    bell_buf out;
    bell_json j;
    http_stream s;

    bell_buf_init(&out, 64u << 20);
    bell_json_init(&j, &out);
    bell_json_object_open(&j);
    bell_json_key(&j, "name");
    bell_json_z(&j, name);
    bell_json_key(&j, "bytes");
    write_bytes(&j, bytes);
    bell_json_key(&j, "requests");
    bell_json_array_open(&j);
    http_stream_init(&s);
    http_stream_read(&s, bytes.p, bytes.len, HTTP_CASES_TARGET_MAX, BODY_MAX, write_request, &j);
    bell_json_array_close(&j);
    write_end(&j, &s);
    bell_json_object_close(&j);
    if (!bell_json_done(&j)) {
        abort();
    }
    printf("%.*s\n", BELL_STR_ARG(bell_buf_str(&out)));
    bell_buf_fini(&s.payload);
    bell_buf_fini(&out);
}

static void show_table(void) {
    char name[64];

    for (size_t i = 0; i < sizeof(http_refusals) / sizeof(*http_refusals); i++) {
        snprintf(name, sizeof(name), "http_refusals[%zu]", i);
        show(name, (bell_str){http_refusals[i].bytes, http_refusals[i].len});
    }
    for (size_t i = 0; i < sizeof(http_streams) / sizeof(*http_streams); i++) {
        snprintf(name, sizeof(name), "http_streams[%zu]", i);
        show(name, (bell_str){http_streams[i].bytes, http_streams[i].len});
    }
}

static bool show_file(const char *path) {
    static char bytes[1u << 20];
    FILE *f = fopen(path, "rb");
    size_t len = f != NULL ? fread(bytes, 1, sizeof(bytes), f) : 0;

    if (f == NULL || ferror(f) || len == sizeof(bytes)) {
        fprintf(stderr, "frames: %s: cannot be read, or has more than a MiB\n", path);
        return false;
    }
    fclose(f);
    show(path, (bell_str){bytes, len});
    return true;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--table") == 0) {
        show_table();
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        if (!show_file(argv[i])) {
            return 1;
        }
    }
    return 0;
}
