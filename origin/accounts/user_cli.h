/* What the commands about people share. */
#ifndef FB_USER_CLI_H
#define FB_USER_CLI_H

#include "origin/db/pg.h"

/* The id of the one person meant, as text, the row locked until the end of the transaction; sourced_id may be NULL. false: a sentence has been
 * written to standard error. */
bool fb_user_find(PGconn *c, const char *tenant, const char *username, const char *sourced_id, char id[24]) __attribute__((warn_unused_result));

#endif
