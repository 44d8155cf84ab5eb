/* What Google's two CDNs have in common: the form "[URLPrefix=P] Expires=E KeyName=N [IPRanges=R] Signature=S", in this order, joined by "&" in a
 * query or a path component and by ":" in a cookie. P, R and S are base64url, padded or not; what is signed is the text as it was sent. With a prefix
 * the fields before the signature are signed and nothing else; without, the URL up to there. */
#ifndef BELL_GOOGLE_FORM_H
#define BELL_GOOGLE_FORM_H

#include "bell_signed.h"

#pragma GCC visibility push(hidden)

#define BELL_GOOGLE_TEXT_MAX 8192 /* bytes of a token, as sent */

typedef struct {
    bell_str prefix;  /* p is NULL: there is none */
    bell_str expires; /* all as sent */
    bell_str key_name;
    bell_str ip_ranges; /* p is NULL: there are none */
    bell_str signature;
    bell_str fields; /* from the first of them to the last before "Signature=" and the separator before it */
    bell_str whole;  /* with the signature */
} bell_google_form;

/* Reads the form where *text begins, up to its end or the separator behind the signature; *text is then what follows, its p behind all that was
 * read. False: another order, or something else between. IPRanges are Media CDN's alone. */
bool bell_google_form_read(bell_str *text, char separator, bool with_ranges, bell_google_form *form);

/* Where the form begins in a query. 1 found (*text is the query from there), 0 it has no Signature, which is what makes it a signed one, or that is
 * CloudFront's (beside Key-Pair-Id), -1 one of the parameters is there twice, or one is missing. */
int bell_google_form_find(bell_str query, bool with_ranges, bell_str *text);
/* The target without the parameters of the form. NULL p: no room. */
bell_str bell_google_form_strip(bell_signed_room *room, bell_str target, bool with_ranges);

/* base64url with as much padding as belongs there, plain or as "%3D", or with none. The bytes written (room for text.len), -1 when malformed. */
long bell_google_decode(bell_str text, unsigned char *out);
/* The text with "%3D" as "=", in the room: what was signed before a library escaped the padding. p is NULL: it has none, or there is no room. */
bell_str bell_google_unescape_padding(bell_signed_room *room, bell_str text);

/* Whether the URL of the request, with the target that is left of it, begins with the prefix: plain text, but whole in scheme and host. OK, RESOURCE,
 * or MALFORMED for what is not base64url or does not fit into the room. */
bell_signed_reason bell_google_check_prefix(const bell_signed_call *call, bell_str prefix, bell_str target);
/* Whether the client is inside one of the networks, a list in base64url joined by ",". OK, ADDRESS, or MALFORMED as above. A network that cannot be
 * read holds nobody: the one in Google's own example cannot. */
bell_signed_reason bell_google_check_ranges(const bell_signed_call *call, bell_str ranges);
/* Expires, then Starts (p is NULL: there is none). */
bell_signed_reason bell_google_check_time(int64_t now_s, bell_str starts, bell_str expires, bell_signed_result *out);

#pragma GCC visibility pop

#endif
