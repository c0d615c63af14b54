/* What reading and writing of the Canonical Event Log share. */
#ifndef CLOISTER_TCG_CEL_H
#define CLOISTER_TCG_CEL_H

#include "cloister/cel.h"

#define CEL_RECORDS_MAX 65536
#define CEL_BYTES_MAX   ((size_t)1 << 20)

/* Content types, table 2. */
enum {
    CEL_MANAGEMENT = 4,
    CEL_PCCLIENT_STD = 5,
    CEL_IMA_TEMPLATE = 7,
    CEL_IMA_TLV = 8,
    CEL_SYSTEMD = 9,
};

/* Keys of a record, of a digest, and of a pair that is content, in CBOR. */
enum {
    CEL_RECNUM = 0,
    CEL_PCR = 1,
    CEL_NV_INDEX = 2,
    CEL_DIGESTS = 3,
    CEL_CONTENT_TYPE = 9,
    CEL_CONTENT = 10,
};

/* Of any algorithm: what we cannot make is carried too. */
struct cel_digest {
    uint16_t algorithm; /* TPM_ALG_ID */
    uint16_t size;
    uint8_t bytes[CLO_HASH_SIZE_MAX];
};

/* A record as both encodings give it. */
struct cel_record {
    uint64_t recnum;
    bool is_nv;
    uint32_t index; /* of the PCR, or NV index */
    struct cel_digest digests[CLO_EVENT_DIGESTS_MAX];
    size_t digest_count;
    unsigned content_type;
    uint32_t event_type;    /* of CEL_PCCLIENT_STD */
    struct clo_bytes name;  /* of CEL_IMA_TEMPLATE */
    struct clo_buffer data; /* event data, template data, systemd's text */
};

/* Appends it. One without a TPM_ALG_ID, 0, is of no TPM's bank, and left out. */
CLO_MUST_USE bool cel_add_digest(struct cel_record *record, uint16_t algorithm,
                                 struct clo_bytes digest, struct clo_error *err);

/* cel_json.c and cel_cbor.c: call `each` for the records in turn. */
typedef bool cel_each(void *context, const struct cel_record *record, struct clo_error *err);
CLO_MUST_USE bool cel_json_read(struct clo_bytes in, cel_each *each, void *context,
                                struct clo_error *err);
CLO_MUST_USE bool cel_cbor_read(struct clo_bytes in, cel_each *each, void *context,
                                struct clo_error *err);

/* A number or a name ("EV_IPL", "ev_ipl"); false if it is neither. */
bool cel_event_type(const char *text, uint32_t *out);

#endif
