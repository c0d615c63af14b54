#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/audit/text.h"
#include "cli/commands.h"
#include "cli/image/identity.h"
#include "device/file.h"
#include "guest/facts.h"
#include "image/subject.h"
#include "lib/evidence/tee.h"

#define TABLE_LIMIT ((size_t)4 << 20)

struct request {
    const char *subject;
    const char *platforms;
    const char *config;
    const char *initrd;
    const char *cmdline;
    const char *root;
    const char *platform;
    const char *fail_on;
    const char *waivers;
    const char *at;
    struct clo_list rules;
    bool guest, as_json, as_sarif, generate, everything, print_rules;
    json_t *list; /* of a folder's files: where their JSON goes; NULL: it is printed */
};

static bool read_rules(const struct clo_list *files, struct clo_audit_rules **out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *rules = NULL;

    if (!clo_audit_rules_new(&rules, err))
        return false;
    for (size_t i = 0; i < files->count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
        if (!clo_file_read(files->items[i], TABLE_LIMIT, &table, err))
            return false;
        if (!clo_audit_rules_add(rules, clo_buffer_bytes(&table), err))
            return clo_wrap(err, "%s", files->items[i]);
    }
    *out = CLO_TAKE(rules);
    return true;
}

static bool read_waivers(const char *path, struct clo_audit_waivers **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (path == NULL)
        return true;
    if (!clo_file_read(path, TABLE_LIMIT, &text, err))
        return false;
    return clo_audit_waivers_parse(clo_buffer_bytes(&text), out, err) || clo_wrap(err, "%s", path);
}

static bool add_running_kernel(const struct clo_facts_source *source, struct clo_subject *out,
                               struct clo_error *err)
{
    CLO_CLEANUP(clo_facts_kernel_free) struct clo_facts_kernel kernel = { 0 };

    if (!clo_facts_kernel(source, &kernel, err))
        return false;
    out->about[CLO_AUDIT_KCONFIG] = true;
    out->modules_may_be_more = out->modules == NULL;
    if (out->modules == NULL)
        out->modules = json_incref(kernel.modules);
    if (kernel.config.size > 0 && out->config == NULL &&
        !clo_subject_add_bytes(out, clo_buffer_bytes(&kernel.config), err))
        return clo_wrap(err, "the running kernel's configuration");
    snprintf(out->release, sizeof out->release, "%s", clo_buffer_string(&kernel.release));
    clo_sanitize(out->release);
    return out->cmdline != NULL ||
           clo_subject_add_cmdline(out, clo_buffer_string(&kernel.cmdline), err);
}

/* A machine that runs, and the files of its root; or with --root alone, the files of a tree. */
static bool add_guest(const struct request *request, struct clo_subject *out, struct clo_error *err)
{
    const struct clo_facts_source source = { .root = request->root == NULL ? "/" : request->root,
                                             .platform = request->platform };

    if (!request->guest && request->root == NULL)
        return true;
    out->about[CLO_AUDIT_ROOTFS] = true;
    if (!clo_facts_rootfs(&source, request->guest, out->named, err))
        return false;
    if (!request->guest)
        return true;
    out->about[CLO_AUDIT_GUEST] = true;
    return clo_facts_guest(&source, out->named, err) && add_running_kernel(&source, out, err);
}

/* What is given alongside comes first: it is what the subject lacks, or is to be held against instead. */
static bool read_subject(const struct request *request, struct clo_subject *out,
                         struct clo_error *err)
{
    return clo_subject_new(out, err) &&
           (request->cmdline == NULL || clo_subject_add_cmdline(out, request->cmdline, err)) &&
           (request->config == NULL || clo_subject_add(out, request->config, err)) &&
           (request->initrd == NULL || clo_subject_add_initrd(out, request->initrd, err)) &&
           (request->subject == NULL || clo_subject_add(out, request->subject, err)) &&
           add_guest(request, out, err);
}

static bool generate(const struct request *request, const struct clo_audit_request *asked,
                     const struct clo_audit_facts *facts, enum clo_audit_severity level,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer fragment = { 0 };

    if (!clo_audit_fragment(asked, facts, request->fail_on == NULL ? CLO_AUDIT_RECOMMENDED : level,
                            &fragment, err))
        return false;
    fwrite(fragment.data, 1, fragment.size, stdout);
    return true;
}

/* What a machine that runs says that it is; one that says nothing is asked about everything. */
static const char *guest_platforms(const struct clo_subject *subject, char *out, size_t size)
{
    const char *tee = json_string_value(json_object_get(subject->named, "guest.tee"));
    const char *voucher = json_string_value(json_object_get(subject->named, "guest.tpm_voucher"));

    size_t length = tee == NULL ? 0 : strcspn(tee, "-"); /* "snp-paravisor" */
    char name[16];
    enum clo_tee known;

    snprintf(name, sizeof name, "%.*s", (int)length, tee == NULL ? "" : tee);
    if (!clo_tee_from_name(name, &known) || !clo_tee_has_maker(known))
        return "";
    snprintf(out, size, "%s%s%s", name, tee[length] == '-' ? ",hyperv" : "",
             voucher != NULL && strcmp(voucher, "svsm") == 0 ? ",svsm" : "");
    return out;
}

