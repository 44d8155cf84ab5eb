/* Runs a fuzz target on every file of the folders given, so that its corpus is an ordinary test: fuzz_http tests/fuzz/corpus/http */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* The bytes lie in memory of exactly their size: a sanitizer sees the first read past the end. */
static int replay_file(const char *path) {
    FILE *f = fopen(path, "rb");
    struct stat st;
    uint8_t *data;
    size_t size;

    if (f == NULL || fstat(fileno(f), &st) != 0) {
        fprintf(stderr, "replay: %s: cannot be read: %s\n", path, strerror(errno));
        if (f != NULL) {
            fclose(f);
        }
        return -1;
    }
    size = (size_t)st.st_size;
    data = malloc(size ? size : 1);
    if (data == NULL || fread(data, 1, size, f) != size) {
        fprintf(stderr, "replay: %s: cannot be read whole\n", path);
        free(data);
        fclose(f);
        return -1;
    }
    fclose(f);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

/* How many inputs there were, -1 when one could not be read. */
static int replay_folder(const char *folder) {
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, alphasort), inputs = 0;

    if (n < 0) {
        fprintf(stderr, "replay: %s: not a folder of inputs: %s\n", folder, strerror(errno));
        return -1;
    }
    for (int i = 0; i < n; i++) {
        char path[4096];

        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && inputs >= 0) {
            inputs = replay_file(path) < 0 ? -1 : inputs + 1;
        }
        free(entries[i]);
    }
    free(entries);
    return inputs;
}

int main(int argc, char **argv) {
    int total = 0;

    for (int i = 1; i < argc; i++) {
        int n = replay_folder(argv[i]);

        if (n < 0) {
            return 1;
        }
        total += n;
    }
    if (total == 0) {
        fprintf(stderr, "%s: there were no inputs; name one or more folders of them\n", argv[0]);
        return 1;
    }
    printf("%s: %d inputs\n", argv[0], total);
    return 0;
}
