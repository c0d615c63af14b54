/* cloister measure: uki, image; snp, tdx and policy have files of their own. What will the
 * registers be, before anything has run? */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/inputs.h"
#include "cli/measure/companions.h"
#include "cli/measure/disk.h"
#include "cli/measure/growth.h"
#include "cli/measure/machine.h"
#include "cli/measure/volume_key.h"
#include "cli/view.h"
#include "cloister/encoding.h"
#include "cloister/gpt.h"
#include "cloister/reference.h"
#include "device/file.h"

#include "cli/secureboot/lists.h"

#define BANKS_MAX 4

struct measure {
    struct cli_list bank_names;
    const char *varstore;
    const char *name;
    const char *output;
    const char *load_options;
    const char *shim, *mok_list, *mok_list_x;
    struct cli_list beside, loader;
    struct cli_boot boot;
    struct secureboot_file mok, mok_x;
    struct cli_growth growth;
    struct cli_machine machine;
    struct cli_volume_key volume_key;
    const char *built; /* the reference file of the image's build */
    bool without_secure_boot;
    bool json;
};

static void measure_free(struct measure *options)
{
    cli_boot_free(&options->boot);
    cli_machine_free(&options->machine);
    secureboot_file_free(&options->mok);
    secureboot_file_free(&options->mok_x);
}

/* --- Inputs --- */

static bool read_banks(const struct cli_list *names, enum clo_hash out[BANKS_MAX], size_t *count,
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

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
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

/* Predicts from what was read, and prints. */
static bool measure(struct measure *options, struct clo_prediction *from, bool whole,
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
    return clo_reference_predict(from, &reference, err) &&
           print_prediction(reference, options, whole, err);
}

/* --- Commands --- */

#define MOK_LIST_HELP   "signature lists in place of the variable store's MokList (through shim)"
#define MOK_LIST_X_HELP "the same of MokListX"

static bool read_uki(const char *path, struct measure *options, struct clo_error *err)
{
    struct cli_boot *boot = &options->boot;

    if (options->load_options != NULL &&
        (size_t)snprintf(boot->options, sizeof boot->options, "%s", options->load_options) >=
                sizeof boot->options)
        return clo_fail(err, CLO_ERR_USAGE, "--load-options: too long");
    return clo_file_read(path, CLI_IMAGE_LIMIT, &boot->uki, err) &&
           (options->shim == NULL || cli_read_pe(options->shim, &boot->shim, err)) &&
           cli_companions_read(&options->beside, &options->loader, &boot->companions, err) &&
           (boot->companions.count == 0 ||
            cli_companions_warn(clo_buffer_bytes(&boot->uki), &boot->companions, err));
}

static int measure_uki(int argc, char **argv)
{
    CLO_CLEANUP(measure_free) struct measure options = { 0 };
    const struct cli_option table[] = {
        { "--bank", "NAME", "sha1, sha256, sha384 or sha512; repeats; default sha256",
          .list = &options.bank_names },
        { "--varstore", "FILE", "the firmware's variable store: predicts PCR 7 too",
          .text = &options.varstore },
        { "--no-secure-boot", NULL, "without a variable store: Secure Boot will be off",
          .flag = &options.without_secure_boot },
        { "--companion", "FILE",
          "what will lie in the UKI's .extra.d: an add-on, a credential, an extension; repeats",
          .list = &options.beside },
        { "--loader-companion", "FILE",
          "what will lie below loader/ on the ESP, by its kind; repeats", .list = &options.loader },
        { "--load-options", "TEXT", "what the boot entry passes: \"@1\" for the second profile",
          .text = &options.load_options },
        { "--shim", "FILE", "the shim that firmware starts, and that starts the UKI",
          .text = &options.shim },
        { "--mok-list", "FILE", MOK_LIST_HELP, .text = &options.mok_list },
        { "--mok-list-x", "FILE", MOK_LIST_X_HELP, .text = &options.mok_list_x },
        { "--output", "FILE", "write a reference file", .text = &options.output },
        { "--json", NULL, "print one JSON document", .flag = &options.json },
    };
    const struct cli_usage usage = {
        .command = "measure uki",
        .arguments = "UKI",
        .summary = "Predicts the PCRs of a boot that starts this unified kernel image from the "
                   "firmware.\nPCR 11 is told for each phase of the boot.",
        .options = table,
        .option_count = CLO_COUNT(table),
        .example = "  cloister measure uki demo.efi --bank sha256 --bank sha384\n",
    };
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1)
        return cli_usage_error(&usage, "takes one UKI");
    if (!cli_is_no_input("--output", options.output, operands.items[0], &err))
        return cli_usage_error(&usage, "%s", err.text);
    if (options.varstore != NULL && options.without_secure_boot)
        return cli_usage_error(&usage, "--varstore says itself whether Secure Boot is on");
    if (options.shim == NULL && (options.mok_list != NULL || options.mok_list_x != NULL))
        return cli_usage_error(&usage, "--mok-list and --mok-list-x are a shim's: --shim is "
                                       "missing");
    struct clo_prediction from = { .name = base_name(operands.items[0]) };
    bool ok = read_uki(operands.items[0], &options, &err);
    ok = ok && (measure(&options, &from, false, &err) || clo_wrap(&err, "%s", operands.items[0]));
    return ok || clo_wrap(&err, "measure uki") ? CLI_YES : cli_error(&err);
}

