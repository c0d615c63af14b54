#include "verifier/endorsements/bundle_file.h"

#include "device/file.h"

#define CLOCKS_APART 300 /* seconds: between two machines that are set right */
#define DAY          86400

bool clo_bundle_check_age(int64_t made, int64_t seconds, int64_t now, struct clo_error *err)
{
    if (made - now > CLOCKS_APART)
        return clo_fail(err, CLO_ERR_REFUSED, "bundle: is dated in the future, by %lld seconds",
                        (long long)(made - now));
    return now - made <= seconds ||
           clo_fail(err, CLO_ERR_REFUSED, "bundle: is %lld days old, at most %lld are allowed",
                    (long long)((now - made) / DAY), (long long)(seconds / DAY));
}

static bool read_bundle(struct clo_bundle_file *bundle, int64_t now, int64_t *made,
                        struct clo_endorsement_set *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_digest key, content;

    if (!clo_file_read(bundle->path, CLO_ENDORSEMENT_BUNDLE_MAX, &file, err))
        return false;
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&file), &content);
    return (clo_endorsement_bundle_read(clo_buffer_bytes(&file), bundle->key, made, out, err) &&
            clo_bundle_check_age(*made, bundle->seconds, now, err) &&
            clo_public_key_fingerprint(bundle->key, &key, err) &&
            clo_store_accept_endorsements(bundle->store, &key, *made, &content, now, err)) ||
           clo_wrap(err, "%s", bundle->path);
}

/* What was read last decides no more once it is too old, whatever its place holds meanwhile. */
static bool is_over(struct clo_bundle_file *bundle, int64_t now, const struct clo_error *why)
{
    if (bundle->made == 0 || now - bundle->made <= bundle->seconds)
        return false;
    if (!bundle->told_over)
        bundle->on_failure(NULL, why);
    bundle->told_over = true;
    return true;
}

bool clo_bundle_file_load(struct clo_bundle_file *bundle, int64_t now,
                          struct clo_endorsement_set *out, struct clo_error *err)
{
    int64_t made;

    if (read_bundle(bundle, now, &made, out, err)) {
        bundle->made = made;
        bundle->told_over = false;
    } else {
        if (!is_over(bundle, now, err))
            return false;
        clo_endorsement_set_clear(out);
    }
    out->made = bundle->made;
    out->until = bundle->made + bundle->seconds;
    return true;
}
