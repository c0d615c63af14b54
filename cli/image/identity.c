#include "cli/image/identity.h"

#include <stdlib.h>
#include <string.h>

#include "cli/measure/companions.h"
#include "cli/view.h"
#include "cloister/authenticode.h"
#include "cloister/reference.h"
#include "lib/disk/gpt.h"
#include "lib/disk/luks2.h"

static void set_digest(struct clo_json_object *o, const char *key, struct clo_bytes in)
{
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, in, &digest);
    clo_json_set_hex(o, key, clo_digest_bytes(&digest));
}

static bool is_disk(struct clo_bytes in)
{
    return in.size >= CLO_GPT_HEAD_SIZE && memcmp(in.data + CLO_GPT_SECTOR, "EFI PART", 8) == 0;
}

static bool is_pe(struct clo_bytes in)
{
    return in.size >= 2 && memcmp(in.data, "MZ", 2) == 0;
}

/* --- A disk's table and root --- */

static json_t *root_json(struct clo_bytes disk, const struct clo_gpt *gpt)
{
    const struct clo_gpt_partition *root;
    struct clo_luks2_info info;
    struct clo_error ignored;

    if (!clo_gpt_find(gpt, &clo_gpt_type_root_x86_64, &root, &ignored) ||
        root->last_lba >= disk.size / CLO_GPT_SECTOR)
        return NULL;
    struct clo_bytes header =
            clo_bytes_slice(disk, (size_t)root->first_lba * CLO_GPT_SECTOR,
                            (size_t)(root->last_lba - root->first_lba + 1) * CLO_GPT_SECTOR);
    if (header.size > CLO_LUKS2_HEADER_MAX)
        header.size = CLO_LUKS2_HEADER_MAX;
    return clo_luks2_check(header, &info, &ignored) ? json_pack("{s:s}", "luks_uuid", info.uuid)
                                                    : NULL;
}

static void add_disk(struct clo_json_object *o, struct clo_bytes disk)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    struct clo_json_object table = { .json = json_object() };
    struct clo_bytes head = clo_bytes_slice(disk, 0, CLO_GPT_HEAD_SIZE);
    char guid[CLO_GUID_TEXT];
    struct clo_error ignored;

    if (gpt != NULL && clo_gpt_parse(head, gpt, &ignored)) {
        clo_json_set(&table, "guid", json_string(clo_guid_text(&gpt->disk, guid)));
        set_digest(&table, "table_sha256", head);
        json_t *root = root_json(disk, gpt);
        if (root != NULL)
            clo_json_set(o, "root", root);
    }
    clo_json_set(o, "disk", clo_json_finish(&table));
}

/* --- The UKI, and what a boot of it leaves --- */

static void add_uki(struct clo_json_object *o, struct clo_bytes uki)
{
    struct clo_json_object json = { .json = json_object() };
    CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);
    struct clo_digest digest;
    struct clo_error ignored;

    clo_json_set(&json, "bytes", json_integer((json_int_t)uki.size));
    set_digest(&json, "sha256", uki);
    if (pe != NULL && clo_pe_parse(uki, pe, &ignored) &&
        clo_authenticode_digest(pe, CLO_HASH_SHA256, &digest, &ignored))
        clo_json_set_hex(&json, "authenticode_sha256", clo_digest_bytes(&digest));
    clo_json_set(o, "uki", clo_json_finish(&json));
}

/* Those of these members that are there. */
static void copy_members(const json_t *from, const char *const *names, size_t count, json_t *to)
{
    for (size_t i = 0; i < count; i++)
        if (json_object_get(from, names[i]) != NULL)
            json_object_set(to, names[i], json_object_get(from, names[i]));
}

/* What the UKI and the disk alone decide: programs, partition table, the UKI's parts, command lines. Of
 * PCR 7 and the firmware's own only the owner of the variables knows. */
