/* `firstbell limits explain`: how it stands with somebody at the edges, by each limit of his and of his district. */
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origin/db/pg.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"

#define EDGES_MAX   64
#define ANSWER_MAX  (1024 * 1024)
#define TIMEOUT_MS  5000
#define UNIX_PREFIX "http://unix:"

typedef struct {
    char *bytes;
    size_t len;
} answer;

static size_t add_bytes(char *bytes, size_t size, size_t n, void *arg) {
    answer *a = arg;

    if (a->len + size * n > ANSWER_MAX) {
        return 0;
    }
    memcpy(a->bytes + a->len, bytes, size * n);
    a->len += size * n;
    return size * n;
}

/* Of "http://unix:/PATH:/URI", as nginx writes it, the path and "http://localhost/URI". false: it is none. */
static bool split_unix(const char *edge, char *path, size_t path_len, char *url, size_t url_len) {
    const char *from = edge + sizeof UNIX_PREFIX - 1, *colon = strncmp(edge, UNIX_PREFIX, sizeof UNIX_PREFIX - 1) == 0 ? strchr(from, ':') : NULL;

    if (colon == NULL || (size_t)(colon - from) >= path_len) {
        return false;
    }
    snprintf(path, path_len, "%.*s", (int)(colon - from), from);
    snprintf(url, url_len, "http://localhost%s", colon + 1);
    return true;
}

/* false: a sentence has been written. */
static bool fetch(CURL *curl, const char *edge, const char *query, answer *a) {
    char path[108], base[1024], url[2048], error[CURL_ERROR_SIZE] = "";
    bool is_unix = split_unix(edge, path, sizeof path, base, sizeof base);
    long status = 0;

    snprintf(url, sizeof url, "%s%s", is_unix ? base : edge, query);
    a->len = 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, is_unix ? path : NULL);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "firstbell");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, add_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK) {
        fprintf(stderr, "firstbell: %s does not say anything: %s\n", edge, *error ? error : curl_easy_strerror(code));
    } else if (status != 200) {
        fprintf(stderr, "firstbell: %s answered with %ld; --edge is the address of a page of \"bell_limit_status\"\n", edge, status);
    }
    return code == CURLE_OK && status == 200;
}

/* ---- what an edge says */

static json_int_t number(const json_t *o, const char *name) {
    return json_integer_value(json_object_get(o, name));
}

static const char *text(const json_t *o, const char *name) {
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

static json_int_t quota_of(const json_t *policies, const char *name) {
    size_t i;
    json_t *p;

    json_array_foreach(policies, i, p) {
        if (strcmp(text(p, "name"), name) == 0) {
            return number(p, "quota");
        }
    }
    return 0;
}

static void print_limit(const char *edge, const json_t *policies, const json_t *limit) {
    const char *key = text(limit, "key"), *spends = text(limit, "spends");

    printf("%s\t%s\t%s\t%lld of %lld left\tall of it in %.1f s\trefused %lld times", edge, text(limit, "policy"), *key ? key : "the district",
           (long long)number(limit, "remaining"), (long long)quota_of(policies, text(limit, "policy")),
           json_number_value(json_object_get(limit, "reset_s")), (long long)number(limit, "refused"));
    if (*spends) {
        printf("\tover all edges: %s, %lld in hand", spends, (long long)number(limit, "in_hand"));
    }
    printf("\n");
}

/* false: a sentence has been written. */
static bool print_edge(const char *edge, const answer *a) {
    json_t *root = json_loadb(a->bytes, a->len, JSON_REJECT_DUPLICATES, NULL), *limits = json_object_get(root, "explained"), *limit;
    size_t i;

    if (!json_is_array(limits)) {
        fprintf(stderr, "firstbell: %s answers something else than a page of \"bell_limit_status\"\n", edge);
        json_decref(root);
        return false;
    }
    if (json_array_size(limits) == 0) {
        printf("%s\tno limit by subject or tenant\n", edge);
    }
    json_array_foreach(limits, i, limit) {
        print_limit(edge, json_object_get(root, "policies"), limit);
    }
    json_decref(root);
    return true;
}

/* All are asked, also when one does not answer. */
static bool explain(const char *const *edges, int n, int32_t tenant_id, const char *subject) {
    CURL *curl = curl_easy_init();
    char *escaped = curl ? curl_easy_escape(curl, subject, 0) : NULL, query[1024];
    answer a = {.bytes = malloc(ANSWER_MAX)};
    bool ok = escaped && a.bytes && snprintf(query, sizeof query, "?tenant=%d&subject=%s", tenant_id, escaped) < (int)sizeof query;

    if (!ok) {
        fprintf(stderr, "firstbell: the subject is too long, or there is no memory\n");
    }
    for (int i = 0, all = ok ? n : 0; i < all; i++) {
        ok = fetch(curl, edges[i], query, &a) && print_edge(edges[i], &a) && ok;
    }
    free(a.bytes);
    curl_free(escaped);
    curl_easy_cleanup(curl);
    return ok;
}

int fb_cmd_limits_explain(const fb_settings *s, int argc, char **argv) {
    const char *edges[EDGES_MAX], *operands[2];
    fb_option options[] = {{"edge", edges, EDGES_MAX, true, 0}};
    if (!fb_options_parse(argc, argv, options, 1, operands, 2)) {
        return 2;
    }
    PGconn *c = fb_pg_connect(s, "fb_operator", "limits explain");
    int32_t tenant_id = c ? fb_pg_tenant_id(c, operands[0]) : 0;
    PQfinish(c);
    return tenant_id > 0 && explain(edges, options[0].seen, tenant_id, operands[1]) ? 0 : 1;
}
