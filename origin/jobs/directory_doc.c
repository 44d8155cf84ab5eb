#include "origin/jobs/directory_doc.h"

#include <stdlib.h>
#include <string.h>

enum { TENANT = 1, HOST, FLAG, LIMIT, KEY, POOL, SERVER, REVOCATION, TOTAL, PARTS };

static bell_str text_at(const PGresult *r, int row, int column) {
    return (bell_str){PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column)};
}

/* 0 for NULL, too. */
static int64_t number_at(const PGresult *r, int row, int column) {
    return strtoll(PQgetvalue(r, row, column), NULL, 10);
}

static int part_at(const PGresult *r, int row) {
    int part = atoi(PQgetvalue(r, row, FB_READ_PART));
    return part > 0 && part < PARTS ? part : 0;
}

static bool make_room(fb_directory_content *c, const PGresult *r, const fb_directory_named *named) {
    size_t n[PARTS] = {0};
    for (int i = 0; i < PQntuples(r); i++) {
        n[part_at(r, i)]++;
    }
    c->rows = calloc(n[TENANT] + 1, sizeof *c->rows);
    c->texts = calloc(n[HOST] + n[FLAG] + 1, sizeof *c->texts);
    c->limits = calloc(n[LIMIT] + 1, sizeof *c->limits);
    c->keys = calloc(n[KEY] + 1, sizeof *c->keys);
    c->pools = calloc(n[POOL] + 1, sizeof *c->pools);
    c->servers = calloc(n[SERVER] + 1, sizeof *c->servers);
    c->revoked = calloc(n[REVOCATION] + 1, sizeof *c->revoked);
    c->removed = calloc((named ? named->ntenants : 0) + 1, sizeof *c->removed);
    c->removed_pools = calloc((named ? named->npools : 0) + 1, sizeof *c->removed_pools);
    return c->rows && c->texts && c->limits && c->keys && c->pools && c->servers && c->revoked && c->removed && c->removed_pools;
}

/* Where the next of each kind goes. */
typedef struct {
    bell_directory_row *row; /* behind the tenant's; its parts follow it */
    bell_directory_pool *pool;
    bell_directory_revoked *revoked;
    bell_str *text;
    bell_directory_limit *limit;
    bell_record_key *key;
    bell_record_server *server;
} cursor;

static void take_tenant(cursor *at, const PGresult *r, int i) {
    *at->row++ = (bell_directory_row){
        .id = (uint32_t)number_at(r, i, FB_READ_TENANT),
        .status = (bell_tenant_status)number_at(r, i, FB_READ_N),
        .sessions_from_s = number_at(r, i, FB_READ_M),
        .name = text_at(r, i, FB_READ_A),
        .title = text_at(r, i, FB_READ_B),
        .locale = text_at(r, i, FB_READ_C),
        .upstream = text_at(r, i, FB_READ_D),
        .cluster = text_at(r, i, FB_READ_E),
        .region = text_at(r, i, FB_READ_F),
        .notice = text_at(r, i, FB_READ_G),
        .hosts = at->text,
        .flags = at->text,
        .limits = at->limit,
        .keys = at->key,
    };
}

/* A part of the tenant or pool that came before it. */
static void take_part(cursor *at, const PGresult *r, int i, int part) {
    switch (part) {
    case HOST:
        *at->text++ = text_at(r, i, FB_READ_A);
        at->row[-1].nhosts++;
        at->row[-1].flags = at->text;
        break;
    case FLAG:
        *at->text++ = text_at(r, i, FB_READ_A);
        at->row[-1].nflags++;
        break;
    case LIMIT:
        *at->limit++ = (bell_directory_limit){text_at(r, i, FB_READ_A), (uint64_t)number_at(r, i, FB_READ_N)};
        at->row[-1].nlimits++;
        break;
    case KEY:
        *at->key++ = (bell_record_key){.use = text_at(r, i, FB_READ_A),
                                       .kid = text_at(r, i, FB_READ_B),
                                       .alg = text_at(r, i, FB_READ_C),
                                       .material = text_at(r, i, FB_READ_D),
                                       .from_s = number_at(r, i, FB_READ_N),
                                       .until_s = number_at(r, i, FB_READ_M)};
        at->row[-1].nkeys++;
        break;
    default:
        *at->server++ = (bell_record_server){.address = text_at(r, i, FB_READ_B),
                                             .weight = (uint32_t)number_at(r, i, FB_READ_N),
                                             .state = (bell_server_state)number_at(r, i, FB_READ_M)};
        at->pool[-1].nservers++;
    }
}

static void take_row(fb_directory_content *c, cursor *at, const PGresult *r, int i) {
    int part = part_at(r, i);
    switch (part) {
    case 0:
        break;
    case TENANT:
        take_tenant(at, r, i);
        break;
    case POOL:
        *at->pool++ = (bell_directory_pool){.name = text_at(r, i, FB_READ_A), .servers = at->server};
        break;
    case REVOCATION:
        *at->revoked++ = (bell_directory_revoked){.tenant_id = (uint32_t)number_at(r, i, FB_READ_TENANT),
                                                  .subject = text_at(r, i, FB_READ_A),
                                                  .before_s = number_at(r, i, FB_READ_N),
                                                  .until_s = number_at(r, i, FB_READ_M)};
        break;
    case TOTAL:
        c->doc.default_tenant = number_at(r, i, FB_READ_N) == 1 ? (uint32_t)number_at(r, i, FB_READ_M) : 0;
        break;
    default:
        take_part(at, r, i, part);
    }
}

static int compare(bell_str a, bell_str b) {
    int order = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Both lists are in the same order. */
static void find_removed(fb_directory_content *c, const fb_directory_named *named) {
    size_t at = 0;
    for (size_t i = 0; i < named->ntenants; i++) {
        while (at < c->doc.nrows && c->rows[at].id < named->tenants[i]) {
            at++;
        }
        if (at == c->doc.nrows || c->rows[at].id != named->tenants[i]) {
            c->removed[c->doc.nremoved++] = named->tenants[i];
        }
    }
    at = 0;
    for (size_t i = 0; i < named->npools; i++) {
        while (at < c->doc.npools && compare(c->pools[at].name, named->pools[i]) < 0) {
            at++;
        }
        if (at == c->doc.npools || compare(c->pools[at].name, named->pools[i]) != 0) {
            c->removed_pools[c->doc.nremoved_pools++] = named->pools[i];
        }
    }
}

bool fb_directory_content_of(fb_directory_content *c, const PGresult *r, const fb_directory_named *named) {
    memset(c, 0, sizeof *c);
    if (!make_room(c, r, named)) {
        return false;
    }
    cursor at = {c->rows, c->pools, c->revoked, c->texts, c->limits, c->keys, c->servers};
    for (int i = 0; i < PQntuples(r); i++) {
        take_row(c, &at, r, i);
    }
    c->doc.rows = c->rows;
    c->doc.nrows = (size_t)(at.row - c->rows);
    c->doc.pools = c->pools;
    c->doc.npools = (size_t)(at.pool - c->pools);
    c->doc.revoked = c->revoked;
    c->doc.nrevoked = (size_t)(at.revoked - c->revoked);
    c->doc.removed = c->removed;
    c->doc.removed_pools = c->removed_pools;
    if (named) {
        find_removed(c, named);
    }
    return true;
}

void fb_directory_content_free(fb_directory_content *c) {
    free(c->rows);
    free(c->texts);
    free(c->limits);
    free(c->keys);
    free(c->pools);
    free(c->servers);
    free(c->revoked);
    free(c->removed);
    free(c->removed_pools);
    memset(c, 0, sizeof *c);
}
