#include "cloister/ima.h"

#include "fuzz.h"

/* Views lie inside the input, one entry after the other; what replays touches only its own register. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_ima_freep) struct clo_ima *list = NULL;
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_pcr_bank bank;
    struct clo_error err;
    size_t end = 0;

    (void)clo_ima_is_list(in);
    if (!clo_ima_parse(in, &list, &err)) {
        MUST(err.status != CLO_OK && err.text[0] != '\0');
        return 0;
    }
    for (size_t i = 0; i < clo_ima_count(list); i++) {
        const struct clo_ima_entry *entry = clo_ima_at(list, i);
        MUST(entry->offset == end && entry->pcr < CLO_PCR_COUNT);
        MUST(lies_within(entry->template_data, in) && lies_within(entry->file_name, in));
        end = (size_t)(entry->template_data.data - in.data) + entry->template_data.size;
    }
    MUST(end + clo_ima_stray(list) == size && clo_ima_stray(list) < 8);
    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    if (!clo_ima_replay(list, CLO_IMA_EACH_BANK, &bank, &err))
        MUST(err.status == CLO_ERR_FORMAT);
    return 0;
}
