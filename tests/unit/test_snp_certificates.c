#include "cloister/snp.h"
#include "lib/crypto/certificate_make.h"

#include "snp_chain.h"
#include "vectors.h"

/* --- Files and tables --- */

static void test_amd(void **state)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    size_t roots = 0;
    struct clo_error err;

    (void)state;
    CHECK(clo_snp_certificates_add_amd(&certificates, &err), "AMD's");
    CHECK(certificates.count == 9, "three of each product");
    for (size_t i = 0; i < certificates.count; i++) {
        struct clo_digest fingerprint;
        CHECK(clo_public_key_fingerprint(clo_certificate_key(certificates.items[i]), &fingerprint,
                                         &err),
              "fingerprint");
        bool is_root = clo_snp_amd_root(&fingerprint) != CLO_SNP_UNKNOWN;
        roots += is_root;
        CHECK(is_root ==
                      (strstr(clo_certificate_subject(certificates.items[i]), "CN=ARK-") != NULL),
              clo_certificate_subject(certificates.items[i]));
    }
    CHECK(roots == 3, "three roots");
    CHECK(clo_snp_certificates_add_amd(&certificates, &err) && certificates.count == 9,
          "each is there once");
}

static void put_entry(struct clo_buffer *table, const char *guid, uint32_t offset, uint32_t size)
{
    from_hex(guid, table);
    clo_buffer_le32(table, offset);
    clo_buffer_le32(table, size);
}

static void test_table(void **state)
{
    static const char vcek[] = "63da758de6644564adc5f4b93be8accd";
    static const char unknown[] = "000102030405060708090a0b0c0d0e0f";
    static const struct {
        const char *name;
        const char *guid;
        uint32_t at, more; /* of the one entry; `more` bytes after the certificate (-1: one less) */
        bool has_end;
        const char *error;
    } cases[] = {
        { "one entry", vcek, 48, 0, true, NULL },
        { "offset beyond the end", vcek, 0xfffffff0, 0, true,
          "certificate table: entry 0 ends beyond the table's" },
        { "length beyond the end", vcek, 48, 1, true,
          "certificate table: entry 0 ends beyond the table's" },
        { "only an unknown entry", unknown, 48, 0, true,
          "certificate table: without a certificate" },
        { "entry begins in the table itself", vcek, 47, 0, true,
          "certificate table: entry 0 begins at 0x2f, inside the table's own 0x30 bytes" },
        { "entry is not a certificate", vcek, 49, UINT32_MAX, true,
          "certificate table: entry 0: PEM" },
    };
    struct snp_maker maker;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates made = { 0 };

    (void)state;
    snp_maker_init(&maker);
    snp_maker_reset(&maker);
    snp_maker_make(&maker, &made);
    struct clo_bytes der = clo_certificate_der(made.items[0]);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates out = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
        struct clo_error err;
        put_entry(&table, cases[i].guid, cases[i].at, (uint32_t)der.size + cases[i].more);
        clo_buffer_zero(&table, 24);
        clo_buffer_append(&table, der);
        bool ok = clo_snp_certificates_add(&out, clo_buffer_bytes(&table), &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        if (!ok && strstr(err.text, cases[i].error) == NULL)
            fail_msg("%s: %s", cases[i].name, err.text);
        CHECK(!ok || (out.count == 1 && clo_bytes_equal(clo_certificate_der(out.items[0]), der)),
              cases[i].name);
        for (size_t size = 0; ok && size < table.size; size++) {
            CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates none = { 0 };
            CHECK(!clo_snp_certificates_add(
                          &none, clo_bytes_slice(clo_buffer_bytes(&table), 0, size), &err),
                  "cut short");
        }
    }
    snp_maker_free(&maker);
}

