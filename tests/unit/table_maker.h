/* Partition tables, and the event logs of firmware that measured them. */
#ifndef CLOISTER_TEST_TABLE_MAKER_H
#define CLOISTER_TEST_TABLE_MAKER_H

#include "cloister/pcr.h"
#include "eventlog_maker.h"
#include "guest/partitions.h"
#include "lib/disk/gpt.h"
#include "test.h"

#define SECTORS 65536

#define ESP  "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
#define ROOT "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
#define SWAP "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"
#define HOME "933ac7e1-2eb4-4f13-b844-0e14e2aef915"

struct table {
    struct clo_buffer head, tail;
    struct clo_gpt gpt;
};

static inline struct clo_gpt_partition made(const char *type, unsigned n, uint64_t first)
{
    struct clo_gpt_partition partition = { .first_lba = first, .last_lba = first + 2047 };
    struct clo_error err;

    assert_true(clo_guid_read(type, &partition.type, &err));
    partition.guid.bytes[0] = (uint8_t)n;
    snprintf(partition.name, sizeof partition.name, "p%u", n);
    return partition;
}

static inline void make_table(struct table *table, unsigned disk,
                              const struct clo_gpt_partition *partitions, size_t count)
{
    struct clo_guid guid = { { (uint8_t)disk } };
    struct clo_error err;

    *table = (struct table){ .head = { 0 } };
    if (!clo_gpt_write(&guid, SECTORS, partitions, count, &table->head, &table->tail, &err) ||
        !clo_gpt_parse(clo_buffer_bytes(&table->head), &table->gpt, &err))
        fail_msg("%s", err.text);
}

static inline void free_table(struct table *table)
{
    clo_buffer_free(&table->head);
    clo_buffer_free(&table->tail);
}

/* A log with the table in register `is->index` of the bank `is->hash`, whose value is then set. */
static inline void make_log(const struct clo_gpt *gpt, struct clo_buffer *log,
                            struct clo_table_register *is)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer event = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *parsed = NULL;
    struct clo_pcr_bank bank;
    struct clo_error err;

    assert_true(clo_gpt_event(gpt, &event, &err));
    log_header(log, &is->hash, 1);
    log_event_of(log, is->index, CLO_EV_EFI_GPT_EVENT, &is->hash, 1, clo_buffer_bytes(&event),
                 clo_buffer_bytes(&event));
    assert_true(clo_eventlog_parse(clo_buffer_bytes(log), &parsed, &err));
    assert_true(clo_eventlog_replay(parsed, is->hash, &bank, &err));
    is->value = bank.values[is->index];
}

#endif
