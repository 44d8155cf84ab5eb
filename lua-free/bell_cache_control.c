#include "bell_cache_control.h"

#include "bell_fields.h"
#include "bell_sf.h"

typedef enum {
    SECONDS, /* a number */
    FORBIDS, /* no argument, and one does not weaken it */
    PERMITS, /* no argument, and worth nothing with one */
    NAMES,   /* may have field names */
} argument_kind;

typedef struct {
    bell_str name;
    uint32_t bit;
    argument_kind kind;
} known_directive;

static const known_directive of_responses[] = {
    {BELL_STR("max-age"), BELL_CC_MAX_AGE, SECONDS},
    {BELL_STR("s-maxage"), BELL_CC_S_MAXAGE, SECONDS},
    {BELL_STR("stale-while-revalidate"), BELL_CC_STALE_WHILE_REVALIDATE, SECONDS},
    {BELL_STR("stale-if-error"), BELL_CC_STALE_IF_ERROR, SECONDS},
    {BELL_STR("no-store"), BELL_CC_NO_STORE, FORBIDS},
    {BELL_STR("no-cache"), BELL_CC_NO_CACHE, NAMES},
    {BELL_STR("private"), BELL_CC_PRIVATE, NAMES},
    {BELL_STR("public"), BELL_CC_PUBLIC, PERMITS},
    {BELL_STR("must-revalidate"), BELL_CC_MUST_REVALIDATE, FORBIDS},
    {BELL_STR("proxy-revalidate"), BELL_CC_PROXY_REVALIDATE, FORBIDS},
    {BELL_STR("must-understand"), BELL_CC_MUST_UNDERSTAND, PERMITS}, /* it lifts no-store */
    {BELL_STR("no-transform"), BELL_CC_NO_TRANSFORM, FORBIDS},
    {BELL_STR("immutable"), BELL_CC_IMMUTABLE, PERMITS},
};

static const known_directive of_requests[] = {
    {BELL_STR("max-age"), BELL_CC_MAX_AGE, SECONDS},           {BELL_STR("min-fresh"), BELL_CC_MIN_FRESH, SECONDS},
    {BELL_STR("max-stale"), BELL_CC_MAX_STALE, SECONDS},       {BELL_STR("stale-if-error"), BELL_CC_STALE_IF_ERROR, SECONDS},
    {BELL_STR("no-cache"), BELL_CC_NO_CACHE, FORBIDS},         {BELL_STR("no-store"), BELL_CC_NO_STORE, FORBIDS},
    {BELL_STR("no-transform"), BELL_CC_NO_TRANSFORM, FORBIDS}, {BELL_STR("only-if-cached"), BELL_CC_ONLY_IF_CACHED, FORBIDS},
};

#define N(table) (sizeof(table) / sizeof(*(table)))

typedef enum { ABSENT, TOKEN, QUOTED, BROKEN } argument_form;

typedef struct {
    bell_str name;
    bell_str argument; /* of QUOTED: between its quotes, still with backslashes */
    argument_form form;
} directive;

bool bell_delta_seconds(bell_str s, uint32_t *seconds) {
    uint64_t v = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
        v = v * 10 + (uint64_t)(s.p[i] - '0');
        v = v < BELL_DELTA_MAX_S ? v : BELL_DELTA_MAX_S;
    }
    if (s.len == 0) {
        return false;
    }
    *seconds = (uint32_t)v;
    return true;
}

static const known_directive *find(const known_directive *table, size_t n, bell_str name) {
    for (size_t i = 0; i < n; i++) {
        if (bell_str_ieq(table[i].name, name)) {
            return &table[i];
        }
    }
    return NULL;
}

/* Where the quoted string ends that begins at p[0]: the index of its closing quote, 0: nowhere. */
static size_t closing_quote(const char *p, size_t len) {
    for (size_t i = 1; i < len; i++) {
        if (p[i] == '\\') {
            i++;
        } else if (p[i] == '"') {
            return i;
        }
    }
    return 0;
}

/* The bytes up to the comma that ends a member, which is none inside of a quoted string. Behind a quote that nothing closes there are no strings any
 * more: directives that it would hide are read, and no byte is looked at twice. */
