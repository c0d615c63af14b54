#include "cloister/resource.h"

#include <string.h>

static const char *const names[CLO_INSTANCE_COUNT] = {
    [CLO_INSTANCE_CHIP] = "chip",
    [CLO_INSTANCE_REPORT_ID] = "report_id",
    [CLO_INSTANCE_VM] = "vm",
    [CLO_INSTANCE_AK] = "ak",
};

static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
static const char hex_digits[] = "0123456789abcdef";

const char *clo_instance_name(enum clo_instance which)
{
    return names[which];
}

bool clo_resource_check(const char *path, struct clo_error *err)
{
    const char *at = path;

    for (int part = 0; part < 3; part++) {
        size_t size = strspn(at, allowed);
        char end = part == 2 ? '\0' : '/';
        if (size == 0 || at[size] != end || at[0] == '.' || strlen(path) > CLO_RESOURCE_MAX)
            return clo_fail(err, CLO_ERR_USAGE,
                            "resource \"%.60s\": expected REPOSITORY/TYPE/TAG, like "
                            "default/disk/demo",
                            path);
        at += size + 1;
    }
    return true;
}

/* The placeholder that `at`, a '{', begins, and its size in the text. */
static bool read_placeholder(const char *at, enum clo_instance *which, size_t *size)
{
    for (int i = 0; i < CLO_INSTANCE_COUNT; i++) {
        size_t length = strlen(names[i]);
        if (strncmp(at + 1, names[i], length) == 0 && at[1 + length] == '}') {
            *which = (enum clo_instance)i;
            *size = length + 2;
            return true;
        }
    }
    return false;
}

bool clo_resource_has_placeholder(const char *text)
{
    return strchr(text, '{') != NULL;
}

bool clo_resource_expand(const char *text, const struct clo_instances *instances,
                         struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer path = { 0 };

    for (const char *at = text; *at != '\0';) {
        enum clo_instance which;
        size_t size = strcspn(at, "{");
        clo_buffer_append(&path, clo_bytes(at, size));
        at += size;
        if (*at == '\0')
            break;
        if (!read_placeholder(at, &which, &size))
            return clo_fail(err, CLO_ERR_USAGE,
                            "resource \"%.60s\": a placeholder is one of {chip}, {report_id}, "
                            "{vm}, {ak}",
                            text);
        if (instances->hex[which][0] == '\0')
            return clo_fail(err, CLO_ERR_REFUSED, "resource \"%.60s\": the evidence proves no {%s}",
                            text, names[which]);
        clo_buffer_text(&path, instances->hex[which]);
        at += size;
    }
    const char *whole = clo_buffer_string(&path);
    if (whole == NULL)
        return clo_out_of_memory(err);
    if (!clo_resource_check(whole, err))
        return false;
    clo_buffer_text(out, whole);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_resource_template_check(const char *text, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ignored = { 0 };
    struct clo_instances any;

    for (size_t i = 0; i < CLO_INSTANCE_COUNT; i++) {
        memset(any.hex[i], '0', CLO_INSTANCE_HEX_SIZE - 1);
        any.hex[i][CLO_INSTANCE_HEX_SIZE - 1] = '\0';
    }
    struct clo_error inner;
    if (clo_resource_expand(text, &any, &ignored, &inner))
        return true;
    /* The words of the text as it is, and not of what it was tried as. */
    if (inner.status != CLO_ERR_USAGE || strstr(inner.text, "placeholder") != NULL)
        return clo_fail(err, inner.status, "%s", inner.text);
    return clo_fail(err, CLO_ERR_USAGE,
                    "resource \"%.60s\": expected REPOSITORY/TYPE/TAG, like default/disk/demo or "
                    "default/disk/demo-{ak}",
                    text);
}

bool clo_resource_matches(const char *text, const char *path)
{
    while (*text != '\0') {
        enum clo_instance ignored;
        size_t size;
        if (*text != '{') {
            if (*text++ != *path++)
                return false;
            continue;
        }
        if (!read_placeholder(text, &ignored, &size) ||
            strspn(path, hex_digits) < CLO_INSTANCE_HEX_SIZE - 1)
            return false;
        text += size;
        path += CLO_INSTANCE_HEX_SIZE - 1;
    }
    return *path == '\0';
}
