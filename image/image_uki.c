#include "image/image_uki.h"

#include <stdio.h>
#include <string.h>

#include "cloister/uki.h"
#include "device/file.h"
#include "image/host_words.h"
#include "image/initrd.h"
#include "lib/uki/stub.h"

#define OSREL_LIMIT 65536

static const char plain_osrel[] = "ID=linux\nNAME=Linux\nPRETTY_NAME=Linux\n";

/* Paths of what is made on the way. */
struct places {
    char initrd[4200], osrel[4200], cmdline[4200], uki[4200], signed_uki[4200];
};

void image_uki_free(struct image_uki *uki)
{
    clo_buffer_free(&uki->bytes);
}

static void step(const struct clo_image_spec *spec, enum clo_image_step what, uint64_t done)
{
    if (spec->progress != NULL)
        spec->progress(spec->context, what, done, 1);
}

/* --- Command lines: what the owner says, and what keeps the host out --- */

static bool settle(void *context, const char *given, struct clo_buffer *out, struct clo_error *err)
{
    const struct clo_image_spec *spec = context;
    const json_t *words = json_object_get(json_object_get(spec->guest_config, "host"), "allow");

    if (!clo_host_words_add(given, clo_host_words_have(words, "cloud-init"), out, err))
        return false;
    /* For people and their tools: the guest goes by its configuration, which is measured as well. With a dot in it nothing else
     * takes it for its own. */
    if (spec->root_hash[0] != '\0' && *given != '\0') {
        clo_buffer_text(out, " cloister.roothash=");
        clo_buffer_text(out, spec->root_hash);
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* As it will be in its section. */
static bool settled(const struct clo_image_spec *spec, struct clo_buffer *given, json_t **out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer line = { 0 };
    const char *text = clo_buffer_string(given);

    if (text == NULL)
        return clo_out_of_memory(err);
    if (!settle((void *)(uintptr_t)spec, text, &line, err))
        return false;
    *out = json_string(clo_buffer_string(&line));
    return *out != NULL || clo_fail(err, CLO_ERR_FORMAT, "the command line is not UTF-8");
}

/* A profile's may differ: which one was started is measured, so that the guest may take any of them. */
static bool profile_lines(const struct clo_image_spec *spec, struct clo_error *err)
{
    const struct clo_list *profiles = &spec->uki->joined_profiles;
    CLO_CLEANUP(clo_json_freep) json_t *lines = json_array();

    for (size_t i = 0; i < profiles->count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer given = { 0 };
        json_t *line;
        bool has;
        if (!uki_profile_cmdline(profiles->items[i], &given, &has, err))
            return false;
        if (!has)
            continue;
        if (!settled(spec, &given, &line, err))
            return clo_wrap(err, "%s", profiles->items[i]);
        if (json_array_append_new(lines, line) != 0)
            return clo_out_of_memory(err);
    }
    return json_array_size(lines) == 0 ||
           json_object_set(spec->guest_config, "profile_cmdlines", lines) == 0 ||
           clo_out_of_memory(err);
}

/* Both are measured: the command line in its section, and in guest.json what the guest holds it against. It is read
 * once: it may come through a pipe. */
static bool close_doors(const struct clo_image_spec *spec, const struct places *places,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer given = { 0 };
    json_t *line;

    if (spec->uki->cmdline != NULL) {
        if (!uki_read_text(spec->uki->cmdline, &given, err))
            return false;
        if (given.size == 0)
            return clo_fail(err, CLO_ERR_USAGE, ".cmdline: is empty");
        if (!clo_file_write(places->cmdline, clo_buffer_bytes(&given), 0600, err))
            return false;
    }
    if (!settled(spec, &given, &line, err))
        return false;
    if (json_object_set_new(spec->guest_config, "cmdline", line) != 0 ||
        json_object_set_new(spec->guest_config, "partitions", json_pack("[s, s]", "esp", "root")) !=
                0)
        return clo_out_of_memory(err);
    return profile_lines(spec, err);
}

/* --- Files --- */

/* The owner's, the root folder's own, or a plain one. */
static bool place_osrel(const struct clo_image_spec *spec, struct places *places,
                        struct clo_error *err)
{
    static const char *const folders[] = { "etc/os-release", "usr/lib/os-release" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer osrel = { 0 };
    struct clo_error ignored;

    for (size_t i = 0; i < CLO_COUNT(folders); i++) {
        char path[4200];
        snprintf(path, sizeof path, "%s/%s", spec->root, folders[i]);
        osrel.size = 0;
        if (clo_file_read(path, OSREL_LIMIT, &osrel, &ignored) && osrel.size > 0)
            return clo_file_write(places->osrel, clo_buffer_bytes(&osrel), 0600, err);
    }
    return clo_file_write(places->osrel, clo_bytes_text(plain_osrel), 0600, err);
}

static bool place_initrd(const struct clo_image_spec *spec, const struct places *places,
                         struct image_uki *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer initrd = { 0 };
    struct clo_initrd_spec initrd_spec = {
        .init = spec->init,
        .modules_folder = spec->modules_folder,
        .modules = spec->modules,
        .has_tags = spec->has_tags,
        .has_verity = spec->has_verity,
        .guest_config = spec->guest_config,
        .epoch = spec->epoch < 0 ? 0 : spec->epoch,
    };

    step(spec, CLO_IMAGE_INITRD, 0);
    if (!clo_initrd_build(&initrd_spec, &initrd, err) ||
        !clo_file_write(places->initrd, clo_buffer_bytes(&initrd), 0600, err))
        return false;
    out->initrd_size = initrd.size;
    step(spec, CLO_IMAGE_INITRD, 1);
    return true;
}

/* --- All of it --- */

/* Signed elsewhere: what must be signed goes out, or what came back is put in. */
static bool sign_elsewhere(const struct clo_image_spec *spec, const struct places *places,
                           struct clo_error *err)
{
    CLO_CLEANUP(uki_image_freep) struct uki_image *image = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    const struct uki_signing *signing = &spec->uki->signing;

    if (!uki_image_open(places->uki, &image, err))
        return false;
    if (spec->offline->tbs != NULL)
        return uki_write_tbs(image, signing, spec->offline->tbs, err);
    return uki_attached_entry(image, signing, spec->offline->attached, &table, err) &&
           uki_sign_again(image, clo_buffer_bytes(&table), signing, places->signed_uki, err);
}

static bool build(const struct clo_image_spec *spec, struct places *places, const char *kernel,
                  struct image_uki *out, struct clo_error *err)
{
    char cmdline[4210];
    struct uki_build uki = *spec->uki;
    bool is_elsewhere = spec->offline->tbs != NULL || spec->offline->attached != NULL;

    step(spec, CLO_IMAGE_UKI, 0);
    if (uki.osrel == NULL) {
        if (!place_osrel(spec, places, err))
            return false;
        uki.osrel = places->osrel;
    }
    if (uki.cmdline != NULL) {
        snprintf(cmdline, sizeof cmdline, "@%s", places->cmdline);
        uki.cmdline = cmdline;
    }
    uki.kernel = kernel;
    uki.output = places->uki;
    uki.initrds.items[0] = places->initrd;
    uki.initrds.count = 1;
    uki.settle = settle;
    uki.context = (void *)(uintptr_t)spec;
    if (!uki_build(&uki, err) || (is_elsewhere && !sign_elsewhere(spec, places, err)))
        return false;
    step(spec, CLO_IMAGE_UKI, 1);
    return spec->offline->tbs != NULL ||
           clo_file_read(is_elsewhere ? places->signed_uki : places->uki, CLO_PE_SIZE_MAX,
                         &out->bytes, err);
}

/* For people, and for the references of its profiles. */
static bool read_back(const struct clo_image_spec *spec, struct image_uki *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = malloc(sizeof *uki);
    const struct clo_pe_section *release;

    if (uki == NULL)
        return clo_out_of_memory(err);
    if (spec->offline->tbs != NULL)
        return true;
    if (!clo_uki_parse(clo_buffer_bytes(&out->bytes), uki, err))
        return clo_wrap(err, "UKI");
    /* An older stub would take sections of whichever profile comes last. */
    if (uki->profile_count > 1 && !stub_does(uki->stub_version, STUB_KNOWS_PROFILES))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "--join-profile: the stub is of systemd %u, and knows profiles from %u on",
                        uki->stub_version, stub_since(STUB_KNOWS_PROFILES));
    out->profile_count = uki->profile_count == 0 ? 1 : uki->profile_count;
    release = clo_pe_section_find(&uki->pe, ".uname");
    snprintf(out->release, sizeof out->release, "%.*s",
             release == NULL ? 0 : (int)release->data.size,
             release == NULL ? "" : (const char *)release->data.data);
    return true;
}

/* …/lib/modules/RELEASE: of another kernel's modules, none would be taken by this one. */
static bool check_modules(const char *folder, const char *release, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) char *path = folder == NULL ? NULL : realpath(folder, NULL);
    char *name = path == NULL ? NULL : strrchr(path, '/');

    if (name == NULL || release[0] == '\0')
        return true; /* told elsewhere */
    *name++ = '\0';
    return !clo_ends_with(path, "/modules") || strcmp(name, release) == 0 ||
           clo_fail(err, CLO_ERR_FORMAT, "%s: the modules of %.100s; the kernel is %.100s", folder,
                    name, release);
}

bool image_uki_make(const struct clo_image_spec *spec, const char *scratch, struct image_uki *out,
                    struct clo_error *err)
{
    CLO_CLEANUP(uki_kernel_close) struct uki_kernel kernel = { 0 };
    CLO_CLEANUP(image_uki_free) struct image_uki made = { 0 };
    struct places places;

    snprintf(places.initrd, sizeof places.initrd, "%s/initrd", scratch);
    snprintf(places.osrel, sizeof places.osrel, "%s/os-release", scratch);
    snprintf(places.cmdline, sizeof places.cmdline, "%s/cmdline", scratch);
    snprintf(places.uki, sizeof places.uki, "%s/uki.efi", scratch);
    snprintf(places.signed_uki, sizeof places.signed_uki, "%s/signed.efi", scratch);
    if (!uki_kernel_open(&kernel, spec->uki->kernel, spec->uki->tell, err))
        return false;
    if (!uki_kernel_release(kernel.path, made.release, err))
        return false;
    if (made.release[0] == '\0' && spec->uki->uname == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: names no release, and --uname does not say it",
                        spec->uki->kernel);
    if (!check_modules(spec->modules_folder, made.release, err) ||
        !close_doors(spec, &places, err) || !place_initrd(spec, &places, &made, err) ||
        !build(spec, &places, kernel.path, &made, err) || !read_back(spec, &made, err))
        return false;
    *out = made;
    made = (struct image_uki){ 0 };
    return true;
}
