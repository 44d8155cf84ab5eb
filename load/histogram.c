#include "load/histogram.h"

#define SUB ((uint64_t)1 << HISTOGRAM_SUB_BITS)

static unsigned bucket_of(uint64_t us) {
    unsigned shift = 0;

    while ((us >> shift) >= 2 * SUB && shift < HISTOGRAM_DOUBLES - 1) {
        shift++;
    }
    uint64_t top = us >> shift;
    return (unsigned)(shift * SUB + (top < 2 * SUB ? top : 2 * SUB - 1));
}

/* The greatest value that falls into the bucket. */
static uint64_t upper_end(unsigned bucket) {
    unsigned shift = bucket < 2 * SUB ? 0 : (unsigned)(bucket / SUB - 1);
    uint64_t top = bucket - shift * SUB;
    return ((top + 1) << shift) - 1;
}

void histogram_add(histogram *h, uint64_t us) {
    h->counts[bucket_of(us)]++;
    h->total++;
    if (us > h->max_us) {
        h->max_us = us;
    }
}

uint64_t histogram_percentile_us(const histogram *h, double percent) {
    double wanted = (double)h->total * percent / 100;
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (h->counts[i] > 0 && (double)seen >= wanted) {
            uint64_t end = upper_end(i);
            return end < h->max_us ? end : h->max_us;
        }
    }
    return h->max_us;
}
