/* Where systemd looks: src/core/import-creds.c, src/basic/efivars.c; systemd.system-credentials(7), systemd-stub(7),
 * smbios-type-11(7). Where cloud-init looks: its documentation of data sources, and ds-identify. */
#include "guest/host_inputs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/crypto.h"
#include "cloister/encoding.h"
#include "device/file.h"
#include "guest/facts_internal.h"
#include "guest/smbios.h"

#define DMI_TABLE    "sys/firmware/dmi/tables/DMI"
#define FW_CFG       "sys/firmware/qemu_fw_cfg/by_key"
#define EFIVARS      "sys/firmware/efi/efivars"
#define PORTS        "sys/class/virtio-ports"
#define VIRTIO       "sys/bus/virtio/devices"
#define DEVICE_TREE  "sys/firmware/devicetree/base/chosen"
#define EXTRA        ".extra"
#define BLOCK        "sys/class/block"
#define REPORT_PORT  "cloister.report"
#define NON_VOLATILE 0x1U
#define VIRTIO_9P    9 /* virtio 1.2, section 5 */
#define VIRTIO_FS    26
#define VALUE_LIMIT  ((size_t)1 << 20) /* systemd: CREDENTIAL_SIZE_MAX */
#define PROBE_SIZE   0x8048U

static const char text_credential[] = "io.systemd.credential:";
static const char binary_credential[] = "io.systemd.credential.binary:";
static const char fw_cfg_credentials[] = "opt/io.systemd.credentials/";

struct walk {
    const struct clo_host_look *look;
    struct clo_tree tree;
    struct clo_host_credential *credentials; /* NULL: only looked for */
    size_t credential_count;
    const char *own_disk;
    size_t variables;
};

static void tell(const struct walk *walk, const char *format, ...) CLO_PRINTF(2, 3);
static void tell(const struct walk *walk, const char *format, ...)
{
    char text[300];
    va_list args;

    if (walk->look->found == NULL)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    clo_sanitize(text);
    walk->look->found(walk->look->context, text);
}

static bool is_allowed(const struct walk *walk, const char *kind, const char *name)
{
    return clo_host_allows(walk->look->allow, kind, name);
}

/* --- Folders: all of what is in them, however much the host puts there --- */

typedef bool walk_each(struct walk *walk, const char *folder, const char *name,
                       struct clo_error *err);

static bool walk_folder(struct walk *walk, const char *folder, walk_each *each,
                        struct clo_error *err)
{
    int fd = clo_tree_open(&walk->tree, folder, O_RDONLY | O_DIRECTORY);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    bool ok = true;

