/* cloister measure policy: TPM policies over the registers that reference files foretell, signed before
 * anything boots: one for each state that may come. */
#include <stdlib.h>
#include <string.h>

#include "cli/inputs.h"
#include "cli/measure/measure.h"
#include "image/uki/work.h"
#include "lib/uki/pcrsig.h"

#define DEFAULT_PCRS  "4,7,11"
#define DEFAULT_PHASE "enter-initrd"

struct policy_options {
    struct clo_list banks, joined, providers;
    const char *pcrs, *phase, *key, *passphrase, *public_key, *ref, *output;
    uint32_t mask;
    unsigned hashes;
};

static bool foretold(const struct policy_options *in, const struct clo_reference *reference,
                     enum clo_hash bank, struct clo_pcr_policy *out, struct clo_error *err)
{
    struct clo_digest values[CLO_POLICY_PCRS];
    size_t count = 0;
    const char *meant = cli_phase_meant(&reference, 1, in->phase);

    for (unsigned pcr = 0; pcr < CLO_POLICY_PCRS; pcr++)
        if ((in->mask >> pcr & 1) != 0 &&
            !clo_reference_value(reference, bank, pcr, in->phase, &values[count++]))
            return clo_fail(err, CLO_ERR_REFUSED,
                            "has no value of PCR %u (%s) in phase \"%s\"%s%s%s", pcr,
                            clo_hash_name(bank), in->phase, meant == NULL ? "" : " (did you mean ",
                            meant == NULL ? "" : meant, meant == NULL ? "" : "?)");
    clo_pcr_policy(bank, in->mask, values, out);
    return true;
}

static bool add_reference(const struct policy_options *in, const char *path,
                          const struct clo_private_key *key,
                          const struct clo_public_key *public_key, json_t *out,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    struct clo_pcr_policy policy;

    if (!cli_read_reference(path, &reference, err))
        return false;
    for (unsigned hash = CLO_HASH_SHA1; hash < CLO_HASH_COUNT; hash++) {
        if ((in->hashes >> hash & 1) == 0)
            continue;
        if (!foretold(in, reference, (enum clo_hash)hash, &policy, err))
            return clo_wrap(err, "%s", path);
        if (!(key != NULL ? clo_pcrsig_sign_for(out, &policy, key, in->ref, err)
                          : clo_pcrsig_add_for(out, &policy, public_key, clo_bytes(NULL, 0),
                                               in->ref, err)))
            return false;
    }
    return true;
}

static bool make(const struct policy_options *in, const struct clo_list *references, json_t *out,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };

    if (in->key != NULL && !uki_key_read(in->key, in->passphrase, &in->providers, &key, err))
        return false;
    if (in->public_key != NULL && !clo_key_file_public(in->public_key, &public_key, &pem, err))
        return false;
    for (size_t i = 0; i < in->joined.count; i++)
        if (!uki_join_pcrsig(out, in->joined.items[i], err))
            return false;
    for (size_t i = 0; i < references->count; i++)
        if (!add_reference(in, references->items[i], key, public_key, out, err))
            return false;
    return true;
}

static bool write_out(const char *path, json_t *json, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (path == NULL)
        return cli_print_json(json, err);
    return clo_json_write(json, &text, err) &&
           clo_file_write(path, clo_buffer_bytes(&text), 0644, err);
}

int cmd_measure_policy(int argc, char **argv)
{
    struct policy_options in = { .pcrs = DEFAULT_PCRS, .phase = DEFAULT_PHASE };
    const struct cli_option table[] = {
        { "--pcrs", "LIST", "the registers, by number or systemd's name; default " DEFAULT_PCRS,
          .text = &in.pcrs },
        { "--phase", "PATH", "their values in this phase of the boot; default " DEFAULT_PHASE,
          .text = &in.phase },
        { "--bank", "NAME", "a PCR bank (default: sha256; repeatable)", .list = &in.banks,
          .values = "sha1 sha256 sha384 sha512" },
        { "--key", "FILE|URI", "sign with this RSA key: PEM, or pkcs11:…, handle:…",
          .text = &in.key },
        { "--key-passphrase-file", "FILE", "its passphrase or PIN; \"-\" and pipes will do",
          .text = &in.passphrase },
        { "--provider", "NAME", "an OpenSSL provider to load, for a key elsewhere (repeatable)",
          .list = &in.providers },
        { "--public-key", "FILE", "instead of --key: write what its owner signs elsewhere",
          .text = &in.public_key },
        { "--ref", "TEXT", "for tokens that name this reference alone (systemd 262)",
          .text = &in.ref },
        { "--join", "FILE", "keep the signed policies of this file, too (repeatable)",
          .list = &in.joined },
        { "--output", "FILE", "where to write them; default: print", .text = &in.output },
    };
    const struct cli_usage usage = {
        .command = "measure policy",
        .arguments = "REFERENCE…",
        .operands = { "at least one reference", 1, CLO_LIST_MAX },
        .summary =
                "Signs the TPM policy (PolicyPCR) of each state that references foretell, before "
                "it boots,\nin the form that systemd-cryptsetup reads (tpm2-pcr-signature.json).",
        .options = table,
        .option_count = CLO_COUNT(table),
        .example = "  cloister measure policy running.ref.json updated.ref.json --key pcr.key \\\n"
                   "      --output tpm2-pcr-signature.json\n",
    };
    CLO_CLEANUP(clo_json_freep) json_t *out = json_object();
    struct clo_list references;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &references, &status))
        return status;
    if ((in.key == NULL) == (in.public_key == NULL))
        return cli_usage_error(&usage, "expected either --key or --public-key");
    if (!cli_pcr_list("--pcrs", in.pcrs, &in.mask, &err) || !uki_banks(&in.banks, &in.hashes, &err))
        return cli_usage_error(&usage, "%s", err.text);
    bool ok = (out != NULL || clo_out_of_memory(&err)) && make(&in, &references, out, &err) &&
              write_out(in.output, out, &err);
    return ok ? CLI_YES : cli_fail("measure policy", &err);
}
