/* Real files of the shared vectors and cases: what each is called, and what comes out of those that bring pieces. */
#include "lib/evidence/import.h"

#include "vectors.h"

static const struct {
    const char *file, *words;
} files[] = {
    { "azure/hcl-snp-kinvolk/hcl_report.bin", "an HCL report of an Azure confidential VM" },
    { "azure/snp-live/ak_pub.pem", "a public key (PEM)" },
    { "azure/snp-live/pcrs_sha256.json", "PCR values (JSON)" },
    { "azure/snp-live/tpm_quote.msg", "a TPM quote" },
    { "azure/snp-live/tpm_quote.sig", "in none of the forms that are known" },
    { "azure/snp-live/vcek.der", "a certificate" },
    { "azure/snp-milan-v0/vcek.pem", "a certificate" },
    { "azure/anchors/milan_ask_ark.pem", "certificates" },
    { "azure/tdx-ak-chain-1780922561/ak_cert.pem", "a certificate" },
    { "azure/tdx-ak-chain-1780922561/ak_intermediates.pem", "certificates" },
    { "azure/tdx-ak-chain-1780922561/pck_crl.der", "a revocation list" },
    { "azure/tdx-ak-chain-1780922561/qe_identity.json",
      "Intel's QE identity (JSON, without its signature)" },
    { "azure/tdx-ak-chain-1780922561/tcb_info.json",
      "Intel's TCB info (JSON, without its signature)" },
    { "azure/tdx-ak-chain-1780922561/td_quote.bin", "a TDX quote" },
    { "gcp/anchors/tpm_ek_root_1.cer", "a certificate" },
    { "gcp/gce-cos85-no-nonce/ak_pub.tpmt", "a public key (TPMT_PUBLIC)" },
    { "gcp/gce-cos85-no-nonce/attestation.pb",
      "a TPM quote (protobuf; in it JSON of go-tpm-tools)" },
    { "gcp/gce-cos85-no-nonce/eventlog.bin", "a TCG event log" },
    { "gcp/gce-cos85-no-nonce/quote_sha256.msg", "a TPM quote" },
    { "gcp/gce-cos85-no-nonce/quote_sha256.sig", "a TPM's signature" },
    { "gcp/gce-intermediate-crl/intermediate.crl", "a revocation list" },
    { "gcp/synth-endorsement-a/endorsement.binarypb", "a launch endorsement of Google's firmware" },
    { "nitro/dstack-nsm/document.cbor", "an attestation document of AWS Nitro Enclaves" },
    { "nitro/dstack-nsm/wrapper.bin", "in none of the forms that are known" },
    { "snp/milan-v2-vcek-goog/report.bin", "an SEV-SNP report" },
    { "snp/genoa-v3-tsm-report-auxblob/auxblob.bin", "certificates" },
    { "snp/genoa-v3-tsm-report-auxblob/report.bin", "an SEV-SNP report" },
    { "snp/genoa-v3-tsm-report-auxblob/sevsnp-tsm-report.json",
      "a hardware report (JSON of configfs-tsm's files)" },
    { "snp/genoa-v3-tsm-report-auxblob/sevsnp-tsm-report.cbor",
      "in none of the forms that are known" },
    { "tdx/v4-dstack-90c06f/quote.bin", "a TDX quote" },
    { "tdx/v4-dstack-90c06f/pck_chain.pem", "certificates" },
    { "tdx/v5-google/quote.bin", "a TDX quote" },

    { "tpm/quote-keylime/ak.pub", "a public key (TPMT_PUBLIC)" },
    { "tpm/quote-keylime/quote.out", "a TPM quote" },
    { "tpm/quote-keylime/quotepcr.out", "in none of the forms that are known" },
    { "tpm/quote-keylime/quotesig.out", "a TPM's signature" },
    { "tpm/dstack-gce-tpm/eventlog.bin", "a TCG event log" },
    { "secureboot/eci-pk/PK", "an EFI signature list" },
    { "secureboot/efilib-1/1.siglist", "an EFI signature list" },
    { "secureboot/ms-dbx-amd64/DBXUpdate.bin", "an authenticated EFI variable" },
    { "secureboot/certs/MicCorKEKCA2011_2011-06-24.crt", "a certificate" },
    { "corim-ear/ear-jwt-0/token.jwt", "a JSON web token: what another verifier answered" },
    { "corim-ear/unsigned-good-corim/unsigned-good-corim.cbor", "reference values as CoRIM" },
    { "../cases/attestation/azure-json-as-delivered/imds-tdquote.json",
      "a TDX quote (JSON of Azure's metadata service)" },
    { "../cases/attestation/azure-json-as-delivered/uvm_host_amd_certificate.json",
      "an SEV-SNP certificate chain (JSON of Azure's metadata service)" },
    { "../cases/attestation/base64url-padding/quote.b64url", "a TDX quote (base64url)" },
    { "../cases/attestation/snp-stale-crl/tab-old.bin", "an SEV-SNP report" },
    { "../cases/attestation/snp-stale-crl/crl-old.pem", "a revocation list" },
    { "../cases/attestation/tdx-evaluation-number/collateral.json", "Intel's collateral (JSON)" },
    { "../cases/attestation/tdx-relaunch-word/quote.dat", "a TDX quote" },
    { "../cases/boot/01-unaligned-digest/odd.efi", "an EFI image" },
    { "../cases/boot/04-auth-forms/efitools-append-zero-time.auth",
      "an authenticated EFI variable" },
    { "../cases/boot/04-auth-forms/pesign-authvar.auth", "an authenticated EFI variable" },
    { "../cases/boot/04-auth-forms/virt-fw-vars-output-auth.auth",
      "an authenticated EFI variable" },
    { "../cases/boot/04-auth-forms/base.fd.gz", "a gzip file: unpack it first" },
    { "../cases/boot/02-pkfp/pcr.key", "a private key" },
    { "../cases/boot/02-pkfp/pcr.pub", "a public key (PEM)" },
    { "trustee/az-snp-v0/evidence.json",
      "evidence of an Azure confidential VM (JSON of Trustee's clients, first form)" },
    { "trustee/az-snp-v1/evidence.json",
      "evidence of an Azure confidential VM (JSON of Trustee's clients)" },
    { "trustee/az-snp-v1-neg-version-3/evidence.json",
      "error: evidence of an Azure confidential VM (JSON of Trustee's clients): its version is not "
      "known (1 and 2 are)" },
    { "trustee/az-tdx-v1/evidence.json",
      "evidence of an Azure confidential VM (JSON of Trustee's clients)" },
    { "trustee/snp-milan-v2/evidence.json", "an SEV-SNP report (JSON of Trustee's clients)" },
    { "trustee/snp-turin-v5/evidence.json", "an SEV-SNP report (JSON of Trustee's clients)" },
    { "trustee/snp-neg-256/evidence.json",
      "error: an SEV-SNP report (JSON of Trustee's clients): \"attestation_report\": "
      "\"measurement\": item 0 is not a byte (0 to 255)" },
    { "trustee/snp-neg-short-array/evidence.json",
      "error: an SEV-SNP report (JSON of Trustee's clients): \"attestation_report\": "
      "\"report_data\": 63 bytes, 64 expected" },
    { "trustee/svsm-aproxy-milan-v2/evidence.json", "an SEV-SNP report (JSON of SVSM's proxy)" },
    { "trustee/tdx-v4-log-match/evidence.json", "a TDX quote (JSON of Trustee's clients)" },
    { "trustee/tdx-v5-no-log/evidence.json", "a TDX quote (JSON of Trustee's clients)" },
    { "trustee/tpm-azure-quote/evidence.json", "a TPM quote (JSON of Trustee's clients)" },
    { "trustee/tpm-selection-10-23/evidence.json", "a TPM quote (JSON of Trustee's clients)" },
    { "trustee/attest-tpm-p256/attest.json",
      "a TPM quote (a request to attest; in it JSON of Trustee's clients)" },
    { "trustee/wire/snp-attest.json",
      "an SEV-SNP report (a request to attest; in it JSON of Trustee's clients)" },
    { "trustee/sample/evidence.json",
      "error: Trustee's sample evidence (JSON): no hardware signed it" },
};

