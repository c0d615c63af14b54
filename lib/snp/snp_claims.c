/* A report as the JSON claims that DESIGN section 3 promises. */
#include <inttypes.h>
#include <stdio.h>

#include "cloister/encoding.h"
#include "snp_internal.h"

static void set_u64(struct clo_json_object *object, const char *key, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "0x%016" PRIx64, value);
    clo_json_set(object, key, json_string(text));
}

static void set_build(struct clo_json_object *object, const char *key,
                      const struct clo_snp_build *build)
{
    clo_json_set(object, key, json_sprintf("%u.%u.%u", build->major, build->minor, build->build));
}

/* As the specification and other tools write it: the eight bytes as one number. */
static uint64_t tcb_value(const struct clo_snp_tcb *tcb)
{
    struct clo_reader r = clo_reader(clo_bytes(tcb->raw, sizeof tcb->raw));

    return clo_read_le64(&r);
}

static void set_tcb(struct clo_json_object *parent, const char *key, const struct clo_snp_tcb *tcb,
                    enum clo_snp_product product)
{
    struct clo_snp_tcb_parts parts = clo_snp_tcb_parts(tcb, product);
    struct clo_json_object object = { .json = json_object() };

    /* Without a product the layout is not known: the bytes alone. */
    clo_json_set_hex(&object, "raw", clo_bytes(tcb->raw, sizeof tcb->raw));
    set_u64(&object, "value", tcb_value(tcb));
    if (product != CLO_SNP_UNKNOWN) {
        if (parts.fmc >= 0)
            clo_json_set(&object, "fmc", json_integer(parts.fmc));
        clo_json_set(&object, "bootloader", json_integer(parts.bootloader));
        clo_json_set(&object, "tee", json_integer(parts.tee));
        clo_json_set(&object, "snp", json_integer(parts.snp));
        clo_json_set(&object, "microcode", json_integer(parts.microcode));
    }
    clo_json_set(parent, key, clo_json_finish(&object));
}

static const struct clo_bit policy_bits[] = {
    { 16, "smt" },
    { 17, "reserved_mbo" },
    { 18, "migrate_ma" },
    { 19, "debug" },
    { 20, "single_socket" },
    { 21, "cxl_allow" },
    { 22, "mem_aes_256_xts" },
    { 23, "rapl_dis" },
    { 24, "ciphertext_hiding_dram" },
    { 25, "page_swap_disable" },
};
static const struct clo_bit platform_bits[] = {
    { 0, "smt_en" },
    { 1, "tsme_en" },
    { 2, "ecc_en" },
    { 3, "rapl_dis" },
    { 4, "ciphertext_hiding_en" },
    { 5, "alias_check_complete" },
    { 7, "tio_en" },
};

const struct clo_bit *clo_snp_policy_bits(size_t *count)
{
    *count = CLO_COUNT(policy_bits);
    return policy_bits;
}

const struct clo_bit *clo_snp_platform_bits(size_t *count)
{
    *count = CLO_COUNT(platform_bits);
    return platform_bits;
}

json_t *clo_snp_report_json(const struct clo_snp_report *report, enum clo_snp_product product)
{
    struct clo_json_object o = { .json = json_object() };

    clo_json_set(&o, "version", json_integer(report->version));
    if (report->is_newer)
        clo_json_set(&o, "is_newer", json_true());
    clo_json_set(&o, "product", json_string(clo_snp_product_name(product)));
    clo_json_set(&o, "guest_svn", json_integer(report->guest_svn));
    clo_json_set(&o, "vmpl", json_integer(report->vmpl));
    set_u64(&o, "policy", report->policy);
    clo_json_set_bits(&o, "policy_bits", report->policy, policy_bits, CLO_COUNT(policy_bits));
    clo_json_set(&o, "policy_abi",
                 json_sprintf("%u.%u", (unsigned)(report->policy >> 8 & 0xff),
                              (unsigned)(report->policy & 0xff)));
    clo_json_set_hex(&o, "family_id", report->family_id);
    clo_json_set_hex(&o, "image_id", report->image_id);
    clo_json_set(&o, "signature_algo", json_integer(report->signature_algo));
    set_u64(&o, "platform_info", report->platform_info);
    clo_json_set_bits(&o, "platform_bits", report->platform_info, platform_bits,
                      CLO_COUNT(platform_bits));
    clo_json_set(&o, "signer_info", json_sprintf("0x%08" PRIx32, report->signer_info));
    clo_json_set(&o, "signing_key",
                 json_string(report->signing_key == CLO_SNP_VCEK   ? "VCEK"
                             : report->signing_key == CLO_SNP_VLEK ? "VLEK"
                                                                   : "none"));
    clo_json_set(&o, "author_key_en", json_boolean(report->author_key_en));
    clo_json_set(&o, "mask_chip_key", json_boolean(report->mask_chip_key));
    clo_json_set_hex(&o, "report_data", report->report_data);
    clo_json_set_hex(&o, "measurement", report->measurement);
    clo_json_set_hex(&o, "host_data", report->host_data);
    clo_json_set_hex(&o, "id_key_digest", report->id_key_digest);
    clo_json_set_hex(&o, "author_key_digest", report->author_key_digest);
    clo_json_set_hex(&o, "report_id", report->report_id);
    clo_json_set_hex(&o, "report_id_ma", report->report_id_ma);
    clo_json_set_hex(&o, "chip_id", report->chip_id);
    clo_json_set(&o, "chip_id_masked", json_boolean(clo_bytes_all(report->chip_id, 0)));
    set_tcb(&o, "current_tcb", &report->current_tcb, product);
    set_tcb(&o, "reported_tcb", &report->reported_tcb, product);
    set_tcb(&o, "committed_tcb", &report->committed_tcb, product);
    set_tcb(&o, "launch_tcb", &report->launch_tcb, product);
    set_build(&o, "current_version", &report->current);
    set_build(&o, "committed_version", &report->committed);
    if (report->has_cpuid) {
        clo_json_set(&o, "cpuid_fam_id", json_integer(report->cpuid_fam_id));
        clo_json_set(&o, "cpuid_mod_id", json_integer(report->cpuid_mod_id));
        clo_json_set(&o, "cpuid_step", json_integer(report->cpuid_step));
    }
    if (report->has_mit_vectors) {
        set_u64(&o, "launch_mit_vector", report->launch_mit_vector);
        set_u64(&o, "current_mit_vector", report->current_mit_vector);
    }
    return clo_json_finish(&o);
}

json_t *clo_snp_claims(const struct clo_snp_verified *verified)
{
    struct clo_json_object o = { .json = clo_snp_report_json(&verified->report,
                                                             verified->product) };

    if (o.json == NULL)
        return NULL;
    if (verified->is_vlek)
        clo_json_set(&o, "csp_id", json_string(verified->csp_id));
    if (verified->has_hw_id)
        clo_json_set_hex(&o, "hw_id", clo_bytes(verified->hw_id, sizeof verified->hw_id));
    clo_json_set(&o, "revocation_checked", json_boolean(verified->revocation_checked));
    clo_json_set_hex(&o, "root", clo_digest_bytes(&verified->root));
    return clo_json_finish(&o);
}
