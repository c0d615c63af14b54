/* TDX evidence with one thing wrong. */
#include <string.h>

#include "sim/tdx.h"

#define DAY 86400LL
/* Of a breakage: a function that changes one thing. */
#define BREAK(name, change)                                                \
    static void name(struct sim_tdx *tdx, const struct sim_tdx_keys *keys) \
    {                                                                      \
        (void)keys;                                                        \
        change;                                                            \
    }
#define QE_REPORT_AT(tdx)                  \
    ((tdx)->version == 4 ? 48u + 584 + 138 \
                         : 54u + ((tdx)->body_type == CLO_TDX_BODY_TD10 ? 584u : 648u) + 138)
#define EDIT(document, was, is) (tdx->document.from = (was), tdx->document.to = (is))

BREAK(leaf_by_other, tdx->leaf_key = keys->other)
BREAK(leaf_flipped, tdx->leaf_certificate.signature_is_flipped = true)
BREAK(leaf_sha384, tdx->leaf_certificate.signature = SIM_ECDSA_SHA384)
BREAK(leaf_is_ca, tdx->leaf_certificate.is_ca = 1)
BREAK(leaf_name, tdx->leaf_certificate.subject = "Intel SGX PCK Certificate 2")
BREAK(leaf_without_extension, tdx->leave_out_extension = true)
BREAK(ca_by_other, tdx->ca_key = keys->other)
BREAK(ca_is_no_ca, tdx->ca_certificate.is_ca = 0)
BREAK(ca_may_not_sign, tdx->ca_certificate.key_usage = CLO_KEY_USAGE_CRL_SIGN)
BREAK(root_by_other, tdx->root_key = keys->other)
BREAK(root_other, tdx->root_is_other = true)
BREAK(leaf_expired, tdx->leaf_certificate.not_after = tdx->now - 1)
BREAK(leaf_early, tdx->leaf_certificate.not_before = tdx->now + 1)
BREAK(ca_expired, tdx->ca_certificate.not_after = tdx->now - 1)
BREAK(root_expired, tdx->root_certificate.not_after = tdx->now - 1)
BREAK(signer_expired, tdx->signer_certificate.not_after = tdx->now - 1)
BREAK(root_crl_by_other, tdx->root_crl_key = keys->other)
BREAK(root_crl_missing, tdx->left_out = 1U << CLO_TDX_ROOT_CA_CRL)
BREAK(pck_crl_by_other, tdx->pck_crl_key = keys->other)
BREAK(pck_crl_missing, tdx->left_out = 1U << CLO_TDX_PCK_CRL)
BREAK(pck_crl_of_other_ca, tdx->pck_crl.issuer = "Intel SGX Root CA")
BREAK(leaf_revoked, tdx->pck_crl.revoked = 3)
BREAK(ca_revoked, tdx->root_crl.revoked = 2)
BREAK(signer_revoked, tdx->root_crl.revoked = 4)
BREAK(root_crl_old, tdx->root_crl.next_update = tdx->now - 1)
BREAK(pck_crl_old, tdx->pck_crl.next_update = tdx->now - 1)
BREAK(pck_crl_early, tdx->pck_crl.this_update = tdx->now + DAY)
BREAK(tcb_info_old, tdx->tcb_info.next_update = tdx->now - 1)
BREAK(tcb_info_early, tdx->tcb_info.issue_date = tdx->now + 1)
BREAK(qe_identity_old, tdx->qe_identity.next_update = tdx->now - 1)
BREAK(qe_identity_early, tdx->qe_identity.issue_date = tdx->now + 1)
BREAK(tcb_info_by_other, tdx->tcb_info.key = keys->other)
BREAK(tcb_info_edited, EDIT(tcb_info, "\"pcesvn\":11", "\"pcesvn\":10");
      tdx->tcb_info.edit_after_signing = true)
BREAK(tcb_info_respaced, EDIT(tcb_info, "\"pcesvn\":11", "\"pcesvn\": 11");
      tdx->tcb_info.edit_after_signing = true)
BREAK(tcb_info_missing, tdx->left_out = 1U << CLO_TDX_TCB_INFO)
BREAK(tcb_info_of_sgx, EDIT(tcb_info, "\"id\":\"TDX\"", "\"id\":\"SGX\""))
BREAK(tcb_info_version_2, EDIT(tcb_info, "\"version\":3", "\"version\":2"))
BREAK(signer_by_other, tdx->signer_key = keys->other)
BREAK(signer_name, tdx->signer_certificate.subject = "Intel SGX PCK Certificate")
BREAK(signer_is_ca, tdx->signer_certificate.is_ca = 1)
BREAK(qe_identity_by_other, tdx->qe_identity.key = keys->other)
BREAK(qe_identity_edited, EDIT(qe_identity, "\"isvsvn\":4", "\"isvsvn\":3");
      tdx->qe_identity.edit_after_signing = true)