static void names_them(void **state)
{
    int wrong = 0;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(files); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer words = { 0 };
        CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
        struct clo_error err;
        read_vector(files[i].file, &file);
        if (clo_import_read(clo_buffer_bytes(&file), &import, &err))
            clo_import_words(&import, &words);
        else
            clo_buffer_printf(&words, "error: %s", err.text);
        if (strcmp(clo_buffer_string(&words), files[i].words) != 0) {
            print_error("    { \"%s\",\n      \"%s\" },\n", files[i].file,
                        clo_buffer_string(&words));
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

/* Where a manifest's byte strings are to be found among the pieces. */
static const struct {
    const char *name, *label;
} pieces[] = {
    { "hcl_report", CLO_EVIDENCE_HCL_REPORT }, { "tpm_quote.message", CLO_EVIDENCE_TPM_QUOTE },
    { "td_quote", CLO_EVIDENCE_TDX_QUOTE },    { "quote", CLO_EVIDENCE_TDX_QUOTE },
    { "cc_eventlog", CLO_EVIDENCE_TDX_CCEL },  { "attestation_report", CLO_EVIDENCE_SNP_REPORT },
    { "snp-report", CLO_EVIDENCE_SNP_REPORT },
};

static void same_hash(const json_t *expected, struct clo_bytes bytes, const char *name)
{
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, bytes, &digest);
    clo_hex_text(clo_digest_bytes(&digest), hex);
    CHECK(strcmp(hex, json_string_value(json_object_get(expected, "sha256"))) == 0, name);
}

static void same_certificate(const json_t *expected, const struct clo_evidence *evidence,
                             const char *name)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    struct clo_error err;

    if (expected == NULL)
        return;
    CHECK(clo_snp_certificates_add(&certificates,
                                   clo_evidence_get(evidence, CLO_EVIDENCE_SNP_CERTIFICATES), &err),
          name);
    same_hash(expected, clo_certificate_der(certificates.items[0]), name);
}

