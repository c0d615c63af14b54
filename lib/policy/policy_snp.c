/* The policy's member "snp": reading it. */
#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"

#include "lib/policy/policy_internal.h"

#define VMPL_MAX 3

static const struct clo_bit product_names[] = {
    { CLO_SNP_MILAN, "Milan" },
    { CLO_SNP_GENOA, "Genoa" },
    { CLO_SNP_TURIN, "Turin" },
    { CLO_SNP_VENICE, "Venice" },
};
#define ALL_PRODUCTS \
    (1U << CLO_SNP_MILAN | 1U << CLO_SNP_GENOA | 1U << CLO_SNP_TURIN | 1U << CLO_SNP_VENICE)

static const struct clo_bit key_names[] = {
    { CLO_SNP_VCEK, "VCEK" },
    { CLO_SNP_VLEK, "VLEK" },
};

static const struct clo_bit covers_names[] = {
    { 0, "firmware" },
    { 1, "kernel" },
    { 2, "initrd" },
    { 3, "cmdline" },
};

void policy_init_snp(struct clo_policy *policy)
{
    policy->snp.vmpl = 1;
    policy->snp.minimum_version = CLO_SNP_VERSION_MIN;
    policy->snp.products = ALL_PRODUCTS;
    policy->snp.signing_keys = 1U << CLO_SNP_VCEK;
}

/* Debugging, migration agents and reserved bits are denied; everything else is the caller's to ask. */
void policy_strict_snp(struct clo_policy *policy)
{
    policy->snp.vmpl = 0xf;
    policy->snp.signing_keys = 1U << CLO_SNP_VCEK | 1U << CLO_SNP_VLEK;
    policy->snp.any_provider = true;
    policy->snp.allow_cxl = true;
    policy->snp.allow_tio = true;
    policy->snp.allow_masked_chip = true;
    policy->snp.allow_provisional = true;
    policy->snp.allow_unknown_platform_info = true;
    policy->snp.measurement.any = true;
}

/* --- Minimum TCBs --- */

static bool read_parts(const json_t *tcb, struct clo_snp_tcb_parts *out, struct clo_error *err)
{
    static const char *const keys[] = { "fmc", "bootloader", "tee", "snp", "microcode", NULL };
    int *const targets[] = { &out->fmc, &out->bootloader, &out->tee, &out->snp, &out->microcode };

    if (!clo_json_only(tcb, keys, err))
        return false;
    for (size_t i = 0; keys[i] != NULL; i++) {
        uint64_t value;
        *targets[i] = -1;
        if (json_object_get(tcb, keys[i]) == NULL)
            continue;
        if (!clo_json_get_u64(tcb, keys[i], &value, err))
            return false;
        if (value > 255)
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is above 255", keys[i]);
        *targets[i] = (int)value;
    }
    return true;
}

/* {"snp": 24, …} for all products, or {"Milan": {…}, "Genoa": {…}}. */
static bool read_tcb_members(const json_t *tcb, struct clo_policy_tcb *out, struct clo_error *err)
{
    static const char *const products[] = { "Milan", "Genoa", "Turin", "Venice", NULL };

    out->is_said = true;
    for (size_t i = 0; i < CLO_COUNT(product_names); i++)
        if (json_object_get(tcb, product_names[i].name) != NULL)
            out->by_product = true;
    if (!out->by_product)
        return read_parts(tcb, &out->minimum[CLO_SNP_UNKNOWN], err);
    if (!clo_json_only(tcb, products, err))
        return false;
    for (size_t i = 0; i < CLO_COUNT(product_names); i++) {
        const char *name = product_names[i].name;
        json_t *parts;
        if (json_object_get(tcb, name) == NULL)
            continue;
        out->has[product_names[i].at] = true;
        if (!clo_json_get_object(tcb, name, &parts, err))
            return false;
        if (!read_parts(parts, &out->minimum[product_names[i].at], err))
            return clo_wrap(err, "\"%s\"", name);
    }
    return true;
}

static bool read_tcbs(const json_t *snp, struct clo_policy_snp *policy, struct clo_error *err)
{
    const struct {
        const char *key;
        struct clo_policy_tcb *out;
    } members[] = {
        { "minimum_tcb", &policy->minimum_tcb },
        { "minimum_reported_tcb", &policy->minimum_reported_tcb },
        { "minimum_committed_tcb", &policy->minimum_committed_tcb },
        { "minimum_current_tcb", &policy->minimum_current_tcb },
        { "minimum_launch_tcb", &policy->minimum_launch_tcb },
    };

    for (size_t i = 0; i < CLO_COUNT(members); i++) {
        json_t *tcb;
        if (json_object_get(snp, members[i].key) == NULL)
            continue;
        if (!clo_json_get_object(snp, members[i].key, &tcb, err))
            return false;
        if (!read_tcb_members(tcb, members[i].out, err))
            return clo_wrap(err, "\"%s\"", members[i].key);
    }
    return true;
}

