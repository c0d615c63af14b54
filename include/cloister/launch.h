/* Launch digests of SEV-SNP, SEV-ES and SEV guests, before there is a guest. (AMD 56860, SEV Secure
 * Nested Paging Firmware ABI 1.58, section 8.17.2, table 67: PAGE_INFO; AMD 24593, APM volume 2,
 * table B-4: VMSA; edk2, OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm; QEMU, target/i386/sev.c.)
 *
 * A digest is a chain over what the VMM puts into the guest's memory, in its order: firmware, what
 * its metadata asks for, and the registers that each CPU starts with. VMMs differ in all three: the
 * conventions are explicit inputs here, never guessed. clo_launch_explain() tries the others. */
#ifndef CLOISTER_LAUNCH_H
#define CLOISTER_LAUNCH_H

#include "cloister/crypto.h"

CLO_BEGIN_C

#define CLO_LAUNCH_PAGE         4096
#define CLO_LAUNCH_DIGEST_SIZE  48 /* SHA-384, and so are page digests */
#define CLO_LAUNCH_VCPUS_MAX    4096
#define CLO_LAUNCH_SECTIONS_MAX 64

enum clo_launch_mode {
    CLO_LAUNCH_SNP,
    CLO_LAUNCH_SNP_SVSM, /* OVMF started by COCONUT-SVSM, as QEMU loads them from two flash images */
    CLO_LAUNCH_SEV_ES,
    CLO_LAUNCH_SEV,
};
CLO_API const char *clo_launch_mode_name(enum clo_launch_mode mode); /* "snp", "snp:svsm", … */
/* Also as others write them: "sev-es", "SEV-SNP". */
CLO_API bool clo_launch_mode_from_name(const char *name, enum clo_launch_mode *out);

/* --- vCPU types ------------------------------------------------------------------------------ */

/* QEMU's CPU models with SEV: their CPUID signature is where RDX starts. */
struct clo_vcpu_type {
    const char *name;
    uint32_t signature;
};
CLO_API const struct clo_vcpu_type *clo_vcpu_type_at(size_t index);       /* NULL: no more */
CLO_API const struct clo_vcpu_type *clo_vcpu_type_find(const char *name); /* in any case */
/* CPUID Fn0000_0001_EAX (AMD 25481). Families and models above 255, steppings above 15: usage. */
CLO_API CLO_MUST_USE bool clo_vcpu_signature(uint64_t family, uint64_t model, uint64_t stepping,
                                             uint32_t *out, struct clo_error *err);

/* --- VMM conventions ------------------------------------------------------------------------- */

/* Where implementations disagree, both are here; docs/formats/launch.md says who and why. */
enum clo_vmm {
    CLO_VMM_QEMU,
    CLO_VMM_QEMU_2022, /* SNP before March 2023: the hashes' page follows the firmware */
    CLO_VMM_QEMU_FPU,  /* SVSM with the x87 control word that QEMU gives other guests */
    CLO_VMM_EC2,
    CLO_VMM_EC2_RDX0, /* RDX 0 instead of 0x600 */
    CLO_VMM_GCE,
    CLO_VMM_KRUN,
    CLO_VMM_KRUN_VIRTEE, /* as the crate sev computes it */
    CLO_VMM_HYPERV,      /* IGVM files only */
    CLO_VMM_COUNT,
};
CLO_API const char *clo_vmm_name(enum clo_vmm vmm);                  /* "qemu", "ec2-rdx0", … */
CLO_API bool clo_vmm_from_name(const char *name, enum clo_vmm *out); /* in any case */
CLO_API bool clo_vmm_fits(enum clo_vmm vmm, enum clo_launch_mode mode);
/* Does RDX start with the CPUID signature? */
CLO_API bool clo_vmm_uses_signature(enum clo_vmm vmm);

/* --- Firmware -------------------------------------------------------------------------------- */

enum clo_launch_section_type {
    CLO_SECTION_SEC_MEM = 1,
    CLO_SECTION_SECRETS = 2,
    CLO_SECTION_CPUID = 3,
    CLO_SECTION_SVSM_CAA = 4,
    CLO_SECTION_KERNEL_HASHES = 0x10,
};
CLO_API const char *clo_launch_section_name(uint32_t type);

