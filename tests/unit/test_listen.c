#include "origin/server/listen.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define QUEUE_MAX 8 /* more than the queue of the one that hangs takes */

static char folder[] = "/tmp/fb-listen-XXXXXX";

static struct sockaddr_un address_of(const char *name, char where[128]) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int n = snprintf(where, 128, "unix:%s/%s", folder, name);
    assert_true(n > 0 && (size_t)n < sizeof(a.sun_path));
    memcpy(a.sun_path, where + 5, (size_t)n - 4);
    return a;
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

/* One that is stopped, or a drain that hangs: its queue is full, and a connect that waits for room would wait for ever. */
static void one_that_hangs_is_found_at_once(void **state) {
    char where[128], err[256] = "";
    struct sockaddr_un a = address_of("hangs", where);
    int waiting[QUEUE_MAX], fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)state;

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 0), 0);
    for (int i = 0; i < QUEUE_MAX; i++) {
        waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(waiting[i], (struct sockaddr *)&a, sizeof(a));
    }
    alarm(60); /* ends the program when it waits */
    assert_int_equal(fb_listen(where, err, sizeof(err)), -1);
    alarm(0);
    assert_non_null(strstr(err, "another process listens there; stop it first"));
    for (int i = 0; i < QUEUE_MAX; i++) {
        close(waiting[i]);
    }
    close(fd);
    fb_listen_remove(where);
}

static void a_file_that_was_left_is_replaced(void **state) {
    char where[128], err[256] = "";
    struct sockaddr_un a = address_of("left", where);
    int left = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)state;

    assert_int_equal(bind(left, (struct sockaddr *)&a, sizeof(a)), 0);
    close(left);
    int fd = fb_listen(where, err, sizeof(err));
    assert_true(fd >= 0);
    close(fd);
    fb_listen_remove(where);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_that_hangs_is_found_at_once), cmocka_unit_test(a_file_that_was_left_is_replaced)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
