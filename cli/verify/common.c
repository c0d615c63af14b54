#include "cli/verify/common.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/inputs.h"
#include "cloister/cose.h"
#include "cloister/encoding.h"
#include "device/file.h"
#include "lib/cloud/azure_imds.h"
#include "lib/evidence/import.h"
#include "lib/tcg/tpm_public.h"

#include "cli/evidence/file.h"
#include "cli/policy/files.h"
#include "cli/verify/collateral.h"

void verify_add_options(struct verify_options *o, struct cli_option *out, size_t *count)
{
    const struct cli_option shared[] = {
        { .name = "--policy",
          .argument = "FILE",
          .help = "the owner's policy, or the built-in one: strict",
          .text = &o->policy },
        { .name = "--reference",
          .argument = "FILE",
          .help = "reference values (repeatable): of image and firmware, and of states that "
                  "may be",
          .list = &o->references },
        { .name = "--phase",
          .argument = "PHASE",
          .help = "of the boot, for PCRs that change (enter-initrd)",
          .text = &o->phase },
        { .name = "--nonce",
          .argument = "TEXT",
          .help = "the nonce that was given out (hex where the evidence has no runtime data)",
          .text = &o->nonce },
        { .name = "--root",
          .argument = "CERT|SHA256",
          .help = "trust this root, known by its key, instead of the maker's (repeatable)",
          .list = &o->roots },
        { .name = "--cert",
          .argument = "FILE|DIR",
          .help = "certificates: DER, PEM, PKCS #7, a GHCB table or Azure's JSON (repeatable)",
          .list = &o->certificates },
        { .name = "--crl",
          .argument = "FILE",
          .help = "revocation lists: DER, PEM or hex (repeatable)",
          .list = &o->crls },
        { .name = "--collateral",
          .argument = "DIR|FILE",
          .help = "Intel's, for TDX: a folder, a file of it, or one JSON (repeatable)",
          .list = &o->collateral },
        { .name = "--without",
          .argument = "tcb",
          .help = "leave the evaluation of a TDX platform's TCB out; then never better than a "
                  "warning",
          .list = &o->without,
          .values = "tcb" },
        { .name = "--expect",
          .argument = "CLAIM=VALUE",
          .help = "what a claim must be, like measurement=HEX (repeatable)",
          .list = &o->expectations },
        { .name = "--at",
          .argument = "TIME",
          .help = "the time for validity checks, RFC 3339 (now)",
          .text = &o->at },
        { .name = "--json", .help = "print one JSON document", .flag = &o->json },
        { .name = "--quiet", .help = "print the verdict alone, and why", .flag = &o->quiet },
    };

    memcpy(out + *count, shared, sizeof shared);
    *count += CLO_COUNT(shared);
}

/* --- Loading --- */

static bool load_certificate_file(const char *name, struct clo_import *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };

    return clo_file_read(name, CLO_FILE_LIMIT, &file, err) &&
           (clo_import_certificates(clo_buffer_bytes(&file), out, err) ||
            clo_wrap(err, "%s", name));
}

/* And the lists that came with them: what they revoke is revoked, no matter who handed them in. */
static bool verify_add_certificates(struct verify_inputs *out,
                                    const struct clo_snp_certificates *certificates,
                                    struct clo_error *err)
{
    for (size_t i = 0; i < certificates->count; i++)
        if (!clo_snp_certificates_add(&out->certificates,
                                      clo_certificate_der(certificates->items[i]), err))
            return false;
    for (size_t i = 0; i < certificates->crl_count; i++)
        if (!clo_snp_certificates_read(&out->certificates, clo_crl_der(certificates->crls[i]), err))
            return false;
    return true;
}

