#include "device/tpm_policy_nv.h"

#include <stdio.h>
#include <string.h>

#include <tss2/tss2_mu.h>

struct shower {
    struct clo_tpm *tpm;
    ESYS_TR session;
    const struct clo_alternatives *alternatives;
    enum clo_unseal_why *why;
};

static bool show(struct shower *s, uint32_t mask, struct clo_error *err)
{
    TPML_PCR_SELECTION selection;

    clo_tpm_select(s->alternatives->bank, mask, &selection);
    TSS2_RC rc = Esys_PolicyPCR(s->tpm->esys, s->session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                NULL, &selection);
    if (clo_tpm_kind(rc) == TPM2_RC_PCR_CHANGED)
        *s->why = CLO_UNSEAL_PCRS_MOVE;
    return clo_tpm_done(rc, "PolicyPCR", err);
}

static bool get_digest(struct shower *s, struct clo_digest *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_free_esys) TPM2B_DIGEST *digest = NULL;

    if (!clo_tpm_done(Esys_PolicyGetDigest(s->tpm->esys, s->session, ESYS_TR_NONE, ESYS_TR_NONE,
                                           ESYS_TR_NONE, &digest),
                      "policy", err))
        return false;
    clo_tpm2_policy_begin(out);
    if (digest->size != 32)
        return clo_fail(err, CLO_ERR_FORMAT, "policy: not of SHA-256");
    memcpy(out->bytes, digest->buffer, 32);
    return true;
}

/* One of several values: the TPM takes the branch that the session is in. */
static bool choose(struct shower *s, unsigned pcr, struct clo_digest *policy, struct clo_error *err)
{
    struct clo_digest branches[CLO_TPM2_OR_MAX];
    TPML_DIGEST list = { .count = (uint32_t)s->alternatives->counts[pcr] };

    clo_alternatives_branches(s->alternatives, pcr, policy, branches);
    for (size_t i = 0; i < s->alternatives->counts[pcr]; i++) {
        list.digests[i].size = 32;
        memcpy(list.digests[i].buffer, branches[i].bytes, 32);
    }
    if (!show(s, UINT32_C(1) << pcr, err))
        return false;
    TSS2_RC rc = Esys_PolicyOR(s->tpm->esys, s->session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                               &list);
    if (clo_tpm_kind(rc) == TPM2_RC_VALUE) {
        *s->why = CLO_UNSEAL_NO_BRANCH;
        return clo_fail(err, CLO_ERR_REFUSED,
                        "PCR %u has none of the %zu values that the NV policy allows", pcr,
                        s->alternatives->counts[pcr]);
    }
    return clo_tpm_done(rc, "PolicyOR", err) && get_digest(s, policy, err);
}

static bool show_all(struct shower *s, struct clo_error *err)
{
    uint32_t single = clo_alternatives_single(s->alternatives);
    struct clo_digest policy;

    clo_tpm2_policy_begin(&policy);
    if (single != 0 && (!show(s, single, err) || !get_digest(s, &policy, err)))
        return false;
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
        if (s->alternatives->counts[pcr] > 1 && !choose(s, pcr, &policy, err))
            return false;
    return true;
}

static bool authorize(struct shower *s, ESYS_TR index, struct clo_error *err)
{
    TSS2_RC rc = Esys_PolicyAuthorizeNV(s->tpm->esys, ESYS_TR_RH_OWNER, index, s->session,
                                        ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE);

    if (clo_tpm_kind(rc) == TPM2_RC_VALUE) {
        *s->why = CLO_UNSEAL_NV_DIFFERS;
        return clo_fail(err, CLO_ERR_REFUSED, "the NV index approves of another state");
    }
    if (clo_tpm_kind(rc) == TPM2_RC_HANDLE || clo_tpm_kind(rc) == TPM2_RC_NV_UNINITIALIZED) {
        *s->why = CLO_UNSEAL_NO_NV;
        return clo_fail(err, CLO_ERR_REFUSED, "the NV index was never written");
    }
    return clo_tpm_done(rc, "PolicyAuthorizeNV", err);
}

bool clo_tpm_policy_nv(struct clo_tpm *tpm, const struct clo_tpm_handle *session,
                       const struct clo_alternatives *alternatives, enum clo_unseal_why *why,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free)
    struct clo_tpm_handle index = { .tpm = tpm, .object = ESYS_TR_NONE, .is_kept = true };
    struct shower s = { tpm, session->object, alternatives, why };
    TPMS_NV_PUBLIC area;
    char name[32];

    *why = CLO_UNSEAL_FAILED;
    snprintf(name, sizeof name, "NV index 0x%08x", alternatives->nv_index);
    if (!clo_tpm_nv_find(tpm, alternatives->nv_index, name, &index.object, &area, err)) {
        if (err->status == CLO_ERR_UNAVAILABLE)
            *why = CLO_UNSEAL_NO_NV;
        return false;
    }
    return show_all(&s, err) && authorize(&s, index.object, err);
}

bool clo_tpm_nv_name(struct clo_tpm *tpm, uint32_t index, struct clo_tpm2_name *out,
                     struct clo_error *err)
{
    ESYS_TR object = ESYS_TR_NONE;
    TPMS_NV_PUBLIC area;
    uint8_t bytes[sizeof area];
    size_t size = 0;
    char name[32];

    snprintf(name, sizeof name, "NV index 0x%08x", index);
    if (!clo_tpm_nv_find(tpm, index, name, &object, &area, err))
        return false;
    (void)!Esys_TR_Close(tpm->esys, &object);
    area.attributes |= TPMA_NV_WRITTEN;
    if (!clo_tpm_done(Tss2_MU_TPMS_NV_PUBLIC_Marshal(&area, bytes, sizeof bytes, &size), name, err))
        return false;
    clo_tpm2_name_of(clo_bytes(bytes, size), out);
    return true;
}