static json_t *pcrs_json(const json_t *reference)
{
    static const char *const taken[] = { "4", "5", "9", "11", "12" };
    json_t *json = json_object();

    copy_members(json_object_get(json_object_get(reference, "pcrs"), "sha256"), taken,
                 CLO_COUNT(taken), json);
    return json;
}

static void add_rtmrs(json_t *registers, const struct clo_boot_disk *boot, struct clo_bytes head)
{
    static const char *const taken[] = { "rtmr1", "rtmr2" };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    const struct clo_tdx_prediction from = {
        .name = "identity",
        .uki = clo_buffer_bytes(&boot->uki),
        .shim = clo_buffer_bytes(&boot->shim),
        .companions = boot->companions.items,
        .companion_count = boot->companions.count,
        .load_options = boot->options[0] == '\0' ? NULL : boot->options,
        .disk_head = head,
    };
    struct clo_error ignored;

    if (!clo_reference_predict_tdx(&from, &reference, &ignored))
        return;
    copy_members(json_object_get(clo_reference_json(reference), "tdx"), taken, CLO_COUNT(taken),
                 registers);
}

static void add_registers(struct clo_json_object *o, const struct clo_boot_disk *boot,
                          struct clo_bytes head)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    const struct clo_prediction from = {
        .name = "identity",
        .uki = clo_buffer_bytes(&boot->uki),
        .shim = clo_buffer_bytes(&boot->shim),
        .loader = clo_buffer_bytes(&boot->loader),
        .loader_conf = clo_buffer_bytes(&boot->loader_conf),
        .kernel = clo_buffer_bytes(&boot->kernel),
        .initrd = clo_buffer_bytes(&boot->initrd),
        .companions = boot->companions.items,
        .companion_count = boot->companions.count,
        .load_options = boot->options[0] == '\0' ? NULL : boot->options,
        .disk_head = head,
    };
    struct clo_error why;

    if (!clo_reference_predict(&from, &reference, &why)) {
        clo_json_set(o, "unknown", clo_json_text(why.text));
        return;
    }
    json_t *registers =
            json_pack("{s:{s:o}}", "pcrs", "sha256", pcrs_json(clo_reference_json(reference)));
    if (registers != NULL && boot->loader.size == 0)
        add_rtmrs(registers, boot, head);
    clo_json_set(o, "registers", registers);
}

static void add_boot(struct clo_json_object *o, struct clo_bytes file, bool has_table)
{
    CLO_CLEANUP(clo_boot_disk_free) struct clo_boot_disk boot = { 0 };
    struct clo_error why;

    if (!has_table)
        clo_buffer_append(&boot.uki, file);
    else if (!cli_disk_boot(file, NULL, &boot, &why)) {
        clo_json_set(o, "unknown", clo_json_text(why.text));
        return;
    }
    if (boot.uki.size > 0)
        add_uki(o, clo_buffer_bytes(&boot.uki));
    add_registers(o, &boot,
                  has_table ? clo_bytes_slice(file, 0, CLO_GPT_HEAD_SIZE) : clo_bytes(NULL, 0));
}

bool cli_identity(const char *path, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(cli_view_close) struct cli_view view = { 0 };
    struct clo_json_object o = { .json = json_object() };

    if (!cli_view_open_disk(path, &view, err)) {
        json_decref(o.json);
        return false;
    }
    bool has_table = is_disk(view.bytes);
    bool has_program = has_table || is_pe(view.bytes);
    clo_json_set(&o, "kind", json_string(has_table ? "disk" : has_program ? "program" : "file"));
    clo_json_set(&o, "bytes", json_integer((json_int_t)view.bytes.size));
    set_digest(&o, "sha256", view.bytes);
    if (has_table)
        add_disk(&o, view.bytes);
    if (has_program)
        add_boot(&o, view.bytes, has_table);
    *out = clo_json_finish(&o);
    return *out != NULL || clo_out_of_memory(err);
}
