/* What the files of `cloister measure snp` share. */
#ifndef CLOISTER_CLI_MEASURE_SNP_H
#define CLOISTER_CLI_MEASURE_SNP_H

#include "cli/cli.h"
#include "cli/view.h"
#include "cloister/launch.h"

/* As given. NULL: not given. */
struct measure_snp_options {
    const char *mode, *vmm;
    const char *vcpus, *vcpu_type, *vcpu_sig, *vcpu_family, *vcpu_model, *vcpu_stepping;
    const char *guest_features;
    const char *ovmf, *ovmf_hash;
    const char *kernel, *initrd, *append;
    const char *svsm, *vars_size, *vars_file;
    const char *output_format;
    const char *id_block, *id_key, *id_key_passphrase, *author_key, *author_key_passphrase;
    const char *guest_policy, *guest_svn, *family_id, *image_id;
    const char *explain, *max_vcpus;
    const char *igvm, *launch_digest;
    bool dump_vmsa, json;
};

/* As read: views and digests that `launch` points into. */
struct measure_snp {
    struct clo_launch launch;
    bool has_vcpus, has_signature, has_features, has_vmm; /* given, not by default */
    bool only_ovmf_hash;                                  /* mode snp:ovmf-hash */
    struct cli_view ovmf, svsm, kernel_file, initrd_file;
    struct clo_launch_firmware firmware, svsm_firmware;
    struct clo_launch_kernel kernel;
    uint8_t ovmf_hash[CLO_LAUNCH_DIGEST_SIZE];
    uint8_t *page_digests, *svsm_page_digests;
};

/* Options make sense, files are read, and what can be hashed side by side is. */
CLO_MUST_USE bool measure_snp_read(const struct measure_snp_options *options,
                                   struct measure_snp *out, struct clo_error *err);
void measure_snp_free(struct measure_snp *measure); /* for CLO_CLEANUP */

/* A number that hexadecimal and decimal readers cannot take for two: 0x and hex digits, or one
 * decimal digit. */
CLO_MUST_USE bool measure_snp_hex(const char *option, const char *text, uint64_t max, uint64_t *out,
                                  struct clo_error *err);
/* Exactly `size` bytes, as hex. */
CLO_MUST_USE bool measure_snp_bytes(const char *option, const char *text, uint8_t *out, size_t size,
                                    struct clo_error *err);
CLO_MUST_USE bool measure_snp_number(const char *option, const char *text, uint64_t max,
                                     uint64_t *out, struct clo_error *err);

/* The digest of an IGVM file; what else there is to say goes to `document`. */
CLO_MUST_USE bool measure_igvm(const struct measure_snp_options *options, struct clo_digest *digest,
                               json_t *document, struct clo_error *err);
/* A digest that is known already, as hex or base64. */
CLO_MUST_USE bool measure_snp_given(const struct measure_snp_options *options,
                                    struct clo_digest *digest, struct clo_error *err);
/* vmsa0.bin, vmsa1.bin, … in the current folder. */
CLO_MUST_USE bool measure_snp_dump(const struct clo_launch *launch, struct clo_error *err);
/* Makes the ID block for a digest, writes what QEMU's option takes to a file, and adds both to
 * `document`. */
CLO_MUST_USE bool measure_snp_id_block(const struct measure_snp_options *options,
                                       const struct clo_digest *digest, json_t *document,
                                       struct clo_error *err);

/* Says which inputs a digest, or a report's, is right for: *status is whether those given are. */
CLO_MUST_USE bool measure_snp_explain(const struct measure_snp_options *options,
                                      const struct measure_snp *measure, int *status,
                                      struct clo_error *err);

/* The same for an IGVM file. */
CLO_MUST_USE bool measure_igvm_explain(const struct measure_snp_options *options, int *status,
                                       struct clo_error *err);

#endif
