/* Microsoft's endorsement of the utility VM with a chain of a pretend maker's, in both forms, with switches for what may be
 * wrong: of SVN 104 and feed "Pretend-UVM", signed at PATH_NOW - 60. */
#ifndef CLOISTER_TEST_UVM_ENDORSEMENT_MAKER_H
#define CLOISTER_TEST_UVM_ENDORSEMENT_MAKER_H

#include "cloister/encoding.h"
#include "lib/base/cbor.h"
#include "path_maker.h"

#define UVM_FEED "Pretend-UVM"

enum uvm_claims {
    UVM_BOTH_FORMS = 1,
    UVM_NO_ISSUER,
    UVM_NO_FEED,
    UVM_NO_SVN
};

struct uvm_scene {
    bool is_envelope;           /* the newer form */
    const uint8_t *measurement; /* NULL: 1, 2, 3 and zeros */
    const char *payload;        /* of the older form, whole; NULL: as it should be */
    const char *predicate;      /* of the issuer; NULL: the leaf's purpose */
    const char *issuer;         /* whole; NULL: as it should be */
    const char *content_type;   /* NULL: the form's */
    int64_t algorithm;          /* 0: PS384 */
    int64_t signed_after;       /* PATH_NOW - 60, in seconds */
    bool no_time, no_chain, leaf_alone, is_critical, says_algorithm_outside, no_tag;
    bool signed_by_another, changed, other_digest, ca_is_missing;
    size_t measurement_size; /* of the newer form; 0: 48 */
    enum uvm_claims claims;
};

static inline void uvm_put_text(struct clo_buffer *out, const char *key, const char *value)
{
    clo_cbor_text(out, key);
    clo_cbor_text(out, value);
}

static inline void uvm_put_int(struct clo_buffer *out, int64_t value)
{
    if (value < 0)
        clo_cbor_write(out, CLO_CBOR_NEGATIVE, (uint64_t)(-1 - value));
    else
        clo_cbor_write(out, CLO_CBOR_UINT, (uint64_t)value);
}

static inline void uvm_put_time(struct clo_buffer *out, const struct uvm_scene *scene)
{
    clo_cbor_write(out, CLO_CBOR_TAG, 1);
    uvm_put_int(out, PATH_NOW - 60 + scene->signed_after);
}

/* did:x509 of the chain's root; a NUL ends it. */
static inline void uvm_put_issuer(const struct uvm_scene *scene, const struct clo_certificate *root,
                                  struct clo_buffer *out)
{
    struct clo_digest digest;

    if (scene->issuer != NULL) {
        clo_buffer_printf(out, "%s", scene->issuer);
        return;
    }
    clo_hash(CLO_HASH_SHA256, clo_certificate_der(root), &digest);
    clo_buffer_printf(out, "did:x509:0:sha256:");
    clo_base64url_write(clo_digest_bytes(&digest), out);
    clo_buffer_printf(out, "::%s",
                      scene->predicate != NULL ? scene->predicate : "eku:1.3.6.1.5.5.7.3.3");
}

static inline void uvm_put_chain(const struct uvm_scene *scene,
                                 struct clo_certificate *const chain[3], struct clo_buffer *out)
{
    size_t count = scene->leaf_alone ? 1 : scene->ca_is_missing ? 2 : 3;

    uvm_put_int(out, 33);
    clo_cbor_write(out, CLO_CBOR_ARRAY, count);
    for (size_t i = 0; i < count; i++)
        clo_cbor_bytes(out, clo_certificate_der(chain[i == 1 && scene->ca_is_missing ? 2 : i]));
}

static inline size_t uvm_put_claims(const struct uvm_scene *scene, const char *issuer,
                                    struct clo_buffer *out)
{
    size_t count = 4u - scene->no_time - (scene->claims >= UVM_NO_ISSUER);

    uvm_put_int(out, 15);
    clo_cbor_write(out, CLO_CBOR_MAP, count);
    if (scene->claims != UVM_NO_ISSUER) {
        uvm_put_int(out, 1);
        clo_cbor_text(out, issuer);
    }
    if (scene->claims != UVM_NO_FEED) {
        uvm_put_int(out, 2);
        clo_cbor_text(out, UVM_FEED);
    }
    if (!scene->no_time) {
        uvm_put_int(out, 6);
        uvm_put_time(out, scene);
    }
    if (scene->claims != UVM_NO_SVN) {
        clo_cbor_text(out, "svn");
        uvm_put_int(out, 104);
    }
    uvm_put_int(out, 258);
    uvm_put_int(out, scene->other_digest ? -16 : -43);
    uvm_put_int(out, 259);
    clo_cbor_text(out,
                  scene->content_type != NULL ? scene->content_type : "application/octet-stream");
    if (scene->claims == UVM_BOTH_FORMS)
        uvm_put_text(out, "iss", issuer);
    return 3u + (scene->claims == UVM_BOTH_FORMS);
}

static inline size_t uvm_put_members(const struct uvm_scene *scene, const char *issuer,
                                     struct clo_buffer *out)
{
    size_t count = 1;

