/* What the subcommands of `cloister nv-policy` share. */
#ifndef CLOISTER_CLI_NV_POLICY_H
#define CLOISTER_CLI_NV_POLICY_H

#include "cli/seal/states.h"
#include "device/tpm_nv_policy.h"
#include "image/nv_approve.h"

struct cli_nv {
    const char *device, *srk, *key, *passphrase, *pcrs, *phase, *bank;
    struct clo_list references, providers;
    bool has_separator;
};

/* The TPM; where its storage key is named, what it answers is authentic. */
CLO_MUST_USE bool cli_nv_open(const struct cli_nv *in, struct clo_tpm **out, struct clo_error *err);
/* Every value that the references foretell for the registers of `mask`; what is in `out` already stays. */
CLO_MUST_USE bool cli_nv_add_states(const struct cli_nv *in, uint32_t mask,
                                    struct clo_alternatives *out, struct clo_error *err);

#define CLI_NV_TPM_OPTIONS(in)                                                              \
    { "--tpm", "DEVICE", "the TPM; default " CLO_TPM_DEVICE ", or swtpm:SOCKET",            \
      .text = &(in).device },                                                               \
    {                                                                                       \
        "--srk", "FILE",                                                                    \
                "the storage key that it must have, TPM2B_PUBLIC: what it answers is then " \
                "authentic",                                                                \
                .text = &(in).srk                                                           \
    }
#define CLI_NV_WRITE_OPTIONS(in)                                                               \
    { "--key", "FILE|URI", "the RSA key that alone writes the index (required)",               \
      .text = &(in).key, .is_required = true },                                                \
            { "--passphrase-file", "FILE", "the key's passphrase", .text = &(in).passphrase }, \
            { "--provider", "NAME", "an OpenSSL provider that keeps the key (repeatable)",     \
              .list = &(in).providers },                                                       \
            { "--reference", "FILE",                                                           \
              "a state that gets the key: images' and firmware's references (required, "       \
              "repeatable)",                                                                   \
              .list = &(in).references },                                                      \
            { "--phase", "PATH", "the registers' values in this phase; default enter-initrd",  \
              .text = &(in).phase },                                                           \
    {                                                                                          \
        "--os-separator", NULL,                                                                \
                "the references' values, and then what systemd-pcrosseparator measures (261)", \
                .flag = &(in).has_separator                                                    \
    }

int cmd_nv_policy_make(int argc, char **argv);
int cmd_nv_policy_update(int argc, char **argv);
int cmd_nv_policy_show(int argc, char **argv);
int cmd_nv_policy_remove(int argc, char **argv);

#endif
