/* The tenant directory: which district answers to which host name.
 *
 * Snapshot (file, and later the feed), one line of header and a JSON payload:
 *   bell-directory 1 <version> <payload bytes> <SHA-256 of the payload, lower-case hex>\n
 *   {"version":N,"tenants":[{"id":1,"name":"demo","title":"Demo District","status":"active","locale":"en","hosts":["demo.localhost"]}],
 *    "default_tenant":1}
 * The checksum is verified before the payload is parsed. "default_tenant" is absent once a second tenant exists; unknown names and bare
 * addresses go to it. A host belongs to one tenant only. Hosts are written as bell_host_normalize leaves them; names are unique.
 * Members come in this order at the top, in any order within a tenant, where unknown ones are passed over.
 *
 * Image: the same as one position-independent block of bytes for shared memory, aligned to 8 bytes. It holds no titles. Offsets are checked on
 * every read, so that a reader who races a writer sees rubbish at worst and never reads outside of the image; the caller's version check then
 * discards it. What is not an image has version 0, no tenants and no hosts. */
#ifndef BELL_DIRECTORY_H
#define BELL_DIRECTORY_H

#include "bell_buf.h"
#include "bell_host.h"

#pragma GCC visibility push(hidden)

#define BELL_DIRECTORY_NAME_MAX   63
#define BELL_DIRECTORY_LOCALE_MAX 35
#define BELL_DIRECTORY_HEADER_MAX 160

typedef enum {
    BELL_TENANT_ACTIVE = 1,
    BELL_TENANT_READ_ONLY = 2,
    BELL_TENANT_EXAM = 3,
    BELL_TENANT_SUSPENDED = 4,
} bell_tenant_status;

/* "active", "read-only", "exam", "suspended". NULL for another value. */
const char *bell_tenant_status_name(bell_tenant_status s);
/* 0 when unknown. */
bell_tenant_status bell_tenant_status_of(bell_str name);

/* What a request keeps of its tenant: a copy, no pointer into the image. */
typedef struct {
    uint32_t id;
    bell_tenant_status status;
    char name[BELL_DIRECTORY_NAME_MAX + 1]; /* [a-z0-9-] */
    char locale[BELL_DIRECTORY_LOCALE_MAX + 1];
} bell_tenant;

/* Writing a snapshot: one call a tenant, ids ascending. `title` is UTF-8. */
typedef struct {
    uint32_t id;
    bell_tenant_status status;
    bell_str name, title, locale;
    const bell_str *hosts;
    size_t nhosts;
} bell_directory_row;

/* Appends a whole snapshot. default_tenant 0: none. false: out failed, or a row could not be read back (ids that do not ascend, a status, name,
 * locale, title or host that is not one, a default tenant beside others). That names and hosts are unique is for the caller to know. */
bool bell_directory_write(bell_buf *out, uint64_t version, const bell_directory_row *rows, size_t nrows, uint32_t default_tenant)
    __attribute__((warn_unused_result));

/* Checks a snapshot whole and turns it into an image of *image_len bytes from malloc. NULL: err holds a sentence ("checksum does not
 * match: the file is torn or was changed", "tenants[3].hosts[0]: \"a_b\" is not a host name", …). */
void *bell_directory_build(bell_str snapshot, size_t *image_len, char *err, size_t err_len) __attribute__((warn_unused_result));

uint64_t bell_directory_version(const void *image, size_t image_len);
size_t bell_directory_tenant_count(const void *image, size_t image_len);

/* host: already normalized (bell_host_normalize). 1: exact match; 2: the default tenant; 0: nobody's. */
int bell_directory_find(const void *image, size_t image_len, bell_str host, bell_tenant *out) __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
