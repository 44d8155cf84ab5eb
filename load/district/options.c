#include "load/district/options.h"

#include <stdio.h>
#include <string.h>

#include "bell_str.h"

static const char *const kind_names[KINDS] = {
    [WHOLE] = "none",
    [MISSING_COLUMN] = "missing-column",
    [UNKNOWN_REFERENCE] = "unknown-reference",
    [DUPLICATE_SOURCEDID] = "duplicate-sourcedid",
    [BAD_ENUM] = "bad-enum",
    [BAD_DATE] = "bad-date",
    [NUL_BYTE] = "nul-byte",
    [INVALID_UTF8] = "invalid-utf8",
    [LONG_FIELD] = "long-field",
    [TRUNCATED_ZIP] = "truncated-zip",
    [ZIP_BOMB] = "zip-bomb",
    [MANIFEST_MISMATCH] = "manifest-mismatch",
    [BAD_QUOTE] = "bad-quote",
    [WRONG_VERSION] = "wrong-version",
    [IN_A_FOLDER] = "in-a-folder",
    [ORG_CIRCLE] = "org-circle",
};

int usage(void) {
    fprintf(stderr, "usage: district --schools N --students N --seed S --out FILE.zip [--broken KIND]\nkinds:");
    for (int k = WHOLE + 1; k < KINDS; k++) {
        fprintf(stderr, " %s", kind_names[k]);
    }
    fprintf(stderr, "\n");
    return 2;
}

static bool read_number(const char *text, uint64_t min, uint64_t max, uint64_t *out) {
    return bell_str_to_u64(bell_str_of(text), max, out) && *out >= min;
}

static bool read_kind(const char *text, kind *out) {
    for (int k = WHOLE; k < KINDS; k++) {
        if (strcmp(text, kind_names[k]) == 0) {
            *out = (kind)k;
            return true;
        }
    }
    return false;
}

bool read_options(int argc, char **argv, options *opt) {
    bool ok = true;

    for (int i = 1; ok && i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--schools") == 0) {
            ok = read_number(value, 1, 100000, &opt->schools);
        } else if (strcmp(argv[i], "--students") == 0) {
            ok = read_number(value, 1, 100000000, &opt->students);
        } else if (strcmp(argv[i], "--seed") == 0) {
            ok = read_number(value, 0, UINT64_MAX, &opt->seed);
        } else if (strcmp(argv[i], "--out") == 0) {
            opt->path = value;
        } else {
            ok = strcmp(argv[i], "--broken") == 0 && read_kind(value, &opt->broken);
        }
        if (!ok) {
            fprintf(stderr, "district: %s \"%s\" is not understood\n", argv[i], value);
        }
    }
    return ok && opt->schools > 0 && opt->students > 0 && opt->path != NULL && opt->path[0] != '\0';
}
