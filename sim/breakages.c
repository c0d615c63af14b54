/* One thing wrong at a time, and the check that has to notice. */
#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "sim/forge.h"

#define DAY ((int64_t)86400)

#define KEYS        (void)keys
#define BREAK(name) static void name(struct sim_forge *forge, const struct sim_forge_keys *keys)

/* A line for each: a table in all but name. */
/* clang-format off */

/* --- The leaf --- */

BREAK(leaf_is_a_ca)           { KEYS; forge->leaf.is_ca = 1; }
BREAK(leaf_critical)          { KEYS; forge->critical_oid = "1.2.3.4.5"; }
BREAK(leaf_key_usage)         { KEYS; forge->leaf.key_usage = CLO_KEY_USAGE_CERT_SIGN; }
BREAK(leaf_p256)              { KEYS; forge->leaf_has_p256_key = true; }
BREAK(leaf_both_ids)          { KEYS; forge->csp_id = "CN=provider.example"; }
BREAK(leaf_no_id)             { KEYS; forge->hw_id_size = 0; }
BREAK(leaf_hw_id_63)          { KEYS; forge->hw_id_size = 63; }
BREAK(leaf_struct_version_2)  { KEYS; forge->struct_version = 2; }
BREAK(leaf_no_product_name)   { KEYS; forge->product_name = NULL; }
BREAK(leaf_no_bl_spl)         { KEYS; forge->spl.bootloader = -1; }

/* --- The chain --- */

BREAK(leaf_pkcs1)             { KEYS; forge->leaf.signature = SIM_PKCS1_SHA384; }
BREAK(leaf_sha256)            { KEYS; forge->leaf.signature = SIM_PSS_SHA256; }
BREAK(leaf_salt)              { KEYS; forge->leaf.signature = SIM_PSS_SAYS_SALT_32; }
BREAK(leaf_mgf)               { KEYS; forge->leaf.signature = SIM_PSS_SAYS_MGF_SHA256; }
BREAK(leaf_flipped)           { KEYS; forge->leaf.signature_is_flipped = true; }
BREAK(leaf_by_other)          { forge->leaf_signer = keys->other_rsa; }
BREAK(leaf_issuer_name)       { KEYS; forge->leaf.issuer = "SEV-elsewhere"; }
BREAK(ask_no_ca)              { KEYS; forge->ask.is_ca = 0; forge->ask.path_length = -1; }
BREAK(ask_no_constraints)     { KEYS; forge->ask.is_ca = -1; }
BREAK(ask_key_usage)          { KEYS; forge->ask.key_usage = CLO_KEY_USAGE_DIGITAL_SIGNATURE; }
BREAK(ask_critical)           { KEYS; forge->ask_critical_oid = "1.2.3.4.5"; }
BREAK(ask_pkcs1)              { KEYS; forge->ask.signature = SIM_PKCS1_SHA384; }
BREAK(ask_flipped)            { KEYS; forge->ask.signature_is_flipped = true; }
BREAK(ask_by_other)           { forge->ask_signer = keys->other_rsa; }
BREAK(ark_path_length)        { KEYS; forge->ark.path_length = 0; }
BREAK(ark_no_ca)              { KEYS; forge->ark.is_ca = 0; }
BREAK(ark_flipped)            { KEYS; forge->ark.signature_is_flipped = true; }
BREAK(ark_by_other)           { forge->ark_signer = keys->other_rsa; }

/* --- The root, the dates, the revocation list --- */

