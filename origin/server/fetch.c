#include "origin/server/fetch.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "bell_buf.h"
#include "origin/server/fetch_target.h"

#define HEAD_MAX_BYTES (64 * 1024)
#define HOST_BYTES     256

typedef struct fb_transfer fb_transfer;

struct fb_transfer {
    fb_fetcher *fetcher;
    CURL *easy;
    struct curl_slist *headers;
    fb_fetch *fetches; /* whoever waits for it */
    int32_t tenant_id;
    char *url;
    bool may_be_shared;
    bool may_be_private;
    bool running, too_large, not_public;
    size_t head_bytes;
    bell_buf body;
    char error[CURL_ERROR_SIZE];
    fb_transfer *next;
};

struct fb_fetcher {
    struct event_base *base;
    fb_fetcher_options options;
    CURLM *multi;
    struct event *timer;
    fb_transfer *transfers; /* in order of arrival; those that run and those that wait */
    unsigned nrunning, nwaiting;
};

typedef struct {
    struct event *event;
} watched_socket;

static void finish_all(fb_fetcher *w);

/* ---- libcurl's sockets and its timer on the loop */

static void on_socket(evutil_socket_t fd, short what, void *arg) {
    fb_fetcher *w = arg;
    int running, mask = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(w->multi, fd, mask, &running);
    finish_all(w);
}

static void on_timer(evutil_socket_t fd, short what, void *arg) {
    fb_fetcher *w = arg;
    int running;
    (void)fd, (void)what;
    curl_multi_socket_action(w->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    finish_all(w);
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg) {
    fb_fetcher *w = arg;
    struct timeval tv = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
    (void)multi;
    if (timeout_ms < 0) {
        event_del(w->timer);
        return 0;
    }
    return event_add(w->timer, &tv) == 0 ? 0 : -1;
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *kept) {
    fb_fetcher *w = arg;
    watched_socket *s = kept;
    (void)easy;

    if (s != NULL && s->event != NULL) {
        event_free(s->event);
        s->event = NULL;
    }
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(w->multi, fd, NULL);
        free(s);
        return 0;
    }
    if (s == NULL && (s = calloc(1, sizeof(*s))) == NULL) {
        return -1;
    }
    curl_multi_assign(w->multi, fd, s);
    short events = (short)(EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
    s->event = event_new(w->base, fd, events, on_socket, w);
    return s->event != NULL && event_add(s->event, NULL) == 0 ? 0 : -1;
}

/* ---- one transfer */

static size_t take_body(char *bytes, size_t size, size_t n, void *arg) {
    fb_transfer *t = arg;
    bell_buf_add(&t->body, bytes, size * n);
    t->too_large = t->body.failed;
    return t->too_large ? CURL_WRITEFUNC_ERROR : size * n;
}

static size_t take_head(char *bytes, size_t size, size_t n, void *arg) {
    fb_transfer *t = arg;
    (void)bytes;
    t->head_bytes += size * n;
    t->too_large = t->head_bytes > HEAD_MAX_BYTES;
    return t->too_large ? 0 : size * n;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a) {
    fb_transfer *t = arg;
    (void)purpose;
    if (!t->may_be_private && !fb_fetch_address_is_public(&a->addr)) {
        t->not_public = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static void set_limits(fb_transfer *t, const fb_fetcher_options *o) {
    CURL *e = t->easy;
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_CAINFO, o->ca_file);
    curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* a name server that does not answer must not hold up the loop */
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, o->connect_timeout_ms);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, o->timeout_ms);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
}

/* Without memory the header is missing, and the other side says so. */
static void add_authorization(fb_transfer *t, const char *value) {
    size_t len = strlen(value) + sizeof("Authorization: ");
    char *line = malloc(len);

    if (line != NULL) {
        snprintf(line, len, "Authorization: %s", value);
        t->headers = curl_slist_append(t->headers, line);
        explicit_bzero(line, len);
        free(line);
    }
}

