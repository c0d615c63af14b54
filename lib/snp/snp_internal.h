/* What the files of this room share. */
#ifndef CLOISTER_LIB_SNP_INTERNAL_H
#define CLOISTER_LIB_SNP_INTERNAL_H

#include "cloister/snp.h"

/* 1.3.6.1.4.1.3704.1: AMD's arc for what a VCEK or VLEK certificate says (AMD 57230, table 8). */
#define SNP_OID "1.3.6.1.4.1.3704.1."

/* Turin and Venice: another layout of TCB_VERSION, and hwIDs of 8 bytes. */
bool snp_is_family_1a(enum clo_snp_product product);
/* What one verification works on: the chain's part fills `endorser`, as far as it gets. */
struct snp_work {
    const struct clo_snp_chain *chain;
    const struct clo_snp_trust *trust;
    struct clo_checks *checks;
    struct clo_snp_endorser endorser;
    bool has_leaf; /* endorser.leaf was read, and the certificate is fit to be one */
};
/* Checks snp.leaf, snp.chain, snp.root, snp.validity, snp.revocation. */
void snp_check_chain(struct snp_work *w);
/* The last of them. */
void snp_check_revocation(struct snp_work *w);
/* The chain is good from `from` until `until` at most. */
void snp_narrow(struct clo_snp_endorser *endorser, int64_t from, int64_t until);

/* The day of a Unix time: 2026-11-24. */
#define SNP_DATE_TEXT 48
void snp_date_text(int64_t at, char out[SNP_DATE_TEXT]);

/* Is it, byte for byte, one of AMD's roots? Then its own signature is known to hold. */
bool snp_is_amd_certificate(const struct clo_certificate *certificate);

/* Is this a leaf, by its extensions? */
bool snp_is_leaf(const struct clo_certificate *certificate);

#endif
