/* An image gets another UKI: foretold, sealed for, placed, and only then started. */
#include "cli/image/updating.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cloister/efivar.h"
#include "device/file.h"
#include "image/efi_boot.h"
#include "image/grown.h"
#include "image/image_update.h"

#define KEY_LIMIT    512
#define STEM_SIZE    4100
#define OUTPUT_SIZE  4200
#define ENDING       ".next.ref.json"
#define TRIAL_CHANGE 2

/* --- What goes together --- */

static bool check_ways(const struct cli_updating *in, struct clo_error *err)
{
    const struct cli_update *making = &in->making;
    unsigned others =
            (in->does_keep ? 1U : 0U) + (in->goes_back ? 1U : 0U) + (in->forgets ? 1U : 0U);
    unsigned ways = (making->build.signing.keys.count > 0 ? 1U : 0U) +
                    (making->sign_command != NULL ? 1U : 0U) + (making->request != NULL ? 1U : 0U) +
                    (making->uki != NULL ? 1U : 0U);

    if (others > 1 || (others == 1 && (ways > 0 || in->trial != NULL || in->srk != NULL)))
        return clo_fail(err, CLO_ERR_USAGE, "--keep, --back and --forget each stand alone");
    if (others == 1)
        return true;
    if (ways != 1)
        return clo_fail(err, CLO_ERR_USAGE,
                        "one of --uki, --key, --sign-command and --request is needed");
    if (making->uki == NULL && (making->build.kernel == NULL || making->modules == NULL))
        return clo_fail(err, CLO_ERR_USAGE, "--kernel and --modules are needed, or --uki");
    if (making->uki != NULL && making->build.kernel != NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--uki and --kernel are two kernels");
    if (in->varstore == NULL || (in->seal.key == NULL && making->request == NULL))
        return clo_fail(err, CLO_ERR_USAGE, "--varstore and --disk-key are needed");
    return uki_signing_check(&making->build.signing, err);
}

bool cli_updating_check(struct cli_updating *in, struct clo_error *err)
{
    if (!check_ways(in, err))
        return false;
    if (in->srk == NULL && (in->seal.references.count > 0 || in->seal.drops_others))
        return clo_fail(err, CLO_ERR_USAGE, "--reference and --replace go with --srk");
    if (!cli_seal_check_handle(in->srk_handle, err))
        return false;
    if (in->trial != NULL && in->seal.drops_others)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--try-once and --replace: what is tried may fail, and the system of "
                        "before must open the disk then");
    return true;
}

/* --- The new UKI --- */

/* What the present UKI says, where `update` looks for it in a guest. Firmware would start that UKI: it was signed. */
static bool leave_config(const struct clo_image_update *update, const char *folder,
                         struct cli_updating *in, char osrel[OUTPUT_SIZE], struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *config = NULL;
    CLO_CLEANUP(clo_freep) char *text = NULL;
    CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);
    const struct clo_pe_section *release;
    char path[OUTPUT_SIZE];

    if (pe == NULL)
        return clo_out_of_memory(err);
    if (!clo_uki_guest_config(clo_buffer_bytes(&update->uki), &config, err) ||
        !clo_pe_parse(clo_buffer_bytes(&update->uki), pe, err))
        return clo_wrap(err, "the present UKI");
    text = json_dumps(config, JSON_COMPACT);
    if (text == NULL)
        return clo_out_of_memory(err);
    snprintf(path, sizeof path, "%s/guest.json", folder);
    if (!clo_file_write(path, clo_bytes_text(text), 0600, err))
        return false;
    release = clo_pe_section_find(pe, ".osrel");
    if (release == NULL || in->making.build.osrel != NULL)
        return true;
    snprintf(osrel, OUTPUT_SIZE, "%s/os-release", folder);
    in->making.build.osrel = osrel;
    return clo_file_write(osrel, release->data, 0600, err);
}

static bool is_secure_boot_on(struct clo_bytes varstore, struct clo_error *err)
{
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;

    if (!clo_varstore_parse(varstore, &store, err))
        return false;
    const struct clo_efivar *key = clo_varstore_find(store, "PK", &clo_guid_global_variable);
    return (key != NULL && key->data.size > 0) ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "has no Secure Boot keys: nothing vouches for the UKI in the image, which the "
                    "new one's guest.json would be of. Give a whole one (--uki)");
}

/* What the new UKI is to be made with is the present one's word. */
static bool read_varstore(const struct cli_updating *in, struct clo_buffer *out,
                          struct clo_error *err)
{
    if (!cli_read_varstore(in->varstore, out, err))
        return false;
    return in->making.uki != NULL || is_secure_boot_on(clo_buffer_bytes(out), err) ||
           clo_wrap(err, "%s", in->varstore);
}