/* --- Bits --- */

static bool read_bits(const json_t *snp, const char *key, const char *const *keys,
                      const struct clo_bit *names, size_t count, uint64_t *required,
                      uint64_t *forbidden, json_t **out, struct clo_error *err)
{
    *out = NULL;
    if (json_object_get(snp, key) == NULL)
        return true;
    if (!clo_json_get_object(snp, key, out, err))
        return false;
    if (!clo_json_only(*out, keys, err) ||
        !policy_read_names(*out, "required", names, count, required, err) ||
        !policy_read_names(*out, "forbidden", names, count, forbidden, err))
        return clo_wrap(err, "\"%s\"", key);
    for (size_t i = 0; i < count; i++)
        if ((*required & *forbidden) >> names[i].at & 1)
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": \"%s\" is both required and forbidden",
                            key, names[i].name);
    return true;
}

static bool read_policy_bits(const json_t *snp, struct clo_policy_snp *policy,
                             struct clo_error *err)
{
    static const char *const keys[] = { "required", "forbidden", "minimum_abi", NULL };
    size_t count;
    const struct clo_bit *names = clo_snp_policy_bits(&count);
    uint8_t abi[2] = { 0 };
    json_t *bits;

    if (!read_bits(snp, "guest_policy", keys, names, count, &policy->policy_required,
                   &policy->policy_forbidden, &bits, err))
        return false;
    if (bits != NULL && !policy_read_version(bits, "minimum_abi", 2, abi, err))
        return clo_wrap(err, "\"guest_policy\"");
    policy->minimum_abi.major = abi[0];
    policy->minimum_abi.minor = abi[1];
    return true;
}

static bool read_platform_bits(const json_t *snp, struct clo_policy_snp *policy,
                               struct clo_error *err)
{
    static const char *const keys[] = { "required", "forbidden", NULL };
    size_t count;
    const struct clo_bit *names = clo_snp_platform_bits(&count);
    json_t *bits;

    return read_bits(snp, "platform_info", keys, names, count, &policy->platform_required,
                     &policy->platform_forbidden, &bits, err);
}

static bool read_mitigations(const json_t *snp, struct clo_policy_snp *policy,
                             struct clo_error *err)
{
    static const char *const keys[] = { "launch", "current", NULL };
    json_t *object;

    if (json_object_get(snp, "mitigations") == NULL)
        return true;
    if (!clo_json_get_object(snp, "mitigations", &object, err))
        return false;
    if (!clo_json_only(object, keys, err) ||
        !policy_read_u64(object, "launch", UINT64_MAX, &policy->launch_mitigations, err) ||
        !policy_read_u64(object, "current", UINT64_MAX, &policy->current_mitigations, err))
        return clo_wrap(err, "\"mitigations\"");
    return true;
}

/* --- The rest --- */

static bool read_firmware(const json_t *snp, struct clo_policy_snp *policy, struct clo_error *err)
{
    uint8_t both[3] = { 0 };
    uint8_t current[3];
    uint8_t committed[3];

    if (!policy_read_version(snp, "minimum_firmware", 3, both, err))
        return false;
    memcpy(current, both, sizeof both);
    memcpy(committed, both, sizeof both);
    if (!policy_read_version(snp, "minimum_current_firmware", 3, current, err) ||
        !policy_read_version(snp, "minimum_committed_firmware", 3, committed, err))
        return false;
    policy->minimum_current = (struct clo_snp_build){ current[2], current[1], current[0] };
    policy->minimum_committed = (struct clo_snp_build){ committed[2], committed[1], committed[0] };
    return true;
}

static bool read_named(const json_t *snp, struct clo_policy_snp *policy, struct clo_error *err)
{
    uint64_t products = policy->products;
    uint64_t keys = policy->signing_keys;
    uint64_t version = policy->minimum_version;
    uint64_t covers = CLO_COVERS_FIRMWARE;

    if (!policy_read_names(snp, "products", product_names, CLO_COUNT(product_names), &products,
                           err) ||
        !policy_read_names(snp, "signing_keys", key_names, CLO_COUNT(key_names), &keys, err) ||
        !policy_read_names(snp, "measurement_covers", covers_names, CLO_COUNT(covers_names),
                           &covers, err) ||
        !policy_read_u64(snp, "minimum_version", UINT32_MAX, &version, err) ||
        !policy_read_u64(snp, "minimum_guest_svn", UINT32_MAX, &policy->minimum_guest_svn, err))
        return false;
    policy->products = (uint32_t)products;
    policy->signing_keys = (uint32_t)keys;
    policy->minimum_version = (uint32_t)version;
    policy->covers = (uint32_t)covers;
    return json_object_get(snp, "vmpl") == NULL ||
           policy_read_mask(snp, "vmpl", VMPL_MAX, &policy->vmpl, err);
}

