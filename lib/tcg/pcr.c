#include "cloister/pcr.h"

#include <string.h>

#include "lib/crypto/extend.h"

void clo_pcr_reset(struct clo_pcr_bank *bank, enum clo_hash hash)
{
    *bank = (struct clo_pcr_bank){ .hash = hash };
    for (unsigned i = 0; i < CLO_PCR_COUNT; i++) {
        bank->values[i].hash = hash;
        if (i >= 17 && i <= 22)
            memset(bank->values[i].bytes, 0xff, clo_hash_size(hash));
    }
}

void clo_pcr_extend(struct clo_pcr_bank *bank, unsigned pcr, const struct clo_digest *digest)
{
    crypto_extend(&bank->values[pcr], digest);
    bank->touched |= 1U << pcr;
}

void clo_pcr_measure(struct clo_pcr_bank *bank, unsigned pcr, struct clo_bytes data)
{
    struct clo_digest digest;

    clo_hash(bank->hash, data, &digest);
    clo_pcr_extend(bank, pcr, &digest);
}

bool clo_eventlog_replay(const struct clo_eventlog *log, enum clo_hash hash,
                         struct clo_pcr_bank *out, struct clo_error *err)
{
    struct clo_pcr_bank bank;
    CLO_CLEANUP(clo_hasher_freep) struct clo_hasher *hasher = NULL;

    if (clo_hash_size(hash) == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "event log: unknown hash");
    clo_pcr_reset(&bank, hash);
    bank.values[0].bytes[clo_hash_size(hash) - 1] = clo_eventlog_startup_locality(log);
    hasher = clo_hasher_new(hash);
    for (size_t i = 0; i < clo_eventlog_count(log); i++) {
        const struct clo_event *event = clo_eventlog_at(log, i);
        struct clo_bytes digest = clo_event_digest_bytes(event, hash);
        if (event->type == CLO_EV_NO_ACTION)
            continue;
        if (event->pcr >= CLO_PCR_COUNT)
            return clo_fail(err, CLO_ERR_FORMAT, "event %zu: PCR %u", i, event->pcr);
        if (digest.size == 0)
            return clo_fail(err, CLO_ERR_FORMAT, "event %zu: no %s digest", i, clo_hash_name(hash));
        clo_hasher_add(hasher, clo_digest_bytes(&bank.values[event->pcr]));
        clo_hasher_add(hasher, digest);
        clo_hasher_get(hasher, &bank.values[event->pcr]);
        bank.touched |= 1U << event->pcr;
    }
    *out = bank;
    return true;
}