static bool make_uki(struct cli_updating *in, const struct clo_image_update *update,
                     struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { .path = "" };
    char osrel[OUTPUT_SIZE];

    if (in->making.uki != NULL)
        return cli_update_make(&in->making, out, err);
    if (!clo_scratch_new(NULL, &scratch, err) ||
        !leave_config(update, scratch.path, in, osrel, err))
        return false;
    in->making.run = scratch.path;
    in->making.has_tags = update->disk.luks.integrity[0] != '\0';
    return cli_update_make(&in->making, out, err);
}

/* --- Its reference values --- */

struct foretold {
    struct clo_reference *before, *after;
    struct clo_image_tokens tokens;
};

static void free_foretold(struct foretold *foretold)
{
    clo_reference_freep(&foretold->before);
    clo_reference_freep(&foretold->after);
}

static bool foretell_one(const struct clo_image_update *update, struct clo_bytes uki,
                         struct clo_image_update_from *from, const char *what,
                         struct clo_reference **out, struct clo_error *err)
{
    from->uki = uki;
    return clo_image_update_predict(update, from, out, err) || clo_wrap(err, "%s", what);
}

/* "disk/demo" of "disk/demo.img". */
static void stem_of(const char *image, char out[STEM_SIZE])
{
    const char *slash = strrchr(image, '/');
    const char *dot = strrchr(image, '.');
    bool has_ending = dot != NULL && (slash == NULL || dot > slash + 1);

    snprintf(out, STEM_SIZE, "%.*s", has_ending ? (int)(dot - image) : (int)strlen(image), image);
}

static bool write_reference(const struct clo_reference *reference, const char *path,
                            struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    return clo_reference_write(reference, &text, err) &&
           clo_file_write(path, clo_buffer_bytes(&text), 0644, err);
}

/* Where the new UKI's root may grow: the values of the boots after that, next to those of the disk as it is. Of a disk that has no
 * room for a size, or has grown into it already, there are none. */
static bool write_grown(const struct cli_updating *in, const struct clo_image_update *update,
                        const struct clo_image_update_from *from, struct clo_error *err)
{
    struct clo_image_update_from grown = *from;
    CLO_CLEANUP(clo_json_freep) json_t *config = NULL;
    struct clo_error ignored;
    json_t *entry;
    size_t i;

    if (!clo_uki_guest_config(from->uki, &config, &ignored))
        return true;
    json_array_foreach (json_object_get(config, "grow"), i, entry) {
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
        char path[STEM_SIZE + 100];
        grown.disk_bytes = (uint64_t)json_integer_value(entry);
        clo_image_grown_name(in->output, grown.disk_bytes, path, sizeof path);
        if (!clo_image_update_predict(update, &grown, &reference, err)) {
            if (err->status != CLO_ERR_USAGE)
                return false;
        } else if (!write_reference(reference, path, err)) {
            return false;
        }
    }
    return true;
}

/* --- Sealing --- */

static bool check_tokens(const struct cli_updating *in, const struct clo_image_tokens *tokens,
                         struct clo_error *err)
{
    if (in->srk == NULL)
        return tokens->count == 0 || tokens->fit > 0 ||
               clo_fail(
                       err, CLO_ERR_REFUSED,
                       "the disk is sealed to a TPM, and none of its %zu tokens opens it in the "
                       "new state: --srk and --reference seal it for that%s",
                       tokens->count,
                       tokens->signed_policies > 0
                               ? ", or the new UKI has to carry the policies' signature (--pcr-key)"
                               : "");
    return tokens->share == 0 || in->seal.share != NULL ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "the disk needs a share of the TPM's and one of the broker's: --form share "
                    "and --share-output");
}

static bool plan_seal(struct cli_updating *in, const struct clo_image_tokens *tokens,
                      struct cli_seal_plan *plan, struct clo_error *err)
{
    if (in->srk == NULL)
        return true;
    /* As the disk is sealed already, unless said otherwise. */
    if (in->seal.form == NULL && tokens->share == 0 && tokens->own > 0)
        in->seal.form = "own";
    if (!cli_seal_plan(&in->seal, plan, err) ||
        !cli_seal_plan_offline(plan, in->srk, in->srk_handle, err))
        return false;
    plan->job.drops_others = false;
    return true;
}

/* --- In this order: the reference, the new UKI, the key, the name, and last what was before --- */

