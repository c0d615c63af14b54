#include "guest/measure_rtmr.h"

#include "cloister/crypto.h"
#include "device/tdx_guest.h"

#define RTMR_GUEST 3 /* the one that firmware leaves to the guest */

bool clo_measure_rtmr(const char *folder, const char *phase, enum clo_rtmr_need need,
                      struct clo_error *err)
{
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA384, clo_bytes_text(phase), &digest);
    if (clo_tdx_guest_extend(folder, RTMR_GUEST, clo_digest_bytes(&digest), err))
        return true;
    /* A register that is there and refuses is a fault; one that is not there may be left out. */
    if (need == CLO_RTMR_OPTIONAL && err->status == CLO_ERR_UNAVAILABLE)
        return true;
    return clo_wrap(err,
                    "RTMR 3: phase %s cannot be measured, so that what runs after it could ask "
                    "for the key again",
                    phase);
}
