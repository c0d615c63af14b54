/* The identity of the TD quoting enclave, version 2 (Intel PCS API version 4, appendix "Enclave
 * identity"). */
#include <stdio.h>
#include <string.h>

#include "tdx_internal.h"

/* MISCSELECT is written as its bytes, in the order of memory. */
static uint32_t read_le32(struct walk *w)
{
    uint8_t bytes[4] = { 0 };

    walk_hex(w, bytes, sizeof bytes);
    struct clo_reader r = clo_reader(clo_bytes(bytes, sizeof bytes));
    return clo_read_le32(&r);
}

static void read_id(struct walk *w, struct tdx_qe_identity *identity)
{
    struct clo_bytes id = walk_string(w);

    if (!w->failed && id.size >= sizeof identity->id)
        walk_fail(w, "id of %zu bytes", id.size);
    if (!w->failed)
        snprintf(identity->id, sizeof identity->id, "%.*s", (int)id.size, (const char *)id.data);
}

static void read_member(struct walk *w, int i, struct tdx_qe_identity *identity)
{
    switch (i) {
    case 0:
        read_id(w, identity);
        break;
    case 1:
        identity->version = (unsigned)walk_number(w, UINT32_MAX);
        break;
    case 2:
        identity->issue_date = walk_time(w);
        break;
    case 3:
        identity->next_update = walk_time(w);
        break;
    case 4:
        identity->evaluation_number = (uint32_t)walk_number(w, UINT32_MAX);
        break;
    case 5:
        identity->miscselect = read_le32(w);
        break;
    case 6:
        identity->miscselect_mask = read_le32(w);
        break;
    case 7:
        walk_hex(w, identity->attributes, sizeof identity->attributes);
        break;
    case 8:
        walk_hex(w, identity->attributes_mask, sizeof identity->attributes_mask);
        break;
    case 9:
        walk_hex(w, identity->mr_signer, sizeof identity->mr_signer);
        break;
    case 10:
        identity->isv_prod_id = (uint16_t)walk_number(w, UINT16_MAX);
        break;
    default:
        tdx_isv_levels(w, identity->levels, &identity->level_count);
        break;
    }
}

static bool read_identity(struct walk *w, void *out)
{
    static const char *const names[] = {
        "id",         "version",        "issueDate",  "nextUpdate",     "tcbEvaluationDataNumber",
        "miscselect", "miscselectMask", "attributes", "attributesMask", "mrsigner",
        "isvprodid",  "tcbLevels",      NULL,
    };
    struct walk_object o;
    int i;

    walk_object(w, &o, names);
    while ((i = walk_member(w, &o)) >= 0)
        read_member(w, i, out);
    return walk_has(w, &o, 0xfff);
}

bool tdx_qe_identity_parse(struct clo_bytes text, struct clo_bytes signature,
                           struct tdx_qe_identity *out, struct clo_error *err)
{
    struct tdx_signed document = {
        .member = "enclaveIdentity",
        .body = read_identity,
        .out = out,
        .signature = out->signature,
    };

    if (!tdx_signed_parse(text, signature, &document, &out->unknown, err))
        return clo_wrap(err, "QE identity");
    out->signed_part = document.signed_part;
    out->has_signature = document.has_signature;
    return true;
}