static size_t member_length(bell_str s, bool *unended) {
    size_t i = 0;

    for (; i < s.len && s.p[i] != ','; i++) {
        if (s.p[i] == '"' && !*unended) {
            size_t close = closing_quote(s.p + i, s.len - i);

            *unended = close == 0;
            i += close;
        }
    }
    return i;
}

/* "name", "name=token", "name="string""; everything else is BROKEN and has the name that it begins with. */
static directive read_directive(bell_str member) {
    bell_str argument = member, name = bell_str_cut(&argument, '='), first = bell_str_trim(name);
    directive d = {.form = BROKEN};
    size_t n = 0;

    while (n < first.len && bell_field_is_token((bell_str){first.p + n, 1})) {
        n++;
    }
    d.name = (bell_str){first.p, n};
    if (n < name.len) {
        return d;
    }
    d.argument = argument;
    if (n == member.len) {
        d.form = ABSENT;
    } else if (bell_field_is_token(argument)) {
        d.form = TOKEN;
    } else if (argument.len >= 2 && argument.p[0] == '"' && closing_quote(argument.p, argument.len) == argument.len - 1) {
        d.argument = (bell_str){argument.p + 1, argument.len - 2};
        d.form = QUOTED;
    }
    return d;
}

/* The next member of a line that is not empty; false at the end. */
static bool next_directive(bell_str *line, directive *d, bool *unended) {
    while (line->len > 0) {
        size_t n = member_length(*line, unended);
        bell_str member = bell_str_trim((bell_str){line->p, n});

        n += n < line->len; /* the comma */
        *line = (bell_str){line->p + n, line->len - n};
        if (member.len > 0) {
            *d = read_directive(member);
            return true;
        }
    }
    return false;
}

static uint32_t seconds_of(const directive *d) {
    uint32_t seconds = 0;

    if ((d->form == TOKEN || d->form == QUOTED) && bell_delta_seconds(d->argument, &seconds)) {
        return seconds;
    }
    return 0;
}

static uint32_t *response_number(bell_cache_control *cc, uint32_t bit) {
    return bit == BELL_CC_MAX_AGE                  ? &cc->max_age_s
           : bit == BELL_CC_S_MAXAGE               ? &cc->s_maxage_s
           : bit == BELL_CC_STALE_WHILE_REVALIDATE ? &cc->stale_while_revalidate_s
                                                   : &cc->stale_if_error_s;
}

/* The smallest of what was said. */
static void least(uint32_t *set, uint32_t bit, uint32_t *number, uint32_t seconds) {
    if (!(*set & bit) || seconds < *number) {
        *number = seconds;
    }
    *set |= bit;
}

static bool is_list_of_names(bell_str list) {
    bell_str name;
    size_t n = 0;

    for (; bell_field_next(&list, &name); n++) {
        if (!bell_field_is_token(name)) {
            return false;
        }
    }
    return n > 0;
}

/* False when the argument cannot be kept: the directive holds for the whole response then. */
static bool keep_names(bell_cache_control *cc, bell_str list) {
    if (!is_list_of_names(list) || cc->nnames == BELL_CC_NAMES_MAX) {
        return false;
    }
    cc->names[cc->nnames++] = list;
    return true;
}

static void apply(bell_cache_control *cc, const known_directive *known, const directive *d) {
    switch (known->kind) {
    case SECONDS:
        least(&cc->set, known->bit, response_number(cc, known->bit), seconds_of(d));
        break;
    case FORBIDS:
        cc->set |= known->bit;
        break;
    case PERMITS:
        cc->set |= d->form == ABSENT ? known->bit : 0;
        break;
    case NAMES:
        if ((d->form != TOKEN && d->form != QUOTED) || !keep_names(cc, d->argument)) {
            cc->set |= known->bit;
        }
        break;
    }
}

