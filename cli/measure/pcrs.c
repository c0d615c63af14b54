/* What measure uki and measure image share: a prediction made from the options, and printed. */
#include "cli/measure/pcrs.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device/file.h"
#include "lib/predict/handover.h"

#define BANKS_MAX 4

void measure_free(struct measure *options)
{
    clo_boot_disk_free(&options->boot);
    cli_machine_free(&options->machine);
    secureboot_file_free(&options->mok);
    secureboot_file_free(&options->mok_x);
}

/* --- Inputs --- */

static bool read_banks(const struct clo_list *names, enum clo_hash out[BANKS_MAX], size_t *count,
                       struct clo_error *err)
{
    *count = 0;
    for (size_t i = 0; i < names->count; i++) {
        enum clo_hash hash = clo_hash_from_name(names->items[i]);
        if (hash == CLO_HASH_NONE)
            return clo_fail(err, CLO_ERR_USAGE, "--bank: no such hash: %s", names->items[i]);
        for (size_t k = 0; k < *count; k++)
            if (out[k] == hash)
                return clo_fail(err, CLO_ERR_USAGE, "--bank: %s is given twice", names->items[i]);
        out[(*count)++] = hash; /* no two alike, so there are never more than four */
    }
    return true;
}

/* What its owner told shim, in place of what the variable store says. */
static bool read_mok(struct measure *options, struct clo_prediction *from, struct clo_error *err)
{
    if (options->mok_list != NULL && !secureboot_read_lists(options->mok_list, &options->mok, err))
        return false;
    if (options->mok_list_x != NULL &&
        !secureboot_read_lists(options->mok_list_x, &options->mok_x, err))
        return false;
    from->mok_list = options->mok.lists;
    from->mok_list_x = options->mok_x.lists;
    return true;
}

/* --- Output --- */

static void print_value(const char *hash, const char *pcr, const char *phase, const json_t *value)
{
    printf("%s  PCR %2s  %s  %s\n", hash, pcr, json_string_value(value), phase);
}

/* By number, and phases in the order of the boot. */
static void print_values(const json_t *document)
{
    static const char *const phases[] = { CLO_PHASE_ENTER_INITRD, CLO_PHASE_LEAVE_INITRD,
                                          CLO_PHASE_SYSINIT, CLO_PHASE_READY };
    const char *hash;
    json_t *bank;

    json_object_foreach (json_object_get(document, "pcrs"), hash, bank) {
        for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
            char key[8];
            snprintf(key, sizeof key, "%u", pcr);
            const json_t *value = json_object_get(bank, key);
            if (json_is_string(value))
                print_value(hash, key, "", value);
            for (size_t i = 0; json_is_object(value) && i < CLO_COUNT(phases); i++)
                if (json_object_get(value, phases[i]) != NULL)
                    print_value(hash, key, phases[i], json_object_get(value, phases[i]));
        }
    }
}

static void print_reasons(const json_t *document)
{
    const char *pcr;
    json_t *why;

    json_object_foreach (json_object_get(document, "not_predicted"), pcr, why)
        printf("        PCR %2s  not predicted: %s\n", pcr, json_string_value(why));
}

static bool print_prediction(const struct clo_reference *reference, const struct measure *options,
                             bool whole, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *document = NULL;
    /* The reference owns it; only its shape is looked at. */
    const json_t *json = clo_reference_json(reference);

    if (options->output != NULL) {
        if (!clo_json_write(json, &text, err))
            return false;
        clo_buffer_text(&text, "\n");
        if (!clo_buffer_ok(&text))
            return clo_out_of_memory(err);
        if (!clo_file_write(options->output, clo_buffer_bytes(&text), 0644, err))
            return false;
    }
    if (!options->json) {
        print_values(json);
        print_reasons(json);
        return true;
    }
    if (whole)
        return cli_print_json(json, err);
    document = json_pack("{s:O, s:O*}", "pcrs", json_object_get(json, "pcrs"), "not_predicted",
                         json_object_get(json, "not_predicted"));
    return cli_print_json(document, err);
}

/* What the kernel will not see of a command line that its builder does. */
static void warn_of_dropped(const struct clo_prediction *from)
{
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = malloc(sizeof *uki);
    struct clo_error ignored;

    if (uki == NULL || from->uki.size == 0 || !clo_uki_parse(from->uki, uki, &ignored))
        return; /* the prediction says why */
    const struct clo_pe_section *section = clo_uki_section(uki, 0, ".cmdline");
    uint32_t character = section == NULL ? 0 : handover_dropped(section->data);
    if (character != 0)
        fprintf(stderr,
                "warning: the command line has U+%X, which is beyond U+FFFF: the stub drops it, "
                "and "
                "so does the prediction of PCR 9\n",
                character);
}

bool measure_pcrs(struct measure *options, struct clo_prediction *from, bool whole,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer varstore = { 0 };
    enum clo_hash banks[BANKS_MAX];
    char created[32];
    time_t now = time(NULL);
    struct tm parts;

    if (!read_banks(&options->bank_names, banks, &from->bank_count, err))
        return false;
    from->banks = from->bank_count == 0 ? NULL : banks;
    from->is_secure_boot_off = options->without_secure_boot;
    from->load_options = options->boot.options;
    from->uki = clo_buffer_bytes(&options->boot.uki);
    from->shim = clo_buffer_bytes(&options->boot.shim);
    from->loader = clo_buffer_bytes(&options->boot.loader);
    from->loader_conf = clo_buffer_bytes(&options->boot.loader_conf);
    from->kernel = clo_buffer_bytes(&options->boot.kernel);
    from->initrd = clo_buffer_bytes(&options->boot.initrd);
    from->companions = options->boot.companions.items;
    from->companion_count = options->boot.companions.count;
    if (!read_mok(options, from, err))
        return false;
    if (options->varstore != NULL) {
        if (!cli_read_varstore(options->varstore, &varstore, err))
            return false;
        from->varstore = clo_buffer_bytes(&varstore);
    }
    if (options->built != NULL &&
        !cli_volume_key_read(options->built, &options->volume_key, from, err))
        return false;
    if (options->name != NULL)
        from->name = options->name;
    strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    from->created = created;
    warn_of_dropped(from);
    return clo_reference_predict(from, &reference, err) &&
           print_prediction(reference, options, whole, err);
}