    uvm_put_int(out, 3);
    clo_cbor_text(out, scene->content_type != NULL ? scene->content_type : "application/json");
    if (scene->claims != UVM_NO_ISSUER) {
        uvm_put_text(out, "iss", issuer);
        count++;
    }
    if (scene->claims != UVM_NO_FEED) {
        uvm_put_text(out, "feed", UVM_FEED);
        count++;
    }
    if (scene->no_time)
        return count;
    clo_cbor_text(out, "signingtime");
    uvm_put_time(out, scene);
    return count + 1;
}

static inline void uvm_make_header(const struct uvm_scene *scene, const char *issuer,
                                   struct clo_certificate *const chain[3], struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer members = { 0 };
    size_t count = scene->is_envelope ? uvm_put_claims(scene, issuer, &members)
                                      : uvm_put_members(scene, issuer, &members);

    clo_cbor_write(out, CLO_CBOR_MAP, count + 1 + !scene->no_chain + scene->is_critical);
    uvm_put_int(out, 1);
    uvm_put_int(out, scene->algorithm != 0 ? scene->algorithm : -38);
    if (scene->is_critical) {
        uvm_put_int(out, 2);
        clo_cbor_write(out, CLO_CBOR_ARRAY, 1);
        clo_cbor_text(out, "feed");
    }
    clo_buffer_append(out, clo_buffer_bytes(&members));
    if (!scene->no_chain)
        uvm_put_chain(scene, chain, out);
}

static inline void uvm_make_payload(const struct uvm_scene *scene, struct clo_buffer *out)
{
    static const uint8_t usual[64] = { 1, 2, 3 };
    const uint8_t *measurement = scene->measurement != NULL ? scene->measurement : usual;
    size_t size = scene->measurement_size != 0 ? scene->measurement_size : 48;

    if (scene->is_envelope) {
        clo_buffer_append(out, clo_bytes(measurement, size));
        return;
    }
    if (scene->payload != NULL) {
        clo_buffer_printf(out, "%s", scene->payload);
        return;
    }
    clo_buffer_printf(out, "{ \"x-ms-sevsnpvm-guestsvn\": \"104\",\n"
                           " \"x-ms-sevsnpvm-launchmeasurement\": \"");
    clo_hex_write(clo_bytes(measurement, 48), out);
    clo_buffer_printf(out, "\" }\n");
}

static inline void uvm_sign(struct path_maker *maker, const struct uvm_scene *scene,
                            struct clo_bytes header, struct clo_bytes payload,
                            struct clo_buffer *out)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *other = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    clo_cbor_write(&text, CLO_CBOR_ARRAY, 4);
    clo_cbor_text(&text, "Signature1");
    clo_cbor_bytes(&text, header);
    clo_cbor_bytes(&text, clo_bytes(NULL, 0));
    clo_cbor_bytes(&text, payload);
    if ((scene->signed_by_another && !clo_private_key_new(CLO_KEY_RSA, 2048, &other, &err)) ||
        !clo_signature_make(other != NULL ? other : maker->leaf_key, CLO_RSASSA_PSS,
                            CLO_HASH_SHA384, clo_buffer_bytes(&text), out, &err))
        fail_msg("%s", err.text);
}

static inline void uvm_put_message(const struct uvm_scene *scene, struct clo_bytes header,
                                   struct clo_bytes payload, struct clo_bytes signature,
                                   struct clo_buffer *out)
{
    if (!scene->no_tag)
        clo_cbor_write(out, CLO_CBOR_TAG, 18);
    clo_cbor_write(out, CLO_CBOR_ARRAY, 4);
    clo_cbor_bytes(out, header);
    clo_cbor_write(out, CLO_CBOR_MAP, scene->says_algorithm_outside ? 1 : 0);
    if (scene->says_algorithm_outside) {
        uvm_put_int(out, 1);
        uvm_put_int(out, -38);
    }
    clo_cbor_bytes(out, payload);
    clo_cbor_bytes(out, signature);
}

/* `maker` has an RSA key for its leaf and is reset by the caller. The issuer's text is left in `issuer`. */
static inline void uvm_endorsement_make(struct path_maker *maker, const struct uvm_scene *scene,
                                        struct clo_buffer *issuer, struct clo_buffer *out)
{
    static const uint8_t code_signing[] = { 0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 3 };
    const struct clo_certificate_extension_spec purpose = {
        "2.5.29.37", clo_bytes(code_signing, sizeof code_signing), true
    };
    struct clo_certificate *chain[3] = { NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer payload = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };

    maker->leaf_extensions = &purpose;
    maker->leaf_extension_count = 1;
    path_maker_make(maker, chain);
    uvm_put_issuer(scene, chain[2], issuer);
    uvm_make_header(scene, clo_buffer_string(issuer), chain, &header);
    uvm_make_payload(scene, &payload);
    uvm_sign(maker, scene, clo_buffer_bytes(&header), clo_buffer_bytes(&payload), &signature);
    if (scene->changed) /* a byte of the measurement, or the SVN's last digit */
        payload.data[scene->is_envelope ? 5 : strlen("{ \"x-ms-sevsnpvm-guestsvn\": \"10")] ^= 1;
    uvm_put_message(scene, clo_buffer_bytes(&header), clo_buffer_bytes(&payload),
                    clo_buffer_bytes(&signature), out);
    for (size_t i = 0; i < 3; i++)
        clo_certificate_free(chain[i]);
}

#endif