/* What hosts do to their tables, and what is nothing of this in a file that is named for its certificates. */
static void test_host_tables(void **state)
{
    static const char vcek[] = "63da758de6644564adc5f4b93be8accd";
    static const char crl[] = "92f81bc358114d3d97ffd19f88dc67ea";
    static const char unknown[] = "000102030405060708090a0b0c0d0e0f";
    static const struct {
        const char *name;
        const char *guid;
        uint32_t at, size;              /* of the first entry; the second is the certificate's */
        uint32_t padding;               /* zeros after the certificate */
        uint32_t counted;               /* how many of them its length counts */
        uint8_t behind;                 /* the last byte of the padding */
        bool has_certificate;           /* a second entry */
        const char *as_table, *as_file; /* errors */
    } cases[] = {
        { "page-aligned", vcek, 0, 0, 4096, 0, 0, true, NULL, NULL },
        { "length rounded up", vcek, 0, 0, 64, 64, 0, true, NULL, NULL },
        { "something in the padding", vcek, 0, 0, 64, 64, 1, true, "entry 1: certificate",
          "entry 1: certificate" },
        { "an empty list", crl, 0, 0, 0, 0, 0, true, NULL, NULL },
        { "an empty entry with an offset", crl, 72, 0, 0, 0, 0, true, NULL, NULL },
        { "an empty entry beyond the end", crl, UINT32_MAX, 0, 0, 0, 0, true, NULL, NULL },
        { "an unknown entry", unknown, 72, 4, 0, 0, 0, true, NULL, NULL },
        { "an unknown entry that wraps", unknown, 0xfffffff0, 0x20, 0, 0, 0, true,
          "entry 0 ends beyond", "entry 0 ends beyond" },
        { "empty entries alone", vcek, 0, 0, 0, 0, 0, false, NULL, "without a certificate" },
        { "unknown entries alone", unknown, 72, 4, 64, 0, 0, false, NULL, "without a certificate" },
        { "no entry at all", NULL, 0, 0, 0, 0, 0, false, NULL, "no certificate there" },
    };
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates made = { 0 };
    struct snp_maker maker;

    (void)state;
    snp_maker_init(&maker);
    snp_maker_reset(&maker);
    snp_maker_make(&maker, &made);
    struct clo_bytes der = clo_certificate_der(made.items[0]);
    for (size_t i = 0; i < 2 * CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates out = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
        bool is_file = i % 2 == 1;
        const char *name = cases[i / 2].name;
        const char *error = is_file ? cases[i / 2].as_file : cases[i / 2].as_table;
        struct clo_error err;
        if (cases[i / 2].guid != NULL)
            put_entry(&table, cases[i / 2].guid, cases[i / 2].at, cases[i / 2].size);
        if (cases[i / 2].has_certificate)
            put_entry(&table, vcek, 72, (uint32_t)der.size + cases[i / 2].counted);
        clo_buffer_zero(&table, 24);
        if (cases[i / 2].has_certificate)
            clo_buffer_append(&table, der);
        clo_buffer_zero(&table, cases[i / 2].padding);
        if (cases[i / 2].behind != 0)
            table.data[table.size - 1] = cases[i / 2].behind;
        bool ok = is_file ? clo_snp_certificates_add(&out, clo_buffer_bytes(&table), &err)
                          : clo_snp_certificates_add_table(&out, clo_buffer_bytes(&table), &err);
        CHECK(ok == (error == NULL), name);
        if (!ok && (err.status != CLO_ERR_FORMAT || strstr(err.text, error) == NULL))
            fail_msg("%s: %s", name, err.text);
        if (!ok)
            continue;
        CHECK(out.count == (cases[i / 2].has_certificate ? 1U : 0U), name);
        CHECK(out.count == 0 || clo_bytes_equal(clo_certificate_der(out.items[0]), der), name);
    }
    snp_maker_free(&maker);
}

static bool add_list(struct clo_snp_certificates *to, struct clo_bytes der, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };

    return clo_pem_write("X509 CRL", der, &pem, err) &&
           clo_snp_certificates_read(to, clo_buffer_bytes(&pem), err);
}

