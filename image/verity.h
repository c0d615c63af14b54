/* A root that nothing changes: a plain file of the file system and its hash tree, which is what the volume gets, and the root hash,
 * which is measured with the command line and signed. */
#ifndef CLOISTER_IMAGE_VERITY_H
#define CLOISTER_IMAGE_VERITY_H

#include "cloister/crypto.h"
#include "image/overlay.h"
#include "lib/disk/verity.h"

#define CLO_VERITY_HEX (2 * CLO_VERITY_DIGEST + 1)

struct clo_verity_spec {
    const char *source;          /* a raw file system image */
    struct clo_overlay *overlay; /* or this */
    const char *output;          /* must not exist yet; unused blocks become holes */
    uint64_t size;               /* of the data: whole blocks, at least the source's */
    struct clo_guid uuid;
    uint8_t salt[CLO_VERITY_SALT];
};

CLO_MUST_USE bool clo_verity_make(const struct clo_verity_spec *spec, struct clo_verity *out,
                                  uint8_t root_hash[CLO_VERITY_DIGEST], struct clo_error *err);

/* What systemd calls roothash.p7s: a detached PKCS #7 signature of the root hash in hexadecimal, DER. */
CLO_MUST_USE bool clo_verity_sign(const char *root_hash, const struct clo_private_key *key,
                                  const struct clo_certificate *certificate, struct clo_buffer *out,
                                  struct clo_error *err);

#endif
