/* A UKI on a stub of a version that the test chooses. */
#ifndef CLOISTER_TEST_UKI_MAKER_H
#define CLOISTER_TEST_UKI_MAKER_H

#include "cloister/uki.h"
#include "pe_maker.h"

static inline void uki_make(struct clo_buffer *out, unsigned stub_version,
                            struct clo_uki_parts parts)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer stub = { 0 };
    struct clo_error err;
    char magic[80];

    snprintf(magic, sizeof magic, "#### LoaderInfo: systemd-stub %u.1 ####", stub_version);
    const struct pe_section sections[] = {
        { ".text", clo_bytes_text("code") },
        { ".sdmagic", clo_bytes_text(magic) },
    };
    pe_make(&stub, sections, CLO_COUNT(sections));
    parts.stub = clo_buffer_bytes(&stub);
    if (!clo_uki_build(&parts, out, &err))
        fail_msg("%s", err.text);
}

#endif
