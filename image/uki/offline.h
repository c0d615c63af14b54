/* A signature that is made elsewhere: what is to be signed goes out, what was made comes back. */
#ifndef CLOISTER_IMAGE_UKI_OFFLINE_H
#define CLOISTER_IMAGE_UKI_OFFLINE_H

#include "image/uki/work.h"

struct uki_offline {
    const char *tbs;      /* where to write what must be signed; NULL */
    const char *attached; /* what came back: a bare signature or a whole PKCS #7; NULL */
};
/* With what `signing` names no key for: CLO_ERR_USAGE where they do not go together. */
CLO_MUST_USE bool uki_offline_check(const struct uki_offline *offline,
                                    const struct uki_signing *signing, struct clo_error *err);
CLO_MUST_USE bool uki_write_tbs(const struct uki_image *image, const struct uki_signing *signing,
                                const char *path, struct clo_error *err);
/* The entry of a certificate table; a signature that is not over this image, or not this certificate's, is refused. */
CLO_MUST_USE bool uki_attached_entry(const struct uki_image *image,
                                     const struct uki_signing *signing, const char *path,
                                     struct clo_buffer *table, struct clo_error *err);
/* Writes an image again, without the signatures that it has: with `table`, and new ones of all keys. */
CLO_MUST_USE bool uki_sign_again(const struct uki_image *image, struct clo_bytes table,
                                 const struct uki_signing *signing, const char *path,
                                 struct clo_error *err);

#endif