struct clo_launch_section {
    uint32_t gpa;
    uint32_t size;
    uint32_t type; /* one of the above */
};

/* An OVMF or SVSM image, a view; it must outlive this. What the image does not say has a view without
 * data (NULL). */
struct clo_launch_firmware {
    struct clo_bytes image;
    struct clo_bytes hashes;    /* where it wants the hashes table: u32 address, u32 size */
    struct clo_bytes es_reset;  /* u32: the address where other CPUs start */
    struct clo_bytes svsm_info; /* u32: an SVSM's entry point */
    bool has_sections;          /* it carries SEV metadata */
    struct clo_launch_section sections[CLO_LAUNCH_SECTIONS_MAX];
    size_t section_count;
};

/* Sections that are not whole pages, overlap, or are of an unknown type are refused. */
CLO_API CLO_MUST_USE bool clo_launch_firmware_parse(struct clo_bytes image,
                                                    struct clo_launch_firmware *out,
                                                    struct clo_error *err);
CLO_API bool clo_launch_firmware_has(const struct clo_launch_firmware *firmware,
                                     enum clo_launch_section_type type);

/* SHA-384 of each page, concatenated: nearly all of the work, and parts of an image can be
 * hashed side by side. A page that ends early is not looked at. */
CLO_API void clo_launch_hash_pages(struct clo_bytes pages, uint8_t *digests);

/* --- Direct boot ----------------------------------------------------------------------------- */

#define CLO_LAUNCH_HASHES_SIZE 176 /* the table, padded */

/* SHA-256 of each, as QEMU puts them into the guest. */
struct clo_launch_kernel {
    uint8_t kernel[32];
    uint8_t initrd[32];
    uint8_t cmdline[32];
};
/* The command line ends with its NUL; no initrd is one without bytes. */
CLO_API void clo_launch_kernel_hash(struct clo_bytes kernel, struct clo_bytes initrd,
                                    const char *cmdline, struct clo_launch_kernel *out);
CLO_API void clo_launch_hashes_table(const struct clo_launch_kernel *kernel,
                                     uint8_t out[CLO_LAUNCH_HASHES_SIZE]);

/* --- Digests --------------------------------------------------------------------------------- */

struct clo_launch {
    enum clo_launch_mode mode;
    enum clo_vmm vmm;
    uint32_t vcpus; /* not for SEV */
    uint32_t vcpu_signature;
    uint64_t sev_features; /* SNP only: SEV-ES starts with none, an SVSM with SNPActive */
    const struct clo_launch_firmware *firmware;
    const uint8_t *page_digests; /* of the firmware, if they are known already */
    const uint8_t *ovmf_hash;    /* SNP: starts from this digest instead of the firmware's pages */
    const struct clo_launch_firmware *svsm;
    const uint8_t *svsm_page_digests;
    size_t vars_size;                       /* SVSM: it ends below OVMF's variables */
    const struct clo_launch_kernel *kernel; /* NULL: no direct boot */
};

/* SHA-384 for SNP, SHA-256 for SEV-ES and SEV. A kernel whose hashes the firmware has no place for
 * is CLO_ERR_UNSUPPORTED: it would be started unmeasured. */
CLO_API CLO_MUST_USE bool clo_launch_digest(const struct clo_launch *launch, struct clo_digest *out,
                                            struct clo_error *err);
/* What clo_launch.ovmf_hash takes: the chain over the firmware's pages alone. */
CLO_API CLO_MUST_USE bool clo_launch_ovmf_hash(const struct clo_launch *launch,
                                               struct clo_digest *out, struct clo_error *err);
/* The page of registers that CPU `index` starts with. */
CLO_API CLO_MUST_USE bool clo_launch_vmsa(const struct clo_launch *launch, uint32_t index,
                                          uint8_t out[CLO_LAUNCH_PAGE], struct clo_error *err);

CLO_END_C

#endif
