/* cloister measure snp --igvm: the launch digest that an IGVM file asks for. */
#include <string.h>

#include "cli/measure/snp.h"
#include "cloister/encoding.h"
#include "cloister/igvm.h"

#define IGVM_LIMIT ((size_t)1 << 30)

static bool check_options(const struct measure_snp_options *options, enum clo_vmm *vmm,
                          struct clo_error *err)
{
    enum clo_launch_mode mode = CLO_LAUNCH_SNP;

    *vmm = CLO_VMM_QEMU;
    if (options->vmm != NULL && !clo_vmm_from_name(options->vmm, vmm))
        return clo_fail(err, CLO_ERR_USAGE, "--vmm: no such VMM: %s; qemu and hyperv load IGVM",
                        options->vmm);
    if (options->mode != NULL &&
        (!clo_launch_mode_from_name(options->mode, &mode) || mode != CLO_LAUNCH_SNP))
        return clo_fail(err, CLO_ERR_USAGE, "--igvm is for mode snp");
    if (options->vcpus != NULL && strcmp(options->vcpus, "1") != 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--igvm: --vcpus %s: KVM measures the registers of every vCPU, and the "
                        "file has those of the first alone: the digest is not predicted for more",
                        options->vcpus);
    if (options->ovmf != NULL || options->kernel != NULL || options->svsm != NULL ||
        options->vcpu_type != NULL || options->vcpu_sig != NULL ||
        options->guest_features != NULL || options->ovmf_hash != NULL || options->dump_vmsa)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--igvm: the file says all of it: firmware, registers and features");
    return true;
}

static void add_notes(const struct clo_igvm_launch *launch, enum clo_vmm vmm, json_t *document)
{
    json_t *warnings = json_array();
    char text[32];

    json_object_set_new(document, "mode", json_string("snp"));
    json_object_set_new(document, "vmm", json_string(clo_vmm_name(vmm)));
    json_object_set_new(document, "measured_pages",
                        json_integer((json_int_t)launch->measured_pages));
    json_object_set_new(document, "vmsas", json_integer((json_int_t)launch->vmsa_count));
    if (launch->has_policy) {
        snprintf(text, sizeof text, "0x%llx", (unsigned long long)launch->policy);
        json_object_set_new(document, "guest_policy", json_string(text));
    }
    if (launch->has_id_block)
        json_object_set_new(document, "id_block_agrees", json_boolean(launch->id_block_agrees));
    if (launch->vmsa_count == 0)
        json_array_append_new(warnings, json_string("the file has no VP context: the VMM's own "
                                                    "registers are measured too"));
    if (vmm == CLO_VMM_QEMU && launch->vmsa_count == 1)
        json_array_append_new(warnings,
                              json_string("the digest is for a guest of one vCPU: KVM measures the "
                                          "registers of every vCPU, and the file has those of the "
                                          "first alone"));
    if (launch->is_relocatable)
        json_array_append_new(warnings, json_string("parts of the file may be moved by the loader; "
                                                    "the digest is for none moved"));
    if (json_array_size(warnings) > 0)
        json_object_set(document, "warnings", warnings);
    json_decref(warnings);
}

bool measure_igvm(const struct measure_snp_options *options, struct clo_digest *digest,
                  json_t *document, struct clo_error *err)
{
    CLO_CLEANUP(cli_view_close) struct cli_view file = { 0 };
    struct clo_igvm_launch launch;
    struct clo_igvm igvm;
    enum clo_vmm vmm;

    if (!check_options(options, &vmm, err) || !cli_view_open(options->igvm, IGVM_LIMIT, &file, err))
        return false;
    if (!clo_igvm_parse(file.bytes, &igvm, err) || !clo_igvm_measure(&igvm, vmm, &launch, err))
        return clo_wrap(err, "%s", options->igvm);
    /* The processor would refuse the launch. */
    if (launch.has_id_block && !launch.id_block_agrees && options->id_block == NULL &&
        options->explain == NULL) {
        char named[2 * CLO_LAUNCH_DIGEST_SIZE + 1], found[2 * CLO_HASH_SIZE_MAX + 1];
        clo_hex_text(clo_bytes(launch.id_block_digest, sizeof launch.id_block_digest), named);
        clo_hex_text(clo_digest_bytes(&launch.digest), found);
        return clo_fail(err, CLO_ERR_REFUSED, "%s: its ID block is for %s, the digest is %s",
                        options->igvm, named, found);
    }
    *digest = launch.digest;
    add_notes(&launch, vmm, document);
    return true;
}
