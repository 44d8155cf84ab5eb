/* The store's side, twice: in C, and as the script that a Redis runs. Whoever changes one changes the other; a test compares them number by number.
 */
#include "bell_lease.h"

#include <inttypes.h>
#include <stdio.h>

#define CHARGE_MAX_US ((int64_t)1 << 50)
#define RESERVE_US    50000
#define WANT_MAX      ((uint64_t)1 << 32)

/* The script's numbers are doubles, which are exact up to 2^53: none of the sums below is larger. */
_Static_assert(BELL_LEASE_SPAN_MAX_US <= CHARGE_MAX_US / 2, "a span and a debt");

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* How long so many units take. */
static int64_t time_of(const bell_lease_rule *rule, uint64_t units) {
    uint64_t bound = (uint64_t)(CHARGE_MAX_US / rule->gcra.unit_us);

    return (int64_t)(units < bound ? units : bound) * rule->gcra.unit_us;
}

static int64_t span_us(const bell_lease_rule *rule) {
    return most(rule->gcra.burst_us, BELL_LEASE_SLACK_US) + rule->gcra.unit_us;
}

/* How far ahead a TAT may be at most, with what is owed. */
static int64_t furthest(const bell_lease_rule *rule, int64_t now_us) {
    return now_us + span_us(rule) + most(BELL_LEASE_OWED_US, time_of(rule, rule->edges));
}

/* ---- records */

static bool is_older(const bell_lease_record *a, const bell_lease_record *b) {
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->edge < b->edge);
}

static void forget(bell_lease_store *store, uint32_t n) {
    store->records[n] = store->records[--store->nrecords];
}

static int64_t last_heard(const bell_lease_store *store, int64_t now_us) {
    int64_t last = store->nrecords > 0 ? store->records[0].at_us : now_us;

    for (uint32_t n = 1; n < store->nrecords; n++) {
        last = most(last, store->records[n].at_us);
    }
    return last;
}

/* A record that says it is of later was written before the clock went back. Who was heard shortly before the last one of all is not old. */
static void forget_old(bell_lease_store *store, int64_t now_us) {
    int64_t last_us = least(last_heard(store, now_us), now_us);

    for (uint32_t n = store->nrecords; n-- > 0;) {
        bell_lease_record *r = &store->records[n];
        r->at_us = least(r->at_us, now_us);
        r->shared_us = least(r->shared_us, now_us);
        if (last_us - r->at_us > BELL_LEASE_KEPT_US) {
            forget(store, n);
        }
    }
}

static bell_lease_record *record_of(bell_lease_store *store, uint64_t edge) {
    for (uint32_t n = 0; n < store->nrecords; n++) {
        if (store->records[n].edge == edge) {
            return &store->records[n];
        }
    }
    return NULL;
}

/* A place for a new one; the oldest goes when there is none. */
static bell_lease_record *new_record(bell_lease_store *store) {
    if (store->nrecords == BELL_LEASE_EDGES_MAX) {
        uint32_t oldest = 0;
        for (uint32_t n = 1; n < store->nrecords; n++) {
            oldest = is_older(&store->records[n], &store->records[oldest]) ? n : oldest;
        }
        forget(store, oldest);
    }
    return &store->records[store->nrecords++];
}

/* ---- silence */

/* Lends their shares to all others that wanted something and have not been heard since; the TAT after that. When nobody was heard, it is the store
 * that was away, and all are taken to be as they were. */
static int64_t lend_shares(bell_lease_store *store, const bell_lease_rule *rule, int64_t tat_us, int64_t now_us, uint64_t asker) {
    int64_t away_us = now_us - last_heard(store, now_us), unit_us = rule->gcra.unit_us * rule->edges, since_us = now_us;
    uint64_t sum = 0;

    away_us = away_us > BELL_LEASE_LOST_US ? away_us : 0;
    for (uint32_t n = 0; n < store->nrecords; n++) {
        bell_lease_record *r = &store->records[n];
        if (r->edge != asker && r->want > 0 && now_us - r->at_us > BELL_LEASE_LOST_US) {
            uint64_t units = (uint64_t)((now_us - r->shared_us) / unit_us);
            since_us = units > 0 ? least(since_us, r->shared_us) : since_us;
            r->lent += units;
            r->shared_us += (int64_t)units * unit_us;
            sum += units;
        }
        r->at_us += r->edge != asker ? away_us : 0;
    }
    return sum > 0 ? most(tat_us, since_us) + time_of(rule, sum) : tat_us;
}

