
/*
 * Slots of processes, in memory that all of them share, and an eventfd for
 * each.  They are made once, by the master: what came into being behind a
 * fork could not be handed to the processes that are there already.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_channel.h>

#include <sys/eventfd.h>
#include <sys/mman.h>

#include "ngx_http_bell_core_conf.h"
#include "ngx_http_bell_process.h"


/*
 * A line each.  A slot's epoch goes up with every process that has it, so
 * that what names slot and epoch never means a later one.
 */

typedef struct {
    ngx_atomic_t  pid;              /* 0: nobody's */
    ngx_atomic_t  epoch;
    uint64_t      started;          /* of the pid, which others may be given */
    u_char        unused[64 - 2 * sizeof(ngx_atomic_t) - sizeof(uint64_t)];
} ngx_http_bell_slot_t;


typedef struct {
    ngx_http_bell_wake_pt   handler;
    void                   *data;
} ngx_http_bell_waker_t;


static ngx_uint_t ngx_http_bell_slot_is_free(ngx_http_bell_slot_t *slot);
static ngx_uint_t ngx_http_bell_pid_lives(ngx_pid_t pid, uint64_t started);
static uint64_t ngx_http_bell_pid_started(ngx_pid_t pid);
static void ngx_http_bell_process_woken(ngx_event_t *ev);


/* of a slot that somebody is about to take: neither free nor alive */

#define NGX_HTTP_BELL_PID_BUSY  ((ngx_atomic_uint_t) -1)


/* of the master, and of all that it has forked */

static ngx_http_bell_slot_t     *ngx_http_bell_slots;
static int                       ngx_http_bell_fds[NGX_HTTP_BELL_PROCESSES];

static ngx_http_bell_process_t   ngx_http_bell_self;


ngx_int_t
ngx_http_bell_processes_create(ngx_log_t *log)
{
    void        *p;
    size_t       size;
    ngx_uint_t   i;

    if (ngx_http_bell_slots) {
        return NGX_OK;
    }

    size = NGX_HTTP_BELL_PROCESSES * sizeof(ngx_http_bell_slot_t);

    p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_ANON|MAP_SHARED, -1, 0);

    if (p == MAP_FAILED) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "mmap(%uz) for the slots of processes failed", size);
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_HTTP_BELL_PROCESSES; i++) {

        ngx_http_bell_fds[i] = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

        if (ngx_http_bell_fds[i] == -1) {
            ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                          "eventfd() failed: %d descriptors are needed "
                          "besides those of connections",
                          NGX_HTTP_BELL_PROCESSES);

            while (i) {
                (void) close(ngx_http_bell_fds[--i]);
            }

            (void) munmap(p, size);

            return NGX_ERROR;
        }
    }

    ngx_http_bell_slots = p;

    return NGX_OK;
}


