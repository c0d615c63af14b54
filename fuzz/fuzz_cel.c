#include "cloister/cel.h"

#include "fuzz.h"

/* What is read is a log as firmware writes it; written again in both encodings, it reads the same. */
static void check(const struct clo_buffer *binary)
{
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_error err;
    bool made;

    /* Its own first event may lie about the banks. */
    if (!clo_eventlog_parse(clo_buffer_bytes(binary), &log, &err))
        return;
    for (int encoding = CLO_CEL_JSON; encoding <= CLO_CEL_CBOR; encoding++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer cel = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
        MUST(clo_cel_write(log, NULL, NULL, (enum clo_cel_encoding)encoding, &cel, &err));
        MUST(clo_cel_read(clo_buffer_bytes(&cel), (enum clo_cel_encoding)encoding, &again, &made,
                          &err));
        if (clo_eventlog_padding(log) == 0)
            MUST(clo_bytes_equal(clo_buffer_bytes(&again), clo_buffer_bytes(binary)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = clo_bytes(data, size);
    enum clo_cel_encoding encoding;
    struct clo_error err;
    bool made;

    (void)clo_cel_is(in, &encoding);
    for (int i = CLO_CEL_JSON; i <= CLO_CEL_CBOR; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer binary = { 0 };
        if (clo_cel_read(in, (enum clo_cel_encoding)i, &binary, &made, &err))
            check(&binary);
        else
            MUST(err.status != CLO_OK && err.text[0] != '\0' && binary.size == 0);
    }
    return 0;
}
