/* PCI classes and ids: PCI Code and ID Assignment Specification 1.16; virtio 1.2, section 5. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/facts_internal.h"

/* What a confidential VM has a use for. A class has three bytes; `mask` says which count. A vendor or
 * device of 0 is any. */
static const struct {
    unsigned class, mask, vendor, device;
} expected[] = {
    { 0x060000, 0xff0000, 0, 0 },           /* bridges */
    { 0x080000, 0xff0000, 0, 0 },           /* interrupt controllers, timers */
    { 0x010800, 0xffff00, 0, 0 },           /* NVMe */
    { 0x010600, 0xffff00, 0x8086, 0x2922 }, /* AHCI and SMBus that QEMU's q35 cannot be without */
    { 0x0c0500, 0xffff00, 0x8086, 0x2930 },
    { 0, 0, 0x1af4, 0x1000 },
    { 0, 0, 0x1af4, 0x1041 }, /* virtio: network */
    { 0, 0, 0x1af4, 0x1001 },
    { 0, 0, 0x1af4, 0x1042 }, /* disk */
    { 0, 0, 0x1af4, 0x1003 },
    { 0, 0, 0x1af4, 0x1043 }, /* console */
    { 0, 0, 0x1af4, 0x1004 },
    { 0, 0, 0x1af4, 0x1048 }, /* SCSI */
    { 0, 0, 0x1af4, 0x1005 },
    { 0, 0, 0x1af4, 0x1044 }, /* entropy: a finding of its own */
    { 0, 0, 0x1af4, 0x1012 },
    { 0, 0, 0x1af4, 0x1053 },          /* vsock */
    { 0x020000, 0xff0000, 0x1ae0, 0 }, /* Google's, Amazon's, Microsoft's and NVIDIA's networks */
    { 0x020000, 0xff0000, 0x1d0f, 0 },
    { 0x020000, 0xff0000, 0x1414, 0 },
    { 0x020000, 0xff0000, 0x15b3, 0 },
};

static bool is_expected(unsigned class, unsigned vendor, unsigned device)
{
    for (size_t i = 0; i < CLO_COUNT(expected); i++)
        if ((class & expected[i].mask) == expected[i].class &&
            (expected[i].vendor == 0 || expected[i].vendor == vendor) &&
            (expected[i].device == 0 || expected[i].device == device))
            return true;
    return false;
}

static unsigned number_of(const struct clo_tree *tree, const char *folder, const char *name,
                          const char *file)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    char path[512];

    snprintf(path, sizeof path, "%s/%s/%s", folder, name, file);
    const char *text = clo_tree_text(tree, path, &buffer);
    return text == NULL ? 0 : (unsigned)strtoul(text, NULL, 0);
}

struct devices {
    char unexpected[LIST_LIMIT]; /* with a driver that is bound to it */
    char idle[LIST_LIMIT];       /* unexpected, without a driver */
    size_t count;
};

static void look_at(const struct clo_tree *tree, const char *folder, const char *name,
                    void *context)
{
    struct devices *devices = context;
    unsigned vendor = number_of(tree, folder, name, "vendor");
    unsigned device = number_of(tree, folder, name, "device");
    char path[512], driver[64];

    devices->count++;
    if (is_expected(number_of(tree, folder, name, "class"), vendor, device))
        return;
    snprintf(path, sizeof path, "%s/%s/driver", folder, name);
    if (clo_tree_link(tree, path, driver, sizeof driver))
        clo_fact_list(devices->unexpected, "%s %04x:%04x (%s)", name, vendor, device, driver);
    else
        clo_fact_list(devices->idle, "%s %04x:%04x", name, vendor, device);
}

void clo_facts_devices(const struct clo_tree *tree)
{
    struct devices devices = { .count = 0 };

    clo_tree_list(tree, "sys/bus/pci/devices", look_at, &devices);
    if (devices.count == 0 && !clo_tree_exists(tree, "sys/bus"))
        return;
    clo_fact_set(tree, "guest.pci_unexpected", clo_fact_or_none(devices.unexpected));
    clo_fact_set(tree, "guest.pci_idle", clo_fact_or_none(devices.idle));
}
