/* Options of a command: `--name VALUE` or `--name=VALUE`, in any order with the operands; `--` ends them. One table a command. */
#ifndef FB_OPTIONS_H
#define FB_OPTIONS_H

#include <stdbool.h>

typedef struct {
    const char *name;    /* without the dashes */
    const char **values; /* room for `most` values, which point into argv; NULL for a flag */
    int most;            /* 1 for an option that may stand once */
    bool required;
    int seen; /* how often it stood there */
} fb_option;

/* Fills the table and operands[0..noperands), all of which must be there. argv[0] is not looked at. false: wrong usage, a sentence has
 * been written to standard error. */
bool fb_options_parse(int argc, char **argv, fb_option *options, int noptions, const char **operands, int noperands)
    __attribute__((warn_unused_result));

#endif