static bool choose_platforms(const struct request *request, const struct clo_subject *subject,
                             unsigned *out, struct clo_error *err)
{
    char text[64];

    if (request->platforms != NULL)
        return clo_audit_platforms_parse(request->platforms, out, err);
    return clo_audit_platforms_parse(
            request->guest ? guest_platforms(subject, text, sizeof text) : "", out, err);
}

/* What this was made of, as options name it: so that it can be made again. */
static json_t *inputs_json(const struct request *request, int64_t now)
{
    const struct {
        const char *name, *text;
    } texts[] = {
        { "subject", request->subject },   { "root", request->root },
        { "platform", request->platform }, { "config", request->config },
        { "initrd", request->initrd },     { "cmdline", request->cmdline },
        { "waivers", request->waivers },
    };
    json_t *inputs = json_object();
    json_t *rules = json_array();

    for (size_t i = 0; i < CLO_COUNT(texts); i++)
        if (texts[i].text != NULL)
            json_object_set_new(inputs, texts[i].name, clo_json_text(texts[i].text));
    if (request->guest)
        json_object_set_new(inputs, "guest", json_true());
    if (request->waivers != NULL || request->at != NULL)
        json_object_set_new(inputs, "at", clo_json_time(now));
    for (size_t i = 0; i < request->rules.count; i++)
        json_array_append_new(rules, clo_json_text(request->rules.items[i]));
    if (request->rules.count > 0)
        json_object_set(inputs, "rules", rules);
    json_decref(rules);
    return inputs;
}

/* A package, a kernel or a configuration has a digest; what is read from a pipe cannot be read again. */
static bool add_identity(const struct request *request, json_t *json, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *identity = NULL;
    struct stat status;

    if (request->subject == NULL || stat(request->subject, &status) != 0 ||
        !S_ISREG(status.st_mode))
        return true;
    if (!cli_identity(request->subject, &identity, err))
        return false;
    return json_object_set(json, "identity", identity) == 0 || clo_out_of_memory(err);
}

static bool print(const struct request *request, const struct clo_audit *audit,
                  const struct clo_audit_facts *facts, enum clo_audit_severity level, int64_t now,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    const char *subject = request->subject != NULL ? request->subject
                          : request->guest         ? "this guest"
                          : request->root != NULL  ? request->root
                                                   : "command line";

    if (request->as_sarif)
        json = clo_audit_sarif(audit, subject, CLOISTER_VERSION);
    else if (request->as_json)
        json = clo_audit_json(audit, facts, subject, level);
    if (request->as_json && json != NULL) {
        json_object_set_new(json, "inputs", inputs_json(request, now));
        if (!add_identity(request, json, err))
            return false;
    }
    if (request->list != NULL)
        return json_array_append(request->list, json) == 0 || clo_out_of_memory(err);
    if (request->as_sarif || request->as_json)
        return cli_print_json(json, err);
    cli_audit_print(audit, facts, subject, level, request->everything);
    return true;
}

static bool run(const struct request *request, enum clo_audit_answer *verdict,
                struct clo_error *err)
{
    CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *rules = NULL;
    CLO_CLEANUP(clo_audit_waivers_freep) struct clo_audit_waivers *waivers = NULL;
    CLO_CLEANUP(clo_subject_free) struct clo_subject subject = { 0 };
    CLO_CLEANUP(clo_audit_free) struct clo_audit audit = { 0 };
    struct clo_audit_facts facts;
    enum clo_audit_severity level = CLO_AUDIT_REQUIRED;
    struct clo_audit_request asked = { .rules = NULL };

