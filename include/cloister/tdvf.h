/* TDVF: what a TDX firmware image says of its parts, where they go in the guest's memory, and what
 * comes of it: MRTD, and the TD HOB that QEMU writes. (Intel, TDX Virtual Firmware Design Guide
 * 344991, section 11; edk2, OvmfPkg/ResetVector/X64/IntelTdxMetadata.asm; Intel, TDX Module Base
 * Architecture Specification 348549, TDH.MEM.PAGE.ADD and TDH.MR.EXTEND; UEFI PI 1.8, volume 3, HOBs.)
 *
 * Strict: what a loader could read differently is refused, as it would yield a different MRTD. */
#ifndef CLOISTER_TDVF_H
#define CLOISTER_TDVF_H

#include "cloister/crypto.h"

CLO_BEGIN_C

#define CLO_TDVF_SECTIONS_MAX 64
#define CLO_TDVF_PAGE         4096U

enum clo_tdvf_type {
    CLO_TDVF_BFV = 0, /* boot firmware volume: code */
    CLO_TDVF_CFV = 1, /* configuration firmware volume: the variable store */
    CLO_TDVF_TD_HOB = 2,
    CLO_TDVF_TEMP_MEM = 3,
    CLO_TDVF_PERM_MEM = 4,
    CLO_TDVF_PAYLOAD = 5,
    CLO_TDVF_PAYLOAD_PARAM = 6,
    CLO_TDVF_TD_INFO = 7, /* for people and tools: in no memory */
    CLO_TDVF_TD_PARAMS = 8,
};
CLO_API const char *clo_tdvf_type_name(uint32_t type); /* "BFV"; NULL if unknown */

#define CLO_TDVF_MR_EXTEND 0x1U /* its bytes go into MRTD */
#define CLO_TDVF_PAGE_AUG  0x2U /* its pages are added later, by the guest: not in MRTD */

struct clo_tdvf_section {
    uint32_t type;
    uint32_t attributes;
    uint64_t address; /* guest-physical */
    uint64_t memory_size;
    struct clo_bytes data; /* a view into the image; empty: memory of zeros */
};

struct clo_tdvf {
    struct clo_tdvf_section sections[CLO_TDVF_SECTIONS_MAX]; /* in the order of the image */
    size_t count;
};

/* An image without TDX metadata is CLO_ERR_UNSUPPORTED. */
CLO_API CLO_MUST_USE bool clo_tdvf_parse(struct clo_bytes image, struct clo_tdvf *out,
                                         struct clo_error *err);
/* The first of that type; NULL. */
CLO_API const struct clo_tdvf_section *clo_tdvf_find(const struct clo_tdvf *tdvf,
                                                     enum clo_tdvf_type type);

/* The order in which a VMM adds and measures a section's pages; the TDX module hashes as it is told. */
enum clo_tdx_page_order {
    CLO_TDX_SINGLE_PASS, /* each page added and measured, then the next: QEMU's since 9.0 */
    CLO_TDX_TWO_PASS,    /* all pages of a section added, then all measured: QEMU 8 with patches */
};
CLO_API void clo_tdvf_mrtd(const struct clo_tdvf *tdvf, enum clo_tdx_page_order order,
                           struct clo_digest *out);

/* The TD HOB of a QEMU guest (machine q35) with this much memory, as far as firmware measures it: all
 * but the HOB that ends the list. CLO_ERR_USAGE where the memory is none that the image fits into. */
CLO_API CLO_MUST_USE bool clo_tdvf_hob(const struct clo_tdvf *tdvf, uint64_t memory,
                                       struct clo_buffer *out, struct clo_error *err);
/* How much of the memory of such a guest lies below 4 GiB; the rest begins there. */
CLO_API uint64_t clo_qemu_low_memory(uint64_t memory);

CLO_END_C

#endif
