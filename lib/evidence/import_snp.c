/* SEV-SNP reports that a program took apart into a structure, put together again as AMD's table 23 has them (AMD
 * 56860, section 7.3). What it left out, the reserved bytes, is zero in every version that it knows; a mistake here
 * could only break the signature. */
#include <string.h>

#include "import_internal.h"

#define FAMILY_1A 0x1a

enum field_kind {
    NUMBER,
    BYTES,
    TCB,
};

/* Names as virtee's crate `sev` writes them (Trustee), and as go-sev-guest's messages in JSON. */
static const struct field {
    const char *virtee, *go;
    enum field_kind kind;
    bool newer; /* in newer reports alone: may be absent or null */
    size_t at, size;
} fields[] = {
    { "version", "version", NUMBER, false, 0x00, 4 },
    { "guest_svn", "guestSvn", NUMBER, false, 0x04, 4 },
    { "policy", "policy", NUMBER, false, 0x08, 8 },
    { "family_id", "familyId", BYTES, false, 0x10, 16 },
    { "image_id", "imageId", BYTES, false, 0x20, 16 },
    { "vmpl", "vmpl", NUMBER, false, 0x30, 4 },
    { "sig_algo", "signatureAlgo", NUMBER, false, 0x34, 4 },
    { "current_tcb", "currentTcb", TCB, false, 0x38, 8 },
    { "plat_info", "platformInfo", NUMBER, false, 0x40, 8 },
    { "key_info", "signerInfo", NUMBER, false, 0x48, 4 },
    { "report_data", "reportData", BYTES, false, 0x50, 64 },
    { "measurement", "measurement", BYTES, false, 0x90, 48 },
    { "host_data", "hostData", BYTES, false, 0xc0, 32 },
    { "id_key_digest", "idKeyDigest", BYTES, false, 0xe0, 48 },
    { "author_key_digest", "authorKeyDigest", BYTES, false, 0x110, 48 },
    { "report_id", "reportId", BYTES, false, 0x140, 32 },
    { "report_id_ma", "reportIdMa", BYTES, false, 0x160, 32 },
    { "reported_tcb", "reportedTcb", TCB, false, 0x180, 8 },
    { "chip_id", "chipId", BYTES, false, 0x1a0, 64 },
    { "committed_tcb", "committedTcb", TCB, false, 0x1e0, 8 },
    { "launch_tcb", "launchTcb", TCB, false, 0x1f0, 8 },
    { "launch_mit_vector", "launchMitVector", NUMBER, true, 0x1f8, 8 },
    { "current_mit_vector", "currentMitVector", NUMBER, true, 0x200, 8 },
    /* Version 3 and newer; go-sev-guest has them in CPUID's own form. */
    { "cpuid_fam_id", NULL, NUMBER, true, 0x188, 1 },
    { "cpuid_mod_id", NULL, NUMBER, true, 0x189, 1 },
    { "cpuid_step", NULL, NUMBER, true, 0x18a, 1 },
    { NULL, "currentBuild", NUMBER, false, 0x1e8, 1 },
    { NULL, "currentMinor", NUMBER, false, 0x1e9, 1 },
    { NULL, "currentMajor", NUMBER, false, 0x1ea, 1 },
    { NULL, "committedBuild", NUMBER, false, 0x1ec, 1 },
    { NULL, "committedMinor", NUMBER, false, 0x1ed, 1 },
    { NULL, "committedMajor", NUMBER, false, 0x1ee, 1 },
    { NULL, "signature", BYTES, false, 0x2a0, 512 },
};

static void put(uint8_t *at, size_t size, uint64_t number)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(number >> (8 * i));
}

static bool put_bytes(const json_t *object, const char *name, size_t size, uint8_t *at,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    if (!import_member(object, name, size, &bytes, err))
        return false;
    memcpy(at, bytes.data, size);
    return true;
}

/* TCB_VERSION's components at their places, which depend on the processor's family (AMD 56860, tables 3 and 4). */
static bool put_tcb(const json_t *report, const char *name, bool is_1a, uint8_t *at,
                    struct clo_error *err)
{
    static const struct {
        const char *name;
        uint8_t before, family_1a;
    } parts[] = {
        { "bootloader", 0, 1 },
        { "tee", 1, 2 },
        { "snp", 6, 3 },
        { "microcode", 7, 7 },
    };
    const json_t *tcb = json_object_get(report, name);
    uint64_t number;

    if (!json_is_object(tcb))
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is not an object", name);
    for (size_t i = 0; i < CLO_COUNT(parts); i++) {
        if (!import_number(json_object_get(tcb, parts[i].name), parts[i].name, 1, &number, err))
            return clo_wrap(err, "\"%s\"", name);
        at[is_1a ? parts[i].family_1a : parts[i].before] = (uint8_t)number;
    }
    const json_t *fmc = json_object_get(tcb, "fmc");
    if (!is_1a || fmc == NULL || json_is_null(fmc))
        return true;
    if (!import_number(fmc, "fmc", 1, &number, err))
        return clo_wrap(err, "\"%s\"", name);
    at[0] = (uint8_t)number;
    return true;
}

