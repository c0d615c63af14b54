#include "image/efi_boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device/file.h"

#define GLOBAL      "8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define TITLE       "Cloister update"
#define VALUE_LIMIT 65536
/* Non-volatile, for boot services and the running system. */
#define ATTRIBUTES    7u
#define OPTION_ACTIVE 1u
/* Device paths, UEFI 2.10 sections 10.3.1 and 10.3.5. */
#define MEDIA         4
#define HARD_DRIVE    1
#define FILE_PATH     4
#define IS_GPT        2
#define IS_GUID       2
#define DRIVE_SIZE    42
#define END_OF_PATH   0x0004ff7fu
#define FILE_NODE_MAX 512

/* --- Variables --- */

static void name_variable(const char *efivars, const char *name, char out[4200])
{
    snprintf(out, 4200, "%s/%s-" GLOBAL, efivars, name);
}

/* The value without its attributes; false where the variable is not there. */
static bool read_variable(const char *efivars, const char *name, struct clo_buffer *out)
{
    struct clo_error ignored;
    char path[4200];

    name_variable(efivars, name, path);
    if (!clo_file_read(path, VALUE_LIMIT, out, &ignored) || out->size < 4)
        return false;
    memmove(out->data, out->data + 4, out->size - 4);
    out->size -= 4;
    return true;
}

/* efivarfs takes attributes and value in one write. */
static bool write_variable(const char *efivars, const char *name, struct clo_bytes value,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    char path[4200];

    name_variable(efivars, name, path);
    clo_buffer_le32(&text, ATTRIBUTES);
    clo_buffer_append(&text, value);
    if (!clo_buffer_ok(&text))
        return clo_out_of_memory(err);
    CLO_CLEANUP(clo_fd_close)
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text.data, text.size) != (ssize_t)text.size)
        return clo_fail(err, CLO_ERR_SYSTEM, "EFI variable %s: %s", name, strerror(errno));
    return true;
}

static bool remove_variable(const char *efivars, const char *name, struct clo_error *err)
{
    char path[4200];

    name_variable(efivars, name, path);
    return unlink(path) == 0 || errno == ENOENT ||
           clo_fail(err, CLO_ERR_SYSTEM, "EFI variable %s: %s", name, strerror(errno));
}

static bool read_number(const char *efivars, const char *name, uint16_t *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };

    if (!read_variable(efivars, name, &value) || value.size != 2)
        return false;
    *out = (uint16_t)(value.data[0] | value.data[1] << 8);
    return true;
}

/* --- The entry --- */

static void name_entry(uint16_t number, char out[16])
{
    snprintf(out, 16, "Boot%04X", number);
}

bool clo_efi_option_is_ours(struct clo_bytes option)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer title = { 0 };
    struct clo_error ignored;

    return clo_utf16_write(TITLE, &title, &ignored) && option.size >= 6 + title.size + 2 &&
           memcmp(option.data + 6, title.data, title.size) == 0 &&
           option.data[6 + title.size] == 0 && option.data[7 + title.size] == 0;
}

/* Ours, or else the first number that is free. */
static bool find_entry(const char *efivars, uint16_t *number, bool *is_there, struct clo_error *err)
{
    bool has_free = false;

    *is_there = false;
    for (unsigned i = 0; i < CLO_EFI_NUMBERS; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
        uint16_t candidate = (uint16_t)(CLO_EFI_FIRST_NUMBER + i);
        char name[16];
        name_entry(candidate, name);
        bool is_used = read_variable(efivars, name, &value);
        if (is_used && clo_efi_option_is_ours(clo_buffer_bytes(&value))) {
            *number = candidate;
            *is_there = true;
            return true;
        }
        if (!is_used && !has_free) {
            *number = candidate;
            has_free = true;
        }
    }
    return has_free || clo_fail(err, CLO_ERR_SYSTEM, "no boot entry is free");
}

static bool file_node(const char *path, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };
    char backwards[FILE_NODE_MAX];

    snprintf(backwards, sizeof backwards, "\\%s", path);
    for (char *at = backwards; *at != '\0'; at++)
        if (*at == '/')
            *at = '\\';
    if (!clo_utf16_write(backwards, &name, err))
        return false;
    clo_buffer_u8(out, MEDIA);
    clo_buffer_u8(out, FILE_PATH);
    clo_buffer_le16(out, (uint16_t)(4 + name.size + 2));
    clo_buffer_append(out, clo_buffer_bytes(&name));
    clo_buffer_le16(out, 0);
    return true;
}

static bool device_path(const struct clo_efi_entry *entry, struct clo_buffer *out,
                        struct clo_error *err)
{
    const struct clo_gpt_partition *esp = entry->esp;

    clo_buffer_u8(out, MEDIA);
    clo_buffer_u8(out, HARD_DRIVE);
    clo_buffer_le16(out, DRIVE_SIZE);
    clo_buffer_le32(out, esp->number);
    clo_buffer_le64(out, esp->first_lba);
    clo_buffer_le64(out, esp->last_lba - esp->first_lba + 1);
    clo_buffer_guid(out, &esp->guid);
    clo_buffer_u8(out, IS_GPT);
    clo_buffer_u8(out, IS_GUID);
    if (!file_node(entry->path, out, err))
        return false;
    clo_buffer_le32(out, END_OF_PATH);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_efi_option(const struct clo_efi_entry *entry, struct clo_buffer *out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer path = { 0 };

    if (!device_path(entry, &path, err))
        return false;
    clo_buffer_le32(out, OPTION_ACTIVE);
    clo_buffer_le16(out, (uint16_t)path.size);
    if (!clo_utf16_write(TITLE, out, err))
        return false;
    clo_buffer_le16(out, 0);
    clo_buffer_append(out, clo_buffer_bytes(&path));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_efi_entry_write(const char *efivars, const struct clo_efi_entry *entry, uint16_t *number,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer option = { 0 };
    bool is_there;
    char name[16];

    if (!clo_efi_option(entry, &option, err) || !find_entry(efivars, number, &is_there, err))
        return false;
    name_entry(*number, name);
    return write_variable(efivars, name, clo_buffer_bytes(&option), err);
}

bool clo_efi_next_write(const char *efivars, uint16_t number, struct clo_error *err)
{
    const uint8_t value[2] = { (uint8_t)number, (uint8_t)(number >> 8) };

    return write_variable(efivars, "BootNext", clo_bytes(value, sizeof value), err);
}

static bool names_ours(const char *efivars, const char *variable)
{
    struct clo_error ignored;
    uint16_t number, named;
    bool is_there;

    return find_entry(efivars, &number, &is_there, &ignored) && is_there &&
           read_number(efivars, variable, &named) && named == number;
}

bool clo_efi_is_next(const char *efivars)
{
    return names_ours(efivars, "BootNext");
}

bool clo_efi_is_current(const char *efivars)
{
    return names_ours(efivars, "BootCurrent");
}

bool clo_efi_entry_drop(const char *efivars, struct clo_error *err)
{
    uint16_t number;
    bool is_there;
    char name[16];

    if (!find_entry(efivars, &number, &is_there, err))
        return false;
    if (!is_there)
        return true;
    if (clo_efi_is_next(efivars) && !remove_variable(efivars, "BootNext", err))
        return false;
    name_entry(number, name);
    return remove_variable(efivars, name, err);
}
