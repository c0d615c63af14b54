/* Registers by the names that the file has for them, and their values. */
#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "reference_internal.h"

bool clo_register_is_rtmr(unsigned reg)
{
    return reg >= CLO_REGISTER_RTMR(0) && reg < CLO_REGISTER_RTMR(CLO_RTMR_COUNT);
}

const char *clo_register_name(unsigned reg, char out[CLO_REGISTER_NAME])
{
    bool is_rtmr = clo_register_is_rtmr(reg);

    snprintf(out, CLO_REGISTER_NAME, "%s %u", is_rtmr ? "RTMR" : "PCR",
             is_rtmr ? reg - CLO_REGISTER_RTMR(0) : reg);
    return out;
}

void reference_key(unsigned reg, char out[REFERENCE_KEY])
{
    bool is_rtmr = clo_register_is_rtmr(reg);

    snprintf(out, REFERENCE_KEY, "%s%u", is_rtmr ? "rtmr" : "",
             is_rtmr ? reg - CLO_REGISTER_RTMR(0) : reg);
}

bool reference_is_rtmr_key(const char *key)
{
    return strncmp(key, "rtmr", 4) == 0 && key[4] >= '0' && key[4] < '0' + CLO_RTMR_COUNT &&
           key[5] == '\0';
}

bool reference_read_digest(const json_t *text, enum clo_hash hash, struct clo_digest *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_error ignored;

    if (!json_is_string(text) ||
        !clo_hex_read(clo_bytes_text(json_string_value(text)), &bytes, &ignored) ||
        bytes.size != clo_hash_size(hash))
        return false;
    *out = (struct clo_digest){ .hash = hash };
    memcpy(out->bytes, bytes.data, bytes.size);
    return true;
}

bool clo_reference_value(const struct clo_reference *reference, enum clo_hash hash, unsigned pcr,
                         const char *phase, struct clo_digest *out)
{
    char key[REFERENCE_KEY];

    reference_key(pcr, key);
    if (clo_register_is_rtmr(pcr))
        return hash == CLO_HASH_SHA384 &&
               reference_read_digest(json_object_get(reference->tdx, key), hash, out);
    json_t *value = json_object_get(json_object_get(reference->pcrs, clo_hash_name(hash)), key);
    if (json_is_object(value))
        value = json_object_get(value, phase);
    return reference_read_digest(value, hash, out);
}
