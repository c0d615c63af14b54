/* Verifies an SEV-SNP report by the certificates that come with it: verify_snp REPORT CERTIFICATES [ROOT]
 *
 * ROOT is the SHA-256 of the root's public key in hex; without it AMD's roots count. Exit status: 0 genuine,
 * 1 not, 3 unreadable. What the guest is (its measurement, debugging …) remains to be appraised. */
#include <stdio.h>
#include <time.h>

#include <cloister/cloister.h>

#include "read_file.h"

static bool verify(char **files, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 }, pem = { 0 }, root = { 0 };
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    struct clo_digest fingerprint = { .hash = CLO_HASH_SHA256 };
    struct clo_snp_trust trust = { .at = time(NULL), .amd = files[2] == NULL };
    struct clo_bytes bytes, table;
    struct clo_snp_report report;
    struct clo_snp_chain chain;
    struct clo_snp_verified verified;
    char hex[129];

    if (!read_file(files[0], &file, err) || !read_file(files[1], &pem, err) ||
        !clo_snp_unwrap(clo_buffer_bytes(&file), &bytes, &table, err) ||
        !clo_snp_parse(bytes, &report, err) ||
        !clo_snp_certificates_read(&certificates, clo_buffer_bytes(&pem), err) ||
        !clo_snp_certificates_add_amd(&certificates, err) ||
        !clo_snp_chain_find(&report, &certificates, &chain, err) ||
        (files[2] != NULL && !clo_hex_read(clo_bytes_text(files[2]), &root, err)))
        return false;
    for (size_t i = 0; i < root.size && i < sizeof fingerprint.bytes; i++)
        fingerprint.bytes[i] = root.data[i];
    trust.roots = &fingerprint;
    trust.root_count = files[2] == NULL ? 0 : 1;
    if (!clo_snp_verify(&report, &chain, &trust, &checks, &verified, err))
        return false;
    printf("%s, measurement %.96s\n", clo_snp_product_name(verified.product),
           clo_hex_text(verified.report.measurement, hex));
    return true;
}

int main(int argc, char **argv)
{
    struct clo_error err;

    if (argc < 3 || argc > 4)
        return 2;
    if (verify(argv + 1, &err))
        return 0;
    fprintf(stderr, "verify_snp: %s\n", err.text);
    return err.status == CLO_ERR_UNVERIFIED || err.status == CLO_ERR_REFUSED ? 1 : 3;
}
