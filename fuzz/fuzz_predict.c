#include "cloister/reference.h"
#include "lib/disk/gpt.h"

#include <string.h>

#include "fuzz.h"

/* What the fields of an input are for; `flags` chooses the rest. */
struct input {
    uint8_t flags;
    struct clo_bytes uki, disk_head, varstore, shim, companion;
};

#define FLAG_SECURE_BOOT_OFF 1U
#define FLAG_TWO_BANKS       2U
#define FLAG_PROFILE         4U
#define FLAG_VOLUME_KEY      8U
#define FLAG_PLACE           16U /* two bits */
#define FLAG_RAW             64U /* the companion's name */

static struct clo_bytes read_field(struct clo_reader *r)
{
    size_t size = clo_read_le32(r);

    return clo_read_bytes(r, size < clo_reader_left(r) ? size : clo_reader_left(r));
}

static struct input read_input(struct clo_bytes in)
{
    struct clo_reader r = clo_reader(in);
    struct input input = { .flags = clo_read_u8(&r) };

    input.uki = read_field(&r);
    input.disk_head = read_field(&r);
    input.varstore = read_field(&r);
    input.shim = read_field(&r);
    input.companion = read_field(&r);
    return input;
}

/* The events of a register, extended one after another, are its value. */
static void check_register(const struct clo_reference *reference, enum clo_hash hash, unsigned pcr,
                           const char *phase)
{
    struct clo_reference_event event;
    struct clo_pcr_bank bank;
    struct clo_digest value;

    if (!clo_reference_value(reference, hash, pcr, phase, &value) ||
        !clo_reference_lists_events(reference, pcr))
        return;
    clo_pcr_reset(&bank, hash);
    for (size_t i = 0; clo_reference_event_at(reference, pcr, phase, i, &event); i++) {
        const struct clo_digest *digest = NULL;
        for (size_t k = 0; k < event.digest_count; k++)
            if (event.digests[k].hash == hash)
                digest = &event.digests[k];
        MUST(digest != NULL && event.name != NULL && event.type != NULL);
        clo_pcr_extend(&bank, pcr, digest);
    }
    MUST(clo_digest_equal(&bank.values[pcr], &value));
}

static void check(const struct clo_reference *reference, const enum clo_hash *banks, size_t count)
{
    static const char *const phases[] = { "", CLO_PHASE_ENTER_INITRD, CLO_PHASE_LEAVE_INITRD,
                                          CLO_PHASE_SYSINIT, CLO_PHASE_READY };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *again = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    for (size_t b = 0; b < count; b++)
        for (unsigned pcr = 1; pcr < CLO_PCR_COUNT; pcr++)
            for (size_t i = 0; i < CLO_COUNT(phases); i++)
                check_register(reference, banks[b], pcr, phases[i]);
    /* And the file that says so is one that is read again, which holds the same values to the same events. */
    MUST(clo_reference_write(reference, &text, &err));
    MUST(clo_reference_parse(clo_buffer_bytes(&text), &again, &err));
    MUST(json_equal(clo_reference_json(reference), clo_reference_json(again)));
}

/* What is predicted of any UKI, disk, variable store and companion replays to the predicted registers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum clo_hash banks[] = { CLO_HASH_SHA256, CLO_HASH_SHA384 };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    struct input input = read_input(clo_bytes(data, size));
    struct clo_digest keys[2];
    struct clo_error err;

    for (size_t i = 0; i < 2; i++)
        clo_hash(banks[i], clo_bytes_text("a volume key"), &keys[i]);
    const struct clo_companion companion = {
        .place = (enum clo_companion_place)(input.flags / FLAG_PLACE & 3U),
        .name = (input.flags & FLAG_RAW) != 0                                ? "a.raw"
                : input.flags / FLAG_PLACE % 4U == CLO_COMPANION_CREDENTIALS ? "a.cred"
                                                                             : "a.addon.efi",
        .data = input.companion,
    };
    struct clo_prediction from = {
        .name = "demo",
        .uki = input.uki,
        .varstore = input.varstore,
        .shim = input.shim,
        .companions = &companion,
        .companion_count = input.companion.size > 0 ? 1 : 0,
        .load_options = (input.flags & FLAG_PROFILE) != 0 ? "@1" : NULL,
        .is_secure_boot_off = (input.flags & FLAG_SECURE_BOOT_OFF) != 0,
        .banks = banks,
        .bank_count = (input.flags & FLAG_TWO_BANKS) != 0 ? 2 : 1,
    };
    if (input.disk_head.size > 0)
        from.disk_head = input.disk_head;
    if ((input.flags & FLAG_VOLUME_KEY) != 0) {
        from.volume_key_measurements = keys;
        from.volume_key_count = from.bank_count;
        from.volume_key_text = "cryptsetup:root:5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11";
    }
    if (!clo_reference_predict(&from, &reference, &err)) {
        MUST(err.status != CLO_OK && err.text[0] != '\0');
        return 0;
    }
    check(reference, banks, from.bank_count);
    return 0;
}
