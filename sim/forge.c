#include "sim/forge.h"

#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "lib/base/put.h"

#define DAY         ((int64_t)86400)
#define NUMBER_SIZE 72 /* of r and of s in the signature field */
#define P384_SIZE   48
#define SPL_OID     "1.3.6.1.4.1.3704.1."

bool sim_forge_keys_new(unsigned rsa_bits, struct sim_forge_keys *out, struct clo_error *err)
{
    struct sim_forge_keys keys = { 0 };

    if (!clo_private_key_new(CLO_KEY_RSA, rsa_bits, &keys.ark, err) ||
        !clo_private_key_new(CLO_KEY_RSA, rsa_bits, &keys.ask, err) ||
        !clo_private_key_new(CLO_KEY_RSA, rsa_bits, &keys.other_rsa, err) ||
        !clo_private_key_new(CLO_KEY_P384, 0, &keys.vek, err) ||
        !clo_private_key_new(CLO_KEY_P384, 0, &keys.other_p384, err) ||
        !clo_private_key_new(CLO_KEY_P256, 0, &keys.p256, err)) {
        sim_forge_keys_free(&keys);
        return false;
    }
    *out = keys;
    return true;
}

void sim_forge_keys_free(struct sim_forge_keys *keys)
{
    clo_private_key_freep(&keys->ark);
    clo_private_key_freep(&keys->ask);
    clo_private_key_freep(&keys->vek);
    clo_private_key_freep(&keys->other_rsa);
    clo_private_key_freep(&keys->other_p384);
    clo_private_key_freep(&keys->p256);
}

void sim_forged_free(struct sim_forged *forged)
{
    clo_buffer_free(&forged->leaf);
    clo_buffer_free(&forged->ask);
    clo_buffer_free(&forged->ark);
    clo_buffer_free(&forged->crl);
}

/* --- A good one --- */

/* Of each product line: CPUID, and a TCB of its own layout. */
static const struct product {
    const char *name; /* as leaves have it */
    uint8_t family, model;
    uint8_t struct_version;
    struct clo_snp_tcb_parts tcb;
} products[CLO_SNP_PRODUCT_COUNT] = {
    [CLO_SNP_MILAN] = { "Milan-B0", 0x19, 0x01, 0, { -1, 4, 0, 24, 219 } },
    [CLO_SNP_GENOA] = { "Genoa", 0x19, 0x11, 0, { -1, 10, 0, 23, 84 } },
    [CLO_SNP_TURIN] = { "Turin", 0x1a, 0x02, 1, { 1, 2, 3, 4, 72 } },
    [CLO_SNP_VENICE] = { "Venice", 0x1a, 0x50, 1, { 2, 3, 1, 5, 11 } },
};

void sim_forge_tcb(struct sim_forge *forge, size_t at, const struct clo_snp_tcb_parts *parts)
{
    uint8_t *tcb = forge->report + at;

    memset(tcb, 0, 8);
    if (products[forge->product].struct_version == 1) {
        tcb[0] = (uint8_t)parts->fmc;
        tcb[1] = (uint8_t)parts->bootloader;
        tcb[2] = (uint8_t)parts->tee;
        tcb[3] = (uint8_t)parts->snp;
    } else {
        tcb[0] = (uint8_t)parts->bootloader;
        tcb[1] = (uint8_t)parts->tee;
        tcb[6] = (uint8_t)parts->snp;
    }
    tcb[7] = (uint8_t)parts->microcode;
}

static void good_report(struct sim_forge *forge, uint8_t version)
{
    static const uint8_t build[] = { 39, 55, 1 }; /* 1.55.39 */
    const struct product *product = &products[forge->product];
    uint8_t *report = forge->report;

    clo_put_le32(report, version);
    clo_put_le32(report + 0x04, 3);       /* GUEST_SVN */
    clo_put_le32(report + 0x08, 0x30133); /* POLICY: ABI 1.51, SMT, the bit that must be one */
    memset(report + 0x10, 0xfa, 16);      /* FAMILY_ID */
    memset(report + 0x20, 0x1a, 16);      /* IMAGE_ID */
    clo_put_le32(report + 0x34, 1);       /* ECDSA P-384 with SHA-384 */
    report[0x40] = 0x25;                  /* PLATFORM_INFO: SMT, ECC, ALIAS_CHECK_COMPLETE */
    report[0x48] = (uint8_t)(1 | (forge->is_vlek ? 1 << 2 : 0)); /* AUTHOR_KEY_EN, who signs */
    memset(report + 0x50, 0xda, 64);                             /* REPORT_DATA */
    memset(report + 0x90, 0x3e, 48);                             /* MEASUREMENT */
    memset(report + 0xc0, 0x05, 32);                             /* HOST_DATA */
    memset(report + 0xe0, 0x1d, 48);                             /* ID_KEY_DIGEST */
    memset(report + 0x110, 0xa0, 48);                            /* AUTHOR_KEY_DIGEST */
    memset(report + 0x140, 0x4e, 32);                            /* REPORT_ID */
    memset(report + 0x160, 0xff, 32);                            /* REPORT_ID_MA: none */
    sim_forge_tcb(forge, 0x38, &product->tcb);
    sim_forge_tcb(forge, 0x180, &product->tcb);
    sim_forge_tcb(forge, 0x1e0, &product->tcb);
    sim_forge_tcb(forge, 0x1f0, &product->tcb);
    if (version >= 3) {
        report[0x188] = product->family;
        report[0x189] = product->model;
        report[0x18a] = 1;
    }
    if (!forge->is_vlek)
        memcpy(report + 0x1a0, forge->chip_id, sizeof forge->chip_id);
    memcpy(report + 0x1e8, build, sizeof build);
    memcpy(report + 0x1ec, build, sizeof build);
    if (version >= 5) {
        report[0x1f8] = 0x07; /* LAUNCH_MIT_VECTOR */
        report[0x200] = 0x0f; /* CURRENT_MIT_VECTOR */
    }
}

