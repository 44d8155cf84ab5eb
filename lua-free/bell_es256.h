/* Signatures of ES256 as JOSE writes them, r and s as two fixed numbers (RFC 7518, 3.4), and as OpenSSL wants them, in DER. */
#ifndef BELL_ES256_H
#define BELL_ES256_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_ES256_NUMBER_BYTES    32 /* r and s of P-256 */
#define BELL_ES256_SIGNATURE_BYTES (2 * BELL_ES256_NUMBER_BYTES)
#define BELL_ES256_DER_BYTES       72 /* the longest: two INTEGERs of 33 bytes */

/* Bytes written to der; -1: out of memory. */
int bell_es256_der_from_raw(const unsigned char raw[BELL_ES256_SIGNATURE_BYTES], unsigned char der[BELL_ES256_DER_BYTES])
    __attribute__((warn_unused_result));

/* false: not the DER of a signature of P-256, or out of memory. */
bool bell_es256_raw_from_der(const unsigned char *der, size_t len, unsigned char raw[BELL_ES256_SIGNATURE_BYTES]) __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
