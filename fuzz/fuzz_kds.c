#include <string.h>

#include "cloister/kds.h"

#include "fuzz.h"

/* What is read can be written, and reads back to the same request. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_kds_request request;
    struct clo_kds_request again;
    struct clo_error err;
    char text[512];
    char path[CLO_KDS_PATH_MAX];
    char path_again[CLO_KDS_PATH_MAX];

    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (!clo_kds_parse(text, &request, &err))
        return 0;
    MUST(request.product != CLO_SNP_UNKNOWN);
    MUST(clo_kds_path(&request, path, &err));
    MUST(clo_kds_parse(path, &again, &err));
    MUST(clo_kds_path(&again, path_again, &err));
    MUST(strcmp(path, path_again) == 0);
    MUST(again.kind == request.kind && again.product == request.product);
    MUST(memcmp(again.hw_id, request.hw_id, sizeof request.hw_id) == 0);
    return 0;
}
