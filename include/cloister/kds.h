/* Paths at AMD's key server, made from a report and read back. (AMD 57230, VCEK Certificate and KDS
 * Interface Specification 1.00, section 4.) Nothing is fetched here.
 *
 * What the server hands out is trusted for its signatures alone. VLEKs are handed to providers only:
 * there is a path for their chain and revocation list, none for the certificate. */
#ifndef CLOISTER_KDS_H
#define CLOISTER_KDS_H

#include "cloister/snp.h"

CLO_BEGIN_C

#define CLO_KDS_HOST     "kdsintf.amd.com"
#define CLO_KDS_PATH_MAX 256

enum clo_kds_kind {
    CLO_KDS_VCEK,
    CLO_KDS_VCEK_CHAIN, /* ASK and ARK, PEM */
    CLO_KDS_VLEK_CHAIN, /* ASVK and ARK, PEM */
    CLO_KDS_VCEK_CRL,   /* DER */
    CLO_KDS_VLEK_CRL,
};

struct clo_kds_request {
    enum clo_kds_kind kind;
    enum clo_snp_product product;
    /* The rest for CLO_KDS_VCEK alone. */
    uint8_t hw_id[64];
    size_t hw_id_size; /* 64; Turin and newer 8 */
    struct clo_snp_tcb_parts spl;
};

/* The VCEK that signed the report. `product` is for version 2, which does not name one: UNKNOWN there
 * is CLO_ERR_REFUSED, as are a report signed by something else and a masked CHIP_ID. */
CLO_API CLO_MUST_USE bool clo_kds_request_of(const struct clo_snp_report *report,
                                             enum clo_snp_product product,
                                             struct clo_kds_request *out, struct clo_error *err);
/* "/vcek/v1/Milan/HWID?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219", "/vlek/v1/Genoa/cert_chain". */
CLO_API CLO_MUST_USE bool clo_kds_path(const struct clo_kds_request *request,
                                       char out[CLO_KDS_PATH_MAX], struct clo_error *err);
/* The same read back: a path, or an https URL of AMD's host. Parameters in any order, each once, none
 * that we do not know; Milan's hwID has 64 bytes and no fmcSPL, Turin's 8 bytes and one. */
CLO_API CLO_MUST_USE bool clo_kds_parse(const char *url, struct clo_kds_request *out,
                                        struct clo_error *err);

CLO_END_C

#endif
