/* The recogniser: bytes in, what they are out. Reports, quotes, certificates and keys reach people in many forms:
 * as they are, in hex or base64, in the JSON of a cloud's metadata service or of another verifier. Each is known
 * here by its form, unwrapped, and named in words; docs/formats/import.md has the table.
 *
 * Nothing is trusted for having been recognised: what comes out is what lib/appraise would have been given had the
 * tool written the bytes themselves. Nonces, verdicts and keys that a form vouches with are left where they are. */
#ifndef CLOISTER_LIB_EVIDENCE_IMPORT_H
#define CLOISTER_LIB_EVIDENCE_IMPORT_H

#include "cloister/evidence.h"
#include "cloister/snp.h"

#define CLO_IMPORT_LIMIT CLO_EVIDENCE_LIMIT

enum clo_import_kind {
    CLO_IMPORT_UNKNOWN,      /* none of what is known here */
    CLO_IMPORT_EVIDENCE,     /* pieces of evidence: in `evidence` */
    CLO_IMPORT_CERTIFICATES, /* certificates and revocation lists: in `certificates` */
    CLO_IMPORT_KEY,          /* a public key: in `key` */
    CLO_IMPORT_OTHER,        /* known by name alone; `command` takes it, if one does */
};

/* What an object is called that has no name here. */
#define CLO_IMPORT_OTHER_JSON "JSON of another kind"

/* A zeroed struct is empty. */
struct clo_import {
    enum clo_import_kind kind;
    const char *what;    /* "an SEV-SNP report"; static */
    const char *command; /* "cloister verify snp FILE"; NULL: none takes it */
    char form[160];      /* "base64url in Azure's answer with a quote"; "" for bytes as they are */
    struct clo_evidence *evidence;
    bool is_bundle; /* it came as a bundle of our own */
    struct clo_snp_certificates certificates;
    struct clo_public_key *key;
    bool is_tpm_key;              /* of a TPM's structure, which says what it may do: */
    bool is_restricted;           /* it signs only what the TPM made itself */
    struct clo_buffer tpm_public; /* TPMT_PUBLIC, where it is one */
};
void clo_import_free(struct clo_import *import); /* for CLO_CLEANUP */

/* False for what is known and broken; what is not known is CLO_IMPORT_UNKNOWN. */
CLO_MUST_USE bool clo_import_read(struct clo_bytes in, struct clo_import *out,
                                  struct clo_error *err);
/* The same, and it must hold a piece of evidence with this label, whatever comes with it: otherwise an error says
 * what it is instead, and which command takes that. */
CLO_MUST_USE bool clo_import_evidence(struct clo_bytes in, const char *label,
                                      struct clo_import *out, struct clo_error *err);
CLO_MUST_USE bool clo_import_certificates(struct clo_bytes in, struct clo_import *out,
                                          struct clo_error *err);
/* A key, or the one of a single certificate. */
CLO_MUST_USE bool clo_import_key(struct clo_bytes in, struct clo_import *out,
                                 struct clo_error *err);
/* "an SEV-SNP report (hex)": one line, for people. Appended. */
void clo_import_words(const struct clo_import *import, struct clo_buffer *out);
/* Sets the error "is …: CMD takes it" and returns false. */
bool clo_import_refuse(const struct clo_import *import, const char *wanted, struct clo_error *err);

/* --- Event logs ------------------------------------------------------------------------------ */

/* A firmware's log as it is, in hex or base64, in TCG's canonical form (JSON or CBOR), or as dstack's list of
 * events: appended in TCG's binary form; `*is_header_made` (may be NULL) if it had no Spec ID event and got one. What is none of them is appended as it is, for the parser to refuse. */
CLO_MUST_USE bool clo_import_eventlog(struct clo_bytes in, struct clo_buffer *out,
                                      bool *is_header_made, struct clo_error *err);

/* --- A TPM's quote, in the forms of tpm2-tools and others ------------------------------------ */

/* TPMS_ATTEST, or TPM2B_ATTEST: the first, without its size. A view into `in`. */
struct clo_bytes clo_import_attest(struct clo_bytes in);
/* TPMT_SIGNATURE, a bare RSASSA signature, or a bare ECDSA signature in DER: appended as TPMT_SIGNATURE. A bare one
 * does not name its hash: it is the one of the quote's PCR digest, by its size. */
CLO_MUST_USE bool clo_import_signature(struct clo_bytes in, struct clo_bytes attest,
                                       struct clo_buffer *out, struct clo_error *err);
/* {"sha256": {"0": HEX}}, {"0": HEX}, arrays of values, what tpm2_pcrread prints, or what tpm2_quote --pcr writes:
 * appended as the first of them. Values without numbers are those that the quote selects, in its order; 24 of them
 * are PCR 0 to 23. */
CLO_MUST_USE bool clo_import_pcrs(struct clo_bytes in, struct clo_bytes attest,
                                  struct clo_buffer *out, struct clo_error *err);

#endif
