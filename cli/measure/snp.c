/* cloister measure snp: the launch digest of an SEV-SNP, SEV-ES or SEV guest. */
#include <string.h>

#include "cli/measure/measure.h"
#include "cli/measure/snp.h"
#include "cloister/encoding.h"

/* --- Checks that need all options --- */

static bool check_vcpus(const struct measure_snp *measure, struct clo_error *err)
{
    const struct clo_launch *launch = &measure->launch;

    if (measure->only_ovmf_hash || launch->mode == CLO_LAUNCH_SEV)
        return true;
    if (!measure->has_vcpus)
        return clo_fail(err, CLO_ERR_USAGE, "--vcpus is missing");
    if (!measure->has_signature && clo_vmm_uses_signature(launch->vmm))
        return clo_fail(err, CLO_ERR_USAGE,
                        "--vcpu-type is missing: under %s the CPU model is part of the digest",
                        clo_vmm_name(launch->vmm));
    return true;
}

static bool check_id_block(const struct measure_snp_options *options, struct clo_error *err)
{
    bool has_any = options->id_key != NULL || options->author_key != NULL ||
                   options->guest_policy != NULL || options->guest_svn != NULL ||
                   options->family_id != NULL || options->image_id != NULL;

    if (options->id_block == NULL)
        return !has_any || clo_fail(err, CLO_ERR_USAGE, "--id-block says where to: it is missing");
    return options->id_key != NULL || clo_fail(err, CLO_ERR_USAGE, "--id-block needs --id-key");
}

/* --- Output --- */

static bool digest_text(const struct clo_digest *digest, const char *format, struct clo_buffer *out,
                        struct clo_error *err)
{
    if (format != NULL && strcmp(format, "base64") == 0)
        clo_base64_write(clo_digest_bytes(digest), out);
    else if (format == NULL || strcmp(format, "hex") == 0)
        clo_hex_write(clo_digest_bytes(digest), out);
    else
        return clo_fail(err, CLO_ERR_USAGE, "--output-format: hex or base64, not %s", format);
    return clo_buffer_string(out) != NULL || clo_out_of_memory(err);
}

static json_t *hex_number(uint64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "0x%llx", (unsigned long long)value);
    return json_string(text);
}

/* The inputs that went into the digest, next to it. */
static void add_inputs(const struct measure_snp *measure, json_t *document)
{
    const struct clo_launch *launch = &measure->launch;

    if (measure->only_ovmf_hash)
        return;
    json_object_set_new(document, "mode", json_string(clo_launch_mode_name(launch->mode)));
    if (launch->mode == CLO_LAUNCH_SEV)
        return;
    json_object_set_new(document, "vmm", json_string(clo_vmm_name(launch->vmm)));
    json_object_set_new(document, "vcpus", json_integer(launch->vcpus));
    if (clo_vmm_uses_signature(launch->vmm))
        json_object_set_new(document, "vcpu_sig", hex_number(launch->vcpu_signature));
    if (launch->mode == CLO_LAUNCH_SNP)
        json_object_set_new(document, "guest_features", hex_number(launch->sev_features));
    if (launch->mode != CLO_LAUNCH_SEV_ES && !launch->firmware->has_sections &&
        launch->svsm == NULL)
        json_object_set_new(document, "warnings",
                            json_pack("[s]", "the firmware has no SEV metadata: QEMU would not "
                                             "start an SEV-SNP guest with it"));
}

