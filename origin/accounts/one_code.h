/* One code for one person, as an answer: shown once, never to be read again. */
#ifndef FB_ONE_CODE_H
#define FB_ONE_CODE_H

#include "origin/server/codes.h"
#include "origin/server/job.h"

typedef struct {
    char code[FB_CODE_BYTES + 1];
    char hash[FB_CODE_HASH_BYTES + 1];
} fb_one_code;

/* A new code as the job's state. NULL: the job has been answered. */
fb_one_code *fb_one_code_new(fb_job *job) __attribute__((warn_unused_result));

/* The step after a statement whose row is id, given name, family name, user name, end of validity: 201 with them and the code; without a row 404. */
void fb_one_code_answer(fb_job *job);

#endif
