#include "cloister/launch.h"

#include "fuzz.h"

/* Sections are whole pages of a known type and none lies over another; a digest can be had or the
 * reason is said; and hashing the pages beforehand makes no other digest. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct clo_launch_kernel kernel;
    CLO_CLEANUP(clo_freep) uint8_t *digests = NULL;
    struct clo_launch_firmware firmware;
    struct clo_digest digest, again;
    struct clo_error err;
    uint64_t pages = 0;

    if (!clo_launch_firmware_parse(clo_bytes(data, size), &firmware, &err))
        return 0;
    for (size_t i = 0; i < firmware.section_count; i++) {
        const struct clo_launch_section *a = &firmware.sections[i];
        MUST(a->gpa % CLO_LAUNCH_PAGE == 0 && a->size % CLO_LAUNCH_PAGE == 0 && a->size > 0);
        for (size_t k = 0; k < i; k++) {
            const struct clo_launch_section *b = &firmware.sections[k];
            MUST(a->gpa >= (uint64_t)b->gpa + b->size || b->gpa >= (uint64_t)a->gpa + a->size);
        }
        pages += a->size / CLO_LAUNCH_PAGE;
    }
    if (pages > 1024) /* right, and slow */
        return 0;
    struct clo_launch launch = { .vcpus = 2, .firmware = &firmware };
    if (size > 0 && data[0] % 2 == 1)
        launch.kernel = &kernel;
    bool ok = clo_launch_digest(&launch, &digest, &err);
    digests = malloc((size / CLO_LAUNCH_PAGE + 1) * CLO_LAUNCH_DIGEST_SIZE);
    MUST(digests != NULL);
    clo_launch_hash_pages(clo_bytes(data, size), digests);
    launch.page_digests = digests;
    MUST(clo_launch_digest(&launch, &again, &err) == ok);
    MUST(!ok || clo_digest_equal(&digest, &again));
    launch.mode = CLO_LAUNCH_SEV_ES;
    (void)!clo_launch_digest(&launch, &digest, &err);
    return 0;
}