BREAK(root_not_trusted)       { KEYS; forge->root_is_other = true; }
BREAK(leaf_expired)           { KEYS; forge->leaf.not_after = forge->now - 1; }
BREAK(leaf_not_yet)           { KEYS; forge->leaf.not_before = forge->now + 1; }
BREAK(ask_expired)            { KEYS; forge->ask.not_after = forge->now - 1; }
BREAK(ark_expired)            { KEYS; forge->ark.not_after = forge->now - 1; }
BREAK(ark_not_yet)            { KEYS; forge->ark.not_before = forge->now + 1; }
BREAK(ask_revoked)            { KEYS; forge->crl.revoked = 2; }
BREAK(leaf_revoked)           { forge->crl.issuer = forge->ask.subject; forge->crl_signer = keys->ask; forge->crl.revoked = 0; }
BREAK(crl_sha256)             { KEYS; forge->crl.signature = SIM_PSS_SHA256; }
BREAK(crl_stale)              { KEYS; forge->crl.next_update = forge->now - 1; }
BREAK(crl_of_tomorrow)        { KEYS; forge->crl.this_update = forge->now + 1; }
BREAK(crl_by_other)           { forge->crl_signer = keys->other_rsa; }
BREAK(crl_pkcs1)              { KEYS; forge->crl.signature = SIM_PKCS1_SHA384; }
BREAK(ark_signs_no_lists)     { KEYS; forge->ark.key_usage = CLO_KEY_USAGE_CERT_SIGN; }

/* --- The report's signature and signer --- */

BREAK(report_changed)         { KEYS; forge->flip = 0x90; }
BREAK(report_by_other)        { forge->report_signer = keys->other_p384; }
BREAK(report_algorithm)       { KEYS; forge->report[0x34] = 2; }
BREAK(report_r_padding)       { KEYS; forge->flip = 0x2a0 + 48; }
BREAK(report_s_padding)       { KEYS; forge->flip = 0x2a0 + 72 + 71; }
BREAK(report_tail)            { KEYS; forge->flip = CLO_SNP_REPORT_SIZE - 1; }
BREAK(signer_vlek)            { KEYS; forge->report[0x48] |= 1 << 2; }
BREAK(signer_none)            { KEYS; forge->report[0x48] |= 7 << 2; }
BREAK(signer_masked)          { KEYS; forge->report[0x48] |= 2; }

/* --- Product, chip, TCB --- */

BREAK(cpuid_unknown)          { KEYS; forge->report[0x189] = 0x2f; }
BREAK(cpuid_of_genoa)         { KEYS; forge->report[0x189] = 0x11; }
BREAK(product_unknown)        { KEYS; forge->product_name = "Naples"; }
BREAK(product_of_genoa)       { KEYS; forge->product_name = "Genoa"; }
BREAK(struct_version_of_turin) { KEYS; forge->struct_version = 1; forge->spl.fmc = 0; }
BREAK(other_chip)             { KEYS; forge->report[0x1a0] ^= 1; }
BREAK(other_chip_last_byte)   { KEYS; forge->report[0x1df] ^= 1; }
BREAK(leaf_other_chip)        { KEYS; forge->chip_id[0] ^= 1; }
BREAK(leaf_former_tcb)        { KEYS; forge->spl.microcode--; }
BREAK(tcb_bootloader)         { KEYS; forge->report[0x180]++; }
BREAK(tcb_tee)                { KEYS; forge->report[0x181]++; }
BREAK(tcb_snp)                { KEYS; forge->report[0x186]--; }
BREAK(tcb_microcode)          { KEYS; forge->report[0x187]--; }
BREAK(tcb_reserved)           { KEYS; forge->report[0x183] = 1; }
BREAK(spl_reserved)           { KEYS; forge->spl5 = 1; }

/* --- What a policy asks --- */

