#include "lib/explain/explain_internal.h"

#include <stdio.h>
#include <string.h>

#include "cloister/reference.h"
#include "lib/disk/gpt.h"

/* An RTMR holds what several PCRs would: what kind of event differs tells more than the register. */
static const struct {
    const char *type;
    const char *cause;
} rtmr_causes[] = {
    { "EV_EFI_HANDOFF_TABLES2", "another memory size, or another VMM" },
    { "EV_EFI_PLATFORM_FIRMWARE_BLOB2", "another variable store" },
    { "EV_EFI_VARIABLE_DRIVER_CONFIG", "other Secure Boot keys or state" },
    { "EV_EFI_VARIABLE_AUTHORITY", "what was started is signed by another key" },
    { "EV_EFI_VARIABLE_BOOT", "other boot entries or devices" },
    { "EV_PLATFORM_CONFIG_FLAGS",
      "ACPI tables of another number of vCPUs, memory size, set of devices or QEMU version" },
    { "EV_POST_CODE",
      "ACPI tables of another number of vCPUs, memory size, set of devices or QEMU version" },
    { "EV_EFI_BOOT_SERVICES_APPLICATION",
      "another UKI or kernel; of a kernel that QEMU starts also another initrd size, or another "
      "memory size below 2.75 GiB" },
    { "EV_EFI_GPT_EVENT", "another partition table: the disk was grown or repartitioned" },
    { "EV_EFI_ACTION", "a boot entry before it failed, or firmware was left another way" },
    { "EV_EVENT_TAG", "another command line or initrd" },
    { "EV_IPL", "another UKI, or a command line, add-on or credential that the host passed in" },
    { "EV_SEPARATOR", "firmware that measures in another order" },
};

static const char *const pcr_causes[CLO_PCR_COUNT] = {
    [0] = "another firmware, or another history of its variables",
    [1] = "other boot entries or devices",
    [2] = "another option ROM",
    [4] = "another UKI",
    [5] = "another partition table: the disk was grown or repartitioned",
    [7] = "other Secure Boot keys or state",
    [8] = "another script or command line of a boot loader (GRUB)",
    [9] = "another command line or initrd",
    [11] = "another UKI",
    [12] = "a command line, add-on or credential that the host passed in",
    [13] = "a system extension that the host passed in",
    [14] = "another shim, or other machine owner keys",
    [15] = "another disk",
};

/* Shim's variables, whatever register they are in: each is changed in its own way. */
static const struct {
    const char *name;
    const char *cause;
} shim_causes[] = {
    { "MokListTrusted", "the kernel's trust in MokList was changed (mokutil --trust-mok)" },
    { "MokListX", "another shim, or what it refuses was changed (mokutil --mokx)" },
    { "MokListRT", "another machine owner key signed what was started" },
    { "MokList", "another shim, or a machine owner key was enrolled or deleted (mokutil)" },
    { "MokSBState", "shim's own check was turned off or on (mokutil --disable-validation)" },
    { "SbatLevel",
      "a newer shim or another system raised what shim revokes, or Secure Boot was off, "
      "which resets it" },
};

/* "disk of 2097152 sectors, 2 partitions: …": how many, and what follows. */
static bool read_table(const char *text, unsigned long long *sectors, const char **rest)
{
    int used = 0;

    if (text == NULL || sscanf(text, "disk of %llu sectors, %n", sectors, &used) != 1 || used == 0)
        return false;
    *rest = text + used;
    return true;
}

bool explain_table(const char *expected, const char *logged, struct clo_buffer *out)
{
    unsigned long long was, is;
    const char *old_rest, *rest;

    if (!read_table(expected, &was, &old_rest) || !read_table(logged, &is, &rest))
        return false;
    if (is > was)
        clo_buffer_printf(out,
                          "the disk was grown from %llu to %llu bytes: predict it with "
                          "--disk-size and --grow-partition",
                          was * CLO_GPT_SECTOR, is * CLO_GPT_SECTOR);
    else if (is < was)
        clo_buffer_text(out, "a smaller disk than expected, or one that was not grown");
    else if (strcmp(old_rest, rest) != 0)
        clo_buffer_text(out, "a partition was grown or moved, and the disk was not");
    else
        clo_buffer_text(out, "the same partitions with other GUIDs, attributes or flags");
    return true;
}

/* "dbx: 3 entries, 172 bytes", "dbx: empty": the name's length, and how many; -1: neither. */
static int read_lists(const char *text, unsigned long long *count)
{
    const char *colon = text == NULL ? NULL : strchr(text, ':');

    if (colon == NULL)
        return -1;
    *count = 0;
    if (strcmp(colon, ": empty") == 0 || sscanf(colon, ": %llu entr", count) == 1)
        return (int)(colon - text);
    return -1;
}

bool explain_lists(const char *expected, const char *logged, struct clo_buffer *out)
{
    unsigned long long was = 0, is = 0;
    int size = read_lists(expected, &was);

    if (size < 0 || read_lists(logged, &is) != size || strncmp(expected, logged, (size_t)size) != 0)
        return false;
    unsigned long long by = is > was ? is - was : was - is;
    clo_buffer_printf(out, "%.*s was changed: ", size, expected);
    if (by == 0)
        clo_buffer_text(out, "as many entries, and others, or of other owners or in another order");
    else
        clo_buffer_printf(out, "%llu entr%s %s", by, by == 1 ? "y" : "ies",
                          is > was ? "more" : "fewer");
    return true;
}

static const char *shim_cause(const char *name)
{
    for (size_t i = 0; name != NULL && i < CLO_COUNT(shim_causes); i++)
        if (strncmp(name, shim_causes[i].name, strlen(shim_causes[i].name)) == 0)
            return shim_causes[i].cause;
    return NULL;
}

const char *explain_cause(unsigned reg, const char *type, const char *name)
{
    const char *cause = shim_cause(name);

    if (cause != NULL)
        return cause;
    if (reg == 4 && name != NULL && strcasestr(name, "shim") != NULL)
        return "another shim";
    if (reg == 9 && type != NULL && strcmp(type, "EV_IPL") == 0)
        return "another file that a boot loader read (GRUB: its script, kernel or initrd)";
    if (!clo_register_is_rtmr(reg))
        return reg < CLO_PCR_COUNT ? pcr_causes[reg] : NULL;
    if (reg == CLO_REGISTER_RTMR(3))
        return "something that user space measured";
    /* ACPI tables are in the first; elsewhere other firmware has other things under these types. */
    if (reg != CLO_REGISTER_RTMR(0) && type != NULL &&
        (strcmp(type, "EV_PLATFORM_CONFIG_FLAGS") == 0 || strcmp(type, "EV_POST_CODE") == 0))
        return NULL;
    for (size_t i = 0; type != NULL && i < CLO_COUNT(rtmr_causes); i++)
        if (strcmp(rtmr_causes[i].type, type) == 0)
            return rtmr_causes[i].cause;
    return NULL;
}
