#include "bell_context_key.h"

#include "bell_hex.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_BYTES   32
#define FILE_MAX_BYTES (1 << 20)

bool bell_context_is_id(bell_str id) {
    for (size_t i = 0; i < id.len; i++) {
        if (!isalnum((unsigned char)id.p[i]) && id.p[i] != '-' && id.p[i] != '_') {
            return false;
        }
    }
    return id.len > 0 && id.len <= BELL_CONTEXT_ID_BYTES;
}

static bool read_secret(bell_str line, unsigned char out[SECRET_BYTES]) {
    return line.len == 2 * SECRET_BYTES && bell_hex_decode(line, BELL_HEX_ANY, out);
}

static bool add_tenant(bell_context_key *k, bell_str word) {
    uint64_t id;

    if (!bell_str_to_u64(word, INT32_MAX, &id) || id == 0 || word.p[0] == '0') {
        return false;
    }
    if ((k->ntenants & (k->ntenants - 1)) == 0) { /* at each power of two there is room for as many again */
        uint32_t *more = realloc(k->tenants, (k->ntenants > 0 ? 2 * k->ntenants : 1) * sizeof(*more));
        if (more == NULL) {
            return false;
        }
        k->tenants = more;
    }
    k->tenants[k->ntenants++] = (uint32_t)id;
    return true;
}

/* "tenants 1 7" or "tenants *"; *any remembers the latter. */
static bool read_tenants(bell_context_key *k, bell_str line, bool *any) {
    if (!bell_str_eq(bell_str_cut(&line, ' '), BELL_STR("tenants")) || line.len == 0) {
        return false;
    }
    if (bell_str_eq(line, BELL_STR("*"))) {
        *any = true;
        return true;
    }
    while (line.len > 0) {
        bool ends = line.p[line.len - 1] == ' ';
        if (ends || !add_tenant(k, bell_str_cut(&line, ' '))) {
            return false;
        }
    }
    return true;
}

static int compare_ids(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool read_lines(bell_context_key *k, bell_str text, char *err, size_t err_len) {
    bool any = false;

    for (unsigned number = 2; text.len > 0; number++) {
        if (!read_tenants(k, bell_str_cut(&text, '\n'), &any)) {
            snprintf(err, err_len, "line %u: expected \"tenants ID ID...\" with the numbers of tenants, or \"tenants *\"", number);
            return false;
        }
    }
    if (any && k->ntenants > 0) {
        snprintf(err, err_len, "\"tenants *\" beside a list of tenants: keep one of them");
        return false;
    }
    k->all_tenants = k->ntenants == 0;
    if (!k->all_tenants) {
        qsort(k->tenants, k->ntenants, sizeof(*k->tenants), compare_ids);
    }
    return true;
}

bell_context_key *bell_context_key_parse(bell_str id, bell_str text, char *err, size_t err_len) {
    unsigned char secret[SECRET_BYTES] = {0};
    bell_context_key *k = calloc(1, sizeof(*k));
    bool ok = false;

    if (k == NULL) {
        snprintf(err, err_len, "no memory");
    } else if (!bell_context_is_id(id)) {
        snprintf(err, err_len, "its name is no id of a key: at most %d letters, digits, - and _ are expected, and .key", BELL_CONTEXT_ID_BYTES);
    } else if (!read_secret(bell_str_cut(&text, '\n'), secret)) {
        snprintf(err, err_len, "line 1: expected the key, 64 hex digits");
    } else {
        memcpy(k->id, id.p, id.len);
        ok = bell_hmac_init(&k->mac, BELL_HMAC_SHA256, secret, sizeof(secret)) && read_lines(k, text, err, err_len);
    }
    OPENSSL_cleanse(secret, sizeof(secret));
    if (!ok) {
        bell_context_key_free(k);
        return NULL;
    }
    return k;
}

/* The name of the file without its folder and ".key". */
static bell_str id_of_path(const char *path) {
    const char *slash = strrchr(path, '/');
    bell_str name = bell_str_of(slash != NULL ? slash + 1 : path);

    if (name.len <= 4 || memcmp(name.p + name.len - 4, ".key", 4) != 0) {
        return BELL_STR_NULL;
    }
    return (bell_str){name.p, name.len - 4};
}

/* An open file that only its owner may use; -1: err says why not. */
static int open_private(const char *path, char *err, size_t err_len) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(err, err_len, "%s: cannot read the key: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode) || st.st_size >= FILE_MAX_BYTES) {
        snprintf(err, err_len, "%s: the key is expected in a file of less than %d bytes", path, FILE_MAX_BYTES);
    } else if ((st.st_mode & 077) != 0) {
        snprintf(err, err_len,
                 "%s: the key may be read or written by others (mode %04o); expected 0600: chmod 600 it, and make a new one if it was seen", path,
                 (unsigned)st.st_mode & 07777);
    } else {
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

/* The length; -1: err says why. */
static ssize_t read_private(const char *path, char *bytes, char *err, size_t err_len) {
    int fd = open_private(path, err, err_len);
    if (fd < 0) {
        return -1;
    }
    ssize_t n = read(fd, bytes, FILE_MAX_BYTES);
    if (n < 0) {
        snprintf(err, err_len, "%s: cannot read the key: %s", path, strerror(errno));
    }
    close(fd);
    return n;
}

bell_context_key *bell_context_key_load(const char *path, char *err, size_t err_len) {
    char why[200];
    bell_context_key *k = NULL;
    char *bytes = malloc(FILE_MAX_BYTES);

    if (bytes == NULL) {
        snprintf(err, err_len, "%s: no memory", path);
        return NULL;
    }
    ssize_t n = read_private(path, bytes, err, err_len);
    if (n >= 0) {
        k = bell_context_key_parse(id_of_path(path), (bell_str){bytes, (size_t)n}, why, sizeof(why));
        OPENSSL_cleanse(bytes, (size_t)n);
        if (k == NULL) {
            snprintf(err, err_len, "%s: %s", path, why);
        }
    }
    free(bytes);
    return k;
}

void bell_context_key_free(bell_context_key *k) {
    if (k == NULL) {
        return;
    }
    OPENSSL_cleanse(&k->mac, sizeof(k->mac));
    free(k->tenants);
    free(k);
}

const char *bell_context_key_id(const bell_context_key *k) {
    return k->id;
}

bool bell_context_key_serves(const bell_context_key *k, uint32_t tenant_id) {
    return k->all_tenants || bsearch(&tenant_id, k->tenants, k->ntenants, sizeof(*k->tenants), compare_ids) != NULL;
}
