#include "sim/report.h"

#include <string.h>

#include "cloister/hcl.h"
#include "cloister/jose.h"
#include "lib/cloud/hcl_write.h"

#define NUMBER_SIZE 72 /* of r and of s in the signature field */
#define P384_SIZE   48

const struct sim_report_spec sim_report_default = { .policy = 0x30000 };

static void append_tcb(struct clo_buffer *out, const struct sim_tcb *tcb)
{
    clo_buffer_u8(out, tcb->bootloader);
    clo_buffer_u8(out, tcb->tee);
    clo_buffer_zero(out, 4);
    clo_buffer_u8(out, tcb->snp);
    clo_buffer_u8(out, tcb->microcode);
}

static void append_version(struct clo_buffer *out)
{
    clo_buffer_u8(out, 29); /* build, minor, major */
    clo_buffer_u8(out, 55);
    clo_buffer_u8(out, 1);
    clo_buffer_u8(out, 0);
}

static void append_reversed(struct clo_buffer *out, const uint8_t *number)
{
    for (size_t i = P384_SIZE; i > 0; i--)
        clo_buffer_u8(out, number[i - 1]);
    clo_buffer_zero(out, NUMBER_SIZE - P384_SIZE);
}

/* Everything that is signed: bytes 0 to 0x2a0. */
static void append_body(const struct sim_platform *platform, const struct sim_report_spec *spec,
                        struct clo_buffer *out)
{
    size_t start = out->size;

    clo_buffer_le32(out, 3);
    clo_buffer_le32(out, 0); /* GUEST_SVN */
    clo_buffer_le64(out, spec->policy);
    clo_buffer_zero(out, 32); /* FAMILY_ID, IMAGE_ID */
    clo_buffer_le32(out, spec->vmpl);
    clo_buffer_le32(out, 1); /* ECDSA P-384 with SHA-384 */
    append_tcb(out, &platform->tcb);
    clo_buffer_le64(out, 0x21); /* PLATFORM_INFO: SMT, ALIAS_CHECK_COMPLETE */
    clo_buffer_le32(out, 0);    /* SIGNER_INFO: VCEK */
    clo_buffer_le32(out, 0);
    clo_buffer_append(out, clo_bytes(spec->report_data, sizeof spec->report_data));
    clo_buffer_append(out, clo_bytes(spec->measurement, sizeof spec->measurement));
    clo_buffer_append(out, clo_bytes(spec->host_data, sizeof spec->host_data));
    clo_buffer_zero(out, 96);                                 /* ID_KEY_DIGEST, AUTHOR_KEY_DIGEST */
    clo_buffer_append(out, clo_bytes(platform->chip_id, 32)); /* REPORT_ID: any */
    for (int i = 0; i < 32; i++)
        clo_buffer_u8(out, 0xff); /* REPORT_ID_MA: none */
    append_tcb(out, &platform->tcb);
    clo_buffer_u8(out, 0x19); /* CPUID family, model, stepping: Milan */
    clo_buffer_u8(out, 0x01);
    clo_buffer_u8(out, 0x01);
    clo_buffer_zero(out, 21);
    clo_buffer_append(out, clo_bytes(platform->chip_id, SIM_CHIP_ID_SIZE));
    append_tcb(out, &platform->tcb);
    append_version(out);
    append_version(out);
    append_tcb(out, &platform->tcb);
    clo_buffer_zero(out, CLO_SNP_SIGNED_SIZE - (out->size - start));
}

bool sim_report(const struct sim_platform *platform, const struct sim_report_spec *spec,
                struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    size_t start = out->size;

    append_body(platform, spec, out);
    if (!clo_buffer_ok(out))
        return clo_out_of_memory(err);
    if (!clo_signature_make(platform->vcek_key, CLO_ECDSA_RAW, CLO_HASH_SHA384,
                            clo_bytes_slice(clo_buffer_bytes(out), start, CLO_SNP_SIGNED_SIZE),
                            &signature, err))
        return clo_wrap(err, "report");
    append_reversed(out, signature.data);
    append_reversed(out, signature.data + P384_SIZE);
    clo_buffer_zero(out, CLO_SNP_REPORT_SIZE - (out->size - start));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* The claims, compact: the whole must fit a software TPM's NV index of 2048 bytes. */
static bool claims_text(const struct clo_public_key *ak, struct clo_buffer *out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    json_t *jwk;

    if (!clo_jwk_from_public_key(ak, &jwk, err))
        return false;
    json_object_set_new(jwk, "kid", json_string("HCLAkPub"));
    claims = json_pack("{s:[o], s:s}", "keys", jwk, "user-data", "00");
    return clo_json_write(claims, out, err);
}

bool sim_hcl_report(const struct sim_platform *platform, const struct clo_public_key *ak,
                    struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer claims = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer report = { 0 };
    struct sim_report_spec spec = sim_report_default;
    struct clo_digest digest;

    if (!claims_text(ak, &claims, err))
        return clo_wrap(err, "HCL report");
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&claims), &digest);
    memcpy(spec.report_data, digest.bytes, 32);
    return sim_report(platform, &spec, &report, err) &&
           clo_hcl_write(CLO_HCL_SNP, clo_buffer_bytes(&report), clo_buffer_bytes(&claims), out,
                         err);
}
