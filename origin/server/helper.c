#include "origin/server/helper.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "origin/server/thread.h"

struct fb_helper {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    fb_task *todo_head, *todo_tail;
    fb_task *finished;
    unsigned nwaiting, queue_max;
    bool stopping;
    int done_fd;
    struct event *done_event;
    pthread_t *threads;
    unsigned nthreads;
};

static void *work(void *arg) {
    fb_helper *h = arg;

    pthread_mutex_lock(&h->lock);
    for (;;) {
        while (h->todo_head == NULL && !h->stopping) {
            pthread_cond_wait(&h->wake, &h->lock);
        }
        if (h->stopping) {
            break;
        }
        fb_task *t = h->todo_head;
        h->todo_head = t->next;
        if (h->todo_head == NULL) {
            h->todo_tail = NULL;
        }
        h->nwaiting--;
        pthread_mutex_unlock(&h->lock);

        t->run(t->arg);

        pthread_mutex_lock(&h->lock);
        t->next = h->finished;
        h->finished = t;
        uint64_t one = 1;
        if (write(h->done_fd, &one, sizeof(one)) < 0) {
            continue; /* the counter is not zero: the loop wakes anyhow */
        }
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

static void on_done(evutil_socket_t fd, short what, void *arg) {
    fb_helper *h = arg;
    uint64_t n;
    (void)what;

    if (read(fd, &n, sizeof(n)) < 0) {
        return;
    }
    pthread_mutex_lock(&h->lock);
    fb_task *t = h->finished;
    h->finished = NULL;
    pthread_mutex_unlock(&h->lock);
    while (t != NULL) {
        fb_task *next = t->next;
        if (t->owner != NULL) {
            t->done(t, t->owner);
        }
        t->drop(t);
        t = next;
    }
}

static bool start_threads(fb_helper *h, unsigned n) {
    while (h->nthreads < n && fb_thread_start(&h->threads[h->nthreads], 0, work, h)) {
        h->nthreads++;
    }
    return h->nthreads == n;
}

fb_helper *fb_helper_new(struct event_base *base, unsigned threads, unsigned queue_max) {
    fb_helper *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        return NULL;
    }
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->wake, NULL);
    h->queue_max = queue_max;
    h->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    h->threads = calloc(threads, sizeof(*h->threads));
    if (h->done_fd >= 0) {
        h->done_event = event_new(base, h->done_fd, EV_READ | EV_PERSIST, on_done, h);
    }
    if (h->threads == NULL || h->done_event == NULL || event_add(h->done_event, NULL) != 0 || !start_threads(h, threads)) {
        fb_helper_free(h);
        return NULL;
    }
    return h;
}

static void drop_all(fb_task *t) {
    while (t != NULL) {
        fb_task *next = t->next;
        t->drop(t);
        t = next;
    }
}

void fb_helper_free(fb_helper *h) {
    if (h == NULL) {
        return;
    }
    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    pthread_cond_broadcast(&h->wake);
    pthread_mutex_unlock(&h->lock);
    for (unsigned i = 0; i < h->nthreads; i++) {
        pthread_join(h->threads[i], NULL);
    }
    drop_all(h->todo_head);
    drop_all(h->finished);
    if (h->done_event != NULL) {
        event_free(h->done_event);
    }
    if (h->done_fd >= 0) {
        close(h->done_fd);
    }
    free(h->threads);
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

bool fb_helper_submit(fb_helper *h, fb_task *t) {
    bool taken = false;

    pthread_mutex_lock(&h->lock);
    if (h->nwaiting < h->queue_max) {
        t->next = NULL;
        if (h->todo_tail != NULL) {
            h->todo_tail->next = t;
        } else {
            h->todo_head = t;
        }
        h->todo_tail = t;
        h->nwaiting++;
        taken = true;
        pthread_cond_signal(&h->wake);
    }
    pthread_mutex_unlock(&h->lock);
    return taken;
}

void fb_helper_cancel(fb_task *t) {
    t->owner = NULL; /* read on the loop's thread only */
}
