/* cloister measure tdx: MRTD and RTMRs of a TDX guest, with the events that make them. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/eventlog/input.h"
#include "cli/inputs.h"
#include "cli/measure/companions.h"
#include "cli/measure/growth.h"
#include "cli/measure/measure.h"
#include "cli/view.h"
#include "cloister/encoding.h"
#include "cloister/reference.h"
#include "cloister/tdvf.h"
#include "device/file.h"
#include "lib/disk/gpt.h"

#define FIRMWARE_LIMIT ((size_t)64 << 20)
#define ACPI_LIMIT     ((size_t)8 << 20)

struct options {
    const char *firmware, *page_order, *memory, *varstore;
    const char *uki, *image, *shim, *load_options;
    const char *kernel, *initrd, *append, *kernel_header;
    const char *acpi_loader, *acpi_rsdp, *acpi_tables;
    const char *given, *separator, *name, *output;
    struct cli_growth growth;
    bool secure_boot_absent, json;
};

/* The files, which the prediction's views point into. */
struct files {
    struct clo_buffer firmware, varstore, uki, shim, kernel, initrd;
    struct clo_buffer acpi_loader, acpi_rsdp, acpi_tables, log;
    struct clo_eventlog *given;
    struct cli_view disk;
    struct clo_buffer grown;
    struct clo_boot_disk boot; /* of the disk image */
};

static void free_files(struct files *files)
{
    struct clo_buffer *const buffers[] = {
        &files->firmware, &files->varstore,    &files->uki,       &files->kernel,
        &files->initrd,   &files->acpi_loader, &files->acpi_rsdp, &files->acpi_tables,
        &files->log,      &files->grown,       &files->shim,
    };

    clo_eventlog_free(files->given);
    for (size_t i = 0; i < CLO_COUNT(buffers); i++)
        clo_buffer_free(buffers[i]);
    cli_view_close(&files->disk);
    clo_boot_disk_free(&files->boot);
}

/* --- Inputs --- */

/* One of two words; NULL is the first. */
static bool read_choice(const char *option, const char *text, const char *first, const char *second,
                        bool *is_second, struct clo_error *err)
{
    *is_second = text != NULL && strcmp(text, second) == 0;
    return text == NULL || *is_second || strcmp(text, first) == 0 ||
           clo_fail(err, CLO_ERR_USAGE, "%s %s: expected %s or %s", option, text, first, second);
}

static bool read_choices(const struct options *options, struct clo_tdx_prediction *out,
                         struct clo_error *err)
{
    const char *order = options->page_order;

    out->is_page_order_known = order != NULL && strcmp(order, "both") != 0;
    if (out->is_page_order_known &&
        !read_choice("--page-order", order, "single", "two", &out->is_two_pass, err))
        return clo_fail(err, CLO_ERR_USAGE, "--page-order %s: expected single, two or both", order);
    if (options->memory != NULL && !cli_size("--memory", options->memory, &out->memory, err))
        return false;
    out->is_secure_boot_absent = options->secure_boot_absent;
    out->cmdline = options->append;
    out->load_options = options->load_options;
    return read_choice("--separator", options->separator, "rtmr1", "rtmr0",
                       &out->is_separator_in_rtmr0, err) &&
           read_choice("--kernel-header", options->kernel_header, "qemu", "file",
                       &out->is_header_unchanged, err);
}

static bool read_optional(const char *path, size_t limit, struct clo_buffer *file,
                          struct clo_bytes *out, struct clo_error *err)
{
    if (path == NULL)
        return true;
    if (!clo_file_read(path, limit, file, err))
        return false;
    *out = clo_buffer_bytes(file);
    return out->size > 0 || clo_fail(err, CLO_ERR_FORMAT, "%s: is empty", path);
}

static bool read_firmware(const struct options *options, struct files *files,
                          struct clo_tdx_prediction *out, struct clo_error *err)
{
    struct clo_tdvf tdvf;

    return read_optional(options->firmware, FIRMWARE_LIMIT, &files->firmware, &out->firmware,
                         err) &&
           (options->firmware == NULL || clo_tdvf_parse(out->firmware, &tdvf, err) ||
            clo_wrap(err, "%s", options->firmware));
}

static bool read_image(const struct options *options, struct files *files,
                       struct clo_tdx_prediction *out, struct clo_error *err)
{
    if (options->image == NULL)
        return true;
    if (!cli_view_open_disk(options->image, &files->disk, err))
        return false;
    out->disk_head = clo_bytes_slice(files->disk.bytes, 0, CLO_GPT_HEAD_SIZE);
    if (!cli_grow(&options->growth, &out->disk_head, &files->grown, err))
        return clo_wrap(err, "%s", options->image);
    if (options->uki != NULL)
        return true;
    struct clo_boot_disk *boot = &files->boot;
    if (!cli_disk_boot(files->disk.bytes, options->load_options, boot, err))
        return clo_wrap(err, "%s", options->image);
    if (boot->loader.size > 0)
        return clo_fail(
                err, CLO_ERR_UNSUPPORTED,
                "%s: boots through systemd-boot or GRUB: what that measures into RTMRs was never "
                "seen",
                options->image);
    if (boot->is_by_fallback)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "%s: boots through shim's fallback, which does not reset a guest without a "
                        "TPM: not predicted",
                        options->image);
    out->shim = clo_buffer_bytes(&boot->shim);
    out->load_options = boot->options;
    out->uki = clo_buffer_bytes(&boot->uki);
    out->companions = boot->companions.items;
    out->companion_count = boot->companions.count;
    return true;
}

