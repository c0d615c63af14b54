/* The evaluator, on subjects whose results were worked out by hand. */
#include "cloister/audit.h"

#include <jansson.h>

#include "cpio_maker.h"
#include "test.h"

/* A full configuration: its filler, and `options`, separated by spaces: "A=y -B" for B not set. */
static void make_config(const char *version, const char *options, struct clo_buffer *out)
{
    char *copy = strdup(options);
    char *rest = copy;

    if (version != NULL)
        clo_buffer_printf(out, "# Linux/x86_64 %s Kernel Configuration\n", version);
    clo_buffer_text(out, "CONFIG_64BIT=y\n");
    for (int i = 0; i < 600; i++)
        clo_buffer_printf(out, "# CONFIG_FILLER_%d is not set\n", i);
    while (rest != NULL) {
        const char *option = strsep(&rest, " ");
        clo_buffer_printf(out, *option == '-' ? "# CONFIG_%s is not set\n" : "CONFIG_%s\n",
                          *option == '-' ? option + 1 : option);
    }
    free(copy);
}

struct audited {
    struct clo_audit_rules *rules;
    struct clo_kconfig *config;
    struct clo_audit audit;
    struct clo_audit_facts facts;
};

static void audited_free(struct audited *audited)
{
    clo_audit_free(&audited->audit);
    clo_audit_rules_free(audited->rules);
    clo_kconfig_free(audited->config);
}

static void audit(const char *version, const char *options, const char *cmdline,
                  const char *modules, const char *platforms, struct audited *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;
    unsigned bits;

    *out = (struct audited){ .rules = NULL };
    make_config(version, options, &text);
    CHECK(clo_kconfig_parse(clo_buffer_bytes(&text), &out->config, &err), err.text);
    CHECK(clo_audit_rules_new(&out->rules, &err), err.text);
    CHECK(clo_audit_platforms_parse(platforms, &bits, &err), err.text);
    out->facts = (struct clo_audit_facts){
        .about = { [CLO_AUDIT_KCONFIG] = true, [CLO_AUDIT_CMDLINE] = cmdline != NULL },
        .config = out->config,
        .cmdline = cmdline,
        .modules = modules == NULL ? NULL : json_loads(modules, 0, NULL),
    };
    CHECK(clo_audit_run(&(struct clo_audit_request){ out->rules, bits, NULL, 0 }, &out->facts,
                        &out->audit, &err),
          err.text);
    json_decref((json_t *)(uintptr_t)out->facts.modules);
    out->facts.modules = NULL;
}

static const struct clo_audit_finding *find(const struct audited *audited, const char *id)
{
    for (size_t i = 0; i < audited->audit.count; i++)
        if (strcmp(audited->audit.findings[i].rule->id, id) == 0)
            return &audited->audit.findings[i];
    return NULL;
}

/* The one that must be there. */
static const struct clo_audit_finding *found(const struct audited *audited, const char *id)
{
    static const struct clo_audit_rule nobody = { .id = "" };
    static const struct clo_audit_finding nothing = { .because = &nobody, .waiver = "" };
    const struct clo_audit_finding *finding = find(audited, id);

    return finding == NULL ? &nothing : finding;
}

static const char *result(const struct audited *audited, const char *id)
{
    const struct clo_audit_finding *finding = find(audited, id);

    return finding == NULL ? "-" : clo_audit_result_name(finding->result);
}

