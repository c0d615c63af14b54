#include "lib/launch/ovmf.h"

/* 96b582de-1fb2-45f7-baea-a366c55a082d */
const struct clo_guid clo_guid_ovmf_table = { { 0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                                0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d } };
/* 7255371f-3a3b-4b04-927b-1da6efa8d454 */
const struct clo_guid clo_guid_ovmf_sev_hashes = { { 0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b,
                                                     0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4,
                                                     0x54 } };
/* 4c2eb361-7d9b-4cc3-8081-127c90d3d294 */
const struct clo_guid clo_guid_ovmf_sev_secret = { { 0x61, 0xb3, 0x2e, 0x4c, 0x9b, 0x7d, 0xc3, 0x4c,
                                                     0x80, 0x81, 0x12, 0x7c, 0x90, 0xd3, 0xd2,
                                                     0x94 } };
/* 00f771de-1a7e-4fcb-890e-68c77e2fb44e */
const struct clo_guid clo_guid_ovmf_sev_es_reset = { { 0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb,
                                                       0x4f, 0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f,
                                                       0xb4, 0x4e } };
/* dc886566-984a-4798-a75e-5585a7bf67cc */
const struct clo_guid clo_guid_ovmf_sev_metadata = { { 0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98,
                                                       0x47, 0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf,
                                                       0x67, 0xcc } };
/* a789a612-0597-4c4b-a49f-cbb1fe9d1ddd */
const struct clo_guid clo_guid_ovmf_svsm_info = { { 0x12, 0xa6, 0x89, 0xa7, 0x97, 0x05, 0x4b, 0x4c,
                                                    0xa4, 0x9f, 0xcb, 0xb1, 0xfe, 0x9d, 0x1d,
                                                    0xdd } };
/* e47a6535-984a-4798-865e-4685a7bf8ec2 */
const struct clo_guid clo_guid_ovmf_tdx_metadata = { { 0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98,
                                                       0x47, 0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf,
                                                       0x8e, 0xc2 } };

#define BEHIND_TABLE      32 /* the reset vector, which the table ends before */
#define ENTRY_HEADER_SIZE 18 /* u16 size, GUID: after the data they describe */

/* The header that ends `table`, which is cut down to what lies before it. */
static bool read_header(struct clo_bytes *table, size_t *size, struct clo_guid *guid)
{
    if (table->size < ENTRY_HEADER_SIZE)
        return false;
    table->size -= ENTRY_HEADER_SIZE;
    struct clo_reader r = clo_reader(clo_bytes(table->data + table->size, ENTRY_HEADER_SIZE));
    *size = clo_read_le16(&r);
    *guid = clo_read_guid(&r);
    return true;
}

/* Takes the data that a header of this size describes off the end of `table`. */
static bool read_data(struct clo_bytes *table, size_t size, struct clo_bytes *out)
{
    if (size < ENTRY_HEADER_SIZE || size - ENTRY_HEADER_SIZE > table->size)
        return false;
    size -= ENTRY_HEADER_SIZE;
    table->size -= size;
    *out = clo_bytes(table->data + table->size, size);
    return true;
}

static bool read_entry(struct clo_bytes *table, struct clo_ovmf *ovmf, struct clo_error *err)
{
    struct clo_ovmf_entry entry = { 0 };
    char text[CLO_GUID_TEXT];
    size_t size;

    if (!read_header(table, &size, &entry.guid))
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes left over before the first entry",
                        table->size);
    clo_guid_text(&entry.guid, text);
    if (!read_data(table, size, &entry.data))
        return clo_fail(err, CLO_ERR_FORMAT, "entry %s: size %zu, the table has %zu bytes", text,
                        size, table->size + ENTRY_HEADER_SIZE);
    if (clo_ovmf_find(ovmf, &entry.guid) != NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "entry %s: is there twice", text);
    if (ovmf->count == CLO_OVMF_ENTRIES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d entries", CLO_OVMF_ENTRIES_MAX);
    ovmf->entries[ovmf->count++] = entry;
    return true;
}

bool clo_ovmf_parse(struct clo_bytes image, struct clo_ovmf *out, struct clo_error *err)
{
    struct clo_ovmf ovmf = { .image = image };
    struct clo_bytes table;
    struct clo_guid guid;
    size_t size;

    struct clo_bytes before =
            clo_bytes_slice(image, 0, image.size < BEHIND_TABLE ? 0 : image.size - BEHIND_TABLE);
    if (read_header(&before, &size, &guid) && clo_guid_equal(&guid, &clo_guid_ovmf_table)) {
        if (!read_data(&before, size, &table))
            return clo_fail(err, CLO_ERR_FORMAT,
                            "OVMF table: size %zu, there are %zu bytes before its end", size,
                            before.size + ENTRY_HEADER_SIZE);
        while (table.size > 0)
            if (!read_entry(&table, &ovmf, err))
                return clo_wrap(err, "OVMF table");
    }
    *out = ovmf;
    return true;
}

const struct clo_ovmf_entry *clo_ovmf_find(const struct clo_ovmf *ovmf, const struct clo_guid *guid)
{
    for (size_t i = 0; i < ovmf->count; i++)
        if (clo_guid_equal(&ovmf->entries[i].guid, guid))
            return &ovmf->entries[i];
    return NULL;
}

bool clo_ovmf_metadata(const struct clo_ovmf *ovmf, const struct clo_guid *guid,
                       struct clo_bytes *out, struct clo_error *err)
{
    const struct clo_ovmf_entry *entry = clo_ovmf_find(ovmf, guid);
    char text[CLO_GUID_TEXT];

    clo_guid_text(guid, text);
    if (entry == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "OVMF table: no entry %s", text);
    struct clo_reader r = clo_reader(entry->data);
    uint32_t offset = clo_read_le32(&r);
    if (!clo_reader_ok(&r) || clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "OVMF table: entry %s: %zu bytes of data, expected 4",
                        text, entry->data.size);
    if (offset == 0 || offset > ovmf->image.size)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "OVMF table: entry %s: 0x%x bytes from the end, the image has 0x%zx", text,
                        offset, ovmf->image.size);
    *out = clo_bytes_slice(ovmf->image, ovmf->image.size - offset, offset);
    return true;
}
