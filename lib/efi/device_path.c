#include "lib/efi/device_path.h"

#include <string.h>

#define NODE_HEADER 4
#define END         0x7f
#define NODES_MAX   64
#define HEX_MAX     64 /* bytes of a node that we do not know */
#define ACPI_PCI    0x0a0341d0U
#define ACPI_PCIE   0x0a0841d0U

/* A node's text; false if the node is too short. The reader is at its data. */
typedef bool write_node(struct clo_reader *r, struct clo_buffer *out);

static void put_guid(struct clo_reader *r, const char *name, struct clo_buffer *out)
{
    struct clo_guid guid = clo_read_guid(r);
    char text[CLO_GUID_TEXT];

    clo_buffer_printf(out, "%s(%s)", name, clo_guid_text(&guid, text));
}

/* --- Hardware and ACPI --- */

static bool write_pci(struct clo_reader *r, struct clo_buffer *out)
{
    unsigned function = clo_read_u8(r);
    unsigned device = clo_read_u8(r);

    clo_buffer_printf(out, "Pci(0x%X,0x%X)", device, function);
    return clo_reader_ok(r);
}

static bool write_memory(struct clo_reader *r, struct clo_buffer *out)
{
    unsigned type = clo_read_le32(r);
    uint64_t start = clo_read_le64(r);
    uint64_t end = clo_read_le64(r);

    clo_buffer_printf(out, "MemoryMapped(0x%X,0x%llX,0x%llX)", type, (unsigned long long)start,
                      (unsigned long long)end);
    return clo_reader_ok(r);
}

static bool write_vendor_hardware(struct clo_reader *r, struct clo_buffer *out)
{
    put_guid(r, "VenHw", out);
    return clo_reader_ok(r);
}

static bool write_acpi(struct clo_reader *r, struct clo_buffer *out)
{
    uint32_t hid = clo_read_le32(r);
    uint32_t uid = clo_read_le32(r);

    if (hid == ACPI_PCI || hid == ACPI_PCIE)
        clo_buffer_printf(out, "%s(0x%X)", hid == ACPI_PCI ? "PciRoot" : "PcieRoot", uid);
    else
        clo_buffer_printf(out, "Acpi(0x%08X,0x%X)", hid, uid);
    return clo_reader_ok(r);
}

/* --- Messaging --- */

static bool write_scsi(struct clo_reader *r, struct clo_buffer *out)
{
    unsigned target = clo_read_le16(r);
    unsigned lun = clo_read_le16(r);

    clo_buffer_printf(out, "Scsi(0x%X,0x%X)", target, lun);
    return clo_reader_ok(r);
}

static bool write_usb(struct clo_reader *r, struct clo_buffer *out)
{
    unsigned port = clo_read_u8(r);
    unsigned interface = clo_read_u8(r);

    clo_buffer_printf(out, "USB(0x%X,0x%X)", port, interface);
    return clo_reader_ok(r);
}

static bool write_vendor_message(struct clo_reader *r, struct clo_buffer *out)
{
    put_guid(r, "VenMsg", out);
    return clo_reader_ok(r);
}

static bool write_mac(struct clo_reader *r, struct clo_buffer *out)
{
    struct clo_bytes address = clo_read_bytes(r, 32);
    unsigned type = clo_read_u8(r);

    clo_buffer_text(out, "MAC(");
    clo_hex_write(clo_bytes_slice(address, 0, type <= 1 ? 6 : 32), out);
    clo_buffer_printf(out, ",0x%X)", type);
    return clo_reader_ok(r);
}

static bool write_ipv4(struct clo_reader *r, struct clo_buffer *out)
{
    struct clo_bytes local = clo_read_bytes(r, 4);
    struct clo_bytes remote = clo_read_bytes(r, 4);

    if (!clo_reader_ok(r))
        return false;
    (void)local;
    clo_buffer_printf(out, "IPv4(%u.%u.%u.%u)", remote.data[0], remote.data[1], remote.data[2],
                      remote.data[3]);
    return true;
}

static bool write_ipv6(struct clo_reader *r, struct clo_buffer *out)
{
    clo_read_skip(r, 16);
    struct clo_bytes remote = clo_read_bytes(r, 16);

    clo_buffer_text(out, "IPv6(");
    clo_hex_write(remote, out);
    clo_buffer_text(out, ")");
    return clo_reader_ok(r);
}

static bool write_sata(struct clo_reader *r, struct clo_buffer *out)
{
    unsigned port = clo_read_le16(r);
    unsigned multiplier = clo_read_le16(r);
    unsigned lun = clo_read_le16(r);

    clo_buffer_printf(out, "Sata(0x%X,0x%X,0x%X)", port, multiplier, lun);
    return clo_reader_ok(r);
}

static bool write_nvme(struct clo_reader *r, struct clo_buffer *out)
{
    unsigned name_space = clo_read_le32(r);
    struct clo_bytes identifier = clo_read_bytes(r, 8);

    if (!clo_reader_ok(r))
        return false;
    clo_buffer_printf(out, "NVMe(0x%X,", name_space);
    for (size_t i = identifier.size; i-- > 0;)
        clo_buffer_printf(out, "%02X%s", identifier.data[i], i == 0 ? ")" : "-");
    return true;
}

static void put_characters(struct clo_bytes text, struct clo_buffer *out)
{
    for (size_t i = 0; i < text.size; i++)
        clo_buffer_u8(out, text.data[i] < ' ' || text.data[i] > '~' ? '?' : text.data[i]);
}

