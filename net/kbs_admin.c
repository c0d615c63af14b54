#include "net/kbs_admin.h"

#include "net/kbs_problem.h"

#define ANSWER_MAX ((size_t)64 << 20) /* a list of very many keys */

static bool ask(const struct clo_kbs_admin *admin, const char *path, const json_t *body,
                json_t **answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_https_response_free) struct clo_https_response response = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer target = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    clo_buffer_printf(&target, "/cloister/v0/key/%s", path);
    const char *target_text = clo_buffer_string(&target);
    if (target_text == NULL)
        return clo_out_of_memory(err);
    if (!clo_json_write(body, &text, err))
        return false;
    const struct clo_https_request request = { .method = "POST",
                                               .path = target_text,
                                               .content_type = "application/json",
                                               .bearer = admin->token,
                                               .body = clo_buffer_bytes(&text),
                                               .timeout_ms = admin->timeout_ms,
                                               .response_limit = ANSWER_MAX };
    bool ok = clo_https_request(&admin->peer, &request, &response, err);
    clo_wipe(text.data, text.size); /* a secret may be in it */
    if (!ok)
        return false;
    if (response.status != 200)
        return kbs_explain(&response, err);
    return clo_json_parse(clo_buffer_bytes(&response.body), answer, err) ||
           clo_wrap(err, "the broker's answer");
}

bool clo_kbs_admin_ask(const struct clo_kbs_admin *admin, const char *path, const json_t *body,
                       json_t **answer, struct clo_error *err)
{
    return ask(admin, path, body, answer, err) || clo_wrap(err, "key broker");
}
