/* Hashes that do not depend on each other, on as many threads as there are CPUs. */
#ifndef CLOISTER_IMAGE_UKI_HASH_JOBS_H
#define CLOISTER_IMAGE_UKI_HASH_JOBS_H

#include "cloister/base.h"

#define CLI_HASH_JOBS_MAX 64

struct cli_hash_job {
    struct clo_bytes in;
    uint8_t *page_digests; /* SHA-384 of each page of `in`; or */
    uint8_t *sha256;       /* SHA-256 of all of it */
};

struct cli_hash_jobs {
    struct cli_hash_job items[CLI_HASH_JOBS_MAX];
    size_t count;
};

/* An image's pages, in parts. */
void cli_hash_jobs_add_pages(struct cli_hash_jobs *jobs, struct clo_bytes image,
                             uint8_t *page_digests);
void cli_hash_jobs_add_sha256(struct cli_hash_jobs *jobs, struct clo_bytes in, uint8_t *sha256);
/* Returns when all are done. Threads that cannot be had are done without. */
void cli_hash_jobs_run(struct cli_hash_jobs *jobs);

#endif
