#include "origin/server/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(char *err, size_t err_len, const char *where, const char *reason, int fd) {
    snprintf(err, err_len, "cannot listen on %s: %s", where, reason);
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

static bool somebody_listens(const struct sockaddr_un *a) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); /* or it would wait for room in the queue of one that hangs */
    bool yes = fd >= 0 && (connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 || errno == EAGAIN);
    if (fd >= 0) {
        close(fd);
    }
    return yes;
}

static int listen_unix(const char *where, char *err, size_t err_len) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const char *path = where + strlen("unix:");

    if (strlen(path) >= sizeof(a.sun_path)) {
        return fail(err, err_len, where, "the path of a socket may have 107 bytes at most; choose a shorter directory", -1);
    }
    memcpy(a.sun_path, path, strlen(path) + 1);
    if (somebody_listens(&a)) {
        return fail(err, err_len, where, "another process listens there; stop it first", -1);
    }
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fail(err, err_len, where, strerror(errno), -1);
    }
    mode_t before = umask(0117); /* 0660 from the first moment */
    int bound = bind(fd, (struct sockaddr *)&a, sizeof(a));
    umask(before);
    if (bound != 0 || listen(fd, FB_LISTEN_BACKLOG) != 0) {
        return fail(err, err_len, where, strerror(errno), fd);
    }
    return fd;
}

static int listen_inet(const char *where, char *err, size_t err_len) {
    char host[256];
    const char *colon = strrchr(where, ':');
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *ai = NULL;

    if (colon == NULL || (size_t)(colon - where) >= sizeof(host)) {
        return fail(err, err_len, where, "expected unix:PATH or ADDRESS:PORT", -1);
    }
    snprintf(host, sizeof(host), "%.*s", (int)(colon - where), where);
    size_t n = strlen(host);
    const char *address = host;
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        address = host + 1;
    }
    int rc = getaddrinfo(address, colon + 1, &hints, &ai);
    if (rc != 0) {
        return fail(err, err_len, where, gai_strerror(rc), -1);
    }
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 && bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
              listen(fd, FB_LISTEN_BACKLOG) == 0;
    int why = errno;
    freeaddrinfo(ai);
    return ok ? fd : fail(err, err_len, where, strerror(why), fd);
}

int fb_listen(const char *where, char *err, size_t err_len) {
    return strncmp(where, "unix:", 5) == 0 ? listen_unix(where, err, err_len) : listen_inet(where, err, err_len);
}

void fb_listen_remove(const char *where) {
    if (strncmp(where, "unix:", 5) == 0) {
        unlink(where + 5);
    }
}