ngx_int_t
ngx_http_bell_process_enter(ngx_cycle_t *cycle)
{
    ngx_uint_t             i;
    ngx_atomic_uint_t      pid;
    ngx_http_bell_slot_t  *slot;

    if (ngx_http_bell_self.epoch) {
        return NGX_OK; /* a reload without a master */
    }

    for (i = 0; i < NGX_HTTP_BELL_PROCESSES; i++) {
        slot = &ngx_http_bell_slots[i];
        pid = slot->pid;

        if (ngx_http_bell_slot_is_free(slot)
            && ngx_atomic_cmp_set(&slot->pid, pid, NGX_HTTP_BELL_PID_BUSY))
        {
            break;
        }
    }

    if (i == NGX_HTTP_BELL_PROCESSES) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "all %d slots of processes are taken: this one does "
                      "what others are waited for by itself until workers of "
                      "former configurations are gone",
                      NGX_HTTP_BELL_PROCESSES);
        return NGX_OK;
    }

    slot->started = ngx_http_bell_pid_started(ngx_pid);

    ngx_http_bell_self.slot = (uint32_t) i;
    ngx_http_bell_self.epoch = (uint32_t) ++slot->epoch;

    ngx_memory_barrier();

    slot->pid = ngx_pid;

    /* whoever had it before may have been woken and never looked */

    if (ngx_add_channel_event(cycle, ngx_http_bell_fds[i], NGX_READ_EVENT,
                              ngx_http_bell_process_woken)
        != NGX_OK)
    {
        ngx_http_bell_process_leave();
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_http_bell_process_leave(void)
{
    if (ngx_http_bell_self.epoch) {
        ngx_http_bell_slots[ngx_http_bell_self.slot].pid = 0;
        ngx_http_bell_self.epoch = 0;
    }
}


static ngx_uint_t
ngx_http_bell_slot_is_free(ngx_http_bell_slot_t *slot)
{
    ngx_pid_t  pid;

    pid = (ngx_pid_t) slot->pid;

    return pid == 0
           || (slot->pid != NGX_HTTP_BELL_PID_BUSY
               && !ngx_http_bell_pid_lives(pid, slot->started));
}


static ngx_uint_t
ngx_http_bell_pid_lives(ngx_pid_t pid, uint64_t started)
{
    uint64_t  now;

    if (kill(pid, 0) == -1 && ngx_errno == ESRCH) {
        return 0;
    }

    /* 0: not known, of this process or of that one */

    now = started ? ngx_http_bell_pid_started(pid) : 0;

    return now == 0 || now == started;
}


/* In ticks since the machine began, the 22nd word of proc(5)'s "stat". */

static uint64_t
ngx_http_bell_pid_started(ngx_pid_t pid)
{
    int         fd;
    u_char     *p, buf[512], name[sizeof("/proc//stat") + NGX_INT_T_LEN];
    ssize_t     n;
    ngx_uint_t  words;

    *ngx_sprintf(name, "/proc/%P/stat", pid) = '\0';

    fd = open((char *) name, O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        return 0;
    }

    n = read(fd, buf, sizeof(buf) - 1);

    (void) close(fd);

    if (n <= 0) {
        return 0;
    }

    buf[n] = '\0';

    /* the second word is the program's name, and may have anything in it */

    p = (u_char *) strrchr((char *) buf, ')');

    for (words = 2; p && words < 22; words++) {
        p = (u_char *) strchr((char *) p + 1, ' ');
    }

    return p ? strtoull((char *) p + 1, NULL, 10) : 0;
}


static void
ngx_http_bell_process_woken(ngx_event_t *ev)
{
    uint64_t                         n;
    ngx_uint_t                       i;
    ngx_connection_t                *c;
    ngx_http_bell_waker_t           *waker;
    ngx_http_bell_core_main_conf_t  *bmcf;

    c = ev->data;

    /* one read takes all that has come; what comes later is told anew */

    if (read(c->fd, &n, sizeof(n)) == -1 && ngx_errno != EAGAIN) {
        ngx_log_error(NGX_LOG_ALERT, ev->log, ngx_errno,
                      "read() of an eventfd failed");
        return;
    }

    bmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_bell_core_module);
    waker = bmcf->wakers.elts;

    for (i = 0; i < bmcf->wakers.nelts; i++) {
        waker[i].handler((ngx_cycle_t *) ngx_cycle, waker[i].data);
    }
}


ngx_int_t
ngx_http_bell_process_on_wake(ngx_conf_t *cf, ngx_http_bell_wake_pt handler,
    void *data)
{
    ngx_http_bell_waker_t           *waker;
    ngx_http_bell_core_main_conf_t  *bmcf;

    bmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_core_module);

    if (bmcf->wakers.elts == NULL
        && ngx_array_init(&bmcf->wakers, cf->pool, 2,
                          sizeof(ngx_http_bell_waker_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    waker = ngx_array_push(&bmcf->wakers);
    if (waker == NULL) {
        return NGX_ERROR;
    }

    waker->handler = handler;
    waker->data = data;

    return NGX_OK;
}


ngx_http_bell_process_t
ngx_http_bell_process_self(void)
{
    return ngx_http_bell_self;
}


ngx_uint_t
ngx_http_bell_process_lives(ngx_http_bell_process_t process)
{
    ngx_pid_t              pid;
    ngx_http_bell_slot_t  *slot;

    if (process.epoch == 0 || process.slot >= NGX_HTTP_BELL_PROCESSES) {
        return 0;
    }

    slot = &ngx_http_bell_slots[process.slot];
    pid = (ngx_pid_t) slot->pid;

    return pid > 0 && slot->epoch == process.epoch
           && ngx_http_bell_pid_lives(pid, slot->started);
}


/* A full counter is a process that has long been woken. */

void
ngx_http_bell_process_wake(ngx_uint_t slot)
{
    uint64_t  one = 1;

    if (write(ngx_http_bell_fds[slot], &one, sizeof(one)) == -1
        && ngx_errno != EAGAIN)
    {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      "write() to an eventfd failed");
    }
}
