#include "cli/measure/volume_key.h"

#include <stdio.h>
#include <string.h>

#include "cli/inputs.h"

static bool find_event(const struct clo_reference *reference, struct clo_reference_event *out)
{
    for (size_t i = 0; clo_reference_event_at(reference, 15, CLO_PHASE_READY, i, out); i++)
        if (strcmp(out->type, "volume-key") == 0)
            return true;
    return false;
}

static bool take_bank(const struct clo_reference_event *event, enum clo_hash hash,
                      struct clo_digest *out, struct clo_error *err)
{
    for (size_t i = 0; i < event->digest_count; i++)
        if (event->digests[i].hash == hash) {
            *out = event->digests[i];
            return true;
        }
    return clo_fail(err, CLO_ERR_USAGE, "the volume key's measurement is not in bank %s",
                    clo_hash_name(hash));
}

bool cli_volume_key_read(const char *path, struct cli_volume_key *out,
                         struct clo_prediction *prediction, struct clo_error *err)
{
    static const enum clo_hash by_default[] = { CLO_HASH_SHA256 };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    const enum clo_hash *banks = prediction->banks == NULL ? by_default : prediction->banks;
    size_t count = prediction->banks == NULL ? CLO_COUNT(by_default) : prediction->bank_count;
    struct clo_reference_event event;

    if (!cli_read_reference(path, &reference, err))
        return false;
    if (!find_event(reference, &event))
        return clo_fail(err, CLO_ERR_FORMAT, "%s: lists no measurement of a volume key", path);
    for (size_t i = 0; i < count && i < CLO_HASH_COUNT; i++)
        if (!take_bank(&event, banks[i], &out->measurements[i], err))
            return clo_wrap(err, "%s", path);
    snprintf(out->text, sizeof out->text, "%s", event.text == NULL ? "" : event.text);
    prediction->volume_key_measurements = out->measurements;
    prediction->volume_key_count = count;
    prediction->volume_key_text = event.text == NULL ? NULL : out->text;
    return true;
}