    if (stream == NULL) {
        clo_fd_close(&fd);
        return true; /* this machine has none of it */
    }
    while (ok && (entry = readdir(stream)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ok = each(walk, folder, entry->d_name, err);
    closedir(stream);
    return ok;
}

/* --- Credentials --- */

/* `name`=`value`, or what is left of it. */
static void split(struct clo_bytes text, char name[CLO_HOST_WORD_MAX], struct clo_bytes *value)
{
    const uint8_t *equals = text.size == 0 ? NULL : memchr(text.data, '=', text.size);
    size_t size = equals == NULL ? text.size : (size_t)(equals - text.data);

    snprintf(name, CLO_HOST_WORD_MAX, "%.*s", (int)(size < 200 ? size : 200),
             (const char *)text.data);
    *value = equals == NULL ? clo_bytes(NULL, 0) : clo_bytes(equals + 1, text.size - size - 1);
}

/* A signature has its credential's permission. */
static bool is_allowed_credential(const struct walk *walk, const char *kind, const char *name)
{
    char base[CLO_HOST_WORD_MAX];
    size_t size = strlen(name);

    if (is_allowed(walk, kind, name))
        return true;
    if (walk->look->allow->key.size == 0 || size < 5 || strcmp(name + size - 4, ".sig") != 0)
        return false;
    snprintf(base, sizeof base, "%.*s", (int)(size - 4), name);
    return is_allowed(walk, kind, base);
}

/* The first one of a name counts, as with systemd. */
static bool keep(struct walk *walk, const char *name, struct clo_bytes value, bool is_base64,
                 struct clo_error *err)
{
    if (walk->credentials == NULL)
        return true;
    for (size_t i = 0; i < walk->credential_count; i++)
        if (strcmp(walk->credentials[i].name, name) == 0)
            return true;
    if (walk->credential_count == CLO_HOST_CREDENTIALS_MAX)
        return clo_fail(err, CLO_ERR_REFUSED, "more than %d credentials", CLO_HOST_CREDENTIALS_MAX);
    struct clo_host_credential *credential = &walk->credentials[walk->credential_count++];
    *credential = (struct clo_host_credential){ .value = { .limit = VALUE_LIMIT } };
    snprintf(credential->name, sizeof credential->name, "%s", name);
    if (is_base64)
        return clo_base64_read(value, &credential->value, err) ||
               clo_wrap(err, "credential \"%.100s\"", name);
    clo_buffer_append(&credential->value, value);
    return clo_buffer_ok(&credential->value) ||
           clo_fail(err, CLO_ERR_REFUSED, "credential \"%.100s\": too large", name);
}

/* --- SMBIOS --- */

static bool begins(struct clo_bytes text, const char *with)
{
    size_t size = strlen(with);

    return text.size >= size && memcmp(text.data, with, size) == 0;
}

static bool take_credential(struct walk *walk, struct clo_bytes text, bool is_base64,
                            struct clo_error *err)
{
    char name[CLO_HOST_WORD_MAX];
    struct clo_bytes value;

    split(text, name, &value);
    if (is_allowed_credential(walk, "smbios-credential", name))
        return keep(walk, name, value, is_base64, err);
    tell(walk, "credential \"%s\" in SMBIOS", name);
    return true;
}

/* What clouds put there, and nobody acts on. */
static bool is_harmless(struct clo_bytes text)
{
    return begins(text, "[MS_VM_CERT/") || begins(text, "To be filled by O") ||
           clo_bytes_all(text, '0');
}

static bool look_at_oem_string(struct walk *walk, struct clo_bytes text, struct clo_error *err)
{
    char copy[CLO_HOST_WORD_MAX];

    snprintf(copy, sizeof copy, "%.*s", (int)(text.size < 200 ? text.size : 200),
             (const char *)text.data);
    if (is_allowed(walk, "smbios-string", copy))
        return true;
    if (begins(text, text_credential))
        return take_credential(walk, clo_bytes_slice(text, strlen(text_credential), text.size),
                               false, err);
    if (begins(text, binary_credential))
        return take_credential(walk, clo_bytes_slice(text, strlen(binary_credential), text.size),
                               true, err);
    if (!is_harmless(text))
        tell(walk, "SMBIOS type 11 string \"%.*s\"", (int)strcspn(copy, "="), copy);
    return true;
}

static bool look_at_string(void *context, unsigned type, unsigned index, struct clo_bytes text,
                           struct clo_error *err)
{
    struct walk *walk = context;

    (void)index;
    if (type == CLO_SMBIOS_OEM_STRINGS)
        return look_at_oem_string(walk, text, err);
    /* NoCloud takes its orders from the serial number: "ds=nocloud;s=http://…". */
    if (type == CLO_SMBIOS_SYSTEM && memmem(text.data, text.size, "ds=", 3) != NULL &&
        !is_allowed(walk, "cloud-init", NULL))
        tell(walk, "cloud-init's data source \"%.*s\" in SMBIOS",
             (int)(text.size < 60 ? text.size : 60), (const char *)text.data);
    return true;
}

static bool look_at_smbios(struct walk *walk, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };

    if (!clo_tree_exists(&walk->tree, DMI_TABLE))
        return true;
    if (!clo_tree_read(&walk->tree, DMI_TABLE, &table))
        return clo_fail(err, CLO_ERR_SYSTEM, "SMBIOS: the table cannot be read");
    return clo_smbios_walk(clo_buffer_bytes(&table), look_at_string, walk, err);
}

/* --- fw_cfg --- */

static bool look_at_fw_cfg_file(struct walk *walk, const char *folder, const char *key,
                                struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
    char path[512];
    size_t prefix = strlen(fw_cfg_credentials);

    snprintf(path, sizeof path, "%s/%.32s/name", folder, key);
    const char *name = clo_tree_text(&walk->tree, path, &buffer);
    if (name == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "fw_cfg: %.32s has no name", key);
    /* Everything else is QEMU's own, and the firmware's: etc/…, bootorder, genroms/… */
    if (strncmp(name, "opt/", 4) != 0 || is_allowed(walk, "fw-cfg", name))
        return true;
    if (strncmp(name, fw_cfg_credentials, prefix) != 0) {
        tell(walk, "file \"%s\" in fw_cfg", name);
        return true;
    }
    if (!is_allowed_credential(walk, "fw-cfg-credential", name + prefix)) {
        tell(walk, "credential \"%s\" in fw_cfg", name + prefix);
        return true;
    }
    snprintf(path, sizeof path, "%s/%.32s/raw", folder, key);
    if (walk->credentials != NULL && !clo_tree_read(&walk->tree, path, &value))
        return clo_fail(err, CLO_ERR_SYSTEM, "fw_cfg: %.100s cannot be read", name);
    return keep(walk, name + prefix, clo_buffer_bytes(&value), false, err);
}

/* --- EFI variables --- */

/* Loader interface, and systemd's own. */
static const char *const vendors[] = { "-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
                                       "-8cf2644b-4b0b-428f-9387-6d876050dc67" };

/* What the stub says of this boot is gone with it; what is kept, the host may have written. */
static bool look_at_variable(struct walk *walk, const char *folder, const char *file,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
    char path[512], name[256];
    size_t size = strlen(file), tail = CLO_GUID_TEXT;

    if (size <= tail || (strcasecmp(file + size - tail, vendors[0]) != 0 &&
                         strcasecmp(file + size - tail, vendors[1]) != 0))
        return true;
    snprintf(name, sizeof name, "%.*s", (int)(size - tail), file);
    snprintf(path, sizeof path, "%s/%s", folder, file);
    if (!clo_tree_read(&walk->tree, path, &value) || value.size < 4)
        return clo_fail(err, CLO_ERR_SYSTEM, "EFI variable \"%.100s\" cannot be read", name);
    /* A token is mixed into the pool of random numbers, and counts for nothing there. */
    bool is_kept = (value.data[0] & NON_VOLATILE) != 0 && strcmp(name, "LoaderSystemToken") != 0;
    if (is_kept && !is_allowed(walk, "efi-variable", name))
        tell(walk, "EFI variable \"%s\"", name);
    return true;
}

static bool count_variable(struct walk *walk, const char *folder, const char *file,
                           struct clo_error *err)
{
    (void)folder;
    (void)file;
    (void)err;
    walk->variables++;
    return true;
}

/* Firmware always has variables: a folder without any is one where efivarfs is not mounted. */
static bool look_at_variables(struct walk *walk, struct clo_error *err)
{
    if (!clo_tree_exists(&walk->tree, EFIVARS))
        return true;
    if (!walk_folder(walk, EFIVARS, count_variable, err))
        return false;
    if (walk->variables == 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "EFI variables cannot be read");
    return walk_folder(walk, EFIVARS, look_at_variable, err);
}

/* --- Devices --- */

static bool look_at_port(struct walk *walk, const char *folder, const char *port,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    char path[512];

    (void)err;
    snprintf(path, sizeof path, "%s/%.200s/name", folder, port);
    const char *name = clo_tree_text(&walk->tree, path, &buffer);
    /* Ours is only written to, and not even that without a word. Others without a name are consoles. */
    if (name == NULL || *name == '\0' || strcmp(name, REPORT_PORT) == 0 ||
        is_allowed(walk, "port", name))
        return true;
    tell(walk, "virtio port \"%s\"", name);
    return true;
}

static bool look_at_virtio(struct walk *walk, const char *folder, const char *device,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    char path[512];

    (void)err;
    snprintf(path, sizeof path, "%s/%.200s/device", folder, device);
    const char *text = clo_tree_text(&walk->tree, path, &buffer);
    unsigned long kind = text == NULL ? 0 : strtoul(text, NULL, 0);
    if ((kind == VIRTIO_9P || kind == VIRTIO_FS) && !is_allowed(walk, "file-systems", NULL))
        tell(walk, "file system of the host's: %s device %s", kind == VIRTIO_FS ? "virtiofs" : "9p",
             device);
    return true;
}

static bool look_at_device_tree(struct walk *walk, const char *folder, const char *name,
                                struct clo_error *err)
{
    (void)folder;
    (void)err;
    if (strcmp(name, "name") != 0)
        tell(walk, "\"%s\" in the device tree", name);
    return true;
}

/* --- Next to the UKI --- */

/* What the stub itself makes of the UKI's own sections (systemd-stub(7)). */
static bool is_the_stubs(const char *name)
{
    static const char *const names[] = { "tpm2-pcr-signature.json", "tpm2-pcr-public-key.pem",
                                         "profile", "os-release", "boot-secret" };

    for (size_t i = 0; i < CLO_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool look_at_companion(struct walk *walk, const char *folder, const char *name,
                              struct clo_error *err)
{
    (void)err;
    tell(walk, "file \"%s/%s\" next to the UKI", folder, name);
    return true;
}

static bool look_at_extra(struct walk *walk, const char *folder, const char *name,
                          struct clo_error *err)
{
    char path[512];
    struct stat status;

    if (is_the_stubs(name))
        return true;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (clo_tree_stat(&walk->tree, path, &status) && S_ISDIR(status.st_mode))
        return walk_folder(walk, path, look_at_companion, err);
    return look_at_companion(walk, folder, name, err);
}

/* --- The command line --- */

/* The next word of a command line; a quoted value belongs to its word (kernel: next_arg). */
static bool next_word(const char **at, struct clo_bytes *out)
{
    const char *from = *at + strspn(*at, " \t\r\n");
    const char *end = from;
    bool is_quoted = false;

    for (; *end != '\0' && (is_quoted || strchr(" \t\r\n", *end) == NULL); end++)
        is_quoted ^= *end == '"';
    *out = clo_bytes(from, (size_t)(end - from));
    *at = end;
    return end > from;
}

static bool has_word(const char *cmdline, struct clo_bytes word)
{
    struct clo_bytes other;

    while (next_word(&cmdline, &other))
        if (clo_bytes_equal(word, other))
            return true;
    return false;
}

static void tell_words(const struct walk *walk, const char *those_of, const char *not_in,
                       const char *what)
{
    struct clo_bytes word;

    while (next_word(&those_of, &word))
        if (!has_word(not_in, word))
            tell(walk, "%s \"%.*s\"", what, (int)(word.size < 120 ? word.size : 120),
                 (const char *)word.data);
}

/* Each has all words of the other. */
static bool has_same_words(const char *a, const char *b)
{
    struct clo_bytes word;

    for (const char *at = a; next_word(&at, &word);)
        if (!has_word(b, word))
            return false;
    for (const char *at = b; next_word(&at, &word);)
        if (!has_word(a, word))
            return false;
    return true;
}

static bool is_of_profile(const struct walk *walk, const char *text)
{
    json_t *line;
    size_t i;

    json_array_foreach (walk->look->profile_cmdlines, i, line) {
        if (has_same_words(text, json_string_value(line)))
            return true;
    }
    return false;
}

static bool look_at_cmdline(struct walk *walk, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };

    if (walk->look->cmdline == NULL || is_allowed(walk, "cmdline", NULL))
        return true;
    const char *text = clo_tree_text(&walk->tree, "proc/cmdline", &buffer);
    if (text == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "/proc/cmdline cannot be read");
    if (is_of_profile(walk, text))
        return true;
    tell_words(walk, text, walk->look->cmdline, "on the command line, not the image's:");
    tell_words(walk, walk->look->cmdline, text, "missing from the image's command line:");
    return true;
}

/* --- Disks --- */

/* ECMA-119, section 8.4.8: the volume's name; FAT: BS_VolLab of FAT12, FAT16 and FAT32. */
static const char *label_of(struct clo_bytes in, char out[33])
{
    static const struct {
        size_t at, size;
    } places[] = { { 0x8028, 32 }, { 0x2b, 11 }, { 0x47, 11 } };
    static const char *const known[] = { "cidata", "config-2" };

    for (size_t i = 0; i < CLO_COUNT(places); i++) {
        struct clo_bytes label = clo_bytes_slice(in, places[i].at, places[i].size);
        for (size_t k = 0; k < CLO_COUNT(known); k++)
            if (label.size >= strlen(known[k]) &&
                strncasecmp((const char *)label.data, known[k], strlen(known[k])) == 0) {
                snprintf(out, 33, "%s", known[k]);
                return out;
            }
    }
    return NULL;
}

static bool read_attribute(const struct walk *walk, const char *disk, const char *attribute,
                           char *out, size_t size)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    char path[512];

    snprintf(path, sizeof path, BLOCK "/%.200s/%s", disk, attribute);
    const char *text = clo_tree_text(&walk->tree, path, &buffer);
    if (text != NULL)
        snprintf(out, size, "%s", text);
    return text != NULL;
}

static bool has_attribute(const struct walk *walk, const char *disk, const char *attribute)
{
    char path[512];

    snprintf(path, sizeof path, BLOCK "/%.200s/%s", disk, attribute);
    return clo_tree_exists(&walk->tree, path);
}

static bool look_at_disk(struct walk *walk, const char *folder, const char *name,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    struct clo_error ignored;
    char path[300], hidden[8] = "0", label[33];

    (void)folder;
    (void)err;
    /* Partitions are their disk's; mapped and memory disks have no device; a hidden one is a path to another. */
    (void)read_attribute(walk, name, "hidden", hidden, sizeof hidden);
    if (strcmp(name, walk->own_disk) == 0 || has_attribute(walk, name, "partition") ||
        !has_attribute(walk, name, "device") || strcmp(hidden, "0") != 0 ||
        is_allowed(walk, "disks", NULL))
        return true;
    snprintf(path, sizeof path, "dev/%.200s", name);
    CLO_CLEANUP(clo_fd_close) int fd = clo_tree_open(&walk->tree, path, O_RDONLY | O_NONBLOCK);
    const char *known = fd >= 0 && clo_fd_read(fd, 0, PROBE_SIZE, &head, &ignored)
                                ? label_of(clo_buffer_bytes(&head), label)
                                : NULL;
    if (known != NULL)
        tell(walk, "disk \"%s\", cloud-init's data source \"%s\"", name, known);
    else
        tell(walk, "disk \"%s\" next to the image's own", name);
    return true;
}

/* --- All of it --- */

static bool begin(struct walk *walk, const struct clo_host_look *look, struct clo_error *err)
{
    *walk = (struct walk){ .look = look,
                           .tree = { open(look->root, O_PATH | O_DIRECTORY | O_CLOEXEC), NULL } };
    return walk->tree.fd >= 0 ||
           clo_fail(err, CLO_ERR_FORMAT, "%s: not a folder that can be opened", look->root);
}

static bool look_at_all(struct walk *walk, struct clo_error *err)
{
    return look_at_smbios(walk, err) && walk_folder(walk, FW_CFG, look_at_fw_cfg_file, err) &&
           look_at_variables(walk, err) && walk_folder(walk, PORTS, look_at_port, err) &&
           walk_folder(walk, VIRTIO, look_at_virtio, err) &&
           walk_folder(walk, DEVICE_TREE, look_at_device_tree, err) &&
           (is_allowed(walk, "companions", NULL) || walk_folder(walk, EXTRA, look_at_extra, err)) &&
           look_at_cmdline(walk, err);
}

bool clo_host_look(const struct clo_host_look *look, struct clo_error *err)
{
    struct walk walk;

    if (!begin(&walk, look, err))
        return false;
    bool ok = look_at_all(&walk, err);
    clo_fd_close(&walk.tree.fd);
    return ok;
}

bool clo_host_look_at_disks(const struct clo_host_look *look, const char *own,
                            struct clo_error *err)
{
    struct walk walk;

