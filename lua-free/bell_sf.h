/* Structured fields (RFC 9651, which takes in RFC 8941): a strict reader of Dictionaries, Lists and Items, and a writer of Lists.
 *
 * The reader allocates and copies nothing: what it gives points into the field. It does not recurse (inner lists do not nest) and reads each byte a
 * bounded number of times, so that the length of the field is its only bound.
 * A field that came in several lines is read line by line; a string or inner list that goes over two lines is refused.
 *
 * A field is good as a whole or not at all (section 4.2): whoever acts on a member reads to the end first, or asks bell_sf_is_dictionary() or
 * bell_sf_is_list() before. */
#ifndef BELL_SF_H
#define BELL_SF_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

typedef enum {
    BELL_SF_INTEGER,    /* number: at most 15 digits */
    BELL_SF_DECIMAL,    /* number: thousandths */
    BELL_SF_STRING,     /* text: between the quotes, still with its backslashes (bell_sf_unescape) */
    BELL_SF_TOKEN,      /* text */
    BELL_SF_BYTES,      /* text: base64 between the colons, with or without padding */
    BELL_SF_BOOLEAN,    /* number: 0 or 1 */
    BELL_SF_DATE,       /* number: seconds since 1970 */
    BELL_SF_DISPLAY,    /* text: between the quotes, still percent-encoded; it decodes to UTF-8 */
    BELL_SF_INNER_LIST, /* text: between the parentheses, for bell_sf_inner() */
} bell_sf_type;

typedef struct {
    bell_sf_type type;
    int64_t number;
    bell_str text;
    bell_str params; /* as sent, from the first ';' on; empty without any; for bell_sf_params() */
} bell_sf_value;

typedef struct {
    const char *p, *end;
    bool failed;
    bool begun;
} bell_sf;

/* Begins to read a Dictionary or a List. The field's bytes must outlive the reader and what it gives. */
void bell_sf_init(bell_sf *r, bell_str field);

/* The next member. 1: there is one; 0: the field ended well; -1: it is none, now and at every later call.
 * A key may come twice: the last one counts, at the place of the first (section 4.2.2). A member without a value is true. */
int bell_sf_next_member(bell_sf *r, bell_str *key, bell_sf_value *v) __attribute__((warn_unused_result));
/* The next member of a List; answers as above. */
int bell_sf_next_entry(bell_sf *r, bell_sf_value *v) __attribute__((warn_unused_result));
/* A field that is one Item. */
bool bell_sf_item(bell_str field, bell_sf_value *v) __attribute__((warn_unused_result));

/* Readers of what a value holds, which was checked when the value was read: of its parameters and of an inner list's items. */
void bell_sf_params(bell_sf *r, const bell_sf_value *v);
int bell_sf_next_param(bell_sf *r, bell_str *key, bell_sf_value *v) __attribute__((warn_unused_result));
void bell_sf_inner(bell_sf *r, const bell_sf_value *inner_list);
int bell_sf_next_inner(bell_sf *r, bell_sf_value *v) __attribute__((warn_unused_result));

/* Whole fields; an empty one is an empty Dictionary and an empty List. */
bool bell_sf_is_dictionary(bell_str field);
bool bell_sf_is_list(bell_str field);

/* A String's text without its backslashes, into out (at least text.len bytes); how many bytes it is. */
size_t bell_sf_unescape(bell_str text, char *out);

/* The writer puts a List into memory of the caller. What has no form (a String with other bytes than 0x20 to 0x7E, a Token or key with others than
 * its own, an Integer of 16 digits) or no room sets `failed`, and nothing more is written: a writer checks once, at the end.
 * bell_sf_string_fits() and its like ask before. */
typedef struct {
    char *p;
    size_t len; /* bytes written; no NUL behind them */
    size_t cap;
    bool failed;
} bell_sf_writer;

void bell_sf_writer_init(bell_sf_writer *w, char *out, size_t cap);
/* Items; each but the first has ", " before it. */
void bell_sf_put_token(bell_sf_writer *w, bell_str token);
void bell_sf_put_string(bell_sf_writer *w, bell_str text);
void bell_sf_put_integer(bell_sf_writer *w, int64_t number);
void bell_sf_put_boolean(bell_sf_writer *w, bool value);
/* Parameters of the item before them. True is written as the bare key. */
void bell_sf_param_token(bell_sf_writer *w, const char *key, bell_str token);
void bell_sf_param_string(bell_sf_writer *w, const char *key, bell_str text);
void bell_sf_param_integer(bell_sf_writer *w, const char *key, int64_t number);
void bell_sf_param_bytes(bell_sf_writer *w, const char *key, bell_str bytes);
void bell_sf_param_boolean(bell_sf_writer *w, const char *key, bool value);

bool bell_sf_token_fits(bell_str token);
bool bell_sf_string_fits(bell_str text);

#pragma GCC visibility pop

#endif
