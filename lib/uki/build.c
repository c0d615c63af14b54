/* Images composed and edited: which sections there are, in which order (UAPI.5, "UKI Components" and
 * "Multi-Profile UKIs"). Where each goes in the file is lib/efi's business. */
#include <stdlib.h>
#include <string.h>

#include "uki_internal.h"

#define SCN_DATA 0x40000040U /* CNT_INITIALIZED_DATA, MEM_READ */
#define SCN_CODE 0x60000020U /* CNT_CODE, MEM_EXECUTE, MEM_READ */

void clo_uki_parts_free(struct clo_uki_parts_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        clo_pieces_free(&list->items[i].content);
    list->count = 0;
}

static struct names names_of(const struct clo_uki_parts_list *list)
{
    return (struct names){ list->items[0].name, sizeof list->items[0], list->count, list };
}

bool clo_uki_parts_of(const struct clo_pe *pe, void *source, struct clo_uki_parts_list *out,
                      struct clo_error *err)
{
    bool is_stub = true; /* its own sections come first, .sbat among them */

    for (size_t i = 0; i < pe->section_count; i++) {
        const struct clo_pe_section *section = &pe->sections[i];
        struct clo_pe_part *part = &out->items[out->count++];
        bool is_ours = clo_uki_is_section(section->name);
        is_stub = is_stub && (!is_ours || strcmp(section->name, ".sbat") == 0);
        *part = (struct clo_pe_part){
            .characteristics = section->characteristics,
            .virtual_size = section->virtual_size,
            .virtual_address = section->virtual_address,
            .is_fixed = is_stub && !is_ours,
        };
        memcpy(part->name, section->name, sizeof part->name);
        clo_pieces_source(&part->content, source, section->raw_offset, section->raw_size);
        if (part->content.failed)
            return clo_out_of_memory(err);
    }
    return true;
}

bool clo_uki_is_addon_stub(const struct clo_pe *stub)
{
    static const char name[] = ": systemd-addon ";
    const struct clo_pe_section *magic = clo_pe_section_find(stub, ".sdmagic");

    return magic != NULL && magic->data.size > 0 &&
           memmem(magic->data.data, magic->data.size, name, sizeof name - 1) != NULL;
}

bool clo_uki_check_stub(const struct clo_pe *stub, struct clo_error *err)
{
    if (clo_pe_section_find(stub, ".linux") != NULL)
        return clo_fail(err, CLO_ERR_USAGE, "is a whole UKI, not a stub");
    if (clo_pe_section_find(stub, ".sdmagic") == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "is not a systemd stub: .sdmagic is missing");
    if (stub->certificate_size > 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "is signed, at 0x%llx: a stub is not",
                        (unsigned long long)stub->certificate_offset);
    return true;
}

struct clo_pe_part *clo_uki_part_find(struct clo_uki_parts_list *list, size_t profile,
                                      const char *name)
{
    struct names names = names_of(list);
    size_t at = uki_find(&names, profile, name);

    return at < list->count ? &list->items[at] : NULL;
}

