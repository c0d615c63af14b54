/* A pretend AMD platform: a root of its own, an intermediate and one chip's VCEK, with the extensions
 * of AMD 57230 (VCEK Certificate and KDS Interface Specification), Milan. */
#ifndef CLOISTER_SIM_PLATFORM_H
#define CLOISTER_SIM_PLATFORM_H

#include "cloister/crypto.h"

#define SIM_CHIP_ID_SIZE 64

/* What a Milan chip's TCB_VERSION says. */
struct sim_tcb {
    uint8_t bootloader, tee, snp, microcode;
};

struct sim_platform {
    uint8_t chip_id[SIM_CHIP_ID_SIZE];
    struct sim_tcb tcb;
    struct clo_private_key *vcek_key;
    struct clo_buffer vcek; /* DER */
    struct clo_buffer ask;
    struct clo_buffer ark;
};

/* Two RSA-4096 keys are made and forgotten: takes a few seconds. */
CLO_MUST_USE bool sim_platform_new(const char *name, int64_t now, const struct clo_random *random,
                                   struct sim_platform *out, struct clo_error *err);
/* The folder gets ark.pem, ask.pem, vcek.pem, and vcek.key for the owner alone. */
CLO_MUST_USE bool sim_platform_save(const struct sim_platform *platform, const char *folder,
                                    struct clo_error *err);
CLO_MUST_USE bool sim_platform_load(const char *folder, struct sim_platform *out,
                                    struct clo_error *err);
void sim_platform_free(struct sim_platform *platform);

#endif
