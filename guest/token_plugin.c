/* libcryptsetup-token-cloister.so: what libcryptsetup loads for a token of type "cloister", so that `cryptsetup open`,
 * systemd-cryptsetup and every initrd that uses one of them get the disk's key from the broker. The interface is libcryptsetup's
 * (libcryptsetup.h, CRYPTSETUP_TOKEN_1.0). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libcryptsetup.h>

#include "device/file.h"
#include "guest/collect.h"
#include "guest/luks_token.h"
#include "guest/measure.h"
#include "net/imds.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT const char *cryptsetup_token_version(void);
EXPORT int cryptsetup_token_open(struct crypt_device *cd, int token, char **buffer, size_t *size,
                                 void *context);
EXPORT void cryptsetup_token_buffer_free(void *buffer, size_t size);
EXPORT int cryptsetup_token_validate(struct crypt_device *cd, const char *json);
EXPORT void cryptsetup_token_dump(struct crypt_device *cd, const char *json);

/* The tests have a machine of their own; what is installed takes nothing from its environment. */
#ifdef CLO_TOKEN_OF_TEST
static const char *place(const char *name, const char *usual)
{
    const char *value = secure_getenv(name);

    return value == NULL ? usual : value;
}
#else
#define place(name, usual) (usual)
#endif

static void say(struct crypt_device *cd, const struct clo_error *err)
{
    char line[sizeof err->text + 16];

    snprintf(line, sizeof line, "cloister: %s\n", err->text);
    crypt_log(cd, CRYPT_LOG_ERROR, line);
}

static bool read_token(const char *text, json_t **json, const char **resource,
                       struct clo_error *err)
{
    return clo_json_parse(clo_bytes_text(text), json, err) &&
           clo_luks_token_parse(*json, resource, err);
}

static bool read_config(struct clo_guest_config *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *path = place("CLOISTER_TEST_CONFIG", CLO_GUEST_CONFIG);

    return clo_file_read(path, CLO_FILE_LIMIT, &text, err) &&
           (clo_guest_config_parse(clo_buffer_bytes(&text), out, err) || clo_wrap(err, "%s", path));
}

static bool has_key(void *context, struct clo_bytes volume_key)
{
    return crypt_volume_key_verify(context, (const char *)volume_key.data, volume_key.size) >= 0;
}

static bool get_key(struct crypt_device *cd, const char *text, struct clo_secret **out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_guest_config_free) struct clo_guest_config config = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct crypt_params_integrity integrity = { .integrity = NULL };
    uint32_t requirements = 0;
    const char *resource;

    if (!read_token(text, &json, &resource, err) || !read_config(&config, err))
        return false;
    if (resource != NULL) {
        if (!clo_luks_token_resource(&config, resource, err))
            return false;
        config.resource = resource;
    }
    (void)crypt_get_integrity_info(cd, &integrity);
    if (crypt_persistent_flags_get(cd, CRYPT_FLAGS_REQUIREMENTS, &requirements) < 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "libcryptsetup does not say what it requires");
    const struct clo_luks_machine machine = {
        .tpm = place("CLOISTER_TEST_TPM", CLO_TPM_DEVICE),
        .eventlog = place("CLOISTER_TEST_EVENTLOG", CLO_COLLECT_EVENTLOG),
        .userlog = CLO_MEASURE_LOG,
        .ccel = CLO_COLLECT_CCEL,
        .imds = place("CLOISTER_TEST_IMDS", CLO_IMDS_URL),
    };
    const struct clo_luks_view view = {
        .uuid = crypt_get_uuid(cd),
        .cipher = crypt_get_cipher(cd),
        .mode = crypt_get_cipher_mode(cd),
        .integrity = integrity.integrity,
        .payload_offset = crypt_get_data_offset(cd) * 512,
        .key_size = (size_t)crypt_get_volume_key_size(cd),
        .requirements = requirements,
        .has_key = has_key,
        .context = cd,
    };
    const char *device = crypt_get_device_name(cd);
    if (device == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "libcryptsetup does not say which device it is");
    return clo_luks_token_key(&config, &machine, device, &view, out, err);
}

const char *cryptsetup_token_version(void)
{
    return CLOISTER_VERSION;
}

/* -ENOENT: libcryptsetup and systemd-cryptsetup go on to the next token, or ask for a passphrase. */
int cryptsetup_token_open(struct crypt_device *cd, int token, char **buffer, size_t *size,
                          void *context)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    struct clo_error err;
    const char *text;

    (void)context;
    if (crypt_token_json_get(cd, token, &text) < 0)
        return -EINVAL;
    if (!get_key(cd, text, &key, &err)) {
        say(cd, &err);
        return -ENOENT;
    }
    struct clo_bytes bytes = clo_secret_bytes(key);
    char *copy = malloc(bytes.size);
    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, bytes.data, bytes.size);
    *buffer = copy;
    *size = bytes.size;
    return 0;
}

void cryptsetup_token_buffer_free(void *buffer, size_t size)
{
    if (buffer != NULL)
        clo_wipe(buffer, size);
    free(buffer);
}

int cryptsetup_token_validate(struct crypt_device *cd, const char *text)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error err;
    const char *resource;

    if (read_token(text, &json, &resource, &err))
        return 0;
    say(cd, &err);
    return -EINVAL;
}

void cryptsetup_token_dump(struct crypt_device *cd, const char *text)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error ignored;
    const char *resource;
    char line[400];

    if (!read_token(text, &json, &resource, &ignored))
        return;
    snprintf(line, sizeof line, "\tResource:   %.300s\n",
             resource == NULL ? "(the guest's own)" : resource);
    crypt_log(cd, CRYPT_LOG_NORMAL, line);
}
