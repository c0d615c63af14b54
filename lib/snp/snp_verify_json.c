/* A report verified in one call. */
#include "cloister/snp.h"

static bool gather(struct clo_bytes table, struct clo_bytes certificates,
                   struct clo_snp_certificates *out, struct clo_error *err)
{
    if (table.size > 0 && !clo_snp_certificates_add_table(out, table, err))
        return clo_wrap(err, "certificate table");
    if (certificates.size > 0 && !clo_snp_certificates_read(out, certificates, err))
        return clo_wrap(err, "certificates");
    return clo_snp_certificates_add_amd(out, err);
}

static bool write_answer(const struct clo_snp_verified *verified, const struct clo_checks *checks,
                         struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:b, s:o*, s:o*}", "verified", verified != NULL, "checks",
                             clo_checks_json(checks), "claims",
                             verified == NULL ? NULL : clo_snp_claims(verified));

    if (json == NULL || json_object_get(json, "checks") == NULL ||
        (json_object_get(json, "claims") != NULL) != (verified != NULL))
        return clo_out_of_memory(err);
    return clo_json_write(json, out, err);
}

bool clo_snp_verify_json(struct clo_bytes in, struct clo_bytes certificates, struct clo_bytes root,
                         int64_t at, struct clo_buffer *json, struct clo_error *err)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates set = { 0 };
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    struct clo_digest fingerprint = { .hash = CLO_HASH_SHA256 };
    struct clo_bytes bytes, table;
    struct clo_snp_report report;
    struct clo_snp_chain chain;
    struct clo_snp_verified verified;
    struct clo_error ignored;

    if (root.size != 0 && root.size != clo_hash_size(CLO_HASH_SHA256))
        return clo_fail(err, CLO_ERR_USAGE, "root: a fingerprint of %zu bytes, expected 32",
                        root.size);
    for (size_t i = 0; i < root.size; i++)
        fingerprint.bytes[i] = root.data[i];
    if (!clo_snp_unwrap(in, &bytes, &table, err) || !clo_snp_parse(bytes, &report, err) ||
        !gather(table, certificates, &set, err) || !clo_snp_chain_find(&report, &set, &chain, err))
        return false;
    const struct clo_snp_trust trust = { .at = at,
                                         .amd = root.size == 0,
                                         .roots = &fingerprint,
                                         .root_count = root.size == 0 ? 0 : 1,
                                         .crls = (const struct clo_crl *const *)set.crls,
                                         .crl_count = set.crl_count };
    if (clo_snp_verify(&report, &chain, &trust, &checks, &verified, err))
        return write_answer(&verified, &checks, json, err);
    if (err->status == CLO_ERR_UNVERIFIED && !write_answer(NULL, &checks, json, &ignored))
        *err = ignored;
    return false;
}
