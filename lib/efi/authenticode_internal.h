/* What signing and reading share. */
#ifndef CLOISTER_LIB_PE_AUTHENTICODE_INTERNAL_H
#define CLOISTER_LIB_PE_AUTHENTICODE_INTERNAL_H

#include "cloister/authenticode.h"
#include "lib/efi/pe_der.h"

#define WIN_CERT_REVISION_2            0x0200
#define WIN_CERT_TYPE_PKCS_SIGNED_DATA 0x0002
#define WIN_CERTIFICATE_HEADER         8

/* Contents of OIDs: pkcs7-signedData, SPC_INDIRECT_DATA, contentType, messageDigest. */
extern const struct clo_bytes oid_signed_data;
extern const struct clo_bytes oid_indirect_data;
extern const struct clo_bytes oid_content_type;
extern const struct clo_bytes oid_message_digest;

#endif