BREAK(debug)                  { KEYS; forge->report[0x0a] |= 1 << 3; }
BREAK(migration_agent)        { KEYS; forge->report[0x0a] |= 1 << 2; }
BREAK(cxl)                    { KEYS; forge->report[0x0a] |= 1 << 5; }
BREAK(policy_reserved_bit)    { KEYS; forge->report[0x0b] |= 1 << 2; }
BREAK(policy_last_bit)        { KEYS; forge->report[0x0f] |= 1 << 7; }
BREAK(policy_bit_17)          { KEYS; forge->report[0x0a] &= (uint8_t)~2; }
BREAK(abi)                    { KEYS; forge->report[0x08] = 50; }
BREAK(smt_en_cleared)         { KEYS; forge->report[0x40] &= (uint8_t)~4; }
BREAK(alias_check)            { KEYS; forge->report[0x40] &= (uint8_t)~0x20; }
BREAK(tio)                    { KEYS; forge->report[0x40] |= 0x80; }
BREAK(platform_bit_6)         { KEYS; forge->report[0x40] |= 0x40; }
BREAK(vmpl)                   { KEYS; forge->report[0x30] = 1; }
BREAK(old_version)            { KEYS; forge->report[0] = 4; memset(forge->report + 0x1f8, 0, 16); }
BREAK(masked_chip)            { KEYS; memset(forge->report + 0x1a0, 0, 64); }
BREAK(chip_not_named)         { KEYS; forge->chip_id[9] ^= 1; forge->report[0x1a9] ^= 1; }
BREAK(launch_tcb)             { KEYS; forge->report[0x1f6]--; }
BREAK(committed_tcb)          { KEYS; forge->report[0x1e7]--; }
BREAK(committed_above)        { KEYS; forge->report[0x1e7]++; }
BREAK(reported_above)         { KEYS; forge->report[0x180]++; forge->spl.bootloader++; }
BREAK(provisional_build)      { KEYS; forge->report[0x1ec]--; }
BREAK(old_firmware)           { KEYS; forge->report[0x1e8] = forge->report[0x1ec] = 38; }
BREAK(launch_mitigation)      { KEYS; forge->report[0x1f8] = 3; }
BREAK(current_mitigation)     { KEYS; forge->report[0x200] = 7; }
BREAK(guest_svn)              { KEYS; forge->report[0x04] = 2; }
BREAK(measurement)            { KEYS; forge->report[0x90] ^= 1; }
BREAK(id_key)                 { KEYS; forge->report[0xe0] ^= 1; }
BREAK(author_key)             { KEYS; forge->report[0x110] ^= 1; }
BREAK(no_author_key)          { KEYS; forge->report[0x48] &= (uint8_t)~1; }
BREAK(host_data)              { KEYS; forge->report[0xc0] ^= 1; }
BREAK(report_data)            { KEYS; forge->report[0x8f] ^= 1; }
BREAK(family_id)              { KEYS; forge->report[0x10] ^= 1; }
BREAK(image_id)               { KEYS; forge->report[0x2f] ^= 1; }
BREAK(report_id)              { KEYS; forge->report[0x140] ^= 1; }
BREAK(report_id_ma)           { KEYS; forge->report[0x160] ^= 1; }

/* clang-format on */

#define B4(hex)  hex hex hex hex
#define B16(hex) B4(hex) B4(hex) B4(hex) B4(hex)
#define B32(hex) B16(hex) B16(hex)
#define B48(hex) B32(hex) B16(hex)
#define B64(hex) B32(hex) B32(hex)
#define USUAL    "'measurement':['" B48("3e") "']"
#define CHIP                                                           \
    "043e030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20" \
    "2122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40"

