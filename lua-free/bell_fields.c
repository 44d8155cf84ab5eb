#include "bell_fields.h"

static bool is_token_byte(char c) {
    char low = (char)(c | 0x20);

    if ((low >= 'a' && low <= 'z') || (c >= '0' && c <= '9')) {
        return true;
    }
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool bell_field_is_token(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (!is_token_byte(s.p[i])) {
            return false;
        }
    }
    return s.len > 0;
}

bool bell_field_is_value(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0') {
            return false;
        }
    }
    return true;
}

/* Where the first element ends. */
static size_t element_length(bell_str list) {
    bool quoted = false;

    for (size_t i = 0; i < list.len; i++) {
        char c = list.p[i];

        if (c == ',' && !quoted) {
            return i;
        }
        if (c == '"') {
            quoted = !quoted;
        } else if (c == '\\' && quoted) {
            i++;
        }
    }
    return list.len;
}

bool bell_field_next(bell_str *list, bell_str *element) {
    while (list->len > 0) {
        size_t n = element_length(*list), used = n < list->len ? n + 1 : n;

        *element = bell_str_trim((bell_str){list->p, n});
        *list = (bell_str){list->p + used, list->len - used};
        if (element->len > 0) {
            return true;
        }
    }
    return false;
}

bool bell_field_is_named(bell_str list, bell_str name) {
    bell_str one;

    while (bell_field_next(&list, &one)) {
        if (bell_str_ieq(one, name)) {
            return true;
        }
    }
    return false;
}

/* "1", "0.5", "0.125": at most three digits behind the point, and not above 1. */
static bool parse_weight(bell_str s, unsigned *milli) {
    unsigned v = 0, unit = 1000;

    if (s.len == 0 || s.len > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.len > 1 && s.p[1] != '.')) {
        return false;
    }
    for (size_t i = 0; i < s.len; i += i == 0 ? 2 : 1) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit > 9) {
            return false;
        }
        v += digit * unit;
        unit /= 10;
    }
    *milli = v;
    return v <= 1000;
}

bool bell_field_weight(bell_str element, bell_str *name, unsigned *weight_milli) {
    bell_str weight = element, cut = bell_str_cut(&weight, ';');

    *name = bell_str_trim(cut);
    if (!bell_field_is_token(*name)) {
        return false;
    }
    if (cut.len == element.len) {
        *weight_milli = 1000;
        return true;
    }
    weight = bell_str_trim(weight);
    return weight.len > 2 && (weight.p[0] | 0x20) == 'q' && weight.p[1] == '=' &&
           parse_weight((bell_str){weight.p + 2, weight.len - 2}, weight_milli);
}