/* A certificate file, or the SHA-256 of a SubjectPublicKeyInfo in hex. */
static bool load_root(const char *name, struct verify_inputs *out, struct clo_digest *root,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_error ignored;

    *root = (struct clo_digest){ .hash = CLO_HASH_SHA256 };
    if (strlen(name) == 64 && clo_hex_read(clo_bytes_text(name), &bytes, &ignored)) {
        memcpy(root->bytes, bytes.data, bytes.size);
        return true;
    }
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
    if (!load_certificate_file(name, &import, err))
        return false;
    const struct clo_snp_certificates *certificates = &import.certificates;
    /* A chain as the key server hands it out has one root among its certificates. */
    const struct clo_certificate *found = NULL;
    size_t count = 0;
    for (size_t i = 0; i < certificates->count; i++) {
        const struct clo_certificate *item = certificates->items[i];
        if (certificates->count > 1 &&
            !clo_bytes_equal(clo_certificate_subject_name(item), clo_certificate_issuer_name(item)))
            continue;
        found = item;
        count++;
    }
    if (count != 1)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %zu certificates, one root expected", name,
                        certificates->count);
    if (!clo_public_key_fingerprint(clo_certificate_key(found), root, err))
        return clo_wrap(err, "%s", name);
    return verify_add_certificates(out, certificates, err) || clo_wrap(err, "%s", name);
}

/* All the lists of a file; certificates next to them are not what was asked for. */
static bool load_crl(const char *name, struct verify_inputs *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };

    if (!load_certificate_file(name, &import, err))
        return false;
    if (import.certificates.crl_count == 0)
        return clo_import_refuse(&import, "a revocation list", err) || clo_wrap(err, "%s", name);
    for (size_t i = 0; i < import.certificates.crl_count; i++) {
        if (out->crl_count == CLO_LIST_MAX)
            return clo_fail(err, CLO_ERR_USAGE, "too many revocation lists");
        out->crls[out->crl_count++] = CLO_TAKE(import.certificates.crls[i]);
    }
    return true;
}

bool verify_add_collateral(struct verify_inputs *inputs, struct clo_tdx_collateral *collateral,
                           struct clo_error *err)
{
    struct clo_endorsements *endorsements = &inputs->inputs.endorsements;
    size_t count = endorsements->tdx_collateral_count;

    if (count == CLO_COUNT(inputs->collateral))
        return clo_fail(err, CLO_ERR_USAGE, "too many sets of collateral");
    inputs->collateral[count] = *collateral;
    *collateral = (struct clo_tdx_collateral){ 0 };
    inputs->sets[count] = &inputs->collateral[count];
    endorsements->tdx_collateral = inputs->sets;
    endorsements->tdx_collateral_count = count + 1;
    return true;
}

static bool load_collateral(const struct verify_options *o, struct verify_inputs *out,
                            struct clo_error *err)
{
    for (size_t i = 0; i < o->without.count; i++) {
        if (strcmp(o->without.items[i], "tcb") != 0)
            return clo_fail(err, CLO_ERR_USAGE, "--without %s: only \"tcb\" can be left out",
                            o->without.items[i]);
        out->inputs.without_tcb = true;
    }
    for (size_t i = 0; i < o->collateral.count; i++) {
        CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral collateral = { 0 };
        if (!collateral_load(o->collateral.items[i], &collateral, err) ||
            !verify_add_collateral(out, &collateral, err))
            return clo_wrap(err, "--collateral");
    }
    return true;
}

static bool load_expectation(const char *text, struct verify_inputs *out, size_t index,
                             struct clo_error *err)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text || equals[1] == '\0')
        return clo_fail(err, CLO_ERR_USAGE, "--expect %s: CLAIM=VALUE expected", text);
    clo_buffer_append(&out->names[index], clo_bytes(text, (size_t)(equals - text)));
    out->expectations[index].name = clo_buffer_string(&out->names[index]);
    out->expectations[index].value = equals + 1;
    return out->expectations[index].name != NULL || clo_out_of_memory(err);
}

static bool load_certificates(const char *name, struct verify_inputs *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };

    return load_certificate_file(name, &import, err) &&
           (verify_add_certificates(out, &import.certificates, err) || clo_wrap(err, "%s", name));
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* A folder of certificates, as snpguest and others make one. What is something else is left out, and said to be. */
static bool load_folder(const char *folder, struct verify_inputs *out, struct clo_error *err)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_visible, alphasort);
    int loaded = 0;

    if (count < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < count; i++) {
        char path[4096];
        struct clo_error why = { 0 };
        if (snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name) < (int)sizeof path &&
            load_certificates(path, out, &why))
            loaded++;
        else
            fprintf(stderr, "cloister: verify: --cert: left out %s\n", why.text);
        free(entries[i]);
    }
    free(entries);
    return loaded > 0 || clo_fail(err, CLO_ERR_FORMAT, "%s: holds no certificate", folder);
}