/* ---- an exchange */

typedef struct {
    uint64_t wants[BELL_LEASE_EDGES_MAX];
    uint32_t n;
} bell_lease_others;

/* What the edge has spent is compared with what it was lent: the TAT after that. */
static int64_t settle(int64_t tat_us, const bell_lease_rule *rule, int64_t now_us, const bell_lease_request *q, const bell_lease_record *known) {
    uint64_t before = known != NULL ? known->spent : q->spent - q->since, lent = known != NULL ? known->lent : q->lent;
    uint64_t spent = q->spent > before ? q->spent - before : 0, given_back = q->spent < before ? before - q->spent : 0;
    bool is_young = known != NULL ? now_us - known->at_us <= BELL_LEASE_RETURN_US : q->age_us <= BELL_LEASE_RETURN_US;

    if (spent > lent) {
        return most(tat_us, now_us - q->age_us) + time_of(rule, spent - lent);
    }
    return is_young ? tat_us - time_of(rule, lent - spent + given_back) : tat_us;
}

static uint64_t units_left(int64_t tat_us, const bell_lease_rule *rule, int64_t now_us) {
    int64_t left = now_us + span_us(rule) - most(tat_us, now_us);

    return left > 0 ? (uint64_t)(left / rule->gcra.unit_us) : 0;
}

/* Max-min fair: who wants less than an even part gets it, and the others have what remains in even parts; what does not come out even goes by turns,
 * and what is less than one for each to whoever comes. wants: of the n others, in a calm stretch, of which this is a part of time_us. */
static uint64_t fair_part(uint64_t units, uint64_t want, const bell_lease_others *others, uint64_t time_us, uint64_t turn) {
    uint64_t level, before, wants[BELL_LEASE_EDGES_MAX];
    uint32_t n = others->n;

    for (uint32_t i = 0; i < n; i++) {
        wants[i] = others->wants[i] * time_us / BELL_LEASE_CALM_US;
    }
    do {
        before = units;
        level = units / (n + 1);
        for (uint32_t i = n; i-- > 0;) {
            if (wants[i] <= level) {
                units -= wants[i];
                wants[i] = wants[--n];
            }
        }
    } while (units != before);
    level = (units + (units > n ? turn % (n + 1) : n)) / (n + 1);
    return want < level ? want : level;
}

static void find_others(const bell_lease_store *store, int64_t now_us, uint64_t edge, bell_lease_others *others) {
    others->n = 0;
    for (uint32_t i = 0; i < store->nrecords; i++) {
        const bell_lease_record *r = &store->records[i];
        if (r->edge != edge && r->want > 0 && now_us - r->at_us <= BELL_LEASE_FRESH_US) {
            others->wants[others->n++] = r->want < WANT_MAX ? r->want : WANT_MAX;
        }
    }
}

/* Its part of what has come since it asked, of which the others have theirs, and of what was there before, but for a reserve: without one, whoever
 * asks last of several would find less. With plenty more than it wants: an even part of a half. */
static uint64_t grant(const bell_lease_store *store, const bell_lease_rule *rule, int64_t now_us, const bell_lease_request *q, uint64_t units,
                      const bell_lease_record *known) {
    int64_t unit_us = rule->gcra.unit_us, come = known != NULL ? (now_us - known->at_us) / unit_us : 0;
    uint64_t time_us = (uint64_t)least(come * unit_us, BELL_LEASE_CALM_US), even = units / 2 / rule->edges, want = q->want > even ? q->want : even;
    bell_lease_others others;

    if (q->want == 0) {
        return 0;
    }
    find_others(store, now_us, q->edge, &others);
    uint64_t reserve = others.n > 0 ? (uint64_t)(RESERVE_US / unit_us) : 0, fresh = (uint64_t)come < units ? (uint64_t)come : units;
    uint64_t rest = units - fresh > reserve ? units - fresh - reserve : 0;
    uint64_t part = fair_part(fresh, want, &others, time_us, q->number + q->edge);
    return part + fair_part(rest, want - part, &others, BELL_LEASE_CALM_US, q->number + q->edge);
}

