/* Event logs in other forms than TCG's binary one. */
#include <string.h>

#include "cloister/ccel.h"
#include "cloister/cel.h"
#include "import_internal.h"
#include "lib/base/json_read.h"

/* The table that tells where a TD's log is, taken for the log. */
static bool refuse_table(struct clo_bytes in, struct clo_error *err)
{
    struct clo_ccel_table table;

    return clo_ccel_table_parse(in, &table, err) &&
           clo_fail(err, CLO_ERR_FORMAT,
                    "is the ACPI table, not the log: that lies in %llu bytes at 0x%llx of the "
                    "guest's memory, and Linux shows it as /sys/firmware/acpi/tables/data/CCEL",
                    (unsigned long long)table.size, (unsigned long long)table.address);
}

static bool is_binary_log(struct clo_bytes in)
{
    static const char name[] = "Spec ID Event";

    return in.size > 64 && memcmp(in.data + 32, name, sizeof name - 1) == 0;
}

/* Hex or base64 of a log, decoded into `out`; else `in` itself. */
static struct clo_bytes decoded(struct clo_bytes in, struct clo_buffer *out)
{
    const char *name;

    for (int form = 0; import_is_text(in) && form < IMPORT_FORMS; form++)
        if (import_decode(in, (enum import_form)form, out, &name) &&
            is_binary_log(clo_buffer_bytes(out)))
            return clo_buffer_bytes(out);
    return in;
}

static bool read_log(struct clo_bytes in, size_t values_max, struct clo_buffer *out,
                     bool *is_header_made, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    enum clo_cel_encoding encoding;
    bool is_made = true;

    if (clo_ccel_is_table(in))
        return refuse_table(in, err);
    if (in.size > 0 && in.data[0] == 0x1e)
        return clo_fail(
                err, CLO_ERR_FORMAT,
                "is a log of user space (tpm2-measure.log, cc-measure.log): it goes on where "
                "the firmware's ends, as --userspace-log");
    in = decoded(in, &bytes);
    if (import_is_text(in) && !json_is_bounded(in, values_max, err))
        return false;
    if (clo_cel_is(in, &encoding)) {
        if (!clo_cel_read(in, encoding, out, &is_made, err))
            return false;
    } else if (in.size > 0 && in.data[0] == '[') {
        if (!clo_ccel_from_json(in, out, err))
            return false;
    } else {
        is_made = false;
        clo_buffer_append(out, in);
    }
    if (is_header_made != NULL)
        *is_header_made = is_made;
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_import_eventlog(struct clo_bytes in, struct clo_buffer *out, bool *is_header_made,
                         struct clo_error *err)
{
    return read_log(in, SIZE_MAX, out, is_header_made, err);
}

bool import_eventlog_sent(struct clo_bytes in, struct clo_buffer *out, struct clo_error *err)
{
    return read_log(in, CLO_JSON_VALUES_MAX, out, NULL, err);
}