static bool load_certificates_or_folder(const char *name, struct verify_inputs *out,
                                        struct clo_error *err)
{
    struct stat status;

    if (stat(name, &status) == 0 && S_ISDIR(status.st_mode))
        return load_folder(name, out, err);
    return load_certificates(name, out, err);
}

bool verify_load(const struct verify_options *o, struct verify_inputs *out, struct clo_error *err)
{
    struct clo_appraise_inputs *inputs = &out->inputs;

    if (!cli_time(o->at, &inputs->at, err))
        return clo_wrap(err, "--at");
    if (o->policy != NULL && !policy_load(o->policy, &out->policy, err))
        return false;
    inputs->policy = out->policy;
    inputs->phase = o->phase;
    if (!cli_references_load(&o->references, &out->references, err))
        return false;
    inputs->references = cli_references_view(&out->references);
    inputs->reference_count = out->references.count;
    for (size_t i = 0; i < o->roots.count; i++)
        if (!load_root(o->roots.items[i], out, &out->roots[i], err))
            return false;
    inputs->roots = out->roots;
    inputs->root_count = o->roots.count;
    for (size_t i = 0; i < o->certificates.count; i++)
        if (!load_certificates_or_folder(o->certificates.items[i], out, err))
            return false;
    inputs->endorsements.certificates = &out->certificates;
    if (!load_collateral(o, out, err))
        return false;
    for (size_t i = 0; i < o->crls.count; i++)
        if (!load_crl(o->crls.items[i], out, err))
            return false;
    inputs->endorsements.crls = (const struct clo_crl *const *)out->crls;
    inputs->endorsements.crl_count = out->crl_count;
    for (size_t i = 0; i < o->expectations.count; i++)
        if (!load_expectation(o->expectations.items[i], out, i, err))
            return false;
    inputs->expectations = out->expectations;
    inputs->expectation_count = o->expectations.count;
    return true;
}

void verify_add_endorsement_options(struct verify_options *o, struct cli_option *out, size_t *count)
{
    const struct cli_option options[] = {
        { .name = "--endorsement",
          .argument = "FILE",
          .help = "a cloud's launch endorsement (Google's of its firmware, Microsoft's of the "
                  "utility "
                  "VM):\nthe measurement must be one of those it signs",
          .text = &o->launch_endorsement },
        { .name = "--endorsement-root",
          .argument = "CERT|SHA256",
          .help = "the root that it leads to (repeatable)",
          .list = &o->endorsement_roots },
        { .name = "--endorsement-issuer",
          .argument = "DID",
          .help = "Microsoft's: who must have signed it, as did:x509 (repeatable)",
          .list = &o->endorsement_issuers },
        { .name = "--endorsement-feed",
          .argument = "NAME",
          .help = "Microsoft's: which line of builds it must be of (repeatable)",
          .list = &o->endorsement_feeds },
    };

    memcpy(out + *count, options, sizeof options);
    *count += CLO_COUNT(options);
}

/* Nothing says what an endorsement that is not there would have to be. */
static bool check_endorsement_options(const struct verify_options *o, struct clo_error *err)
{
    const struct {
        const char *name;
        size_t count;
    } options[] = {
        { "--endorsement-root", o->endorsement_roots.count },
        { "--endorsement-issuer", o->endorsement_issuers.count },
        { "--endorsement-feed", o->endorsement_feeds.count },
    };

    for (size_t i = 0; i < CLO_COUNT(options); i++)
        if (options[i].count > 0)
            return clo_fail(err, CLO_ERR_USAGE, "%s: --endorsement is missing", options[i].name);
    return true;
}

