/* cloister policy init: a sound policy for a kind of platform. What it cannot know it asks for, and never guesses. */
#include <stdlib.h>
#include <string.h>

#include "cli/policy/files.h"
#include "device/file.h"
#include "lib/evidence/tee.h"

#define LIST_DAYS       "366d" /* makers' root lists are issued once a year */
#define COLLATERAL_DAYS "30d"  /* TCB info and QE identity are issued anew every day */

struct init_options {
    const char *kind, *name, *tcb, *number, *covers, *output;
    struct clo_list references, measurements, roots;
};

struct kind {
    const char *name;
    enum clo_tee tee;
    bool has_tpm;
    bool (*set)(const struct init_options *o, const struct kind *kind, json_t *policy,
                struct clo_error *err);
};

static bool knows_mr_td(const struct cli_references *references)
{
    struct clo_digest ignored;

    for (size_t i = 0; i < references->count; i++)
        if (clo_reference_mr_td(references->items[i], 0, &ignored))
            return true;
    return false;
}

/* All that is missing, in one line. */
static bool check_needs(const struct init_options *o, const struct kind *kind,
                        const struct cli_references *references, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer missing = { 0 };
    bool is_tdx = kind->tee == CLO_TEE_TDX;
    const struct {
        bool is_needed;
        const char *what;
    } needs[] = {
        { o->measurements.count == 0 && !is_tdx,
          "--measurement (the firmware's launch digest: 'cloister measure snp')" },
        { o->measurements.count == 0 && is_tdx && !knows_mr_td(references),
          "--measurement (MRTD: 'cloister measure tdx')" },
        { o->covers == NULL && !is_tdx && !kind->has_tpm,
          "--covers (what the launch digest holds besides firmware: kernel,initrd,cmdline)" },
        { o->tcb == NULL && !is_tdx, "--minimum-tcb (bootloader=N,tee=N,snp=N,microcode=N)" },
        { o->number == NULL && is_tdx, "--evaluation-number (of Intel's TCB evaluation data)" },
        { o->references.count == 0 && (kind->has_tpm || is_tdx),
          "--reference (of the image, and of its firmware)" },
    };

    for (size_t i = 0; i < CLO_COUNT(needs); i++)
        if (needs[i].is_needed)
            clo_buffer_printf(&missing, "%s%s", missing.size == 0 ? "" : "; ", needs[i].what);
    if (missing.size > 0)
        return clo_fail(err, CLO_ERR_USAGE, "--for %s: missing: %s", kind->name,
                        clo_buffer_string(&missing));
    if (!is_tdx && !kind->has_tpm && o->references.count > 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--for snp: a bare report has no registers for reference values");
    return true;
}

/* --- Its members --- */

static json_t *words(const char *text)
{
    json_t *list = json_array();

    while (*text != '\0') {
        size_t size = strcspn(text, ",");
        json_array_append_new(list, json_stringn(text, size));
        text += size + (text[size] == ',' ? 1 : 0);
    }
    return list;
}

/* "bootloader=4,snp=24" */
static bool make_tcb(const char *text, json_t **out, struct clo_error *err)
{
    json_t *tcb = json_object();

    while (*text != '\0') {
        size_t size = strcspn(text, ",");
        const char *equals = memchr(text, '=', size);
        char name[16] = "";
        char *end;
        if (equals != NULL && (size_t)(equals - text) < sizeof name)
            memcpy(name, text, (size_t)(equals - text));
        unsigned long value = equals == NULL ? 256 : strtoul(equals + 1, &end, 10);
        if (name[0] == '\0' || value > 255 || end != text + size || end == equals + 1) {
            json_decref(tcb);
            return clo_fail(err, CLO_ERR_USAGE, "--minimum-tcb %.60s: PART=N,… expected", text);
        }
        json_object_set_new(tcb, name, json_integer((json_int_t)value));
        text += size + (text[size] == ',' ? 1 : 0);
    }
    *out = tcb;
    return true;
}

static json_t *measurements(const struct clo_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, json_string(list->items[i]));
    return array;
}

/* A fingerprint as it is, a certificate as its PEM. */
static bool make_roots(const struct init_options *o, const struct kind *kind, json_t **out,
                       struct clo_error *err)
{
    json_t *roots = json_array();