static bool read_flags(const json_t *snp, struct clo_policy_snp *policy, struct clo_error *err)
{
    const struct {
        const char *key;
        bool *out;
    } members[] = {
        { "allow_debug", &policy->allow_debug },
        { "allow_migration", &policy->allow_migration },
        { "allow_cxl", &policy->allow_cxl },
        { "allow_tio", &policy->allow_tio },
        { "allow_masked_chip", &policy->allow_masked_chip },
        { "allow_provisional", &policy->allow_provisional },
        { "allow_unknown_platform_info", &policy->allow_unknown_platform_info },
        { "require_alias_check", &policy->require_alias_check },
        { "require_revocation", &policy->require_revocation },
    };

    for (size_t i = 0; i < CLO_COUNT(members); i++)
        if (!clo_json_get_bool_optional(snp, members[i].key, false, members[i].out, err))
            return false;
    return true;
}

/* A digest of zeros stands for "none was used": a set that has it would allow exactly that. */
static bool refuse_zeros(const struct clo_policy_values *list, const char *key,
                         struct clo_error *err)
{
    for (size_t i = 0; i < list->count; i++)
        if (clo_bytes_all(clo_bytes(list->items[i], list->size), 0))
            return clo_fail(err, CLO_ERR_FORMAT,
                            "\"%s\": item %zu is zeros: that says that there is no key", key, i);
    return true;
}

static bool read_sets(const json_t *snp, struct clo_policy_snp *policy, struct clo_error *err)
{
    const struct {
        const char *key;
        size_t size;
        struct clo_policy_values *out;
    } members[] = {
        { "measurement", 48, &policy->measurement },
        { "svsm_measurement", 48, &policy->svsm_measurement },
        { "id_key_digest", 48, &policy->id_key_digest },
        { "author_key_digest", 48, &policy->author_key_digest },
        { "host_data", 32, &policy->host_data },
        { "report_data", 64, &policy->report_data },
        { "family_id", 16, &policy->family_id },
        { "image_id", 16, &policy->image_id },
        { "report_id", 32, &policy->report_id },
        { "report_id_ma", 32, &policy->report_id_ma },
        { "chip_id", 64, &policy->chip_id },
    };

    for (size_t i = 0; i < CLO_COUNT(members); i++)
        if (!policy_read_values(snp, members[i].key, members[i].size, members[i].out, err))
            return false;
    return refuse_zeros(&policy->id_key_digest, "id_key_digest", err) &&
           refuse_zeros(&policy->author_key_digest, "author_key_digest", err);
}

bool policy_read_snp(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    static const char *const keys[] = {
        "allow_debug",
        "allow_migration",
        "allow_cxl",
        "allow_tio",
        "allow_masked_chip",
        "allow_provisional",
        "allow_unknown_platform_info",
        "require_alias_check",
        "require_revocation",
        "products",
        "signing_keys",
        "csp_id",
        "vmpl",
        "guest_policy",
        "platform_info",
        "mitigations",
        "minimum_version",
        "minimum_guest_svn",
        "minimum_tcb",
        "minimum_reported_tcb",
        "minimum_committed_tcb",
        "minimum_current_tcb",
        "minimum_launch_tcb",
        "minimum_firmware",
        "minimum_current_firmware",
        "minimum_committed_firmware",
        "measurement",
        "measurement_covers",
        "svsm_measurement",
        "id_key_digest",
        "author_key_digest",
        "host_data",
        "report_data",
        "family_id",
        "image_id",
        "report_id",
        "report_id_ma",
        "chip_id",
        NULL,
    };
    struct clo_policy_snp *out = &policy->snp;
    json_t *snp;

    if (json_object_get(json, "snp") == NULL)
        return true;
    return clo_json_get_object(json, "snp", &snp, err) && clo_json_only(snp, keys, err) &&
           read_flags(snp, out, err) && read_named(snp, out, err) &&
           policy_read_words(snp, "csp_id", &out->any_provider, out->providers[0],
                             sizeof out->providers[0], CLO_POLICY_PROVIDERS_MAX,
                             &out->provider_count, err) &&
           read_policy_bits(snp, out, err) && read_platform_bits(snp, out, err) &&
           read_mitigations(snp, out, err) && read_tcbs(snp, out, err) &&
           read_firmware(snp, out, err) && read_sets(snp, out, err);
}
