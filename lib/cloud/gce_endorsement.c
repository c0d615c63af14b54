#include "lib/cloud/gce_endorsement.h"

#include "lib/base/protobuf.h"
#include "lib/crypto/x509_path.h"

#define CERTIFICATES_MAX 32

/* --- Reading --- */

typedef bool (*take_fn)(const struct clo_protobuf_field *field, struct clo_gce_endorsement *out);

static bool read_message(struct clo_bytes in, take_fn take, struct clo_gce_endorsement *out)
{
    struct clo_reader r = clo_reader(in);
    struct clo_protobuf_field field;

    while (clo_protobuf_next(&r, &field))
        if (!take(&field, out))
            return false;
    return clo_reader_ok(&r);
}

static bool is_bytes(const struct clo_protobuf_field *field)
{
    return field->wire == CLO_PROTOBUF_BYTES;
}

static bool take_timestamp(const struct clo_protobuf_field *field, struct clo_gce_endorsement *out)
{
    if (field->number == 1 && field->wire == CLO_PROTOBUF_VARINT)
        out->timestamp = (int64_t)field->value;
    return true;
}

static bool take_snp(const struct clo_protobuf_field *field, struct clo_gce_endorsement *out)
{
    if (field->number == 1 && !is_bytes(field))
        out->snp_svn = (uint32_t)field->value;
    else if (field->number == 5 && !is_bytes(field))
        out->snp_policy = field->value;
    else if (field->number == 2 && is_bytes(field)) {
        size_t at = out->snp_count;
        if (at == CLO_GCE_MEASUREMENTS_MAX ||
            !clo_protobuf_entry(field->bytes, &out->snp_vcpus[at], &out->snp[at]) ||
            out->snp[at].size != CLO_GCE_MEASUREMENT_SIZE)
            return false;
        out->snp_count++;
    }
    return true;
}

static bool take_td(const struct clo_protobuf_field *field, struct clo_gce_endorsement *out)
{
    if (field->number != 3)
        return true;
    if (!is_bytes(field) || field->bytes.size != CLO_GCE_MEASUREMENT_SIZE ||
        out->tdx_count == CLO_GCE_MEASUREMENTS_MAX)
        return false;
    out->tdx[out->tdx_count++] = field->bytes;
    return true;
}

static bool take_tdx(const struct clo_protobuf_field *field, struct clo_gce_endorsement *out)
{
    if (field->number == 1 && !is_bytes(field))
        out->tdx_svn = (uint32_t)field->value;
    return field->number != 2 || (is_bytes(field) && read_message(field->bytes, take_td, out));
}

static bool take_golden(const struct clo_protobuf_field *field, struct clo_gce_endorsement *out)
{
    if (!is_bytes(field))
        return true;
    switch (field->number) {
    case 1:
        return read_message(field->bytes, take_timestamp, out);
    case 4:
        out->certificate = field->bytes;
        return true;
    case 5:
        out->digest = field->bytes;
        return field->bytes.size == CLO_GCE_MEASUREMENT_SIZE;
    case 6:
        out->bundle = field->bytes;
        return true;
    case 7:
        out->has_snp = true;
        return read_message(field->bytes, take_snp, out);
    case 8:
        out->has_tdx = true;
        return read_message(field->bytes, take_tdx, out);
    default:
        return true;
    }
}

static bool take_outer(const struct clo_protobuf_field *field, struct clo_gce_endorsement *out)
{
    if (field->number == 1 && is_bytes(field) && out->golden.size == 0)
        out->golden = field->bytes;
    else if (field->number == 2 && is_bytes(field) && out->signature.size == 0)
        out->signature = field->bytes;
    else
        return false;
    return true;
}

bool clo_gce_endorsement_parse(struct clo_bytes in, struct clo_gce_endorsement *out,
                               struct clo_error *err)
{
    struct clo_gce_endorsement read = { .timestamp = 0 };

    if (in.size > CLO_GCE_ENDORSEMENT_LIMIT || !read_message(in, take_outer, &read) ||
        read.golden.size == 0 || read.signature.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "launch endorsement: not what Google signs");
    if (!read_message(read.golden, take_golden, &read))
        return clo_fail(err, CLO_ERR_FORMAT, "launch endorsement: malformed");
    if (read.certificate.size == 0 || read.digest.size == 0 || read.snp_count + read.tdx_count == 0)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "launch endorsement: certificate, digest or measurements are missing");
    *out = read;
    return true;
}

/* --- Verifying --- */

struct heap {
    struct clo_certificate *own[CERTIFICATES_MAX];
    size_t own_count;
    const struct clo_certificate *all[2 * CERTIFICATES_MAX];
    size_t count;
};

static void free_heap(struct heap *heap)
{
    for (size_t i = 0; i < heap->own_count; i++)
        clo_certificate_free(heap->own[i]);
}

static bool add(struct heap *heap, struct clo_bytes der, struct clo_error *err)
{
    if (heap->own_count == CERTIFICATES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d certificates", CERTIFICATES_MAX);
    if (!clo_certificate_parse(der, &heap->own[heap->own_count], err))
        return false;
    heap->all[heap->count++] = heap->own[heap->own_count++];
    return true;
}

/* The one that signed first, those that came along, and the caller's. */
static bool fill(const struct clo_gce_endorsement *endorsement,
                 const struct clo_gce_endorsement_trust *trust, struct heap *heap,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    enum clo_next next = CLO_NEXT_END;
    size_t at = 0;

    if (!add(heap, endorsement->certificate, err))
        return false;
    while (endorsement->bundle.size > 0 && (next = clo_pem_next(endorsement->bundle, "CERTIFICATE",
                                                                &at, &der, err)) == CLO_NEXT_ITEM)
        if (!add(heap, clo_buffer_bytes(&der), err))
            return false;
    for (size_t i = 0; i < trust->certificate_count && heap->count < CLO_COUNT(heap->all); i++)
        heap->all[heap->count++] = trust->certificates[i];
    return next != CLO_NEXT_FAILED;
}

bool clo_gce_endorsement_verify(const struct clo_gce_endorsement *endorsement,
                                const struct clo_gce_endorsement_trust *trust,
                                struct clo_checks *checks, struct clo_error *err)
{
    static const struct x509_path_ids ids = { "endorsement.chain", "endorsement.root",
                                              "endorsement.validity", "endorsement.revocation" };
    CLO_CLEANUP(free_heap) struct heap heap = { .count = 0 };
    struct x509_path path;
    struct clo_error refused;

    if (!fill(endorsement, trust, &heap, err))
        return clo_wrap(err, "launch endorsement: certificates");
    bool is_signed =
            clo_signature_verify(clo_certificate_key(heap.own[0]), CLO_RSASSA_PSS, CLO_HASH_SHA256,
                                 endorsement->golden, endorsement->signature, &refused);
    clo_check_that(checks, "endorsement.signature", is_signed, "%s",
                   is_signed ? "the key in its certificate signed it" : refused.text);
    const struct x509_trust chain = { .certificates = heap.all,
                                      .certificate_count = heap.count,
                                      .crls = trust->crls,
                                      .crl_count = trust->crl_count,
                                      .roots = trust->roots,
                                      .root_count = trust->root_count,
                                      .at = trust->at };
    bool is_vouched = x509_path_check(heap.own[0], &chain, &ids, checks, &path);
    return (is_signed && is_vouched) ||
           clo_fail(err, CLO_ERR_UNVERIFIED, "launch endorsement: not authentic");
}
