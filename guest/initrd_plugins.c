#include "guest/initrd_plugins.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device/file.h"

#define PLUG_IN        "cryptsetup/libcryptsetup-token-systemd-tpm2.so"
#define CRYPTTAB_LIMIT ((size_t)1 << 20)

static bool remove_all(const char *root, const char *pattern, struct clo_error *err)
{
    char path[4200];
    glob_t found;
    bool ok = true;

    snprintf(path, sizeof path, "%s%s", root, pattern);
    int status = glob(path, GLOB_NOSORT, NULL, &found);
    if (status == GLOB_NOMATCH)
        return true;
    if (status != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: cannot be looked for", path);
    for (size_t i = 0; ok && i < found.gl_pathc; i++)
        ok = unlink(found.gl_pathv[i]) == 0 || errno == ENOENT ||
             clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", found.gl_pathv[i], strerror(errno));
    globfree(&found);
    return ok;
}

/* The fourth field of a line, if it has one: options with commas between them. */
static bool asks_tpm(char *line)
{
    char *rest = NULL;
    char *word = strtok_r(line, " \t", &rest);

    if (word == NULL || word[0] == '#')
        return false;
    for (unsigned i = 0; i < 3 && word != NULL; i++)
        word = strtok_r(NULL, " \t", &rest);
    for (char *option = word; option != NULL; option = strchr(option, ',')) {
        option += *option == ',' ? 1 : 0;
        if (strncmp(option, "tpm2-device=", 12) == 0)
            return true;
    }
    return false;
}

static bool check_crypttab(const char *root, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    char path[4200];
    char *rest = NULL;

    snprintf(path, sizeof path, "%s/etc/crypttab", root);
    if (access(path, F_OK) != 0)
        return true;
    if (!clo_file_read(path, CRYPTTAB_LIMIT, &text, err))
        return false;
    clo_buffer_u8(&text, 0);
    if (!clo_buffer_ok(&text))
        return clo_out_of_memory(err);
    unsigned number = 1;
    for (char *line = strtok_r((char *)text.data, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest), number++)
        if (asks_tpm(line))
            return clo_fail(err, CLO_ERR_REFUSED,
                            "crypttab: entry %u: tpm2-device= would ask the TPM, which is the "
                            "host's here",
                            number);
    return true;
}

bool clo_initrd_without_tpm(const char *root, struct clo_error *err)
{
    return remove_all(root, "/usr/lib*/" PLUG_IN, err) &&
           remove_all(root, "/usr/lib/*/" PLUG_IN, err) &&
           remove_all(root, "/lib*/" PLUG_IN, err) && remove_all(root, "/lib/*/" PLUG_IN, err) &&
           check_crypttab(root, err);
}
