#include "lib/cloud/nitro.h"

#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "lib/cose/cose_internal.h"
#include "lib/cose/item.h"

#define CERTIFICATE_MAX 1024
#define PUBLIC_KEY_MAX  1024
#define TEXT_MAX        512 /* user_data and nonce (NSM API) */

static const char *const members[] = { "module_id",   "digest",   "timestamp",     "pcrs",
                                       "certificate", "cabundle", "nitrotpm_pcrs", "public_key",
                                       "user_data",   "nonce" };

/* A member that we do not know could change what the others mean. */
static bool check_members(const cbor_item_t *map, struct clo_error *err)
{
    if (!item_is_map(map))
        return clo_fail(err, CLO_ERR_FORMAT, "payload: not a map");
    for (size_t i = 0; i < item_count(map); i++) {
        struct clo_bytes name = { 0 };
        bool known = false;
        if (!item_is_text(item_key(map, i)) || !item_bytes(item_key(map, i), &name))
            return clo_fail(err, CLO_ERR_FORMAT, "payload: a key that is not a text");
        for (size_t k = 0; k < CLO_COUNT(members) && !known; k++)
            known = clo_bytes_equal(name, clo_bytes_text(members[k]));
        if (!known)
            return clo_fail(err, CLO_ERR_FORMAT, "payload: unknown member \"%.*s\"",
                            (int)(name.size < 40 ? name.size : 40), (const char *)name.data);
    }
    return true;
}

static bool read_text(const cbor_item_t *map, const char *name, struct clo_bytes *out,
                      struct clo_error *err)
{
    const cbor_item_t *item = item_named(map, name);

    return (item_is_text(item) && item_bytes(item, out)) ||
           clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is not a text", name);
}

/* 1 to `most` bytes. */
static bool read_certificate(const cbor_item_t *item, struct clo_bytes *out, struct clo_error *err)
{
    if (!item_is_bytes(item) || !item_bytes(item, out))
        return clo_fail(err, CLO_ERR_FORMAT, "not a byte string");
    return (out->size > 0 && out->size <= CERTIFICATE_MAX) ||
           clo_fail(err, CLO_ERR_FORMAT, "%zu bytes, 1 to %d expected", out->size, CERTIFICATE_MAX);
}

static bool is_null(const cbor_item_t *item)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = item == NULL ? NULL : item_json(item);

    return item == NULL || json_is_null(json);
}

/* Absent and null mean the same: the guest gave none. An empty one is none either. */
static bool read_optional(const cbor_item_t *map, const char *name, size_t most,
                          struct clo_bytes *out, struct clo_error *err)
{
    const cbor_item_t *item = item_named(map, name);
    struct clo_bytes bytes;

    *out = clo_bytes(NULL, 0);
    if (is_null(item))
        return true;
    if (!item_is_bytes(item) || !item_bytes(item, &bytes))
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is neither a byte string nor null", name);
    if (bytes.size > most)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": %zu bytes, at most %zu expected", name,
                        bytes.size, most);
    if (bytes.size > 0)
        *out = bytes;
    return true;
}

static bool read_pcrs(const cbor_item_t *map, struct clo_nitro_document *out, struct clo_error *err)
{
    if (!item_is_map(map) || item_count(map) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "PCRs: not a map, or an empty one");
    for (size_t i = 0; i < item_count(map); i++) {
        struct clo_bytes value;
        int64_t pcr;
        if (!item_int(item_key(map, i), &pcr) || pcr < 0 || pcr >= CLO_NITRO_PCRS)
            return clo_fail(err, CLO_ERR_FORMAT, "PCRs: an index that is not 0 to %d",
                            CLO_NITRO_PCRS - 1);
        if (!item_is_bytes(item_value(map, i)) || !item_bytes(item_value(map, i), &value) ||
            value.size != clo_hash_size(CLO_HASH_SHA384))
            return clo_fail(err, CLO_ERR_FORMAT, "PCR %d: not 48 bytes", (int)pcr);
        out->pcrs[pcr].hash = CLO_HASH_SHA384;
        memcpy(out->pcrs[pcr].bytes, value.data, value.size);
        out->pcr_mask |= 1U << pcr;
    }
    return true;
}

static bool read_issuers(const cbor_item_t *array, struct clo_nitro_document *out,
                         struct clo_error *err)
{
    if (!item_is_array(array) || item_count(array) == 0 ||
        item_count(array) > CLO_NITRO_CERTIFICATES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "\"cabundle\": not 1 to %d certificates",
                        CLO_NITRO_CERTIFICATES_MAX);
    for (; out->issuer_count < item_count(array); out->issuer_count++)
        if (!read_certificate(item_of(array, out->issuer_count), &out->issuers[out->issuer_count],
                              err))
            return clo_wrap(err, "\"cabundle\": item %zu", out->issuer_count);
    return true;
}