static int measure_image(int argc, char **argv)
{
    CLO_CLEANUP(measure_free) struct measure options = { .machine = CLI_MACHINE_DEFAULTS };
    const struct cli_option table[] = {
        { "--varstore", "FILE", "the firmware's variable store, with the Secure Boot keys",
          .text = &options.varstore },
        { "--bank", "NAME", "sha1, sha256, sha384 or sha512; repeats; default sha256",
          .list = &options.bank_names },
        { "--load-options", "TEXT",
          "what the boot entry passes; default nothing. To a shim: its second stage's name first",
          .text = &options.load_options },
        { "--disk-size", "SIZE", CLI_DISK_SIZE_HELP, .text = &options.growth.disk_size },
        { "--grow-partition", "WHICH", CLI_GROW_PARTITION_HELP, .text = &options.growth.partition },
        { "--grown-by", "TOOL", CLI_GROWN_BY_HELP, .text = &options.growth.tool },
        { "--built", "FILE", "the reference file that image build wrote: PCR 15 is taken from it",
          .text = &options.built },
        { "--mok-list", "FILE", MOK_LIST_HELP, .text = &options.mok_list },
        { "--mok-list-x", "FILE", MOK_LIST_X_HELP, .text = &options.mok_list_x },
        { "--firmware", "FILE", "OVMF's image: predicts PCRs 0 to 3 and 6, as far as they follow",
          .text = &options.machine.firmware },
        { "--memory", "SIZE", "of the machine, with --firmware; default 512M",
          .text = &options.machine.memory },
        { "--vcpus", "N", "of the machine, with --firmware; default 1",
          .number = &options.machine.vcpus },
        { "--address-bits", "N", "of its processor; default 40, QEMU's -cpu max without KVM",
          .number = &options.machine.address_bits },
        { "--firmware-version", "TEXT", "what the firmware says it is; default nothing",
          .text = &options.machine.version },
        { "--name", "NAME", "the image's name; default its file name", .text = &options.name },
        { "--output", "FILE", "write the reference file", .text = &options.output },
        { "--json", NULL, "print the reference file", .flag = &options.json },
    };
    const struct cli_usage usage = {
        .command = "measure image",
        .arguments = "IMAGE --varstore FILE",
        .summary =
                "Predicts the PCRs of a boot from this disk image, event by event.\n"
                "PCR 5 is that of a grown disk with --disk-size and --grow-partition. PCR 15 needs "
                "the volume key and is\nin the file that image build writes (--built); PCRs "
                "0 to 3 and 6 are the firmware's: from its\nimage (--firmware), else from a "
                "calibration boot.",
        .options = table,
        .option_count = CLO_COUNT(table),
        .example = "  cloister measure image demo.raw --varstore vars.fd --json\n"
                   "  cloister measure image demo.raw --varstore vars.fd --built demo.ref.json \\\n"
                   "    --disk-size 40G --grow-partition root --grown-by repart "
                   "--output demo.grown.ref.json\n",
    };
    CLO_CLEANUP(cli_view_close) struct cli_view disk = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer grown = { 0 };
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1)
        return cli_usage_error(&usage, "takes one disk image");
    if (!cli_is_no_input("--output", options.output, operands.items[0], &err))
        return cli_usage_error(&usage, "%s", err.text);
    if (options.varstore == NULL)
        return cli_usage_error(&usage, "--varstore is missing");
    const char *path = operands.items[0];
    bool ok = cli_view_open(path, SIZE_MAX, &disk, &err);
    ok = ok && (cli_disk_boot(disk.bytes, options.load_options, &options.boot, &err) ||
                clo_wrap(&err, "%s", path));
    struct clo_prediction from = { .name = base_name(path),
                                   .disk_head = clo_bytes_slice(disk.bytes, 0, CLO_GPT_HEAD_SIZE) };
    ok = ok &&
         (cli_grow(&options.growth, &from.disk_head, &grown, &err) || clo_wrap(&err, "%s", path));
    ok = ok && cli_machine_read(&options.machine, &from, &err);
    ok = ok && (measure(&options, &from, true, &err) || clo_wrap(&err, "%s", path));
    return ok || clo_wrap(&err, "measure image") ? CLI_YES : cli_error(&err);
}

int cmd_measure(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "snp", cmd_measure_snp, "launch digest of an SEV-SNP, SEV-ES or SEV guest" },
        { "tdx", cmd_measure_tdx, "MRTD and RTMRs of a TDX guest" },
        { "uki", measure_uki, "PCRs of a unified kernel image" },
        { "image", measure_image, "PCRs of a disk image, as a reference file" },
        { "policy", cmd_measure_policy, "signed TPM policies over what references foretell" },
    };

    return cli_dispatch("measure", "Predicts registers before the first boot.", commands,
                        CLO_COUNT(commands), argc, argv);
}
