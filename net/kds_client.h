/* Client of AMD's Key Distribution Service (AMD 57230, VCEK Certificate and KDS Interface
 * Specification 1.00, chapter 4); cloister/kds.h has the paths.
 *
 * What comes back is checked to be the document that was asked for, so that nothing else is cached;
 * whether it is genuine is for clo_snp_verify(). The service throttles by address: about one VCEK in
 * ten seconds, so one is fetched for all reports of a chip and TCB. */
#ifndef CLOISTER_NET_KDS_CLIENT_H
#define CLOISTER_NET_KDS_CLIENT_H

#include "cloister/kds.h"
#include "net/source.h"

#define CLO_KDS_BASE "https://" CLO_KDS_HOST

/* The VCEK certificate, DER. A report of version 2 does not say its product: Milan and Genoa are asked
 * for in turn, or Turin where CHIP_ID has eight bytes. A chip that AMD does not know is CLO_ERR_UNVERIFIED. */
CLO_MUST_USE bool clo_kds_get_vcek(struct clo_source *source, const char *base,
                                   const struct clo_snp_report *report, struct clo_buffer *out,
                                   struct clo_error *err);
/* ASK (or ASVK) and ARK in PEM; or the ARK's revocation list in DER. Any kind but CLO_KDS_VCEK. `about` is the
 * leaf that the chain has to be of, or the root that has to have signed the list: what is of others is not
 * taken, since a list of another root would revoke nothing. NULL: nobody knows. */
CLO_MUST_USE bool clo_kds_get(struct clo_source *source, const char *base, enum clo_kds_kind kind,
                              enum clo_snp_product product, const struct clo_certificate *about,
                              struct clo_buffer *out, struct clo_error *err);

#endif
