/* Which machine this is, and which of its boots: what keys of single machines and leases hang on. Only what a verified
 * report says or binds counts here. */
#include <string.h>

#include "cloister/encoding.h"

#include "lib/appraise/tee.h"

static void set_hex(char out[CLO_INSTANCE_HEX_SIZE], const struct clo_bytes *parts, size_t count)
{
    struct clo_digest digest;

    clo_hash_many(CLO_HASH_SHA256, parts, count, &digest);
    clo_hex_text(clo_digest_bytes(&digest), out);
}

/* Zeros are what firmware gives where the host masks an identity: nobody's. */
void appraise_set_instance(struct work *w, enum clo_instance which, struct clo_bytes identity)
{
    if (identity.size > 0 && !clo_bytes_all(identity, 0))
        set_hex(w->appraisal->instances.hex[which], &identity, 1);
}

static void copy_hex(char to[CLO_INSTANCE_HEX_SIZE], const char *from)
{
    memcpy(to, from, CLO_INSTANCE_HEX_SIZE);
}

/* --- A vTPM that a verified report binds --- */

/* The TPM's own counts, signed with the quote: they move with each of its resets, and go back with nothing but an
 * older state of the whole TPM. */
static void take_vtpm(struct work *w)
{
    struct clo_holder *holder = &w->appraisal->holder;
    char *ak = w->appraisal->instances.hex[CLO_INSTANCE_AK];
    uint8_t counts[8];
    struct clo_digest fingerprint;
    struct clo_error ignored;

    if (!w->has_quote || !clo_public_key_fingerprint(w->ak, &fingerprint, &ignored))
        return;
    clo_hex_text(clo_digest_bytes(&fingerprint), ak);
    copy_hex(holder->instance, ak);
    holder->has_counts = true;
    holder->reset_count = w->quote.quote.reset_count;
    holder->restart_count = w->quote.quote.restart_count;
    for (size_t i = 0; i < 4; i++) {
        counts[i] = (uint8_t)(holder->reset_count >> (24 - 8 * i));
        counts[4 + i] = (uint8_t)(holder->restart_count >> (24 - 8 * i));
    }
    const struct clo_bytes parts[] = { clo_bytes_text("vtpm"), clo_digest_bytes(&fingerprint),
                                       clo_bytes(counts, sizeof counts) };
    set_hex(holder->boot, parts, CLO_COUNT(parts));
}

/* --- The hardware --- */

static void take_hardware(struct work *w)
{
    const struct tee *hardware = w->hardware;
    struct clo_holder *holder = &w->appraisal->holder;

    appraise_set_instance(w, CLO_INSTANCE_CHIP, hardware->chip(w));
    if (w->tee != hardware)
        return; /* the report inside may be of another boot: the quote tells */
    copy_hex(holder->instance, w->appraisal->instances.hex[CLO_INSTANCE_CHIP]);
    if (hardware->boot_id == NULL)
        return; /* nothing in a TD's quote tells one boot from another */
    struct clo_bytes boot = hardware->boot_id(w);
    appraise_set_instance(w, CLO_INSTANCE_REPORT_ID, boot);
    const struct clo_bytes parts[] = { clo_bytes_text(clo_tee_names(hardware->id)->name), boot };
    if (!clo_bytes_all(boot, 0))
        set_hex(holder->boot, parts, CLO_COUNT(parts));
}

bool appraise_instances(struct work *w, struct clo_error *err)
{
    struct clo_json_object o = { .json = json_object() };
    bool is_empty = true;

    if (w->hardware != NULL)
        take_hardware(w);
    if (w->is_ak_bound) {
        if (w->tee->take_instances != NULL)
            w->tee->take_instances(w);
        take_vtpm(w);
    }
    for (int i = 0; i < CLO_INSTANCE_COUNT; i++)
        if (w->appraisal->instances.hex[i][0] != '\0') {
            is_empty = false;
            clo_json_set(&o, clo_instance_name((enum clo_instance)i),
                         json_string(w->appraisal->instances.hex[i]));
        }
    if (is_empty) {
        json_decref(o.json);
        return true;
    }
    return appraise_claim(w, "instance", clo_json_finish(&o), err);
}