    if (request->fail_on != NULL && !clo_audit_severity_from_name(request->fail_on, &level))
        return clo_fail(err, CLO_ERR_USAGE,
                        "severity: '%.40s' is none of required, recommended, optional, info",
                        request->fail_on);
    if (!cli_time(request->at, &asked.now, err) || !read_rules(&request->rules, &rules, err) ||
        !read_waivers(request->waivers, &waivers, err) || !read_subject(request, &subject, err) ||
        !choose_platforms(request, &subject, &asked.platforms, err))
        return false;
    clo_subject_facts(&subject, &facts);
    asked.rules = rules;
    asked.waivers = waivers;
    if (!clo_audit_run(&asked, &facts, &audit, err))
        return false;
    *verdict = clo_audit_verdict(&audit, level);
    if (request->generate) {
        *verdict = CLO_AUDIT_YES; /* what was asked for is there */
        return generate(request, &asked, &facts, level, err);
    }
    return print(request, &audit, &facts, level, asked.now, err);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* One of a folder's files: its answer as an exit status; what cannot be read is named, and stops nothing. */
static int run_entry(const struct request *request, const char *name)
{
    enum clo_audit_answer verdict = CLO_AUDIT_NO;
    struct request one = *request;
    char path[4096];
    struct stat status;
    struct clo_error err;

    if (snprintf(path, sizeof path, "%s/%s", request->subject, name) >= (int)sizeof path)
        return CLI_INPUT;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return CLI_YES;
    one.subject = path;
    if (!run(&one, &verdict, &err)) {
        clo_wrap(&err, "audit");
        return cli_error(&err);
    }
    return verdict == CLO_AUDIT_YES ? CLI_YES : CLI_NO;
}

/* Every file of a folder: the worst of their exit statuses. */
static int run_folder(struct request *request)
{
    CLO_CLEANUP(clo_json_freep) json_t *list = request->as_json ? json_array() : NULL;
    CLO_CLEANUP(clo_json_freep) json_t *all = NULL;
    struct dirent **entries = NULL;
    int count = scandir(request->subject, &entries, is_visible, alphasort);
    int worst = CLI_YES;
    struct clo_error err;

    if (count < 0) {
        (void)!clo_fail(&err, CLO_ERR_FORMAT, "audit: %s: %s", request->subject, strerror(errno));
        return cli_error(&err);
    }
    request->list = list;
    for (int i = 0; i < count; i++) {
        int status = run_entry(request, entries[i]->d_name);
        worst = status > worst ? status : worst;
        free(entries[i]);
    }
    free(entries);
    if (list == NULL)
        return worst;
    all = json_pack("{s:O}", "audits", list);
    return cli_print_json(all, &err) ? worst : cli_error(&err);
}

static bool is_folder(const char *path)
{
    struct stat status;

    return path != NULL && stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* As given on the command line. */
static struct request chosen;

static const struct cli_option options[] = {
    { "--for", "LIST", "platforms: snp, tdx, kvm, hyperv, vtpm, svsm, uki, fde; no-… leaves out",
      .text = &chosen.platforms, .values = "snp tdx kvm hyperv vtpm svsm uki fde" },
    { "--guest", NULL, "the machine that this runs in", .flag = &chosen.guest },
    { "--root", "DIR", "read the guest's files below DIR; alone: a root file system's files",
      .text = &chosen.root },
    { "--platform", "DIR", "files cpuid, msr and tdreport instead of this processor's",
      .text = &chosen.platform },
    { "--config", "FILE", "the kernel's configuration (or a package with it) next to the subject",
      .text = &chosen.config },
    { "--initrd", "FILE", "the initrd whose modules count", .text = &chosen.initrd },
    { "--cmdline", "TEXT", "the kernel's command line", .text = &chosen.cmdline },
    { "--fail-on", "SEVERITY", "exit status 1 down to: required (default), recommended, optional",
      .text = &chosen.fail_on, .values = "required recommended optional" },
    { "--waivers", "FILE", "findings that are accepted until a day", .text = &chosen.waivers },
    { "--rules", "FILE", "a table of more rules (repeatable)", .list = &chosen.rules },
    { "--print-rules", NULL, "print the table that is built in", .flag = &chosen.print_rules },
    { "--generate", NULL, "print a configuration fragment that mends what fails",
      .flag = &chosen.generate },
    { "--all", NULL, "show what is fit, too", .flag = &chosen.everything },
    { "--at", "TIME", "the day that waivers are held against (RFC 3339)", .text = &chosen.at },
    { "--json", NULL, "print JSON", .flag = &chosen.as_json },
    { "--sarif", NULL, "print SARIF 2.1.0, for CI systems", .flag = &chosen.as_sarif },
};

static const struct cli_usage usage = {
    .command = "audit",
    .arguments = "[SUBJECT]",
    .operands = { "at most one subject", 0, 1 },
    .summary = "Is this kernel, command line, UKI or disk image fit to be a confidential VM?\n"
               "SUBJECT is a kernel configuration (also gzip), a kernel that carries one, a "
               ".deb or\n"
               ".rpm package, a UKI, a disk image, or a file with a command line; or a folder of "
               "such files.\n"
               "Exit status 1 if something required fails or is unknown; docs/audit.md has the "
               "rules.",
    .options = options,
    .option_count = CLO_COUNT(options),
    .example = "  cloister audit /boot/config-$(uname -r) --for snp\n"
               "  cloister audit disk.img --config linux-image.deb --fail-on recommended\n",
};

int cmd_audit(int argc, char **argv)
{
    struct clo_list operands;
    enum clo_audit_answer verdict = CLO_AUDIT_NO;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (chosen.print_rules) {
        cli_print(clo_audit_builtin());
        return CLI_YES;
    }
    chosen.subject = operands.count == 1 ? operands.items[0] : NULL;
    if (operands.count == 0 && chosen.cmdline == NULL && !chosen.guest && chosen.root == NULL)
        return cli_usage_error(&usage, "one SUBJECT, --guest, --root or --cmdline is needed");
    if (chosen.as_json + chosen.as_sarif + chosen.generate > 1)
        return cli_usage_error(&usage, "--json, --sarif and --generate: one of them");
    if (is_folder(chosen.subject) && (chosen.as_sarif || chosen.generate))
        return cli_usage_error(&usage, "--sarif and --generate are for one file");
    if (is_folder(chosen.subject))
        return run_folder(&chosen);
    if (!run(&chosen, &verdict, &err))
        return cli_error(&err);
    return verdict == CLO_AUDIT_YES ? CLI_YES : CLI_NO;
}
