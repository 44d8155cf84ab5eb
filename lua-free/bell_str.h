/* Borrowed strings: a pointer and a length, never owned, never NUL-terminated by contract.
 * Symbols of the core are hidden: nginx loads modules with global symbols, and two shared objects that both carry the core must not run
 * each other's copy. */
#ifndef BELL_STR_H
#define BELL_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma GCC visibility push(hidden)

typedef struct {
    const char *p;
    size_t len;
} bell_str;

#define BELL_STR(literal) ((bell_str){(literal), sizeof(literal) - 1})
#define BELL_STR_NULL     ((bell_str){NULL, 0})
/* for printf's "%.*s" */
#define BELL_STR_ARG(s) (int)(s).len, (s).p ? (s).p : ""

static inline bell_str bell_str_of(const char *z) {
    return (bell_str){z, z ? strlen(z) : 0};
}

bool bell_str_eq(bell_str a, bell_str b);
/* ASCII letters compare without case. */
bool bell_str_ieq(bell_str a, bell_str b);
bool bell_str_starts(bell_str s, bell_str prefix);
/* Secrets: the time depends on the lengths only. */
bool bell_str_eq_secret(bell_str a, bell_str b);

/* Splits at the first `sep`: returns the part before, leaves the part after in *rest. Without `sep` all is returned and *rest is empty. */
bell_str bell_str_cut(bell_str *rest, char sep);
/* Without leading and trailing spaces and tabs. */
bell_str bell_str_trim(bell_str s);

/* Decimal digits only, no sign, no white space, no leading '+'; false when empty, not digits, or above `max`. */
bool bell_str_to_u64(bell_str s, uint64_t max, uint64_t *out);

/* True when the bytes are well-formed UTF-8 (Unicode 15, table 3-7) without NUL. */
bool bell_str_is_utf8(bell_str s);
/* The character at p (left >= 1): its length in bytes when well-formed, else minus the length of the longest part of a character found there
 * (at least 1), which is what one U+FFFD stands for (Unicode 15, section 3.9). */
int bell_str_utf8_step(const char *p, size_t left);

#pragma GCC visibility pop

#endif
