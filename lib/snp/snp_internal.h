/* What the files of this room share. */
#ifndef CLOISTER_LIB_SNP_INTERNAL_H
#define CLOISTER_LIB_SNP_INTERNAL_H

#include "cloister/snp.h"

/* 1.3.6.1.4.1.3704.1: AMD's arc for what a VCEK or VLEK certificate says (AMD 57230, table 8). */
#define SNP_OID "1.3.6.1.4.1.3704.1."

/* Turin and Venice: another layout of TCB_VERSION, and hwIDs of 8 bytes. */
bool snp_is_family_1a(enum clo_snp_product product);
/* Is this a leaf, by its extensions? */
bool snp_is_leaf(const struct clo_certificate *certificate);

#endif