/* More than there is room for is an error, the same once more is not. */
static void test_limits(void **state)
{
    /* A list by "CN=leaf", made by OpenSSL 3.0; empty, of 2026-11-23 21:37:36. */
    static const char list_hex[] =
            "3081a7304e020101300a06082a8648ce3d040302300f310d300b06035504030c046c656166170d3236"
            "313132333231333733365a170d3236313232333231333733365aa00e300c300a0603551d1404030201"
            "01300a06082a8648ce3d0403020349003046022100f473b6b3d1f2f31ca3902cdfe50f83ef4b80b7ce"
            "b7f923c1519068682503868a022100eaee5682e9e4b6c1ad377d8deb79c9121917f49b60f17c886f3a"
            "3dfe6fa4ab3a";
    static const size_t last_digit = 50; /* of the seconds */
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates all = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer list = { 0 };
    struct snp_maker maker;
    struct clo_error err;
    bool ok = true;

    (void)state;
    from_hex(list_hex, &list);
    assert_int_equal(list.data[last_digit], '6');
    for (int i = 0; i < CLO_SNP_CRLS_MAX; i++)
        for (int twice = 0; twice < 2; twice++) {
            list.data[last_digit] = (uint8_t)('0' + i);
            CHECK(add_list(&all, clo_buffer_bytes(&list), &err), err.text);
            CHECK(all.crl_count == (size_t)i + 1, "each once");
        }
    list.data[last_digit] = '9';
    CHECK(!add_list(&all, clo_buffer_bytes(&list), &err), "one more list");
    CHECK(strstr(err.text, "more than 8 revocation lists") != NULL, err.text);
    CHECK(all.crl_count == CLO_SNP_CRLS_MAX, "one more list");
    snp_maker_init(&maker);
    snp_maker_reset(&maker);
    while (ok) { /* RSA-PSS makes another signature each time */
        CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates made = { 0 };
        snp_maker_make(&maker, &made);
        for (size_t i = 0; ok && i < made.count; i++) {
            size_t before = all.count;
            ok = clo_snp_certificates_add(&all, clo_certificate_der(made.items[i]), &err);
            CHECK(!ok || all.count == before + 1, "one more");
        }
    }
    CHECK(all.count == CLO_SNP_CERTIFICATES_MAX, "as many as there is room for");
    CHECK(strcmp(err.text, "more than 32 certificates") == 0, err.text);
    CHECK(clo_snp_certificates_add(&all, clo_certificate_der(all.items[31]), &err), err.text);
    snp_maker_free(&maker);
}

/* Entries may share their contents: a host that names one certificate a million times makes no work. */
static void test_shared_contents(void **state)
{
    static const char *const guids[] = { "63da758de6644564adc5f4b93be8accd",
                                         "4ab7b379bbac4fe4a02f05aef327c782" };
    const size_t most = CLO_SNP_CERTIFICATES_MAX + CLO_SNP_CRLS_MAX;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates made = { 0 };
    struct snp_maker maker;
    struct clo_error err;

    (void)state;
    snp_maker_init(&maker);
    snp_maker_reset(&maker);
    snp_maker_make(&maker, &made);
    struct clo_bytes der = clo_certificate_der(made.items[0]);
    for (size_t count = most; count <= most + 1; count++) {
        CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates out = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
        for (size_t i = 0; i < count; i++)
            put_entry(&table, guids[i % 2], (uint32_t)(24 * (count + 1)), (uint32_t)der.size);
        clo_buffer_zero(&table, 24);
        clo_buffer_append(&table, der);
        bool ok = clo_snp_certificates_add_table(&out, clo_buffer_bytes(&table), &err);
        CHECK(ok == (count == most), "as many entries as there is room for");
        CHECK(out.count == 1, "each certificate once");
        CHECK(ok || strcmp(err.text, "certificate table: more than 40 certificates and lists") == 0,
              err.text);
    }
    snp_maker_free(&maker);
}

/* A list that is none in its entry refuses the table. */
static void test_table_list(void **state)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates out = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    struct clo_error err;

    (void)state;
    put_entry(&table, "92f81bc358114d3d97ffd19f88dc67ea", 48, 8);
    clo_buffer_zero(&table, 24);
    from_hex("3082000430020500", &table);
    CHECK(!clo_snp_certificates_add_table(&out, clo_buffer_bytes(&table), &err), "no list");
    CHECK(strstr(err.text, "certificate table: entry 0: revocation list") != NULL, err.text);
}

