/* One mail: how it is written (RFC 5322, MIME) and how it is handed to the relay (SMTP by libcurl). Plain text in UTF-8. */
#ifndef FB_JOBS_MAIL_H
#define FB_JOBS_MAIL_H

#include <stdint.h>

#include "bell_buf.h"
#include "origin/server/settings.h"

typedef struct {
    const char *from;    /* a mailbox of ours */
    bell_str from_name;  /* UTF-8, shown beside it; may be empty */
    const char *to;      /* fb_mail_address_is_plain */
    const char *subject; /* ASCII */
    const char *domain;  /* of the Message-ID, and what the relay is greeted with */
    const char *id;      /* of the Message-ID: unique, [0-9a-z] */
    int64_t date_s;      /* Unix seconds */
    bell_str text;       /* UTF-8, lines end in LF */
} fb_mail;

/* Whether an address may stand in an envelope and a header: one "@" with something on both sides, printable ASCII without blanks and without what
 * has a meaning in SMTP or in headers, at most 254 bytes. Addresses with other letters (RFC 6531) are not taken. */
bool fb_mail_address_is_plain(bell_str address);

/* Headers and body with CRLF. Nothing of a mail's values can become a header or a command: names are encoded words, the text is base64. out->failed
 * without memory. */
void fb_mail_compose(bell_buf *out, const fb_mail *m);

typedef enum {
    FB_MAIL_SENT,
    FB_MAIL_LATER, /* the relay cannot be reached, does not answer in time, or puts it off */
    FB_MAIL_NEVER, /* the relay refuses it for good (5xx) */
} fb_mail_outcome;

/* Within smtp_timeout_ms. For half a minute after the relay could not be reached, LATER comes at once, so that many mails do not hold the queue up.
 * `why` gets a phrase without an address. */
fb_mail_outcome fb_mail_send(const fb_settings *s, const fb_mail *m, char *why, size_t why_len) __attribute__((warn_unused_result));

#endif
