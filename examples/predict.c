/* Predicts what a UKI will measure, before it ever ran: predict UKI [VARIABLES]
 *
 * VARIABLES is the firmware's variable store (OVMF_VARS.fd), for PCR 7. Prints a reference file, which appraise
 * takes. Exit status: 0 predicted, 3 not. */
#include <stdio.h>

#include <cloister/cloister.h>

#include "read_file.h"

static bool predict(const char *uki, const char *variables, struct clo_buffer *out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 }, store = { 0 };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;

    if (!read_file(uki, &image, err) || (variables != NULL && !read_file(variables, &store, err)))
        return false;
    const struct clo_prediction from = { .name = uki,
                                         .uki = clo_buffer_bytes(&image),
                                         .varstore = clo_buffer_bytes(&store) };
    return clo_reference_predict(&from, &reference, err) &&
           clo_reference_write(reference, out, err);
}

int main(int argc, char **argv)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    if (argc < 2 || argc > 3)
        return 2;
    if (!predict(argv[1], argv[2], &text, &err)) {
        fprintf(stderr, "predict: %s\n", err.text);
        return 3;
    }
    fwrite(text.data, 1, text.size, stdout);
    return 0;
}
