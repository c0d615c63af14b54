#include "lib/efi/device_path.h"

#include "test.h"

static void read_hex(const char *hex, struct clo_buffer *out)
{
    struct clo_error err;

    for (const char *at = hex; *at != '\0'; at++)
        if (*at != ' ') {
            if (!clo_hex_read(clo_bytes(at, 2), out, &err))
                fail_msg("%s: %s", hex, err.text);
            at++;
        }
}

static const struct {
    const char *hex, *text;
    bool is_whole;
} cases[] = {
    { "0201 0c00 d041030a 00000000 0101 0600 021f 0312 0a00 0100 ffff 0000 7fff0400",
      "PciRoot(0x0)/Pci(0x1F,0x2)/Sata(0x1,0xFFFF,0x0)", true },
    { "0201 0c00 d041080a 01000000 7fff0400", "PcieRoot(0x1)", true },
    { "0201 0c00 d0410105 00000000 7fff0400", "Acpi(0x050141D0,0x0)", true },
    { "0401 2a00 01000000 0008000000000000 0000100000000000 "
      "28732ac11ff8d211ba4b00a0c93ec93b 02 02 0404 0a00 5c006100 0000 7fff0400",
      "HD(1,GPT,c12a7328-f81f-11d2-ba4b-00a0c93ec93b,0x800,0x100000)/\\a", true },
    { "0401 2a00 02000000 0100000000000000 0200000000000000 78563412000000000000000000000000 01 01",
      "HD(2,MBR,0x12345678,0x1,0x2)", true },
    { "0317 1000 01000000 0102030405060708 7fff0400", "NVMe(0x1,08-07-06-05-04-03-02-01)", true },
    { "0318 0700 613a01 7fff0400", "Uri(a:?)", true },
    { "030b 2500 525400123456 0000000000000000000000000000000000000000000000000000 01 7fff0400",
      "MAC(525400123456,0x1)", true },
    { "030c 1300 00000000 c0a80001 0000 0000 0000 00 7fff0400", "IPv4(192.168.0.1)", true },
    { "0302 0800 0100 0200 0305 0600 03 00 7fff0400", "Scsi(0x1,0x2)/USB(0x3,0x0)", true },
    { "0407 1400 28732ac11ff8d211ba4b00a0c93ec93b 0406 1400 28732ac11ff8d211ba4b00a0c93ec93b",
      "Fv(c12a7328-f81f-11d2-ba4b-00a0c93ec93b)/FvFile(c12a7328-f81f-11d2-ba4b-00a0c93ec93b)",
      true },
    { "0103 1800 0b000000 0010000000000000 ff1f000000000000 7fff0400",
      "MemoryMapped(0xB,0x1000,0x1FFF)", true },
    { "0402 0800 01000000 7f010400 0402 0800 02000000 7fff0400", "CDROM(0x1),CDROM(0x2)", true },
    { "0909 0600 abcd 7fff0400", "Path(9,9,abcd)", true },
    { "7fff0400", "", true },
    /* What breaks off, and a node shorter than its kind. */
    { "0101 0600 021f 0101 0600 02", "Pci(0x1F,0x2)", false },
    { "0101 0600 021f 0101 0500 02", "Pci(0x1F,0x2)/", false },
    { "0101 0300", "", false },
    { "01", "", false },
};

static void test_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer path = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        read_hex(cases[i].hex, &path);
        bool is_whole = clo_device_path_text(clo_buffer_bytes(&path), &out);
        CHECK(is_whole == cases[i].is_whole, cases[i].hex);
        CHECK(strcmp(clo_buffer_string(&out), cases[i].text) == 0, clo_buffer_string(&out));
    }
}

/* At every length something is said, or nothing, and nothing is read beyond the end. */
static void test_truncated(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer path = { 0 };
        read_hex(cases[i].hex, &path);
        for (size_t size = 0; size < path.size; size++) {
            CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
            CLO_CLEANUP(clo_freep) uint8_t *copy = malloc(size + 1);
            memcpy(copy, path.data, size);
            (void)clo_device_path_text(clo_bytes(copy, size), &out);
            CHECK(clo_buffer_ok(&out), cases[i].hex);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_truncated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
