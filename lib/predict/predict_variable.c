/* EFI variables as PCR 7 knows them, and the authorities that firmware and shim log: TCG PC Client Platform
 * Firmware Profile 1.06 sections 3.3.4 and 10.4.2; edk2, SecurityPkg Tcg2Dxe and DxeImageVerificationLib. */
#include "lib/predict/predict.h"

#include <string.h>

#include "cloister/encoding.h"

const struct secure_variable predict_secure_variables[] = {
    { "SecureBoot", &clo_guid_global_variable, false }, { "PK", &clo_guid_global_variable, false },
    { "KEK", &clo_guid_global_variable, false },        { "db", &clo_guid_image_security, false },
    { "dbx", &clo_guid_image_security, false },         { "dbt", &clo_guid_image_security, true },
};

/* UEFI_VARIABLE_DATA, section 10.4.2 of the profile. */
bool predict_variable_data(const char *name, const struct clo_guid *vendor, struct clo_bytes value,
                           struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wide = { 0 };

    if (!clo_utf16_write(name, &wide, err))
        return false;
    clo_buffer_append(out, clo_bytes(vendor->bytes, sizeof vendor->bytes));
    clo_buffer_le64(out, wide.size / 2);
    clo_buffer_le64(out, value.size);
    clo_buffer_append(out, clo_buffer_bytes(&wide));
    clo_buffer_append(out, value);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool predict_variable(struct prediction *p, const struct predict_variable *variable,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    struct record_event event = { .reg = 7, .name = variable->title };

    if (!predict_variable_data(variable->name, variable->vendor, variable->value, &data, err))
        return false;
    struct clo_bytes bytes = clo_buffer_bytes(&data);
    event.type = clo_event_type_name(variable->type);
    event.data = bytes;
    record_bytes(&p->record, &event, bytes);
    return true;
}

bool predict_authority(struct prediction *p, struct authorities *authorities,
                       const struct predict_variable *variable, struct clo_error *err)
{
    for (size_t i = 0; i < authorities->count; i++)
        if (strcmp(authorities->seen[i].name, variable->name) == 0 &&
            clo_bytes_equal(authorities->seen[i].value, variable->value))
            return true;
    if (authorities->count == AUTHORITIES_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "more than %d authorities", AUTHORITIES_MAX);
    authorities->seen[authorities->count].name = variable->name;
    authorities->seen[authorities->count++].value = variable->value;
    return predict_variable(p, variable, err);
}

enum clo_next predict_signature_next(struct clo_authenticode_walk *walk,
                                     struct clo_authenticode_signature *out, struct clo_error *err)
{
    enum clo_next next;

    do {
        next = clo_authenticode_next(walk, out, err);
    } while (next == CLO_NEXT_FAILED && err->status == CLO_ERR_UNSUPPORTED);
    return next;
}