static void test_other_files(void **state)
{
    static const struct {
        const char *name, *text, *error;
    } cases[] = {
        { "empty", "", "PEM without a certificate" },
        { "text", "no certificate here", "PEM without a certificate" },
        { "a key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
          "PEM without a certificate" },
        { "no end", "-----BEGIN CERTIFICATE-----\nAAAA\n", "has no end" },
        { "no DER in it", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
          "certificate 1: certificate" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates out = { 0 };
        struct clo_error err;
        CHECK(!clo_snp_certificates_add(&out, clo_bytes_text(cases[i].text), &err), cases[i].name);
        if (err.status != CLO_ERR_FORMAT || strstr(err.text, cases[i].error) == NULL)
            fail_msg("%s: %s", cases[i].name, err.text);
    }
}

/* --- What a leaf says --- */

struct field {
    const char *arc, *value; /* hex; NULL: left out */
};

static bool parse_leaf(const struct field *changes, size_t count, struct clo_snp_leaf *out,
                       struct clo_certificate **certificate, struct clo_error *err)
{
    static const struct field usual[] = {
        { "1", "020101" },   { "2", "160554 7572696e" },  { "3.1", "020101" },
        { "3.2", "020100" }, { "3.3", "020104" },         { "3.8", "0202 00ff" },
        { "3.9", "020102" }, { "4", "0402030405060708" }, { "5", NULL },
        { "3.4", NULL },
    };
    struct clo_certificate_extension_spec extensions[CLO_COUNT(usual)];
    struct clo_buffer values[CLO_COUNT(usual)] = { 0 };
    char oids[CLO_COUNT(usual)][48];
    size_t used = 0;
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };

    for (size_t i = 0; i < CLO_COUNT(usual); i++) {
        const char *value = usual[i].value;
        for (size_t k = 0; k < count; k++)
            if (strcmp(changes[k].arc, usual[i].arc) == 0)
                value = changes[k].value;
        if (value == NULL)
            continue;
        snprintf(oids[used], sizeof oids[used], "1.3.6.1.4.1.3704.1.%s", usual[i].arc);
        extensions[used] =
                (struct clo_certificate_extension_spec){ .oid = oids[used],
                                                         .value = from_hex(value, &values[used]) };
        used++;
    }
    const struct clo_certificate_spec spec = { .common_name = "leaf",
                                               .not_after = 1,
                                               .serial = clo_bytes("\x01", 1),
                                               .extensions = extensions,
                                               .extension_count = used,
                                               .scheme = CLO_ECDSA_DER,
                                               .hash = CLO_HASH_SHA384 };
    if (!clo_private_key_new(CLO_KEY_P384, 0, &key, err) ||
        !clo_private_key_public(key, &public_key, err) ||
        !clo_certificate_make(&spec, public_key, NULL, key, &der, err) ||
        !clo_certificate_parse(clo_buffer_bytes(&der), certificate, err))
        fail_msg("%s", err->text);
    for (size_t i = 0; i < used; i++)
        clo_buffer_free(&values[i]);
    return clo_snp_leaf_parse(*certificate, out, err);
}

