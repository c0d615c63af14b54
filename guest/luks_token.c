#include "guest/luks_token.h"

#include <stdio.h>
#include <string.h>

#include "cloister/resource.h"
#include "device/file.h"
#include "guest/disk_use.h"
#include "guest/unlock.h"

bool clo_luks_token_parse(const json_t *json, const char **resource, struct clo_error *err)
{
    static const char *const members[] = { "type", "keyslots", "resource", NULL };
    const char *type;
    json_t *slots;

    *resource = NULL;
    if (!clo_json_only(json, members, err) || !clo_json_get_string(json, "type", &type, err) ||
        !clo_json_get_array(json, "keyslots", &slots, err))
        return false;
    if (strcmp(type, CLO_LUKS_TOKEN_TYPE) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "type: not \"" CLO_LUKS_TOKEN_TYPE "\"");
    if (json_object_get(json, "resource") == NULL)
        return true;
    return clo_json_get_string(json, "resource", resource, err) &&
           clo_resource_template_check(*resource, err);
}

bool clo_luks_token_resource(const struct clo_guest_config *config, const char *resource,
                             struct clo_error *err)
{
    const char *own = config->resource;
    const char *first = own == NULL ? NULL : strchr(own, '/');
    const char *second = first == NULL ? NULL : strchr(first + 1, '/');
    size_t size = second == NULL ? 0 : (size_t)(second - own) + 1;

    return (size > 0 && strncmp(resource, own, size) == 0) ||
           clo_fail(err, CLO_ERR_REFUSED, "the token asks for %.100s, and the image for %.*s…",
                    resource, (int)size, own == NULL ? "" : own);
}

/* --- The disk --- */

struct opening {
    struct clo_disk disk;
    struct clo_scratch scratch;
    char header[4200];
    struct clo_tpm *tpm;
    struct clo_buffer userlog;
    struct clo_secret *key;
    const struct clo_luks_view *view;
    bool has_counter;
    struct clo_bound_tpm bound;
    const struct clo_tpm2_name *srk; /* that the image names; NULL: none */
};

static void free_opening(struct opening *opening)
{
    clo_disk_free(&opening->disk);
    clo_scratch_free(&opening->scratch);
    clo_tpm_freep(&opening->tpm);
    clo_buffer_free(&opening->userlog);
    clo_secret_freep(&opening->key);
    clo_bound_tpm_free(&opening->bound);
}

/* The host may show one header to the program that maps the disk, and another to us. */
static bool is_same_disk(const struct clo_luks2_info *luks, const struct clo_luks_view *view,
                         struct clo_error *err)
{
    char cipher[80];

    snprintf(cipher, sizeof cipher, "%s-%s", view->cipher == NULL ? "" : view->cipher,
             view->mode == NULL ? "" : view->mode);
    const char *differs = view->uuid == NULL || strcmp(view->uuid, luks->uuid) != 0 ? "UUID"
                          : strcmp(cipher, luks->cipher) != 0                       ? "cipher"
                          : view->integrity != NULL                                 ? "integrity"
                          : view->key_size != luks->key_size                        ? "key size"
                          : view->payload_offset != luks->payload_offset            ? "offset"
                          : view->requirements != 0 ? "list of requirements"
                                                    : NULL;
    return differs == NULL ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "the disk shows another header now than before: the %s differs", differs);
}

static bool read_disk(struct opening *opening, const char *device, const struct clo_luks_view *view,
                      struct clo_error *err)
{
    if (strlen(device) >= sizeof opening->disk.device)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "%.60s…: the path is too long", device);
    memcpy(opening->disk.device, device, strlen(device) + 1);
    if (!clo_disk_read_header(&opening->disk, err) ||
        !is_same_disk(&opening->disk.luks, view, err) ||
        !clo_scratch_new(NULL, &opening->scratch, err))
        return false;
    snprintf(opening->header, sizeof opening->header, "%s/header", opening->scratch.path);
    return true;
}

/* --- The key --- */

static void on_evidence(void *context, const struct clo_evidence *evidence)
{
    struct opening *opening = context;

    clo_bound_tpm_take(&opening->bound, evidence);
}

/* The program that maps the disk would else take the released key to a slot that was written by the host, and from there to a volume key that
 * the host knows. */
static bool is_same_key(const struct clo_luks_view *view, const struct clo_secret *volume_key,
                        struct clo_error *err)
{
    return (view->has_key != NULL && view->has_key(view->context, clo_secret_bytes(volume_key))) ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "the disk shows another header now than before: the volume key differs");
}

static bool on_release(void *context, const struct clo_release *release, uint64_t *generation,
                       struct clo_error *err)
{
    struct opening *opening = context;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *volume_key = NULL;

    clo_secret_freep(&opening->key);
    if (!clo_disk_volume_key(&opening->disk, opening->header, release->key, &volume_key, err) ||
        !is_same_key(opening->view, volume_key, err))
        return false;
    const struct clo_disk_use use = { .disk = &opening->disk,
                                      .scratch = opening->header,
                                      .volume_key = volume_key,
                                      .registered = &release->disk,
                                      .has_counter = opening->has_counter,
                                      .tpm = opening->tpm,
                                      .bound = &opening->bound,
                                      .srk = opening->srk };
    return (!release->has_disk || clo_disk_use_again(&use, generation, err)) &&
           clo_secret_copy(clo_secret_bytes(release->key), &opening->key, err);
}

bool clo_luks_token_key(const struct clo_guest_config *config,
                        const struct clo_luks_machine *machine, const char *device,
                        const struct clo_luks_view *view, struct clo_secret **out,
                        struct clo_error *err)
{
    CLO_CLEANUP(free_opening)
    struct opening opening = { .view = view, .has_counter = config->has_tpm_counter };
    struct clo_tpm2_name srk;
    struct clo_error ignored;

    opening.srk = clo_guest_config_srk(config, &srk);

    if (!read_disk(&opening, device, view, err) ||
        (!clo_tpm_open_named(machine->tpm, &opening.tpm, err) &&
         err->status != CLO_ERR_UNAVAILABLE))
        return false;
    if (!clo_file_read(machine->userlog, CLO_FILE_LIMIT, &opening.userlog, &ignored))
        opening.userlog.size = 0; /* nothing was measured by user space */
    const struct clo_collector collector = { .tpm = opening.tpm,
                                             .hardware = clo_hardware_default,
                                             .eventlog = machine->eventlog,
                                             .ccel = machine->ccel,
                                             .imds = machine->imds,
                                             .userlog = clo_buffer_bytes(&opening.userlog) };
    const struct clo_unlock unlock = { .config = config,
                                       .collector = &collector,
                                       .on_evidence = on_evidence,
                                       .on_release = on_release,
                                       .context = &opening };
    if (!clo_unlock_key(&unlock, err))
        return false;
    *out = CLO_TAKE(opening.key);
    return true;
}
