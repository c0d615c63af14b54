/* What the forms of `cloister verify` share: their options, loading what these name, and printing an
 * appraisal. */
#ifndef CLOISTER_CLI_VERIFY_H
#define CLOISTER_CLI_VERIFY_H

#include "cli/cli.h"
#include "cli/fetch.h"
#include "cli/inputs.h"
#include "cloister/appraise.h"

#define VERIFY_OPTIONS_MAX 48

/* As given on the command line. */
struct verify_options {
    const char *policy, *nonce, *at, *phase;
    struct clo_list references, roots, certificates, crls, expectations, collateral, without;
    struct fetch_options fetch;
    const char *launch_endorsement;
    struct clo_list endorsement_roots, endorsement_issuers, endorsement_feeds;
    bool json, quiet;
};

/* Appends the shared options to `out`, which has room for VERIFY_OPTIONS_MAX. */
void verify_add_options(struct verify_options *options, struct cli_option *out, size_t *count);

/* A file as it is, or what its base64 stands for, as long as that `is` what is looked for (NULL: whatever it is). Appended. */
CLO_MUST_USE bool verify_read_maybe_base64(const char *path, bool (*is)(struct clo_bytes bytes),
                                           struct clo_buffer *out, struct clo_error *err);
/* Appends those of a cloud's launch endorsement; loads what they name. */
void verify_add_endorsement_options(struct verify_options *options, struct cli_option *out,
                                    size_t *count);
struct verify_inputs;
CLO_MUST_USE bool verify_load_endorsement(const struct verify_options *options,
                                          struct verify_inputs *inputs, struct clo_error *err);

/* Loaded; `inputs` borrows from the rest. */
struct verify_inputs {
    struct clo_appraise_inputs inputs;
    struct clo_policy *policy;
    struct cli_references references;
    struct clo_digest roots[CLO_LIST_MAX];
    struct clo_snp_certificates certificates;
    struct clo_crl *crls[CLO_LIST_MAX];
    size_t crl_count;
    struct clo_expectation expectations[CLO_LIST_MAX];
    struct clo_buffer names[CLO_LIST_MAX];                  /* the expectations' */
    struct clo_tdx_collateral collateral[CLO_LIST_MAX + 1]; /* as given, and what was fetched */
    const struct clo_tdx_collateral *sets[CLO_LIST_MAX + 1];
    struct clo_buffer nonce;
    struct clo_buffer launch_endorsement;
    struct clo_digest endorsement_roots[CLO_LIST_MAX];
    struct clo_public_key *ak;
    struct clo_buffer ak_public; /* its TPMT_PUBLIC, where it came as one */
    struct clo_buffer challenge, answer;
};

CLO_MUST_USE bool verify_load(const struct verify_options *options, struct verify_inputs *out,
                              struct clo_error *err);
/* A bundle, or evidence in another form that is known. */
CLO_MUST_USE bool verify_load_bundle(const char *path, struct clo_evidence **out,
                                     struct clo_error *err);
/* --nonce as bytes in hex, for evidence that has no runtime data. */
CLO_MUST_USE bool verify_load_nonce_hex(const struct verify_options *options,
                                        struct verify_inputs *inputs, struct clo_error *err);
/* How each form for single files begins: all that the options name, a nonce in hex, and evidence that is still empty. */
CLO_MUST_USE bool verify_begin(const struct verify_options *options, struct verify_inputs *inputs,
                               struct clo_evidence **evidence, struct clo_error *err);
/* A key that the caller vouches for: PEM, a certificate, or TPMT_PUBLIC. */
CLO_MUST_USE bool verify_load_ak(const char *path, struct verify_inputs *inputs,
                                 struct clo_error *err);
void verify_inputs_free(struct verify_inputs *inputs); /* for CLO_CLEANUP */

/* Puts a quote, its signature (TPMT_SIGNATURE, or a bare RSASSA one) and, where named, PCR values and
 * logs into the evidence. */
struct verify_tpm_files {
    const char *quote, *signature, *pcrs, *eventlog, *userspace_log, *ak_certificate;
    const char *challenge, *answer;
};
/* Adds a file as it is. */
CLO_MUST_USE bool verify_add_file(struct clo_evidence *evidence, const char *label,
                                  const char *path, struct clo_error *err);
/* Appends the options that name them; `ak` is the attestation key's. */
void verify_add_tpm_options(struct verify_tpm_files *files, const char **ak, struct cli_option *out,
                            size_t *count);
/* And the one for a TPM that no hardware report binds. */
void verify_add_ak_certificate_option(struct verify_tpm_files *files, struct cli_option *out,
                                      size_t *count);
/* And those for a credential that such a TPM opened; loads what they name. */
void verify_add_challenge_options(struct verify_tpm_files *files, struct cli_option *table,
                                  size_t *count);
CLO_MUST_USE bool verify_load_challenge(const struct verify_tpm_files *files,
                                        struct verify_inputs *inputs, struct clo_error *err);
CLO_MUST_USE bool verify_add_tpm(struct clo_evidence *evidence,
                                 const struct verify_tpm_files *files, struct clo_error *err);

/* The certificate of an attestation key, and its issuers'. */
CLO_MUST_USE bool verify_add_ak_certificates(struct clo_evidence *evidence, const char *path,
                                             struct clo_error *err);

/* "cloister: verify: …" on standard error; returns the exit status. */
int verify_fail(struct clo_error *err);
/* With --fetch or --cache: adds to the inputs what the evidence lacks, from its maker. */
CLO_MUST_USE bool verify_fetch(const struct verify_options *options,
                               const struct clo_evidence *evidence, struct verify_inputs *inputs,
                               struct clo_error *err);
/* Puts one more set of collateral among the inputs; takes it over. */
CLO_MUST_USE bool verify_add_collateral(struct verify_inputs *inputs,
                                        struct clo_tdx_collateral *collateral,
                                        struct clo_error *err);
/* Fetches, appraises and prints; returns the exit status. */
int verify_run(const struct clo_evidence *evidence, const struct verify_options *options,
               struct verify_inputs *inputs);

/* An appraisal for people, as verify_run() prints it. */
void verify_print(const struct clo_appraisal *appraisal, bool is_quiet);

/* The two forms for a quote of a TPM that no hardware report binds. */
struct verify_quote_form {
    const char *command, *arguments, *summary, *example;
    bool is_gce; /* the maker's certificate is demanded, and must be Google's of an instance */
};
int verify_quote(const struct verify_quote_form *form, int argc, char **argv);

/* The forms. */
int cmd_verify_azure(int argc, char **argv);
int cmd_verify_nitro(int argc, char **argv);
int cmd_verify_gce(int argc, char **argv);
int cmd_verify_bundle(int argc, char **argv);
int cmd_verify_snp(int argc, char **argv);
int cmd_verify_tdx(int argc, char **argv);
int cmd_verify_svsm(int argc, char **argv);
int cmd_verify_systemd_report(int argc, char **argv);
int cmd_verify_tpm(int argc, char **argv);
int cmd_verify_ear(int argc, char **argv);

#endif
