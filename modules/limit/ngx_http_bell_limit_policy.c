
/*
 * "bell_limit_policy": what it says.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_limit.h"


#define NGX_HTTP_BELL_LIMIT_IPV6_BITS  64
#define NGX_HTTP_BELL_LIMIT_JITTER_S   5
#define NGX_HTTP_BELL_LIMIT_JITTER_MAX_S  3600


/* What a policy says before its rule can be made of it. */

typedef struct {
    ngx_http_bell_limit_policy_t    *policy;
    uint64_t                         count;     /* 0: not said */
    uint64_t                         period_s;
    uint64_t                         burst;
} ngx_http_bell_limit_words_t;


typedef struct {
    ngx_str_t                        name;      /* with '=' */
    ngx_int_t                      (*parse)(ngx_conf_t *cf,
                                        ngx_http_bell_limit_words_t *words,
                                        ngx_str_t *value);
    const char                      *expected;
} ngx_http_bell_limit_param_t;


static ngx_int_t ngx_http_bell_limit_parse(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_uint_t i);
static ngx_uint_t ngx_http_bell_limit_is_first(ngx_conf_t *cf, ngx_uint_t i,
    size_t len);
static ngx_int_t ngx_http_bell_limit_parse_rate(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value);
static ngx_int_t ngx_http_bell_limit_parse_burst(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value);
static ngx_int_t ngx_http_bell_limit_parse_by(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value);
static ngx_int_t ngx_http_bell_limit_parse_key(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value);
static ngx_int_t ngx_http_bell_limit_parse_cost(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value);
static ngx_int_t ngx_http_bell_limit_parse_status(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value);
static ngx_int_t ngx_http_bell_limit_parse_jitter(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value);
static ngx_int_t ngx_http_bell_limit_parse_ipv6(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value);
static ngx_int_t ngx_http_bell_limit_parse_scale(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value);
static ngx_int_t ngx_http_bell_limit_parse_over(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value);
static ngx_int_t ngx_http_bell_limit_make(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words);
static ngx_int_t ngx_http_bell_limit_make_rule(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words);
static uint64_t ngx_http_bell_limit_window_s(const bell_gcra_rule *rule);


static ngx_http_bell_limit_param_t  ngx_http_bell_limit_params[] = {

    { ngx_string("rate="), ngx_http_bell_limit_parse_rate,
      "a number and a time, as rate=20/s, rate=600/m or rate=50/10s" },

    { ngx_string("burst="), ngx_http_bell_limit_parse_burst,
      "a number from 0 to 1000000000" },

    { ngx_string("by="), ngx_http_bell_limit_parse_by,
      "one or several of address, subject, role, class, tenant and route, "
      "with commas between" },

    { ngx_string("key="), ngx_http_bell_limit_parse_key,
      "a text with variables" },

    { ngx_string("cost="), ngx_http_bell_limit_parse_cost,
      "a number, or a text with variables that gives one" },

    { ngx_string("status="), ngx_http_bell_limit_parse_status,
      "429 or 503" },

    { ngx_string("jitter="), ngx_http_bell_limit_parse_jitter,
      "a time from 0 to 1h" },

    { ngx_string("ipv6="), ngx_http_bell_limit_parse_ipv6,
      "the bits of a network, as ipv6=/64, from /1 to /128" },

    { ngx_string("scale="), ngx_http_bell_limit_parse_scale,
      "tenant or submissions" },

    { ngx_string("over="), ngx_http_bell_limit_parse_over,
      "over=edges" },

    { ngx_null_string, NULL, NULL }
};


static ngx_conf_bitmask_t  ngx_http_bell_limit_bys[] = {
    { ngx_string("address"), NGX_HTTP_BELL_LIMIT_ADDRESS },
    { ngx_string("subject"), NGX_HTTP_BELL_LIMIT_SUBJECT },
    { ngx_string("role"), NGX_HTTP_BELL_LIMIT_ROLE },
    { ngx_string("class"), NGX_HTTP_BELL_LIMIT_CLASS },
    { ngx_string("tenant"), NGX_HTTP_BELL_LIMIT_TENANT },
    { ngx_string("route"), NGX_HTTP_BELL_LIMIT_ROUTE },
    { ngx_null_string, 0 }
};


