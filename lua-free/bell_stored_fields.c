#include "bell_stored_fields.h"

#include "bell_out.h"

/* ---- which */

static const struct {
    bell_str name;
    bell_stored_class is;
} special[] = {
    {{"Connection", 10}, BELL_STORED_NOT},
    {{"Keep-Alive", 10}, BELL_STORED_NOT},
    {{"Transfer-Encoding", 17}, BELL_STORED_NOT},
    {{"TE", 2}, BELL_STORED_NOT},
    {{"Trailer", 7}, BELL_STORED_NOT},
    {{"Upgrade", 7}, BELL_STORED_NOT},
    {{"Age", 3}, BELL_STORED_NOT},
    {{"CDN-Cache-Control", 17}, BELL_STORED_HIDDEN},
    {{"Cache-Scope", 11}, BELL_STORED_HIDDEN},
    {{"Cache-Tag", 9}, BELL_STORED_HIDDEN},
    {{"Surrogate-Key", 13}, BELL_STORED_HIDDEN},
    {{"Surrogate-Control", 17}, BELL_STORED_HIDDEN},
};

static bool is_proxys_own(bell_str name) {
    return name.len >= 6 && bell_str_ieq((bell_str){name.p, 6}, BELL_STR("Proxy-"));
}

bell_stored_class bell_stored_class_of(const bell_stored_rules *rules, bell_str name) {
    if (!bell_field_is_token(name) || is_proxys_own(name) || (!rules->set_cookie && bell_str_ieq(name, BELL_STR("Set-Cookie")))) {
        return BELL_STORED_NOT;
    }
    for (size_t i = 0; i < sizeof(special) / sizeof(*special); i++) {
        if (bell_str_ieq(name, special[i].name)) {
            return special[i].is;
        }
    }
    for (size_t i = 0; i < rules->nnamed; i++) {
        if (bell_field_is_named(rules->named[i], name)) {
            return BELL_STORED_NOT;
        }
    }
    return BELL_STORED_SHOWN;
}

/* ---- lines of a block: 's' or 'h', one byte for the length of the name, two for that of the value, the name, the value */

enum { HEAD_BYTES = 4 };

/* false: it is past a bound, or must not be written; no room shows in *o. */
static bool put_line(bell_out *o, bell_stored_class class, bell_str name, bell_str value) {
    if (name.len > BELL_STORED_NAME_MAX || value.len > BELL_STORED_VALUE_MAX || !bell_field_is_value(value)) {
        return false;
    }
    bell_out_char(o, class == BELL_STORED_HIDDEN ? 'h' : 's');
    bell_out_char(o, (char)name.len);
    bell_out_char(o, (char)(value.len >> 8));
    bell_out_char(o, (char)(value.len & 0xff));
    bell_out_str(o, name);
    bell_out_str(o, value);
    return true;
}

bool bell_stored_next(bell_str *rest, bell_stored_field *field) {
    if (rest->len < HEAD_BYTES) {
        return false;
    }
    const unsigned char *head = (const unsigned char *)rest->p;
    size_t name_len = head[1], value_len = (size_t)head[2] << 8 | head[3];

    if ((head[0] != 's' && head[0] != 'h') || name_len == 0 || rest->len - HEAD_BYTES < name_len + value_len) {
        return false;
    }
    field->is_hidden = head[0] == 'h';
    field->name = (bell_str){rest->p + HEAD_BYTES, name_len};
    field->value = (bell_str){field->name.p + name_len, value_len};
    *rest = (bell_str){field->value.p + value_len, rest->len - HEAD_BYTES - name_len - value_len};
    return true;
}

bool bell_stored_is_sound(bell_str block) {
    bell_stored_field f;

    while (bell_stored_next(&block, &f)) {
        if (!bell_field_is_token(f.name) || !bell_field_is_value(f.value)) {
            return false;
        }
    }
    return block.len == 0;
}

