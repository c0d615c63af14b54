#include "cli/hash_jobs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cloister/launch.h"

#define THREADS_MAX 8
#define PARTS       8
#define WORTHWHILE  ((size_t)256 << 10) /* below, starting a thread costs more than it saves */

void cli_hash_jobs_add_pages(struct cli_hash_jobs *jobs, struct clo_bytes image,
                             uint8_t *page_digests)
{
    size_t pages = image.size / CLO_LAUNCH_PAGE;
    size_t part = (pages + PARTS - 1) / PARTS;

    for (size_t at = 0; at < pages && jobs->count < CLI_HASH_JOBS_MAX; at += part) {
        size_t count = pages - at < part ? pages - at : part;
        jobs->items[jobs->count++] = (struct cli_hash_job){
            .in = clo_bytes_slice(image, at * CLO_LAUNCH_PAGE, count * CLO_LAUNCH_PAGE),
            .page_digests = page_digests + at * CLO_LAUNCH_DIGEST_SIZE,
        };
    }
}

void cli_hash_jobs_add_sha256(struct cli_hash_jobs *jobs, struct clo_bytes in, uint8_t *sha256)
{
    if (jobs->count < CLI_HASH_JOBS_MAX)
        jobs->items[jobs->count++] = (struct cli_hash_job){ .in = in, .sha256 = sha256 };
}

static void run(const struct cli_hash_job *job)
{
    struct clo_digest digest;

    if (job->page_digests != NULL) {
        clo_launch_hash_pages(job->in, job->page_digests);
        return;
    }
    clo_hash(CLO_HASH_SHA256, job->in, &digest);
    memcpy(job->sha256, digest.bytes, 32);
}

struct work {
    const struct cli_hash_jobs *jobs;
    atomic_size_t next;
};

static void *take_jobs(void *context)
{
    struct work *work = context;
    size_t i;

    while ((i = atomic_fetch_add(&work->next, 1)) < work->jobs->count)
        run(&work->jobs->items[i]);
    return NULL;
}

/* The longest first, so that none is left over at the end. */
static int by_size(const void *a, const void *b)
{
    size_t first = ((const struct cli_hash_job *)a)->in.size;
    size_t second = ((const struct cli_hash_job *)b)->in.size;

    return first < second ? 1 : first > second ? -1 : 0;
}

void cli_hash_jobs_run(struct cli_hash_jobs *jobs)
{
    struct work work = { .jobs = jobs };
    pthread_t threads[THREADS_MAX];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t total = 0, count = 0;

    qsort(jobs->items, jobs->count, sizeof jobs->items[0], by_size);
    for (size_t i = 0; i < jobs->count; i++)
        total += jobs->items[i].in.size;
    if (total >= WORTHWHILE)
        while (count < THREADS_MAX && (long)count + 1 < cpus && count + 1 < jobs->count &&
               pthread_create(&threads[count], NULL, take_jobs, &work) == 0)
            count++;
    take_jobs(&work);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}
