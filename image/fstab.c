#include "image/fstab.h"

#include <stdio.h>
#include <string.h>

#define MARK "# not on this disk any more (cloister image convert): "

static struct clo_bytes next_line(struct clo_bytes *rest)
{
    const uint8_t *end = rest->size == 0 ? NULL : memchr(rest->data, '\n', rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    struct clo_bytes line = clo_bytes(rest->data, size);

    *rest = clo_bytes_slice(*rest, size + 1, SIZE_MAX);
    return line;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word; of one that is too long, its beginning, which no comparison takes for something else. */
static void take_word(struct clo_bytes *line, char *out)
{
    size_t start = 0, end;

    while (start < line->size && is_blank(line->data[start]))
        start++;
    for (end = start; end < line->size && !is_blank(line->data[end]);)
        end++;
    snprintf(out, CLO_FSTAB_TEXT, "%.*s", (int)(end - start),
             end == start ? "" : (const char *)line->data + start);
    *line = clo_bytes_slice(*line, end, SIZE_MAX);
}

static bool parse(struct clo_bytes text, struct clo_fstab_line *out)
{
    take_word(&text, out->device);
    take_word(&text, out->folder);
    take_word(&text, out->type);
    take_word(&text, out->options);
    return out->device[0] != '\0' && out->device[0] != '#' && out->folder[0] != '\0';
}

bool clo_fstab_next(struct clo_bytes *rest, struct clo_fstab_line *out)
{
    while (rest->size > 0)
        if (parse(next_line(rest), out))
            return true;
    return false;
}

bool clo_fstab_has_option(const struct clo_fstab_line *line, const char *option)
{
    size_t size = strlen(option);

    for (const char *at = line->options; (at = strstr(at, option)) != NULL; at += size)
        if ((at == line->options || at[-1] == ',') && (at[size] == ',' || at[size] == '\0'))
            return true;
    return false;
}

bool clo_fstab_option(const struct clo_fstab_line *line, const char *name, char out[CLO_FSTAB_TEXT])
{
    size_t size = strlen(name);

    for (const char *at = line->options; *at != '\0'; at += *at == ',') {
        size_t whole = strcspn(at, ",");
        if (whole > size && strncmp(at, name, size) == 0 && at[size] == '=') {
            snprintf(out, CLO_FSTAB_TEXT, "%.*s", (int)(whole - size - 1), at + size + 1);
            return true;
        }
        at += whole;
    }
    return false;
}

static bool is_disk(const char *device)
{
    static const char *const names[] = { "UUID=",      "LABEL=", "PARTUUID=",
                                         "PARTLABEL=", "ID=",    "/dev/" };

    for (size_t i = 0; i < CLO_COUNT(names); i++)
        if (strncmp(device, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

enum clo_fstab_what clo_fstab_what(const struct clo_fstab_line *line)
{
    if (!is_disk(line->device) || strncmp(line->device, "/dev/fuse", 9) == 0 ||
        strncmp(line->device, "/dev/zram", 9) == 0)
        return CLO_FSTAB_KEEP;
    if (strcmp(line->type, "swap") == 0)
        return CLO_FSTAB_SWAP;
    if (strcmp(line->folder, "/") == 0)
        return CLO_FSTAB_ROOT;
    if (strcmp(line->folder, "/boot") == 0)
        return CLO_FSTAB_BOOT;
    if (strcmp(line->folder, "/boot/efi") == 0 || strcmp(line->folder, "/efi") == 0)
        return CLO_FSTAB_ESP;
    return CLO_FSTAB_DATA;
}

/* Of a root that was no ext4, what every file system takes (mount(8)); others would stop the guest's boot. */
static bool is_for_all(const char *option, size_t size)
{
    static const char *const known[] = { "defaults",   "ro",          "rw",         "noatime",
                                         "relatime",   "strictatime", "nodiratime", "lazytime",
                                         "nosuid",     "nodev",       "noexec",     "sync",
                                         "dirsync",    "discard",     "_netdev",    "nofail",
                                         "x-systemd.", "x-initrd." };

    for (size_t i = 0; i < CLO_COUNT(known); i++) {
        size_t begins = strlen(known[i]);
        bool is_family = known[i][begins - 1] == '.';
        if ((is_family ? size > begins : size == begins) && strncmp(option, known[i], begins) == 0)
            return true;
    }
    return false;
}

static void put_root(const struct clo_fstab_line *line, struct clo_buffer *out)
{
    bool is_kept = strncmp(line->type, "ext", 3) == 0, is_first = true;

    clo_buffer_text(out, "/dev/mapper/root / ext4 ");
    for (const char *at = line->options; *at != '\0'; at += *at == ',') {
        size_t size = strcspn(at, ",");
        if (size > 0 && (is_kept || is_for_all(at, size))) {
            clo_buffer_printf(out, "%s%.*s", is_first ? "" : ",", (int)size, at);
            is_first = false;
        }
        at += size;
    }
    clo_buffer_printf(out, "%s 0 1\n", is_first ? "defaults" : "");
}

static bool adapt(struct clo_bytes in, bool has_root, struct clo_buffer *out, struct clo_error *err)
{
    while (in.size > 0) {
        struct clo_fstab_line line;
        struct clo_bytes text = next_line(&in);
        enum clo_fstab_what what = parse(text, &line) ? clo_fstab_what(&line) : CLO_FSTAB_KEEP;
        if (what == CLO_FSTAB_ROOT && has_root)
            put_root(&line, out);
        else {
            if (what != CLO_FSTAB_KEEP)
                clo_buffer_text(out, MARK);
            clo_buffer_append(out, text);
            clo_buffer_u8(out, '\n');
        }
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_fstab_adapt(struct clo_bytes in, struct clo_buffer *out, struct clo_error *err)
{
    return adapt(in, true, out, err);
}

bool clo_fstab_adapt_read_only(struct clo_bytes in, struct clo_buffer *out, struct clo_error *err)
{
    return adapt(in, false, out, err);
}

bool clo_crypttab_adapt(struct clo_bytes in, struct clo_buffer *out, struct clo_error *err)
{
    while (in.size > 0) {
        struct clo_fstab_line line;
        struct clo_bytes text = next_line(&in);
        /* A disk with a new random key at each boot is nobody's but the guest's. */
        if (parse(text, &line) && strstr(line.type, "/dev/urandom") == NULL)
            clo_buffer_text(out, MARK);
        clo_buffer_append(out, text);
        clo_buffer_u8(out, '\n');
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- Command lines --- */

/* Names a disk, or says how to find one; or how a boot loader came to its kernel. */
static bool is_about_disks(const char *word)
{
    static const char *const names[] = {
        "root=",   "rootflags=",    "rootfstype=", "rootwait",     "rootdelay",
        "resume=", "resume_offset", "BOOT_IMAGE=", "initrd=",      "rd.luks",
        "rd.lvm",  "rd.md",         "luks.",       "cryptdevice=", "boot="
    };

    for (size_t i = 0; i < CLO_COUNT(names); i++)
        if (strncmp(word, names[i], strlen(names[i])) == 0)
            return true;
    return word[0] == '$'; /* of GRUB's environment */
}

bool clo_cmdline_keep(struct clo_bytes in, struct clo_buffer *out, struct clo_error *err)
{
    char word[CLO_FSTAB_TEXT];

    while (in.size > 0) {
        struct clo_bytes line = next_line(&in);
        for (take_word(&line, word); word[0] != '\0'; take_word(&line, word))
            if (!is_about_disks(word))
                clo_buffer_printf(out, "%s%s", out->size == 0 ? "" : " ", word);
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* NAME="value", 'value' or value; what a shell would work out is left out. */
static bool take_value(struct clo_bytes line, const char *name, struct clo_bytes *out)
{
    size_t size = strlen(name);

    if (!clo_bytes_equal(clo_bytes_slice(line, 0, size), clo_bytes_text(name)) ||
        line.size <= size || line.data[size] != '=')
        return false;
    struct clo_bytes value = clo_bytes_slice(line, size + 1, SIZE_MAX);
    while (value.size > 0 && is_blank(value.data[value.size - 1]))
        value.size--;
    if (value.size >= 2 && (value.data[0] == '"' || value.data[0] == '\'') &&
        value.data[value.size - 1] == value.data[0])
        value = clo_bytes(value.data + 1, value.size - 2);
    if (value.size == 0 || memchr(value.data, '$', value.size) != NULL ||
        memchr(value.data, '`', value.size) != NULL)
        return false;
    *out = value;
    return true;
}

bool clo_grub_cmdline(struct clo_bytes in, struct clo_buffer *out, struct clo_error *err)
{
    static const char *const names[] = { "GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT" };
    struct clo_bytes values[CLO_COUNT(names)] = { 0 };

    while (in.size > 0) {
        struct clo_bytes line = next_line(&in);
        for (size_t i = 0; i < CLO_COUNT(names); i++)
            (void)take_value(line, names[i], &values[i]);
    }
    for (size_t i = 0; i < CLO_COUNT(names); i++)
        if (!clo_cmdline_keep(values[i], out, err))
            return false;
    return true;
}

/* /vmlinuz-RELEASE, or MACHINE/RELEASE/linux. */
static bool is_kernel_of(const char *path, const char *release)
{
    char name[CLO_FSTAB_TEXT + 16];
    size_t size = strlen(path);

    snprintf(name, sizeof name, "/vmlinuz-%s", release);
    size_t ending = strlen(name);
    if (size >= ending && strcmp(path + size - ending, name) == 0)
        return true;
    snprintf(name, sizeof name, "/%s/", release);
    return strstr(path, name) != NULL;
}

bool clo_bls_cmdline(struct clo_bytes in, const char *release, struct clo_buffer *out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer options = { 0 };
    char key[CLO_FSTAB_TEXT], value[CLO_FSTAB_TEXT];
    bool is_wanted = false;

    while (in.size > 0) {
        struct clo_bytes line = next_line(&in);
        take_word(&line, key);
        struct clo_bytes rest = line;
        take_word(&line, value);
        if (strcmp(key, "options") == 0 && !clo_cmdline_keep(rest, &options, err))
            return false;
        is_wanted = is_wanted || (strcmp(key, "version") == 0 && strcmp(value, release) == 0) ||
                    (strcmp(key, "linux") == 0 && is_kernel_of(value, release));
    }
    if (is_wanted)
        clo_buffer_append(out, clo_buffer_bytes(&options));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
