/* What the files that make launch digests share. */
#ifndef CLOISTER_LIB_LAUNCH_INTERNAL_H
#define CLOISTER_LIB_LAUNCH_INTERNAL_H

#include "cloister/launch.h"

/* KVM's and the firmware's: (u64)-1, as a page address of 52 bits. */
#define VMSA_GPA UINT64_C(0xfffffffff000)

enum page_type {
    PAGE_NORMAL = 1,
    PAGE_VMSA = 2,
    PAGE_ZERO = 3,
    PAGE_UNMEASURED = 4,
    PAGE_SECRETS = 5,
    PAGE_CPUID = 6,
};

/* The digest so far, and what hashes. */
struct launch_chain {
    uint8_t digest[CLO_LAUNCH_DIGEST_SIZE];
    struct clo_hasher *hasher; /* SHA-384 */
};
/* From zeros, or from `seed`. */
void launch_chain_open(struct launch_chain *chain, const uint8_t *seed);
void launch_chain_close(struct launch_chain *chain); /* for CLO_CLEANUP */
/* One page; `contents` its digest, NULL for those types whose contents are not measured. */
void launch_chain_page(struct launch_chain *chain, enum page_type type, const uint8_t *contents,
                       uint64_t gpa);
/* `size` bytes of pages without contents. */
void launch_chain_pages(struct launch_chain *chain, enum page_type type, uint64_t gpa,
                        uint64_t size);
/* Hashes `page` first. */
void launch_chain_data(struct launch_chain *chain, enum page_type type, const uint8_t *page,
                       uint64_t gpa);
/* The digest of one page. */
void launch_hash_page(struct clo_hasher *hasher, const uint8_t *page, uint8_t *out);

/* How a VMM sets up memory and registers. */
struct vmm_convention {
    const char *name;
    uint16_t bsp_cs, ap_cs, ss, tr; /* attributes */
    bool uses_signature;            /* in RDX; else `rdx` */
    uint32_t rdx;
    uint32_t mxcsr;
    uint16_t fcw;
    uint64_t g_pat;
    uint64_t bsp_rsi, bsp_rsp; /* RSP is RBP too */
    uint32_t ap_eip;           /* 0: the firmware's SEV-ES reset block says */
    bool sec_mem_unmeasured;
    bool cpuid_last;
    bool hashes_first;
    bool only_svsm, only_igvm;
};
const struct vmm_convention *launch_convention(enum clo_vmm vmm);

/* SNP: everything before the VMSAs, and the digest of the VMSA of the first CPU and of each other
 * one. `ap` is written only if there is more than one. */
CLO_MUST_USE bool launch_before_vmsa(const struct clo_launch *launch, struct launch_chain *chain,
                                     struct clo_error *err);

#endif
