#include "origin/warm/urls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bell_purge_url.h"

#define MEDIA            "/media/"
#define ERRORS_SHOWN_MAX 20
#define NO_MEMORY        "there is no memory for it"

/* A name below a host that begins with "*." counts as well. */
static bool is_of_district(const PGresult *hosts, const char *name) {
    for (int row = 0; row < PQntuples(hosts); row++) {
        const char *host = PQgetvalue(hosts, row, 0);
        size_t below = host[0] == '*' ? strlen(host) - 1 : 0, len = strlen(name);
        if (strcmp(host, name) == 0 || (below > 0 && len > below && strcmp(name + len - below, host + 1) == 0)) {
            return true;
        }
    }
    return false;
}

/* The asset's id in "/media/ID/FILE" that has no token yet; NULL p: it is none. */
static bell_str unsigned_asset(const char *path) {
    const char *id = path + sizeof(MEDIA) - 1, *end = strncmp(path, MEDIA, sizeof(MEDIA) - 1) == 0 ? strchr(id, '/') : NULL;
    uint64_t number;

    if (end == NULL || !bell_str_to_u64((bell_str){id, (size_t)(end - id)}, INT64_MAX, &number) || strncmp(end + 1, "bell-token=", 11) == 0) {
        return BELL_STR_NULL;
    }
    return (bell_str){id, (size_t)(end - id)};
}

static void write_path(fb_warm_urls *u, const char *path, bell_buf *out) {
    bell_str asset = unsigned_asset(path);

    if (asset.p == NULL) {
        bell_buf_add_z(out, path);
        return;
    }
    fb_media_links_folder(u->links, asset, out);
    bell_buf_add_z(out, asset.p + asset.len + 1);
}

static bool make_room(fb_warm_urls *u) {
    if (u->n < u->room) {
        return true;
    }
    size_t room = u->room == 0 ? 256 : 2 * u->room;
    char **urls = realloc(u->urls, room * sizeof *urls);
    if (urls != NULL) {
        u->urls = urls;
        u->room = room;
    }
    return urls != NULL;
}

static const char *put(fb_warm_urls *u, const char *origin, const char *path) {
    bell_buf out;

    if (u->n == FB_WARM_URLS_MAX) {
        return "there are more addresses than one run takes";
    }
    bell_buf_init(&out, FB_WARM_URL_BYTES_MAX + BELL_PATH_TOKEN_MAX_BYTES);
    bell_buf_add_z(&out, origin);
    write_path(u, path, &out);
    char *url = out.failed || !make_room(u) ? NULL : strndup(out.p, out.len);
    bell_buf_fini(&out);
    if (url == NULL) {
        return NO_MEMORY;
    }
    u->urls[u->n++] = url;
    return NULL;
}

const char *fb_warm_urls_add(fb_warm_urls *u, bell_str text) {
    char whole[FB_WARM_URL_BYTES_MAX], origin[BELL_PURGE_HOST_BYTES_MAX + 16];
    bell_purge_url url;
    bool is_path = text.len > 0 && text.p[0] == '/';
    int len = snprintf(whole, sizeof whole, "%s%.*s", is_path ? u->origin : "", BELL_STR_ARG(text));

    if (len < 0 || (size_t)len >= sizeof whole) {
        return "it is too long";
    }
    const char *fault = bell_purge_url_read((bell_str){whole, (size_t)len}, BELL_PURGE_URL, &url);
    if (fault != NULL) {
        return fault;
    }
    if (!is_of_district(u->hosts, url.name)) {
        return "its host is none of the district";
    }
    snprintf(origin, sizeof origin, "%s%s", strncmp(whole, "https:", 6) == 0 ? "https://" : "http://", url.host);
    return put(u, origin, url.value);
}

bool fb_warm_urls_read(fb_warm_urls *u, FILE *f, const char *name) {
    char line[FB_WARM_URL_BYTES_MAX + 2];
    unsigned number = 0, wrong = 0;

    while (fgets(line, sizeof line, f) != NULL) {
        bell_str text = bell_str_trim((bell_str){line, strcspn(line, "\r\n")});
        const char *fault = NULL;
        number++;
        if (strlen(line) == sizeof line - 1 && line[sizeof line - 2] != '\n') {
            fprintf(stderr, "firstbell: %s, line %u: it is too long\n", name, number);
            return false;
        }
        if (text.len > 0 && text.p[0] != '#') {
            fault = fb_warm_urls_add(u, text);
        }
        if (fault != NULL && wrong++ < ERRORS_SHOWN_MAX) {
            fprintf(stderr, "firstbell: %s, line %u: \"%.*s\" is not right: %s\n", name, number, (int)(text.len < 200 ? text.len : 200), text.p,
                    fault);
        }
    }
    if (ferror(f)) {
        fprintf(stderr, "firstbell: %s cannot be read: %s\n", name, strerror(errno));
    }
    return wrong == 0 && !ferror(f);
}

void fb_warm_urls_fini(fb_warm_urls *u) {
    for (size_t i = 0; i < u->n; i++) {
        free(u->urls[i]);
    }
    free(u->urls);
    u->urls = NULL;
    u->n = u->room = 0;
}
