/* IGVM files: what a loader is to put into a guest's memory, directive by directive. (Microsoft,
 * "Independent Guest Virtual Machine file format", crate igvm_defs 0.4; QEMU 10.1, backends/igvm.c.)
 *
 * Every structure is bounded and checked by clo_igvm_parse(); those that a loader may pass over say
 * so themselves. Views into the file, which must outlive the result. */
#ifndef CLOISTER_IGVM_H
#define CLOISTER_IGVM_H

#include "cloister/launch.h"

CLO_BEGIN_C

#define CLO_IGVM_PLATFORMS_MAX 32

enum clo_igvm_platform_type {
    CLO_IGVM_NATIVE = 0,
    CLO_IGVM_VSM = 1,
    CLO_IGVM_SEV_SNP = 2,
    CLO_IGVM_TDX = 3,
    CLO_IGVM_SEV = 4,
    CLO_IGVM_SEV_ES = 5,
};

struct clo_igvm_platform {
    uint32_t compatibility_mask; /* one bit */
    uint8_t highest_vtl;
    uint8_t platform_type;
    uint16_t platform_version;
    uint64_t shared_gpa_boundary;
};

struct clo_igvm {
    struct clo_bytes file;
    uint32_t format_version;
    struct clo_bytes headers; /* the variable headers, concatenated */
    struct clo_igvm_platform platforms[CLO_IGVM_PLATFORMS_MAX];
    size_t platform_count;
};

CLO_API CLO_MUST_USE bool clo_igvm_parse(struct clo_bytes in, struct clo_igvm *out,
                                         struct clo_error *err);

struct clo_igvm_launch {
    struct clo_digest digest; /* the SNP launch digest */
    size_t measured_pages;
    size_t vmsa_count;
    bool has_policy;
    uint64_t policy; /* the guest policy that the file asks for */
    bool has_id_block;
    bool id_block_agrees; /* it names this digest */
    uint8_t id_block_digest[CLO_LAUNCH_DIGEST_SIZE];
    bool is_relocatable; /* a loader may move parts: the digest is for those that do not */
};

/* The launch digest for SEV-SNP, as QEMU loads the file (CLO_VMM_QEMU) or Hyper-V does
 * (CLO_VMM_HYPERV); no other VMM does. A file that is for no SEV-SNP platform, or that QEMU with KVM
 * would not start as it says, is CLO_ERR_UNSUPPORTED. */
CLO_API CLO_MUST_USE bool clo_igvm_measure(const struct clo_igvm *igvm, enum clo_vmm vmm,
                                           struct clo_igvm_launch *out, struct clo_error *err);

CLO_END_C

#endif
