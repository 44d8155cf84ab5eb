/* Quizzes as content: which part a student may see, and what an attempt scores. Pure functions over JSON.
 * Content: {"pass_score":60,"questions":[{"id":"q1","prompt":"…","kind":"single|multiple","choices":[{"id":"a","text":"…"}],
 *           "answer":["a"],"explanation":"…"}]}
 * Attempt: {"answers":{"q1":["a"]}} */
#ifndef BELL_QUIZ_H
#define BELL_QUIZ_H

#include "bell_json.h"

#pragma GCC visibility push(hidden)

/* Writes the content as a student may see it: pass_score and of each question id, prompt, kind and choices (id, text); members that are not named
 * here stay hidden. false: the content is not a quiz, nothing is written. A quiz has a pass_score of 0 to 100, at least one question, ids that are
 * unique, and an answer of known choices: exactly one for "single", at least one for "multiple". */
bool bell_quiz_write_public(bell_str content, bell_json *out) __attribute__((warn_unused_result));

typedef struct {
    int32_t score_hundredths; /* of 100: 8750 is 87.5 % */
    bool passed;
} bell_quiz_result;

/* Grades and writes an array [{"id","correct","explanation"}] to out (explanation null when there is none). A question is right when the set of
 * chosen ids equals the answer, wrong when the attempt leaves it out; each counts the same. false: nothing is written and err says what is wrong
 * with the attempt (unknown question, unknown choice, not the expected shape). */
bool bell_quiz_grade(bell_str content, bell_str attempt, bell_quiz_result *result, bell_json *out, char *err, size_t err_len)
    __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
