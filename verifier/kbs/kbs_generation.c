/* POST /cloister/v0/generation/R/T/N/NUMBER: how often a disk was used. */
#include "broker_internal.h"

#include <stdio.h>

#include "verifier/store/generation.h"

static bool raise_generation(struct clo_store *store, const struct broker_word *word,
                             struct clo_error *err)
{
    return clo_store_raise_generation(store, word->path, word->value, err);
}

bool broker_generation(struct clo_broker *broker, const struct clo_broker_request *request,
                       struct clo_broker_answer *answer, struct clo_error *err)
{
    char path[CLO_GENERATION_PATH];
    struct clo_session session;
    uint64_t value;
    char told[32];

    if (!broker_get_session(broker, request, &session, err))
        return false;
    struct clo_session_result *shown = broker_get_shown(broker, request, &session, err);
    if (shown == NULL)
        return false;
    if (!clo_generation_parse(request->path, path, &value, err))
        return broker_junk(broker, request, CLO_JUNK_MALFORMED);
    snprintf(told, sizeof told, "%llu", (unsigned long long)value);
    const struct broker_word word = { .path = path,
                                      .action = "generation",
                                      .verdict = "raised",
                                      .told = told,
                                      .taken = GENERATION_RAISED,
                                      .refused = GENERATION_REFUSED,
                                      .take = raise_generation,
                                      .value = value };
    if (!broker_take_word(broker, request, &session, shown, &word, err))
        return false;
    return broker_json(answer, "application/json",
                       json_pack("{s:I}", "generation", (json_int_t)value), err);
}
