/* TDX quotes that go-tdx-guest took apart (its message QuoteV4, in protobuf's JSON), put together again as Intel's
 * Table "ECDSA 256-bit Quote version 4" has them. A mistake here could only break the signatures. */
#include "cloister/tdx.h"

#include "import_internal.h"

enum part_kind {
    NUMBER, /* `size` bytes, little endian */
    BYTES,  /* of exactly `size` */
    SIZED,  /* any number of bytes, after their number in `size` bytes */
    REGISTERS,
    REST, /* any number, or none: what came after the quote */
};

/* In the order in which they stand in a quote. */
static const struct part {
    const char *path[4]; /* the objects around it */
    const char *name;
    enum part_kind kind;
    size_t size;
} parts[] = {
#define HEADER   \
    {            \
        "header" \
    }
    { HEADER, "version", NUMBER, 2 },
    { HEADER, "attestationKeyType", NUMBER, 2 },
    { HEADER, "teeType", NUMBER, 4 },
    { HEADER, "pceSvn", BYTES, 2 },
    { HEADER, "qeSvn", BYTES, 2 },
    { HEADER, "qeVendorId", BYTES, 16 },
    { HEADER, "userData", BYTES, 20 },
#define BODY          \
    {                 \
        "tdQuoteBody" \
    }
    { BODY, "teeTcbSvn", BYTES, 16 },
    { BODY, "mrSeam", BYTES, 48 },
    { BODY, "mrSignerSeam", BYTES, 48 },
    { BODY, "seamAttributes", BYTES, 8 },
    { BODY, "tdAttributes", BYTES, 8 },
    { BODY, "xfam", BYTES, 8 },
    { BODY, "mrTd", BYTES, 48 },
    { BODY, "mrConfigId", BYTES, 48 },
    { BODY, "mrOwner", BYTES, 48 },
    { BODY, "mrOwnerConfig", BYTES, 48 },
    { BODY, "rtmrs", REGISTERS, 48 },
    { BODY, "reportData", BYTES, 64 },
    { { NULL }, "signedDataSize", NUMBER, 4 },
#define SIGNED       \
    {                \
        "signedData" \
    }
    { SIGNED, "signature", BYTES, 64 },
    { SIGNED, "ecdsaAttestationKey", BYTES, 64 },
#define CERTIFICATION                     \
    {                                     \
        "signedData", "certificationData" \
    }
    { CERTIFICATION, "certificateDataType", NUMBER, 2 },
    { CERTIFICATION, "size", NUMBER, 4 },
#define QE                                                             \
    {                                                                  \
        "signedData", "certificationData", "qeReportCertificationData" \
    }
#define QE_REPORT                                                                  \
    {                                                                              \
        "signedData", "certificationData", "qeReportCertificationData", "qeReport" \
    }
    { QE_REPORT, "cpuSvn", BYTES, 16 },
    { QE_REPORT, "miscSelect", NUMBER, 4 },
    { QE_REPORT, "reserved1", BYTES, 28 },
    { QE_REPORT, "attributes", BYTES, 16 },
    { QE_REPORT, "mrEnclave", BYTES, 32 },
    { QE_REPORT, "reserved2", BYTES, 32 },
    { QE_REPORT, "mrSigner", BYTES, 32 },
    { QE_REPORT, "reserved3", BYTES, 96 },
    { QE_REPORT, "isvProdId", NUMBER, 2 },
    { QE_REPORT, "isvSvn", NUMBER, 2 },
    { QE_REPORT, "reserved4", BYTES, 60 },
    { QE_REPORT, "reportData", BYTES, 64 },
    { QE, "qeReportSignature", BYTES, 64 },
    { { "signedData", "certificationData", "qeReportCertificationData", "qeAuthData" },
      "data",
      SIZED,
      2 },
#define CHAIN                                                                                     \
    {                                                                                             \
        "signedData", "certificationData", "qeReportCertificationData", "pckCertificateChainData" \
    }
    { CHAIN, "certificateDataType", NUMBER, 2 },
    { CHAIN, "pckCertChain", SIZED, 4 },
    { { NULL }, "extraBytes", REST, 0 },
};

static void put_number(struct clo_buffer *out, size_t size, uint64_t number)
{
    for (size_t i = 0; i < size; i++)
        clo_buffer_u8(out, (uint8_t)(number >> (8 * i)));
}

static bool put_registers(const json_t *registers, const struct part *part, struct clo_buffer *out,
                          struct clo_error *err)
{
    if (json_array_size(registers) != CLO_TDX_RTMR_COUNT)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" are not %d registers", part->name,
                        CLO_TDX_RTMR_COUNT);
    for (size_t i = 0; i < CLO_TDX_RTMR_COUNT; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        if (!import_value(json_array_get(registers, i), part->size, &bytes, err) ||
            bytes.size != part->size)
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": register %zu is not %zu bytes",
                            part->name, i, part->size);
        clo_buffer_append(out, clo_buffer_bytes(&bytes));
    }
    return true;
}

static bool put_part(const json_t *object, const struct part *part, struct clo_buffer *out,
                     struct clo_error *err)
{
    const json_t *value = json_object_get(object, part->name);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    uint64_t number = 0;

    switch (part->kind) {
    case NUMBER: /* protobuf's JSON leaves zero out */
        if (value != NULL && !import_number(value, part->name, part->size, &number, err))
            return false;
        put_number(out, part->size, number);
        return true;
    case BYTES:
        return import_member(object, part->name, part->size, out, err);
    case SIZED:
        if (value != NULL && !import_base64(object, part->name, &bytes, err))
            return false;
        put_number(out, part->size, bytes.size);
        clo_buffer_append(out, clo_buffer_bytes(&bytes));
        return true;
    case REST:
        if (value != NULL && !import_base64(object, part->name, &bytes, err))
            return false;
        clo_buffer_append(out, clo_buffer_bytes(&bytes));
        return true;
    case REGISTERS:
        return put_registers(value, part, out, err);
    }
    return false;
}

bool import_tdx_go(const json_t *quote, struct clo_buffer *out, struct clo_error *err)
{
    for (size_t i = 0; i < CLO_COUNT(parts); i++) {
        const json_t *object = quote;
        for (size_t k = 0; k < CLO_COUNT(parts[i].path) && parts[i].path[k] != NULL; k++)
            object = json_object_get(object, parts[i].path[k]);
        if (!put_part(object, &parts[i], out, err))
            return false;
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
