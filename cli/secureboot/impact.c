/* cloister secureboot impact: what a change of KEK, db or dbx will do, before it is made: to PCR 7, to which of one's
 * images, and to which sealed keys. */
#include <stdlib.h>
#include <string.h>

#include "cli/inputs.h"
#include "cli/secureboot/lists.h"
#include "cli/secureboot/sealed.h"
#include "cloister/reference.h"
#include "cloister/signature_list.h"
#include "device/file.h"
#include "lib/efi/authenticode_judge.h"

#define BEFORE 0
#define AFTER  1

struct impact_options {
    const char *input, *update, *variable, *bank;
    struct clo_list disks;
    bool json;
};

/* The firmware before and after. */
struct impact {
    struct secureboot_file store;
    struct secureboot_file update;
    struct clo_buffer lists;   /* the variable after */
    struct clo_buffer changed; /* the store after */
    struct clo_varstore *stores[2];
    struct clo_bytes files[2]; /* the stores' bytes */
    size_t before_count, after_count;
    bool replaces, is_same;
    enum clo_hash bank;
    struct secureboot_states states;
};

static void free_impact(struct impact *impact)
{
    clo_varstore_free(impact->stores[AFTER]);
    secureboot_file_free(&impact->store);
    secureboot_file_free(&impact->update);
    clo_buffer_free(&impact->lists);
    clo_buffer_free(&impact->changed);
}

/* The lists after: a signed update says, by its signature, whether it appends. */
static bool change(const char *variable, struct impact *impact, struct clo_error *err)
{
    const struct secureboot_file *update = &impact->update;
    struct clo_bytes base = clo_varstore_lists(impact->store.store, variable);
    struct clo_efi_variable changed = { .name = variable, .attributes = CLO_EFIVAR_SECURE };
    const char *by = strcmp(variable, "KEK") == 0 ? "PK" : "KEK";
    struct clo_bytes keys = clo_varstore_lists(impact->store.store, by);
    struct clo_error why = { 0 };
    size_t added;

    if (!clo_efi_variable_known(variable, &changed.vendor) ||
        !clo_signature_lists_check(base, &impact->before_count, err))
        return false;
    bool is_allowed =
            !update->is_auth || clo_auth_update_verify(&update->update, &changed, keys, NULL, &why);
    if (!is_allowed)
        fprintf(stderr,
                "cloister: note: firmware with this store would refuse the update: by %s of the "
                "store: %s\n",
                by, why.text);
    impact->replaces =
            update->is_auth && is_allowed && (changed.attributes & CLO_EFIVAR_APPEND) == 0;
    if (impact->replaces) {
        clo_buffer_append(&impact->lists, update->lists);
        if (!clo_signature_lists_check(update->lists, &impact->after_count, err))
            return false;
    } else {
        if (!clo_signature_lists_append(base, update->lists, &impact->lists, &added, err))
            return false;
        impact->after_count = impact->before_count + added;
    }
    impact->is_same = clo_bytes_equal(base, clo_buffer_bytes(&impact->lists));
    return clo_buffer_ok(&impact->lists) || clo_out_of_memory(err);
}

