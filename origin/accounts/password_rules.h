/* What may be a password, and what a picture password is. NIST SP 800-63B-4, section 3.1.1.2: a minimum of length, no rules of composition, and a
 * list of what everybody tries first. The sentences are for children. */
#ifndef FB_PASSWORD_RULES_H
#define FB_PASSWORD_RULES_H

#include "bell_str.h"

#define FB_PICTURES        16 /* to choose from */
#define FB_PICTURES_CHOSEN 4  /* in order; the same one may come again, but not all alike: about 16 bits, for which tries are few */
#define FB_PICTURES_TEXT   64 /* room for a picture password as text, with NUL */

/* The names that a password must not be made of, any may be empty. */
typedef struct {
    bell_str username, given_name, family_name;
} fb_password_owner;

/* NULL when the password may be set; otherwise a sentence for its owner, in `room`. min_length counts characters, not bytes. */
const char *fb_password_rule(bell_str password, long min_length, const fb_password_owner *owner, char *room, size_t room_len);

/* Whether everybody would try it: a common word with or without digits behind and letters replaced by digits, a row of keys, a count, a repetition.
 */
bool fb_password_is_common(bell_str password);

/* The i-th picture's name: "cat"; NULL past the last. */
const char *fb_picture_name(size_t i);

/* The text that is hashed for pictures chosen: "pictures cat sun boat tree". NULL when written; otherwise a sentence for who chose them. */
const char *fb_pictures_text(const bell_str *names, size_t n, char text[FB_PICTURES_TEXT]);
/* Whether they may be chosen as a new password: not all alike. */
bool fb_pictures_good(const bell_str *names, size_t n);

/* Grades as OneRoster spells them ("KG", "PK", "01", …): whether pictures are offered, up to the second grade. grades: PostgreSQL's text of an
 * array, "{KG,01}". */
bool fb_pictures_for_grades(bell_str grades);

#endif