    *out = roots;
    if (o->roots.count == 0)
        json_array_append_new(roots, json_string(clo_tee_names(kind->tee)->roots));
    for (size_t i = 0; i < o->roots.count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        const char *root = o->roots.items[i];
        bool is_digest = strlen(root) == 64 && strspn(root, "0123456789abcdefABCDEF") == 64;
        if (!is_digest && !clo_file_read(root, CLO_FILE_LIMIT, &file, err))
            return false;
        json_array_append_new(roots, json_string(is_digest ? root : clo_buffer_string(&file)));
    }
    return true;
}

static uint32_t known_pcrs(const struct cli_references *references)
{
    uint32_t known = 0;

    for (size_t i = 0; i < references->count; i++)
        known |= clo_reference_mask(references->items[i], CLO_HASH_SHA256, CLO_PHASE_ENTER_INITRD);
    return known & ~(1U << CLO_IMA_PCR);
}

/* What the image takes, as its reference values say: more is denied. Where none says it, nothing can be asked. */
static void set_host_inputs(json_t *policy, const struct cli_references *references)
{
    CLO_CLEANUP(clo_json_freep) json_t *all = json_array();
    json_t *word;
    bool is_said = false;
    size_t k;

    for (size_t i = 0; i < references->count; i++) {
        const json_t *words =
                json_object_get(clo_reference_json(references->items[i]), "host_inputs");
        is_said = is_said || words != NULL;
        json_array_foreach (words, k, word)
            json_array_append(all, word);
    }
    if (is_said)
        json_object_set(policy, "host_inputs", all);
}

static void set_pcrs(json_t *policy, uint32_t known)
{
    json_t *pcrs = json_array();

    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
        if ((known >> pcr & 1) != 0)
            json_array_append_new(pcrs, json_integer((json_int_t)pcr));
    json_object_set_new(policy, "pcrs", pcrs);
    json_object_set_new(policy, "phase", json_string(CLO_PHASE_ENTER_INITRD));
}

static bool set_snp(const struct init_options *o, const struct kind *kind, json_t *policy,
                    struct clo_error *err)
{
    json_t *tcb;

    if (!make_tcb(o->tcb, &tcb, err))
        return false;
    json_t *snp = json_pack("{s:o,s:o,s:b,s:[i]}", "measurement", measurements(&o->measurements),
                            "minimum_tcb", tcb, "require_revocation", 1, "vmpl", 0);
    if (!kind->has_tpm)
        json_object_set_new(snp, "measurement_covers", words(o->covers));
    json_object_set_new(policy, "snp", snp);
    json_object_set_new(policy, "maximum_age", json_pack("{s:s}", "crl", LIST_DAYS));
    return true;
}

static bool set_tdx(const struct init_options *o, const struct kind *kind, json_t *policy,
                    struct clo_error *err)
{
    char *end;
    unsigned long number = strtoul(o->number, &end, 10);

    (void)kind;
    if (number == 0 || number > UINT32_MAX || *end != '\0')
        return clo_fail(err, CLO_ERR_USAGE, "--evaluation-number %.20s: a number is expected",
                        o->number);
    json_t *tdx = json_pack("{s:I,s:[s]}", "minimum_evaluation_number", (json_int_t)number,
                            "tcb_status", "UpToDate");
    if (o->measurements.count > 0)
        json_object_set_new(tdx, "mr_td", measurements(&o->measurements));
    json_object_set_new(policy, "tdx", tdx);
    json_object_set_new(policy, "maximum_age",
                        json_pack("{s:s,s:s}", "crl", LIST_DAYS, "collateral", COLLATERAL_DAYS));
    return true;
}