/* bell_limit_policy NAME rate=N/TIME PARAMETER... */

char *
ngx_http_bell_limit_policy(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_limit_main_conf_t  *lmcf = conf;

    bell_str                        name;
    ngx_str_t                      *value;
    ngx_uint_t                      i;
    ngx_http_bell_limit_words_t     words;
    ngx_http_bell_limit_policy_t   *policy, **slot;

    value = cf->args->elts;

    name.p = (char *) value[1].data;
    name.len = value[1].len;

    if (!bell_ratelimit_name_fits(name)
        || ngx_strcmp(value[1].data, "off") == 0
        || ngx_strcmp(value[1].data, "dry_run") == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" cannot be a policy's name: 1 to %d "
                           "printable ASCII characters, and neither \"off\" "
                           "nor \"dry_run\"", &value[1],
                           BELL_RATELIMIT_NAME_MAX);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_bell_limit_find_policy(lmcf, &value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "there is a policy \"%V\" already", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (lmcf->policies.nelts == NGX_HTTP_BELL_LIMIT_POLICIES) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "more than %d policies",
                           NGX_HTTP_BELL_LIMIT_POLICIES);
        return NGX_CONF_ERROR;
    }

    policy = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_limit_policy_t));
    slot = ngx_array_push(&lmcf->policies);

    if (policy == NULL || slot == NULL) {
        return NGX_CONF_ERROR;
    }

    *slot = policy;

    policy->name = value[1];
    policy->bit = (uint64_t) 1 << (lmcf->policies.nelts - 1);
    policy->status = NGX_HTTP_TOO_MANY_REQUESTS;
    policy->jitter_s = NGX_HTTP_BELL_LIMIT_JITTER_S;
    policy->ipv6_bits = NGX_HTTP_BELL_LIMIT_IPV6_BITS;

    ngx_memzero(&words, sizeof(ngx_http_bell_limit_words_t));
    words.policy = policy;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_bell_limit_parse(cf, &words, i) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_bell_limit_make(cf, &words) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


ngx_http_bell_limit_policy_t *
ngx_http_bell_limit_find_policy(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_str_t *name)
{
    ngx_uint_t                      i;
    ngx_http_bell_limit_policy_t  **policies;

    policies = lmcf->policies.elts;

    for (i = 0; i < lmcf->policies.nelts; i++) {

        if (policies[i]->name.len == name->len
            && ngx_memcmp(policies[i]->name.data, name->data, name->len) == 0)
        {
            return policies[i];
        }
    }

    return NULL;
}


/* NGX_ERROR has been logged */

static ngx_int_t
ngx_http_bell_limit_parse(ngx_conf_t *cf, ngx_http_bell_limit_words_t *words,
    ngx_uint_t i)
{
    ngx_str_t                    *word, value;
    ngx_http_bell_limit_param_t  *param;

    word = (ngx_str_t *) cf->args->elts + i;

    for (param = ngx_http_bell_limit_params; param->name.len; param++) {

        if (word->len < param->name.len
            || ngx_strncmp(word->data, param->name.data, param->name.len) != 0)
        {
            continue;
        }

        if (!ngx_http_bell_limit_is_first(cf, i, param->name.len)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\": that parameter is duplicate", word);
            return NGX_ERROR;
        }

        value.data = word->data + param->name.len;
        value.len = word->len - param->name.len;

        if (param->parse(cf, words, &value) == NGX_OK) {
            return NGX_OK;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid \"%V\": %s is "
                           "expected", word, param->expected);
        return NGX_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\": \"bell_limit_policy\" takes "
                       "a name, rate=N/TIME, burst=N, by=WHAT, key=TEXT, "
                       "cost=TEXT, status=429 or 503, jitter=TIME, "
                       "ipv6=/BITS, scale=tenant or submissions, and "
                       "over=edges", word);

    return NGX_ERROR;
}


