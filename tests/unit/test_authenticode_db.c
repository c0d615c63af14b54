#include "lib/efi/authenticode_judge.h"

#include "cloister/efivar.h"
#include "pe_maker.h"
#include "signer_maker.h"

#define SHA256      "c1c41626-504c-4092-aca9-41f936934328"
#define SHA384      "ff3e5307-9fd0-48c9-85f1-8ad56c701e01"
#define X509_SHA256 "3bd2a492-96c0-4079-b420-fcf98ef103ed"

/* One EFI_SIGNATURE_LIST with one entry. */
static void add_list(struct clo_buffer *out, const char *type, struct clo_bytes data)
{
    struct clo_guid guid;
    struct clo_error err;

    CHECK(clo_guid_read(type, &guid, &err), err.text);
    clo_buffer_guid(out, &guid);
    clo_buffer_le32(out, (uint32_t)(28 + 16 + data.size));
    clo_buffer_le32(out, 0);
    clo_buffer_le32(out, (uint32_t)(16 + data.size));
    clo_buffer_zero(out, 16);
    clo_buffer_append(out, data);
}

static void add_certificate(struct clo_buffer *out, const struct signer *signer)
{
    const struct clo_guid owner = { { 0 } };

    clo_signature_list_x509(&owner, clo_certificate_der(signer->certificate), out);
}

/* The SHA-256 of its TBSCertificate, found without a parser: the SEQUENCE inside, with a two-byte
 * length. And a time, all zeros if `year` is 0. */
static void add_revoked(struct clo_buffer *out, const struct signer *signer, uint16_t year)
{
    struct clo_bytes der = clo_certificate_der(signer->certificate);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    struct clo_digest digest;
    size_t size = (size_t)der.data[6] << 8 | der.data[7];

    CHECK(der.data[4] == 0x30 && der.data[5] == 0x82, "the form that we look for");
    clo_hash(CLO_HASH_SHA256, clo_bytes_slice(der, 4, size + 4), &digest);
    clo_buffer_append(&data, clo_digest_bytes(&digest));
    clo_buffer_le16(&data, year);
    clo_buffer_zero(&data, 14);
    if (year != 0)
        data.data[34] = data.data[35] = 2; /* February the 2nd */
    add_list(out, X509_SHA256, clo_buffer_bytes(&data));
}

struct scene {
    struct signer root, middle, leaf, other;
    struct clo_authenticode_image image; /* signed by the leaf, with its chain */
    struct clo_buffer file, table;
    struct clo_buffer db, dbx;
};

/* The chain goes in next to the leaf's certificate: PKCS#7 by hand once more would prove nothing, so the
 * SEQUENCEs around the certificates are stretched. */
static void add_chain(struct clo_bytes pkcs7, struct clo_bytes leaf, struct clo_bytes middle,
                      struct clo_buffer *out)
{
    const uint8_t *at = memmem(pkcs7.data, pkcs7.size, leaf.data, leaf.size);
    size_t end = (size_t)(at - pkcs7.data) + leaf.size;
    /* ContentInfo, [0], SignedData, and the [0] right before the certificate: all with 82 xx xx. */
    const size_t lengths[] = { 2, 4 + 11 + 2, 4 + 11 + 4 + 2, (size_t)(at - pkcs7.data) - 2 };

    clo_buffer_append(out, clo_bytes_slice(pkcs7, 0, end));
    clo_buffer_append(out, middle);
    clo_buffer_append(out, clo_bytes_slice(pkcs7, end, pkcs7.size));
    for (size_t i = 0; i < CLO_COUNT(lengths); i++) {
        uint8_t *length = out->data + lengths[i];
        CHECK(length[-1] == 0x82, "a two-byte length");
        size_t size = ((size_t)length[0] << 8 | length[1]) + middle.size;
        length[0] = (uint8_t)(size >> 8);
        length[1] = (uint8_t)size;
    }
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pkcs7 = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer whole = { 0 };
    struct clo_error err;
    struct clo_pe pe;

