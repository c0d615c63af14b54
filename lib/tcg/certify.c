#include "lib/tcg/certify.h"

#include <string.h>

#include "lib/tcg/attest_signature.h"

/* TPM 2.0 Library, part 2: tables 7 (TPM_GENERATED) and 19 (TPM_ST). */
#define TPM_GENERATED_VALUE   0xff544347U
#define TPM_ST_ATTEST_CERTIFY 0x8017
#define CLOCK_AND_FIRMWARE    (8 + 4 + 4 + 1 + 8)

static struct clo_bytes read_sized(struct clo_reader *r)
{
    uint16_t size = clo_read_be16(r);

    return clo_read_bytes(r, size);
}

/* TPMS_ATTEST, part 2, section 10.12.12, with TPMS_CERTIFY_INFO, section 10.12.3. */
bool clo_certify_parse(struct clo_bytes attest, struct clo_certify *out, struct clo_error *err)
{
    struct clo_certify certify;
    struct clo_reader r = clo_reader(attest);

    uint32_t magic = clo_read_be32(&r);
    uint16_t type = clo_read_be16(&r);
    if (clo_reader_ok(&r) && magic != TPM_GENERATED_VALUE)
        return clo_fail(err, CLO_ERR_FORMAT, "certified object: magic 0x%08x: no TPM made it",
                        magic);
    if (clo_reader_ok(&r) && type != TPM_ST_ATTEST_CERTIFY)
        return clo_fail(err, CLO_ERR_FORMAT, "certified object: attestation of type 0x%04x", type);
    (void)read_sized(&r); /* the qualified name of the signer */
    certify.qualifying_data = read_sized(&r);
    clo_read_skip(&r, CLOCK_AND_FIRMWARE);
    certify.name = read_sized(&r);
    (void)read_sized(&r); /* the object's qualified name */
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "certified object: truncated at byte %zu", r.at);
    if (clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "certified object: %zu bytes after its end",
                        clo_reader_left(&r));
    *out = certify;
    return true;
}

bool clo_certify_verify(struct clo_bytes attest, struct clo_bytes signature,
                        const struct clo_public_key *key, struct clo_bytes qualifying_data,
                        struct clo_tpm2_name *out, struct clo_error *err)
{
    struct clo_quote_signature parsed;
    struct clo_certify certify;

    if (!clo_certify_parse(attest, &certify, err) ||
        !clo_quote_signature_parse(signature, &parsed, err))
        return false;
    if (!tcg_attest_verify(attest, &parsed, key, false, err))
        return clo_wrap(err, "certified object");
    if (!clo_bytes_equal(certify.qualifying_data, qualifying_data))
        return clo_fail(err, CLO_ERR_REFUSED, "certified object: not over the nonce");
    if (certify.name.size != sizeof out->bytes)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "certified object: a name of %zu bytes",
                        certify.name.size);
    memcpy(out->bytes, certify.name.data, sizeof out->bytes);
    return true;
}