static const struct kind kinds[] = {
    { "snp", CLO_TEE_SNP, false, set_snp },
    { "tdx", CLO_TEE_TDX, false, set_tdx },
    { "azure-snp", CLO_TEE_SNP, true, set_snp },
    { "azure-tdx", CLO_TEE_TDX, true, set_tdx },
};

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < CLO_COUNT(kinds); i++)
        if (name != NULL && strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

static bool make(const struct init_options *o, const struct kind *kind,
                 const struct cli_references *references, json_t **out, struct clo_error *err)
{
    json_t *roots;

    if (!make_roots(o, kind, &roots, err)) {
        json_decref(roots);
        return false;
    }
    *out = json_pack("{s:i,s:s,s:[s],s:o,s:[s],s:b}", "cloister_policy", 1, "name",
                     o->name == NULL ? kind->name : o->name, "tee", clo_tee_names(kind->tee)->name,
                     "roots", roots, "evidence", kind->has_tpm ? "vtpm" : "bare",
                     "require_freshness", 1);
    if (*out == NULL)
        return clo_out_of_memory(err);
    if (kind->has_tpm)
        set_pcrs(*out, known_pcrs(references));
    set_host_inputs(*out, references);
    return kind->set(o, kind, *out, err);
}

/* What was made is held to the same questions as any other; a weak one is not written. */
static bool check_made(const json_t *json, const struct cli_references *references,
                       struct clo_pins *pins, struct clo_error *err)
{
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer open = { 0 };

    if (!clo_json_write(json, &text, err) ||
        !clo_policy_parse(clo_buffer_bytes(&text), &policy, err)) {
        err->status = CLO_ERR_USAGE; /* what was given does not fit */
        return false;
    }
    clo_policy_pins(policy, cli_references_view(references), references->count, NULL, pins);
    if (pins->unmet[0] != '\0')
        return clo_fail(err, CLO_ERR_REFUSED, "nothing could fulfil it: %s", pins->unmet);
    policy_name_open(pins, CLO_PIN_SHOULD, &open);
    return open.size == 0 ||
           clo_fail(err, CLO_ERR_REFUSED, "it would leave open: %s", clo_buffer_string(&open));
}

static bool write_policy(const struct init_options *o, const json_t *json, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) char *text = json_dumps(json, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };

    if (text == NULL)
        return clo_out_of_memory(err);
    clo_buffer_printf(&file, "%s\n", text);
    if (o->output != NULL)
        return clo_file_write(o->output, clo_buffer_bytes(&file), 0644, err);
    cli_print(clo_buffer_bytes(&file));
    return true;
}

int cmd_policy_init(int argc, char **argv)
{
    struct init_options o = { 0 };
    const struct cli_option options[] = {
        { "--for", "KIND", "snp, tdx, azure-snp or azure-tdx (required)", .text = &o.kind,
          .values = "snp tdx azure-snp azure-tdx" },
        { "--reference", "FILE", "of the image, and of its firmware (repeatable)",
          .list = &o.references },
        { "--measurement", "HEX", "the firmware's launch digest or MRTD (repeatable)",
          .list = &o.measurements },
        { "--covers", "LIST", "for snp: what the launch digest holds: kernel,initrd,cmdline",
          .text = &o.covers },
        { "--minimum-tcb", "PART=N,...", "for SEV-SNP: bootloader, tee, snp, microcode, fmc",
          .text = &o.tcb },
        { "--evaluation-number", "N", "for TDX: Intel's TCB evaluation data number, at least",
          .text = &o.number },
        { "--root", "CERT|SHA256", "in place of the maker's root (repeatable)", .list = &o.roots },
        { "--name", "NAME", "what results call it", .text = &o.name },
        { "--output", "FILE", "default: standard output", .text = &o.output },
    };
    const struct cli_usage usage = {
        .command = "policy init",
        .arguments = "--for KIND",
        .summary = "Writes a policy that leaves nothing open that matters, for a kind of platform "
                   "and the "
                   "image\nwhose reference values are given. What it cannot know is asked for, "
                   "in one line; nothing\nis filled in by guess.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister policy init --for azure-snp --reference demo.ref.json \\\n"
                   "      --reference firmware.ref.json --measurement HEX \\\n"
                   "      --minimum-tcb bootloader=4,tee=0,snp=24,microcode=219 --output "
                   "policy.json\n",
    };
    CLO_CLEANUP(cli_references_free) struct cli_references references = { .count = 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_pins pins;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    const struct kind *kind = find_kind(o.kind);
    if (kind == NULL)
        return cli_usage_error(&usage, "--for: snp, tdx, azure-snp or azure-tdx expected");
    if (!cli_references_load(&o.references, &references, &err) ||
        !check_needs(&o, kind, &references, &err) || !make(&o, kind, &references, &json, &err) ||
        !check_made(json, &references, &pins, &err) || !write_policy(&o, json, &err))
        return cli_fail("policy init", &err);
    policy_print_left(stderr, "note: ", &pins);
    return CLI_YES;
}
