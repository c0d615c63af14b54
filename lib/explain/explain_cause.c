#include "lib/explain/explain_internal.h"

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