    if (!begin(&walk, look, err))
        return false;
    walk.own_disk = own;
    bool ok = walk_folder(&walk, BLOCK, look_at_disk, err);
    clo_fd_close(&walk.tree.fd);
    return ok;
}

/* --- Signed credentials --- */

static const struct clo_host_credential *find(const struct clo_host_credential *credentials,
                                              size_t count, const char *name, const char *ending)
{
    char whole[CLO_HOST_WORD_MAX + 8];

    snprintf(whole, sizeof whole, "%s%s", name, ending);
    for (size_t i = 0; i < count; i++)
        if (strcmp(credentials[i].name, whole) == 0)
            return &credentials[i];
    return NULL;
}

static bool verify(const struct clo_public_key *key, const struct clo_host_credential *credential,
                   const struct clo_host_credential *signature, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };
    bool is_rsa = clo_public_key_kind(key) == CLO_KEY_RSA;

    if (signature == NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "credential \"%.100s\": not signed",
                        credential->name);
    clo_buffer_text(&message, credential->name);
    clo_buffer_u8(&message, 0);
    clo_buffer_append(&message, clo_buffer_bytes(&credential->value));
    if (!clo_buffer_ok(&message))
        return clo_out_of_memory(err);
    return clo_signature_verify(key, is_rsa ? CLO_RSASSA_PKCS1 : CLO_ECDSA_DER, CLO_HASH_SHA256,
                                clo_buffer_bytes(&message), clo_buffer_bytes(&signature->value),
                                err) ||
           clo_wrap(err, "credential \"%.100s\"", credential->name);
}