static void test_leaf(void **state)
{
    static const struct {
        const char *name;
        struct field change;
        const char *error;
    } cases[] = {
        { "raw hwID that begins like DER", { "9", NULL }, NULL },
        { "raw hwID that is like DER to its end", { "4", "0406030405060708" }, NULL },
        { "wrapped hwID", { "4", "0408 0402030405060708" }, NULL },
        { "hwID wrapped in another type", { "4", "0508 0402030405060708" }, "hwID: 10 bytes" },
        { "hwID of 9 bytes", { "4", "040203040506070809" }, "hwID: 9 bytes, expected 64 or 8" },
        { "neither hwID nor cspID", { "4", NULL }, "neither hwID (VCEK) nor cspID (VLEK)" },
        { "both", { "5", "1603 613a62" }, "both hwID (VCEK) and cspID (VLEK)" },
        { "structVersion 2", { "1", "020102" }, "structVersion 2" },
        { "no structVersion", { "1", NULL }, "extension 1.3.6.1.4.1.3704.1.1 is missing" },
        { "negative SPL", { "3.8", "0201 ff" }, "is not an INTEGER from 0 to 255" },
        { "SPL of 256", { "3.8", "0202 0100" }, "is not an INTEGER from 0 to 255" },
        { "SPL of 384", { "3.8", "0202 0180" }, "is not an INTEGER from 0 to 255" },
        { "SPL not in its shortest form",
          { "3.8", "0202 0010" },
          "is not an INTEGER from 0 to 255" },
        { "SPL of another type", { "3.8", "0401 10" }, "is not an INTEGER from 0 to 255" },
        { "SPL of another type, two bytes",
          { "3.8", "0402 00ff" },
          "is not an INTEGER from 0 to 255" },
        { "SPL of no bytes", { "3.8", "0200" }, "is not an INTEGER from 0 to 255" },
        { "SPL whose length is another", { "3.8", "0202 10" }, "is not an INTEGER from 0 to 255" },
        { "SPL of two bytes whose length is another",
          { "3.8", "0201 00ff" },
          "is not an INTEGER from 0 to 255" },
        { "something after an SPL", { "3.8", "0201 1000" }, "is not an INTEGER from 0 to 255" },
        { "something after an SPL of two bytes",
          { "3.8", "0202 00ff00" },
          "is not an INTEGER from 0 to 255" },
        { "reserved SPL of another type", { "3.4", "0401 00" }, "is not an INTEGER from 0 to 255" },
        { "bootloader SPL of another type",
          { "3.1", "0401 01" },
          "is not an INTEGER from 0 to 255" },
        { "no fmcSPL on Turin", { "3.9", NULL }, "extension 1.3.6.1.4.1.3704.1.3.9 is missing" },
        { "product name with a control character",
          { "2", "1602 5407" },
          "productName has a byte that is not text" },
        { "product name of another type",
          { "2", "0402 5475" },
          "productName is not a short IA5String" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        struct clo_snp_leaf leaf;
        struct clo_error err;
        bool ok = parse_leaf(&cases[i].change, 1, &leaf, &certificate, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        if (!ok && strstr(err.text, cases[i].error) == NULL)
            fail_msg("%s: %s", cases[i].name, err.text);
        if (!ok)
            continue;
        CHECK(leaf.hw_id.size == 8 && leaf.hw_id.data[0] == 4 && leaf.hw_id.data[7] == 8,
              cases[i].name);
        CHECK(leaf.product == CLO_SNP_TURIN && !leaf.is_vlek, cases[i].name);
        CHECK(leaf.spl.fmc == 2 && leaf.spl.snp == 4 && leaf.spl.microcode == 255, cases[i].name);
    }
}

static void test_vlek(void **state)
{
    static const struct field changes[] = { { "4", NULL }, { "5", "1603 613a62" } };
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    struct clo_snp_leaf leaf;
    struct clo_error err;

    (void)state;
    CHECK(parse_leaf(changes, CLO_COUNT(changes), &leaf, &certificate, &err), "VLEK");
    CHECK(leaf.is_vlek && strcmp(leaf.csp_id, "a:b") == 0 && leaf.hw_id.size == 0, "VLEK");
}

static void test_turin_vector(void **state)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_snp_leaf leaf;
    struct clo_error err;
    char hex[17];

    (void)state;
    read_vector("snp/turin-vcek-cert-only/vcek.der", &file);
    CHECK(clo_snp_certificates_add(&certificates, clo_buffer_bytes(&file), &err), "Turin");
    CHECK(clo_snp_leaf_parse(certificates.items[0], &leaf, &err), err.text);
    CHECK(leaf.struct_version == 1 && leaf.product == CLO_SNP_TURIN, "Turin");
    CHECK(leaf.hw_id.size == 8 && strcmp(clo_hex_text(leaf.hw_id, hex), "1e550a8ee5cf9f4d") == 0,
          "hwID");
    CHECK(leaf.spl.fmc == 0 && leaf.spl.microcode == 9, "SPL");
}

/* --- The chain --- */

static void test_chain(void **state)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates made = { 0 };
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates mixed = { 0 };
    struct snp_maker maker;
    struct clo_snp_report report;
    struct clo_snp_chain chain;
    struct clo_error err;

    (void)state;
    snp_maker_init(&maker);
    snp_maker_reset(&maker);
    /* The same names with other keys come first, and must not be taken. */
    struct clo_private_key *ark = maker.ark;
    maker.ark = maker.wrong_rsa;
    snp_maker_make(&maker, &mixed);
    maker.ark = ark;
    snp_maker_make(&maker, &made);
    for (size_t i = made.count; i-- > 0;)
        CHECK(clo_snp_certificates_add(&mixed, clo_certificate_der(made.items[i]), &err), "mix");
    CHECK(clo_snp_parse(clo_bytes(maker.report, sizeof maker.report), &report, &err), "parse");
    CHECK(clo_snp_chain_find(&report, &mixed, &chain, &err), "find");
    struct clo_error ignored;
    CHECK(clo_certificate_verify(chain.leaf, chain.intermediate, CLO_RSASSA_PSS, CLO_HASH_SHA384,
                                 &ignored),
          "the intermediate that signed it");
    CHECK(clo_certificate_verify(chain.intermediate, chain.root, CLO_RSASSA_PSS, CLO_HASH_SHA384,
                                 &ignored),
          "the root that signed it");

    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates amd = { 0 };
    CHECK(clo_snp_certificates_add_amd(&amd, &err), "AMD's");
    CHECK(!clo_snp_chain_find(&report, &amd, &chain, &err), "no leaf");
    CHECK(err.status == CLO_ERR_UNVERIFIED && strstr(err.text, "no VCEK or VLEK") != NULL,
          err.text);
    snp_maker_free(&maker);
}

