#include "origin/server/options.h"

#include <stdio.h>
#include <string.h>

static fb_option *find_option(fb_option *options, int noptions, const char *word, size_t len) {
    for (int i = 0; i < noptions; i++) {
        if (strlen(options[i].name) == len && memcmp(options[i].name, word, len) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

/* Takes the option at argv[*i], and its value. */
static bool take_option(int argc, char **argv, int *i, fb_option *options, int noptions) {
    const char *word = argv[*i] + 2;
    size_t len = strcspn(word, "=");
    const char *value = word[len] == '=' ? word + len + 1 : NULL;
    fb_option *o = find_option(options, noptions, word, len);
    if (!o) {
        fprintf(stderr, "firstbell: there is no option --%.*s here\n", (int)len, word);
        return false;
    }
    if (!o->values) {
        o->seen++;
        if (value) {
            fprintf(stderr, "firstbell: --%s takes no value\n", o->name);
        }
        return !value;
    }
    if (!value && *i + 1 < argc) {
        value = argv[++*i];
    }
    if (!value || !*value) {
        fprintf(stderr, "firstbell: a value must follow --%s\n", o->name);
        return false;
    }
    if (o->seen == o->most) {
        fprintf(stderr, "firstbell: --%s may be given %s\n", o->name, o->most == 1 ? "only once" : "not that often");
        return false;
    }
    o->values[o->seen++] = value;
    return true;
}

static bool check_complete(const fb_option *options, int noptions, int operands_seen, int noperands) {
    if (operands_seen < noperands) {
        fprintf(stderr, "firstbell: %d words were expected, there %s %d\n", noperands, operands_seen == 1 ? "is" : "are", operands_seen);
        return false;
    }
    for (int i = 0; i < noptions; i++) {
        if (options[i].required && !options[i].seen) {
            fprintf(stderr, "firstbell: --%s is missing\n", options[i].name);
            return false;
        }
    }
    return true;
}

bool fb_options_parse(int argc, char **argv, fb_option *options, int noptions, const char **operands, int noperands) {
    int operands_seen = 0;
    bool options_over = false;
    for (int i = 1; i < argc; i++) {
        if (!options_over && strcmp(argv[i], "--") == 0) {
            options_over = true;
        } else if (!options_over && strncmp(argv[i], "--", 2) == 0) {
            if (!take_option(argc, argv, &i, options, noptions)) {
                return false;
            }
        } else if (operands_seen == noperands) {
            fprintf(stderr, "firstbell: \"%s\" is one word too many\n", argv[i]);
            return false;
        } else {
            operands[operands_seen++] = argv[i];
        }
    }
    return check_complete(options, noptions, operands_seen, noperands);
}
