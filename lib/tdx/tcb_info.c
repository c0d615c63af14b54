/* TCB info, version 3, of TDX (Intel PCS API version 4, appendix "TCB info"). */
#include <string.h>

#include "tdx_internal.h"

#define VERSION  3
#define TCB_TYPE 0

/* {"svn": 3, "category": …, "type": …}; the last two are for people. */
static uint16_t read_named_component(struct walk *w, struct clo_bytes names_out[2])
{
    static const char *const names[] = { "svn", "category", "type", NULL };
    struct walk_object o;
    uint16_t svn = 0;
    int i;

    walk_object(w, &o, names);
    while ((i = walk_member(w, &o)) >= 0) {
        if (i == 0)
            svn = (uint16_t)walk_number(w, UINT16_MAX);
        else
            names_out[i - 1] = walk_string(w);
    }
    walk_has(w, &o, 1);
    return svn;
}

static uint16_t read_component(struct walk *w)
{
    struct clo_bytes ignored[2];

    return read_named_component(w, ignored);
}

static void read_components(struct walk *w, uint16_t out[CLO_TDX_COMPONENTS])
{
    size_t count = 0;
    bool first;

    for (walk_array(w, &first); walk_item(w, &first);) {
        if (count == CLO_TDX_COMPONENTS) {
            walk_fail(w, "more than %d components", CLO_TDX_COMPONENTS);
            return;
        }
        out[count++] = read_component(w);
    }
    if (!w->failed && count != CLO_TDX_COMPONENTS)
        walk_fail(w, "%zu components, expected %d", count, CLO_TDX_COMPONENTS);
}

static void read_tcb(struct walk *w, struct tdx_level *level)
{
    static const char *const names[] = { "sgxtcbcomponents", "pcesvn", "tdxtcbcomponents", NULL };
    struct walk_object o;
    int i;

    walk_object(w, &o, names);
    while ((i = walk_member(w, &o)) >= 0) {
        if (i == 0)
            read_components(w, level->sgx);
        else if (i == 1)
            level->pce_svn = (uint16_t)walk_number(w, UINT16_MAX);
        else
            read_components(w, level->tdx);
    }
    walk_has(w, &o, 0x7);
}

static void find_component(struct walk *w, size_t component, struct clo_bytes names_out[2])
{
    bool first;

    for (walk_array(w, &first); walk_item(w, &first);) {
        struct clo_bytes names[2] = { 0 };
        read_named_component(w, names);
        if (component-- == 0) {
            names_out[0] = names[0];
            names_out[1] = names[1];
        }
    }
}

void tdx_component_name(struct clo_bytes tcb, enum clo_tdx_part part, size_t component,
                        struct clo_bytes *category, struct clo_bytes *type)
{
    static const char *const names[] = { "sgxtcbcomponents", "pcesvn", "tdxtcbcomponents", NULL };
    struct clo_bytes found[2] = { 0 };
    struct walk_unknown unknown = { 0 };
    struct clo_error ignored;
    struct walk w = walk_begin(tcb, &unknown, &ignored);
    struct walk_object o;
    int i;

    walk_object(&w, &o, names);
    while ((i = walk_member(&w, &o)) >= 0) {
        if ((i == 0 && part == CLO_TDX_PART_SGX) || (i == 2 && part == CLO_TDX_PART_TDX))
            find_component(&w, component, found);
        else
            walk_value(&w);
    }
    *category = found[0];
    *type = found[1];
}

static void read_level(struct walk *w, struct tdx_level *level)
{
    static const char *const names[] = { "tcb", "tcbDate", "tcbStatus", "advisoryIDs", NULL };
    struct walk_object o;
    int i;

    walk_object(w, &o, names);
    while ((i = walk_member(w, &o)) >= 0) {
        size_t start = w->at;
        if (i == 0) {
            read_tcb(w, level);
            level->tcb = clo_bytes_slice(w->text, start, w->at - start);
        } else if (i == 1) {
            level->date = walk_time(w);
        } else if (i == 2) {
            level->status = tdx_status(w);
        } else {
            level->advisories = tdx_advisories(w);
        }
    }
    walk_has(w, &o, 0x7);
}

static void read_levels(struct walk *w, struct tdx_tcb_info *info)
{
    bool first;

    for (walk_array(w, &first); walk_item(w, &first);) {
        if (info->level_count == TDX_LEVELS_MAX) {
            walk_fail(w, "more than %d levels", TDX_LEVELS_MAX);
            return;
        }
        read_level(w, &info->levels[info->level_count++]);
    }
    if (!w->failed && info->level_count == 0)
        walk_fail(w, "no levels");
}

