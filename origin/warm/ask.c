#include "origin/warm/ask.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bell_sf.h"

#define CONNECT_TIMEOUT_MS 5000
#define ANSWER_TIMEOUT_MS  60000 /* of one address */
#define POLL_MAX_MS        1000

/* A connection's worth of work; url NULL: it is free. */
typedef struct {
    CURL *curl;
    const char *url;
    char error[CURL_ERROR_SIZE];
} slot;

typedef struct {
    const fb_warm_urls *urls;
    const fb_warm_way *way;
    fb_warm_result *result;
    CURLM *multi;
    struct curl_slist *connect_to;
    slot *slots;
    int64_t began_us, next_us; /* monotonic; next_us: when another address may be asked for */
    size_t busy;
} asking;

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- what was said */

/* What one cache says in its parameters. */
typedef struct {
    bool hit, stored;
    int64_t status, ttl_s; /* what the origin answered, and how long it is good for; 0: not said */
    bell_str fwd, detail;
} said;

static void read_param(said *s, bell_str key, const bell_sf_value *v) {
    bool is_true = v->type == BELL_SF_BOOLEAN && v->number == 1;

    if (bell_str_eq(key, BELL_STR("hit"))) {
        s->hit = is_true;
    } else if (bell_str_eq(key, BELL_STR("stored"))) {
        s->stored = is_true;
    } else if (bell_str_eq(key, BELL_STR("fwd-status")) && v->type == BELL_SF_INTEGER) {
        s->status = v->number;
    } else if (bell_str_eq(key, BELL_STR("ttl")) && v->type == BELL_SF_INTEGER) {
        s->ttl_s = v->number;
    } else if (bell_str_eq(key, BELL_STR("fwd"))) {
        s->fwd = v->text;
    } else if (bell_str_eq(key, BELL_STR("detail"))) {
        s->detail = v->text;
    }
}

/* The last entry of the list. false: there is none. */
static bool read_last(bell_str cache_status, said *s) {
    bell_sf list, params;
    bell_sf_value v, last = {.type = BELL_SF_TOKEN};
    bell_str key;
    bool found = false;

    bell_sf_init(&list, cache_status);
    while (bell_sf_is_list(cache_status) && bell_sf_next_entry(&list, &v) == 1) {
        last = v;
        found = true;
    }
    bell_sf_params(&params, &last);
    while (found && bell_sf_next_param(&params, &key, &v) == 1) {
        read_param(s, key, &v);
    }
    return found;
}

/* What the origin has confirmed (304) is stored anew, though the field has no word for it. */
fb_warm_verdict fb_warm_judge(bell_str cache_status, char *why, size_t why_len) {
    said s = {.fwd = BELL_STR("it does not say why")};

    if (!read_last(cache_status, &s)) {
        snprintf(why, why_len, "not stored: nobody keeps it on the way");
        return FB_WARM_UNKEPT;
    }
    if (s.hit) {
        return FB_WARM_HIT;
    }
    if (s.stored || (s.status == 304 && s.ttl_s > 0)) {
        return FB_WARM_STORED;
    }
    snprintf(why, why_len, "not stored: %.*s%s%.*s", BELL_STR_ARG(s.fwd), s.detail.len > 0 ? ", " : "", BELL_STR_ARG(s.detail));
    return FB_WARM_UNKEPT;
}

/* Whoever sees the list gets no address that is good. */
static void write_example(const char *url, char *out, size_t out_len) {
    const char *token = strstr(url, "/bell-token="), *rest = token != NULL ? strchr(token + 1, '/') : NULL;

    if (rest != NULL) {
        snprintf(out, out_len, "%.*s%s", (int)(token - url), url, rest);
    } else {
        snprintf(out, out_len, "%s", url);
    }
}

static void note(fb_warm_result *result, const char *why, const char *url) {
    fb_warm_reason *r = result->reasons;

    while (r < result->reasons + result->nreasons && strcmp(r->text, why) != 0) {
        r++;
    }
    if (r == result->reasons + FB_WARM_REASONS_MAX) {
        r--;
        snprintf(r->text, sizeof r->text, "for further reasons");
    } else if (r == result->reasons + result->nreasons) {
        result->nreasons++;
        snprintf(r->text, sizeof r->text, "%s", why);
        write_example(url, r->example, sizeof r->example);
    }
    r->n++;
}

static void judge(asking *a, const slot *s, CURLcode code) {
    fb_warm_result *result = a->result;
    char why[160];
    long status = 0;
    struct curl_header *h;

    curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status != 200) {
        if (code != CURLE_OK) {
            snprintf(why, sizeof why, "%.150s", *s->error ? s->error : curl_easy_strerror(code));
        } else {
            snprintf(why, sizeof why, "answered with %ld", status);
        }
        result->failed++;
        note(result, why, s->url);
        return;
    }
    size_t lines = curl_easy_header(s->curl, "Cache-Status", 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->amount : 0;
    bool has_one = lines > 0 && curl_easy_header(s->curl, "Cache-Status", lines - 1, CURLH_HEADER, -1, &h) == CURLHE_OK;
    switch (fb_warm_judge(has_one ? bell_str_of(h->value) : BELL_STR_NULL, why, sizeof why)) {
    case FB_WARM_HIT:
        result->hit++;
        break;
    case FB_WARM_STORED:
        result->stored++;
        break;
    default:
        result->unkept++;
        note(result, why, s->url);
    }
}