    signer_make_issued(&scene->root, CLO_KEY_RSA, "root", true, NULL);
    signer_make_issued(&scene->middle, CLO_KEY_P384, "middle", true, &scene->root);
    signer_make_issued(&scene->leaf, CLO_KEY_RSA, "leaf", false, &scene->middle);
    signer_make(&scene->other, CLO_KEY_RSA, "other");
    pe_make(&scene->file, pe_stub, CLO_COUNT(pe_stub));
    CHECK(clo_pe_parse(clo_buffer_bytes(&scene->file), &pe, &err), err.text);
    for (size_t i = CLO_HASH_SHA256; i <= CLO_HASH_SHA384; i++)
        CHECK(clo_authenticode_digest(&pe, (enum clo_hash)i, &scene->image.digests[i], &err),
              err.text);
    CHECK(clo_authenticode_make(&scene->image.digests[CLO_HASH_SHA256], scene->leaf.key,
                                scene->leaf.certificate, &pkcs7, &err),
          err.text);
    add_chain(clo_buffer_bytes(&pkcs7), clo_certificate_der(scene->leaf.certificate),
              clo_certificate_der(scene->middle.certificate), &whole);
    clo_authenticode_entry(clo_buffer_bytes(&whole), &scene->table);
    scene->image.certificates = clo_buffer_bytes(&scene->table);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    signer_free(&scene->root);
    signer_free(&scene->middle);
    signer_free(&scene->leaf);
    signer_free(&scene->other);
    clo_buffer_free(&scene->file);
    clo_buffer_free(&scene->table);
    clo_buffer_free(&scene->db);
    clo_buffer_free(&scene->dbx);
    free(scene);
    return 0;
}

static void judge(struct scene *scene, bool is_allowed, const char *list, size_t entry,
                  const char *text)
{
    struct clo_authenticode_verdict verdict;
    struct clo_error err;

    CHECK(clo_authenticode_appraise(&scene->image, clo_buffer_bytes(&scene->db),
                                    clo_buffer_bytes(&scene->dbx), &verdict, &err),
          err.text);
    CHECK(verdict.is_allowed == is_allowed, verdict.text);
    CHECK(list == NULL ? verdict.list == NULL
                       : verdict.list != NULL && strcmp(verdict.list, list) == 0 &&
                                 verdict.entry == entry,
          verdict.text);
    CHECK(strstr(verdict.text, text) != NULL, verdict.text);
}

static void clear(struct scene *scene)
{
    scene->db.size = 0;
    scene->dbx.size = 0;
}

/* Each of the chain allows it; a stranger does not; nor does nothing at all. */
static void test_allowed(void **state)
{
    struct scene *scene = *state;
    const struct signer *const chain[] = { &scene->leaf, &scene->middle, &scene->root };
    struct clo_authenticode_verdict verdict;
    struct clo_error err;

    clear(scene);
    judge(scene, false, NULL, 0, "no signature over it leads to one");
    for (size_t i = 0; i < CLO_COUNT(chain); i++) {
        clear(scene);
        add_certificate(&scene->db, &scene->other);
        judge(scene, false, NULL, 0, "no entry of db allows it");
        add_certificate(&scene->db, chain[i]);
        judge(scene, true, "db", 1, "allows it: signature 1 leads to it");
    }
    clear(scene);
    add_list(&scene->db, SHA384, clo_digest_bytes(&scene->image.digests[CLO_HASH_SHA384]));
    judge(scene, true, "db", 0, "allows it: the digest of this image");
    /* A list whose entries are not of its kind's size is not a list. */
    clear(scene);
    add_list(&scene->db, SHA256, clo_digest_bytes(&scene->image.digests[CLO_HASH_SHA384]));
    CHECK(!clo_authenticode_appraise(&scene->image, clo_buffer_bytes(&scene->db),
                                     clo_buffer_bytes(&scene->dbx), &verdict, &err) &&
                  strstr(err.text, "entries of 64 bytes, sha256 has 48") != NULL,
          err.text);
}

/* dbx wins over db, whatever db says. */
static void test_forbidden(void **state)
{
    struct scene *scene = *state;
    const struct signer *const chain[] = { &scene->leaf, &scene->middle, &scene->root };

    for (size_t i = 0; i < CLO_COUNT(chain); i++) {
        clear(scene);
        add_certificate(&scene->db, &scene->leaf);
        add_certificate(&scene->dbx, &scene->other);
        judge(scene, true, "db", 0, "allows");
        add_certificate(&scene->dbx, chain[i]);
        judge(scene, false, "dbx", 1, "forbids it: signature 1 leads to it");
    }
    clear(scene);
    add_certificate(&scene->db, &scene->root);
    add_list(&scene->dbx, SHA256, clo_digest_bytes(&scene->image.digests[CLO_HASH_SHA256]));
    judge(scene, false, "dbx", 0, "forbids it: the digest of this image");
}