bell_lease_answer bell_lease_exchange(bell_lease_store *store, const bell_lease_rule *rule, int64_t now_us, const bell_lease_request *q) {
    bell_lease_record *r = record_of(store, q->edge), *known;

    if (r != NULL && r->epoch == q->epoch && q->number <= r->number) {
        return (bell_lease_answer){.is_late = true, .tat_us = store->tat_us, .now_us = now_us};
    }
    forget_old(store, now_us);
    r = record_of(store, q->edge);
    known = r != NULL && r->epoch == q->epoch ? r : NULL;
    int64_t tat = known != NULL ? store->tat_us : most(store->tat_us, q->tat_us), bound = furthest(rule, now_us);
    tat = lend_shares(store, rule, least(tat, bound), now_us, q->edge);
    tat = most(least(settle(tat, rule, now_us, q, known), bound), 0);
    uint64_t units = units_left(tat, rule, now_us), granted = grant(store, rule, now_us, q, units, known);
    if (granted > 0) {
        tat = most(tat, now_us) + time_of(rule, granted);
    }
    r = r != NULL ? r : new_record(store);
    *r = (bell_lease_record){.edge = q->edge,
                             .epoch = q->epoch,
                             .number = q->number,
                             .spent = q->spent,
                             .lent = granted,
                             .want = q->want,
                             .at_us = now_us,
                             .shared_us = now_us};
    store->tat_us = tat;
    return (bell_lease_answer){.granted = granted, .left = units - granted, .tat_us = tat, .now_us = now_us};
}

