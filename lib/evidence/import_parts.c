/* What the forms of evidence are made of, put into a bundle. */
#include "import_internal.h"

bool import_add(struct clo_import *import, const char *label, struct clo_bytes bytes,
                struct clo_error *err)
{
    import->kind = CLO_IMPORT_EVIDENCE;
    return (import->evidence != NULL || clo_evidence_new(&import->evidence, err)) &&
           clo_evidence_add(import->evidence, label, bytes, err);
}

bool import_add_member(struct clo_import *import, const char *label, const json_t *object,
                       const char *name, bool optional, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    const json_t *value = json_object_get(object, name);

    if (optional && (value == NULL || json_is_null(value)))
        return true;
    if (!import_member(object, name, 0, &bytes, err))
        return false;
    if (bytes.size == 0)
        return optional || clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is empty", name);
    return import_add(import, label, clo_buffer_bytes(&bytes), err);
}

bool import_add_quote(struct clo_import *import, struct clo_bytes attest,
                      struct clo_bytes signature, const json_t *pcrs, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer whole = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer values = { 0 };

    attest = clo_import_attest(attest);
    if (!clo_import_signature(signature, attest, &whole, err) ||
        !import_add(import, CLO_EVIDENCE_TPM_QUOTE, attest, err) ||
        !import_add(import, CLO_EVIDENCE_TPM_SIGNATURE, clo_buffer_bytes(&whole), err))
        return false;
    if (pcrs == NULL || json_is_null(pcrs))
        return true;
    return import_pcrs_json(pcrs, attest, &values, err) &&
           import_add(import, CLO_EVIDENCE_TPM_PCRS, clo_buffer_bytes(&values), err);
}