static void set_request(fb_transfer *t, const fb_fetch *f) {
    CURL *e = t->easy;
    curl_easy_setopt(e, CURLOPT_URL, f->url);
    curl_easy_setopt(e, CURLOPT_PRIVATE, t);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_head);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)f->max_bytes);
    t->headers = curl_slist_append(t->headers, "Accept: application/json");
    if (f->form != NULL) {
        curl_easy_setopt(e, CURLOPT_COPYPOSTFIELDS, f->form);
        t->headers = curl_slist_append(t->headers, "Expect:");
    }
    if (f->authorization != NULL) {
        add_authorization(t, f->authorization);
    }
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
}

static void transfer_free(fb_transfer *t) {
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    bell_buf_fini(&t->body);
    free(t->url);
    free(t);
}

static fb_transfer *transfer_new(fb_fetcher *w, const fb_fetch *f) {
    char host[HOST_BYTES];
    if (!fb_fetch_url_is_https(f->url, host)) {
        return NULL;
    }
    fb_transfer *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return NULL;
    }
    t->fetcher = w;
    t->tenant_id = f->tenant_id;
    t->may_be_shared = f->form == NULL && f->authorization == NULL;
    t->may_be_private = fb_fetch_host_is_listed(w->options.private_hosts, host);
    t->url = strdup(f->url);
    t->easy = curl_easy_init();
    bell_buf_init(&t->body, f->max_bytes);
    if (t->url == NULL || t->easy == NULL) {
        transfer_free(t);
        return NULL;
    }
    set_limits(t, &w->options);
    set_request(t, f);
    return t;
}

/* ---- which transfer runs, which waits */

static void unlink_transfer(fb_fetcher *w, fb_transfer *t) {
    fb_transfer **at = &w->transfers;
    while (*at != t) {
        at = &(*at)->next;
    }
    *at = t->next;
    if (t->running) {
        curl_multi_remove_handle(w->multi, t->easy);
        w->nrunning--;
    } else {
        w->nwaiting--;
    }
    t->running = false;
}

static unsigned count_of(const fb_fetcher *w, int32_t tenant_id, bool running) {
    unsigned n = 0;
    for (const fb_transfer *t = w->transfers; t != NULL; t = t->next) {
        n += t->tenant_id == tenant_id && t->running == running;
    }
    return n;
}

static bool may_run(const fb_fetcher *w, int32_t tenant_id) {
    return w->nrunning < w->options.running_max && count_of(w, tenant_id, true) < (w->options.running_max + 1) / 2;
}

static bool run(fb_fetcher *w, fb_transfer *t) {
    if (curl_multi_add_handle(w->multi, t->easy) != CURLM_OK) {
        return false;
    }
    t->running = true;
    w->nrunning++;
    w->nwaiting--;
    return true;
}

/* In order of arrival, but a tenant that has its half does not hold up the ones behind it. */
static void run_waiting(fb_fetcher *w) {
    for (fb_transfer *t = w->transfers; t != NULL && w->nwaiting > 0 && w->nrunning < w->options.running_max; t = t->next) {
        if (!t->running && may_run(w, t->tenant_id) && !run(w, t)) {
            return; /* the next one that ends tries again; the job's deadline bounds the wait */
        }
    }
}

static bool enqueue(fb_fetcher *w, fb_transfer *t) {
    bool at_once = may_run(w, t->tenant_id);
    fb_transfer **at = &w->transfers;

    if (!at_once && (w->nwaiting >= w->options.waiting_max || count_of(w, t->tenant_id, false) >= (w->options.waiting_max + 1) / 2)) {
        return false;
    }
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = t;
    w->nwaiting++;
    if (at_once && !run(w, t)) {
        unlink_transfer(w, t);
        return false;
    }
    return true;
}

static fb_transfer *find_shared(const fb_fetcher *w, const fb_fetch *f) {
    for (fb_transfer *t = w->transfers; t != NULL; t = t->next) {
        if (t->may_be_shared && t->tenant_id == f->tenant_id && t->body.max_bytes == f->max_bytes && strcmp(t->url, f->url) == 0) {
            return t;
        }
    }
    return NULL;
}

