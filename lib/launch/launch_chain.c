/* The chain of an SNP launch digest (AMD 56860, section 8.17.2, table 67). */
#include <string.h>

#include "lib/base/put.h"
#include "lib/launch/launch_internal.h"

#define PAGE_INFO_SIZE 0x70

void launch_chain_open(struct launch_chain *chain, const uint8_t *seed)
{
    memset(chain->digest, 0, sizeof chain->digest);
    if (seed != NULL)
        memcpy(chain->digest, seed, sizeof chain->digest);
    chain->hasher = clo_hasher_new(CLO_HASH_SHA384);
}

void launch_chain_close(struct launch_chain *chain)
{
    clo_hasher_free(chain->hasher);
    chain->hasher = NULL;
}

/* DIGEST_CUR, CONTENTS, LENGTH, PAGE_TYPE, then IMI_PAGE and VMPL permissions (all zero), GPA. */
void launch_chain_page(struct launch_chain *chain, enum page_type type, const uint8_t *contents,
                       uint64_t gpa)
{
    uint8_t info[PAGE_INFO_SIZE] = { 0 };
    struct clo_digest digest;

    memcpy(info, chain->digest, CLO_LAUNCH_DIGEST_SIZE);
    if (contents != NULL)
        memcpy(info + CLO_LAUNCH_DIGEST_SIZE, contents, CLO_LAUNCH_DIGEST_SIZE);
    clo_put_le16(info + 0x60, PAGE_INFO_SIZE);
    info[0x62] = (uint8_t)type;
    clo_put_le64(info + 0x68, gpa);
    clo_hasher_add(chain->hasher, clo_bytes(info, sizeof info));
    clo_hasher_get(chain->hasher, &digest);
    memcpy(chain->digest, digest.bytes, CLO_LAUNCH_DIGEST_SIZE);
}

void launch_chain_pages(struct launch_chain *chain, enum page_type type, uint64_t gpa,
                        uint64_t size)
{
    for (uint64_t at = 0; at < size; at += CLO_LAUNCH_PAGE)
        launch_chain_page(chain, type, NULL, gpa + at);
}

void launch_hash_page(struct clo_hasher *hasher, const uint8_t *page, uint8_t *out)
{
    struct clo_digest digest;

    clo_hasher_add(hasher, clo_bytes(page, CLO_LAUNCH_PAGE));
    clo_hasher_get(hasher, &digest);
    memcpy(out, digest.bytes, CLO_LAUNCH_DIGEST_SIZE);
}

void launch_chain_data(struct launch_chain *chain, enum page_type type, const uint8_t *page,
                       uint64_t gpa)
{
    uint8_t contents[CLO_LAUNCH_DIGEST_SIZE];

    launch_hash_page(chain->hasher, page, contents);
    launch_chain_page(chain, type, contents, gpa);
}

/* Firmware is padded by runs of equal pages: of those only the first is hashed. */
void clo_launch_hash_pages(struct clo_bytes pages, uint8_t *digests)
{
    CLO_CLEANUP(clo_hasher_freep) struct clo_hasher *hasher = clo_hasher_new(CLO_HASH_SHA384);

    for (size_t i = 0; i < pages.size / CLO_LAUNCH_PAGE; i++) {
        const uint8_t *page = pages.data + i * CLO_LAUNCH_PAGE;
        uint8_t *out = digests + i * CLO_LAUNCH_DIGEST_SIZE;
        if (i > 0 && memcmp(page, page - CLO_LAUNCH_PAGE, CLO_LAUNCH_PAGE) == 0)
            memcpy(out, out - CLO_LAUNCH_DIGEST_SIZE, CLO_LAUNCH_DIGEST_SIZE);
        else
            launch_hash_page(hasher, page, out);
    }
}