static bool explain(const struct measure_snp_options *options, int *status, struct clo_error *err)
{
    CLO_CLEANUP(measure_snp_free) struct measure_snp inputs = { 0 };

    if (options->id_block != NULL || options->dump_vmsa || options->output_format != NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--explain writes neither ID block, VMSAs nor digest");
    if (options->igvm != NULL)
        return measure_igvm_explain(options, status, err);
    if (!measure_snp_read(options, &inputs, err))
        return false;
    if (inputs.only_ovmf_hash)
        return clo_fail(err, CLO_ERR_USAGE, "--explain is for modes snp and snp:svsm");
    return measure_snp_explain(options, &inputs, status, err);
}

/* The digest of OVMF and what is started with it. */
static bool measure_ovmf(const struct measure_snp_options *options, struct clo_digest *digest,
                         json_t *document, bool *only_ovmf_hash, struct clo_error *err)
{
    CLO_CLEANUP(measure_snp_free) struct measure_snp inputs = { 0 };

    if (!measure_snp_read(options, &inputs, err) || !check_vcpus(&inputs, err))
        return false;
    *only_ovmf_hash = inputs.only_ovmf_hash;
    bool is_snp = !inputs.only_ovmf_hash && inputs.launch.mode != CLO_LAUNCH_SEV_ES &&
                  inputs.launch.mode != CLO_LAUNCH_SEV;
    if (options->id_block != NULL && !is_snp)
        return clo_fail(err, CLO_ERR_USAGE, "--id-block is for SEV-SNP guests");
    bool ok = inputs.only_ovmf_hash ? clo_launch_ovmf_hash(&inputs.launch, digest, err)
                                    : clo_launch_digest(&inputs.launch, digest, err);
    if (!ok)
        return clo_wrap(err, "%s", options->ovmf);
    add_inputs(&inputs, document);
    return !options->dump_vmsa || measure_snp_dump(&inputs.launch, err);
}

/* Under which conditions the digest is the right one; standard output has the digest alone. */
static void print_warnings(const json_t *document)
{
    json_t *warning;
    size_t i;

    json_array_foreach (json_object_get(document, "warnings"), i, warning)
        fprintf(stderr, "cloister: warning: measure snp: %s\n", json_string_value(warning));
}

static bool measure(const struct measure_snp_options *options, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *document = json_object();
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_digest digest;
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    bool only_ovmf_hash = false;

    if (!check_id_block(options, err))
        return false;
    bool ok = options->launch_digest != NULL ? measure_snp_given(options, &digest, err)
              : options->igvm != NULL
                      ? measure_igvm(options, &digest, document, err)
                      : measure_ovmf(options, &digest, document, &only_ovmf_hash, err);
    if (!ok || !digest_text(&digest, options->output_format, &text, err))
        return false;
    clo_hex_text(clo_digest_bytes(&digest), hex);
    json_object_set_new(document, only_ovmf_hash ? "ovmf_hash" : "launch_digest", json_string(hex));
    if (options->id_block != NULL && !measure_snp_id_block(options, &digest, document, err))
        return false;
    if (options->json)
        return cli_print_json(document, err);
    printf("%s\n", clo_buffer_string(&text));
    print_warnings(document);
    return true;
}

/* As given on the command line. */
static struct measure_snp_options chosen;

static const struct cli_option table[] = {
    { "--ovmf", "FILE", "the firmware", .text = &chosen.ovmf },
    { "--mode", "MODE", "snp (default), snp:svsm, snp:ovmf-hash, seves or sev",
      .text = &chosen.mode, .values = "snp snp:svsm snp:ovmf-hash seves sev" },
    { "--vcpus", "N", "how many CPUs the guest has", .text = &chosen.vcpus },
    { "--vcpu-type", "NAME", "their model, as for QEMU's -cpu: EPYC-v4, EPYC-Milan, …",
      .text = &chosen.vcpu_type },
    { "--vcpu-sig", "HEX", "or its CPUID signature", .text = &chosen.vcpu_sig },
    { "--vcpu-family", "N", "or family,", .text = &chosen.vcpu_family },
    { "--vcpu-model", "N", "model", .text = &chosen.vcpu_model },
    { "--vcpu-stepping", "N", "and stepping", .text = &chosen.vcpu_stepping },
    { "--guest-features", "HEX", "SEV_FEATURES; default 0x1, with DebugSwap 0x21",
      .text = &chosen.guest_features },
    { "--vmm", "NAME", "qemu (default), ec2, gce, krun, or one of their variants",
      .text = &chosen.vmm, .values = "qemu ec2 gce krun" },
    { "--vmm-type", "NAME", "the same", .text = &chosen.vmm },
    { "--kernel", "FILE", "direct boot: the kernel", .text = &chosen.kernel },
    { "--initrd", "FILE", "its initrd", .text = &chosen.initrd },
    { "--cmdline", "TEXT", "its command line", .text = &chosen.append, .was = "--append" },
    { "--ovmf-hash", "HEX", "start from this digest of the firmware's pages",
      .text = &chosen.ovmf_hash },
    { "--snp-ovmf-hash", "HEX", "the same", .text = &chosen.ovmf_hash },
    { "--svsm", "FILE", "mode snp:svsm: the SVSM", .text = &chosen.svsm },
    { "--vars-size", "BYTES", "mode snp:svsm: how large OVMF's variables are,",
      .text = &chosen.vars_size },
    { "--vars-file", "FILE", "or the file of them", .text = &chosen.vars_file },
    { "--igvm", "FILE", "instead of all these: an IGVM file, as --vmm qemu or hyperv loads it",
      .text = &chosen.igvm },
    { "--dump-vmsa", NULL, "write vmsa0.bin, vmsa1.bin, … to the current folder",
      .flag = &chosen.dump_vmsa },
    { "--id-block", "FILE", "write a signed ID block, as QEMU's sev-snp-guest takes it",
      .text = &chosen.id_block },
    { "--launch-digest", "HEX", "for this digest (or base64), without measuring anything",
      .text = &chosen.launch_digest },
    { "--id-key", "FILE|URI", "P-384 key that signs the ID block: PEM, or a URI",
      .text = &chosen.id_key },
    { "--id-key-passphrase-file", "FILE", "its passphrase or PIN; \"-\" and pipes will do",
      .text = &chosen.id_key_passphrase },
    { "--author-key", "FILE|URI", "P-384 key that signs the ID key", .text = &chosen.author_key },
    { "--author-key-passphrase-file", "FILE", "its passphrase or PIN",
      .text = &chosen.author_key_passphrase },
    { "--guest-policy", "HEX", "the ID block's policy; default 0x30000",
      .text = &chosen.guest_policy },
    { "--guest-svn", "N", "its security version; default 0", .text = &chosen.guest_svn },
    { "--family-id", "HEX", "its family, 16 bytes", .text = &chosen.family_id },
    { "--image-id", "HEX", "its image, 16 bytes", .text = &chosen.image_id },
    { "--explain", "HEX|FILE", "say which input explains this digest, or this report's",
      .text = &chosen.explain },
    { "--max-vcpus", "N", "how many vCPUs --explain tries; default 512",
      .text = &chosen.max_vcpus },
    { "--output-format", "FORMAT", "hex (default) or base64", .text = &chosen.output_format,
      .values = "hex base64" },
    { "--json", NULL, "print one JSON document", .flag = &chosen.json },
};

static const struct cli_usage usage = {
    .command = "measure snp",
    .arguments = "--ovmf FILE --vcpus N --vcpu-type NAME | --igvm FILE",
    .summary = "Predicts the launch digest of an SEV-SNP guest, or of an SEV-ES or SEV one.\n"
               "Options are named as sev-snp-measure's.",
    .options = table,
    .option_count = CLO_COUNT(table),
    .takes_one_value = true,
    .example = "  cloister measure snp --ovmf OVMF.fd --vcpus 4 --vcpu-type EPYC-Milan \\\n"
               "      --kernel vmlinuz --initrd initrd.img --append 'console=ttyS0'\n",
};

int cmd_measure_snp(int argc, char **argv)
{
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    status = CLI_YES;
    if (chosen.explain != NULL ? explain(&chosen, &status, &err) : measure(&chosen, &err))
        return status;
    if (err.status == CLO_ERR_USAGE)
        return cli_usage_error(&usage, "%s", err.text);
    return cli_fail("measure snp", &err);
}
