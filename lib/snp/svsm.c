#include "lib/snp/svsm.h"

#include <string.h>

#define ENTRY_SIZE 24 /* and the header's */

/* 63849ebb-3d92-4670-a1ff-58f9c94b87bb */
static const struct clo_guid services_guid = { { 0xbb, 0x9e, 0x84, 0x63, 0x92, 0x3d, 0x70, 0x46,
                                                 0xa1, 0xff, 0x58, 0xf9, 0xc9, 0x4b, 0x87, 0xbb } };
/* c476f1eb-0123-45a5-9641-b4e7dde5bfe3 */
const struct clo_guid clo_svsm_vtpm = { { 0xeb, 0xf1, 0x76, 0xc4, 0x23, 0x01, 0xa5, 0x45, 0x96,
                                          0x41, 0xb4, 0xe7, 0xdd, 0xe5, 0xbf, 0xe3 } };

/* Entries lie in a row after the table, as every module writes them: nothing else could be hidden in between. */
static bool read_entry(struct clo_reader *r, struct clo_bytes in, uint32_t *next,
                       struct clo_svsm_manifest *out, struct clo_error *err)
{
    struct clo_svsm_service service = { .guid = clo_read_guid(r) };
    uint32_t offset = clo_read_le32(r);
    uint32_t size = clo_read_le32(r);
    char text[CLO_GUID_TEXT];

    if (!clo_reader_ok(r))
        return clo_fail(err, CLO_ERR_FORMAT, "truncated at byte %zu", r->at);
    clo_guid_text(&service.guid, text);
    if (offset != *next || size > in.size - offset)
        return clo_fail(err, CLO_ERR_FORMAT, "service %s: %u bytes at %u, of %zu", text, size,
                        offset, in.size);
    for (size_t i = 0; i < out->count; i++)
        if (clo_guid_equal(&out->services[i].guid, &service.guid))
            return clo_fail(err, CLO_ERR_FORMAT, "service %s is there twice", text);
    service.manifest = clo_bytes_slice(in, offset, size);
    out->services[out->count++] = service;
    *next = offset + size;
    return true;
}

static bool parse(struct clo_bytes in, struct clo_svsm_manifest *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    struct clo_guid guid = clo_read_guid(&r);
    uint32_t size = clo_read_le32(&r);
    uint32_t count = clo_read_le32(&r);

    if (!clo_reader_ok(&r) || !clo_guid_equal(&guid, &services_guid))
        return clo_fail(err, CLO_ERR_FORMAT, "is not a table of services");
    if (size != in.size)
        return clo_fail(err, CLO_ERR_FORMAT, "says %u bytes, has %zu", size, in.size);
    if (count > CLO_SVSM_SERVICES_MAX || count > clo_reader_left(&r) / ENTRY_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "%u services", count);
    uint32_t next = (1 + count) * ENTRY_SIZE;
    for (uint32_t i = 0; i < count; i++)
        if (!read_entry(&r, in, &next, out, err))
            return false;
    return next == in.size ||
           clo_fail(err, CLO_ERR_FORMAT, "%zu bytes after its end", in.size - next);
}

bool clo_svsm_parse(struct clo_bytes in, struct clo_svsm_manifest *out, struct clo_error *err)
{
    struct clo_svsm_manifest manifest = { .count = 0 };

    if (!parse(in, &manifest, err))
        return clo_wrap(err, "SVSM manifest");
    *out = manifest;
    return true;
}

struct clo_bytes clo_svsm_find(const struct clo_svsm_manifest *manifest,
                               const struct clo_guid *guid)
{
    for (size_t i = 0; i < manifest->count; i++)
        if (clo_guid_equal(&manifest->services[i].guid, guid))
            return manifest->services[i].manifest;
    return clo_bytes(NULL, 0);
}

bool clo_svsm_binds(struct clo_bytes report_data, struct clo_bytes nonce, struct clo_bytes manifest)
{
    uint8_t filled[CLO_SVSM_NONCE_SIZE] = { 0 };
    struct clo_digest digest;

    if (nonce.size > sizeof filled)
        return false;
    if (nonce.size > 0)
        memcpy(filled, nonce.data, nonce.size);
    const struct clo_bytes parts[] = { clo_bytes(filled, sizeof filled), manifest };
    clo_hash_many(CLO_HASH_SHA512, parts, CLO_COUNT(parts), &digest);
    return clo_bytes_equal(report_data, clo_digest_bytes(&digest));
}