/* Each byte string that Trustee's evidence carries comes out as the manifest's own decoder has it. */
static void takes_trustee_apart(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("trustee");
    size_t checked = 0;
    size_t i;
    json_t *entry;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
        const json_t *decoded = json_object_get(json_object_get(entry, "expected"), "decoded");
        const char *name = json_string_value(json_object_get(entry, "id"));
        struct clo_error err;
        char path[256];
        if (!json_is_object(decoded) || strstr(name, "version-3") != NULL ||
            (!find_case_file("trustee", entry, "evidence.json", path, sizeof path) &&
             !find_case_file("trustee", entry, "attest.json", path, sizeof path)))
            continue;
        read_vector(path, &file);
        if (!clo_import_read(clo_buffer_bytes(&file), &import, &err))
            fail_msg("%s: %s", name, err.text);
        CHECK(import.kind == CLO_IMPORT_EVIDENCE, name);
        for (size_t k = 0; k < CLO_COUNT(pieces); k++) {
            const json_t *expected = json_object_get(decoded, pieces[k].name);
            if (expected == NULL)
                continue;
            same_hash(expected, clo_evidence_get(import.evidence, pieces[k].label), name);
            checked++;
        }
        same_certificate(json_object_get(decoded, "vcek"), import.evidence, name);
        same_certificate(json_object_get(decoded, "vek"), import.evidence, name);
    }
    assert_true(checked > 25);
}

/* go-tpm-tools' message holds what lies next to it in files of its own. */
static void takes_go_tpm_tools_apart(void **state)
{
    static const struct {
        const char *label, *file;
    } parts[] = {
        { CLO_EVIDENCE_TPM_QUOTE, "gcp/gce-cos85-no-nonce/quote_sha256.msg" },
        { CLO_EVIDENCE_TPM_SIGNATURE, "gcp/gce-cos85-no-nonce/quote_sha256.sig" },
        { CLO_EVIDENCE_EVENTLOG, "gcp/gce-cos85-no-nonce/eventlog.bin" },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
    struct clo_error err;

    (void)state;
    read_vector("gcp/gce-cos85-no-nonce/attestation.pb", &file);
    assert_true(clo_import_read(clo_buffer_bytes(&file), &import, &err));
    for (size_t i = 0; i < CLO_COUNT(parts); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer part = { 0 };
        read_vector(parts[i].file, &part);
        CHECK(clo_bytes_equal(clo_evidence_get(import.evidence, parts[i].label),
                              clo_buffer_bytes(&part)),
              parts[i].file);
    }
    /* Every truncation is refused or something smaller, and never reads past its end. */
    for (size_t size = 0; size < file.size; size += 97) {
        CLO_CLEANUP(clo_import_free) struct clo_import cut = { 0 };
        struct clo_bytes in = clo_bytes_slice(clo_buffer_bytes(&file), 0, size);
        if (clo_import_read(in, &cut, &err))
            CHECK(cut.kind == CLO_IMPORT_UNKNOWN || clo_evidence_count(cut.evidence) < 4, "cut");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_them),
        cmocka_unit_test(takes_trustee_apart),
        cmocka_unit_test(takes_go_tpm_tools_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