static void test_revoked(void **state)
{
    struct scene *scene = *state;

    clear(scene);
    add_certificate(&scene->db, &scene->root);
    add_revoked(&scene->dbx, &scene->other, 0);
    judge(scene, true, "db", 0, "allows");
    add_revoked(&scene->dbx, &scene->middle, 0);
    judge(scene, false, "dbx", 1, "revokes a certificate of signature 1");
    clear(scene);
    add_certificate(&scene->db, &scene->root);
    add_revoked(&scene->dbx, &scene->leaf, 2020);
    judge(scene, false, "dbx", 0, "as of 2020-02-02T00:00:00Z (it has no timestamp)");
    /* The anchor itself, which did not come along. */
    clear(scene);
    add_certificate(&scene->db, &scene->root);
    add_revoked(&scene->dbx, &scene->root, 0);
    judge(scene, false, NULL, 0, "no entry of db allows it");
}

/* Another image's signature is not a signature; and one that is broken neither. */
static void test_not_this_image(void **state)
{
    struct scene *scene = *state;
    struct clo_authenticode_image image = scene->image;

    clear(scene);
    add_certificate(&scene->db, &scene->root);
    scene->image.digests[CLO_HASH_SHA256].bytes[0] ^= 1;
    judge(scene, false, NULL, 0, "no signature over it leads to one");
    scene->image = image;
    scene->image.certificates = clo_bytes(NULL, 0);
    judge(scene, false, NULL, 0, "it is not signed, and its digest is not listed");
    scene->image = image;
    for (size_t i = 0; i < scene->table.size; i += 7) {
        struct clo_authenticode_verdict verdict;
        struct clo_error err;
        scene->table.data[i] ^= 1;
        CHECK(clo_authenticode_appraise(&scene->image, clo_buffer_bytes(&scene->db),
                                        clo_bytes(NULL, 0), &verdict, &err),
              err.text);
        scene->table.data[i] ^= 1;
    }
    judge(scene, true, "db", 0, "allows");
}

/* A certificate that may not issue others issues nothing. */
static void test_no_ca(void **state)
{
    struct scene *scene = *state;
    struct signer child = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pkcs7 = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    struct clo_authenticode_signature signature;
    struct clo_error err;

    signer_make_issued(&child, CLO_KEY_P256, "child", false, &scene->other);
    CHECK(clo_authenticode_make(&scene->image.digests[CLO_HASH_SHA256], child.key,
                                child.certificate, &pkcs7, &err),
          err.text);
    clo_authenticode_entry(clo_buffer_bytes(&pkcs7), &table);
    struct clo_authenticode_walk walk = clo_authenticode_walk(clo_buffer_bytes(&table));
    CHECK(clo_authenticode_next(&walk, &signature, &err) == CLO_NEXT_ITEM, err.text);
    CHECK(clo_authenticode_signature_verify(&signature, child.certificate, &err), err.text);
    CHECK(!clo_authenticode_signature_verify(&signature, scene->other.certificate, &err), "no CA");
    CHECK(err.status == CLO_ERR_REFUSED &&
                  strcmp(err.text, "it does not lead to \"CN=other\"") == 0,
          err.text);
    signer_free(&child);
}

static void test_malformed(void **state)
{
    struct scene *scene = *state;
    struct clo_authenticode_verdict verdict;
    struct clo_error err;

    clear(scene);
    add_certificate(&scene->db, &scene->root);
    for (size_t size = 1; size < scene->db.size; size++) {
        struct clo_bytes cut = clo_bytes_slice(clo_buffer_bytes(&scene->db), 0, size);
        CHECK(!clo_authenticode_appraise(&scene->image, cut, clo_bytes(NULL, 0), &verdict, &err),
              "db cut short");
        CHECK(strcmp(err.text, "db: signature list at byte 0: wrong sizes") == 0, err.text);
        CHECK(!clo_authenticode_appraise(&scene->image, clo_bytes(NULL, 0), cut, &verdict, &err),
              "dbx cut short");
        CHECK(strcmp(err.text, "dbx: signature list at byte 0: wrong sizes") == 0, err.text);
    }
    scene->image.digests[CLO_HASH_SHA256].hash = CLO_HASH_NONE;
    CHECK(!clo_authenticode_appraise(&scene->image, clo_buffer_bytes(&scene->db),
                                     clo_bytes(NULL, 0), &verdict, &err),
          "undecided");
    CHECK(strcmp(err.text, "the image's sha256 digest is needed") == 0, err.text);
    scene->image.digests[CLO_HASH_SHA256].hash = CLO_HASH_SHA256;
}