/* Base64 with white space anywhere. */
static bool decode_base64(struct clo_bytes in, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error ignored;

    for (size_t i = 0; i < in.size; i++)
        if (in.data[i] != '\n' && in.data[i] != '\r' && in.data[i] != ' ')
            clo_buffer_u8(&text, in.data[i]);
    return clo_buffer_ok(&text) && text.size > 0 &&
           clo_base64_read(clo_buffer_bytes(&text), out, &ignored);
}

bool verify_read_maybe_base64(const char *path, bool (*is)(struct clo_bytes bytes),
                              struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer plain = { 0 };

    if (!clo_file_read(path, CLO_FILE_LIMIT, &file, err))
        return false;
    bool is_encoded = decode_base64(clo_buffer_bytes(&file), &plain) &&
                      (is == NULL || is(clo_buffer_bytes(&plain)));
    clo_buffer_append(out, clo_buffer_bytes(is_encoded ? &plain : &file));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool verify_load_endorsement(const struct verify_options *o, struct verify_inputs *inputs,
                             struct clo_error *err)
{
    struct clo_launch_endorsement *out = &inputs->inputs.launch_endorsement;

    if (o->launch_endorsement == NULL)
        return check_endorsement_options(o, err);
    if (!verify_read_maybe_base64(o->launch_endorsement, clo_cose_is_sign1,
                                  &inputs->launch_endorsement, err))
        return false;
    out->bytes = clo_buffer_bytes(&inputs->launch_endorsement);
    for (size_t i = 0; i < o->endorsement_roots.count; i++)
        if (!load_root(o->endorsement_roots.items[i], inputs, &inputs->endorsement_roots[i], err))
            return clo_wrap(err, "--endorsement-root");
    out->roots = inputs->endorsement_roots;
    out->root_count = o->endorsement_roots.count;
    out->issuers = o->endorsement_issuers.items;
    out->issuer_count = o->endorsement_issuers.count;
    out->feeds = o->endorsement_feeds.items;
    out->feed_count = o->endorsement_feeds.count;
    return true;
}

bool verify_begin(const struct verify_options *o, struct verify_inputs *inputs,
                  struct clo_evidence **evidence, struct clo_error *err)
{
    return verify_load(o, inputs, err) && verify_load_nonce_hex(o, inputs, err) &&
           verify_load_endorsement(o, inputs, err) && clo_evidence_new(evidence, err);
}

bool verify_load_nonce_hex(const struct verify_options *o, struct verify_inputs *inputs,
                           struct clo_error *err)
{
    if (o->nonce == NULL)
        return true;
    if (!clo_hex_read(clo_bytes_text(o->nonce), &inputs->nonce, err)) {
        err->status = CLO_ERR_USAGE;
        return clo_wrap(err, "--nonce");
    }
    if (inputs->nonce.size == 0)
        return clo_fail(err, CLO_ERR_USAGE, "--nonce: is empty");
    inputs->inputs.expected_qualifying = clo_buffer_bytes(&inputs->nonce);
    return true;
}

/* What its public area says it may do, the appraisal checks: but a key that decrypts or signs anything is nobody's. */
static bool take_ak(const char *path, struct verify_inputs *inputs, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_public_free) struct clo_tpm_public area = { 0 };
    struct clo_bytes bytes = clo_buffer_bytes(&inputs->ak_public);

    inputs->inputs.ak = inputs->ak;
    if (bytes.size == 0)
        return true;
    inputs->inputs.ak_public = bytes;
    return (clo_tpm_public_read(bytes, &area, err) && clo_tpm_public_attests(&area, err)) ||
           clo_wrap(err, "%s", path);
}

bool verify_load_ak(const char *path, struct verify_inputs *inputs, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };

    if (!clo_file_read(path, CLO_FILE_LIMIT, &file, err))
        return false;
    if (!clo_import_key(clo_buffer_bytes(&file), &import, err))
        return clo_wrap(err, "%s", path);
    inputs->ak = CLO_TAKE(import.key);
    inputs->ak_public = import.tpm_public;
    import.tpm_public = (struct clo_buffer){ 0 };
    return take_ak(path, inputs, err);
}