/* "TDX_03": the module's major version, in hex. */
static unsigned read_module_id(struct walk *w)
{
    struct clo_bytes id = walk_string(w);
    unsigned major = 0;

    if (w->failed)
        return 0;
    bool ok = id.size == 6 && (id.data[0] | 0x20) == 't' && (id.data[1] | 0x20) == 'd' &&
              (id.data[2] | 0x20) == 'x' && id.data[3] == '_';
    for (size_t i = 4; ok && i < 6; i++) {
        uint8_t c = id.data[i];
        uint8_t lower = c | 0x20;
        ok = (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'f');
        major = major << 4 | (unsigned)(c <= '9' ? c - '0' : lower - 'a' + 10);
    }
    if (!ok)
        walk_fail(w, "not a module like TDX_03");
    return major;
}

static void read_module(struct walk *w, struct tdx_module *module, bool is_identity)
{
    static const char *const names[] = {
        "mrsigner", "attributes", "attributesMask", "id", "tcbLevels", NULL,
    };
    struct walk_object o;
    int i;

    walk_object(w, &o, names);
    while ((i = walk_member(w, &o)) >= 0) {
        if (i == 0)
            walk_hex(w, module->mr_signer, sizeof module->mr_signer);
        else if (i == 1)
            walk_hex(w, module->attributes, sizeof module->attributes);
        else if (i == 2)
            walk_hex(w, module->attributes_mask, sizeof module->attributes_mask);
        else if (!is_identity)
            walk_fail(w, "\"%s\" in \"tdxModule\"", names[i]);
        else if (i == 3)
            module->major = read_module_id(w);
        else
            tdx_isv_levels(w, module->levels, &module->level_count);
    }
    walk_has(w, &o, is_identity ? 0x1f : 0x7);
}

static void read_modules(struct walk *w, struct tdx_tcb_info *info)
{
    bool first;

    for (walk_array(w, &first); walk_item(w, &first);) {
        if (info->module_count == TDX_MODULES_MAX) {
            walk_fail(w, "more than %d modules", TDX_MODULES_MAX);
            return;
        }
        struct tdx_module *module = &info->modules[info->module_count];
        read_module(w, module, true);
        if (!w->failed && tdx_find_module(info, module->major) != NULL) {
            walk_fail(w, "module TDX_%02X a second time", module->major);
            return;
        }
        info->module_count++;
    }
}

static void read_id(struct walk *w)
{
    struct clo_bytes id = walk_string(w);

    if (!w->failed && !clo_bytes_equal(id, clo_bytes_text("TDX")))
        walk_refuse(w, "TCB info of \"%.*s\", expected \"TDX\"", (int)(id.size > 16 ? 16 : id.size),
                    (const char *)id.data);
}

static bool read_info(struct walk *w, void *out)
{
    static const char *const names[] = {
        "id",
        "version",
        "issueDate",
        "nextUpdate",
        "fmspc",
        "pceId",
        "tcbType",
        "tcbEvaluationDataNumber",
        "tdxModule",
        "tcbLevels",
        "tdxModuleIdentities",
        NULL,
    };
    struct tdx_tcb_info *info = out;
    struct walk_object o;
    int i;

    walk_object(w, &o, names);
    while ((i = walk_member(w, &o)) >= 0) {
        switch (i) {
        case 0:
            read_id(w);
            break;
        case 1:
            if (walk_number(w, UINT32_MAX) != VERSION)
                walk_refuse(w, "not version %d", VERSION);
            break;
        case 2:
            info->issue_date = walk_time(w);
            break;
        case 3:
            info->next_update = walk_time(w);
            break;
        case 4:
            walk_hex(w, info->fmspc, sizeof info->fmspc);
            break;
        case 5:
            walk_hex(w, info->pce_id, sizeof info->pce_id);
            break;
        case 6:
            if (walk_number(w, UINT32_MAX) != TCB_TYPE)
                walk_refuse(w, "not tcbType %d", TCB_TYPE);
            break;
        case 7:
            info->evaluation_number = (uint32_t)walk_number(w, UINT32_MAX);
            break;
        case 8:
            read_module(w, &info->module, false);
            break;
        case 9:
            read_levels(w, info);
            break;
        default:
            read_modules(w, info);
            break;
        }
    }
    return walk_has(w, &o, 0x3ff);
}

bool tdx_tcb_info_parse(struct clo_bytes text, struct clo_bytes signature, struct tdx_tcb_info *out,
                        struct clo_error *err)
{
    struct tdx_signed document = {
        .member = "tcbInfo",
        .body = read_info,
        .out = out,
        .signature = out->signature,
    };

    if (!tdx_signed_parse(text, signature, &document, &out->unknown, err))
        return clo_wrap(err, "TCB info");
    out->signed_part = document.signed_part;
    out->has_signature = document.has_signature;
    return true;
}

const struct tdx_module *tdx_find_module(const struct tdx_tcb_info *info, unsigned major)
{
    if (major == 0)
        return &info->module;
    for (size_t i = 0; i < info->module_count; i++)
        if (info->modules[i].major == major)
            return &info->modules[i];
    return NULL;
}