bool fb_fetch_start(fb_fetcher *w, fb_fetch *f) {
    fb_transfer *t = f->form == NULL && f->authorization == NULL ? find_shared(w, f) : NULL;
    if (t == NULL) {
        t = transfer_new(w, f);
        if (t == NULL) {
            return false;
        }
        if (!enqueue(w, t)) {
            transfer_free(t);
            return false;
        }
    }
    f->transfer = t;
    f->next = t->fetches;
    t->fetches = f;
    return true;
}

void fb_fetch_cancel(fb_fetch *f) {
    fb_transfer *t = f->transfer;
    if (t == NULL) {
        return;
    }
    fb_fetch **at = &t->fetches;
    while (*at != f) {
        at = &(*at)->next;
    }
    *at = f->next;
    f->transfer = NULL;
    if (t->fetches == NULL && t->fetcher != NULL) {
        fb_fetcher *w = t->fetcher;
        unlink_transfer(w, t);
        transfer_free(t);
        run_waiting(w);
    }
}

/* ---- the end of a transfer */

static fb_fetch_outcome outcome_of(const fb_transfer *t, CURLcode code, const char **reason) {
    *reason = t->error[0] != '\0' ? t->error : curl_easy_strerror(code);
    if (code == CURLE_OK) {
        return FB_FETCH_ANSWERED;
    }
    if (t->too_large || code == CURLE_FILESIZE_EXCEEDED) {
        *reason = "the answer is too large";
        return FB_FETCH_LARGE;
    }
    if (t->not_public) {
        *reason = "its address is not public; a host in a private network is named in fetch_private_hosts";
    }
    return code == CURLE_OPERATION_TIMEDOUT ? FB_FETCH_LATE : FB_FETCH_UNREACHABLE;
}

/* Those who wait are told one by one; each may begin another fetch, or cancel one that waits for this. */
static void finish(fb_fetcher *w, fb_transfer *t, CURLcode code) {
    const char *reason;
    fb_fetch_outcome outcome = outcome_of(t, code, &reason);
    long status = 0;

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    unlink_transfer(w, t);
    t->fetcher = NULL; /* it is ours to free */
    while (t->fetches != NULL) {
        fb_fetch *f = t->fetches;
        t->fetches = f->next;
        f->transfer = NULL;
        f->outcome = outcome;
        f->status = status;
        f->body = bell_buf_str(&t->body);
        f->reason = reason;
        f->done(f, f->owner);
    }
    transfer_free(t);
}

static void finish_all(fb_fetcher *w) {
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(w->multi, &left)) != NULL) {
        if (m->msg == CURLMSG_DONE) {
            void *t = NULL;
            CURLcode code = m->data.result; /* m is gone with its handle */
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
            finish(w, t, code);
        }
    }
    run_waiting(w);
}

/* ---- */

fb_fetcher *fb_fetcher_new(struct event_base *base, const fb_fetcher_options *o) {
    fb_fetcher *w = calloc(1, sizeof(*w));

    if (w == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(w);
        return NULL;
    }
    w->base = base;
    w->options = *o;
    w->multi = curl_multi_init();
    w->timer = evtimer_new(base, on_timer, w);
    if (w->multi == NULL || w->timer == NULL) {
        fb_fetcher_free(w);
        return NULL;
    }
    curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w);
    curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, w);
    curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)o->running_max);
    return w;
}

void fb_fetcher_free(fb_fetcher *w) {
    if (w == NULL) {
        return;
    }
    while (w->transfers != NULL) {
        fb_transfer *t = w->transfers;
        unlink_transfer(w, t);
        for (fb_fetch *f = t->fetches; f != NULL; f = f->next) {
            f->transfer = NULL;
        }
        transfer_free(t);
    }
    if (w->multi != NULL) {
        curl_multi_cleanup(w->multi);
    }
    if (w->timer != NULL) {
        event_free(w->timer);
    }
    curl_global_cleanup();
    free(w);
}
