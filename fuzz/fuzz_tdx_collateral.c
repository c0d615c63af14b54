#include <stdlib.h>
#include <string.h>

#include "../lib/tdx/tdx_internal.h"

#include "fuzz.h"

/* What our reader takes, a strict JSON parser takes too; and what is signed is an object of its own. */
static void check_signed(struct clo_bytes part, struct clo_bytes in)
{
    struct clo_error err;
    json_t *json;

    MUST(lies_within(part, in) && part.size >= 2);
    MUST(part.data[0] == '{' && part.data[part.size - 1] == '}');
    MUST(clo_json_parse(part, &json, &err));
    json_decref(json);
}

/* A set chosen from itself is the set, no matter whose it is: every piece byte for byte, and never one that nobody brought. */
static void check_choice(const struct clo_tdx_collateral *collateral)
{
    const struct clo_tdx_collateral *sets[] = { collateral, collateral };

    for (size_t owner = 0; owner <= CLO_COUNT(sets); owner++) {
        CLO_CLEANUP(clo_tdx_choice_free) struct clo_tdx_choice choice = { 0 };
        struct clo_error err;
        MUST(clo_tdx_collateral_choose(sets, CLO_COUNT(sets), owner, (struct clo_bytes){ 0 },
                                       1780000000, &choice, &err));
        for (size_t i = 0; i < CLO_TDX_PIECE_COUNT; i++)
            MUST(clo_bytes_equal(clo_buffer_bytes(&choice.collateral.pieces[i]),
                                 clo_buffer_bytes(&collateral->pieces[i])));
        MUST(memchr(choice.left_out, 0, sizeof choice.left_out) != NULL);
    }
}

static void check_collateral(struct clo_bytes in)
{
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral collateral = { 0 };
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral again = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    if (!clo_tdx_collateral_parse(in, &collateral, &err))
        return;
    check_choice(&collateral);
    json_t *json = clo_tdx_collateral_json(&collateral);
    if (json == NULL)
        return; /* texts that are not UTF-8 */
    MUST(json_object_size(json) == 0 ||
         (clo_json_write(json, &text, &err) &&
          clo_tdx_collateral_parse(clo_buffer_bytes(&text), &again, &err)));
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_bytes none = clo_bytes(NULL, 0);
    struct tdx_tcb_info *info = calloc(1, sizeof *info);
    struct tdx_qe_identity *identity = calloc(1, sizeof *identity);
    struct clo_error err;

    MUST(info != NULL && identity != NULL);
    if (tdx_tcb_info_parse(in, none, info, &err)) {
        check_signed(info->signed_part, in);
        MUST(info->level_count >= 1 && info->level_count <= TDX_LEVELS_MAX);
    }
    if (tdx_qe_identity_parse(in, none, identity, &err)) {
        check_signed(identity->signed_part, in);
        MUST(identity->level_count >= 1 && identity->level_count <= TDX_MODULE_LEVELS_MAX);
    }
    free(info);
    free(identity);
    check_collateral(in);
    return 0;
}