static ngx_uint_t
ngx_http_bell_limit_is_first(ngx_conf_t *cf, ngx_uint_t i, size_t len)
{
    ngx_str_t   *value;
    ngx_uint_t   k;

    value = cf->args->elts;

    for (k = 2; k < i; k++) {
        if (ngx_strncmp(value[k].data, value[i].data, len) == 0) {
            return 0;
        }
    }

    return 1;
}


/* N/s, N/m, N/10s */

static ngx_int_t
ngx_http_bell_limit_parse_rate(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value)
{
    u_char     *slash, text[NGX_INT64_LEN];
    ngx_int_t   n, period_s;
    ngx_str_t   s;

    slash = ngx_strlchr(value->data, value->data + value->len, '/');

    if (slash == NULL) {
        return NGX_ERROR;
    }

    s.data = slash + 1;
    s.len = value->data + value->len - s.data;

    if (s.len == 0 || s.len >= sizeof(text)) {
        return NGX_ERROR;
    }

    if (s.data[0] < '0' || s.data[0] > '9') {
        s.len = ngx_sprintf(text, "1%V", &s) - text;
        s.data = text;
    }

    n = ngx_atoi(value->data, slash - value->data);
    period_s = ngx_parse_time(&s, 1);

    if (n < 1 || period_s < 1) {
        return NGX_ERROR;
    }

    words->count = n;
    words->period_s = period_s;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_limit_parse_burst(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n > 1000000000) {
        return NGX_ERROR;
    }

    words->burst = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_limit_parse_by(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value)
{
    u_char              *p, *comma, *last;
    size_t               len;
    ngx_conf_bitmask_t  *by;

    last = value->data + value->len;

    for (p = value->data; p <= last; p = comma + 1) {
        comma = ngx_strlchr(p, last, ',');

        if (comma == NULL) {
            comma = last;
        }

        len = comma - p;

        for (by = ngx_http_bell_limit_bys; by->name.len; by++) {
            if (by->name.len == len
                && ngx_strncmp(by->name.data, p, len) == 0)
            {
                break;
            }
        }

        if (by->name.len == 0 || (words->policy->by & by->mask)) {
            return NGX_ERROR;
        }

        words->policy->by |= by->mask;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_limit_parse_key(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value)
{
    if (ngx_strlchr(value->data, value->data + value->len, '$') == NULL) {
        return NGX_ERROR;
    }

    words->policy->key = ngx_http_bell_limit_compile(cf, value);

    return words->policy->key ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_bell_limit_parse_cost(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value)
{
    if (ngx_strlchr(value->data, value->data + value->len, '$') == NULL
        && ngx_atoi(value->data, value->len) < 1)
    {
        return NGX_ERROR;
    }

    words->policy->cost = ngx_http_bell_limit_compile(cf, value);

    return words->policy->cost ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_bell_limit_parse_status(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n != NGX_HTTP_TOO_MANY_REQUESTS && n != NGX_HTTP_SERVICE_UNAVAILABLE) {
        return NGX_ERROR;
    }

    words->policy->status = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_limit_parse_jitter(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_parse_time(value, 1);

    if (n == NGX_ERROR || n > NGX_HTTP_BELL_LIMIT_JITTER_MAX_S) {
        return NGX_ERROR;
    }

    words->policy->jitter_s = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_limit_parse_ipv6(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value)
{
    ngx_int_t  n;

    if (value->len < 2 || value->data[0] != '/') {
        return NGX_ERROR;
    }

    n = ngx_atoi(value->data + 1, value->len - 1);

    if (n < 1 || n > 128) {
        return NGX_ERROR;
    }

    words->policy->ipv6_bits = n;

    return NGX_OK;
}


/* Which of the factors that the directory has for a tenant. */

static ngx_int_t
ngx_http_bell_limit_parse_scale(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value)
{
    if (ngx_strcmp(value->data, "tenant") == 0) {
        words->policy->scale = 1 + BELL_SCALE_ALL;
        return NGX_OK;
    }

    if (ngx_strcmp(value->data, "submissions") == 0) {
        words->policy->scale = 1 + BELL_SCALE_SUBMISSIONS;
        return NGX_OK;
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_bell_limit_parse_over(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words, ngx_str_t *value)
{
    if (value->len != 5 || ngx_strncmp(value->data, "edges", 5) != 0) {
        return NGX_ERROR;
    }

    words->policy->over_edges = 1;

    return NGX_OK;
}


/* NGX_ERROR has been logged */

static ngx_int_t
ngx_http_bell_limit_make(ngx_conf_t *cf, ngx_http_bell_limit_words_t *words)
{
    ngx_http_bell_limit_policy_t  *policy;

    policy = words->policy;

    if (words->count == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "policy \"%V\" needs rate=N/TIME", &policy->name);
        return NGX_ERROR;
    }

    if (policy->by == 0 && policy->key == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "policy \"%V\" needs by=WHAT or key=TEXT: for whom "
                           "it counts", &policy->name);
        return NGX_ERROR;
    }

    /* who floods us with tokens is stopped before they are verified */

    policy->room = (policy->by == NGX_HTTP_BELL_LIMIT_ADDRESS
                    && policy->key == NULL)
                   ? NGX_HTTP_BELL_ROOM_ADDRESS : NGX_HTTP_BELL_ROOM_LIMIT;

    return ngx_http_bell_limit_make_rule(cf, words);
}


static ngx_int_t
ngx_http_bell_limit_make_rule(ngx_conf_t *cf,
    ngx_http_bell_limit_words_t *words)
{
    ngx_int_t                      cost;
    bell_gcra_rule                 least;
    bell_lease_rule                lease;
    ngx_http_bell_limit_policy_t  *policy;

    policy = words->policy;

    if (!bell_gcra_rule_of(words->count, words->period_s, words->burst,
                           &policy->rule))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "policy \"%V\": at most %d in a second, a period "
                           "of at most 366 days, and a burst that comes back "
                           "within 71 years are expected", &policy->name,
                           BELL_GCRA_RATE_MAX);
        return NGX_ERROR;
    }

    least = policy->scale ? bell_gcra_scaled(&policy->rule, 1) : policy->rule;

    if (policy->over_edges
        && !bell_lease_rule_of(&least, BELL_LEASE_EDGES_MAX, &lease))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "policy \"%V\": over all edges, a burst that comes "
                           "back within 17 years is expected, also at 1 "
                           "percent where it is scaled", &policy->name);
        return NGX_ERROR;
    }

    policy->quota = bell_gcra_limit(&policy->rule);
    policy->window_s = ngx_http_bell_limit_window_s(&policy->rule);

    if (ngx_http_bell_limit_prepare(&policy->name, &policy->rule,
                                    &policy->told)
        != NGX_OK)
    {
        return NGX_ERROR; /* the name was looked at before */
    }

    if (policy->cost && policy->cost->lengths == NULL) {
        cost = ngx_atoi(policy->cost->value.data, policy->cost->value.len);

        if ((uint64_t) cost > policy->quota) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "policy \"%V\": a request costs %i, and no "
                               "more than %uL can be used at once: burst= "
                               "is to be %i or more", &policy->name, cost,
                               policy->quota, cost - 1);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static uint64_t
ngx_http_bell_limit_window_s(const bell_gcra_rule *rule)
{
    return ((uint64_t) rule->burst_us + rule->unit_us + 999999) / 1000000;
}


ngx_int_t
ngx_http_bell_limit_prepare(const ngx_str_t *name, const bell_gcra_rule *rule,
    bell_ratelimit_item *item)
{
    bell_ratelimit_policy  told;

    ngx_memzero(&told, sizeof(bell_ratelimit_policy));

    told.name.p = (char *) name->data;
    told.name.len = name->len;
    told.quota = bell_gcra_limit(rule);
    told.window_s = ngx_http_bell_limit_window_s(rule);
    told.unit = BELL_RATELIMIT_REQUESTS;

    return bell_ratelimit_prepare(&told, item) ? NGX_OK : NGX_ERROR;
}