bool bell_stored_field_of(void *data, bell_str name, unsigned nth, bell_str *value) {
    bell_str rest = *(const bell_str *)data;
    bell_stored_field f;

    while (bell_stored_next(&rest, &f)) {
        if (bell_str_ieq(f.name, name) && nth-- == 0) {
            *value = bell_str_trim(f.value);
            return true;
        }
    }
    return false;
}

bool bell_stored_field_at(void *data, unsigned i, bell_str *name, bell_str *value) {
    bell_str rest = *(const bell_str *)data;
    bell_stored_field f;

    while (bell_stored_next(&rest, &f)) {
        if (i-- == 0) {
            *name = f.name;
            *value = f.value;
            return true;
        }
    }
    return false;
}

/* ---- the fields of a message that are kept */

typedef struct {
    const bell_field_list *list;
    const bell_stored_rules *rules;
    bell_str connection[BELL_STORED_CONNECTION_MAX];
    size_t nconnection;
    bool is_update;
} message;

static bool message_begin(message *m, const bell_field_list *list, const bell_stored_rules *rules, bool is_update) {
    bell_str name, value;

    *m = (message){.list = list, .rules = rules, .is_update = is_update};
    for (unsigned i = 0; list->at(list->data, i, &name, &value); i++) {
        if (!bell_str_ieq(name, BELL_STR("Connection"))) {
            continue;
        }
        if (m->nconnection == BELL_STORED_CONNECTION_MAX) {
            return false;
        }
        m->connection[m->nconnection++] = value;
    }
    return true;
}

/* What a new message says of bytes that it does not bring: their form, and their digests (RFC 1864, RFC 3230, RFC 9530). */
static bool is_about_bytes(bell_str name) {
    static const bell_str names[] = {
        {"Content-Length", 14}, {"Content-Encoding", 16}, {"Content-Range", 13}, {"Content-MD5", 11},
        {"Content-Digest", 14}, {"Repr-Digest", 11},      {"Digest", 6},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (bell_str_ieq(name, names[i])) {
            return true;
        }
    }
    return false;
}

static bell_stored_class class_in(const message *m, bell_str name) {
    bell_stored_class class = bell_stored_class_of(m->rules, name);

    if (class == BELL_STORED_NOT || (m->is_update && is_about_bytes(name))) {
        return BELL_STORED_NOT;
    }
    for (size_t i = 0; i < m->nconnection; i++) {
        if (bell_field_is_named(m->connection[i], name)) {
            return BELL_STORED_NOT;
        }
    }
    return class;
}

static bool put_message(bell_out *o, const message *m) {
    bell_str name, value;

    for (unsigned i = 0; m->list->at(m->list->data, i, &name, &value); i++) {
        bell_stored_class class = class_in(m, name);
        if (class != BELL_STORED_NOT && !put_line(o, class, name, value)) {
            return false;
        }
    }
    return true;
}

long bell_stored_write(const bell_field_list *answer, const bell_stored_rules *rules, char *out, size_t room) {
    bell_out o = {out, 0, room, false};
    message m;

    return message_begin(&m, answer, rules, false) && put_message(&o, &m) ? bell_out_len(&o) : -1;
}

static bool is_replaced(const message *update, bell_str stored) {
    bell_str name, value;

    for (unsigned i = 0; update->list->at(update->list->data, i, &name, &value); i++) {
        if (bell_str_ieq(name, stored)) {
            return class_in(update, name) != BELL_STORED_NOT;
        }
    }
    return false;
}

long bell_stored_update(bell_str block, const bell_field_list *update, const bell_stored_rules *rules, char *out, size_t room) {
    bell_out o = {out, 0, room, false};
    bell_stored_field f;
    message m;

    if (!message_begin(&m, update, rules, true)) {
        return -1;
    }
    while (bell_stored_next(&block, &f)) {
        bell_stored_class class = bell_stored_class_of(rules, f.name);
        if (class != BELL_STORED_NOT && !is_replaced(&m, f.name) && !put_line(&o, class, f.name, f.value)) {
            return -1;
        }
    }
    return block.len == 0 && put_message(&o, &m) ? bell_out_len(&o) : -1;
}
