/* JSON: what is read is what jansson reads; written canonically and read again it is the same value and the same text, which is
 * jansson's, too. */
#include "cloister/json.h"

#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *again = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text_again = { 0 };
    struct clo_error err;

    if (!clo_json_parse(clo_bytes(data, size), &json, &err))
        return 0;
    CLO_CLEANUP(clo_json_freep)
    json_t *read = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    MUST(read != NULL && json_equal(json, read) == 1);
    MUST(clo_json_write(json, &text, &err));
    CLO_CLEANUP(clo_freep)
    char *theirs = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    MUST(theirs != NULL && clo_bytes_equal(clo_buffer_bytes(&text), clo_bytes_text(theirs)));
    MUST(clo_json_parse(clo_buffer_bytes(&text), &again, &err));
    MUST(json_equal(json, again) == 1);
    MUST(clo_json_write(again, &text_again, &err));
    MUST(clo_bytes_equal(clo_buffer_bytes(&text), clo_buffer_bytes(&text_again)));
    return 0;
}
