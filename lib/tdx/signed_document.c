/* What TCB info and QE identity have in common (Intel PCS API version 4): an object in an envelope
 * with the signature over its exact bytes, levels, statuses, advisories. */
#include <string.h>

#include "tdx_internal.h"

static const char *const status_names[] = {
    [CLO_TDX_UP_TO_DATE] = "UpToDate",
    [CLO_TDX_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
    [CLO_TDX_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
    [CLO_TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
    [CLO_TDX_OUT_OF_DATE] = "OutOfDate",
    [CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
    [CLO_TDX_REVOKED] = "Revoked",
    [CLO_TDX_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
    [CLO_TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = "TDRelaunchAdvisedConfigurationNeeded",
    [CLO_TDX_NOT_SUPPORTED] = "NotSupported",
};

const char *clo_tdx_status_name(enum clo_tdx_status status)
{
    return status_names[status];
}

bool clo_tdx_status_from_name(struct clo_bytes name, enum clo_tdx_status *out)
{
    for (size_t i = 0; i < CLO_COUNT(status_names); i++)
        if (clo_bytes_equal(name, clo_bytes_text(status_names[i]))) {
            *out = (enum clo_tdx_status)i;
            return true;
        }
    return false;
}

/* The statuses that collateral may have: the others are conclusions. */
enum clo_tdx_status tdx_status(struct walk *w)
{
    enum clo_tdx_status status = CLO_TDX_NOT_SUPPORTED;
    struct clo_bytes name = walk_string(w);

    if (!w->failed && (!clo_tdx_status_from_name(name, &status) || status > CLO_TDX_REVOKED))
        walk_fail(w, "unknown tcbStatus \"%.*s\"", (int)(name.size > 64 ? 64 : name.size),
                  (const char *)name.data);
    return status;
}

struct clo_bytes tdx_advisories(struct walk *w)
{
    walk_peek(w);
    size_t start = w->at;
    size_t count = 0;
    bool first;

    for (walk_array(w, &first); walk_item(w, &first);) {
        walk_string(w);
        if (++count > CLO_TDX_ADVISORIES_MAX)
            walk_fail(w, "more than %d advisories", CLO_TDX_ADVISORIES_MAX);
    }
    return clo_bytes_slice(w->text, start, w->at - start);
}

static void read_isv_tcb(struct walk *w, struct tdx_isv_level *level)
{
    static const char *const names[] = { "isvsvn", NULL };
    struct walk_object o;

    walk_object(w, &o, names);
    while (walk_member(w, &o) >= 0)
        level->isv_svn = (uint16_t)walk_number(w, UINT16_MAX);
    walk_has(w, &o, 1);
}

static void read_isv_level(struct walk *w, struct tdx_isv_level *level)
{
    static const char *const names[] = { "tcb", "tcbDate", "tcbStatus", "advisoryIDs", NULL };
    struct walk_object o;
    int i;

    walk_object(w, &o, names);
    while ((i = walk_member(w, &o)) >= 0) {
        if (i == 0)
            read_isv_tcb(w, level);
        else if (i == 1)
            level->date = walk_time(w);
        else if (i == 2)
            level->status = tdx_status(w);
        else
            level->advisories = tdx_advisories(w);
    }
    walk_has(w, &o, 0x7);
    /* Enclaves and modules are up to date, out of date or revoked, and nothing else. */
    if (!w->failed && level->status != CLO_TDX_UP_TO_DATE && level->status != CLO_TDX_OUT_OF_DATE &&
        level->status != CLO_TDX_REVOKED)
        walk_fail(w, "tcbStatus \"%s\" of an enclave or module",
                  clo_tdx_status_name(level->status));
}

void tdx_isv_levels(struct walk *w, struct tdx_isv_level *levels, size_t *count)
{
    bool first;

    for (walk_array(w, &first); walk_item(w, &first);) {
        if (*count == TDX_MODULE_LEVELS_MAX) {
            walk_fail(w, "more than %d levels", TDX_MODULE_LEVELS_MAX);
            return;
        }
        read_isv_level(w, &levels[(*count)++]);
    }
    if (!w->failed && *count == 0)
        walk_fail(w, "no levels");
}

/* The inner object alone begins with something else than the envelope's two members. */
static bool is_envelope(struct walk w, const char *member)
{
    struct clo_error ignored;
    struct walk_object o;
    const char *const names[] = { member, "signature", NULL };
    struct walk_unknown unknown = { 0 };

    w.err = &ignored;
    w.unknown = &unknown;
    walk_object(&w, &o, names);
    walk_peek(&w);
    struct clo_bytes name = walk_string(&w);
    return !w.failed && (clo_bytes_equal(name, clo_bytes_text(names[0])) ||
                         clo_bytes_equal(name, clo_bytes_text(names[1])));
}

static bool read_inner(struct walk *w, struct tdx_signed *document)
{
    walk_peek(w);
    size_t start = w->at;
    if (!document->body(w, document->out))
        return false;
    document->signed_part = clo_bytes_slice(w->text, start, w->at - start);
    return true;
}

static void read_envelope(struct walk *w, struct tdx_signed *document)
{
    const char *const names[] = { document->member, "signature", NULL };
    struct walk_object o;
    int i;

    walk_object(w, &o, names);
    while ((i = walk_member(w, &o)) >= 0) {
        if (i == 0) {
            read_inner(w, document);
        } else {
            walk_hex(w, document->signature, TDX_P256_SIGNATURE);
            document->has_signature = !w->failed;
        }
    }
    walk_has(w, &o, 0x3);
}

bool tdx_signed_parse(struct clo_bytes text, struct clo_bytes signature,
                      struct tdx_signed *document, struct walk_unknown *unknown,
                      struct clo_error *err)
{
    /* C libraries hand texts on with their NUL. */
    if (text.size > 0 && text.data[text.size - 1] == '\0')
        text.size--;
    struct walk w = walk_begin(text, unknown, err);
    if (is_envelope(w, document->member)) {
        read_envelope(&w, document);
    } else {
        read_inner(&w, document);
        if (signature.size == TDX_P256_SIGNATURE) {
            memcpy(document->signature, signature.data, TDX_P256_SIGNATURE);
            document->has_signature = true;
        }
    }
    return walk_end(&w);
}
