/* A LUKS2 header as libcryptsetup writes it, without its key slots' areas. */
#ifndef CLOISTER_TEST_LUKS2_MAKER_H
#define CLOISTER_TEST_LUKS2_MAKER_H

#include "lib/disk/luks2.h"
#include "test.h"

#define LUKS2_UUID     "5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11"
#define LUKS2_METADATA LUKS2_METADATA_WITH("{}")
/* `tokens`: JSON with single quotes. */
#define LUKS2_METADATA_WITH(tokens)                                                         \
    "{'keyslots':{'0':{'type':'luks2','key_size':64,"                                       \
    "'af':{'type':'luks1','stripes':4000,'hash':'sha256'},"                                 \
    "'area':{'type':'raw','offset':'32768','size':'258048','encryption':'aes-xts-plain64'," \
    "'key_size':64},'kdf':{'type':'pbkdf2','hash':'sha256','iterations':1000,"              \
    "'salt':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='}}},"                             \
    "'tokens':" tokens ","                                                                  \
    "'segments':{'0':{'type':'crypt','offset':'16777216','size':'dynamic','iv_tweak':'0',"  \
    "'encryption':'aes-xts-plain64','sector_size':4096}},"                                  \
    "'digests':{'0':{'type':'pbkdf2','keyslots':['0'],'segments':['0'],'hash':'sha256',"    \
    "'iterations':1000,'salt':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',"              \
    "'digest':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='}},"                            \
    "'config':{'json_size':'12288','keyslots_size':'16744448'}}"

enum {
    LUKS2_BINARY = 4096,
    LUKS2_HEADER = 16384, /* one copy, with its JSON */
    LUKS2_PAYLOAD = 16 << 20,
};

/* Makes the checksum of copy 0 or 1 right. */
static inline void luks2_sum(uint8_t *head, size_t copy)
{
    uint8_t *header = head + copy * LUKS2_HEADER;
    struct clo_digest digest;

    memset(header + 0x1c0, 0, 64);
    clo_hash(CLO_HASH_SHA256, clo_bytes(header, LUKS2_HEADER), &digest);
    memcpy(header + 0x1c0, digest.bytes, 32);
}

/* Writes copy 0 or 1 into `head`, which is zeros there. */
static inline void luks2_make_copy(uint8_t *head, size_t copy, uint8_t sequence, const char *label,
                                   const char *metadata)
{
    uint8_t *header = head + copy * LUKS2_HEADER;

    memset(header, 0, LUKS2_HEADER);
    memcpy(header, copy == 0 ? "LUKS\xba\xbe" : "SKUL\xba\xbe", 6);
    header[7] = 2;
    header[14] = LUKS2_HEADER >> 8;
    header[23] = sequence;
    strcpy((char *)header + 0x18, label);
    strcpy((char *)header + 0x48, "sha256");
    strcpy((char *)header + 0xa8, LUKS2_UUID);
    header[0x106] = (uint8_t)(copy * LUKS2_HEADER >> 8);
    for (size_t i = 0; metadata[i] != '\0'; i++)
        header[LUKS2_BINARY + i] = metadata[i] == '\'' ? '"' : (uint8_t)metadata[i];
    luks2_sum(head, copy);
}

static inline void luks2_make(uint8_t *head, const char *metadata)
{
    luks2_make_copy(head, 0, 3, "label", metadata);
    luks2_make_copy(head, 1, 3, "label", metadata);
}

#endif