static void test_cases(void **state)
{
    static const struct {
        const char *name, *version, *options, *cmdline, *modules, *platforms, *id, *result;
    } cases[] = {
        { "built in", "6.12.1", "DM_CRYPT=y", NULL, NULL, "", "kconfig.DM_CRYPT", "pass" },
        { "a module, no initrd", "6.12.1", "DM_CRYPT=m BLK_DEV_DM=y", NULL, NULL, "",
          "kconfig.DM_CRYPT", "unknown" },
        { "a module, in the initrd", "6.12.1", "DM_CRYPT=m", NULL, "{\"dm_crypt\": true}", "",
          "kconfig.DM_CRYPT", "pass" },
        { "a module, not in the initrd", "6.12.1", "DM_CRYPT=m MD=y BLK_DEV_DM=y", NULL,
          "{\"dm_mod\": true}", "", "kconfig.DM_CRYPT", "fail" },
        { "built in is needed", "6.12.1", "SECURITYFS=m", NULL, "{\"securityfs\": true}", "",
          "kconfig.SECURITYFS", "fail" },
        { "its menu is off", "6.12.1", "-MD -BLK_DEV_DM", NULL, NULL, "", "kconfig.BLK_DEV_DM",
          "fail" },
        { "what it is in is a finding", "6.12.1", "-BLK_DEV_DM", NULL, NULL, "", "kconfig.DM_CRYPT",
          "consequence" },
        { "a consequence of a consequence", "6.12.1", "-EFI", NULL, NULL, "",
          "kconfig.UNACCEPTED_MEMORY", "consequence" },
        { "an old kernel lacks what is required", "6.1.0", "INTEL_TDX_GUEST=y", NULL, NULL, "",
          "kconfig.TDX_GUEST_DRIVER", "fail" },
        { "and that is nobody's consequence", "6.1.0", "-INTEL_TDX_GUEST", NULL, NULL, "",
          "kconfig.TDX_GUEST_DRIVER", "fail" },
        { "unless it was ported back", "6.1.0", "TDX_GUEST_DRIVER=y", NULL, NULL, "",
          "kconfig.TDX_GUEST_DRIVER", "pass" },
        { "an old kernel is not blamed for the rest", "6.1.0", "TDX_GUEST_DRIVER=y", NULL, NULL, "",
          "kconfig.TSM_MEASUREMENTS", "-" },
        { "a new one is", "6.16.0", "TDX_GUEST_DRIVER=y VIRT_DRIVERS=y", NULL, NULL, "",
          "kconfig.TSM_MEASUREMENTS", "fail" },
        { "an option that is gone", "6.12.0", "A=y", NULL, NULL, "", "kconfig.RANDOM_TRUST_CPU",
          "-" },
        { "before it was gone", "6.1.0", "-RANDOM_TRUST_CPU", "quiet", NULL, "",
          "kconfig.RANDOM_TRUST_CPU", "fail" },
        { "or the command line says it", "6.1.0", "-RANDOM_TRUST_CPU", "random.trust_cpu=on", NULL,
          "", "kconfig.RANDOM_TRUST_CPU", "pass" },
        { "who knows which kernel it is", NULL, "A=y", "quiet", NULL, "",
          "kconfig.RANDOM_TRUST_CPU", "unknown" },
        { "of TDX only", "6.12.0", "-X86_X2APIC", NULL, NULL, "snp", "kconfig.X86_X2APIC", "-" },
        { "of TDX", "6.12.0", "-X86_X2APIC", NULL, NULL, "tdx", "kconfig.X86_X2APIC", "fail" },
        { "of a paravisor only", "6.12.0", "-TCG_SVSM", NULL, NULL, "snp", "kconfig.HYPERV", "-" },
        { "VMBus within HYPERV, as it was", "6.12.0", "HYPERV=y", NULL, NULL, "snp,hyperv",
          "kconfig.HYPERV_VMBUS", "-" },
        { "VMBus by itself", "6.18.0", "HYPERV=y -HYPERV_VMBUS", NULL, NULL, "snp,hyperv",
          "kconfig.HYPERV_VMBUS", "fail" },
        { "below a paravisor no SNP driver", "6.12.0", "-SEV_GUEST", NULL, NULL, "snp,hyperv",
          "kconfig.SEV_GUEST", "-" },
        { "an SVSM's TPM wants both", "6.16.0", "TCG_TPM=y -TCG_SVSM AMD_MEM_ENCRYPT=y", NULL, NULL,
          "tdx,svsm", "kconfig.TCG_SVSM", "-" },
        { "and has both", "6.16.0", "TCG_TPM=y -TCG_SVSM AMD_MEM_ENCRYPT=y", NULL, NULL, "snp,svsm",
          "kconfig.TCG_SVSM", "fail" },
        { "one of two is enough", "6.12.0", "TCG_TPM=y TCG_CRB=y -TCG_TIS", NULL, NULL, "",
          "kconfig.TCG_INTERFACE", "pass" },
        { "none is not", "6.12.0", "ACPI=y TCG_TPM=y -TCG_CRB -TCG_TIS", NULL, NULL, "",
          "kconfig.TCG_INTERFACE", "fail" },
        { "only if it is needed", "6.12.0", "-KEXEC_FILE -KEXEC_SIG", NULL, NULL, "",
          "kconfig.KEXEC_SIG", "-" },
        { "it is needed", "6.12.0", "KEXEC_FILE=y -KEXEC_SIG", NULL, NULL, "", "kconfig.KEXEC_SIG",
          "fail" },
        { "lockdown by command line", "6.12.0", "KEXEC=y SECURITY_LOCKDOWN_LSM=y",
          "quiet lockdown=integrity", NULL, "", "kconfig.KEXEC", "pass" },
        { "lockdown that the kernel cannot", "6.12.0", "KEXEC=y -SECURITY_LOCKDOWN_LSM",
          "lockdown=integrity", NULL, "", "kconfig.KEXEC", "fail" },
        { "lockdown=none", "6.12.0", "KEXEC=y SECURITY_LOCKDOWN_LSM=y", "lockdown=none", NULL, "",
          "kconfig.KEXEC", "fail" },
        { "the last one counts", "6.12.0", "KEXEC=y SECURITY_LOCKDOWN_LSM=y",
          "lockdown=none lockdown=integrity", NULL, "", "kconfig.KEXEC", "pass" },
        { "perhaps on a command line", "6.12.0", "KEXEC=y SECURITY_LOCKDOWN_LSM=y", NULL, NULL, "",
          "kconfig.KEXEC", "unknown" },
        { "a list has it", "6.12.0", "LSM=\"landlock,lockdown\" -SECURITY_LOCKDOWN_LSM_EARLY", NULL,
          NULL, "", "kconfig.LSM", "pass" },
        { "not as part of a word", "6.12.0", "LSM=\"lockdowns,yama\" -SECURITY_LOCKDOWN_LSM_EARLY",
          NULL, NULL, "", "kconfig.LSM", "fail" },
        { "a shell", "6.12.0", "A=y", "quiet rd.break", NULL, "", "cmdline.shell", "fail" },
        { "of init's, not the kernel's", "6.12.0", "A=y", "quiet -- rd.break", NULL, "",
          "cmdline.shell", "pass" },
        { "- is _", "6.12.0", "A=y", "virtio-mmio.device=4K@0:5", NULL, "", "cmdline.virtio_mmio",
          "fail" },
        { "in quotes", "6.12.0", "A=y", "x=\"a init=/bin/sh\"", NULL, "", "cmdline.init", "pass" },
        { "a debug parameter that only looks like one", "6.12.0", "A=y", "debugfs=off", NULL, "",
          "cmdline.debug", "pass" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(audited_free) struct audited audited;
        audit(cases[i].version, cases[i].options, cases[i].cmdline, cases[i].modules,
              cases[i].platforms, &audited);
        if (strcmp(result(&audited, cases[i].id), cases[i].result) != 0)
            print_error("%s is %s\n", cases[i].id, result(&audited, cases[i].id));
        CHECK(strcmp(result(&audited, cases[i].id), cases[i].result) == 0, cases[i].name);
    }
}

static void test_because(void **state)
{
    CLO_CLEANUP(audited_free) struct audited audited;

    (void)state;
    audit("6.12.0", "-BLK_DEV_DM MD=y", NULL, NULL, "", &audited);
    CHECK(strcmp(found(&audited, "kconfig.DM_CRYPT")->because->id, "kconfig.BLK_DEV_DM") == 0,
          "which");
    CHECK(strcmp(found(&audited, "kconfig.BLK_DEV_DM")->found, "BLK_DEV_DM=n") == 0, "found");
    audited_free(&audited);
    audit("6.12.0", "-BLK_DEV_DM -MD", NULL, NULL, "", &audited);
    CHECK(strcmp(found(&audited, "kconfig.BLK_DEV_DM")->found,
                 "BLK_DEV_DM=n (needs MD, which is off)") == 0,
          found(&audited, "kconfig.BLK_DEV_DM")->found);
}

/* A fragment answers for what it says and leaves the rest open. */
static void test_fragment_is_open(void **state)
{
    CLO_CLEANUP(clo_kconfig_freep) struct clo_kconfig *config = NULL;
    CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *rules = NULL;
    struct audited audited = { 0 };
    struct clo_audit_facts facts = { .about = { true } };
    struct clo_error err;

    (void)state;
    CHECK(clo_kconfig_parse(clo_bytes_text("CONFIG_EFI=y\nCONFIG_ACPI=n\n"), &config, &err),
          err.text);
    CHECK(clo_audit_rules_new(&rules, &err), err.text);
    facts.config = config;
    CHECK(clo_audit_run(&(struct clo_audit_request){ rules, CLO_AUDIT_FOR_DEFAULT, NULL, 0 },
                        &facts, &audited.audit, &err),
          err.text);
    CHECK(strcmp(result(&audited, "kconfig.EFI"), "pass") == 0, "EFI");
    CHECK(strcmp(result(&audited, "kconfig.ACPI"), "fail") == 0, "ACPI");
    CHECK(strcmp(result(&audited, "kconfig.HIBERNATION"), "unknown") == 0, "HIBERNATION");
    CHECK(clo_audit_verdict(&audited.audit, CLO_AUDIT_REQUIRED) == CLO_AUDIT_NO, "no");
    clo_audit_free(&audited.audit);
}

/* --- What a generated fragment does --- */

static bool fails_of_config(const struct clo_audit_finding *finding, enum clo_audit_severity level)
{
    return finding->rule->severity <= level &&
           (finding->result == CLO_AUDIT_FAIL || finding->result == CLO_AUDIT_CONSEQUENCE);
}

/* After a configuration (the last line counts) it leaves no failure down to its level, but of options that
 * something else selects. */
static void test_generate(void **state)
{
    static const char *const files[] = { "kconfig/fedora-42.config",
                                         "kconfig/azurelinux-kernel-uvm.config",
                                         "kconfig/ubuntu-25.04.config" };

    (void)state;
    for (size_t f = 0; f < CLO_COUNT(files); f++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *rules = NULL;
        struct clo_error err;
        read_vector(files[f], &text);
        CHECK(clo_audit_rules_new(&rules, &err), err.text);
        const struct clo_audit_request request = { rules, CLO_AUDIT_FOR_DEFAULT, NULL, 0 };
        size_t before = 0, after = 0;
        for (int round = 0; round < 2; round++) {
            CLO_CLEANUP(clo_kconfig_freep) struct clo_kconfig *config = NULL;
            CLO_CLEANUP(clo_audit_free) struct clo_audit audit = { 0 };
            struct clo_audit_facts facts = { .about = { true }, .cmdline = "" };
            CHECK(clo_kconfig_parse(clo_buffer_bytes(&text), &config, &err), err.text);
            facts.config = config;
            CHECK(clo_audit_run(&request, &facts, &audit, &err), err.text);
            for (size_t i = 0; i < audit.count; i++) {
                const struct clo_audit_finding *finding = &audit.findings[i];
                bool fails = fails_of_config(finding, CLO_AUDIT_RECOMMENDED);
                before += round == 0 && fails;
                after += round == 1 && fails && strchr(finding->rule->depends, '<') == NULL;
                if (round == 1 && fails && strchr(finding->rule->depends, '<') == NULL)
                    print_error("%s: %s\n", finding->rule->id, finding->found);
            }
            clo_buffer_u8(&text, '\n');
            CHECK(clo_audit_fragment(&request, &facts, CLO_AUDIT_RECOMMENDED, &text, &err),
                  err.text);
        }
        CHECK(before > 3, files[f]);
        CHECK(after == 0, files[f]);
    }
}

/* --- Waivers --- */

#define DAY 1795478400 /* 2026-11-24 */

static void test_waivers(void **state)
{
    static const char text[] = "# ours\n\nkconfig.EFI\t2026-11-24\tno firmware yet\n"
                               "kconfig.ACPI\t2026-11-23\tran out\n";
    CLO_CLEANUP(clo_audit_waivers_freep) struct clo_audit_waivers *waivers = NULL;
    CLO_CLEANUP(audited_free) struct audited audited;
    struct clo_error err;

    (void)state;
    audit("6.12.0", "-EFI -ACPI", NULL, NULL, "", &audited);
    clo_audit_free(&audited.audit);
    CHECK(clo_audit_waivers_parse(clo_bytes_text(text), &waivers, &err), err.text);
    CHECK(clo_audit_run(
                  &(struct clo_audit_request){ audited.rules, CLO_AUDIT_FOR_DEFAULT, waivers, DAY },
                  &audited.facts, &audited.audit, &err),
          err.text);
    CHECK(strcmp(result(&audited, "kconfig.EFI"), "waived") == 0, "its last day");
    CHECK(strcmp(found(&audited, "kconfig.EFI")->waiver, "no firmware yet") == 0, "why");
    CHECK(strcmp(result(&audited, "kconfig.ACPI"), "fail") == 0, "ran out");
    for (size_t cut = 0; cut < strlen(text); cut++) {
        CLO_CLEANUP(clo_audit_waivers_freep) struct clo_audit_waivers *other = NULL;
        CLO_CLEANUP(clo_freep) char *copy = malloc(cut + 1);
        memcpy(copy, text, cut);
        if (!clo_audit_waivers_parse(clo_bytes(copy, cut), &other, &err))
            CHECK(strncmp(err.text, "waivers: line ", 14) == 0, err.text);
    }
}

/* A misspelt id waives nothing: that must not stay unnoticed. */
static void test_waivers_of_no_rule(void **state)
{
    static const char mine[] =
            "id\tgroup\twhat\twanted\tfor\tseverity\tsince\tuntil\tneeds\tdepends\tchecked\treason"
            "\t"
            "source\tfix\n"
            "kconfig.EFI\tx\t-\t-\t-\toff\t-\t-\t-\t-\t-\t-\t-\t-\n"
            "mine.ACPI\tm\tkconfig\tACPI=y\tany\trequired\t-\t-\t-\t-\t-\tr\ts\tf\n";
    static const struct {
        const char *name, *text, *error;
        bool has_mine;
    } cases[] = {
        { "misspelt", "# x\nkconfig.ACPI\t2026-11-24\tx\nkconfig.EFJ\t2026-11-24\tx\n",
          "waivers: line 3: there is no rule 'kconfig.EFJ'", false },
        { "in other letters", "KCONFIG.EFI\t2026-11-24\tx",
          "waivers: line 1: there is no rule 'KCONFIG.EFI'", false },
        { "one of a table that was not given", "mine.ACPI\t2026-11-24\tx",
          "waivers: line 1: there is no rule 'mine.ACPI'", false },
        { "one of the table that was", "mine.ACPI\t2026-11-24\tx", NULL, true },
        { "one that the table has switched off", "kconfig.EFI\t2026-11-24\tx", NULL, true },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_audit_waivers_freep) struct clo_audit_waivers *waivers = NULL;
        CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *rules = NULL;
        CLO_CLEANUP(clo_audit_free) struct clo_audit audit = { 0 };
        const struct clo_audit_facts facts = { .about = { false } };
        struct clo_error err;
        CHECK(clo_audit_rules_new(&rules, &err), err.text);
        CHECK(!cases[i].has_mine || clo_audit_rules_add(rules, clo_bytes_text(mine), &err),
              err.text);
        CHECK(clo_audit_waivers_parse(clo_bytes_text(cases[i].text), &waivers, &err), err.text);
        bool ok = clo_audit_run(
                &(struct clo_audit_request){ rules, CLO_AUDIT_FOR_DEFAULT, waivers, DAY }, &facts,
                &audit, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || (err.status == CLO_ERR_FORMAT && strcmp(err.text, cases[i].error) == 0),
              err.text);
    }
}

