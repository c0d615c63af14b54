#include "image/foretell.h"

#include <string.h>

#include "cloister/authenticode.h"
#include "cloister/reference.h"
#include "lib/tcg/event_decode.h"

#define STARTED_MAX 2 /* the UKI, and the kernel in it where the stub has firmware start that */

static bool is_named(const struct event_variable *variable, const char *name)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *found = NULL;

    if (event_text(variable->name, &text))
        found = clo_buffer_string(&text);
    return found != NULL && strcmp(found, name) == 0;
}

/* The n-th event of PCR 7 that is of this type and about this variable. */
static bool variable_at(const struct clo_eventlog *log, uint32_t type, const char *name, size_t n,
                        struct event_variable *out)
{
    const struct clo_event *event;

    for (size_t i = 0; (event = clo_eventlog_at(log, i)) != NULL; i++) {
        struct event_decoded decoded;
        if (event->pcr != 7 || event->type != type)
            continue;
        event_decode(event, &decoded);
        if (decoded.kind == EVENT_VARIABLE && decoded.is_whole &&
            is_named(&decoded.variable, name) && n-- == 0) {
            *out = decoded.variable;
            return true;
        }
    }
    return false;
}

static bool is_secure_boot_on(const struct clo_eventlog *log, bool *out, struct clo_error *err)
{
    struct event_variable variable;

    if (!variable_at(log, CLO_EV_EFI_VARIABLE_DRIVER_CONFIG, "SecureBoot", 0, &variable))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "event log: does not say whether Secure Boot is on");
    *out = variable.value.size == 1 && variable.value.data[0] == 1;
    return true;
}

/* The log is the firmware's word, and is believed where it leads to the TPM's registers. */
static bool open_log(const struct clo_present *present, struct clo_eventlog **out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_pcr_bank replayed;
    static const unsigned checked[] = { 4, 7 };

    if (!clo_eventlog_parse(present->log, &log, err) ||
        !clo_eventlog_replay(log, present->bank, &replayed, err))
        return clo_wrap(err, "event log");
    for (size_t i = 0; i < CLO_COUNT(checked); i++)
        if (!clo_digest_equal(&replayed.values[checked[i]], &present->values[checked[i]]))
            return clo_fail(err, CLO_ERR_REFUSED, "event log: does not lead to the TPM's PCR %u",
                            checked[i]);
    *out = CLO_TAKE(log);
    return true;
}

/* --- Will firmware start it? --- */

static bool is_signed_by(const struct clo_pe *pe, struct clo_bytes der, struct clo_error *err)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    enum clo_hash hash;

    return clo_certificate_parse(der, &certificate, err) &&
           clo_authenticode_verify(pe, certificate, &hash, err);
}

static bool starts(const struct clo_eventlog *log, struct clo_bytes uki, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);
    struct event_variable variable;
    struct clo_error ignored;
    bool is_on;

    if (pe == NULL)
        return clo_out_of_memory(err);
    if (!is_secure_boot_on(log, &is_on, err) || !clo_pe_parse(uki, pe, err))
        return false;
    if (!is_on)
        return true;
    for (size_t i = 0; variable_at(log, CLO_EV_EFI_VARIABLE_AUTHORITY, "db", i, &variable); i++)
        if (variable.kind == EVENT_VALUE_AUTHORITY &&
            is_signed_by(pe, variable.authority.certificate, &ignored))
            return true;
    return clo_fail(err, CLO_ERR_REFUSED,
                    "not signed by whom this boot was started by: firmware would not start it, or "
                    "PCR 7 would be another");
}

bool clo_foretell_starts(const struct clo_present *present, struct clo_bytes uki,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;

    return open_log(present, &log, err) && starts(log, uki, err);
}

/* --- PCR 4 --- */

/* Firmware's own events are as foretold, and after them it started this UKI's predecessor, and nothing else. */
static bool check_boot(const struct clo_eventlog *log, enum clo_hash bank,
                       const struct clo_reference *reference, struct clo_error *err)
{
    const struct clo_event *event;
    struct clo_reference_event expected;
    size_t started = 0, before = 0;

    for (size_t i = 0; (event = clo_eventlog_at(log, i)) != NULL; i++) {
        struct clo_digest digest;
        bool is_start = event->type == CLO_EV_EFI_BOOT_SERVICES_APPLICATION;
        if (event->pcr != 4 || event->type == CLO_EV_NO_ACTION)
            continue;
        started += is_start;
        if (is_start && started <= STARTED_MAX)
            continue;
        if (is_start || started > 0 ||
            !clo_reference_event_at(reference, 4, CLO_PHASE_ENTER_INITRD, before++, &expected) ||
            expected.digest_count == 0 || !clo_event_digest(event, bank, &digest) ||
            !clo_digest_equal(&digest, &expected.digests[0]))
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "PCR 4: this boot was not of a UKI by the firmware itself");
    }
    return started > 0 || clo_fail(err, CLO_ERR_UNSUPPORTED, "PCR 4: nothing was started");
}

static bool predict(const struct clo_present *present, struct clo_bytes uki, bool is_on,
                    struct clo_reference **out, struct clo_error *err)
{
    const struct clo_prediction prediction = { .name = "next",
                                               .uki = uki,
                                               .is_secure_boot_off = !is_on,
                                               .banks = &present->bank,
                                               .bank_count = 1 };

    return clo_reference_predict(&prediction, out, err);
}

bool clo_foretell(const struct clo_present *present, struct clo_bytes uki,
                  struct clo_digest out[CLO_PCR_COUNT], struct clo_error *err)
{
    static const unsigned kept[] = { 0, 2, 7 }, changed[] = { 4, 11, 12, 13 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    bool is_on;

    if (!open_log(present, &log, err) || !starts(log, uki, err) ||
        !is_secure_boot_on(log, &is_on, err) || !predict(present, uki, is_on, &reference, err) ||
        !check_boot(log, present->bank, reference, err))
        return false;
    for (size_t i = 0; i < CLO_COUNT(kept); i++)
        out[kept[i]] = present->values[kept[i]];
    for (size_t i = 0; i < CLO_COUNT(changed); i++)
        if (!clo_reference_value(reference, present->bank, changed[i], CLO_PHASE_ENTER_INITRD,
                                 &out[changed[i]]))
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "PCR %u of the next boot is not foretold",
                            changed[i]);
    out[15] = (struct clo_digest){ .hash = present->bank }; /* until the volume key is measured */
    return true;
}
