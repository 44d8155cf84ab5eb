#include "origin/server/options.h"
#include "unit.h"

#include <string.h>

typedef struct {
    const char *title, *hosts[2], *operands[1];
    fb_option options[3];
} parsed;

/* The words, parted by spaces, as arguments of a command with one operand, --title (required), --host (twice at most) and the flag --once. */
static bool parse(const char *words, char *buf, size_t buf_len, parsed *p) {
    char *argv[20] = {"command"};
    int argc = 1;
    strncpy(buf, words, buf_len - 1);
    for (char *word = strtok(buf, " "); word; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    *p = (parsed){.options = {{"title", &p->title, 1, true, 0}, {"host", p->hosts, 2, false, 0}, {"once", NULL, 0, false, 0}}};
    return fb_options_parse(argc, argv, p->options, 3, p->operands, 1);
}

static const struct {
    const char *words, *operand, *title;
    int hosts, once;
} right[] = {
    {"name --title T", "name", "T", 0, 0},
    {"--title T name", "name", "T", 0, 0},
    {"--title=T name", "name", "T", 0, 0},
    {"--title=a=b name", "name", "a=b", 0, 0},
    {"--host a --title T --host=b name --once", "name", "T", 2, 1},
    {"--title T -- --name", "--name", "T", 0, 0},
    {"--title --host name", "name", "--host", 0, 0},
    {"- --title T", "-", "T", 0, 0},
};

static void right_words(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(right); i++) {
        char buf[200] = "";
        parsed p;
        assert_row(parse(right[i].words, buf, sizeof buf, &p), right[i].words);
        assert_string_equal(p.operands[0], right[i].operand);
        assert_string_equal(p.title, right[i].title);
        assert_int_equal(p.options[1].seen, right[i].hosts);
        assert_int_equal(p.options[2].seen, right[i].once);
    }
}

static const char *const wrong[] = {
    "",
    "name",                                      /* --title is missing */
    "--title T",                                 /* the operand is missing */
    "name --title",                              /* a value is missing */
    "name --title=",                             /* an empty one */
    "name --title T --title U",                  /* twice */
    "name --title T --host a --host b --host c", /* too often */
    "name other --title T",                      /* an operand too many */
    "name --title T --nonsense",                 /* unknown */
    "name --title T --tit U",                    /* not abbreviated */
    "name --title T --once=yes",                 /* a flag with a value */
    "name --title T -- --host a",                /* operands behind -- */
};

static void wrong_words(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(wrong); i++) {
        char buf[200] = "";
        parsed p;
        assert_row(!parse(wrong[i], buf, sizeof buf, &p), wrong[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_words),
        cmocka_unit_test(wrong_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
