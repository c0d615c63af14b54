/* Certificates, revocation lists and certificate tables as JSON, to be shown: nothing of it is verified. */
#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "snp_internal.h"

/* json_object_set_new() takes the reference and refuses NULL. */
static bool set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static json_t *or_nothing(json_t *json, bool ok)
{
    if (ok)
        return json;
    json_decref(json);
    return NULL;
}

static json_t *spls_json(const struct clo_snp_leaf *leaf)
{
    const struct {
        const char *name;
        int value;
    } spls[] = {
        { "fmc", leaf->spl.fmc }, { "bootloader", leaf->spl.bootloader }, { "tee", leaf->spl.tee },
        { "snp", leaf->spl.snp }, { "microcode", leaf->spl.microcode },
    };
    json_t *json = json_object();
    bool ok = true;

    for (size_t i = 0; i < CLO_COUNT(spls); i++)
        if (spls[i].value >= 0)
            ok = set(json, spls[i].name, json_integer(spls[i].value)) && ok;
    return or_nothing(json, ok);
}

static bool set_leaf(json_t *json, const struct clo_snp_leaf *leaf)
{
    bool ok = set(json, "kind", json_string(leaf->is_vlek ? "VLEK" : "VCEK")) &&
              set(json, "product", json_string(clo_snp_product_name(leaf->product))) &&
              set(json, "product_name", json_string(leaf->product_name)) &&
              set(json, "struct_version", json_integer(leaf->struct_version)) &&
              set(json, "tcb", spls_json(leaf));

    return ok && (leaf->is_vlek ? set(json, "csp_id", json_string(leaf->csp_id))
                                : set(json, "hw_id", clo_json_hex(leaf->hw_id)));
}

/* AMD's own are named by the digest of their key, everything else by what it is. */
static bool set_kind(json_t *json, const struct clo_certificate *certificate,
                     const struct clo_digest *key)
{
    enum clo_snp_product product = clo_snp_amd_root(key);
    struct clo_snp_leaf leaf;
    struct clo_error err;

    if (snp_is_leaf(certificate))
        return clo_snp_leaf_parse(certificate, &leaf, &err)
                       ? set_leaf(json, &leaf)
                       : set(json, "kind", json_string("leaf")) &&
                                 set(json, "fault", json_string(err.text));
    if (product != CLO_SNP_UNKNOWN)
        return set(json, "kind", json_string("ARK")) &&
               set(json, "product", json_string(clo_snp_product_name(product)));
    bool is_self_issued = clo_bytes_equal(clo_certificate_subject_name(certificate),
                                          clo_certificate_issuer_name(certificate));
    return set(json, "kind",
               json_string(!clo_certificate_is_ca(certificate, NULL) ? "other"
                           : is_self_issued                          ? "root"
                                                                     : "intermediate"));
}

static json_t *certificate_json(const struct clo_certificate *certificate)
{
    struct clo_digest key = { 0 };
    struct clo_error err;
    json_t *json = json_object();
    bool ok = clo_public_key_fingerprint(clo_certificate_key(certificate), &key, &err) &&
              set_kind(json, certificate, &key) &&
              set(json, "subject", json_string(clo_certificate_subject(certificate))) &&
              set(json, "issuer", json_string(clo_certificate_issuer(certificate))) &&
              set(json, "serial", clo_json_hex(clo_certificate_serial(certificate))) &&
              set(json, "not_before", clo_json_time(clo_certificate_not_before(certificate))) &&
              set(json, "not_after", clo_json_time(clo_certificate_not_after(certificate))) &&
              set(json, "key_bits",
                  json_integer(clo_public_key_bits(clo_certificate_key(certificate)))) &&
              set(json, "key_sha256", clo_json_hex(clo_digest_bytes(&key)));

    return or_nothing(json, ok);
}

static json_t *crl_json(const struct clo_crl *crl)
{
    json_t *json = json_object();
    bool ok = set(json, "issuer", json_string(clo_crl_issuer(crl))) &&
              set(json, "this_update", clo_json_time(clo_crl_this_update(crl))) &&
              set(json, "next_update", clo_json_time(clo_crl_next_update(crl))) &&
              set(json, "number", clo_json_hex(clo_crl_number(crl))) &&
              set(json, "revoked", json_integer((json_int_t)clo_crl_count(crl)));

    return or_nothing(json, ok);
}

json_t *clo_snp_certificates_json(const struct clo_snp_certificates *certificates)
{
    json_t *items = json_array();
    json_t *lists = json_array();
    json_t *json = json_object();
    bool ok = true;

    for (size_t i = 0; ok && i < certificates->count; i++)
        ok = json_array_append_new(items, certificate_json(certificates->items[i])) == 0;
    for (size_t i = 0; ok && i < certificates->crl_count; i++)
        ok = json_array_append_new(lists, crl_json(certificates->crls[i])) == 0;
    ok = set(json, "certificates", items) && ok;
    ok = set(json, "revocation_lists", lists) && ok;
    return or_nothing(json, ok);
}