const char bell_lease_script[] =
    "local CHARGE_MAX, SLACK, OWED, FRESH, LOST = 1125899906842624, 300000, 1000000, 1000000, 500000\n"
    "local RETURN, KEPT, EXPIRE, EDGES_MAX = 5000000, 60000000, 300000000, 64\n"
    "local CALM, RESERVE, WANT_MAX = 250000, 50000, 4294967296\n"
    "local function text(n) return string.format('%.0f', n) end\n"
    "local function numbers(s)\n"
    "  local v = {}\n"
    "  for w in string.gmatch(s, '%S+') do v[#v + 1] = tonumber(w) end\n"
    "  return v\n"
    "end\n"
    "local a = numbers(ARGV[1])\n"
    "local edge, epoch, number, spent, since, lent = a[1], a[2], a[3], a[4], a[5], a[6]\n"
    "local want, age, seen, unit, burst, edges = a[7], a[8], a[9], a[10], a[11], a[12]\n"
    "local clock = redis.call('TIME')\n"
    "local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])\n"
    "local function time_of(units) return math.min(units, math.floor(CHARGE_MAX / unit)) * unit end\n"
    "local span = math.max(burst, SLACK) + unit\n"
    "local tat, all, last, is_late = 0, {}, nil, false\n"
    "local h = redis.call('HGETALL', KEYS[1])\n"
    "for i = 1, #h, 2 do\n"
    "  if h[i] == 'tat' then\n"
    "    tat = tonumber(h[i + 1])\n"
    "  else\n"
    "    local v = numbers(h[i + 1])\n"
    "    all[#all + 1] = {edge = tonumber(h[i]), epoch = v[1], number = v[2], spent = v[3], lent = v[4], want = v[5], at = v[6], shared = v[7]}\n"
    "    last = math.max(last or v[6], v[6])\n"
    "    if all[#all].edge == edge and v[1] == epoch and number <= v[2] then is_late = true end\n"
    "  end\n"
    "end\n"
    "if is_late then return '1 0 0 ' .. text(tat) .. ' ' .. text(now) end\n"
    "last = math.min(last or now, now)\n"
    "local records, own = {}, nil\n"
    "for _, r in ipairs(all) do\n"
    "  r.is_new = r.at > now or r.shared > now\n"
    "  r.at, r.shared = math.min(r.at, now), math.min(r.shared, now)\n"
    "  if last - r.at > KEPT then\n"
    "    redis.call('HDEL', KEYS[1], text(r.edge))\n"
    "  else\n"
    "    records[#records + 1] = r\n"
    "    if r.edge == edge then own = r end\n"
    "  end\n"
    "end\n"
    "local known = own and own.epoch == epoch and own or nil\n"
    "local bound = now + span + math.max(OWED, time_of(edges))\n"
    "if not known then tat = math.max(tat, seen) end\n"
    "tat = math.min(tat, bound)\n"
    "local away, sum, begun = now - last, 0, now\n"
    "if away <= LOST then away = 0 end\n"
    "for _, r in ipairs(records) do\n"
    "  if r.edge ~= edge then\n"
    "    if r.want > 0 and now - r.at > LOST then\n"
    "      local units = math.floor((now - r.shared) / (unit * edges))\n"
    "      if units > 0 then begun = math.min(begun, r.shared) end\n"
    "      r.lent, r.shared, r.is_new, sum = r.lent + units, r.shared + units * unit * edges, true, sum + units\n"
    "    end\n"
    "    if away > 0 then r.at, r.is_new = r.at + away, true end\n"
    "  end\n"
    "end\n"
    "if sum > 0 then tat = math.max(tat, begun) + time_of(sum) end\n"
    "local before, is_young = spent - since, age <= RETURN\n"
    "if known then before, lent, is_young = known.spent, known.lent, now - known.at <= RETURN end\n"
    "local used, given_back = math.max(spent - before, 0), math.max(before - spent, 0)\n"
    "if used > lent then\n"
    "  tat = math.max(tat, now - age) + time_of(used - lent)\n"
    "elseif is_young then\n"
    "  tat = tat - time_of(lent - used + given_back)\n"
    "end\n"
    "tat = math.max(math.min(tat, bound), 0)\n"
    "local units = math.max(0, math.floor((now + span - math.max(tat, now)) / unit))\n"
    "local others = {}\n"
    "for _, r in ipairs(records) do\n"
    "  if r.edge ~= edge and r.want > 0 and now - r.at <= FRESH then others[#others + 1] = math.min(r.want, WANT_MAX) end\n"
    "end\n"
    "local function part_of(units, want, time)\n"
    "  local wants, n, previous = {}, #others, 0\n"
    "  for i = 1, n do wants[i] = math.floor(others[i] * time / CALM) end\n"
    "  repeat\n"
    "    previous = units\n"
    "    local level = math.floor(units / (n + 1))\n"
    "    for i = n, 1, -1 do\n"
    "      if wants[i] <= level then units = units - wants[i]; wants[i] = wants[n]; n = n - 1 end\n"
    "    end\n"
    "  until units == previous\n"
    "  local turn = n\n"
    "  if units > n then turn = (number + edge) % (n + 1) end\n"
    "  return math.min(want, math.floor((units + turn) / (n + 1)))\n"
    "end\n"
    "local granted = 0\n"
    "if want > 0 then\n"
    "  local come = known and math.floor((now - known.at) / unit) or 0\n"
    "  local most = math.max(want, math.floor(math.floor(units / 2) / edges))\n"
    "  local reserve = #others > 0 and math.floor(RESERVE / unit) or 0\n"
    "  local fresh = math.min(come, units)\n"
    "  granted = part_of(fresh, most, math.min(come * unit, CALM))\n"
    "  granted = granted + part_of(math.max(units - fresh - reserve, 0), most - granted, CALM)\n"
    "end\n"
    "if granted > 0 then tat = math.max(tat, now) + time_of(granted) end\n"
    "if not own and #records >= EDGES_MAX then\n"
    "  local oldest = records[1]\n"
    "  for _, r in ipairs(records) do\n"
    "    if r.at < oldest.at or (r.at == oldest.at and r.edge < oldest.edge) then oldest = r end\n"
    "  end\n"
    "  redis.call('HDEL', KEYS[1], text(oldest.edge))\n"
    "  oldest.is_new = false\n"
    "end\n"
    "local function put(e, ...)\n"
    "  local v = {...}\n"
    "  for i = 1, #v do v[i] = text(v[i]) end\n"
    "  redis.call('HSET', KEYS[1], text(e), table.concat(v, ' '))\n"
    "end\n"
    "for _, r in ipairs(records) do\n"
    "  if r.is_new and r.edge ~= edge then put(r.edge, r.epoch, r.number, r.spent, r.lent, r.want, r.at, r.shared) end\n"
    "end\n"
    "put(edge, epoch, number, spent, granted, want, now, now)\n"
    "redis.call('HSET', KEYS[1], 'tat', text(tat))\n"
    "redis.call('PEXPIRE', KEYS[1], text(math.ceil((EXPIRE + math.max(tat - now, 0)) / 1000)))\n"
    "return '0 ' .. text(granted) .. ' ' .. text(units - granted) .. ' ' .. text(tat) .. ' ' .. text(now)\n";