static bool read_files(const struct options *options, struct files *files,
                       struct clo_tdx_prediction *out, struct clo_error *err)
{
    if (options->varstore != NULL) {
        if (!cli_read_varstore(options->varstore, &files->varstore, err))
            return false;
        out->varstore = clo_buffer_bytes(&files->varstore);
    }
    if (options->given != NULL) {
        if (!eventlog_load(options->given, &files->log, &files->given, err))
            return false;
        out->given = files->given;
    }
    return read_firmware(options, files, out, err) &&
           read_optional(options->uki, CLI_IMAGE_LIMIT, &files->uki, &out->uki, err) &&
           read_optional(options->shim, CLI_IMAGE_LIMIT, &files->shim, &out->shim, err) &&
           read_image(options, files, out, err) &&
           read_optional(options->kernel, CLI_IMAGE_LIMIT, &files->kernel, &out->kernel, err) &&
           read_optional(options->initrd, CLI_IMAGE_LIMIT, &files->initrd, &out->initrd, err) &&
           read_optional(options->acpi_loader, ACPI_LIMIT, &files->acpi_loader, &out->acpi_loader,
                         err) &&
           read_optional(options->acpi_rsdp, ACPI_LIMIT, &files->acpi_rsdp, &out->acpi_rsdp, err) &&
           read_optional(options->acpi_tables, ACPI_LIMIT, &files->acpi_tables, &out->acpi_tables,
                         err);
}

/* --- Output --- */

static const char *const registers[] = { "rtmr0", "rtmr1", "rtmr2", "rtmr3" };

static json_t *to_json(const json_t *reference)
{
    const json_t *tdx = json_object_get(reference, "tdx");
    const json_t *orders = json_object_get(tdx, "mr_td");
    json_t *single = json_object_get(orders, "single-pass");
    json_t *two = json_object_get(orders, "two-pass");
    json_t *reasons = json_object_get(tdx, "not_predicted");
    json_t *json = json_object();

    json_object_set(json, "mr_td", single != NULL ? single : two);
    if (single != NULL && two != NULL)
        json_object_set(json, "mr_td_by_page_order", (json_t *)(uintptr_t)orders);
    for (size_t i = 0; i < CLO_COUNT(registers); i++)
        json_object_set(json, registers[i], json_object_get(tdx, registers[i]));
    json_object_set(json, "events", json_object_get(reference, "events"));
    json_object_set_new(json, "not_predicted",
                        reasons == NULL ? json_object() : json_incref(reasons));
    return json;
}

static void print_register(const json_t *reference, const char *name)
{
    const json_t *tdx = json_object_get(reference, "tdx");
    const json_t *value = json_object_get(tdx, name);
    const json_t *list = json_object_get(json_object_get(reference, "events"), name);
    const json_t *reason = json_object_get(json_object_get(tdx, "not_predicted"), name);
    size_t given = 0;
    json_t *event;
    size_t i;

    if (value == NULL) {
        printf("%s  not predicted: %s\n", name, json_string_value(reason));
        return;
    }
    json_array_foreach (list, i, event)
        given += json_object_get(event, "given") != NULL;
    printf("%s  %s  %zu events", name, json_string_value(value), json_array_size(list));
    if (given > 0)
        printf(", %zu of them taken from the log that was given", given);
    putchar('\n');
    json_array_foreach (list, i, event)
        printf("         %s %-40s  %s\n", json_object_get(event, "given") == NULL ? "+" : "=",
               json_string_value(json_object_get(event, "type")),
               json_string_value(json_object_get(event, "name")));
}

static void print_text(const json_t *reference)
{
    const json_t *tdx = json_object_get(reference, "tdx");
    const json_t *reason = json_object_get(json_object_get(tdx, "not_predicted"), "mr_td");
    const char *order;
    json_t *value;

    if (reason != NULL)
        printf("mr_td  not predicted: %s\n", json_string_value(reason));
    json_object_foreach (json_object_get(tdx, "mr_td"), order, value)
        printf("mr_td  %s  %s\n", json_string_value(value), order);
    for (size_t i = 0; i < CLO_COUNT(registers); i++)
        print_register(reference, registers[i]);
    printf("(+ predicted, = taken as given)\n");
}