void verify_inputs_free(struct verify_inputs *inputs)
{
    clo_policy_free(inputs->policy);
    clo_snp_certificates_free(&inputs->certificates);
    cli_references_free(&inputs->references);
    for (size_t i = 0; i < CLO_LIST_MAX; i++) {
        clo_crl_free(inputs->crls[i]);
        clo_buffer_free(&inputs->names[i]);
    }
    for (size_t i = 0; i < CLO_COUNT(inputs->collateral); i++)
        clo_tdx_collateral_free(&inputs->collateral[i]);
    clo_buffer_free(&inputs->nonce);
    clo_buffer_free(&inputs->launch_endorsement);
    clo_public_key_free(inputs->ak);
    clo_buffer_free(&inputs->ak_public);
    clo_buffer_free(&inputs->challenge);
    clo_buffer_free(&inputs->answer);
}

/* --- Evidence from single files --- */

bool verify_add_file(struct clo_evidence *evidence, const char *label, const char *path,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };

    return clo_file_read(path, CLO_FILE_LIMIT, &file, err) &&
           clo_evidence_add(evidence, label, clo_buffer_bytes(&file), err);
}

/* A signature and PCR values are read in the light of the quote. */
static bool add_signature(struct clo_evidence *evidence, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer whole = { 0 };
    struct clo_bytes attest = clo_evidence_get(evidence, CLO_EVIDENCE_TPM_QUOTE);

    return clo_file_read(path, CLO_FILE_LIMIT, &file, err) &&
           ((clo_import_signature(clo_buffer_bytes(&file), attest, &whole, err) &&
             clo_evidence_add(evidence, CLO_EVIDENCE_TPM_SIGNATURE, clo_buffer_bytes(&whole),
                              err)) ||
            clo_wrap(err, "%s", path));
}

static bool add_pcrs(struct clo_evidence *evidence, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_bytes attest = clo_evidence_get(evidence, CLO_EVIDENCE_TPM_QUOTE);

    return clo_file_read(path, CLO_FILE_LIMIT, &file, err) &&
           ((clo_import_pcrs(clo_buffer_bytes(&file), attest, &text, err) &&
             clo_evidence_add(evidence, CLO_EVIDENCE_TPM_PCRS, clo_buffer_bytes(&text), err)) ||
            clo_wrap(err, "%s", path));
}

/* The leaf first: what else the file has are issuers. */
bool verify_add_ak_certificates(struct clo_evidence *evidence, const char *path,
                                struct clo_error *err)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };

    if (!load_certificate_file(path, &import, err))
        return false;
    for (size_t i = 0; i < import.certificates.count; i++)
        if (!clo_pem_write("CERTIFICATE", clo_certificate_der(import.certificates.items[i]), &pem,
                           err))
            return false;
    return (pem.size > 0 || clo_import_refuse(&import, "a certificate", err)) &&
           clo_evidence_add(evidence, CLO_EVIDENCE_TPM_AK_CERTIFICATES, clo_buffer_bytes(&pem),
                            err);
}

bool verify_add_tpm(struct clo_evidence *evidence, const struct verify_tpm_files *files,
                    struct clo_error *err)
{
    return (files->ak_certificate == NULL ||
            verify_add_ak_certificates(evidence, files->ak_certificate, err)) &&
           (files->quote == NULL ||
            evidence_file_add(files->quote, CLO_EVIDENCE_TPM_QUOTE, evidence, err)) &&
           (files->signature == NULL || add_signature(evidence, files->signature, err)) &&
           (files->pcrs == NULL || add_pcrs(evidence, files->pcrs, err)) &&
           (files->eventlog == NULL ||
            evidence_file_add_log(files->eventlog, CLO_EVIDENCE_EVENTLOG, evidence, err)) &&
           (files->userspace_log == NULL ||
            verify_add_file(evidence, CLO_EVIDENCE_USERSPACE_LOG, files->userspace_log, err));
}

int verify_fail(struct clo_error *err)
{
    clo_wrap(err, "verify");
    return cli_error(err);
}