BREAK(qe_identity_missing, tdx->left_out = 1U << CLO_TDX_QE_IDENTITY)
BREAK(qe_identity_of_sgx, EDIT(qe_identity, "TD_QE", "QE"))
BREAK(qe_identity_version_1, EDIT(qe_identity, "\"version\":2", "\"version\":1"))
BREAK(fmspc_other, tdx->pck.fmspc[5] = 1)
BREAK(pce_id_other, tdx->pck.pce_id[1] = 1)
BREAK(qe_report_by_other, tdx->qe_report_key = keys->other)
/* A byte of its MRENCLAVE, which nothing else looks at. */
BREAK(qe_report_flipped, tdx->flip = QE_REPORT_AT(tdx) + 70)
BREAK(binding_wrong, tdx->binding_is_wrong = true)
BREAK(qe_miscselect, tdx->qe_report[SIM_QE_MISCSELECT] = 1)
BREAK(qe_debug, tdx->qe_report[SIM_QE_ATTRIBUTES] |= 2)
BREAK(qe_mr_signer, tdx->qe_report[SIM_QE_MR_SIGNER] = 0)
BREAK(qe_isv_prod_id, tdx->qe_report[SIM_QE_ISV_PROD_ID] = 1)
BREAK(quote_by_other, tdx->quote_key = keys->other)
BREAK(quote_header_flipped, tdx->flip = 30)
BREAK(quote_body_flipped, tdx->flip = 54 + SIM_TDX_MR_TD)
BREAK(module_signer, tdx->body[SIM_TDX_MR_SIGNER_SEAM] = 1)
BREAK(module_attributes, tdx->body[SIM_TDX_SEAM_ATTRIBUTES] = 1)
BREAK(module_attributes_agree, tdx->body[SIM_TDX_SEAM_ATTRIBUTES] = 0xff;
      EDIT(tcb_info,
           "TDX_01\",\"mrsigner\":\"000000000000000000000000000000000000000000000000"
           "000000000000000000000000000000000000000000000000\",\"attributes\":\"00",
           "TDX_01\",\"mrsigner\":\"000000000000000000000000000000000000000000000000"
           "000000000000000000000000000000000000000000000000\",\"attributes\":\"FF"))
BREAK(module_unknown, tdx->body[SIM_TDX_TEE_TCB_SVN + 1] = 2)
BREAK(sgx_too_low, tdx->pck.components[15] = 2)
BREAK(pce_svn_too_low, tdx->pck.pce_svn = 4)
BREAK(tdx_too_low, tdx->body[SIM_TDX_TEE_TCB_SVN + 2] = 2)
BREAK(module_too_low, tdx->body[SIM_TDX_TEE_TCB_SVN] = 2)
BREAK(qe_too_low, tdx->qe_report[SIM_QE_ISV_SVN] = 1)
BREAK(platform_revoked, tdx->tcb_info.status = "Revoked")
BREAK(module_revoked, tdx->tcb_info.module = "Revoked")
BREAK(qe_revoked, tdx->qe_identity.status = "Revoked")

