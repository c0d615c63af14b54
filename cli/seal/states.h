/* What `seal` and `image seal` share: the options that say under which policy, for which states and in which form. */
#ifndef CLOISTER_CLI_SEAL_STATES_H
#define CLOISTER_CLI_SEAL_STATES_H

#include "cli/inputs.h"
#include "image/seal.h"
#include "lib/tcg/alternatives.h"

#define CLI_SEAL_PCRS   "0,2,4,7,11,12,13"
#define CLI_SEAL_LATCH  15 /* by value where 11 is signed: a root takes no key without one of them */
#define CLI_SEAL_STATES 16
#define CLI_SEAL_PHASE  "enter-initrd"

struct cli_seal {
    struct clo_list references;
    const char *nv_policy; /* pcrlock.json */
    const char *key, *pcrs, *signed_pcrs, *signer, *ref, *phase, *bank, *pin, *form, *share,
            *identity;
    const char *crypttab; /* the volume's name */
    bool drops_others, makes_recovery, shows_qr, as_json, has_separator;
};

/* The rows that both have; `more` in front of them. */
#define CLI_SEAL_OPTIONS(in)                                                                      \
    { "--key", "FILE", "the key or passphrase that opens it now (required)", .text = &(in).key }, \
            { "--pcrs", "LIST",                                                                   \
              "bound to their values; default " CLI_SEAL_PCRS ", less those of --signed-pcrs, "   \
              "and 15 where 11 is signed",                                                        \
              .text = &(in).pcrs },                                                               \
            { "--signed-pcrs", "LIST", "bound to what --policy-key signs: 11, mostly",            \
              .text = &(in).signed_pcrs },                                                        \
            { "--policy-key", "PEM", "public RSA key of the UKI's signed policies",               \
              .text = &(in).signer },                                                             \
            { "--policy-ref", "TEXT", "the reference that its signatures have (systemd 262)",     \
              .text = &(in).ref },                                                                \
            { "--nv-policy", "FILE",                                                              \
              "bound to what an NV index approves of: 'nv-policy make', or systemd's "            \
              "pcrlock.json",                                                                     \
              .text = &(in).nv_policy },                                                          \
            { "--phase", "PATH", "the registers' values in this phase; default enter-initrd",     \
              .text = &(in).phase },                                                              \
            { "--bank", "NAME", "the PCR bank; default sha256", .text = &(in).bank },             \
            { "--os-separator", NULL,                                                             \
              "the references' values, and then what systemd-pcrosseparator measures (261)",      \
              .flag = &(in).has_separator },                                                      \
            { "--pin-file", "FILE", "a PIN that is asked for as well", .text = &(in).pin },       \
            { "--form", "FORM",                                                                   \
              "systemd (default; systemd opens it too), own (no key slot is added) or share "     \
              "(half of it: "                                                                     \
              "the other half is the broker's)",                                                  \
              .text = &(in).form },                                                               \
            { "--share-output", "FILE", "where the broker's half goes, for 'key put'",            \
              .text = &(in).share },                                                              \
            { "--disk", "FILE", "the NAME.disk.json that is brought up to date",                  \
              .text = &(in).identity },                                                           \
            { "--replace", NULL, "drop what was sealed to a TPM before",                          \
              .flag = &(in).drops_others },                                                       \
            { "--recovery", NULL, "add a recovery key, and print it this once",                   \
              .flag = &(in).makes_recovery },                                                     \
            { "--crypttab", "NAME",                                                               \
              "print a line for /etc/crypttab that pins the volume key (systemd 260 and newer)",  \
              .text = &(in).crypttab },                                                           \
            { "--qr", NULL, "show the recovery key as a QR code, too", .flag = &(in).shows_qr },  \
    {                                                                                             \
        "--json", NULL, "print JSON", .flag = &(in).as_json                                       \
    }

/* What comes of them; the values live in it. */
struct cli_seal_plan {
    struct clo_seal_job job;
    struct clo_seal_state states[CLI_SEAL_STATES];
    struct cli_references references;
    struct clo_nv_policy *nv; /* NULL: none */
    struct clo_secret *key, *pin;
    struct clo_public_key *signer;
    enum clo_hash bank;
    struct clo_buffer parent_area; /* of a TPM that is elsewhere; `parent` is of views into it */
    struct clo_tpm2_parent parent;
    uint32_t parent_handle;
};
void cli_seal_plan_free(struct cli_seal_plan *plan); /* for CLO_CLEANUP */
/* The policy, and the states that --reference names; none: the caller adds one. */
CLO_MUST_USE bool cli_seal_plan(const struct cli_seal *in, struct cli_seal_plan *out,
                                struct clo_error *err);
/* The states that --reference names (`phase` is set), for the bank and the registers of the plan. */
CLO_MUST_USE bool cli_seal_states(const struct cli_seal *in, struct cli_seal_plan *plan,
                                  struct clo_error *err);
/* A handle that --srk-handle may name. */
CLO_MUST_USE bool cli_seal_check_handle(uint64_t handle, struct clo_error *err);
/* To a TPM that is elsewhere: `srk`, a file, is its storage key, which it keeps at `handle`. */
CLO_MUST_USE bool cli_seal_plan_offline(struct cli_seal_plan *plan, const char *srk,
                                        uint64_t handle, struct clo_error *err);
/* Seals, and brings the disk's file up to date. */
CLO_MUST_USE bool cli_seal_apply(const struct cli_seal *in, struct cli_seal_plan *plan,
                                 const char *path, struct clo_seal_result *out,
                                 struct clo_error *err);
/* The same, and prints. */
CLO_MUST_USE bool cli_seal_run(const struct cli_seal *in, struct cli_seal_plan *plan,
                               const char *path, struct clo_error *err);

#endif
