/* A rate limit over several edges, without asking anybody on the way of a request: of a budget (bell_gcra.h) that all share, a store leases credit to
 * the edges, ahead of its use. An edge spends what it has in hand; behind the requests, every 100 to 250 ms for keys in use, it tells what it has
 * spent and is given what it may spend next, by how much it is asked for. Pure: nothing here sends or waits.
 *
 * What holds, whatever is lost, late, repeated, or out of order:
 * 1. An edge counts all that it has ever spent, and tells that number; the store keeps the number that it knows. So each unit is charged once, and an
 *    exchange whose answer was lost is made good by the next one. What was spent beyond the lease is a debt and charged, whether or not there is
 *    anything left; what was not spent is given back, as long as it is younger than BELL_LEASE_RETURN_US.
 * 2. The store gives no more than its TAT has room for: burst + 1 units, and as much as the rule allows in BELL_LEASE_SLACK_US when that is more. In
 *    any stretch of time, what is given is bounded by the rule's rate and that.
 * 3. Without an answer an edge spends the lease in hand, as long as it is valid, and then its share: 1/N of the rate, N being the edges there are. A
 *    key that is new to an edge, or came back to it, begins with a share: 1/N of the burst, at least one unit, less if the store said that less was
 *    left. So all edges together never spend more than N shares and the leases in hand.
 * 4. No debt locks: a TAT is at most BELL_LEASE_OWED_US further ahead than the rule lets it be, or one unit an edge, whichever is more. What an edge
 *    spent while it was cut off is charged to the time when it was spent: as the share was its own, nobody waits for it afterwards, and nobody has a
 *    burst.
 * 5. A store that was emptied, or replaced by one that knows less, learns from each edge how far its TAT was and what was lent.
 * 6. An edge that the store does not hear any more spends its share, so the store lends it that, for as long as it remembers the edge: what the
 * others get is less by as much. Time in which nobody at all was heard is not counted as silence.
 *
 * Clocks: the edge's is monotonic, the store's is its own (Redis TIME, as given to each exchange), and they are never compared; both may step. */
#ifndef BELL_LEASE_H
#define BELL_LEASE_H

#include "bell_gcra.h"
#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_LEASE_EDGES_MAX   64
#define BELL_LEASE_SPAN_MAX_US ((int64_t)1 << 49) /* of tau + T: 17 years; sums of some of them are exact in a double */
#define BELL_LEASE_UNITS_MAX   ((uint64_t)1 << 53)

#define BELL_LEASE_HURRY_US  20000   /* between exchanges at least */
#define BELL_LEASE_TIGHT_US  100000  /* when credit runs out */
#define BELL_LEASE_CALM_US   250000  /* when it does not */
#define BELL_LEASE_LOST_US   500000  /* without an answer: the store is taken for gone */
#define BELL_LEASE_VALID_US  2000000 /* a lease, from when it was asked for */
#define BELL_LEASE_SLACK_US  300000
#define BELL_LEASE_OWED_US   1000000
#define BELL_LEASE_FRESH_US  1000000 /* an edge that asked so long ago is counted when shares are made */
#define BELL_LEASE_RETURN_US 5000000
#define BELL_LEASE_KEPT_US   60000000  /* how long the store remembers an edge that is silent */
#define BELL_LEASE_EXPIRE_US 300000000 /* and a key that nobody uses */

typedef struct {
    bell_gcra_rule gcra;
    uint32_t edges; /* N */
} bell_lease_rule;

/* false: no edges, more than BELL_LEASE_EDGES_MAX, or a burst that takes longer than BELL_LEASE_SPAN_MAX_US. */
bool bell_lease_rule_of(const bell_gcra_rule *gcra, uint32_t edges, bell_lease_rule *rule) __attribute__((warn_unused_result));

/* ---- the edge's side */

/* What an edge keeps for a key, in memory that its processes share. The first part changes in takes of any process, each in one step; the second in
 * exchanges, of one process at a time. */
typedef struct {
    uint64_t spent;       /* units, ever */
    uint64_t ceiling;     /* so many may be spent */
    int64_t until_us;     /* and until then */
    int64_t local_tat_us; /* of the share */
    int64_t owing_us;     /* when the share was first used since an exchange began; BELL_GCRA_NEVER: it was not */
    uint64_t asked;       /* units that somebody wanted, ever */
    int64_t answered_us;  /* when the last exchange began that was answered; BELL_GCRA_NEVER: the key is new */

    uint64_t epoch, number; /* of the exchange */
    bool is_out;            /* one is under way */
    int64_t sent_us, sent_owing_us;
    uint64_t sent_spent, sent_asked, sent_want;
    uint64_t known_spent, lent; /* as the last answer had it */
    int64_t store_tat_us, store_now_us;
    uint64_t left, demand;
} bell_lease;