static bool prepare(const struct impact_options *o, struct impact *out, struct clo_error *err)
{
    struct clo_efivar changed = { .attributes = CLO_EFIVAR_SECURE };

    out->bank = clo_hash_from_name(o->bank);
    if (out->bank == CLO_HASH_NONE)
        return clo_fail(err, CLO_ERR_USAGE, "--bank %s: sha1, sha256, sha384 or sha512", o->bank);
    if (strcmp(o->variable, "db") != 0 && strcmp(o->variable, "dbx") != 0 &&
        strcmp(o->variable, "KEK") != 0)
        return clo_fail(err, CLO_ERR_USAGE, "--variable %s: KEK, db or dbx", o->variable);
    if (!secureboot_read(o->input, NULL, &out->store, err) ||
        !secureboot_read(o->update, o->variable, &out->update, err))
        return false;
    if (out->store.store == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: no variable store", o->input);
    if (!change(o->variable, out, err))
        return clo_wrap(err, "%s", o->variable);
    snprintf(changed.name, sizeof changed.name, "%s", o->variable);
    if (!clo_efi_variable_known(o->variable, &changed.vendor))
        return clo_fail(err, CLO_ERR_USAGE, "--variable %s", o->variable);
    changed.data = clo_buffer_bytes(&out->lists);
    const struct clo_efivar *old =
            clo_varstore_find(out->store.store, o->variable, &changed.vendor);
    if (old != NULL)
        memcpy(changed.time, old->time, sizeof changed.time);
    if (!clo_varstore_write(out->store.store, &changed, 1, &out->changed, err) ||
        !clo_varstore_parse(clo_buffer_bytes(&out->changed), &out->stores[AFTER], err))
        return clo_wrap(err, "after the change");
    out->states.bank = out->bank;
    out->states.is_same = out->is_same;
    out->stores[BEFORE] = out->store.store;
    out->files[BEFORE] = clo_buffer_bytes(&out->store.bytes);
    out->files[AFTER] = clo_buffer_bytes(&out->changed);
    return true;
}

/* --- One image --- */

struct outcome {
    const char *path;
    struct clo_authenticode_verdict verdicts[2];
    struct clo_digest pcr7[2]; /* .hash NONE: not known, since it is not a UKI or would not start */
};

/* PCR 7 as the image's boot will leave it; not known where it is not a UKI. */
static void predict(struct clo_bytes image, struct clo_bytes store, enum clo_hash bank,
                    struct clo_digest *out)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    const struct clo_prediction from = {
        .name = "image", .uki = image, .varstore = store, .banks = &bank, .bank_count = 1
    };
    struct clo_error ignored;

    if (!clo_reference_predict(&from, &reference, &ignored) ||
        !clo_reference_value(reference, bank, 7, "enter-initrd", out))
        *out = (struct clo_digest){ .hash = CLO_HASH_NONE };
}

static bool examine(const char *path, const struct impact *impact, struct outcome *out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_pe pe;

    *out = (struct outcome){ .path = path };
    if (!cli_read_pe(path, &file, err))
        return false;
    if (!clo_pe_parse(clo_buffer_bytes(&file), &pe, err))
        return clo_wrap(err, "%s", path);
    const struct clo_authenticode_subject image = clo_authenticode_subject(&pe);
    for (size_t i = BEFORE; i <= AFTER; i++) {
        const struct clo_varstore *store = impact->stores[i];
        if (!clo_authenticode_judge(&image, clo_varstore_lists(store, "db"),
                                    clo_varstore_lists(store, "dbx"), &out->verdicts[i], err))
            return clo_wrap(err, "%s", path);
        if (out->verdicts[i].is_allowed)
            predict(clo_buffer_bytes(&file), impact->files[i], impact->bank, &out->pcr7[i]);
    }
    return true;
}

/* --- Telling --- */

static const char *state(const struct outcome *outcome)
{
    bool before = outcome->verdicts[BEFORE].is_allowed;
    bool after = outcome->verdicts[AFTER].is_allowed;

    return before && after ? "starts"
           : before        ? "WILL NOT START"
           : after         ? "will start"
                           : "does not start";
}

static void print(const struct outcome *outcome, enum clo_hash bank)
{
    char hex[2][2 * CLO_HASH_SIZE_MAX + 1];

    printf("%s: %s: %s\n", outcome->path, state(outcome), outcome->verdicts[AFTER].text);
    for (size_t i = BEFORE; i <= AFTER; i++)
        if (outcome->pcr7[i].hash != CLO_HASH_NONE)
            printf("  PCR 7 %s  %s %s\n", i == BEFORE ? "now  " : "after", clo_hash_name(bank),
                   clo_hex_text(clo_digest_bytes(&outcome->pcr7[i]), hex[i]));
}

static json_t *outcome_json(const struct outcome *outcome)
{
    static const char *const names[] = { "before", "after" };
    json_t *json = json_pack("{s:s}", "file", outcome->path);

    for (size_t i = BEFORE; i <= AFTER && json != NULL; i++) {
        json_t *side = json_pack("{s:b, s:s}", "allowed", outcome->verdicts[i].is_allowed, "why",
                                 outcome->verdicts[i].text);
        if (outcome->pcr7[i].hash != CLO_HASH_NONE)
            json_object_set_new(side, "pcr7", clo_json_hex(clo_digest_bytes(&outcome->pcr7[i])));
        json_object_set_new(json, names[i], side);
    }
    return json;
}