static bool try_once(const struct cli_updating *in, const struct clo_image_update *update,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer option = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer changed = { 0 };
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
    const struct clo_efi_entry entry = { .esp = &update->esp.entry, .path = CLO_ESP_NEXT };
    struct clo_efivar changes[TRIAL_CHANGE] = { { .name = "" }, { .name = "BootNext" } };
    unsigned number = CLO_EFI_FIRST_NUMBER;

    if (!cli_read_varstore(in->trial, &bytes, err) ||
        !clo_varstore_parse(clo_buffer_bytes(&bytes), &store, err))
        return clo_wrap(err, "%s", in->trial);
    for (;; number++) {
        snprintf(changes[0].name, sizeof changes[0].name, "Boot%04X", number);
        const struct clo_efivar *found =
                clo_varstore_find(store, changes[0].name, &clo_guid_global_variable);
        if (found == NULL || clo_efi_option_is_ours(found->data))
            break;
        if (number == CLO_EFI_FIRST_NUMBER + CLO_EFI_NUMBERS)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: no boot entry is free", in->trial);
    }
    const uint8_t next[] = { (uint8_t)number, (uint8_t)(number >> 8) };
    if (!clo_efi_option(&entry, &option, err))
        return false;
    for (size_t i = 0; i < TRIAL_CHANGE; i++) {
        changes[i].vendor = clo_guid_global_variable;
        changes[i].attributes = 7; /* non-volatile, for boot services and the running system */
        changes[i].data = i == 0 ? clo_buffer_bytes(&option) : clo_bytes(next, sizeof next);
    }
    return (clo_varstore_write(store, changes, TRIAL_CHANGE, &changed, err) &&
            clo_file_write(in->trial, clo_buffer_bytes(&changed), 0600, err)) ||
           clo_wrap(err, "%s", in->trial);
}

/* Tokens of before go once nothing is started any more that needs them. */
static bool drop_old(struct cli_updating *in, struct cli_seal_plan *plan, struct clo_error *err)
{
    CLO_CLEANUP(clo_seal_result_free) struct clo_seal_result result = { .tokens = 0 };

    if (!in->seal.drops_others)
        return true;
    plan->job.drops_others = true;
    return cli_seal_apply(&in->seal, plan, in->image, &result, err);
}

static bool install(struct cli_updating *in, struct clo_image_update *update, struct clo_bytes uki,
                    struct cli_seal_plan *plan, struct clo_error *err)
{
    CLO_CLEANUP(clo_seal_result_free) struct clo_seal_result result = { .tokens = 0 };

    if (!clo_esp_place(&update->esp, uki, err) ||
        (in->srk != NULL && !cli_seal_apply(&in->seal, plan, in->image, &result, err)))
        return false;
    if (in->trial != NULL)
        return try_once(in, update, err);
    return clo_esp_switch(&update->esp, err) && (in->srk == NULL || drop_old(in, plan, err));
}

static bool print(const struct cli_updating *in, const struct clo_image_update *update,
                  const struct foretold *foretold, bool is_booted, struct clo_error *err)
{
    const char *state = is_booted ? "up to date" : in->trial != NULL ? "tried once" : "installed";

    if (in->seal.as_json) {
        CLO_CLEANUP(clo_json_freep)
        json_t *json =
                json_pack("{s:s, s:s, s:s, s:s, s:b, s:I}", "image", in->image, "state", state,
                          "reference", in->output, "boots", update->esp.path, "sealed",
                          in->srk != NULL, "tokens_that_fit", (json_int_t)foretold->tokens.fit);
        return cli_print_json(json, err);
    }
    printf("image      %s: %s\nreference  %s\n", in->image, state, in->output);
    if (in->srk != NULL)
        printf("sealed     for %s\n", in->output);
    else if (foretold->tokens.count > 0)
        printf("sealed     already: %zu of %zu tokens open the disk in the new state\n",
               foretold->tokens.fit, foretold->tokens.count);
    printf("boots      %s\n",
           in->trial != NULL ? CLO_ESP_NEXT " once, then the one of before" : update->esp.path);
    return true;
}

static bool read_volume_key(const struct cli_updating *in, struct clo_image_update *update,
                            struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    int slot;

    return clo_file_read_secret(in->seal.key, KEY_LIMIT, &key, err) &&
           (clo_seal_try(&update->disk, key, &slot, out, err) || clo_wrap(err, "%s", in->seal.key));
}