static bool read_head(const cbor_item_t *map, struct clo_nitro_document *out, struct clo_error *err)
{
    struct clo_bytes module, digest;
    int64_t timestamp;

    if (!read_text(map, "module_id", &module, err) || !read_text(map, "digest", &digest, err))
        return false;
    if (module.size == 0 || module.size >= sizeof out->module_id ||
        memchr(module.data, '\0', module.size) != NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "\"module_id\" is empty, too long or holds a NUL");
    memcpy(out->module_id, module.data, module.size);
    out->module_id[module.size] = '\0';
    clo_sanitize(out->module_id);
    if (!clo_bytes_equal(digest, clo_bytes_text("SHA384")))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "\"digest\": SHA384 expected");
    if (!item_int(item_named(map, "timestamp"), &timestamp) || timestamp <= 0)
        return clo_fail(err, CLO_ERR_FORMAT, "\"timestamp\" is not a time");
    out->timestamp = timestamp / 1000;
    return true;
}

static bool read_payload(const cbor_item_t *map, struct clo_nitro_document *out,
                         struct clo_error *err)
{
    if (!check_members(map, err) || !read_head(map, out, err))
        return false;
    const cbor_item_t *enclave = item_named(map, "pcrs");
    const cbor_item_t *tpm = item_named(map, "nitrotpm_pcrs");
    if ((enclave == NULL) == (tpm == NULL))
        return clo_fail(err, CLO_ERR_FORMAT, "not either \"pcrs\" or \"nitrotpm_pcrs\"");
    out->is_tpm = tpm != NULL;
    if (!read_certificate(item_named(map, "certificate"), &out->certificate, err))
        return clo_wrap(err, "\"certificate\"");
    return read_pcrs(out->is_tpm ? tpm : enclave, out, err) &&
           read_issuers(item_named(map, "cabundle"), out, err) &&
           read_optional(map, "public_key", PUBLIC_KEY_MAX, &out->public_key, err) &&
           read_optional(map, "user_data", TEXT_MAX, &out->user_data, err) &&
           read_optional(map, "nonce", TEXT_MAX, &out->nonce, err);
}

bool clo_nitro_parse(struct clo_bytes in, struct clo_nitro_document *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer payload = { 0 };
    CLO_CLEANUP(item_freep) cbor_item_t *map = NULL;
    struct clo_nitro_document document = { .tree = NULL };

    if (in.size > CLO_NITRO_LIMIT)
        return clo_fail(err, CLO_ERR_FORMAT, "Nitro document: %zu bytes, at most %d expected",
                        in.size, CLO_NITRO_LIMIT);
    if (!cose_payload(in, &payload, err) ||
        !item_load_streamed(clo_buffer_bytes(&payload), &map, err) ||
        !read_payload(map, &document, err))
        return clo_wrap(err, "Nitro document");
    document.tree = CLO_TAKE(map);
    *out = document;
    return true;
}

void clo_nitro_free(struct clo_nitro_document *document)
{
    item_free(document->tree);
    *document = (struct clo_nitro_document){ .tree = NULL };
}

bool clo_nitro_is_debug(const struct clo_nitro_document *document)
{
    if (document->is_tpm)
        return false;
    for (unsigned pcr = 0; pcr < 3; pcr++)
        if ((document->pcr_mask >> pcr & 1) != 0 &&
            !clo_bytes_all(clo_digest_bytes(&document->pcrs[pcr]), 0))
            return false;
    return true;
}

json_t *clo_nitro_claims(const struct clo_nitro_document *document)
{
    struct clo_json_object o = { .json = json_object() };
    json_t *pcrs = json_object();

    clo_json_set(&o, "kind", json_string(document->is_tpm ? "nitrotpm" : "enclave"));
    clo_json_set(&o, "module_id", json_string(document->module_id));
    clo_json_set(&o, "timestamp", json_integer(document->timestamp));
    for (unsigned i = 0; i < CLO_NITRO_PCRS; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        if ((document->pcr_mask >> i & 1) != 0)
            json_object_set_new(pcrs, key, clo_json_hex(clo_digest_bytes(&document->pcrs[i])));
    }
    clo_json_set(&o, "pcrs", json_pack("{s:o}", "sha384", pcrs));
    if (document->public_key.data != NULL)
        clo_json_set(&o, "public_key", clo_json_hex(document->public_key));
    if (document->user_data.data != NULL)
        clo_json_set(&o, "user_data", clo_json_hex(document->user_data));
    if (document->nonce.data != NULL)
        clo_json_set(&o, "document_nonce", clo_json_hex(document->nonce));
    return clo_json_finish(&o);
}
