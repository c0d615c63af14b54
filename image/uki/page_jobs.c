#include "image/uki/page_jobs.h"

#include <stdlib.h>
#include <string.h>

#include "cloister/launch.h"
#include "image/uki/parallel.h"

#define PARTS 8

void uki_page_jobs_add_pages(struct uki_page_jobs *jobs, struct clo_bytes image,
                             uint8_t *page_digests)
{
    size_t pages = image.size / CLO_LAUNCH_PAGE;
    size_t part = (pages + PARTS - 1) / PARTS;

    for (size_t at = 0; at < pages && jobs->count < UKI_PAGE_JOBS_MAX; at += part) {
        size_t count = pages - at < part ? pages - at : part;
        jobs->items[jobs->count++] = (struct uki_page_job){
            .in = clo_bytes_slice(image, at * CLO_LAUNCH_PAGE, count * CLO_LAUNCH_PAGE),
            .page_digests = page_digests + at * CLO_LAUNCH_DIGEST_SIZE,
        };
    }
}

void uki_page_jobs_add_sha256(struct uki_page_jobs *jobs, struct clo_bytes in, uint8_t *sha256)
{
    if (jobs->count < UKI_PAGE_JOBS_MAX)
        jobs->items[jobs->count++] = (struct uki_page_job){ .in = in, .sha256 = sha256 };
}

static void run(void *context, size_t index)
{
    const struct uki_page_jobs *jobs = context;
    const struct uki_page_job *job = &jobs->items[index];
    struct clo_digest digest;

    if (job->page_digests != NULL) {
        clo_launch_hash_pages(job->in, job->page_digests);
        return;
    }
    clo_hash(CLO_HASH_SHA256, job->in, &digest);
    memcpy(job->sha256, digest.bytes, 32);
}

/* The longest first, so that none is left over at the end. */
static int by_size(const void *a, const void *b)
{
    size_t first = ((const struct uki_page_job *)a)->in.size;
    size_t second = ((const struct uki_page_job *)b)->in.size;

    return first < second ? 1 : first > second ? -1 : 0;
}

void uki_page_jobs_run(struct uki_page_jobs *jobs)
{
    size_t total = 0;

    qsort(jobs->items, jobs->count, sizeof jobs->items[0], by_size);
    for (size_t i = 0; i < jobs->count; i++)
        total += jobs->items[i].in.size;
    uki_parallel(jobs->count, total, run, jobs);
}