/* All that can say no, before anything is changed. */
static bool plan(struct cli_updating *in, struct clo_image_update *update, struct clo_buffer *uki,
                 struct foretold *foretold, struct cli_seal_plan *seal_plan, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *volume_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer varstore = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *created = clo_json_time((int64_t)time(NULL));
    struct clo_image_update_from from = { .name = in->name, .created = json_string_value(created) };

    if (!read_varstore(in, &varstore, err) || !read_volume_key(in, update, &volume_key, err))
        return false;
    from.varstore = clo_buffer_bytes(&varstore);
    from.volume_key = volume_key;
    /* The present one too: nothing is taken from a UKI that firmware would not start. */
    if (!foretell_one(update, clo_buffer_bytes(&update->uki), &from, "the present UKI",
                      &foretold->before, err) ||
        !make_uki(in, update, uki, err) ||
        !foretell_one(update, clo_buffer_bytes(uki), &from, "the new UKI", &foretold->after, err) ||
        !clo_image_update_tokens(update, foretold->before, foretold->after, clo_buffer_bytes(uki),
                                 &foretold->tokens, err) ||
        !check_tokens(in, &foretold->tokens, err) ||
        !clo_esp_has_room(&update->esp, uki->size, err))
        return false;
    /* The sealing reads it from there, with the firmware's. */
    return write_reference(foretold->after, in->output, err) &&
           write_grown(in, update, &from, err) && plan_seal(in, &foretold->tokens, seal_plan, err);
}

static bool update_image(struct cli_updating *in, struct clo_image_update *update,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    CLO_CLEANUP(free_foretold) struct foretold foretold = { .before = NULL };
    CLO_CLEANUP(cli_seal_plan_free) struct cli_seal_plan seal_plan = { .bank = CLO_HASH_NONE };

    if (!plan(in, update, &uki, &foretold, &seal_plan, err))
        return false;
    bool is_booted = clo_bytes_equal(clo_buffer_bytes(&uki), clo_buffer_bytes(&update->uki));
    if (is_booted)
        return print(in, update, &foretold, true, err);
    return install(in, update, clo_buffer_bytes(&uki), &seal_plan, err) &&
           print(in, update, &foretold, false, err);
}

static bool request(struct cli_updating *in, struct clo_image_update *update, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer varstore = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer none = { 0 };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *present = NULL;
    struct clo_image_update_from from = { .name = in->name };

    if (!read_varstore(in, &varstore, err))
        return false;
    from.varstore = clo_buffer_bytes(&varstore);
    if (!foretell_one(update, clo_buffer_bytes(&update->uki), &from, "the present UKI", &present,
                      err) ||
        !make_uki(in, update, &none, err))
        return false;
    printf("%s: to be signed, and installed with --uki\n", in->making.request);
    return true;
}

static bool settle(const struct cli_updating *in, struct clo_image_update *update,
                   struct clo_error *err)
{
    bool ok = in->does_keep   ? clo_esp_switch(&update->esp, err)
              : in->goes_back ? clo_esp_back(&update->esp, err)
                              : clo_esp_forget(&update->esp, err);

    if (!ok)
        return false;
    printf("image      %s: %s\n", in->image,
           in->does_keep   ? "what was tried boots from now on"
           : in->goes_back ? "the UKI of before boots from now on"
                           : "it has the present UKI alone");
    return true;
}

/* The new reference, before the firmware's. */
static void put_in_front(struct clo_list *list, const char *item)
{
    size_t count = list->count < CLO_LIST_MAX ? list->count : CLO_LIST_MAX - 1;

    memmove(list->items + 1, list->items, count * sizeof *list->items);
    list->items[0] = item;
    list->count = count + 1;
}

bool cli_updating_run(struct cli_updating *in, struct clo_error *err)
{
    CLO_CLEANUP(clo_image_update_close)
    struct clo_image_update update = { .fd = -1, .disk.fd = -1 };
    char stem[STEM_SIZE], output[OUTPUT_SIZE];

    stem_of(in->image, stem);
    if (in->output == NULL) {
        snprintf(output, sizeof output, "%s" ENDING, stem);
        in->output = output;
    }
    if (in->name == NULL)
        in->name = cli_base_name(stem);
    if (in->srk != NULL)
        put_in_front(&in->seal.references, in->output);
    if (!clo_image_update_open(in->image, &update, err))
        return clo_wrap(err, "%s", in->image);
    bool ok = in->does_keep || in->goes_back || in->forgets ? settle(in, &update, err)
              : in->making.request != NULL                  ? request(in, &update, err)
                                                            : update_image(in, &update, err);
    return ok || clo_wrap(err, "%s", in->image);
}
