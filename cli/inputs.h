/* What several commands read: keys, certificates, and the parts of a boot chain. Each is checked for what
 * it is as soon as it is read; errors name the file, or the option. */
#ifndef CLOISTER_CLI_INPUTS_H
#define CLOISTER_CLI_INPUTS_H

#include "cli/cli.h"
#include "cloister/crypto.h"
#include "cloister/encoding.h"
#include "cloister/pe.h"
#include "cloister/reference.h"
#include "device/key_file.h"

#define CLI_IMAGE_LIMIT CLO_PE_SIZE_MAX

/* The firmware's variables. */
CLO_MUST_USE bool cli_read_varstore(const char *path, struct clo_buffer *out,
                                    struct clo_error *err);
/* An EFI image: systemd's stub, a UKI. */
CLO_MUST_USE bool cli_read_pe(const char *path, struct clo_buffer *out, struct clo_error *err);
/* Reference values. */
CLO_MUST_USE bool cli_read_reference(const char *path, struct clo_reference **out,
                                     struct clo_error *err);
/* The same, and as the file that it is kept in: of a CoRIM, what a reference file says of it. */
CLO_MUST_USE bool cli_read_reference_file(const char *path, struct clo_buffer *file,
                                          struct clo_reference **out, struct clo_error *err);
/* A signed CoRIM alone, by this key, in the same two forms. */
CLO_MUST_USE bool cli_read_signed_reference(const char *path, const struct clo_public_key *key,
                                            struct clo_buffer *file, struct clo_reference **out,
                                            struct clo_error *err);
/* Those of an option that repeats. There is room for one more, which is made rather than read. */
struct cli_references {
    struct clo_reference *items[CLO_LIST_MAX + 1];
    size_t count;
};
void cli_references_free(struct cli_references *references); /* for CLO_CLEANUP */
CLO_MUST_USE bool cli_references_load(const struct clo_list *paths, struct cli_references *out,
                                      struct clo_error *err);
/* As the library takes them. */
const struct clo_reference *const *cli_references_view(const struct cli_references *references);
/* "demo.img" of "disk/demo.img". */
const char *cli_base_name(const char *path);
/* The value of an option; a wrong one is CLO_ERR_USAGE. */
CLO_MUST_USE bool cli_guid(const char *option, const char *text, struct clo_guid *out,
                           struct clo_error *err);
/* A size that is not zero: "4G", "512M", "64K", "1T", or bytes. */
CLO_MUST_USE bool cli_size(const char *option, const char *text, uint64_t *out,
                           struct clo_error *err);
/* "4,7,kernel-boot", or with "+" between them as systemd has it: one register at least, each once. */
CLO_MUST_USE bool cli_pcr_list(const char *option, const char *text, uint32_t *out,
                               struct clo_error *err);
/* The phase of these references that was probably meant; NULL if they have this one, or none like it. */
const char *cli_phase_meant(const struct clo_reference *const *references, size_t count,
                            const char *phase);
/* What is written must not take the place of what it was made from, by whatever name. */
CLO_MUST_USE bool cli_is_no_input(const char *option, const char *output, const char *input,
                                  struct clo_error *err);

#endif
