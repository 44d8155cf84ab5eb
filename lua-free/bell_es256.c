#include "bell_es256.h"

#include <openssl/ec.h>

bool bell_es256_raw_from_der(const unsigned char *der, size_t len, unsigned char raw[BELL_ES256_SIGNATURE_BYTES]) {
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    bool good = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, BELL_ES256_NUMBER_BYTES) == BELL_ES256_NUMBER_BYTES &&
                BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + BELL_ES256_NUMBER_BYTES, BELL_ES256_NUMBER_BYTES) == BELL_ES256_NUMBER_BYTES;

    ECDSA_SIG_free(sig);
    return good;
}

int bell_es256_der_from_raw(const unsigned char raw[BELL_ES256_SIGNATURE_BYTES], unsigned char der[BELL_ES256_DER_BYTES]) {
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, BELL_ES256_NUMBER_BYTES, NULL), *s = BN_bin2bn(raw + BELL_ES256_NUMBER_BYTES, BELL_ES256_NUMBER_BYTES, NULL);
    int len = -1;

    if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = s = NULL; /* the signature owns them now */
        len = i2d_ECDSA_SIG(sig, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return len;
}