/* ---- as text */

static uint64_t bounded(uint64_t n) {
    return n < BELL_LEASE_UNITS_MAX ? n : BELL_LEASE_UNITS_MAX - 1;
}

size_t bell_lease_write(const bell_lease_request *q, const bell_lease_rule *rule, char out[BELL_LEASE_REQUEST_MAX]) {
    int n = snprintf(out, BELL_LEASE_REQUEST_MAX,
                     "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64
                     " %" PRId64 " %" PRIu32,
                     bounded(q->edge), bounded(q->epoch), bounded(q->number), bounded(q->spent), bounded(q->since), bounded(q->lent),
                     bounded(q->want), (uint64_t)least(most(q->age_us, 0), CHARGE_MAX_US), bounded((uint64_t)most(q->tat_us, 0)), rule->gcra.unit_us,
                     rule->gcra.burst_us, rule->edges);

    return (size_t)n;
}

/* So many numbers with one space between them. */
static bool read_numbers(bell_str text, uint64_t *numbers, size_t n) {
    for (size_t i = 0; i < n; i++) {
        bool is_last = i == n - 1;
        bell_str word = is_last ? text : bell_str_cut(&text, ' ');
        if (!bell_str_to_u64(word, BELL_LEASE_UNITS_MAX - 1, &numbers[i])) {
            return false;
        }
    }
    return true;
}

bool bell_lease_read_request(bell_str text, bell_lease_request *q, bell_lease_rule *rule) {
    uint64_t n[12];

    if (!read_numbers(text, n, 12) || n[4] > n[3] || n[7] > (uint64_t)CHARGE_MAX_US || n[9] == 0 || n[9] > (uint64_t)BELL_LEASE_SPAN_MAX_US ||
        n[10] > (uint64_t)BELL_LEASE_SPAN_MAX_US) {
        return false;
    }
    *q = (bell_lease_request){.edge = n[0],
                              .epoch = n[1],
                              .number = n[2],
                              .spent = n[3],
                              .since = n[4],
                              .lent = n[5],
                              .want = n[6],
                              .age_us = (int64_t)n[7],
                              .tat_us = (int64_t)n[8]};
    const bell_gcra_rule gcra = {.unit_us = (int64_t)n[9], .burst_us = (int64_t)n[10]};
    return bell_lease_rule_of(&gcra, n[11] <= BELL_LEASE_EDGES_MAX ? (uint32_t)n[11] : 0, rule);
}

bool bell_lease_read(bell_str text, bell_lease_answer *answer) {
    uint64_t n[5];

    if (!read_numbers(text, n, 5) || n[0] > 1) {
        return false;
    }
    *answer = (bell_lease_answer){.is_late = n[0] == 1, .granted = n[1], .left = n[2], .tat_us = (int64_t)n[3], .now_us = (int64_t)n[4]};
    return true;
}
