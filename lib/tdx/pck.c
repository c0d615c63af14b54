/* The SGX extension of PCK certificates (Intel SGX PCK Certificate and CRL Profile specification
 * 1.5, section 1.3.5), and what it tells to fetch. */
#include <stdio.h>
#include <string.h>

#include "lib/base/der.h"
#include "tdx_internal.h"

#define EXTENSION_OID "1.2.840.113741.1.13.1"

static const uint8_t oid_base[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01 };

enum {
    ITEM_PPID = 1,
    ITEM_TCB,
    ITEM_PCE_ID,
    ITEM_FMSPC,
    ITEM_SGX_TYPE,
    ITEM_PLATFORM_INSTANCE_ID,
    ITEM_CONFIGURATION,
};
enum {
    TCB_PCE_SVN = 17,
    TCB_CPU_SVN = 18,
};

/* SEQUENCE { OID below `base`, value }: the OID's last arc; 0 if it is another. */
static bool read_item(struct clo_reader *r, struct clo_bytes base, unsigned *arc,
                      struct clo_der *value, struct clo_error *err)
{
    struct clo_reader item = clo_der_enter(r, CLO_DER_SEQUENCE);
    struct clo_bytes oid = clo_der_value(&item, CLO_DER_OID);

    *value = clo_der_next(&item);
    if (!clo_der_done(&item))
        return clo_fail(err, CLO_ERR_FORMAT, "an item that is not a sequence of two");
    bool is_below = oid.size == base.size + 1 && memcmp(oid.data, base.data, base.size) == 0;
    *arc = is_below ? oid.data[base.size] : 0;
    return true;
}

static bool copy(const struct clo_der *item, uint8_t *out, size_t size)
{
    if (item->tag != CLO_DER_OCTET_STRING || item->value.size != size)
        return false;
    memcpy(out, item->value.data, size);
    return true;
}

/* A number of 0 to `max`. */
static bool read_number(const struct clo_der *item, uint8_t tag, unsigned max, unsigned *out)
{
    struct clo_bytes value = item->value;
    unsigned number = 0;

    if (item->tag != tag || !clo_der_is_integer(value) || value.size > 3 ||
        (value.data[0] & 0x80) != 0)
        return false;
    for (size_t i = 0; i < value.size; i++)
        number = number << 8 | value.data[i];
    *out = number;
    return number <= max;
}

static bool read_tcb_item(unsigned arc, const struct clo_der *item, struct clo_tdx_pck *pck)
{
    unsigned number = 0;

    if (arc >= 1 && arc <= CLO_TDX_COMPONENTS) {
        bool ok = read_number(item, CLO_DER_INTEGER, 0xff, &number);
        pck->components[arc - 1] = (uint8_t)number;
        return ok;
    }
    if (arc == TCB_PCE_SVN) {
        bool ok = read_number(item, CLO_DER_INTEGER, 0xffff, &number);
        pck->pce_svn = (uint16_t)number;
        return ok;
    }
    return arc == TCB_CPU_SVN && copy(item, pck->cpu_svn, sizeof pck->cpu_svn);
}

static bool read_tcb(struct clo_bytes in, struct clo_tdx_pck *pck, struct clo_error *err)
{
    uint8_t base[sizeof oid_base + 1];
    struct clo_reader r = clo_reader(in);
    uint32_t seen = 0;

    memcpy(base, oid_base, sizeof oid_base);
    base[sizeof oid_base] = ITEM_TCB;
    while (clo_reader_left(&r) > 0) {
        struct clo_der item;
        unsigned arc;
        if (!read_item(&r, clo_bytes(base, sizeof base), &arc, &item, err))
            return clo_wrap(err, "TCB");
        if (!read_tcb_item(arc, &item, pck))
            return clo_fail(err, CLO_ERR_FORMAT, "TCB: item %u has a wrong value", arc);
        if ((seen >> arc & 1) != 0)
            return clo_fail(err, CLO_ERR_FORMAT, "TCB: item %u a second time", arc);
        seen |= 1U << arc;
    }
    for (unsigned arc = 1; arc <= TCB_CPU_SVN; arc++)
        if ((seen >> arc & 1) == 0)
            return clo_fail(err, CLO_ERR_FORMAT, "TCB: item %u is missing", arc);
    return true;
}

static bool take_item(unsigned arc, const struct clo_der *item, struct clo_tdx_pck *pck,
                      struct clo_error *err)
{
    bool ok = true;

    switch (arc) {
    case ITEM_PPID:
        ok = copy(item, pck->ppid, sizeof pck->ppid);
        break;
    case ITEM_TCB:
        if (item->tag == CLO_DER_SEQUENCE)
            return read_tcb(item->value, pck, err);
        ok = false;
        break;
    case ITEM_PCE_ID:
        ok = copy(item, pck->pce_id, sizeof pck->pce_id);
        break;
    case ITEM_FMSPC:
        ok = copy(item, pck->fmspc, sizeof pck->fmspc);
        break;
    case ITEM_SGX_TYPE:
        ok = read_number(item, CLO_DER_ENUMERATED, 0xff, &pck->sgx_type);
        break;
    case ITEM_PLATFORM_INSTANCE_ID:
        ok = copy(item, pck->platform_instance_id, sizeof pck->platform_instance_id);
        pck->has_platform_instance_id = true;
        break;
    default: /* the configuration, and what may come later: nothing is decided by it */
        break;
    }
    return ok || clo_fail(err, CLO_ERR_FORMAT, "item %u has a wrong value", arc);
}