static struct sim_certificate good_authority(const char *subject, const char *issuer, int64_t now,
                                             uint8_t serial)
{
    return (struct sim_certificate){
        .subject = subject,
        .issuer = issuer,
        .not_before = now - DAY,
        .not_after = now + 25 * 365 * DAY,
        .serial = serial,
        .is_ca = 1,
        .path_length = -1,
        .key_usage = CLO_KEY_USAGE_CERT_SIGN | CLO_KEY_USAGE_CRL_SIGN,
    };
}

void sim_forge_good(enum clo_snp_product product, uint8_t version, bool is_vlek, int64_t now,
                    const struct sim_forge_keys *keys, struct sim_forge *out)
{
    const char *ask = is_vlek ? "SEV-VLEK-simulation" : "SEV-simulation";
    struct sim_forge forge = {
        .product = product,
        .is_vlek = is_vlek,
        .now = now,
        .struct_version = products[product].struct_version,
        .product_name = products[product].name,
        .spl = products[product].tcb,
        .hw_id_size = is_vlek                                 ? 0
                      : products[product].struct_version == 1 ? 8
                                                              : 64,
        .csp_id = is_vlek ? "CN=provider.example" : NULL,
        .leaf_signer = keys->ask,
        .ask_signer = keys->ark,
        .ark_signer = keys->ark,
        .crl_signer = keys->ark,
        .report_signer = keys->vek,
    };

    /* The first bytes look like an OCTET STRING's: raw they are all the same. */
    forge.chip_id[0] = 4;
    forge.chip_id[1] = 62;
    for (size_t i = 2; i < (products[product].struct_version == 1 ? 8 : 64); i++)
        forge.chip_id[i] = (uint8_t)(i + 1);
    good_report(&forge, version);
    forge.ark = good_authority("ARK-simulation", "ARK-simulation", now, 1);
    forge.ask = good_authority(ask, "ARK-simulation", now, 2);
    forge.ask.path_length = 0;
    forge.leaf = (struct sim_certificate){
        .subject = is_vlek ? "SEV-VLEK" : "SEV-VCEK",
        .issuer = ask,
        .not_before = now - DAY,
        .not_after = now + (is_vlek ? 365 : 7 * 365) * DAY,
        .serial = 0, /* as AMD's */
        .is_ca = -1,
        .path_length = -1,
        .key_usage = -1,
    };
    forge.crl = (struct sim_crl){ .issuer = "ARK-simulation",
                                  .this_update = now - DAY,
                                  .next_update = now + 180 * DAY,
                                  .revoked = 77 };
    *out = forge;
}

/* --- The leaf's extensions --- */

struct leaf_values {
    uint8_t numbers[16][4];
    size_t used;
    uint8_t product_name[64], csp_id[96], hw_id[66];
};

static void add(struct sim_certificate *leaf, const char *arc, struct clo_bytes value)
{
    leaf->extensions[leaf->extension_count++] = (struct sim_extension){ arc, value, false };
}

static void add_number(struct sim_certificate *leaf, struct leaf_values *values, const char *arc,
                       int number)
{
    uint8_t *room = values->numbers[values->used];
    bool is_long = number >= 0x80;

    if (number < 0)
        return;
    values->used++;
    room[0] = 0x02;
    room[1] = is_long ? 2 : 1;
    room[2] = is_long ? 0 : (uint8_t)number;
    room[3] = (uint8_t)number;
    add(leaf, arc, clo_bytes(room, is_long ? 4 : 3));
}

static void add_text(struct sim_certificate *leaf, uint8_t *room, const char *arc, const char *text)
{
    if (text == NULL)
        return;
    room[0] = 0x16; /* IA5String */
    room[1] = (uint8_t)strlen(text);
    memcpy(room + 2, text, strlen(text));
    add(leaf, arc, clo_bytes(room, 2 + strlen(text)));
}

