/* Unified kernel images (UAPI.5): stub, kernel, initrd and command line in one PE file, perhaps with
 * several profiles; and what systemd's stub measures of them into PCR 11 (systemd, src/fundamental/uki.h,
 * TPM2_PCR_MEASUREMENTS). */
#ifndef CLOISTER_UKI_H
#define CLOISTER_UKI_H

#include "cloister/crypto.h"
#include "cloister/json.h"
#include "cloister/pe.h"

CLO_BEGIN_C

/* --- Reading --- */

struct clo_uki {
    struct clo_pe pe;
    char stub[64];         /* "systemd-stub 257.13-1~deb13u1"; empty if it does not say */
    unsigned stub_version; /* 257; 0 if unknown */
    size_t profile_count;  /* .profile sections; 0: there is one profile, without a name */
};

/* Views into `in`. A PE file without .linux and .sdmagic is not a UKI. Sections that are larger in memory
 * than in the file are refused: their views would not be what is measured. */
CLO_API CLO_MUST_USE bool clo_uki_parse(struct clo_bytes in, struct clo_uki *out,
                                        struct clo_error *err);
/* The same of an image whose `pe` is filled in already, .sdmagic's data at least. What the stub says of
 * itself is there on failure too. */
CLO_API CLO_MUST_USE bool clo_uki_read(struct clo_uki *uki, struct clo_error *err);

/* Is it one of the names that the specification gives? */
CLO_API bool clo_uki_is_section(const char *name);
CLO_API bool clo_uki_is_measured(unsigned stub_version, const char *section);

/* The section of a name that the UKI's stub uses in a profile: the profile's own, or the base's; NULL if
 * there is none. Stubs before 257 know no profiles: of several sections of a name, 256 takes the first in
 * the file, older ones the last. */
CLO_API const struct clo_pe_section *clo_uki_section(const struct clo_uki *uki, size_t profile,
                                                     const char *name);

/* The sections that the stub measures into PCR 11, in its order: gives the n-th that is present
 * and not empty in profile number `profile`; NULL at the end. A profile's own sections, from its .profile
 * on, hide those before the first. A section's digest is over `data` when VirtualSize is within the
 * file. */
CLO_API const struct clo_pe_section *clo_uki_measured_in(const struct clo_uki *uki, size_t profile,
                                                         size_t index);

/* The release ("6.12.117+deb13-cloud-amd64") that a bzImage names (Documentation/arch/x86/boot.rst,
 * kernel_version); false if it names none. `out` is cut to its size. */
CLO_API bool clo_kernel_release(struct clo_bytes kernel, char *out, size_t size);
/* What follows "Linux version " in any kernel that is not compressed; give it pieces that overlap
 * by CLO_KERNEL_BANNER_MAX. */
#define CLO_KERNEL_BANNER_MAX 160
CLO_API bool clo_kernel_banner(struct clo_bytes piece, char *out, size_t size);
/* A member of .profile ("ID", "TITLE") or .osrel, its quotes taken off; false if there is none. */
CLO_API bool clo_uki_field(struct clo_bytes text, const char *key, char *out, size_t size);

/* --- Building --- */

#define CLO_UKI_PARTS_MAX CLO_PE_SECTIONS_MAX

/* The sections of an image that is to be, in order: those of the stub first, then the base, then each
 * profile from its .profile on. Contents are the list's own; what they point to is not. */
struct clo_uki_parts_list {
    struct clo_pe_part items[CLO_UKI_PARTS_MAX];
    size_t count;
};
CLO_API void clo_uki_parts_free(struct clo_uki_parts_list *list); /* for CLO_CLEANUP */

/* The sections of a stub or an image as they are, all their bytes read from `source`. */
CLO_API CLO_MUST_USE bool clo_uki_parts_of(const struct clo_pe *pe, void *source,
                                           struct clo_uki_parts_list *out, struct clo_error *err);
/* A stub as it can stand in front: systemd's, for kernels or for add-ons, and not signed. */
CLO_API CLO_MUST_USE bool clo_uki_check_stub(const struct clo_pe *stub, struct clo_error *err);
/* systemd's for add-ons: it has no code that would start a kernel. */
CLO_API bool clo_uki_is_addon_stub(const struct clo_pe *stub);
/* Which profile a name is looked for in: the base, or one by its number. */
#define CLO_UKI_BASE SIZE_MAX
CLO_API struct clo_pe_part *clo_uki_part_find(struct clo_uki_parts_list *list, size_t profile,
                                              const char *name);
/* Adds a section at the end of the base or of a profile, or replaces one of that name there (.dtbauto
 * and .efifw may be there several times). Takes the pieces over. */
CLO_API CLO_MUST_USE bool clo_uki_part_set(struct clo_uki_parts_list *list, size_t profile,
                                           const char *name, struct clo_pieces *content,
                                           struct clo_error *err);