static bool print_reference(const struct clo_reference *reference, const struct options *options,
                            struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *document = NULL;
    const json_t *json = clo_reference_json(reference);

    if (options->output != NULL &&
        (!clo_reference_write(reference, &text, err) ||
         !clo_file_write(options->output, clo_buffer_bytes(&text), 0644, err)))
        return false;
    if (!options->json) {
        print_text(json);
        return true;
    }
    document = to_json(json);
    return cli_print_json(document, err);
}

static bool measure(const struct options *options, struct clo_error *err)
{
    CLO_CLEANUP(free_files) struct files files = { 0 };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    struct clo_tdx_prediction from = { .name = options->name };
    char created[32];
    time_t now = time(NULL);
    struct tm parts;

    strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    from.created = created;
    return read_choices(options, &from, err) && read_files(options, &files, &from, err) &&
           clo_reference_predict_tdx(&from, &reference, err) &&
           print_reference(reference, options, err);
}

/* As given on the command line. */
static struct options chosen = { .name = "tdx" };

static const struct cli_option table[] = {
    { "--firmware", "FILE", "TDX firmware image, variables and code in one file",
      .text = &chosen.firmware },
    { "--ovmf", "FILE", "the same, as measure snp calls it", .text = &chosen.firmware },
    { "--page-order", "ORDER", "single (QEMU since 9.0), two, or both; default both",
      .text = &chosen.page_order },
    { "--memory", "SIZE", "of the guest, like 8G: TD HOB, and what QEMU tells a kernel",
      .text = &chosen.memory },
    { "--varstore", "FILE", "variable store; default the firmware image's own",
      .text = &chosen.varstore },
    { "--secure-boot-absent", NULL, "the firmware was built without Secure Boot",
      .flag = &chosen.secure_boot_absent },
    { "--uki", "FILE", "the UKI that firmware starts", .text = &chosen.uki },
    { "--image", "FILE", "the disk it starts from: its partition table, and its UKI",
      .text = &chosen.image },
    { "--disk-size", "SIZE", CLI_DISK_SIZE_HELP, .text = &chosen.growth.disk_size },
    { "--grow-partition", "WHICH", CLI_GROW_PARTITION_HELP, .text = &chosen.growth.partition },
    { "--grown-by", "TOOL", CLI_GROWN_BY_HELP, .text = &chosen.growth.tool,
      .values = CLI_GROWN_BY_VALUES },
    { "--shim", "FILE", "the shim that firmware starts, and that starts the UKI",
      .text = &chosen.shim },
    { "--load-options", "TEXT", "what the boot entry passes to the UKI; default nothing",
      .text = &chosen.load_options },
    { "--kernel", "FILE", "the kernel that QEMU starts (-kernel)", .text = &chosen.kernel },
    { "--initrd", "FILE", "its initrd", .text = &chosen.initrd },
    { "--cmdline", "TEXT", "its command line", .text = &chosen.append, .was = "--append" },
    { "--kernel-header", "WHO", "qemu fills in the kernel's setup header; file: nobody does",
      .text = &chosen.kernel_header, .values = "qemu file" },
    { "--acpi-loader", "FILE", "QEMU's etc/table-loader", .text = &chosen.acpi_loader },
    { "--acpi-rsdp", "FILE", "QEMU's etc/acpi/rsdp", .text = &chosen.acpi_rsdp },
    { "--acpi-tables", "FILE", "QEMU's etc/acpi/tables", .text = &chosen.acpi_tables },
    { "--given", "LOG", "CCEL log of such a machine, for what cannot be predicted",
      .text = &chosen.given },
    { "--separator", "REGISTER", "rtmr1, or rtmr0 for firmware of 2022; without --given",
      .text = &chosen.separator },
    { "--name", "NAME", "the reference's name; default tdx", .text = &chosen.name },
    { "--output", "FILE", "write a reference file", .text = &chosen.output },
    { "--json", NULL, "print one JSON document", .flag = &chosen.json },
};

static const struct cli_usage usage = {
    .command = "measure tdx",
    .arguments = "--firmware FILE [--uki FILE|--image FILE|--kernel FILE]",
    .summary = "Predicts MRTD and the RTMRs of a TDX guest, event by event.\n"
               "What is not predicted is told, and what was taken from --given is marked.",
    .options = table,
    .option_count = CLO_COUNT(table),
    .example = "  cloister measure tdx --firmware OVMF.fd --page-order single --json\n"
               "  cloister measure tdx --firmware OVMF.fd --memory 8G --image guest.img "
               "--given ccel.bin\n",
};

int cmd_measure_tdx(int argc, char **argv)
{
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (chosen.firmware == NULL && chosen.uki == NULL && chosen.image == NULL &&
        chosen.kernel == NULL && chosen.given == NULL)
        return cli_usage_error(&usage, "nothing to predict from: --firmware is missing");
    if (chosen.shim != NULL && chosen.uki == NULL)
        return cli_usage_error(&usage, "--shim is that of a --uki; an --image has its own");
    return measure(&chosen, &err) ? CLI_YES : cli_fail("measure tdx", &err);
}
