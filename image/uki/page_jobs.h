/* Hashes that do not depend on each other, on as many threads as there are CPUs. */
#ifndef CLOISTER_IMAGE_UKI_PAGE_JOBS_H
#define CLOISTER_IMAGE_UKI_PAGE_JOBS_H

#include "cloister/base.h"

#define UKI_PAGE_JOBS_MAX 64

struct uki_page_job {
    struct clo_bytes in;
    uint8_t *page_digests; /* SHA-384 of each page of `in`; or */
    uint8_t *sha256;       /* SHA-256 of all of it */
};

struct uki_page_jobs {
    struct uki_page_job items[UKI_PAGE_JOBS_MAX];
    size_t count;
};

/* An image's pages, in parts. */
void uki_page_jobs_add_pages(struct uki_page_jobs *jobs, struct clo_bytes image,
                             uint8_t *page_digests);
void uki_page_jobs_add_sha256(struct uki_page_jobs *jobs, struct clo_bytes in, uint8_t *sha256);
/* Returns when all are done. Threads that cannot be had are done without. */
void uki_page_jobs_run(struct uki_page_jobs *jobs);

#endif