static bool check_name(const char *name, struct clo_error *err)
{
    size_t size = strlen(name);

    for (size_t i = 0; i < size; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return clo_fail(err, CLO_ERR_USAGE, "section name: a character that cannot be in one");
    return (size > 1 && size <= 8 && name[0] == '.') ||
           clo_fail(err, CLO_ERR_USAGE,
                    "section name %.20s: expected a dot and at most 7 characters", name);
}

static bool insert(struct clo_uki_parts_list *list, size_t at, const char *name,
                   struct clo_error *err)
{
    if (list->count == CLO_UKI_PARTS_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "more than %d sections", CLO_UKI_PARTS_MAX);
    memmove(&list->items[at + 1], &list->items[at], (list->count - at) * sizeof list->items[0]);
    list->count++;
    list->items[at] = (struct clo_pe_part){ 0 };
    memcpy(list->items[at].name, name, strlen(name) + 1);
    list->items[at].characteristics = strcmp(name, ".linux") == 0 ? SCN_CODE : SCN_DATA;
    return true;
}

/* A section that other code follows grows only as far as there is room; else it moves away. */
static bool fits(const struct clo_uki_parts_list *list, size_t at, uint64_t size)
{
    const struct clo_pe_part *part = &list->items[at];

    for (size_t i = at + 1; i < list->count; i++)
        if (list->items[i].is_fixed)
            return size <= list->items[i].virtual_address - part->virtual_address;
    return true;
}

bool clo_uki_part_set(struct clo_uki_parts_list *list, size_t profile, const char *name,
                      struct clo_pieces *content, struct clo_error *err)
{
    CLO_CLEANUP(clo_pieces_free) struct clo_pieces pieces = *content;
    struct names names = names_of(list);

    *content = (struct clo_pieces){ 0 };
    if (!check_name(name, err))
        return false;
    if (pieces.failed)
        return clo_out_of_memory(err);
    size_t at = uki_may_repeat(name) ? list->count : uki_find(&names, profile, name);
    if (at < list->count && list->items[at].is_fixed)
        return clo_fail(err, CLO_ERR_USAGE, "section %s is the stub's own", name);
    if (at < list->count && !fits(list, at, pieces.size)) {
        clo_uki_part_remove(list, &list->items[at]);
        names.count = list->count;
        at = list->count;
    }
    if (at == list->count) {
        at = uki_group_end(&names, profile);
        if (!insert(list, at, name, err))
            return false;
    }
    struct clo_pe_part *part = &list->items[at];
    clo_pieces_free(&part->content);
    part->content = pieces;
    part->virtual_size = pieces.size;
    pieces = (struct clo_pieces){ 0 };
    return true;
}

void clo_uki_part_remove(struct clo_uki_parts_list *list, struct clo_pe_part *part)
{
    size_t at = (size_t)(part - list->items);

    clo_pieces_free(&part->content);
    list->count--;
    memmove(part, part + 1, (list->count - at) * sizeof *part);
}

/* --- Profiles --- */

bool clo_uki_join_profile(struct clo_uki_parts_list *list, const struct clo_pe *profile,
                          void *source, struct clo_error *err)
{
    bool has_begun = false;

    for (size_t i = 0; i < profile->section_count; i++) {
        const struct clo_pe_section *section = &profile->sections[i];
        bool is_profile = strcmp(section->name, ".profile") == 0;
        if (!clo_uki_is_section(section->name) || strcmp(section->name, ".pcrsig") == 0)
            continue;
        if (is_profile && has_begun)
            return clo_fail(err, CLO_ERR_FORMAT, "holds several profiles");
        /* What comes before is the base's, and the stub's .sbat among it is not the profile's. */
        if (!is_profile && !has_begun && strcmp(section->name, ".sbat") == 0)
            continue;
        if (!is_profile && !has_begun)
            return clo_fail(err, CLO_ERR_FORMAT, "section %s comes before .profile", section->name);
        has_begun = true;
        if (!insert(list, list->count, section->name, err))
            return false;
        struct clo_pe_part *part = &list->items[list->count - 1];
        uint32_t size = section->virtual_size < section->raw_size ? section->virtual_size
                                                                  : section->raw_size;
        part->virtual_size = section->virtual_size;
        clo_pieces_source(&part->content, source, section->raw_offset, size);
        if (part->content.failed)
            return clo_out_of_memory(err);
    }
    return has_begun || clo_fail(err, CLO_ERR_FORMAT, "holds no .profile");
}

static bool is_part_empty(const struct names *names, size_t index)
{
    const struct clo_uki_parts_list *list = names->of;

    return clo_uki_part_measured_size(&list->items[index]) == 0;
}

uint64_t clo_uki_part_measured_size(const struct clo_pe_part *part)
{
    return part->virtual_size;
}

const struct clo_pe_part *clo_uki_part_measured(const struct clo_uki_parts_list *list,
                                                unsigned stub_version, size_t profile, size_t index)
{
    struct names names = names_of(list);
    size_t at = uki_measured(&names, stub_version, profile, index, is_part_empty);

    return at < names.count ? &list->items[at] : NULL;
}

/* --- A plain UKI in memory --- */

/* The file's pieces, one after the other: the stub's are read from it. */
static bool append_pieces(const struct clo_pieces *pieces, struct clo_bytes stub,
                          struct clo_buffer *out, struct clo_error *err)
{
    clo_buffer_reserve(out, (size_t)pieces->size + 16384); /* so that signing moves nothing */
    for (size_t i = 0; i < pieces->count; i++) {
        const struct clo_piece *piece = &pieces->items[i];
        if (piece->bytes.data != NULL)
            clo_buffer_append(out, piece->bytes);
        else if (piece->source != NULL)
            clo_buffer_append(out,
                              clo_bytes_slice(stub, (size_t)piece->offset, (size_t)piece->size));
        else
            clo_buffer_zero(out, (size_t)piece->size);
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_uki_build(const struct clo_uki_parts *parts, struct clo_buffer *out, struct clo_error *err)
{
    const struct {
        const char *name;
        struct clo_bytes data;
    } sections[] = {
        { ".osrel", parts->osrel },   { ".cmdline", parts->cmdline }, { ".uname", parts->uname },
        { ".initrd", parts->initrd }, { ".linux", parts->kernel },
    };
    CLO_CLEANUP(clo_freep) struct clo_pe *stub = malloc(sizeof *stub);
    CLO_CLEANUP(clo_freep) struct clo_uki_parts_list *list = calloc(1, sizeof *list);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_pieces_free) struct clo_pieces pieces = { 0 };
    bool ok = true;

    if (stub == NULL || list == NULL)
        return clo_out_of_memory(err);
    if (!clo_pe_parse(parts->stub, stub, err) || !clo_uki_check_stub(stub, err))
        return clo_wrap(err, "stub");
    if (parts->kernel.size == 0)
        return clo_fail(err, CLO_ERR_USAGE, "UKI: there is no kernel");
    if (clo_uki_is_addon_stub(stub))
        return clo_fail(err, CLO_ERR_USAGE, "stub: is one for add-ons, it starts no kernel");
    ok = clo_uki_parts_of(stub, stub, list, err);
    for (size_t i = 0; ok && i < CLO_COUNT(sections); i++) {
        struct clo_pieces content = { 0 };
        clo_pieces_bytes(&content, sections[i].data);
        ok = sections[i].data.size == 0 ||
             clo_uki_part_set(list, CLO_UKI_BASE, sections[i].name, &content, err);
    }
    ok = ok &&
         (clo_pe_lay_out(stub, list->items, list->count, &head, &pieces, err) ||
          clo_wrap(err, "stub")) &&
         append_pieces(&pieces, parts->stub, out, err);
    clo_uki_parts_free(list);
    return ok;
}