const struct sim_breakage sim_breakages[] = {
    { "leaf-is-a-ca", "snp.leaf", { NULL }, NULL, leaf_is_a_ca },
    { "leaf-unknown-critical-extension", "snp.leaf", { NULL }, NULL, leaf_critical },
    { "leaf-not-for-signatures", "snp.leaf", { NULL }, NULL, leaf_key_usage },
    { "leaf-of-p256", "snp.leaf", { "snp.signature" }, NULL, leaf_p256 },
    { "leaf-with-hwid-and-cspid", "snp.leaf", { NULL }, NULL, leaf_both_ids },
    { "leaf-without-hwid-and-cspid", "snp.leaf", { NULL }, NULL, leaf_no_id },
    { "leaf-hwid-of-63-bytes", "snp.leaf", { NULL }, NULL, leaf_hw_id_63 },
    { "leaf-struct-version-2", "snp.leaf", { NULL }, NULL, leaf_struct_version_2 },
    { "leaf-without-product-name", "snp.leaf", { NULL }, NULL, leaf_no_product_name },
    { "leaf-without-blspl", "snp.leaf", { NULL }, NULL, leaf_no_bl_spl },
    { "leaf-signed-pkcs1", "snp.chain", { NULL }, NULL, leaf_pkcs1 },
    { "leaf-signed-sha256", "snp.chain", { NULL }, NULL, leaf_sha256 },
    { "leaf-signed-with-salt-32", "snp.chain", { NULL }, NULL, leaf_salt },
    { "leaf-signed-with-mgf-sha256", "snp.chain", { NULL }, NULL, leaf_mgf },
    { "leaf-signature-changed", "snp.chain", { NULL }, NULL, leaf_flipped },
    { "leaf-signed-by-another", "snp.chain", { NULL }, NULL, leaf_by_other },
    { "leaf-issuer-missing", "snp.chain", { "snp.root", "snp.validity" }, NULL, leaf_issuer_name },
    { "ask-is-no-ca", "snp.chain", { NULL }, NULL, ask_no_ca },
    { "ask-without-basic-constraints", "snp.chain", { NULL }, NULL, ask_no_constraints },
    { "ask-not-for-certificates", "snp.chain", { NULL }, NULL, ask_key_usage },
    { "ask-unknown-critical-extension", "snp.chain", { NULL }, NULL, ask_critical },
    { "ask-signed-pkcs1", "snp.chain", { "snp.root" }, NULL, ask_pkcs1 },
    { "ask-signature-changed", "snp.chain", { "snp.root" }, NULL, ask_flipped },
    { "ask-signed-by-another", "snp.chain", { "snp.root" }, NULL, ask_by_other },
    { "ark-path-length-0", "snp.chain", { "snp.root" }, NULL, ark_path_length },
    { "ark-is-no-ca", "snp.chain", { "snp.root" }, NULL, ark_no_ca },
    { "ark-signature-changed", "snp.chain", { NULL }, NULL, ark_flipped },
    { "ark-signed-by-another", "snp.chain", { NULL }, NULL, ark_by_other },
    { "root-not-trusted", "snp.root", { NULL }, NULL, root_not_trusted },
    { "leaf-expired", "snp.validity", { NULL }, NULL, leaf_expired },
    { "leaf-not-yet-valid", "snp.validity", { NULL }, NULL, leaf_not_yet },
    { "ask-expired", "snp.validity", { NULL }, NULL, ask_expired },
    { "ark-expired", "snp.validity", { NULL }, NULL, ark_expired },
    { "ark-not-yet-valid", "snp.validity", { NULL }, NULL, ark_not_yet },
    { "leaf-revoked", "snp.revocation", { NULL }, NULL, leaf_revoked },
    { "crl-signed-sha256", "snp.revocation", { NULL }, NULL, crl_sha256 },
    { "ask-revoked", "snp.revocation", { NULL }, NULL, ask_revoked },
    { "crl-stale", "snp.revocation", { NULL }, NULL, crl_stale },
    { "crl-of-tomorrow", "snp.revocation", { NULL }, NULL, crl_of_tomorrow },
    { "crl-signed-by-another", "snp.revocation", { NULL }, NULL, crl_by_other },
    { "crl-signed-pkcs1", "snp.revocation", { NULL }, NULL, crl_pkcs1 },
    { "ark-not-for-lists", "snp.revocation", { NULL }, NULL, ark_signs_no_lists },
    { "report-changed", "snp.signature", { NULL }, NULL, report_changed },
    { "report-signed-by-another", "snp.signature", { NULL }, NULL, report_by_other },
    { "report-algorithm-2", "snp.signature", { NULL }, NULL, report_algorithm },
    { "report-r-padding", "snp.signature", { NULL }, NULL, report_r_padding },
    { "report-s-padding", "snp.signature", { NULL }, NULL, report_s_padding },
    { "report-after-signature", "snp.signature", { NULL }, NULL, report_tail },
    { "report-says-vlek", "snp.signer", { NULL }, NULL, signer_vlek },
    { "report-says-no-key", "snp.signer", { NULL }, NULL, signer_none },
    { "report-masks-its-key", "snp.signer", { NULL }, NULL, signer_masked },
    { "cpuid-unknown", "snp.product", { NULL }, NULL, cpuid_unknown },
    { "cpuid-of-genoa", "snp.product", { NULL }, NULL, cpuid_of_genoa },
    { "leaf-product-unknown", "snp.product", { NULL }, NULL, product_unknown },
    { "leaf-of-genoa", "snp.product", { NULL }, NULL, product_of_genoa },
    { "leaf-struct-version-of-turin", "snp.product", { "snp.tcb" }, NULL, struct_version_of_turin },
    { "vcek-of-another-chip", "snp.chip", { NULL }, NULL, other_chip },
    { "chip-id-last-byte", "snp.chip", { NULL }, NULL, other_chip_last_byte },
    { "leaf-of-another-chip", "snp.chip", { NULL }, NULL, leaf_other_chip },
    { "leaf-of-former-tcb", "snp.tcb", { NULL }, NULL, leaf_former_tcb },
    { "tcb-bootloader", "snp.tcb", { NULL }, NULL, tcb_bootloader },
    { "tcb-tee", "snp.tcb", { NULL }, NULL, tcb_tee },
    { "tcb-snp", "snp.tcb", { NULL }, NULL, tcb_snp },
    { "tcb-microcode", "snp.tcb", { NULL }, NULL, tcb_microcode },
    { "tcb-reserved-byte", "snp.tcb", { NULL }, NULL, tcb_reserved },
    { "leaf-reserved-spl", "snp.tcb", { NULL }, NULL, spl_reserved },
    { "debug", "policy.debug", { NULL }, NULL, debug },
    { "migration-agent", "policy.migration", { NULL }, NULL, migration_agent },
    { "cxl", "policy.cxl", { NULL }, NULL, cxl },
    { "policy-reserved-bit", "policy.reserved", { NULL }, NULL, policy_reserved_bit },
    { "policy-last-bit", "policy.reserved", { NULL }, NULL, policy_last_bit },
    { "policy-bit-17-cleared", "policy.reserved", { NULL }, NULL, policy_bit_17 },
    { "policy-abi", "policy.abi", { NULL }, USUAL ",'guest_policy':{'minimum_abi':'1.51'}", abi },
    { "policy-bit-forbidden",
      "policy.guest_policy",
      { NULL },
      USUAL ",'allow_debug':true,'guest_policy':{'required':['smt'],'forbidden':['debug']}",
      debug },
    { "platform-bit-missing",
      "policy.platform_info",
      { NULL },
      USUAL ",'platform_info':{'required':['ecc_en']}",
      smt_en_cleared },
    { "no-alias-check",
      "policy.alias_check",
      { NULL },
      USUAL ",'require_alias_check':true",
      alias_check },
    { "trusted-io", "policy.tio", { NULL }, NULL, tio },
    { "platform-unknown-bit", "policy.platform_reserved", { NULL }, NULL, platform_bit_6 },
    { "vmpl-1", "policy.vmpl", { NULL }, NULL, vmpl },
    { "old-version", "policy.version", { NULL }, USUAL ",'minimum_version':5", old_version },
    { "chip-masked", "policy.masked_chip", { NULL }, NULL, masked_chip },
    { "chip-not-named",
      "policy.chip_id",
      { NULL },
      USUAL ",'chip_id':['" CHIP "']",
      chip_not_named },
    { "launch-tcb-low", "policy.tcb", { NULL }, USUAL ",'minimum_tcb':{'snp':24}", launch_tcb },
    { "committed-tcb-low",
      "policy.tcb",
      { NULL },
      USUAL ",'allow_provisional':true,'minimum_committed_tcb':{'Milan':{'microcode':219}}",
      committed_tcb },
    { "committed-tcb-above",
      "policy.tcb_order",
      { NULL },
      USUAL ",'allow_provisional':true",
      committed_above },
    { "reported-tcb-above", "policy.tcb_order", { NULL }, NULL, reported_above },
    { "provisional-tcb", "policy.provisional", { NULL }, NULL, committed_tcb },
    { "provisional-build", "policy.provisional", { NULL }, NULL, provisional_build },
    { "firmware-old",
      "policy.current_firmware",
      { "policy.committed_firmware" },
      USUAL ",'minimum_firmware':'1.55.39'",
      old_firmware },
    { "committed-firmware-old",
      "policy.committed_firmware",
      { NULL },
      USUAL ",'allow_provisional':true,'minimum_firmware':'1.55.39'",
      provisional_build },
    { "launch-mitigation-missing",
      "policy.launch_mitigations",
      { NULL },
      USUAL ",'mitigations':{'launch':'0x4'}",
      launch_mitigation },
    { "current-mitigation-missing",
      "policy.current_mitigations",
      { NULL },
      USUAL ",'mitigations':{'current':8}",
      current_mitigation },
    { "guest-svn-low", "policy.guest_svn", { NULL }, USUAL ",'minimum_guest_svn':3", guest_svn },
    { "measurement", "policy.measurement", { NULL }, NULL, measurement },
    { "id-key", "policy.id_key", { NULL }, "'id_key_digest':['" B48("1d") "']", id_key },
    { "author-key",
      "policy.author_key",
      { NULL },
      "'author_key_digest':['" B48("a0") "']",
      author_key },
    { "author-key-not-used",
      "policy.author_key",
      { NULL },
      "'author_key_digest':['" B48("a0") "']",
      no_author_key },
    { "host-data",
      "policy.host_data",
      { NULL },
      USUAL ",'host_data':['" B32("05") "']",
      host_data },
    { "report-data",
      "policy.report_data",
      { NULL },
      USUAL ",'report_data':['" B64("da") "']",
      report_data },
    { "family-id",
      "policy.family_id",
      { NULL },
      USUAL ",'family_id':['" B16("fa") "']",
      family_id },
    { "image-id", "policy.image_id", { NULL }, USUAL ",'image_id':['" B16("1a") "']", image_id },
    { "report-id",
      "policy.report_id",
      { NULL },
      USUAL ",'report_id':['" B32("4e") "']",
      report_id },
    { "report-id-ma",
      "policy.report_id_ma",
      { NULL },
      USUAL ",'report_id_ma':['" B32("ff") "']",
      report_id_ma },
};
const size_t sim_breakage_count = CLO_COUNT(sim_breakages);

const struct sim_breakage *sim_breakage_get(const char *name)
{
    for (size_t i = 0; i < sim_breakage_count; i++)
        if (strcmp(sim_breakages[i].name, name) == 0)
            return &sim_breakages[i];
    return NULL;
}

bool sim_breakage_policy(const struct sim_breakage *breakage, const struct clo_digest *root,
                         struct clo_buffer *out, struct clo_error *err)
{
    const char *members = breakage == NULL || breakage->policy == NULL ? USUAL : breakage->policy;
    size_t start = out->size;
    char hex[2 * 32 + 1];

    clo_buffer_printf(out,
                      "{'cloister_policy':1,'name':'%s','tee':['snp'],'roots':['%s'],"
                      "'snp':{'signing_keys':['VCEK','VLEK'],'csp_id':['CN=provider.example'],%s}}"
                      "\n",
                      breakage == NULL ? "good" : breakage->name,
                      clo_hex_text(clo_digest_bytes(root), hex), members);
    for (size_t i = start; i < out->size; i++)
        if (out->data[i] == '\'')
            out->data[i] = '"';
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