static void test_waivers_refused(void **state)
{
    static const struct {
        const char *name, *text, *error;
    } cases[] = {
        { "no day", "kconfig.EFI\tsoon\tx",
          "waivers: line 1: 'soon' is not a day like 2027-03-31" },
        { "another way to write days", "kconfig.EFI\t24.11.2026\tx",
          "waivers: line 1: '24.11.2026' is not a day like 2027-03-31" },
        { "no such month", "a\t2027-13-01\tx",
          "waivers: line 1: '2027-13-01' is not a day like 2027-03-31" },
        { "no such day", "a\t2027-02-29\tx",
          "waivers: line 1: '2027-02-29' is not a day like 2027-03-31" },
        { "no reason", "a\t2026-11-24\t",
          "waivers: line 1: expected rule id, last day and reason, with tabs between" },
        { "spaces", "a 2026-11-24 x",
          "waivers: line 1: expected rule id, last day and reason, with tabs between" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_audit_waivers_freep) struct clo_audit_waivers *waivers = NULL;
        struct clo_error err;
        CHECK(!clo_audit_waivers_parse(clo_bytes_text(cases[i].text), &waivers, &err),
              cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

/* --- Initrds, and what comes out --- */

static void test_modules(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer initrd = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *modules = NULL;
    struct clo_error err;

    (void)state;
    cpio_file(&initrd, "usr/lib/modules/6.12/kernel/drivers/md/dm-crypt.ko.xz", "x");
    cpio_file(&initrd, "lib/modules/virtio_blk.ko", "x");
    cpio_put(&initrd, "lib/modules/a-folder.ko", 0040755, clo_bytes(NULL, 0));
    cpio_put(&initrd, "lib/modules/link.ko", 0120777, clo_bytes_text("virtio_blk.ko"));
    cpio_file(&initrd, "lib/modules/6.12/modules.builtin",
              "kernel/fs/ext4/ext4.ko\nkernel/crypto/aes-generic.ko\n");
    cpio_file(&initrd, "etc/nothing.kox", "x");
    cpio_end(&initrd);
    CHECK(clo_audit_modules(clo_buffer_bytes(&initrd), &modules, &err), err.text);
    CHECK(json_object_size(modules) == 4, "four");
    CHECK(strcmp(json_string_value(json_object_get(modules, "dm_crypt")), "module") == 0, "-");
    CHECK(json_object_get(modules, "virtio_blk") != NULL, "_");
    CHECK(strcmp(json_string_value(json_object_get(modules, "aes_generic")), "built in") == 0,
          "modules.builtin");
}

static void test_json(void **state)
{
    CLO_CLEANUP(audited_free) struct audited audited;

    (void)state;
    audit("6.12.0", "-EFI KEXEC=y", "quiet", NULL, "", &audited);
    json_t *json = clo_audit_json(&audited.audit, &audited.facts, "x", CLO_AUDIT_REQUIRED);
    CHECK(json_array_size(json_object_get(json, "findings")) == audited.audit.count, "all");
    CHECK(strcmp(json_string_value(json_object_get(json, "fit")), "no") == 0, "fit");
    CHECK(strcmp(json_string_value(json_object_get(
                         json_object_get(json_object_get(json, "config"), "options"),
                         "CONFIG_KEXEC")),
                 "y") == 0,
          "options");
    json_decref(json);
    json = clo_audit_sarif(&audited.audit, "x", "1.0");
    json_t *run = json_array_get(json_object_get(json, "runs"), 0);
    json_t *rules =
            json_object_get(json_object_get(json_object_get(run, "tool"), "driver"), "rules");
    json_t *results = json_object_get(run, "results");
    CHECK(json_array_size(results) > 10 && json_array_size(results) == json_array_size(rules),
          "each result has its rule");
    for (size_t i = 0; i < json_array_size(results); i++) {
        json_t *one = json_array_get(results, i);
        CHECK(json_integer_value(json_object_get(one, "ruleIndex")) == (json_int_t)i, "index");
        CHECK(json_equal(json_object_get(one, "ruleId"),
                         json_object_get(json_array_get(rules, i), "id")),
              "id");
    }
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_because),
        cmocka_unit_test(test_fragment_is_open),
        cmocka_unit_test(test_generate),
        cmocka_unit_test(test_waivers),
        cmocka_unit_test(test_waivers_refused),
        cmocka_unit_test(test_waivers_of_no_rule),
        cmocka_unit_test(test_modules),
        cmocka_unit_test(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
