/* Evidence, from what the machine has: a vTPM whose attestation key a hardware report binds (Azure's
 * form, and our pretend platforms'), or a hardware report or quote of its own (guest/hardware.h).
 * A vTPM that no report binds counts for nothing, and is not asked.
 *
 * What is collected is the machine's word; only a verifier can say what it is worth. */
#ifndef CLOISTER_GUEST_COLLECT_H
#define CLOISTER_GUEST_COLLECT_H

#include "cloister/evidence.h"
#include "device/tpm_endorsement.h"
#include "guest/hardware.h"

#define CLO_COLLECT_EVENTLOG "/sys/kernel/security/tpm0/binary_bios_measurements"
#define CLO_COLLECT_CCEL     "/sys/firmware/acpi/tables/data/CCEL"
#define CLO_COLLECT_PCRS     0xffffU /* 0 to 15 */

struct clo_collector {
    struct clo_tpm *tpm;                        /* NULL: none; borrowed */
    struct clo_hardware hardware;               /* clo_hardware_default */
    const struct clo_hardware_request *request; /* its report_data is set; NULL: a plain one */
    const char *eventlog;                       /* CLO_COLLECT_EVENTLOG */
    const char *ccel;                           /* CLO_COLLECT_CCEL */
    struct clo_bytes userlog;                   /* what user space measured; data NULL: nothing */
    const char *nsm; /* CLO_NSM_DEVICE: an enclave's security module; NULL: the TPM is asked */
    const char *
            imds; /* CLO_IMDS_URL: asked where the vTPM holds an HCL report, and nowhere else; NULL: never */
};

/* Asks the machine what it is: the name the KBS protocol has for it, "az-snp-vtpm", "az-tdx-vtpm",
 * "snp" or "tdx". CLO_ERR_UNAVAILABLE: it is nothing that could prove itself. */
CLO_MUST_USE bool clo_collect_tee(const struct clo_collector *from, const char **out,
                                  struct clo_error *err);
/* Everything a verifier wants to see, bound to `runtime_data` (canonical JSON): a quote's qualifying
 * data is its SHA-256, a hardware report's REPORT_DATA its SHA-512. */
CLO_MUST_USE bool clo_collect(const struct clo_collector *from, struct clo_bytes runtime_data,
                              struct clo_evidence **out, struct clo_error *err);
/* The hardware's evidence alone, over report data (64 bytes) that the caller made: no runtime data, and
 * no vTPM. */
CLO_MUST_USE bool clo_collect_bare(const struct clo_collector *from, struct clo_bytes report_data,
                                   struct clo_evidence **out, struct clo_error *err);

/* A TPM's word alone, which no report binds: quote, both keys and what certificates it has; with `is_gce` by the key that Google has
 * a certificate for. A verifier believes it by that certificate, or by a credential. */
CLO_MUST_USE bool clo_collect_tpm(const struct clo_collector *from, struct clo_bytes runtime_data,
                                  const struct clo_tpm_identity *identity, bool is_gce,
                                  struct clo_evidence **out, struct clo_error *err);
/* SEV-SNP with an SVSM: its services' manifest in a report of VMPL 0, and a quote of the TPM that it is. */
CLO_MUST_USE bool clo_collect_svsm(const struct clo_collector *from, struct clo_bytes runtime_data,
                                   const struct clo_tpm_identity *identity,
                                   struct clo_evidence **out, struct clo_error *err);
/* AWS's word, a Nitro document: by an enclave's security module, or by an instance's NitroTPM, then with the logs. */
CLO_MUST_USE bool clo_collect_nitro(const struct clo_collector *from, struct clo_bytes runtime_data,
                                    struct clo_evidence **out, struct clo_error *err);

#endif
