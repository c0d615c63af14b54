/* PCR banks: extend, and replay a log into one (TPM 2.0 Library, part 1, section 17). */
#ifndef CLOISTER_PCR_H
#define CLOISTER_PCR_H

#include "cloister/crypto.h"
#include "cloister/eventlog.h"

CLO_BEGIN_C

#define CLO_PCR_COUNT 24
#define CLO_IMA_PCR   10 /* IMA's: it depends on what runs and is never predicted */

struct clo_pcr_bank {
    enum clo_hash hash;
    struct clo_digest values[CLO_PCR_COUNT];
    uint32_t touched; /* bit n: PCR n was extended */
};

/* As after a reset: zeros, and ones in PCRs 17 to 22. */
CLO_API void clo_pcr_reset(struct clo_pcr_bank *bank, enum clo_hash hash);
/* `digest` must be of the bank's hash and `pcr` below CLO_PCR_COUNT. */
CLO_API void clo_pcr_extend(struct clo_pcr_bank *bank, unsigned pcr,
                            const struct clo_digest *digest);
/* Extends with the hash of `data`. */
CLO_API void clo_pcr_measure(struct clo_pcr_bank *bank, unsigned pcr, struct clo_bytes data);
/* Resets the bank, and extends it with every event of the log that extends. Fails if an event that
 * does has no digest for this bank. In a CCEL log the "PCRs" are measurement register indexes. */
CLO_API CLO_MUST_USE bool clo_eventlog_replay(const struct clo_eventlog *log, enum clo_hash hash,
                                              struct clo_pcr_bank *out, struct clo_error *err);

CLO_END_C

#endif