/* What goes to the store, and comes back. */
typedef struct {
    uint64_t edge;  /* who asks: a number of its own among all edges */
    uint64_t epoch; /* of its counters: another one whenever they begin anew */
    uint64_t number;
    uint64_t spent;
    uint64_t since, lent; /* for a store that does not know the edge: units spent since the last answer, and what that lent */
    uint64_t want;
    int64_t age_us; /* how long ago the first unit was spent that no lease covers */
    int64_t tat_us; /* of the last answer; 0: none */
} bell_lease_request;

typedef struct {
    bool is_late; /* a newer request of this edge was there before: nothing was changed */
    uint64_t granted;
    uint64_t left; /* units that the store still has */
    int64_t tat_us, now_us;
} bell_lease_answer;

/* A key that nobody has used here. epoch: any number below BELL_LEASE_UNITS_MAX, another one for each key that is laid out in the same place. */
void bell_lease_init(bell_lease *l, uint64_t epoch);

/* A use of `cost` units, as bell_gcra_take(); tat_us and reset_us say nothing. One unit of credit is enough for a use that costs more, which is then
 * owed: else a dear one might never find enough at one edge. Of several processes at the same time. */
bell_gcra_answer bell_lease_take(bell_lease *l, const bell_lease_rule *rule, int64_t now_us, uint64_t cost);
/* Undoes a use that was allowed. */
void bell_lease_give_back(bell_lease *l, uint64_t cost);
/* Credit in hand now, units. */
uint64_t bell_lease_in_hand(const bell_lease *l, int64_t now_us);
/* What all edges together may still use, about, for people: as the last answer had it, and what has come since; without a store N times what remains
 * of the share. Units, at most burst + 1. */
int64_t bell_lease_left(const bell_lease *l, const bell_lease_rule *rule, int64_t now_us);
/* Whether it spends its share when credit ends: nobody has answered for too long, or not yet. */
bool bell_lease_is_alone(const bell_lease *l, int64_t now_us);

/* The share as a rule of its own, for a use of `cost` units: a TAT under it means the same as local_tat_us. For keys that have no lease, because
 * there is no room for one, or because they are not in use. */
bell_gcra_rule bell_lease_share(const bell_lease_rule *rule, uint64_t cost);

/* When the next exchange is due; INT64_MAX: one is under way, or the key is not in use and everything is told. One that nobody has ended in
 * BELL_LEASE_VALID_US is not under way any more. */
int64_t bell_lease_due_us(const bell_lease *l, int64_t now_us);
/* Begins an exchange; there is none under way. An answer to a former one will be ignored. */
void bell_lease_begin(bell_lease *l, const bell_lease_rule *rule, uint64_t edge, int64_t now_us, bell_lease_request *request);
/* The answer to the exchange with that number; one to another exchange is ignored. Whatever it says, no more is taken than the rule's burst or
 * slack. */
void bell_lease_answered(bell_lease *l, const bell_lease_rule *rule, uint64_t number, int64_t now_us, const bell_lease_answer *answer);
/* It failed or took too long: another one is due. */
void bell_lease_failed(bell_lease *l, uint64_t number);

/* ---- the store's side */

typedef struct {
    uint64_t edge, epoch, number, spent, lent, want;
    int64_t at_us;     /* when it was heard */
    int64_t shared_us; /* up to when it was lent its share without having asked */
} bell_lease_record;

/* All zeros: nothing is known. */
typedef struct {
    int64_t tat_us;
    uint32_t nrecords;
    bell_lease_record records[BELL_LEASE_EDGES_MAX];
} bell_lease_store;

/* One exchange. The same as bell_lease_script does, number by number. */
bell_lease_answer bell_lease_exchange(bell_lease_store *store, const bell_lease_rule *rule, int64_t now_us, const bell_lease_request *q);

/* For EVAL and EVALSHA: KEYS[1] is the key, a hash; ARGV[1] is what bell_lease_write() wrote. It answers with what bell_lease_read() reads. Redis 5
 * or newer; the clock is the server's. */
extern const char bell_lease_script[];

#define BELL_LEASE_REQUEST_MAX 320 /* bytes */

/* Bytes written, with NUL behind them. */
size_t bell_lease_write(const bell_lease_request *q, const bell_lease_rule *rule, char out[BELL_LEASE_REQUEST_MAX]);
/* What bell_lease_write() wrote. false: it is not that. */
bool bell_lease_read_request(bell_str text, bell_lease_request *q, bell_lease_rule *rule) __attribute__((warn_unused_result));
/* false: this is no answer. */
bool bell_lease_read(bell_str text, bell_lease_answer *answer) __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