void bell_cache_control_add(bell_cache_control *cc, bell_str line) {
    directive d;
    bool unended = false;

    while (next_directive(&line, &d, &unended)) {
        const known_directive *known = find(of_responses, N(of_responses), d.name);

        if (known != NULL) {
            apply(cc, known, &d);
        }
    }
    if (unended) {
        cc->set |= BELL_CC_NO_CACHE;
    }
}

/* RFC 9213, section 2.1: max-age is an Integer, no-store is true, no-cache and private are true or a String of field names. */
static void apply_member(bell_cache_control *cc, const known_directive *known, const bell_sf_value *v) {
    bool is_true = v->type == BELL_SF_BOOLEAN && v->number == 1, is_false = v->type == BELL_SF_BOOLEAN && v->number == 0, holds = true;

    switch (known->kind) {
    case SECONDS:
        *response_number(cc, known->bit) = v->type != BELL_SF_INTEGER || v->number < 0 ? 0
                                           : v->number > BELL_DELTA_MAX_S              ? BELL_DELTA_MAX_S
                                                                                       : (uint32_t)v->number;
        break;
    case FORBIDS:
        holds = !is_false;
        break;
    case PERMITS:
        holds = is_true;
        break;
    case NAMES:
        holds = !is_false && (v->type != BELL_SF_STRING || !keep_names(cc, v->text));
        break;
    }
    cc->set = holds ? cc->set | known->bit : cc->set & ~known->bit;
}

bool bell_cdn_cache_control_add(bell_cache_control *cc, bell_str line) {
    bell_cache_control read = *cc;
    bell_sf r;
    bell_str key;
    bell_sf_value v;
    size_t members = 0;
    int more;

    bell_sf_init(&r, line);
    while ((more = bell_sf_next_member(&r, &key, &v)) == 1) {
        const known_directive *known = find(of_responses, N(of_responses), key);

        members++;
        if (known != NULL) {
            apply_member(&read, known, &v);
        }
    }
    if (more < 0 || members == 0) {
        return false;
    }
    *cc = read;
    return true;
}

bool bell_cache_control_names(const bell_cache_control *cc, bell_str field_name) {
    for (size_t i = 0; i < cc->nnames; i++) {
        if (bell_field_is_named(cc->names[i], field_name)) {
            return true;
        }
    }
    return false;
}

/* max-stale alone means any age (RFC 9111, section 5.2.1.2); of several values the one that asks for most counts. */
static void apply_number(bell_cache_request *rq, uint32_t bit, const directive *d) {
    uint32_t seconds = seconds_of(d);

    switch (bit) {
    case BELL_CC_MAX_AGE:
        least(&rq->set, bit, &rq->max_age_s, seconds);
        break;
    case BELL_CC_MAX_STALE:
        least(&rq->set, bit, &rq->max_stale_s, d->form == ABSENT ? BELL_DELTA_MAX_S : seconds);
        break;
    case BELL_CC_STALE_IF_ERROR:
        least(&rq->set, bit, &rq->stale_if_error_s, seconds);
        break;
    default: /* min-fresh; what is no number asks for nothing */
        rq->set |= bit;
        rq->min_fresh_s = seconds > rq->min_fresh_s ? seconds : rq->min_fresh_s;
        break;
    }
}

void bell_cache_request_add(bell_cache_request *rq, bell_str line) {
    directive d;
    bool unended = false;

    rq->has_cache_control = true;
    while (next_directive(&line, &d, &unended)) {
        const known_directive *known = find(of_requests, N(of_requests), d.name);

        if (known == NULL) {
            continue;
        }
        if (known->kind == SECONDS) {
            apply_number(rq, known->bit, &d);
        } else {
            rq->set |= known->bit;
        }
    }
}

void bell_cache_request_add_pragma(bell_cache_request *rq, bell_str line) {
    directive d;
    bool unended = false;

    while (next_directive(&line, &d, &unended)) {
        rq->pragma_no_cache = rq->pragma_no_cache || bell_str_ieq(d.name, BELL_STR("no-cache"));
    }
}

bool bell_cache_request_no_cache(const bell_cache_request *rq) {
    return (rq->set & BELL_CC_NO_CACHE) || (rq->pragma_no_cache && !rq->has_cache_control);
}
