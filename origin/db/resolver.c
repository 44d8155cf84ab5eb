#include "origin/db/resolver.h"

#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "origin/server/thread.h"

#define STACK_BYTES (1024 * 1024) /* modules of the name service switch are somebody else's code */

typedef struct {
    int fd; /* of a pipe: '+' or '-', and the text */
    char name[];
} work;

bool fb_resolver_is_name(const char *host) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found = NULL;

    if (host == NULL || host[0] == '/' || host[0] == '@' || host[0] == '\0') {
        return false;
    }
    if (getaddrinfo(host, NULL, &hints, &found) != 0) {
        return true;
    }
    freeaddrinfo(found);
    return false;
}

static size_t write_addresses(const struct addrinfo *found, char *out, size_t room) {
    char address[FB_ADDRESS_BYTES];
    size_t len = 0;

    for (unsigned n = 0; found != NULL && n < FB_ADDRESSES_MAX; found = found->ai_next) {
        if (getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof(address), NULL, 0, NI_NUMERICHOST) == 0) {
            len += (size_t)snprintf(out + len, room - len, "%s%s", n++ > 0 ? "," : "", address);
        }
    }
    return len;
}

static void *look_up(void *arg) {
    work *w = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char answer[1 + FB_ADDRESSES_BYTES] = "+";
    int rc = getaddrinfo(w->name, NULL, &hints, &found);
    size_t len = rc == 0 ? write_addresses(found, answer + 1, FB_ADDRESSES_BYTES) : 0;

    if (len == 0) {
        snprintf(answer, sizeof(answer), "-the host name \"%.255s\" cannot be looked up: %s", w->name, gai_strerror(rc != 0 ? rc : EAI_NONAME));
    }
    if (found != NULL) {
        freeaddrinfo(found);
    }
    (void)!write(w->fd, answer, strlen(answer)); /* a pipe takes so little at once, or nobody waits any more */
    close(w->fd);
    free(w);
    return NULL;
}

int fb_resolver_start(const char *name) {
    size_t len = strlen(name) + 1;
    work *w = malloc(sizeof(*w) + len);
    pthread_t thread;
    int ends[2];

    if (w == NULL || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(w);
        return -1;
    }
    w->fd = ends[1];
    memcpy(w->name, name, len);
    if (!fb_thread_start(&thread, STACK_BYTES, look_up, w)) {
        close(ends[0]);
        close(ends[1]);
        free(w);
        return -1;
    }
    pthread_detach(thread);
    return ends[0];
}

bool fb_resolver_take(int fd, char out[FB_ADDRESSES_BYTES]) {
    char verdict = '-';
    ssize_t len = read(fd, &verdict, 1) == 1 ? read(fd, out, FB_ADDRESSES_BYTES - 1) : -1;

    out[len > 0 ? len : 0] = '\0';
    return verdict == '+' && len > 0;
}