/* Signatures are taken out of the list; every other one has to have one. */
static bool verify_all(const struct clo_host_allow *allow, struct clo_host_credential *credentials,
                       size_t *count, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    size_t kept = 0;

    if (allow->key.size == 0)
        return true;
    if (!clo_public_key_from_spki(clo_buffer_bytes(&allow->key), &key, err))
        return false;
    for (size_t i = 0; i < *count; i++)
        if (!clo_ends_with(credentials[i].name, ".sig") &&
            !verify(key, &credentials[i], find(credentials, *count, credentials[i].name, ".sig"),
                    err))
            return false;
    for (size_t i = 0; i < *count; i++) {
        if (clo_ends_with(credentials[i].name, ".sig"))
            clo_buffer_free(&credentials[i].value);
        else
            credentials[kept++] = credentials[i];
    }
    *count = kept;
    return true;
}

void clo_host_credentials_free(struct clo_host_credential *credentials, size_t count)
{
    for (size_t i = 0; i < count; i++)
        clo_buffer_free(&credentials[i].value);
}

bool clo_host_credentials(const struct clo_host_look *look,
                          struct clo_host_credential out[CLO_HOST_CREDENTIALS_MAX], size_t *count,
                          struct clo_error *err)
{
    struct walk walk;

    if (!begin(&walk, look, err))
        return false;
    walk.credentials = out;
    bool ok = look_at_smbios(&walk, err) && walk_folder(&walk, FW_CFG, look_at_fw_cfg_file, err) &&
              verify_all(look->allow, out, &walk.credential_count, err);
    clo_fd_close(&walk.tree.fd);
    if (!ok)
        clo_host_credentials_free(out, walk.credential_count);
    *count = ok ? walk.credential_count : 0;
    return ok;
}
