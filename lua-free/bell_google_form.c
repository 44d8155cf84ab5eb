#include "bell_google_form.h"

#include "bell_base64.h"

static bool take(bell_str *text, char separator, bell_str name, bell_str *value) {
    if (!bell_str_starts(*text, name)) {
        return false;
    }
    *text = (bell_str){text->p + name.len, text->len - name.len};
    *value = bell_str_cut(text, separator);
    return true;
}

bool bell_google_form_read(bell_str *text, char separator, bool with_ranges, bell_google_form *f) {
    const char *start = text->p;

    *f = (bell_google_form){0};
    take(text, separator, BELL_STR("URLPrefix="), &f->prefix);
    if (!take(text, separator, BELL_STR("Expires="), &f->expires) || !take(text, separator, BELL_STR("KeyName="), &f->key_name)) {
        return false;
    }
    if (with_ranges) {
        take(text, separator, BELL_STR("IPRanges="), &f->ip_ranges);
    }
    const char *signature = text->p;
    if (!take(text, separator, BELL_STR("Signature="), &f->signature)) {
        return false;
    }
    f->fields = (bell_str){start, (size_t)(signature - 1 - start)};
    f->whole = (bell_str){start, (size_t)(f->signature.p + f->signature.len - start)};
    return f->whole.len <= BELL_GOOGLE_TEXT_MAX;
}

static const bell_str names[] = {{"URLPrefix", 9}, {"Expires", 7}, {"KeyName", 7}, {"Signature", 9}, {"IPRanges", 8}};
enum { PREFIX, EXPIRES, KEY_NAME, SIGNATURE, RANGES, NAMES };

static size_t names_of(bool with_ranges) {
    return with_ranges ? NAMES : RANGES;
}

int bell_google_form_find(bell_str query, bool with_ranges, bell_str *text) {
    unsigned seen[NAMES] = {0};
    bool twice = false, is_cloudfront = false;
    bell_str rest = query, pair, name, value;

    *text = BELL_STR_NULL;
    while (bell_signed_next_pair(&rest, &pair, &name, &value)) {
        for (size_t i = 0; i < names_of(with_ranges); i++) {
            if (bell_str_eq(name, names[i])) {
                twice = seen[i]++ > 0 || twice;
                if (text->p == NULL) {
                    *text = (bell_str){pair.p, query.len - (size_t)(pair.p - query.p)};
                }
            }
        }
        is_cloudfront = is_cloudfront || bell_str_eq(name, BELL_STR("Key-Pair-Id"));
    }
    if (seen[SIGNATURE] == 0 || (is_cloudfront && seen[KEY_NAME] == 0 && seen[PREFIX] == 0)) {
        return 0;
    }
    return twice || seen[KEY_NAME] == 0 || seen[EXPIRES] == 0 ? -1 : 1;
}

bell_str bell_google_form_strip(bell_signed_room *room, bell_str target, bool with_ranges) {
    return bell_signed_strip(room, target, names, names_of(with_ranges));
}

long bell_google_decode(bell_str text, unsigned char *out) {
    size_t padding = 0;

    for (;;) {
        if (text.len > 0 && text.p[text.len - 1] == '=') {
            text.len -= 1;
        } else if (text.len > 2 && text.p[text.len - 3] == '%' && text.p[text.len - 2] == '3' && (text.p[text.len - 1] | 0x20) == 'd') {
            text.len -= 3;
        } else {
            break;
        }
        padding++;
    }
    if (padding > 2 || (padding > 0 && (text.len + padding) % 4 != 0)) {
        return -1;
    }
    return bell_base64url_decode(text, out);
}

bell_str bell_google_unescape_padding(bell_signed_room *room, bell_str text) {
    char *p = text.len > 0 && memchr(text.p, '%', text.len) != NULL ? bell_signed_take(room, text.len) : NULL;
    size_t n = 0;

    for (size_t i = 0; p != NULL && i < text.len; i++) {
        bool is_padding = text.len - i > 2 && text.p[i] == '%' && text.p[i + 1] == '3' && (text.p[i + 2] | 0x20) == 'd';
        p[n++] = is_padding ? '=' : text.p[i];
        i += is_padding ? 2 : 0;
    }
    return n < text.len && p != NULL ? (bell_str){p, n} : BELL_STR_NULL;
}

static bool drop(bell_str *text, bell_str start) {
    bell_str head = {text->p, start.len};

    if (text->len < start.len || !bell_str_ieq(head, start)) {
        return false;
    }
    *text = (bell_str){text->p + start.len, text->len - start.len};
    return true;
}

/* A prefix that ends inside the host would be good for hosts that its signer never heard of. */
bell_signed_reason bell_google_check_prefix(const bell_signed_call *call, bell_str prefix, bell_str target) {
    char *p = bell_signed_take(call->room, prefix.len);
    long len = p != NULL ? bell_google_decode(prefix, (unsigned char *)p) : -1;

    if (len < 0) {
        return BELL_SIGNED_MALFORMED;
    }
    bell_str url = {p, (size_t)len};
    if (!drop(&url, call->request->scheme) || !drop(&url, BELL_STR("://")) || !drop(&url, call->request->host)) {
        return BELL_SIGNED_RESOURCE;
    }
    return bell_str_starts(target, url) ? BELL_SIGNED_OK : BELL_SIGNED_RESOURCE;
}

bell_signed_reason bell_google_check_ranges(const bell_signed_call *call, bell_str ranges) {
    char *p = bell_signed_take(call->room, ranges.len);
    long len = p != NULL ? bell_google_decode(ranges, (unsigned char *)p) : -1;

    if (len < 0) {
        return BELL_SIGNED_MALFORMED;
    }
    for (bell_str rest = {p, (size_t)len}; rest.len > 0;) {
        bell_str network = bell_str_cut(&rest, ',');
        if (bell_address_is_inside(&call->request->client, bell_str_trim(network)) == 1) {
            return BELL_SIGNED_OK;
        }
    }
    return BELL_SIGNED_ADDRESS;
}

bell_signed_reason bell_google_check_time(int64_t now_s, bell_str starts, bell_str expires, bell_signed_result *out) {
    int64_t starts_s = 0;

    if (!bell_signed_seconds(expires, &out->expires_s) || (starts.p != NULL && !bell_signed_seconds(starts, &starts_s))) {
        return BELL_SIGNED_MALFORMED;
    }
    if (now_s >= out->expires_s) {
        return BELL_SIGNED_EXPIRED;
    }
    return now_s < starts_s ? BELL_SIGNED_NOT_YET : BELL_SIGNED_OK;
}