/* A chip's VCEKs of several TCBs, and one of another chip: the order they come in decides nothing. */
static void test_leaf_by_tcb(void **state)
{
    static const struct {
        const char *name;
        struct field changes[2];
    } leaves[] = {
        { "microcode 255", { { "3.8", "0202 00ff" }, { "5", NULL } } },
        { "microcode 9", { { "3.8", "0201 09" }, { "5", NULL } } },
        { "snp 3", { { "3.3", "0201 03" }, { "5", NULL } } },
        { "fmc 1", { { "3.9", "0201 01" }, { "5", NULL } } },
        { "another chip", { { "4", "0909090909090909" }, { "5", NULL } } },
    };
    static const uint8_t tcbs[][8] = { { 2, 1, 0, 4, 0, 0, 0, 255 },
                                       { 2, 1, 0, 4, 0, 0, 0, 9 },
                                       { 2, 1, 0, 3, 0, 0, 0, 255 },
                                       { 1, 1, 0, 4, 0, 0, 0, 255 } };
    struct clo_certificate *certificates[CLO_COUNT(leaves)];
    uint8_t bytes[CLO_SNP_REPORT_SIZE] = { 3, [0x188] = 0x1a };
    struct clo_snp_report report;
    struct clo_snp_chain chain;
    struct clo_snp_leaf leaf;
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(leaves); i++)
        CHECK(parse_leaf(leaves[i].changes, 2, &leaf, &certificates[i], &err), leaves[i].name);
    for (size_t i = 0; i < CLO_COUNT(tcbs); i++) {
        for (size_t first = 0; first < CLO_COUNT(leaves); first++)
            for (int masked = 0; masked < 2; masked++) {
                CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates all = { 0 };
                /* Where the chip is masked, another one of this TCB would do as well. */
                size_t count = CLO_COUNT(leaves) - (size_t)masked;
                for (size_t k = 0; k < count; k++)
                    CHECK(clo_snp_certificates_add(
                                  &all, clo_certificate_der(certificates[(first + k) % count]),
                                  &err),
                          err.text);
                memcpy(bytes + 0x180, tcbs[i], sizeof tcbs[i]);
                memcpy(bytes + 0x1a0, masked ? "\0\0\0\0\0\0\0\0" : "\4\2\3\4\5\6\7\10", 8);
                CHECK(clo_snp_parse(clo_bytes(bytes, sizeof bytes), &report, &err), err.text);
                CHECK(clo_snp_chain_find(&report, &all, &chain, &err), err.text);
                CHECK(clo_bytes_equal(clo_certificate_der(chain.leaf),
                                      clo_certificate_der(certificates[i])),
                      leaves[i].name);
                for (size_t k = 0; k < CLO_COUNT(leaves); k++)
                    CHECK(clo_snp_leaf_fits(certificates[k], &report) ==
                                  (k == i || (masked && i == 0 && k == 4)),
                          leaves[k].name);
            }
    }
    /* None of this TCB: still the chip's own. */
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates two = { 0 };
    CHECK(clo_snp_certificates_add(&two, clo_certificate_der(certificates[4]), &err), err.text);
    CHECK(clo_snp_certificates_add(&two, clo_certificate_der(certificates[1]), &err), err.text);
    memcpy(bytes + 0x180, tcbs[0], sizeof tcbs[0]);
    CHECK(clo_snp_parse(clo_bytes(bytes, sizeof bytes), &report, &err), err.text);
    memcpy(bytes + 0x1a0, "\4\2\3\4\5\6\7\10", 8);
    CHECK(clo_snp_chain_find(&report, &two, &chain, &err), err.text);
    CHECK(clo_bytes_equal(clo_certificate_der(chain.leaf), clo_certificate_der(certificates[1])),
          "the chip counts before the TCB");
    CHECK(!clo_snp_leaf_fits(chain.leaf, &report), "a former TCB's");
    bytes[0x48] = CLO_SNP_VLEK << 2;
    CHECK(clo_snp_parse(clo_bytes(bytes, sizeof bytes), &report, &err), err.text);
    CHECK(!clo_snp_leaf_fits(certificates[0], &report), "a VCEK where a VLEK has signed");
    for (size_t i = 0; i < CLO_COUNT(leaves); i++)
        clo_certificate_free(certificates[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_amd),          cmocka_unit_test(test_table),
        cmocka_unit_test(test_host_tables),  cmocka_unit_test(test_limits),
        cmocka_unit_test(test_table_list),   cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_leaf),         cmocka_unit_test(test_vlek),
        cmocka_unit_test(test_turin_vector), cmocka_unit_test(test_chain),
        cmocka_unit_test(test_leaf_by_tcb),  cmocka_unit_test(test_shared_contents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
