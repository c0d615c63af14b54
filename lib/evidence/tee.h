/* The kinds of platform whose evidence is read, and what each is called where: by policies and results, by the KBS
 * protocol, by the kernel, in a bundle. Code that reads or writes such a name asks this table; how evidence of a kind is
 * verified and appraised is an entry of lib/appraise/tee.h. */
#ifndef CLOISTER_LIB_EVIDENCE_TEE_H
#define CLOISTER_LIB_EVIDENCE_TEE_H

#include "cloister/base.h"

enum clo_tee {
    CLO_TEE_SNP,
    CLO_TEE_TDX,
    CLO_TEE_TPM,    /* a TPM alone, which no hardware report vouches for */
    CLO_TEE_SAMPLE, /* Trustee's sample, which proves nothing: for tests, where a policy names it */
    CLO_TEE_NITRO,  /* AWS's hypervisor: an instance's NitroTPM, or an enclave */
    CLO_TEE_COUNT,
};

struct clo_tee_names {
    const char *name;  /* "snp": in policies, results and, of a bare report, in the KBS protocol */
    const char *title; /* "SEV-SNP" */
    const char *maker; /* "AMD"; NULL: no maker vouches */
    const char *processor; /* "AMD EPYC"; NULL with the maker */
    const char *roots;     /* the maker's roots in a policy, "amd"; NULL with the maker */
    const char *
            label; /* of its evidence in a bundle, CLO_EVIDENCE_SNP_REPORT; NULL: none of its own */
    const char *
            provider; /* configfs-tsm's word (Linux, Documentation/ABI/testing/configfs-tsm); NULL: none */
    const char
            *azure; /* in the KBS protocol, for the vTPM that it vouches for on Azure; NULL: none */
};

const struct clo_tee_names *clo_tee_names(enum clo_tee tee);
/* By the name that policies and results have. */
CLO_MUST_USE bool clo_tee_from_name(const char *name, enum clo_tee *out);
CLO_MUST_USE bool clo_tee_of_provider(const char *provider, enum clo_tee *out);
/* By what a policy calls its maker's roots. */
CLO_MUST_USE bool clo_tee_of_roots(const char *roots, enum clo_tee *out);
/* A policy may name it: hardware with a maker, not a TPM alone. */
bool clo_tee_has_maker(enum clo_tee tee);

#endif
