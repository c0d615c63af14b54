/* A whole appraisal, from a bundle to its verdict. An input is a list of edits to a recorded bundle that is accepted; whatever they are,
 * nothing is released but on the runtime data, the quote and the signed report of that bundle. */
#include "cloister/appraise.h"

#include <string.h>

#include "cloister/ear.h"
#include "cloister/evidence.h"
#include "fuzz.h"

#define FILE_MAX   ((size_t)1 << 20)
#define EDITS_MAX  16
#define AT         1796008322 /* when the bundle was recorded */
#define SIGNED_AT  0x20       /* the hardware report in an HCL report, */
#define SIGNED_END 0x2c0      /* and the end of what its signature covers */

static const char *const labels[] = {
    CLO_EVIDENCE_RUNTIME_DATA, CLO_EVIDENCE_HCL_REPORT,     CLO_EVIDENCE_SNP_CERTIFICATES,
    CLO_EVIDENCE_TPM_QUOTE,    CLO_EVIDENCE_TPM_SIGNATURE,  CLO_EVIDENCE_TPM_PCRS,
    CLO_EVIDENCE_EVENTLOG,     CLO_EVIDENCE_USERSPACE_LOG,  CLO_EVIDENCE_SNP_REPORT,
    CLO_EVIDENCE_TDX_QUOTE,    CLO_EVIDENCE_TDX_COLLATERAL, CLO_EVIDENCE_TDX_CCEL,
};

const unsigned fuzz_mutations = 40; /* each verifies a chain of certificates */

static struct clo_policy *policy;
static struct clo_reference *references[2];
static struct clo_evidence *recorded;
static struct clo_buffer nonce;

static void read_file(const char *name, struct clo_buffer *out)
{
    char path[4096];

    snprintf(path, sizeof path, FUZZ_DATA "/appraise/%s", name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        abort();
    }
    clo_buffer_zero(out, FILE_MAX);
    out->size = fread(out->data, 1, FILE_MAX, file);
    fclose(file);
}

static void load(void)
{
    static const char *const names[] = { "demo.ref.json", "firmware.ref.json" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer policy_text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bundle = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    const char *text;
    struct clo_error err;

    if (recorded != NULL)
        return;
    read_file("policy.json", &policy_text);
    MUST(clo_policy_parse(clo_buffer_bytes(&policy_text), &policy, &err));
    for (size_t i = 0; i < CLO_COUNT(names); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer reference = { 0 };
        read_file(names[i], &reference);
        MUST(clo_reference_parse(clo_buffer_bytes(&reference), &references[i], &err));
    }
    read_file("evidence.json", &bundle);
    MUST(clo_evidence_parse(clo_buffer_bytes(&bundle), &recorded, &err));
    MUST(clo_json_parse(clo_evidence_get(recorded, CLO_EVIDENCE_RUNTIME_DATA), &json, &err));
    MUST(clo_json_get_string(json, "nonce", &text, &err));
    clo_buffer_text(&nonce, text);
}

/* --- Edits --- */

/* A member as it is by now; absent where `is_there` is false. */
struct member {
    struct clo_buffer bytes;
    bool is_there;
};

static void replace(struct member *member, size_t at, size_t removed, struct clo_bytes added)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer whole = { 0 };
    struct clo_bytes now = clo_buffer_bytes(&member->bytes);

    clo_buffer_append(&whole, clo_bytes_slice(now, 0, at));
    clo_buffer_append(&whole, added);
    clo_buffer_append(&whole, clo_bytes_slice(now, at + removed, now.size));
    member->bytes.size = 0;
    clo_buffer_append(&member->bytes, clo_buffer_bytes(&whole));
    member->is_there = true;
}

