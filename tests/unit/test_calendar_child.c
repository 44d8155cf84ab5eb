/* Commands that run beside `firstbell jobs`: what they say, how they end, and that nothing of them is left. The command is this program, which is
 * what /proc/self/exe is: "child -c FILE WORD" says or does what WORD means. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "origin/jobs/calendar_child.h"

#define NEVER_MS INT64_MAX

static fb_settings settings = {.file = "/dev/null"};

static int act(const char *word) {
    if (strcmp(word, "say") == 0) {
        printf("one line\nanother, without an end");
        return 3;
    }
    if (strcmp(word, "open") == 0) {
        return fcntl(3, F_GETFD) < 0 && errno == EBADF ? 0 : 1; /* none of ours has come along */
    }
    signal(SIGTERM, SIG_IGN);
    printf("here\n");
    fflush(stdout);
    for (;;) {
        pause();
    }
}

static size_t descriptors(void) {
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    assert_non_null(dir);
    while (dir && readdir(dir)) {
        n++;
    }
    closedir(dir);
    return n;
}

static void assert_nothing_left(size_t before) {
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(descriptors(), before);
}

static int code_of(fb_child *child) {
    int code = -2;

    while (!fb_child_read(child, &code)) {
        assert_true(fb_child_runs(child));
    }
    assert_false(fb_child_runs(child));
    return code;
}

static void its_exit_code_is_told_and_nothing_is_left(void **state) {
    size_t before = descriptors();
    fb_child child = {.name = "test"};

    (void)state;
    assert_true(fb_child_start(&child, &settings, (const char *const[]){"say", NULL}, NEVER_MS));
    assert_int_equal(code_of(&child), 3);
    assert_true(fb_child_start(&child, &settings, (const char *const[]){"open", NULL}, NEVER_MS));
    assert_int_equal(code_of(&child), 0);
    assert_nothing_left(before);
}

/* Until it is there it could be ended by what it leaves out. */
static void wait_until_here(fb_child *child) {
    struct pollfd said = {.fd = child->fd, .events = POLLIN};
    int code;

    assert_int_equal(poll(&said, 1, 60000), 1);
    assert_false(fb_child_read(child, &code));
}

static void one_that_does_not_end_is_killed_when_its_time_is_over(void **state) {
    size_t before = descriptors();
    fb_child child = {.name = "test"};

    (void)state;
    assert_true(fb_child_start(&child, &settings, (const char *const[]){"hang", NULL}, 1000));
    wait_until_here(&child);
    fb_child_look(&child, 999);
    assert_int_equal(kill(child.pid, 0), 0);
    fb_child_look(&child, 1000);
    fb_child_look(&child, 1001); /* once is enough */
    assert_int_equal(code_of(&child), -1);
    fb_child_look(&child, 1002);
    assert_nothing_left(before);
}

static void one_that_heeds_nothing_can_be_stopped(void **state) {
    size_t before = descriptors();
    fb_child child = {.name = "test"};

    (void)state;
    assert_true(fb_child_start(&child, &settings, (const char *const[]){"hang", NULL}, NEVER_MS));
    wait_until_here(&child);
    kill(child.pid, SIGSTOP);
    fb_child_stop(&child);
    assert_false(fb_child_runs(&child));
    fb_child_stop(&child);
    assert_nothing_left(before);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_exit_code_is_told_and_nothing_is_left),
        cmocka_unit_test(one_that_does_not_end_is_killed_when_its_time_is_over),
        cmocka_unit_test(one_that_heeds_nothing_can_be_stopped),
    };

    if (argc == 4 && strcmp(argv[1], "-c") == 0) {
        return act(argv[3]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