bool clo_tdx_pck_extension_parse(struct clo_bytes der, struct clo_tdx_pck *out,
                                 struct clo_error *err)
{
    struct clo_tdx_pck pck = { .ca = CLO_TDX_CA_UNKNOWN };
    struct clo_reader r = clo_reader(der);
    uint32_t seen = 0;
    struct clo_reader inner = clo_der_enter(&r, CLO_DER_SEQUENCE);

    if (!clo_der_done(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "SGX extension: no sequence of the right size");
    while (clo_reader_left(&inner) > 0) {
        struct clo_der item;
        unsigned arc;
        if (!read_item(&inner, clo_bytes(oid_base, sizeof oid_base), &arc, &item, err) ||
            !take_item(arc, &item, &pck, err))
            return clo_wrap(err, "SGX extension");
        if (arc > ITEM_CONFIGURATION)
            continue;
        if (arc != 0 && (seen >> arc & 1) != 0)
            return clo_fail(err, CLO_ERR_FORMAT, "SGX extension: item %u a second time", arc);
        seen |= 1U << arc;
    }
    /* The SGX type is left out by some makers of test platforms; nothing is decided by it. */
    for (unsigned arc = ITEM_PPID; arc <= ITEM_FMSPC; arc++)
        if ((seen >> arc & 1) == 0)
            return clo_fail(err, CLO_ERR_FORMAT, "SGX extension: item %u is missing", arc);
    *out = pck;
    return true;
}

bool tdx_has_cn(const char *name, const char *cn)
{
    for (const char *at = strstr(name, "CN="); at != NULL; at = strstr(at + 1, "CN=")) {
        size_t size = strlen(cn);
        if ((at == name || at[-1] == ',' || at[-1] == '+') && strncmp(at + 3, cn, size) == 0)
            return at[3 + size] == '\0' || at[3 + size] == ',';
    }
    return false;
}

const char *clo_tdx_ca_name(enum clo_tdx_ca ca)
{
    static const char *const names[] = {
        [CLO_TDX_CA_UNKNOWN] = "unknown",
        [CLO_TDX_CA_PROCESSOR] = "processor",
        [CLO_TDX_CA_PLATFORM] = "platform",
    };

    return names[ca];
}

bool clo_tdx_pck_parse(const struct clo_certificate *certificate, struct clo_tdx_pck *out,
                       struct clo_error *err)
{
    const char *issuer = clo_certificate_issuer(certificate);
    struct clo_bytes value;

    if (!clo_certificate_extension(certificate, EXTENSION_OID, &value))
        return clo_fail(err, CLO_ERR_FORMAT, "certificate \"%.100s\": no SGX extension",
                        clo_certificate_subject(certificate));
    if (!clo_tdx_pck_extension_parse(value, out, err))
        return clo_wrap(err, "certificate \"%.100s\"", clo_certificate_subject(certificate));
    out->ca = tdx_has_cn(issuer, "Intel SGX PCK Platform CA")    ? CLO_TDX_CA_PLATFORM
              : tdx_has_cn(issuer, "Intel SGX PCK Processor CA") ? CLO_TDX_CA_PROCESSOR
                                                                 : CLO_TDX_CA_UNKNOWN;
    return true;
}

bool clo_tdx_pck_from_chain(struct clo_bytes chain, struct clo_tdx_pck *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    enum clo_next next;
    size_t at = 0;
    struct clo_error ignored;

    while ((next = clo_pem_next(chain, "CERTIFICATE", &at, &der, err)) == CLO_NEXT_ITEM) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        struct clo_bytes value;
        if (clo_certificate_parse(clo_buffer_bytes(&der), &certificate, &ignored) &&
            clo_certificate_extension(certificate, EXTENSION_OID, &value))
            return clo_tdx_pck_parse(certificate, out, err);
    }
    if (next == CLO_NEXT_FAILED)
        return clo_wrap(err, "PCK chain");
    return clo_fail(err, CLO_ERR_FORMAT, "PCK chain: no PCK certificate in it");
}

void clo_tdx_fetch_plan(const struct clo_tdx_pck *pck, struct clo_tdx_fetch *out)
{
    const uint8_t *f = pck->fmspc;

    /* A CA that is neither of the two has no list at Intel's: its own name would be a wrong request. */
    snprintf(out->ca, sizeof out->ca, "%s",
             pck->ca == CLO_TDX_CA_PROCESSOR ? "processor" : "platform");
    snprintf(out->fmspc, sizeof out->fmspc, "%02x%02x%02x%02x%02x%02x", f[0], f[1], f[2], f[3],
             f[4], f[5]);
    snprintf(out->tcb_info, sizeof out->tcb_info, "/tdx/certification/v4/tcb?fmspc=%s", out->fmspc);
    snprintf(out->qe_identity, sizeof out->qe_identity, "/tdx/certification/v4/qe/identity");
    snprintf(out->pck_crl, sizeof out->pck_crl, "/sgx/certification/v4/pckcrl?ca=%s&encoding=der",
             out->ca);
    snprintf(out->root_ca_crl, sizeof out->root_ca_crl, "/sgx/certification/v4/rootcacrl");
}
