/* What the parts of a policy share: policy.c has the common members, policy_read.c what members are made
 * of, and each kind of platform files of its own with the functions named after it. */
#ifndef CLOISTER_LIB_POLICY_INTERNAL_H
#define CLOISTER_LIB_POLICY_INTERNAL_H

#include "lib/cloud/nitro.h"
#include "lib/policy/policy.h"

/* An array of whole numbers up to `last` (at most 31), as a mask. */
CLO_MUST_USE bool policy_read_mask(const json_t *json, const char *key, unsigned last,
                                   uint32_t *out, struct clo_error *err);
/* An array of names out of a table, as a mask of their bits; absent: *out stays. */
CLO_MUST_USE bool policy_read_names(const json_t *json, const char *key,
                                    const struct clo_bit *names, size_t count, uint64_t *out,
                                    struct clo_error *err);
/* Hex of exactly that many bytes (at most CLO_HASH_SIZE_MAX). */
CLO_MUST_USE bool policy_read_fixed(const json_t *item, size_t size, uint8_t *out,
                                    struct clo_error *err);
/* "any", or an array of byte strings of that size; absent: an empty set. */
CLO_MUST_USE bool policy_read_values(const json_t *json, const char *key, size_t size,
                                     struct clo_policy_values *out, struct clo_error *err);
/* A number, or "0x…"; absent: *out stays. */
CLO_MUST_USE bool policy_read_u64(const json_t *json, const char *key, uint64_t last, uint64_t *out,
                                  struct clo_error *err);
/* "1.55.29": so many numbers up to 255, most significant first; absent: `out` stays. */
CLO_MUST_USE bool policy_read_version(const json_t *json, const char *key, size_t parts,
                                      uint8_t *out, struct clo_error *err);

/* "30d" or "12h" in seconds, never zero; absent: *out stays. */
CLO_MUST_USE bool policy_read_age(const json_t *json, const char *key, int64_t *out,
                                  struct clo_error *err);
/* "2025-03-12", or a time as RFC 3339 writes it; absent: *out stays. */
CLO_MUST_USE bool policy_read_date(const json_t *json, const char *key, int64_t *out,
                                   struct clo_error *err);
/* "any" (then *any is set), or an array of strings of `size` bytes at most, NUL included, into `out`. */
CLO_MUST_USE bool policy_read_words(const json_t *json, const char *key, bool *any, char *out,
                                    size_t size, size_t most, size_t *count, struct clo_error *err);

/* The member "host_inputs". */
CLO_MUST_USE bool policy_read_host(const json_t *json, struct clo_policy *policy,
                                   struct clo_error *err);
/* A word for what only goes out: nothing is taken in by it. */
bool policy_host_is_output(const char *word);
/* Check policy.host_inputs: what the chosen reference values say that the image takes; NULL: none says. */
void policy_check_host(const struct clo_policy *policy, const json_t *words,
                       struct clo_checks *checks);

/* Checks policy.tee and policy.root: the platform's kind, and the maker's own root where the policy names it, or one
 * that it names by its key. */
void policy_check_tee(const struct clo_policy *policy, enum clo_tee tee, bool is_makers,
                      const struct clo_digest *root, struct clo_checks *checks);
bool policy_says(const struct clo_policy_values *list);
/* Is the value one of them (or was "any" written)? */
bool policy_names(const struct clo_policy_values *list, struct clo_bytes value);
/* Adds a check if the policy says something. */
void policy_check_values(const struct clo_policy_values *list, const char *id, const char *field,
                         struct clo_bytes value, struct clo_checks *checks);

/* --- What a policy pins: asked by the appraisal and by the linter alike --- */

/* A list that demands these PCRs, and whether the owner's is the only db: PCR 0 is the firmware, PCR 12
 * the command line that the host adds; what runs shows in 4 alone, since any program can extend 11. */
bool policy_pcrs_pin_firmware(uint32_t pcrs);
bool policy_pcrs_pin_program(uint32_t pcrs, bool has_own_db);
bool policy_pcrs_pin_command_line(uint32_t pcrs);
/* Does it name this value, and is it one value and not every one? */
bool policy_pins(const struct clo_policy_values *list);
/* What the report must be of is named: by the measurement, or by a key of the owner's. */
bool policy_snp_pins_launch(const struct clo_policy_snp *policy);
/* CLO_COVERS_: what of the guest that launch holds fast: firmware, and what the owner says besides. */
uint32_t policy_snp_covers(const struct clo_policy_snp *policy);
/* Does the policy itself say what MRTD (n is CLO_TDX_RTMR_COUNT) or RTMR n may be? */
bool policy_tdx_pins(const struct clo_policy_tdx *policy, unsigned n);
/* The member "grace". */
CLO_MUST_USE bool policy_read_grace(const json_t *json, struct clo_policy *policy,
                                    struct clo_error *err);
/* Does the policy's tcb_status name this status? */
bool policy_tdx_accepts(const struct clo_policy_tdx *policy, enum clo_tdx_status status);
/* Is an outdated TCB, which the policy does not accept by itself, within its grace? *until is when that ends. */
bool policy_tdx_grace(const struct clo_policy *policy, const struct clo_tdx_tcb *tcb,
                      int64_t *until);
/* The oldest that something may be that was issued then. */
void policy_check_age(int64_t maximum, const char *id, const char *what, bool is_there,
                      int64_t issued, int64_t at, struct clo_checks *checks);

/* The member "snp": what holds when it is not there, what the built-in policy says, and reading it. */
void policy_init_snp(struct clo_policy *policy);
void policy_strict_snp(struct clo_policy *policy);
CLO_MUST_USE bool policy_read_snp(const json_t *json, struct clo_policy *policy,
                                  struct clo_error *err);

/* Each of the TCBs against what the policy demands of it: check policy.tcb. */
void policy_check_tcb(const struct clo_policy_snp *policy, const struct clo_snp_verified *verified,
                      struct clo_checks *checks);

/* The member "tdx", likewise. */
void policy_init_tdx(struct clo_policy *policy);
void policy_strict_tdx(struct clo_policy *policy);
CLO_MUST_USE bool policy_read_tdx(const json_t *json, struct clo_policy *policy,
                                  struct clo_error *err);

/* --- What a policy says of kinds of evidence (policy_facts.c) --- */

#define POLICY_PHASE "enter-initrd" /* where it names none */

extern const struct clo_bit policy_kinds[CLO_EVIDENCE_KIND_COUNT];
/* Does it demand what only a TPM has? */
bool policy_wants_tpm(const struct clo_policy *policy);

/* --- AWS Nitro (policy_nitro.c) --- */

void policy_init_nitro(struct clo_policy *policy);
void policy_strict_nitro(struct clo_policy *policy);
CLO_MUST_USE bool policy_read_nitro(const json_t *json, struct clo_policy *policy,
                                    struct clo_error *err);
/* A verified document: checks policy.tee, policy.root, policy.debug, policy.nitro.pcrN. */
void policy_appraise_nitro(const struct clo_policy *policy,
                           const struct clo_nitro_document *document,
                           const struct clo_nitro_verified *verified, struct clo_checks *checks);

#endif