/* The table at every length: a signature, or a reason with an offset, or the end. */
static void test_truncated(void **state)
{
    struct scene *scene = *state;
    struct clo_authenticode_signature signature;
    struct clo_error err;

    for (size_t size = 0; size < scene->table.size; size++) {
        struct clo_bytes cut = clo_bytes_slice(clo_buffer_bytes(&scene->table), 0, size);
        struct clo_authenticode_walk walk = clo_authenticode_walk(cut);
        enum clo_next next = clo_authenticode_next(&walk, &signature, &err);
        CHECK((next == CLO_NEXT_END) == (size == 0), "cut");
        CHECK(next != CLO_NEXT_ITEM || scene->table.size - size < 8, "cut");
        CHECK(next != CLO_NEXT_FAILED ||
                      strncmp(err.text, "certificate table: entry at 0x0", 31) == 0,
              err.text);
        CHECK(clo_authenticode_next(&walk, &signature, &err) == CLO_NEXT_END, "it was the last");
    }
    struct clo_authenticode_walk walk = clo_authenticode_walk(clo_buffer_bytes(&scene->table));
    CHECK(clo_authenticode_next(&walk, &signature, &err) == CLO_NEXT_ITEM, err.text);
    CHECK(signature.certificate_count == 2 && !signature.has_timestamp, "what came along");
    CHECK(clo_authenticode_next(&walk, &signature, &err) == CLO_NEXT_END, "the end");
}

/* Digests come when they are asked for: those that lists and signatures speak of, and no others. */
struct asked {
    const struct scene *scene;
    unsigned *hashes;
    bool is_lost;
};

static bool give(const void *context, unsigned hashes, struct clo_digest digests[CLO_HASH_COUNT],
                 struct clo_error *err)
{
    const struct asked *asked = context;

    *asked->hashes |= hashes;
    for (unsigned hash = 0; hash < CLO_HASH_COUNT; hash++)
        if ((hashes >> hash & 1) != 0)
            digests[hash] = asked->scene->image.digests[hash];
    return !asked->is_lost || clo_fail(err, CLO_ERR_SYSTEM, "the file is gone");
}

static void test_asked(void **state)
{
    struct scene *scene = *state;
    unsigned hashes = 0;
    struct asked asked = { .scene = scene, .hashes = &hashes };
    const struct clo_authenticode_subject subject = { scene->image.certificates, give, &asked };
    struct clo_authenticode_verdict verdict;
    struct clo_authenticode_lead lead;
    struct clo_error err;

    clear(scene);
    add_certificate(&scene->db, &scene->root);
    CHECK(clo_authenticode_judge(&subject, clo_buffer_bytes(&scene->db),
                                 clo_buffer_bytes(&scene->dbx), &verdict, &err),
          err.text);
    CHECK(verdict.is_allowed && hashes == 1U << CLO_HASH_SHA256, "what the signature speaks of");
    add_list(&scene->dbx, SHA384, clo_digest_bytes(&scene->image.digests[CLO_HASH_SHA384]));
    CHECK(clo_authenticode_judge(&subject, clo_buffer_bytes(&scene->db),
                                 clo_buffer_bytes(&scene->dbx), &verdict, &err),
          err.text);
    CHECK(!verdict.is_allowed && hashes == (1U << CLO_HASH_SHA256 | 1U << CLO_HASH_SHA384),
          "and dbx");
    CHECK(clo_authenticode_lead(&subject, scene->middle.certificate, &lead, &err), err.text);
    CHECK(lead.hash == CLO_HASH_SHA256 && lead.signatures == 1, "to one of its chain");
    CHECK(clo_authenticode_lead(&subject, scene->other.certificate, &lead, &err), err.text);
    CHECK(lead.hash == CLO_HASH_NONE && lead.signatures == 1, "to nobody else");
    asked.is_lost = true;
    CHECK(!clo_authenticode_judge(&subject, clo_buffer_bytes(&scene->db),
                                  clo_buffer_bytes(&scene->dbx), &verdict, &err),
          "an image that cannot be read any more");
    CHECK(!clo_authenticode_lead(&subject, scene->root.certificate, &lead, &err), "nor here");
    clear(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allowed),   cmocka_unit_test(test_forbidden),
        cmocka_unit_test(test_revoked),   cmocka_unit_test(test_not_this_image),
        cmocka_unit_test(test_no_ca),     cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_asked),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