/* ---- asking */

static size_t drop_body(char *bytes, size_t size, size_t n, void *arg) {
    (void)bytes;
    (void)arg;
    return size * n;
}

/* As somebody without cookies would ask; what an edge keeps for all has no other key. */
static bool prepare(asking *a, slot *s) {
    s->curl = curl_easy_init();
    if (s->curl == NULL) {
        return false;
    }
    curl_easy_setopt(s->curl, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(s->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(s->curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(s->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(s->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(s->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(s->curl, CURLOPT_USERAGENT, "firstbell-warm");
    curl_easy_setopt(s->curl, CURLOPT_WRITEFUNCTION, drop_body);
    curl_easy_setopt(s->curl, CURLOPT_ERRORBUFFER, s->error);
    curl_easy_setopt(s->curl, CURLOPT_PRIVATE, s);
    if (a->connect_to != NULL) {
        curl_easy_setopt(s->curl, CURLOPT_CONNECT_TO, a->connect_to);
    }
    if (a->way->ca_file != NULL) {
        curl_easy_setopt(s->curl, CURLOPT_CAINFO, a->way->ca_file);
        curl_easy_setopt(s->curl, CURLOPT_CAPATH, NULL);
    }
    return true;
}

static bool set_up(asking *a) {
    char to[300];

    a->multi = curl_multi_init();
    a->slots = calloc((size_t)a->way->connections, sizeof *a->slots);
    if (a->way->edge != NULL) {
        snprintf(to, sizeof to, "::%s", a->way->edge);
        a->connect_to = curl_slist_append(NULL, to);
    }
    bool ok = a->multi != NULL && a->slots != NULL && (a->way->edge == NULL || a->connect_to != NULL);
    for (long i = 0; ok && i < a->way->connections; i++) {
        ok = prepare(a, &a->slots[i]);
    }
    if (ok) {
        curl_multi_setopt(a->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, a->way->connections);
    } else {
        fprintf(stderr, "firstbell: there is no memory for %ld connections\n", a->way->connections);
    }
    return ok;
}

static void take_down(asking *a) {
    for (long i = 0; a->slots != NULL && i < a->way->connections; i++) {
        if (a->slots[i].url != NULL) {
            curl_multi_remove_handle(a->multi, a->slots[i].curl);
        }
        curl_easy_cleanup(a->slots[i].curl);
    }
    free(a->slots);
    curl_multi_cleanup(a->multi);
    curl_slist_free_all(a->connect_to);
}

static int64_t left_ms(const asking *a) {
    return a->way->seconds * 1000 - (now_us() - a->began_us) / 1000;
}

static int64_t due_in_ms(const asking *a) {
    int64_t us = a->next_us - now_us();
    return us > 0 ? (us + 999) / 1000 : 0;
}

/* Time that was lost is not caught up with: nobody is asked faster than the rate. */
static void set_pace(asking *a) {
    int64_t now = now_us();
    a->next_us = (a->next_us + 2000 > now ? a->next_us : now) + 1000000 / a->way->rate;
}

static bool is_all_asked(const asking *a) {
    return a->result->asked == a->urls->n || left_ms(a) <= 0;
}

static void start_one(asking *a) {
    slot *s = a->slots;
    int64_t left = left_ms(a);

    while (s->url != NULL) {
        s++;
    }
    s->url = a->urls->urls[a->result->asked++];
    s->error[0] = '\0';
    curl_easy_setopt(s->curl, CURLOPT_URL, s->url);
    curl_easy_setopt(s->curl, CURLOPT_TIMEOUT_MS, (long)(left < ANSWER_TIMEOUT_MS ? left : ANSWER_TIMEOUT_MS));
    curl_multi_add_handle(a->multi, s->curl);
    a->busy++;
    set_pace(a);
}

static void take_answers(asking *a) {
    int more;
    const CURLMsg *m;

    while ((m = curl_multi_info_read(a->multi, &more)) != NULL) {
        slot *s = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&s);
        judge(a, s, code);
        curl_multi_remove_handle(a->multi, s->curl);
        s->url = NULL;
        a->busy--;
    }
}

static bool go_on(asking *a) {
    int running, wait = POLL_MAX_MS;

    while (!is_all_asked(a) && a->busy < (size_t)a->way->connections && due_in_ms(a) <= 0) {
        start_one(a);
    }
    if (curl_multi_perform(a->multi, &running) != CURLM_OK) {
        return false;
    }
    take_answers(a);
    if (!is_all_asked(a) && a->busy < (size_t)a->way->connections) {
        int64_t due = due_in_ms(a);
        wait = due < wait ? (int)due : wait;
    }
    return (a->busy == 0 && is_all_asked(a)) || curl_multi_poll(a->multi, NULL, 0, wait, NULL) == CURLM_OK;
}

bool fb_warm_ask(const fb_warm_urls *u, const fb_warm_way *way, fb_warm_result *result) {
    asking a = {.urls = u, .way = way, .result = result, .began_us = now_us()};

    memset(result, 0, sizeof *result);
    bool ok = set_up(&a);
    while (ok && (a.busy > 0 || !is_all_asked(&a))) {
        ok = go_on(&a);
        if (!ok) {
            fprintf(stderr, "firstbell: there is no memory to go on\n");
        }
    }
    result->seconds = (double)(now_us() - a.began_us) / 1e6;
    take_down(&a);
    return ok;
}
