/* cloister evidence challenge: on the verifier's side, a credential for a TPM (TPM2_MakeCredential, without a TPM). */
#include "cli/evidence/evidence.h"
#include "cli/verify/common.h"
#include "device/file.h"
#include "device/random.h"
#include "lib/evidence/import.h"
#include "lib/tcg/tpm_challenge.h"

struct challenge_options {
    const char *evidence, *ek, *ek_certificate, *ak, *output, *keep;
};

/* The public areas of both keys, and certificates of the endorsement key. */
struct keys {
    struct clo_buffer ek, ak, certificates;
};

static void free_keys(struct keys *keys)
{
    clo_buffer_free(&keys->ek);
    clo_buffer_free(&keys->ak);
    clo_buffer_free(&keys->certificates);
}

static bool take_member(const struct clo_evidence *evidence, const char *label, bool may_be_absent,
                        struct clo_buffer *out, struct clo_error *err)
{
    struct clo_bytes bytes = clo_evidence_get(evidence, label);

    if (bytes.data == NULL && !may_be_absent)
        return clo_fail(err, CLO_ERR_FORMAT, "the evidence has no \"%s\"", label);
    clo_buffer_append(out, bytes);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static bool take_evidence(const char *path, struct keys *keys, struct clo_error *err)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;

    return verify_load_bundle(path, &evidence, err) &&
           ((take_member(evidence, CLO_EVIDENCE_TPM_EK, false, &keys->ek, err) &&
             take_member(evidence, CLO_EVIDENCE_TPM_AK, false, &keys->ak, err) &&
             take_member(evidence, CLO_EVIDENCE_TPM_EK_CERTIFICATES, true, &keys->certificates,
                         err)) ||
            clo_wrap(err, "%s", path));
}

/* The whole public area is needed: a name is its hash, and PEM has the key alone. */
static bool take_area(const char *path, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };

    if (!clo_file_read(path, CLO_FILE_LIMIT, &file, err) ||
        (!clo_import_key(clo_buffer_bytes(&file), &import, err) && !clo_wrap(err, "%s", path)))
        return false;
    if (import.tpm_public.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "%s: a TPM's public area is needed (tpm2_readpublic -o), not a bare key",
                        path);
    clo_buffer_append(out, clo_buffer_bytes(&import.tpm_public));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static bool take_certificates(const char *path, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };

    if (!clo_file_read(path, CLO_FILE_LIMIT, &file, err) ||
        (!clo_import_certificates(clo_buffer_bytes(&file), &import, err) &&
         !clo_wrap(err, "%s", path)))
        return false;
    for (size_t i = 0; i < import.certificates.count; i++)
        if (!clo_pem_write("CERTIFICATE", clo_certificate_der(import.certificates.items[i]), out,
                           err))
            return false;
    return out->size > 0 || clo_fail(err, CLO_ERR_FORMAT, "%s: no certificate in it", path);
}

static bool take_files(const struct challenge_options *o, struct keys *keys, struct clo_error *err)
{
    return take_area(o->ek, &keys->ek, err) && take_area(o->ak, &keys->ak, err) &&
           (o->ek_certificate == NULL ||
            take_certificates(o->ek_certificate, &keys->certificates, err));
}

static bool make(const struct challenge_options *o, struct clo_error *err)
{
    CLO_CLEANUP(free_keys) struct keys keys = { .ek = { 0 } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer credential = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kept = { 0 };

    /* What is kept first: a credential without it could not be judged. */
    return (o->evidence != NULL ? take_evidence(o->evidence, &keys, err)
                                : take_files(o, &keys, err)) &&
           clo_tpm_challenge_make(clo_buffer_bytes(&keys.ek), clo_buffer_bytes(&keys.ak),
                                  clo_buffer_bytes(&keys.certificates), &clo_random_system,
                                  &credential, &kept, err) &&
           clo_file_write(o->keep, clo_buffer_bytes(&kept), 0600, err) &&
           clo_file_write(o->output, clo_buffer_bytes(&credential), 0644, err);
}

int cmd_evidence_challenge(int argc, char **argv)
{
    struct challenge_options o = { .evidence = NULL };
    const struct cli_option options[] = {
        { "--output", "FILE", "the credential, which goes to the guest (required)",
          .text = &o.output },
        { "--keep", "FILE", "what 'verify tpm --challenge' judges the answer by (required)",
          .text = &o.keep },
        { "--ek", "FILE", "without EVIDENCE: the endorsement key's public area", .text = &o.ek },
        { "--ek-cert", "FILE", "its certificate, and issuers", .text = &o.ek_certificate },
        { "--ak", "FILE", "the attestation key's public area", .text = &o.ak },
    };
    const struct cli_usage usage = {
        .command = "evidence challenge",
        .arguments = "[EVIDENCE | --ek FILE --ak FILE] --output FILE --keep FILE",
        .operands = { "at most one file of evidence", 0, 1 },
        .summary =
                "Makes, on the verifier's side and without a TPM, a credential "
                "(TPM2_MakeCredential) "
                "that only\nthe TPM with this endorsement key opens, and only if the attestation "
                "key is in it as well.\nEVIDENCE is what 'evidence collect' wrote; files are as "
                "tpm2-tools have them, and the\ncredential is one that tpm2_activatecredential "
                "reads. What is kept stays with the verifier.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister evidence challenge evidence.json --output credential --keep "
                   "challenge.json\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    o.evidence = operands.count > 0 ? operands.items[0] : NULL;
    if (o.output == NULL || o.keep == NULL)
        return cli_usage_error(&usage, "--output and --keep are needed");
    if (o.evidence != NULL && (o.ek != NULL || o.ak != NULL || o.ek_certificate != NULL))
        return cli_usage_error(&usage, "either EVIDENCE or --ek and --ak");
    if (o.evidence == NULL && (o.ek == NULL || o.ak == NULL))
        return cli_usage_error(&usage, "EVIDENCE is missing, or --ek and --ak");
    return make(&o, &err) ? CLI_YES : cli_fail("evidence challenge", &err);
}
