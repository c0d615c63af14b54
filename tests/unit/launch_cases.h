/* Cases of launch digests, as cases.json and the shared manifest write them, to a struct clo_launch. */
#ifndef CLOISTER_TEST_LAUNCH_CASES_H
#define CLOISTER_TEST_LAUNCH_CASES_H

#include "cloister/launch.h"
#include "vectors.h"

/* What a case's struct clo_launch points into. */
struct launch_case {
    struct clo_launch launch;
    struct clo_buffer ovmf, svsm, ovmf_hash;
    struct clo_launch_firmware firmware, svsm_firmware;
    struct clo_launch_kernel kernel;
};

static inline void launch_case_free(struct launch_case *c)
{
    clo_buffer_free(&c->ovmf);
    clo_buffer_free(&c->svsm);
    clo_buffer_free(&c->ovmf_hash);
}

/* A file of tests/vectors/launch. */
static inline void read_launch_file(const char *name, struct clo_buffer *out)
{
    const char *tests = getenv("CLOISTER_TESTS");
    struct clo_error err;
    char path[4096];

    snprintf(path, sizeof path, "%s/vectors/launch/%s", tests == NULL ? "tests" : tests, name);
    if (!clo_file_read(path, CLO_FILE_LIMIT, out, &err))
        fail_msg("%s", err.text);
}

static inline const char *case_text(const json_t *entry, const char *key)
{
    return json_string_value(json_object_get(entry, key));
}

static inline void parse_firmware(const struct clo_buffer *image, struct clo_launch_firmware *out)
{
    struct clo_error err;

    if (!clo_launch_firmware_parse(clo_buffer_bytes(image), out, &err))
        fail_msg("%s", err.text);
}

/* Reads the files of a case by `read`; the numbers are there already. */
static inline void load_case_files(const json_t *entry,
                                   void (*read)(const char *, struct clo_buffer *),
                                   const char *cmdline, struct launch_case *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer initrd = { 0 };

    read(case_text(entry, "ovmf"), &out->ovmf);
    parse_firmware(&out->ovmf, &out->firmware);
    out->launch.firmware = &out->firmware;
    if (case_text(entry, "svsm") != NULL) {
        read(case_text(entry, "svsm"), &out->svsm);
        parse_firmware(&out->svsm, &out->svsm_firmware);
        out->launch.svsm = &out->svsm_firmware;
    }
    if (case_text(entry, "kernel") == NULL)
        return;
    read(case_text(entry, "kernel"), &kernel);
    if (case_text(entry, "initrd") != NULL)
        read(case_text(entry, "initrd"), &initrd);
    clo_launch_kernel_hash(clo_buffer_bytes(&kernel), clo_buffer_bytes(&initrd),
                           cmdline == NULL ? "" : cmdline, &out->kernel);
    out->launch.kernel = &out->kernel;
}

/* A case of cases.json. */
static inline void load_launch_case(const json_t *entry, struct launch_case *out)
{
    const char *vmm = case_text(entry, "vmm");
    const char *type = case_text(entry, "vcpu_type");
    const char *hash = case_text(entry, "ovmf_hash");
    const json_t *features = json_object_get(entry, "guest_features");

    *out = (struct launch_case){ .launch.sev_features = 1 };
    CHECK(clo_launch_mode_from_name(case_text(entry, "mode"), &out->launch.mode), "mode");
    CHECK(vmm == NULL || clo_vmm_from_name(vmm, &out->launch.vmm), vmm);
    if (type != NULL)
        out->launch.vcpu_signature = clo_vcpu_type_find(type)->signature;
    if (features != NULL)
        out->launch.sev_features = (uint64_t)json_integer_value(features);
    out->launch.vcpus = (uint32_t)json_integer_value(json_object_get(entry, "vcpus"));
    out->launch.vars_size = (size_t)json_integer_value(json_object_get(entry, "vars_size"));
    if (hash != NULL)
        out->launch.ovmf_hash = from_hex(hash, &out->ovmf_hash).data;
    load_case_files(entry, read_launch_file, case_text(entry, "append"), out);
}

static inline json_t *read_launch_cases(void)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    json_t *document = NULL;
    struct clo_error err;

    read_launch_file("cases.json", &text);
    if (!clo_json_parse(clo_buffer_bytes(&text), &document, &err))
        fail_msg("%s", err.text);
    return document;
}

#endif
