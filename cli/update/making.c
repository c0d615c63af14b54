/* The new UKI: the guest's own cloister-init, its guest.json and command line as they were measured in this boot, and a
 * newer kernel. Nothing of it is read from the ESP, which belongs to the host. */
#include "cli/update/update.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cloister/authenticode.h"
#include "device/file.h"
#include "device/process.h"
#include "guest/config.h"
#include "image/image_uki.h"

#define MODULES      "/usr/lib/modules"
#define CONFIG_LIMIT ((size_t)1 << 20)
#define PATH_SIZE    600

/* --- The kernel --- */

/* As distributions have it: rpm's next to its modules, Debian's in /boot. */
static bool kernel_of(const char *release, char out[PATH_SIZE])
{
    snprintf(out, PATH_SIZE, MODULES "/%.200s/vmlinuz", release);
    if (access(out, R_OK) == 0)
        return true;
    snprintf(out, PATH_SIZE, "/boot/vmlinuz-%.200s", release);
    return access(out, R_OK) == 0;
}

static bool newest_release(char out[256], struct clo_error *err)
{
    char path[PATH_SIZE];
    struct dirent *entry;
    DIR *stream = opendir(MODULES);

    out[0] = '\0';
    while (stream != NULL && (entry = readdir(stream)) != NULL)
        if (entry->d_name[0] != '.' && kernel_of(entry->d_name, path) &&
            strverscmp(entry->d_name, out) > 0)
            snprintf(out, 256, "%s", entry->d_name);
    if (stream != NULL)
        closedir(stream);
    return out[0] != '\0' ||
           clo_fail(err, CLO_ERR_FORMAT, MODULES ": no kernel is installed next to its modules");
}

struct kernel {
    char release[256], path[PATH_SIZE], modules[PATH_SIZE];
};

static bool find_kernel(const struct cli_update *in, struct kernel *out, struct clo_error *err)
{
    if (in->build.kernel != NULL) {
        snprintf(out->path, sizeof out->path, "%s", in->build.kernel);
        snprintf(out->modules, sizeof out->modules, "%s", in->modules);
        return true;
    }
    if (in->release != NULL)
        snprintf(out->release, sizeof out->release, "%s", in->release);
    else if (!newest_release(out->release, err))
        return false;
    if (!kernel_of(out->release, out->path))
        return clo_fail(err, CLO_ERR_FORMAT, "kernel %s: is not installed", out->release);
    snprintf(out->modules, sizeof out->modules, MODULES "/%s", out->release);
    return true;
}

/* --- What the image says of itself --- */

/* Does what boots now open a root whose sectors have tags? */
static bool loads_tags(const struct clo_guest_config *config)
{
    for (size_t i = 0; i < config->module_count; i++)
        if (strstr(config->modules[i], "/dm-integrity.ko") != NULL)
            return true;
    return false;
}

/* The members that the UKI's maker adds are added again. */
static bool read_config(const struct cli_update *in, json_t **out, char **cmdline, bool *has_tags,
                        struct clo_error *err)
{
    static const char *const added[] = { "modules", "partitions", "cmdline" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_guest_config_free) struct clo_guest_config checked = { .json = NULL };
    CLO_CLEANUP(clo_json_freep) json_t *config = NULL;
    char path[4200];

    snprintf(path, sizeof path, "%s/guest.json", in->run);
    if (!clo_file_read(path, CONFIG_LIMIT, &text, err) ||
        !clo_guest_config_parse(clo_buffer_bytes(&text), &checked, err) ||
        !clo_json_parse(clo_buffer_bytes(&text), &config, err))
        return clo_wrap(err, "what the image is");
    const char *line = json_string_value(json_object_get(config, "cmdline"));
    if (json_object_get(config, "profile_cmdlines") != NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "%s: the image has several profiles: make its UKI elsewhere, and --uki",
                        path);
    if (checked.verity.data_blocks != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "the root is read-only, its hash was measured: an update is a new image");
    *has_tags = in->has_tags || loads_tags(&checked);
    *cmdline = strdup(line == NULL ? "" : line);
    if (*cmdline == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < CLO_COUNT(added); i++)
        json_object_del(config, added[i]);
    *out = CLO_TAKE(config);
    return true;
}

/* --- Signing elsewhere --- */

static bool digest_of(struct clo_bytes image, struct clo_digest *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);

    return pe == NULL ? clo_out_of_memory(err)
                      : clo_pe_parse(image, pe, err) &&
                                clo_authenticode_digest_to_sign(pe, CLO_HASH_SHA256, out, err);
}

/* Whoever signs may refuse, and may not give back another one. */
static bool run_signer(const char *program, struct clo_buffer *image, struct clo_error *err)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { .path = "" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signed_image = { 0 };
    char unsigned_path[4200], signed_path[4200];
    struct clo_digest before, after;

    if (!clo_scratch_new(NULL, &scratch, err))
        return false;
    snprintf(unsigned_path, sizeof unsigned_path, "%s/unsigned.efi", scratch.path);
    snprintf(signed_path, sizeof signed_path, "%s/signed.efi", scratch.path);
    const char *const command[] = { program, unsigned_path, signed_path, NULL };
    if (!clo_file_write(unsigned_path, clo_buffer_bytes(image), 0600, err) ||
        !clo_process_run(command, NULL, NULL, err) ||
        !clo_file_read(signed_path, CLO_PE_SIZE_MAX, &signed_image, err) ||
        !digest_of(clo_buffer_bytes(image), &before, err) ||
        !digest_of(clo_buffer_bytes(&signed_image), &after, err))
        return clo_wrap(err, "--sign-command");
    if (!clo_digest_equal(&before, &after))
        return clo_fail(err, CLO_ERR_REFUSED, "--sign-command: what came back is another UKI");
    clo_buffer_free(image);
    *image = signed_image;
    signed_image = (struct clo_buffer){ 0 };
    return true;
}

/* --- All of it --- */

static bool build(const struct cli_update *in, const char *scratch, struct image_uki *out,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *config = NULL;
    CLO_CLEANUP(clo_freep) char *cmdline = NULL;
    const struct uki_offline here = { .tbs = NULL };
    struct uki_build uki = in->build;
    struct kernel kernel;
    bool has_tags = false;

    if (!find_kernel(in, &kernel, err) || !read_config(in, &config, &cmdline, &has_tags, err))
        return false;
    uki.kernel = kernel.path;
    if (cmdline[0] != '\0')
        uki.cmdline = cmdline;
    const struct clo_image_spec spec = { .root = "/",
                                         .uki = &uki,
                                         .offline = &here,
                                         .modules_folder = kernel.modules,
                                         .init = in->init,
                                         .guest_config = config,
                                         .has_tags = has_tags,
                                         .epoch = -1 };
    return image_uki_make(&spec, scratch, out, err);
}

bool cli_update_make(const struct cli_update *in, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { .path = "" };
    CLO_CLEANUP(image_uki_free) struct image_uki made = { .initrd_size = 0 };

    if (in->uki != NULL)
        return clo_file_read(in->uki, CLO_PE_SIZE_MAX, out, err);
    if (!clo_scratch_new(NULL, &scratch, err) || !build(in, scratch.path, &made, err))
        return false;
    if (in->request != NULL)
        return clo_file_write(in->request, clo_buffer_bytes(&made.bytes), 0644, err);
    if (in->sign_command != NULL && !run_signer(in->sign_command, &made.bytes, err))
        return false;
    *out = made.bytes;
    made.bytes = (struct clo_buffer){ 0 };
    return true;
}
