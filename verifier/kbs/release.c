#include "verifier/kbs/release.h"

#include <stdio.h>
#include <string.h>

void clo_release_decision_free(struct clo_release_decision *decision)
{
    clo_store_resource_free(&decision->resource);
    *decision = (struct clo_release_decision){ 0 };
}

/* Evidence opens what its measured configuration names, and nothing else: under equal terms the evidence of one
 * machine would open the key of another. */
static bool check_name(const struct clo_release_question *question, struct clo_error *err)
{
    const char *named = question->shown->resource;

    return named[0] == '\0' || strcmp(named, question->path) == 0 ||
           clo_fail(err, CLO_ERR_REFUSED, "resource \"%s\": the evidence asks for \"%s\"",
                    question->path, named);
}

static bool check_terms(const struct clo_release_question *question,
                        const struct clo_store_resource *resource, struct clo_error *err)
{
    if (question->shown->resource[0] == '\0' && !resource->is_shared)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "resource \"%s\": the evidence names no resource, and this one was not put "
                        "with --shared",
                        question->path);
    return clo_session_result_fulfils(question->shown, resource->terms) ||
           clo_fail(err, CLO_ERR_REFUSED, "resource \"%s\": is not for this image", question->path);
}

/* What the owner took back counts at once, also for a session that was accepted before. */
static bool check_revoked(struct clo_store *store, const struct clo_release_question *question,
                          const struct clo_store_resource *resource, struct clo_error *err)
{
    bool is_revoked;

    if (resource->is_revoked)
        return clo_fail(err, CLO_ERR_REFUSED, "resource \"%s\": was revoked", question->path);
    if (!clo_store_is_machine_revoked(store, question->shown->holder.instance, &is_revoked, err))
        return false;
    return !is_revoked || clo_fail(err, CLO_ERR_REFUSED,
                                   "resource \"%s\": this machine was revoked", question->path);
}

static const char *time_text(int64_t time, json_t **owner)
{
    *owner = clo_json_time(time);
    return *owner == NULL ? "-" : json_string_value(*owner);
}

/* A bare report says the same of the initrd and of what it started, and what it names is that program's choice: under
 * equal terms it may be the resource of another machine. So what one key of a boot got is all that the boot gets.
 * Elsewhere registers tell the two apart, and the terms say which of them gets what. */
static bool is_over(const struct clo_release_question *question,
                    const struct clo_release_history *history)
{
    return history->has_another_in_boot && question->shown->resource[0] != '\0' &&
           !question->shown->holder.has_counts;
}

/* The reason why another one's lease, or an older state of the same vTPM, speaks against it. */
static void describe_other(const struct clo_release_history *history, char *out, size_t size)
{
    CLO_CLEANUP(clo_json_freep) json_t *owner = NULL;

    if (history->is_older_vtpm)
        snprintf(out, size,
                 "this vTPM had a later count when it got it before: an older state of it, or a "
                 "copy");
    else
        snprintf(out, size, "another machine holds it (%s since %s, %zu in all)", history->other,
                 time_text(history->other_time, &owner), history->other_holders);
}

static bool check_history(const struct clo_release_question *question,
                          const struct clo_release_history *history,
                          struct clo_release_decision *decision, struct clo_error *err)
{
    const struct clo_store_resource *resource = &decision->resource;
    enum clo_second_holder rule = resource->second_holder;
    char why[160];

    if (history->is_second_in_boot && !resource->any_releases)
        return clo_fail(err, CLO_ERR_REFUSED, "resource \"%s\": was released to this boot before",
                        question->path);
    if (is_over(question, history) && !resource->any_releases)
        return clo_fail(
                err, CLO_ERR_REFUSED,
                "resource \"%s\": this boot was given another one before, under another key",
                question->path);
    /* A host that masks the chip would have as many holders as it likes. */
    if (rule == CLO_SECOND_HOLDER_REFUSE && question->shown->holder.instance[0] == '\0')
        return clo_fail(err, CLO_ERR_REFUSED,
                        "resource \"%s\": the evidence does not prove which machine this is, and a "
                        "second one is to be refused",
                        question->path);
    decision->is_flagged = history->is_older_vtpm || history->other_holders > 0;
    if (!decision->is_flagged)
        return true;
    describe_other(history, why, sizeof why);
    if (rule == CLO_SECOND_HOLDER_DEFAULT)
        rule = question->shown->is_one_machines ? CLO_SECOND_HOLDER_REFUSE : CLO_SECOND_HOLDER_FLAG;
    if (rule != CLO_SECOND_HOLDER_FLAG)
        return clo_fail(err, CLO_ERR_REFUSED, "resource \"%s\": %s", question->path, why);
    snprintf(decision->note, sizeof decision->note, "flagged: %s; ", why);
    return true;
}

static void describe_holder(const struct clo_holder *holder, char *note, size_t size)
{
    size_t used = strlen(note);
    int written = holder->instance[0] == '\0'
                          ? snprintf(note + used, size - used, "nothing proves which machine, ")
                          : snprintf(note + used, size - used, "holder %.16s, ", holder->instance);

    used += written < 0 ? 0 : (size_t)written;
    if (used < size && holder->boot[0] == '\0')
        snprintf(note + used, size - used, "nothing proves which boot");
    else if (used < size)
        snprintf(note + used, size - used, "boot %.16s", holder->boot);
}

static bool decide(struct clo_store *store, const struct clo_release_question *question,
                   struct clo_release_decision *out, struct clo_error *err)
{
    const struct clo_session_result *shown = question->shown;
    const struct clo_release release = { .path = question->path,
                                         .time = question->time,
                                         .session = question->session,
                                         .tee = shown->tee,
                                         .holder = &shown->holder,
                                         .tee_key = shown->tee_key };
    struct clo_release_history history;

    if (!check_name(question, err))
        return false;
    if (!clo_store_get(store, question->path, &out->resource, err)) {
        out->is_missing = err->status == CLO_ERR_REFUSED;
        return false;
    }
    if (!check_revoked(store, question, &out->resource, err) ||
        !check_terms(question, &out->resource, err) ||
        !clo_store_history(store, &release, out->resource.lease_seconds, &history, err) ||
        !check_history(question, &history, out, err))
        return false;
    describe_holder(&shown->holder, out->note, sizeof out->note);
    return clo_store_add_release(store, &release, err);
}

bool clo_release_decide(struct clo_store *store, const struct clo_release_question *question,
                        struct clo_release_decision *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_release_decision_free) struct clo_release_decision decision = { 0 };

    if (!decide(store, question, &decision, err)) {
        out->is_missing = decision.is_missing;
        return false;
    }
    *out = decision;
    decision = (struct clo_release_decision){ 0 };
    return true;
}
