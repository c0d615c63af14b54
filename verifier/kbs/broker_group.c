/* Decisions on their way to the disk: what is told of them waits. */
#include "broker_internal.h"

#include <stdlib.h>
#include <string.h>

struct broker_line {
    struct broker_line *next;
    uint64_t mark;
    struct clean_decision decision;
};

static void tell(const struct clo_broker *broker, const struct clo_audit *decision)
{
    if (broker->spec.on_decision != NULL)
        broker->spec.on_decision(broker->spec.context, decision);
}

/* Its texts are within it. */
static void copy(const struct clean_decision *from, struct clean_decision *to)
{
    *to = *from;
    to->audit.session = to->session;
    to->audit.detail = to->detail;
    to->audit.vm = from->audit.vm == NULL ? NULL : &to->vm;
    if (from->audit.resource != NULL)
        to->audit.resource = to->resource;
}

void broker_tell(struct clo_broker *broker, const struct clean_decision *decision)
{
    uint64_t mark = clo_store_mark(broker->spec.store);
    struct broker_line *line = mark == 0 ? NULL : calloc(1, sizeof *line);

    if (line == NULL) { /* without memory too early is better than never: the row is there */
        tell(broker, &decision->audit);
        return;
    }
    line->mark = mark;
    copy(decision, &line->decision);
    *broker->next_line = line;
    broker->next_line = &line->next;
}

/* Those of decisions that are on the disk, in their order. */
static void tell_lines(struct clo_broker *broker)
{
    struct broker_line *line;

    while ((line = broker->first_line) != NULL &&
           clo_store_sync_state(broker->spec.store, line->mark) == CLO_STORE_DURABLE) {
        tell(broker, &line->decision.audit);
        broker->first_line = line->next;
        if (line->next == NULL)
            broker->next_line = &broker->first_line;
        free(line);
    }
}

void broker_free_lines(struct clo_broker *broker)
{
    while (broker->first_line != NULL) {
        struct broker_line *next = broker->first_line->next;
        free(broker->first_line);
        broker->first_line = next;
    }
    broker->next_line = &broker->first_line;
}

/* In the thread that syncs. */
static void on_synced(void *context)
{
    struct clo_broker *broker = context;

    broker_enter(broker);
    tell_lines(broker);
    broker_leave(broker);
    broker->on_synced(broker->synced_context);
}

bool clo_broker_group_begin(struct clo_broker *broker, void (*synced)(void *context), void *context,
                            struct clo_error *err)
{
    broker->on_synced = synced;
    broker->synced_context = context;
    return clo_store_group_begin(broker->spec.store, on_synced, broker, err);
}

void clo_broker_group_end(struct clo_broker *broker)
{
    clo_store_group_end(broker->spec.store);
}

bool clo_broker_may_send(struct clo_broker *broker, struct clo_broker_answer *answer)
{
    enum clo_store_sync state = answer->mark == 0
                                        ? CLO_STORE_DURABLE
                                        : clo_store_sync_state(broker->spec.store, answer->mark);
    struct clo_error why;

    if (state == CLO_STORE_WAITING)
        return false;
    if (state == CLO_STORE_DURABLE)
        return true;
    clo_fail(&why, CLO_ERR_SYSTEM, "what was decided does not reach the disk");
    clo_broker_answer_free(answer);
    *answer = (struct clo_broker_answer){ .status = 200 };
    broker_enter(broker);
    broker_problem(broker, answer, &why);
    broker_leave(broker);
    return true;
}
