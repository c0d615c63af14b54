/* cloister image inspect: what is on a disk image, and would a guest open it? */
#include <stdlib.h>
#include <string.h>

#include "cli/image/identity.h"
#include "cli/image/image.h"
#include "image/survey.h"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

static unsigned long long mib_of(const json_t *object)
{
    return (unsigned long long)json_integer_value(json_object_get(object, "bytes")) >> 20;
}

static void print_partition(const json_t *part)
{
    const char *name = text_of(part, "name"), *uuid = text_of(part, "uuid");
    int number = (int)json_integer_value(json_object_get(part, "number"));

    if (number == 0)
        printf("content    ");
    else
        printf("partition  %d%s%s: ", number, *name == '\0' ? "" : " ", name);
    printf("%s%s%s, %llu MiB\n", text_of(part, "content"), *uuid == '\0' ? "" : " ", uuid,
           mib_of(part));
}

static void print_pcrs(const char *what, const json_t *pcrs)
{
    for (size_t i = 0; i < json_array_size(pcrs); i++)
        printf("%s%d", i == 0 ? what : "+", (int)json_integer_value(json_array_get(pcrs, i)));
}

/* Who can open it: a pass phrase or key for each slot, and what TPMs give back. */
static void print_openers(const json_t *luks)
{
    size_t i;
    const json_t *one;

    json_array_foreach (json_object_get(luks, "slots"), i, one)
        printf("opens      slot %s: a key or pass phrase, by %s\n", text_of(one, "slot"),
               text_of(one, "kdf"));
    json_array_foreach (json_object_get(luks, "tokens"), i, one) {
        const char *why = text_of(one, "not_read");
        printf("opens      token %s", text_of(one, "type"));
        if (*why != '\0')
            printf(": not read: %s\n", why);
        if (*why != '\0')
            continue;
        printf(" for slot %d: a TPM", (int)json_integer_value(json_object_get(one, "keyslot")));
        print_pcrs(", PCRs ", json_object_get(one, "pcrs"));
        print_pcrs(", signed policy of PCRs ", json_object_get(one, "signed_pcrs"));
        printf("%s%s%s\n", json_is_true(json_object_get(one, "pin")) ? ", PIN" : "",
               json_is_true(json_object_get(one, "pcrlock")) ? ", pcrlock" : "",
               json_is_true(json_object_get(one, "broker_share")) ? ", and the broker's share"
                                                                  : "");
    }
}

static void print_luks(const char *what, const json_t *luks)
{
    const char *refusal = text_of(luks, "refusal");
    bool has_tags = strcmp(text_of(luks, "integrity"), "none") != 0;

    bool is_detached = json_is_true(json_object_get(luks, "detached"));

    if (*refusal != '\0')
        printf("%-10s refused: %s\n", what, refusal);
    else
        printf("%-10s LUKS2 %s, %s%s%s, %u-byte sectors, %zu key slots: %s\n", what,
               text_of(luks, "luks_uuid"), text_of(luks, "cipher"), has_tags ? ", " : "",
               has_tags ? text_of(luks, "integrity") : "",
               (unsigned)json_integer_value(json_object_get(luks, "sector_size")),
               (size_t)json_integer_value(json_object_get(luks, "keyslots")),
               is_detached ? "a detached header, which a guest takes" : "a guest opens it");
    print_openers(luks);
}

static void print_list(const char *what, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        printf("%-10s %s\n", what, json_string_value(json_array_get(list, i)));
}

static void print_text(const json_t *json)
{
    const json_t *root = json_object_get(json, "root"), *uki = json_object_get(json, "uki"), *part;
    const char *guid = text_of(json, "disk");
    size_t i;

    printf("disk       %s, %s partition table%s%s, %llu MiB\n", text_of(json, "container"),
           text_of(json, "table"), *guid == '\0' ? "" : " ", guid, mib_of(json));
    json_array_foreach (json_object_get(json, "partitions"), i, part)
        print_partition(part);
    print_luks("root", root);
    json_array_foreach (json_object_get(json, "partitions"), i, part)
        if (json_object_get(part, "luks") != NULL && json_object_get(part, "luks") != root)
            print_luks("LUKS", json_object_get(part, "luks"));
    if (json_object_get(uki, "path") != NULL)
        printf("UKI        %s, %.1f MB%s%s\n", text_of(uki, "path"),
               (double)json_integer_value(json_object_get(uki, "bytes")) / 1e6,
               json_is_true(json_object_get(uki, "shim")) ? ", by a shim" : "",
               json_is_true(json_object_get(uki, "loader")) ? ", by a boot loader" : "");
    print_list("host reads", json_object_get(json, "host_reads"));
    print_list("wrong", json_object_get(json, "wrong"));
    printf("convert    %s\n", text_of(json, "convert"));
}

static bool inspect(const char *path, bool as_json, bool *is_fit, struct clo_error *err)
{
    CLO_CLEANUP(clo_container_close) struct clo_container container = { .fd = -1 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *identity = NULL;

    if (!clo_container_open(path, &container, err) || !clo_survey(&container, &json, is_fit, err))
        return false;
    if (!as_json) {
        print_text(json);
        return true;
    }
    if (!cli_identity(path, &identity, err))
        return false;
    json_object_set(json, "identity", identity);
    return cli_print_json(json, err);
}

/* Of the disk only what its header, elsewhere, says of it. */
static bool inspect_header(const char *path, const char *header_path, bool as_json, bool *is_fit,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_container_close) struct clo_container disk = { .fd = -1 };
    CLO_CLEANUP(clo_container_close) struct clo_container header = { .fd = -1 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    if (!clo_container_open(header_path, &header, err))
        return clo_wrap(err, "--header %s", header_path);
    if (!clo_container_open(path, &disk, err) ||
        !clo_survey_header(&disk, &header, &json, is_fit, err))
        return false;
    if (as_json)
        return cli_print_json(json, err);
    printf("disk       %s, %llu MiB from byte %llu on\n", text_of(json, "container"), mib_of(json),
           (unsigned long long)json_integer_value(json_object_get(json, "offset")));
    print_luks("header", json_object_get(json, "header"));
    return true;
}

int cmd_image_inspect(int argc, char **argv)
{
    const char *header = NULL;
    bool as_json = false;
    const struct cli_option options[] = {
        { "--header", "FILE",
          "the LUKS2 header of a data disk, or of the image's root, where it is in a file of its "
          "own",
          .text = &header },
        { "--json", NULL, "print JSON", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "image inspect",
        .arguments = "IMAGE",
        .operands = { "one image", 1, 1 },
        .summary =
                "Says what is on a disk image of anybody's, raw or in a container: its layout, "
                "what is\n"
                "encrypted and who can open it, the UKI, what the host can read, what is wrong,\n"
                "and what `image convert` would do. The root's LUKS2 header is held against the\n"
                "white list: exit status 1 if a guest would not open it.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister image inspect demo.img\n",
    };
    struct clo_list operands;
    struct clo_error err;
    bool is_fit = false;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    bool ok = header == NULL ? inspect(operands.items[0], as_json, &is_fit, &err)
                             : inspect_header(operands.items[0], header, as_json, &is_fit, &err);
    if (!ok) {
        clo_wrap(&err, "%s", operands.items[0]);
        return cli_error(&err);
    }
    return is_fit ? CLI_YES : CLI_NO;
}
