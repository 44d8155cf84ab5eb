/* What was used, in memory that several processes share: of any number of uses of one thing at the same time, in whichever of them, exactly one is
 * the first. For tokens that count once.
 *
 * Kept is a keyed hash of 128 bits of what a thing is known by (SipHash), and until when. A thing stands in one of the BELL_SEEN_WAYS places of the
 * one set that its hash names, so that a set may be full while others have room: of as many things as there are three tenths of the places, less than
 * one in a million finds none. Whose things there are many of leaves room for others: a group has at most eight times as many places of a set as are
 * then free. Nothing makes room but what is over for BELL_SEEN_MARGIN_S seconds already, as clocks of processes differ and step;
 * and, when there is nothing of that, what yields, the soonest over first.
 *
 * Nobody waits, and there is no lock over a set. A process writes into a place that nobody sees, and one compare-and-swap of the set's state shows it
 * if nothing has been added since the set was read. A place that is written to names the process that does; it is taken over when that one is dead,
 * so that who dies in the middle leaves nothing behind. */
#ifndef BELL_SEEN_H
#define BELL_SEEN_H

#include "bell_siphash.h"

#pragma GCC visibility push(hidden)

#define BELL_SEEN_ALIGN    64
#define BELL_SEEN_WAYS     31
#define BELL_SEEN_MARGIN_S 60

typedef struct {
    uint64_t words[2];
} bell_seen_name;

typedef enum {
    BELL_SEEN_FIRST,
    BELL_SEEN_AGAIN,
    BELL_SEEN_FULL, /* not known, and there is no place to remember it in, or none for its group; also when others would not stop adding to its set */
} bell_seen_answer;

/* Lays it out in zeroed memory, aligned to BELL_SEEN_ALIGN. false: no room for one set (1 KiB and 64 bytes). */
bool bell_seen_init(void *memory, size_t bytes, const unsigned char seed[BELL_SIPHASH_KEY_BYTES]) __attribute__((warn_unused_result));
size_t bell_seen_places(const void *memory);

/* What bytes of any length are kept as in this memory. */
bell_seen_name bell_seen_name_of(const void *memory, bell_str what);

static inline bool bell_seen_same(bell_seen_name a, bell_seen_name b) {
    return a.words[0] == b.words[0] && a.words[1] == b.words[1];
}

typedef struct {
    bell_seen_name name;
    uint32_t group;    /* whose it is, of those who share the memory, below 2^31; 0: nobody shares it */
    int64_t expires_s; /* Unix seconds: when it is over */
    bool yields;       /* may be forgotten for one that does not */
} bell_seen_thing;

/* Uses a thing. self: the process's id; now_s: Unix seconds. */
bell_seen_answer bell_seen_use(void *memory, uint32_t self, const bell_seen_thing *thing, int64_t now_s) __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
