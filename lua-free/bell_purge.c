#include "bell_purge.h"

#include <inttypes.h>
#include <stdio.h>

#include "bell_cache_tags.h"
#include "bell_host.h"
#include "bell_out.h"

const char *bell_purge_kind_name(bell_purge_kind kind) {
    static const char *const names[BELL_PURGE_KINDS] = {
        [BELL_PURGE_URL] = "url", [BELL_PURGE_PREFIX] = "prefix", [BELL_PURGE_TAG] = "tag", [BELL_PURGE_ALL] = "all"};

    return (unsigned)kind < BELL_PURGE_KINDS ? names[kind] : "none";
}

static bool has_host(bell_purge_kind kind) {
    return kind == BELL_PURGE_URL || kind == BELL_PURGE_PREFIX;
}

/* ---- what is well-formed */

static bool is_host(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        bool good = (s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] != '\0' && strchr("-.:[]", s.p[i]) != NULL);
        if (!good) {
            return false;
        }
    }
    return s.len > 0 && s.len <= BELL_PURGE_HOST_BYTES_MAX;
}

static bool is_target(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c == 0x7f || c == '#') {
            return false;
        }
    }
    return s.len > 0 && s.p[0] == '/';
}

static const char *value_fault(const bell_purge *p) {
    switch (p->kind) {
    case BELL_PURGE_TAG:
        return bell_cache_tag_is_good(p->value) ? NULL : "a tag has 1 to 256 bytes, none of them a blank, a comma or a control byte";
    case BELL_PURGE_ALL:
        return p->value.len == 0 ? NULL : "a purge of all of a tenant's answers has no value";
    default:
        break;
    }
    if (p->value.len > BELL_PURGE_VALUE_BYTES_MAX) {
        return "the target is longer than 7900 bytes";
    }
    if (!is_target(p->value)) {
        return "a target begins with \"/\" and has no blanks, control bytes or \"#\"";
    }
    if (p->kind == BELL_PURGE_PREFIX && memchr(p->value.p, '?', p->value.len) != NULL) {
        return "a prefix is a path and has no \"?\"";
    }
    return NULL;
}

const char *bell_purge_fault(const bell_purge *p) {
    if (p->sequence == 0 || p->at_ms <= 0) {
        return "the sequence number and the time are above 0";
    }
    if ((unsigned)p->kind >= BELL_PURGE_KINDS) {
        return "the kind is url, prefix, tag or all";
    }
    if (has_host(p->kind) ? !is_host(p->host) : p->host.len > 0) {
        return "a url and a prefix have a host in lower case, and nothing else has one";
    }
    return value_fault(p);
}

/* ---- lines */

long bell_purge_write(const bell_purge *p, char *out, size_t room) {
    bell_out o = {out, 0, room, false};
    char head[96];
    int n;

    if (bell_purge_fault(p) != NULL) {
        return -1;
    }
    n = snprintf(head, sizeof(head), "1 %" PRIu64 " %" PRId64 " %" PRIu32 " %s %s", p->sequence, p->at_ms, p->tenant_id, p->is_hard ? "hard" : "soft",
                 bell_purge_kind_name(p->kind));
    bell_out_put(&o, head, (size_t)n);
    if (has_host(p->kind)) {
        bell_out_char(&o, ' ');
        bell_out_str(&o, p->host);
    }
    if (p->kind != BELL_PURGE_ALL) {
        bell_out_char(&o, ' ');
        bell_out_str(&o, p->value);
    }
    return bell_out_len(&o);
}

/* The next field: false when there is none, or an empty one. */
static bool cut_field(bell_str *rest, bell_str *field) {
    *field = bell_str_cut(rest, ' ');
    return field->len > 0;
}

static bool cut_number(bell_str *rest, uint64_t max, uint64_t *v) {
    bell_str field;

    return cut_field(rest, &field) && (field.len == 1 || field.p[0] != '0') && bell_str_to_u64(field, max, v);
}

static bool read_kind(bell_str name, bell_purge_kind *kind) {
    for (unsigned k = 0; k < BELL_PURGE_KINDS; k++) {
        if (bell_str_eq(name, bell_str_of(bell_purge_kind_name((bell_purge_kind)k)))) {
            *kind = (bell_purge_kind)k;
            return true;
        }
    }
    return false;
}

static bool read_head(bell_str *rest, bell_purge *p) {
    bell_str form, how, kind;
    uint64_t at_ms = 0, tenant_id = 0;

    if (!cut_field(rest, &form) || !bell_str_eq(form, BELL_STR("1")) || !cut_number(rest, UINT64_MAX, &p->sequence) ||
        !cut_number(rest, INT64_MAX, &at_ms) || !cut_number(rest, UINT32_MAX, &tenant_id) || !cut_field(rest, &how) || !cut_field(rest, &kind)) {
        return false;
    }
    p->at_ms = (int64_t)at_ms;
    p->tenant_id = (uint32_t)tenant_id;
    p->is_hard = bell_str_eq(how, BELL_STR("hard"));
    return (p->is_hard || bell_str_eq(how, BELL_STR("soft"))) && read_kind(kind, &p->kind);
}

bool bell_purge_read(bell_str line, bell_purge *p) {
    bell_str rest = line;

    *p = (bell_purge){0};
    if (line.len > BELL_PURGE_BYTES_MAX || line.len == 0 || line.p[line.len - 1] == ' ' || !read_head(&rest, p)) {
        return false;
    }
    if (has_host(p->kind) && !cut_field(&rest, &p->host)) {
        return false;
    }
    p->value = rest;
    return bell_purge_fault(p) == NULL;
}

static bool is_its_host(const bell_purge *p, bell_str host) {
    return bell_str_eq(bell_host_name(host), bell_host_name(p->host));
}

bool bell_purge_is_about(const bell_purge *p, uint32_t tenant_id, bell_str host, bell_str target) {
    if (tenant_id != p->tenant_id) {
        return false;
    }
    switch (p->kind) {
    case BELL_PURGE_URL:
        return is_its_host(p, host) && bell_str_eq(target, p->value);
    case BELL_PURGE_PREFIX:
        return is_its_host(p, host) && bell_str_starts(target, p->value);
    case BELL_PURGE_ALL:
        return true;
    default:
        return false;
    }
}