static bool write_uri(struct clo_reader *r, struct clo_buffer *out)
{
    clo_buffer_text(out, "Uri(");
    put_characters(clo_read_bytes(r, clo_reader_left(r)), out);
    clo_buffer_text(out, ")");
    return true;
}

/* --- Media --- */

static bool write_hard_drive(struct clo_reader *r, struct clo_buffer *out)
{
    unsigned number = clo_read_le32(r);
    uint64_t start = clo_read_le64(r);
    uint64_t size = clo_read_le64(r);
    struct clo_guid signature = clo_read_guid(r);
    unsigned format = clo_read_u8(r);
    unsigned kind = clo_read_u8(r);
    char text[CLO_GUID_TEXT];

    (void)format;
    if (kind == 2)
        clo_buffer_printf(out, "HD(%u,GPT,%s,0x%llX,0x%llX)", number,
                          clo_guid_text(&signature, text), (unsigned long long)start,
                          (unsigned long long)size);
    else
        clo_buffer_printf(out, "HD(%u,%s,0x%02X%02X%02X%02X,0x%llX,0x%llX)", number,
                          kind == 1 ? "MBR" : "0", signature.bytes[3], signature.bytes[2],
                          signature.bytes[1], signature.bytes[0], (unsigned long long)start,
                          (unsigned long long)size);
    return clo_reader_ok(r);
}

static bool write_cdrom(struct clo_reader *r, struct clo_buffer *out)
{
    clo_buffer_printf(out, "CDROM(0x%X)", clo_read_le32(r));
    return clo_reader_ok(r);
}

static bool write_vendor_media(struct clo_reader *r, struct clo_buffer *out)
{
    put_guid(r, "VenMedia", out);
    return clo_reader_ok(r);
}

static bool write_file(struct clo_reader *r, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_bytes wide = clo_read_bytes(r, clo_reader_left(r));

    while (wide.size >= 2 && wide.data[wide.size - 1] == 0 && wide.data[wide.size - 2] == 0)
        wide.size -= 2;
    clo_utf16_text(wide, &text);
    for (size_t i = 0; i < text.size; i++)
        clo_buffer_u8(out, text.data[i] < ' ' || text.data[i] == 0x7f ? '?' : text.data[i]);
    return clo_buffer_ok(&text);
}

static bool write_firmware_file(struct clo_reader *r, struct clo_buffer *out)
{
    put_guid(r, "FvFile", out);
    return clo_reader_ok(r);
}

static bool write_firmware_volume(struct clo_reader *r, struct clo_buffer *out)
{
    put_guid(r, "Fv", out);
    return clo_reader_ok(r);
}

/* --- The path --- */

static const struct {
    uint8_t type, subtype;
    write_node *write;
} nodes[] = {
    { 1, 1, write_pci },
    { 1, 3, write_memory },
    { 1, 4, write_vendor_hardware },
    { 2, 1, write_acpi },
    { 3, 2, write_scsi },
    { 3, 5, write_usb },
    { 3, 10, write_vendor_message },
    { 3, 11, write_mac },
    { 3, 12, write_ipv4 },
    { 3, 13, write_ipv6 },
    { 3, 18, write_sata },
    { 3, 23, write_nvme },
    { 3, 24, write_uri },
    { 4, 1, write_hard_drive },
    { 4, 2, write_cdrom },
    { 4, 3, write_vendor_media },
    { 4, 4, write_file },
    { 4, 6, write_firmware_file },
    { 4, 7, write_firmware_volume },
};

static bool write_any(uint8_t type, uint8_t subtype, struct clo_bytes data, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_reader r = clo_reader(data);

    for (size_t i = 0; i < CLO_COUNT(nodes); i++) {
        if (nodes[i].type != type || nodes[i].subtype != subtype)
            continue;
        if (!nodes[i].write(&r, &text))
            return false;
        clo_buffer_append(out, clo_buffer_bytes(&text));
        return clo_buffer_ok(&text);
    }
    clo_buffer_printf(out, "Path(%u,%u,", type, subtype);
    clo_hex_write(clo_bytes_slice(data, 0, HEX_MAX), out);
    clo_buffer_text(out, data.size > HEX_MAX ? "…)" : ")");
    return true;
}

bool clo_device_path_text(struct clo_bytes path, struct clo_buffer *out)
{
    struct clo_reader r = clo_reader(path);
    bool is_first = true;

    for (size_t i = 0; i < NODES_MAX && clo_reader_left(&r) > 0; i++) {
        uint8_t type = clo_read_u8(&r);
        uint8_t subtype = clo_read_u8(&r);
        uint16_t size = clo_read_le16(&r);
        if (!clo_reader_ok(&r) || size < NODE_HEADER)
            return false;
        struct clo_bytes data = clo_read_bytes(&r, size - (size_t)NODE_HEADER);
        if (!clo_reader_ok(&r))
            return false;
        if (type == END) {
            /* Subtype 1 ends one instance of several. */
            if (subtype == 0xff)
                return true;
            clo_buffer_text(out, ",");
            is_first = true;
            continue;
        }
        if (!is_first)
            clo_buffer_text(out, "/");
        is_first = false;
        if (!write_any(type, subtype, data, out))
            return false;
    }
    /* Some firmware leaves the end node out. */
    return clo_reader_left(&r) == 0;
}