CLO_API void clo_uki_part_remove(struct clo_uki_parts_list *list, struct clo_pe_part *part);
/* Appends the sections of a profile binary that a profile may bring; its first must be .profile. */
CLO_API CLO_MUST_USE bool clo_uki_join_profile(struct clo_uki_parts_list *list,
                                               const struct clo_pe *profile, void *source,
                                               struct clo_error *err);
/* The n-th part that a stub of this version measures in this profile (clo_uki_measured_in). */
CLO_API const struct clo_pe_part *clo_uki_part_measured(const struct clo_uki_parts_list *list,
                                                        unsigned stub_version, size_t profile,
                                                        size_t index);
/* How much of it: VirtualSize bytes, zeros where the file has fewer. */
CLO_API uint64_t clo_uki_part_measured_size(const struct clo_pe_part *part);

/* One SBAT from several (shim, SBAT.md): the header once, then the lines of each, doubles left out.
 * A text that does not begin with the sbat line is CLO_ERR_FORMAT; empty ones are skipped. */
CLO_API CLO_MUST_USE bool clo_sbat_merge(const struct clo_bytes *texts, size_t count,
                                         struct clo_buffer *out, struct clo_error *err);
extern CLO_API const char
        clo_sbat_uki[]; /* what a UKI or an add-on says where nothing else is said */
extern CLO_API const char clo_sbat_addon[];

/* .hwids from what files say in JSON: {"type": "devicetree", "name", "compatible", "hwids": [GUID…]}, or
 * "uefi-fw" with "fwid". Sorted, so that the order of the files does not matter. */
CLO_API CLO_MUST_USE bool clo_hwids_build(const json_t *const *files, size_t count,
                                          struct clo_buffer *out, struct clo_error *err);
/* What stands before a firmware image of `size` bytes in .efifw. */
CLO_API CLO_MUST_USE bool clo_efifw_head(const char *id, uint64_t size, struct clo_buffer *out,
                                         struct clo_error *err);

/* A plain UKI in memory. */
struct clo_uki_parts {
    struct clo_bytes stub;
    struct clo_bytes osrel; /* an empty part is left out; stub and linux must be there */
    struct clo_bytes cmdline;
    struct clo_bytes uname;
    struct clo_bytes initrd;
    struct clo_bytes kernel; /* .linux */
};

/* Appends the unsigned image. The same parts give the same bytes. */
CLO_API CLO_MUST_USE bool clo_uki_build(const struct clo_uki_parts *parts, struct clo_buffer *out,
                                        struct clo_error *err);

/* --- PCR 11 and signed policies (systemd-measure(1)) --- */

/* Extends `*pcr` with a section: its name with the NUL, then `digest` of its content. */
CLO_API void clo_uki_extend_section(struct clo_digest *pcr, const char *name,
                                    const struct clo_digest *digest);
/* With the words of a path, "enter-initrd:leave-initrd"; empty words are skipped. */
CLO_API void clo_uki_extend_phases(struct clo_digest *pcr, const char *path);

/* What TPM2_PolicyPCR over some registers of a bank comes to, in a session of SHA-256. */
struct clo_pcr_policy {
    enum clo_hash bank;
    uint32_t pcrs; /* bit n: PCR n, below CLO_POLICY_PCRS */
    struct clo_digest digest;
};
#define CLO_POLICY_PCRS 24

/* `values`: of each register that is chosen, the lowest first. */
CLO_API void clo_pcr_policy(enum clo_hash bank, uint32_t pcrs, const struct clo_digest *values,
                            struct clo_pcr_policy *out);
/* Over this value of PCR 11 alone. */
CLO_API void clo_uki_policy(const struct clo_digest *pcr, struct clo_pcr_policy *out);
/* Adds one entry to a .pcrsig object: {BANK: [{"pcrs": [11], "pkfp", "pol", "sig"}]}, unless it is
 * there. `key` NULL leaves pkfp out, `signature` empty leaves sig out: for signing elsewhere. */
CLO_API CLO_MUST_USE bool clo_pcrsig_add(json_t *pcrsig, const struct clo_pcr_policy *policy,
                                         const struct clo_public_key *key,
                                         struct clo_bytes signature, struct clo_error *err);
/* Makes the signature (RSA, PKCS #1 v1.5 over SHA-256) and adds the entry. */
CLO_API CLO_MUST_USE bool clo_pcrsig_sign(json_t *pcrsig, const struct clo_pcr_policy *policy,
                                          const struct clo_private_key *key, struct clo_error *err);
/* Adds all entries of `more` that are not there. */
CLO_API CLO_MUST_USE bool clo_pcrsig_merge(json_t *pcrsig, const json_t *more,
                                           struct clo_error *err);
/* Does the entry that systemd would take for this policy and `key` hold? CLO_ERR_REFUSED if there is
 * none, CLO_ERR_UNVERIFIED if it is there and is of no use. */
CLO_API CLO_MUST_USE bool clo_pcrsig_verify(const json_t *pcrsig,
                                            const struct clo_pcr_policy *policy,
                                            const struct clo_public_key *key,
                                            struct clo_error *err);

CLO_END_C

#endif
