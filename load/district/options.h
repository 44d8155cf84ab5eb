/* What a district is asked to be. */
#ifndef LOAD_DISTRICT_OPTIONS_H
#define LOAD_DISTRICT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* The one mistake in it. */
typedef enum {
    WHOLE,
    MISSING_COLUMN,
    UNKNOWN_REFERENCE,
    DUPLICATE_SOURCEDID,
    BAD_ENUM,
    BAD_DATE,
    NUL_BYTE,
    INVALID_UTF8,
    LONG_FIELD,
    TRUNCATED_ZIP,
    ZIP_BOMB,
    MANIFEST_MISMATCH,
    BAD_QUOTE,
    WRONG_VERSION,
    IN_A_FOLDER,
    ORG_CIRCLE,
    KINDS
} kind;

typedef struct {
    uint64_t schools, students, seed;
    const char *path;
    kind broken;
    uint64_t weights; /* of all schools together */
} options;

/* Reads the command line; false, with a sentence on standard error where it helps, when something is missing or not understood. */
bool read_options(int argc, char **argv, options *opt);
/* Gives the exit code. */
int usage(void);

#endif
