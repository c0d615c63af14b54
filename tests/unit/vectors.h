/* The shared vectors' manifests: walk the cases of one family. */
#ifndef CLOISTER_TEST_VECTORS_H
#define CLOISTER_TEST_VECTORS_H

#include <time.h>

#include "cloister/json.h"
#include "test.h"

/* The manifest of a family; skips the test where the vectors are absent. */
static inline json_t *read_manifest(const char *family)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    json_error_t why;
    char path[256];

    snprintf(path, sizeof path, "%s/MANIFEST.json", family);
    read_vector(path, &text);
    /* Not by our own parser: some expected texts hold a NUL, which it refuses. */
    json_t *manifest = json_loadb((const char *)text.data, text.size, JSON_ALLOW_NUL, &why);
    if (manifest == NULL)
        fail_msg("%s: %s", path, why.text);
    return manifest;
}

/* The path (below the vectors' folder) of a case's file whose name begins like this; false if it
 * has none. */
static inline bool find_case_file(const char *family, const json_t *entry, const char *prefix,
                                  char *out, size_t size)
{
    size_t i;
    json_t *file;

    json_array_foreach (json_object_get(entry, "files"), i, file) {
        const char *path = json_string_value(json_object_get(file, "file"));
        const char *name = strrchr(path, '/');
        name = name == NULL ? path : name + 1;
        if (strncmp(name, prefix, strlen(prefix)) == 0) {
            snprintf(out, size, "%s/%s", family, path);
            return true;
        }
    }
    return false;
}

/* As the manifests write it: "2026-06-01T00:00:00Z", or with "+00:00". */
static inline int64_t manifest_time(const char *text)
{
    struct tm parts = { 0 };

    if (sscanf(text, "%d-%d-%dT%d:%d:%d", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
               &parts.tm_hour, &parts.tm_min, &parts.tm_sec) != 6)
        fail_msg("manifest: time %s", text);
    parts.tm_year -= 1900;
    parts.tm_mon--;
    return (int64_t)timegm(&parts);
}

#endif