static bool put_field(const json_t *report, const struct field *field, const char *name, bool is_1a,
                      uint8_t *raw, struct clo_error *err)
{
    const json_t *value = json_object_get(report, name);
    uint64_t number;

    if (value == NULL && !field->newer)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is missing", name);
    if (field->newer && (value == NULL || json_is_null(value)))
        return true;
    if (field->kind == BYTES)
        return put_bytes(report, name, field->size, raw + field->at, err);
    if (field->kind == TCB)
        return put_tcb(report, name, is_1a, raw + field->at, err);
    if (!import_number(value, name, field->size, &number, err))
        return false;
    put(raw + field->at, field->size, number);
    return true;
}

/* {"major", "minor", "build"}. */
static bool put_build(const json_t *report, const char *name, uint8_t *at, struct clo_error *err)
{
    static const char *const parts[] = { "build", "minor", "major" };
    const json_t *build = json_object_get(report, name);
    uint64_t number;

    for (size_t i = 0; i < CLO_COUNT(parts); i++) {
        if (!import_number(json_object_get(build, parts[i]), parts[i], 1, &number, err))
            return clo_wrap(err, "\"%s\"", name);
        at[i] = (uint8_t)number;
    }
    return true;
}

static bool put_signature(const json_t *report, uint8_t *at, struct clo_error *err)
{
    const json_t *signature = json_object_get(report, "signature");

    return put_bytes(signature, "r", 72, at, err) && put_bytes(signature, "s", 72, at + 72, err);
}

/* Version 2 does not name the processor: those of family 1Ah use eight bytes of CHIP_ID, older ones all of it. */
static bool is_family_1a(const json_t *report)
{
    const json_t *family = json_object_get(report, "cpuid_fam_id");
    const json_t *chip = json_object_get(report, "chip_id");
    bool is_masked = true;

    if (json_is_integer(family))
        return json_integer_value(family) >= FAMILY_1A;
    for (size_t i = 0; i < 64; i++) {
        bool is_zero = json_integer_value(json_array_get(chip, i)) == 0;
        if (i >= 8 && !is_zero)
            return false;
        is_masked = is_masked && is_zero;
    }
    return !is_masked;
}

static bool finish(const uint8_t raw[CLO_SNP_REPORT_SIZE], struct clo_buffer *out,
                   struct clo_error *err)
{
    clo_buffer_append(out, clo_bytes(raw, CLO_SNP_REPORT_SIZE));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool import_snp_virtee(const json_t *report, struct clo_buffer *out, struct clo_error *err)
{
    uint8_t raw[CLO_SNP_REPORT_SIZE] = { 0 };
    bool is_1a = is_family_1a(report);

    for (size_t i = 0; i < CLO_COUNT(fields); i++)
        if (fields[i].virtee != NULL &&
            !put_field(report, &fields[i], fields[i].virtee, is_1a, raw, err))
            return clo_wrap(err, "\"attestation_report\"");
    if (!put_build(report, "current", raw + 0x1e8, err) ||
        !put_build(report, "committed", raw + 0x1ec, err) ||
        !put_signature(report, raw + 0x2a0, err))
        return clo_wrap(err, "\"attestation_report\"");
    return finish(raw, out, err);
}

/* Protobuf's JSON leaves out what is zero: numbers, and nothing else of a report. */
bool import_snp_go(const json_t *report, struct clo_buffer *out, struct clo_error *err)
{
    uint8_t raw[CLO_SNP_REPORT_SIZE] = { 0 };
    const json_t *fms = json_object_get(report, "cpuid1eaxFms");
    uint64_t number;

    for (size_t i = 0; i < CLO_COUNT(fields); i++) {
        struct field field = fields[i];
        if (field.go == NULL)
            continue;
        field.newer = field.newer || field.kind != BYTES;
        if (field.kind == TCB)
            field.kind = NUMBER;
        if (!put_field(report, &field, field.go, false, raw, err))
            return clo_wrap(err, "\"report\"");
    }
    if (fms != NULL) {
        if (!import_number(fms, "cpuid1eaxFms", 4, &number, err))
            return clo_wrap(err, "\"report\"");
        raw[0x188] = (uint8_t)((number >> 20) + (number >> 8 & 0xf));
        raw[0x189] = (uint8_t)((number >> 12 & 0xf0) | (number >> 4 & 0xf));
        raw[0x18a] = (uint8_t)(number & 0xf);
    }
    return finish(raw, out, err);
}