const struct sim_tdx_breakage sim_tdx_breakages[] = {
    { "leaf-by-other", "tdx.pck_chain", { NULL }, leaf_by_other },
    { "leaf-flipped", "tdx.pck_chain", { NULL }, leaf_flipped },
    { "leaf-sha384", "tdx.pck_chain", { NULL }, leaf_sha384 },
    { "leaf-is-ca", "tdx.pck_chain", { NULL }, leaf_is_ca },
    { "leaf-name", "tdx.pck_chain", { NULL }, leaf_name },
    { "leaf-without-extension",
      "tdx.pck_chain",
      { "tdx.root", "tdx.validity", "tdx.root_crl", "tdx.pck_crl", "tdx.tcb_info",
        "tdx.qe_identity", "tdx.qe_report", "tdx.tcb" },
      leaf_without_extension },
    { "ca-by-other", "tdx.pck_chain", { NULL }, ca_by_other },
    { "ca-is-no-ca", "tdx.pck_chain", { NULL }, ca_is_no_ca },
    { "ca-may-not-sign", "tdx.pck_chain", { NULL }, ca_may_not_sign },
    { "root-by-other", "tdx.pck_chain", { NULL }, root_by_other },
    { "root-other", "tdx.root", { NULL }, root_other },
    { "leaf-expired", "tdx.validity", { NULL }, leaf_expired },
    { "leaf-early", "tdx.validity", { NULL }, leaf_early },
    { "ca-expired", "tdx.validity", { NULL }, ca_expired },
    { "root-expired", "tdx.validity", { NULL }, root_expired },
    { "signer-expired", "tdx.validity", { NULL }, signer_expired },
    { "root-crl-by-other", "tdx.root_crl", { NULL }, root_crl_by_other },
    { "root-crl-missing", "tdx.root_crl", { NULL }, root_crl_missing },
    { "pck-crl-by-other", "tdx.pck_crl", { NULL }, pck_crl_by_other },
    { "pck-crl-missing", "tdx.pck_crl", { NULL }, pck_crl_missing },
    { "pck-crl-of-other-ca", "tdx.pck_crl", { NULL }, pck_crl_of_other_ca },
    { "leaf-revoked", "tdx.revocation", { NULL }, leaf_revoked },
    { "ca-revoked", "tdx.revocation", { NULL }, ca_revoked },
    { "signer-revoked", "tdx.revocation", { NULL }, signer_revoked },
    { "root-crl-old", "tdx.freshness", { NULL }, root_crl_old },
    { "pck-crl-old", "tdx.freshness", { NULL }, pck_crl_old },
    { "pck-crl-early", "tdx.freshness", { NULL }, pck_crl_early },
    { "tcb-info-old", "tdx.freshness", { NULL }, tcb_info_old },
    { "tcb-info-early", "tdx.freshness", { NULL }, tcb_info_early },
    { "qe-identity-old", "tdx.freshness", { NULL }, qe_identity_old },
    { "qe-identity-early", "tdx.freshness", { NULL }, qe_identity_early },
    { "tcb-info-by-other", "tdx.tcb_info", { NULL }, tcb_info_by_other },
    { "tcb-info-edited", "tdx.tcb_info", { NULL }, tcb_info_edited },
    { "tcb-info-respaced", "tdx.tcb_info", { NULL }, tcb_info_respaced },
    { "tcb-info-missing", "tdx.tcb_info", { "tdx.tcb" }, tcb_info_missing },
    { "tcb-info-of-sgx", "tdx.tcb_info", { "tdx.tcb" }, tcb_info_of_sgx },
    { "tcb-info-version-2", "tdx.tcb_info", { "tdx.tcb" }, tcb_info_version_2 },
    { "signer-by-other", "tdx.tcb_info", { "tdx.qe_identity" }, signer_by_other },
    { "signer-name", "tdx.tcb_info", { "tdx.qe_identity" }, signer_name },
    { "signer-is-ca", "tdx.tcb_info", { "tdx.qe_identity" }, signer_is_ca },
    { "qe-identity-by-other", "tdx.qe_identity", { NULL }, qe_identity_by_other },
    { "qe-identity-edited", "tdx.qe_identity", { NULL }, qe_identity_edited },
    { "qe-identity-missing", "tdx.qe_identity", { "tdx.tcb" }, qe_identity_missing },
    { "qe-identity-of-sgx", "tdx.qe_identity", { NULL }, qe_identity_of_sgx },
    { "qe-identity-version-1", "tdx.qe_identity", { NULL }, qe_identity_version_1 },
    { "fmspc-other", "tdx.fmspc", { NULL }, fmspc_other },
    { "pce-id-other", "tdx.fmspc", { NULL }, pce_id_other },
    { "qe-report-by-other", "tdx.qe_report", { NULL }, qe_report_by_other },
    { "qe-report-flipped", "tdx.qe_report", { NULL }, qe_report_flipped },
    { "binding-wrong", "tdx.qe_binding", { NULL }, binding_wrong },
    { "qe-miscselect", "tdx.qe", { NULL }, qe_miscselect },
    { "qe-debug", "tdx.qe", { NULL }, qe_debug },
    { "qe-mr-signer", "tdx.qe", { NULL }, qe_mr_signer },
    { "qe-isv-prod-id", "tdx.qe", { NULL }, qe_isv_prod_id },
    { "quote-by-other", "tdx.quote_signature", { NULL }, quote_by_other },
    { "quote-header-flipped", "tdx.quote_signature", { NULL }, quote_header_flipped },
    { "quote-body-flipped", "tdx.quote_signature", { NULL }, quote_body_flipped },
    { "module-signer", "tdx.module", { NULL }, module_signer },
    { "module-attributes", "tdx.module", { NULL }, module_attributes },
    { "module-attributes-agree", "tdx.module", { NULL }, module_attributes_agree },
    { "module-unknown", "tdx.module", { "tdx.tcb" }, module_unknown },
    { "sgx-too-low", "tdx.tcb", { NULL }, sgx_too_low },
    { "pce-svn-too-low", "tdx.tcb", { NULL }, pce_svn_too_low },
    { "tdx-too-low", "tdx.tcb", { NULL }, tdx_too_low },
    { "module-too-low", "tdx.tcb", { NULL }, module_too_low },
    { "qe-too-low", "tdx.tcb", { NULL }, qe_too_low },
    { "platform-revoked", "tdx.tcb", { NULL }, platform_revoked },
    { "module-revoked", "tdx.tcb", { NULL }, module_revoked },
    { "qe-revoked", "tdx.tcb", { NULL }, qe_revoked },
};
const size_t sim_tdx_breakage_count = CLO_COUNT(sim_tdx_breakages);

const struct sim_tdx_breakage *sim_tdx_breakage_get(const char *name)
{
    for (size_t i = 0; i < sim_tdx_breakage_count; i++)
        if (strcmp(sim_tdx_breakages[i].name, name) == 0)
            return &sim_tdx_breakages[i];
    return NULL;
}
