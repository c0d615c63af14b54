/* What signing and reading share. */
#ifndef CLOISTER_LIB_PE_AUTHENTICODE_INTERNAL_H
#define CLOISTER_LIB_PE_AUTHENTICODE_INTERNAL_H

#include "cloister/authenticode.h"
#include "lib/efi/pkcs7.h"

#define WIN_CERT_REVISION_2            0x0200
#define WIN_CERT_TYPE_PKCS_SIGNED_DATA 0x0002
#define WIN_CERTIFICATE_HEADER         8

/* SPC_INDIRECT_DATA, as an OID's contents: the type of what is signed. */
extern const struct clo_bytes oid_indirect_data;

#endif