/* One byte each for member and kind, two for the place, one for how many bytes; then the bytes, where the kind has some. */
static bool edit(struct clo_reader *r, struct member *members)
{
    struct member *member = &members[clo_read_u8(r) % CLO_COUNT(labels)];
    uint8_t kind = clo_read_u8(r) % 6;
    size_t at = clo_read_le16(r);
    size_t count = clo_read_u8(r);

    if (!clo_reader_ok(r))
        return false;
    size_t left = clo_reader_left(r);
    struct clo_bytes bytes = clo_read_bytes(r, kind < 3 ? (count < left ? count : left) : 0);
    at = at > member->bytes.size ? member->bytes.size : at;
    switch (kind) {
    case 0: /* other bytes in place of these */
        replace(member, at, bytes.size, bytes);
        break;
    case 1: /* more bytes */
        replace(member, at, 0, bytes);
        break;
    case 2: /* another member */
        replace(member, 0, member->bytes.size, bytes);
        break;
    case 3: /* fewer bytes */
        replace(member, at, count, clo_bytes(NULL, 0));
        break;
    case 4: /* cut */
        replace(member, at, member->bytes.size, clo_bytes(NULL, 0));
        break;
    default: /* none at all */
        member->is_there = false;
        break;
    }
    return true;
}

static bool make(struct clo_bytes edits, struct clo_evidence **out)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct member members[CLO_COUNT(labels)] = { 0 };
    struct clo_reader r = clo_reader(edits);
    struct clo_error err;
    bool ok = true;

    for (size_t i = 0; i < CLO_COUNT(labels); i++) {
        members[i].is_there = clo_evidence_has(recorded, labels[i]);
        clo_buffer_append(&members[i].bytes, clo_evidence_get(recorded, labels[i]));
    }
    for (size_t i = 0; i < EDITS_MAX && clo_reader_left(&r) > 0 && edit(&r, members); i++)
        ;
    MUST(clo_evidence_new(&evidence, &err));
    for (size_t i = 0; i < CLO_COUNT(labels); i++) {
        if (ok && members[i].is_there)
            ok = clo_evidence_add(evidence, labels[i], clo_buffer_bytes(&members[i].bytes), &err);
        clo_buffer_free(&members[i].bytes);
    }
    /* As it travels. */
    return ok && clo_evidence_write(evidence, &text, &err) &&
           clo_evidence_parse(clo_buffer_bytes(&text), out, &err);
}

/* --- The verdict --- */

static bool is_recorded(const struct clo_evidence *evidence, const char *label, size_t from,
                        size_t to)
{
    return clo_bytes_equal(clo_bytes_slice(clo_evidence_get(evidence, label), from, to - from),
                           clo_bytes_slice(clo_evidence_get(recorded, label), from, to - from));
}

static void check(const struct clo_evidence *evidence, const struct clo_appraisal *appraisal)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_appraisal_json(appraisal);
    struct clo_error err;
    bool releases = clo_appraisal_releases(appraisal, &err);
    bool has_failed = !clo_checks_ok(clo_appraisal_checks(appraisal));

    MUST(json != NULL && clo_appraisal_summary(appraisal)[0] != '\0');
    MUST(has_failed == (clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED));
    if (!releases) {
        MUST(err.status != CLO_OK && err.text[0] != '\0');
        return;
    }
    MUST(clo_appraisal_status(appraisal) == CLO_AFFIRMING && !has_failed);
    MUST(is_recorded(evidence, CLO_EVIDENCE_RUNTIME_DATA, 0, FILE_MAX));
    MUST(is_recorded(evidence, CLO_EVIDENCE_TPM_QUOTE, 0, FILE_MAX));
    MUST(is_recorded(evidence, CLO_EVIDENCE_HCL_REPORT, SIGNED_AT, SIGNED_END));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    struct clo_error err;

    load();
    if (!make(clo_bytes(data, size), &evidence))
        return 0;
    const struct clo_appraise_inputs inputs = {
        .policy = policy,
        .references = (const struct clo_reference *const *)references,
        .reference_count = CLO_COUNT(references),
        .expected_nonce = clo_buffer_bytes(&nonce),
        .at = AT,
    };
    if (clo_appraise(evidence, &inputs, &appraisal, &err)) {
        check(evidence, appraisal);
        MUST(size > 0 || clo_appraisal_releases(appraisal, &err)); /* as it was recorded */
    } else {
        MUST(size > 0 && err.status != CLO_OK && err.text[0] != '\0');
    }
    return 0;
}