static void add_extensions(const struct sim_forge *forge, struct leaf_values *values,
                           struct sim_certificate *leaf)
{
    add_number(leaf, values, SPL_OID "1", forge->struct_version);
    add_text(leaf, values->product_name, SPL_OID "2", forge->product_name);
    add_number(leaf, values, SPL_OID "3.1", forge->spl.bootloader);
    add_number(leaf, values, SPL_OID "3.2", forge->spl.tee);
    add_number(leaf, values, SPL_OID "3.3", forge->spl.snp);
    add_number(leaf, values, SPL_OID "3.5", forge->spl5);
    add_number(leaf, values, SPL_OID "3.8", forge->spl.microcode);
    add_number(leaf, values, SPL_OID "3.9", forge->spl.fmc);
    if (forge->hw_id_size > 0) {
        size_t header = forge->hw_id_is_der ? 2 : 0;
        values->hw_id[0] = 0x04;
        values->hw_id[1] = (uint8_t)forge->hw_id_size;
        memcpy(values->hw_id + header, forge->chip_id, forge->hw_id_size);
        add(leaf, SPL_OID "4", clo_bytes(values->hw_id, header + forge->hw_id_size));
    }
    add_text(leaf, values->csp_id, SPL_OID "5", forge->csp_id);
    if (forge->critical_oid != NULL)
        leaf->extensions[leaf->extension_count++] =
                (struct sim_extension){ forge->critical_oid, clo_bytes("\x05\x00", 2), true };
}

/* --- Making it --- */

static bool make(const struct sim_certificate *spec, const struct clo_private_key *subject,
                 const struct clo_private_key *issuer, struct clo_buffer *out,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;

    return clo_private_key_public(subject, &key, err) &&
           sim_certificate(spec, key, issuer, out, err);
}

static bool make_chain(const struct sim_forge *forge, const struct sim_forge_keys *keys,
                       struct sim_forged *out, struct clo_error *err)
{
    struct sim_certificate leaf = forge->leaf;
    struct sim_certificate ask = forge->ask;
    struct leaf_values values = { .used = 0 };

    add_extensions(forge, &values, &leaf);
    if (forge->ask_critical_oid != NULL)
        ask.extensions[ask.extension_count++] =
                (struct sim_extension){ forge->ask_critical_oid, clo_bytes("\x05\x00", 2), true };
    return make(&forge->ark, keys->ark, forge->ark_signer, &out->ark, err) &&
           make(&ask, keys->ask, forge->ask_signer, &out->ask, err) &&
           make(&leaf, forge->leaf_has_p256_key ? keys->p256 : keys->vek, forge->leaf_signer,
                &out->leaf, err) &&
           sim_crl(&forge->crl, forge->crl_signer, &out->crl, err);
}

static bool sign_report(const struct sim_forge *forge, uint8_t report[CLO_SNP_REPORT_SIZE],
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };

    memcpy(report, forge->report, CLO_SNP_REPORT_SIZE);
    if (!clo_signature_make(forge->report_signer, CLO_ECDSA_RAW, CLO_HASH_SHA384,
                            clo_bytes(report, CLO_SNP_SIGNED_SIZE), &signature, err))
        return false;
    for (size_t i = 0; i < P384_SIZE; i++) {
        report[CLO_SNP_SIGNED_SIZE + i] = signature.data[P384_SIZE - 1 - i];
        report[CLO_SNP_SIGNED_SIZE + NUMBER_SIZE + i] = signature.data[2 * P384_SIZE - 1 - i];
    }
    if (forge->flip != 0)
        report[forge->flip] ^= 1;
    return true;
}

bool sim_forge(const struct sim_forge *forge, const struct sim_forge_keys *keys,
               struct sim_forged *out, struct clo_error *err)
{
    CLO_CLEANUP(sim_forged_free) struct sim_forged forged = { 0 };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *root = NULL;

    if (!clo_private_key_public(forge->root_is_other ? keys->other_rsa : keys->ark, &root, err) ||
        !clo_public_key_fingerprint(root, &forged.root, err) ||
        !make_chain(forge, keys, &forged, err) || !sign_report(forge, forged.report, err))
        return clo_wrap(err, "forge");
    *out = forged;
    forged = (struct sim_forged){ 0 };
    return true;
}

void sim_forge_table(const struct sim_forged *forged, bool is_vlek, struct clo_buffer *out)
{
    static const char *const guids[] = {
        "63da758de6644564adc5f4b93be8accd", /* VCEK */
        "4ab7b379bbac4fe4a02f05aef327c782",
        "c0b406a4a803495297433fb6014cd0ae",
        "92f81bc358114d3d97ffd19f88dc67ea",
    };
    const struct clo_buffer *const contents[] = { &forged->leaf, &forged->ask, &forged->ark,
                                                  &forged->crl };
    size_t offset = 24 * (CLO_COUNT(contents) + 1);
    struct clo_error ignored;

    for (size_t i = 0; i < CLO_COUNT(contents); i++) {
        const char *guid = i == 0 && is_vlek ? "a8074bc2a25a483eaae639c045a0b8a1" : guids[i];
        if (!clo_hex_read(clo_bytes_text(guid), out, &ignored))
            out->failed = true;
        clo_buffer_le32(out, (uint32_t)offset);
        clo_buffer_le32(out, (uint32_t)contents[i]->size);
        offset += contents[i]->size;
    }
    clo_buffer_zero(out, 24);
    for (size_t i = 0; i < CLO_COUNT(contents); i++)
        clo_buffer_append(out, clo_buffer_bytes(contents[i]));
}