/* One image; false for one that cannot be read: told in the list, too. */
static bool tell_image(const struct impact_options *o, struct impact *impact, const char *path,
                       json_t *json, bool *lost, struct clo_error *err)
{
    struct outcome outcome;

    if (!examine(path, impact, &outcome, err)) {
        if (o->json)
            json_array_append_new(json,
                                  json_pack("{s:s, s:s}", "file", path, "unreadable", err->text));
        else
            printf("%s: not known: it cannot be read\n", path);
        return false;
    }
    if (impact->states.count < SECUREBOOT_IMAGES_MAX) {
        impact->states.before[impact->states.count] = outcome.pcr7[BEFORE];
        impact->states.after[impact->states.count++] = outcome.pcr7[AFTER];
    }
    *lost = *lost || (outcome.verdicts[BEFORE].is_allowed && !outcome.verdicts[AFTER].is_allowed);
    if (o->json)
        json_array_append_new(json, outcome_json(&outcome));
    else
        print(&outcome, impact->bank);
    return true;
}

/* As with images: what cannot be read is told, and the others go on. */
static void tell_disks(const struct impact_options *o, const struct impact *impact, json_t *json,
                       int *status)
{
    for (size_t i = 0; i < o->disks.count; i++) {
        struct clo_error err;
        bool is_shut = false;
        int worse = CLI_YES;
        if (!secureboot_tell_sealed(o->disks.items[i], &impact->states, json, &is_shut, &err)) {
            clo_wrap(&err, "secureboot impact");
            worse = cli_error(&err);
        } else if (is_shut) {
            worse = CLI_NO;
        }
        *status = worse > *status ? worse : *status;
    }
}

/* `status` gets worse if an image that starts now will not, or is not known. */
static bool tell(const struct impact_options *o, struct impact *impact,
                 const struct clo_list *images, int *status, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:s, s:s, s:b, s:I, s:I, s:[], s:[]}", "variable", o->variable,
                             "bank", clo_hash_name(impact->bank), "replaces", impact->replaces,
                             "entries_before", (json_int_t)impact->before_count, "entries_after",
                             (json_int_t)impact->after_count, "images", "sealed");

    if (!o->json)
        printf("%s: %zu entries now, %zu after%s: %s\n", o->variable, impact->before_count,
               impact->after_count, impact->replaces ? ", which replace them" : "",
               impact->is_same ? "nothing changes, and PCR 7 neither"
                               : "PCR 7 changes with the next boot, for every image");
    for (size_t i = 0; i < images->count; i++) {
        bool lost = false;
        int worse = CLI_YES;
        if (!tell_image(o, impact, images->items[i], json_object_get(json, "images"), &lost, err)) {
            clo_wrap(err, "secureboot impact");
            worse = cli_error(err);
        } else if (lost) {
            worse = CLI_NO;
        }
        *status = worse > *status ? worse : *status;
    }
    tell_disks(o, impact, o->json ? json_object_get(json, "sealed") : NULL, status);
    return !o->json || cli_print_json(json, err);
}

int cmd_secureboot_impact(int argc, char **argv)
{
    struct impact_options o = { .variable = "dbx", .bank = "sha256" };
    const struct cli_option options[] = {
        { "--varstore", "FILE", "the variable store as it is (required)", .text = &o.input,
          .was = "--input" },
        { "--update", "FILE", "a dbx update, .auth, or signature lists to append (required)",
          .text = &o.update },
        { "--variable", "NAME", "KEK, db or dbx (dbx)", .text = &o.variable,
          .values = "KEK db dbx" },
        { "--disk", "FILE",
          "a disk, or LUKS2 header: which of its keys for a TPM the change shuts out (repeatable)",
          .list = &o.disks },
        { "--bank", "NAME", "the bank of PCR 7 (sha256)", .text = &o.bank,
          .values = "sha1 sha256 sha384 sha512" },
        { "--json", NULL, "print one JSON document", .flag = &o.json },
    };
    const struct cli_usage usage = {
        .command = "secureboot impact",
        .arguments = "--varstore FILE --update FILE [IMAGE]…",
        .operands = { "images", 0, CLO_LIST_MAX },
        .summary =
                "Says, before it is made, what a change of dbx, db or KEK does: which of the "
                "images "
                "will no\nlonger start and by which entry, the PCR 7 of those UKIs that will, and "
                "which sealed keys it\nshuts out. Exit status 1 if an image that starts now will "
                "not, or a disk's sealed keys all\nstay shut, 3 if one could not be read.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister secureboot impact --varstore vars.fd --update DBXUpdate.bin "
                   "/boot/efi/EFI/Linux/*.efi\n",
    };
    CLO_CLEANUP(free_impact) struct impact impact = { 0 };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (o.input == NULL || o.update == NULL)
        return cli_usage_error(&usage, "--varstore and --update are needed");
    status = CLI_YES;
    if (!prepare(&o, &impact, &err) || !tell(&o, &impact, &operands, &status, &err))
        return cli_fail("secureboot impact", &err);
    return status;
}
