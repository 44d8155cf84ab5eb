/* Latencies of a run in 18 KiB at any count: buckets grow with the value, 64 to each doubling, so that a percentile is right to 1.6 percent. */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_DOUBLES  34 /* up to 2^40 microseconds */
#define HISTOGRAM_BUCKETS  ((HISTOGRAM_DOUBLES + 1) << HISTOGRAM_SUB_BITS)

typedef struct {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total, max_us;
} histogram;

void histogram_add(histogram *h, uint64_t us);
/* The least value that `percent` of the values do not pass; the greatest value for 100, 0 when there is none. */
uint64_t histogram_percentile_us(const histogram *h, double percent);

#endif
