/* A structured field as a Dictionary, a List and an Item: what is given lies within the field, what holds inner lists and parameters gives them
 * without an error, and what is written is read back. The first byte chooses the kind. longest input: 512 bytes */
#include "bell_sf.h"
#include "fuzz.h"

static bool within(bell_str part, bell_str whole) {
    return part.len == 0 || (part.p >= whole.p && part.p + part.len <= whole.p + whole.len);
}

/* A text that was read can be written, and reads the same again. */
static void write_again(const bell_sf_value *v) {
    char text[512], out[1100];
    bell_sf_writer w;
    bell_sf_value back;

    bell_sf_writer_init(&w, out, sizeof(out));
    if (v->type == BELL_SF_STRING) {
        bell_str plain = {text, bell_sf_unescape(v->text, text)};

        fuzz_assert(bell_sf_string_fits(plain));
        bell_sf_put_string(&w, plain);
    } else if (v->type == BELL_SF_TOKEN) {
        bell_sf_put_token(&w, v->text);
    } else if (v->type == BELL_SF_INTEGER) {
        bell_sf_put_integer(&w, v->number);
    } else if (v->type == BELL_SF_BOOLEAN) {
        bell_sf_put_boolean(&w, v->number != 0);
    } else {
        return;
    }
    fuzz_assert(!w.failed && bell_sf_item((bell_str){out, w.len}, &back));
    fuzz_assert(back.type == v->type && back.number == v->number && bell_str_eq(back.text, v->text));
}

static void look_into(const bell_sf_value *v, bell_str field) {
    bell_sf r;
    bell_str key;
    bell_sf_value part;
    int more;

    fuzz_assert(within(v->text, field) && within(v->params, field));
    write_again(v);
    bell_sf_params(&r, v);
    while ((more = bell_sf_next_param(&r, &key, &part)) == 1) {
        fuzz_assert(key.len > 0 && within(key, v->params) && within(part.text, v->params) && part.type != BELL_SF_INNER_LIST);
    }
    fuzz_assert(more == 0);
    if (v->type != BELL_SF_INNER_LIST) {
        return;
    }
    bell_sf_inner(&r, v);
    while ((more = bell_sf_next_inner(&r, &part)) == 1) {
        fuzz_assert(part.type != BELL_SF_INNER_LIST);
        look_into(&part, v->text);
    }
    fuzz_assert(more == 0);
}

static void read_members(bell_str field, bool dictionary) {
    bell_sf r;
    bell_str key = BELL_STR("");
    bell_sf_value v;
    int more;

    bell_sf_init(&r, field);
    while ((more = dictionary ? bell_sf_next_member(&r, &key, &v) : bell_sf_next_entry(&r, &v)) == 1) {
        fuzz_assert(within(key, field) && (key.len > 0) == dictionary);
        look_into(&v, field);
    }
    fuzz_assert((more == 0) == (dictionary ? bell_sf_is_dictionary(field) : bell_sf_is_list(field)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_str field = size ? (bell_str){(const char *)data + 1, size - 1} : BELL_STR_NULL;
    bell_sf_value v;

    if (size > 0 && data[0] == 'i') {
        if (bell_sf_item(field, &v)) {
            look_into(&v, field);
            fuzz_assert(bell_sf_is_list(field));
        }
        return 0;
    }
    read_members(field, size > 0 && data[0] == 'd');
    return 0;
}
