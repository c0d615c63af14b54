/* Revocation lists that several hold, as certificates are held (certificate_cache.h). */
#ifndef CLOISTER_LIB_CRYPTO_CRL_HOLD_H
#define CLOISTER_LIB_CRYPTO_CRL_HOLD_H

#include "cloister/crypto.h"

/* One more holder, who frees it as well. */
struct clo_crl *clo_crl_hold(const struct clo_crl *crl);
bool clo_crl_is_shared(const struct clo_crl *crl);

#endif
