#include "guest/module_devices.h"

#include <sys/stat.h>

#include "device/file.h"
#include "test.h"

static void put(const char *root, const char *path, const char *text)
{
    struct clo_error err;
    char whole[4300];

    snprintf(whole, sizeof whole, "%s/%s", root, path);
    for (char *at = whole + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        (void)mkdir(whole, 0755);
        *at = '/';
    }
    if (!clo_file_write(whole, clo_bytes_text(text), 0644, &err))
        fail_msg("%s", err.text);
}

/* Devices of the buses that count, as a machine of QEMU's has them, and others. */
static void make_sys(const char *root)
{
    put(root, "bus/pci/devices/0000:00:02.0/modalias",
        "pci:v00001AF4d00001042sv00001AF4sd00001100bc01sc00i00\n");
    put(root, "bus/pci/devices/0000:00:03.0/vendor", "0x1af4\n"); /* and no name */
    put(root, "bus/virtio/devices/virtio0/modalias", "virtio:d00000002v00001AF4\n");
    put(root, "bus/acpi/devices/VMBUS:00/modalias", "acpi:VMBUS:\n");
    put(root, "bus/platform/devices/empty/modalias", "");
    put(root, "bus/usb/devices/1-1/modalias", "usb:v1D6Bp0002\n");
}

static void test_have(void **state)
{
    static const struct {
        const char *patterns;
        bool there;
    } cases[] = {
        { "[\"virtio:d00000002v*\"]", true },
        { "[\"virtio:d00000001v*\"]", false },
        { "[\"virtio:d00000001v*\", \"virtio:d00000002v*\"]", true },
        { "[\"acpi*:VMBus:*\", \"acpi*:VMBUS:*\"]", true },
        { "[\"pci:v00001AF4d00001042sv*sd*bc*sc*i*\"]", true },
        { "[\"pci:v00001D0Fd0000EC20sv*sd*bc*sc*i*\"]", false },
        { "[\"usb:*\"]", false }, /* not a bus that is looked at */
        { "[]", false },
        { "[7]", false },
    };
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer devices = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(clo_scratch_new(NULL, &scratch, &err), err.text);
    make_sys(scratch.path);
    clo_module_devices_read(scratch.path, &devices);
    CHECK(clo_buffer_ok(&devices) && devices.size > 0, "read");
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *patterns = NULL;
        CHECK(clo_json_parse(clo_bytes_text(cases[i].patterns), &patterns, &err), err.text);
        CHECK(clo_module_devices_have(clo_buffer_bytes(&devices), patterns) == cases[i].there,
              cases[i].patterns);
    }
    devices.size = 0;
    clo_module_devices_read("/none", &devices);
    CHECK(devices.size == 0, "no sysfs: no device");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_have) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
