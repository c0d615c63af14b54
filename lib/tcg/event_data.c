#include "event_data.h"

#include <string.h>

bool event_read_variable(struct clo_bytes data, struct event_variable *out)
{
    struct clo_reader r = clo_reader(data);
    struct event_variable variable = { .vendor = clo_read_guid(&r) };
    uint64_t name_size = clo_read_le64(&r);
    uint64_t value_size = clo_read_le64(&r);

    size_t too_many = data.size + 1;
    variable.name =
            clo_read_bytes(&r, name_size > data.size / 2 ? too_many : (size_t)name_size * 2);
    variable.value = clo_read_bytes(&r, value_size > data.size ? too_many : (size_t)value_size);
    *out = variable;
    return clo_reader_ok(&r);
}

bool event_read_image(struct clo_bytes data, struct event_image *out)
{
    struct clo_reader r = clo_reader(data);
    struct event_image image = { .address = clo_read_le64(&r) };

    image.size = clo_read_le64(&r);
    image.link_time_address = clo_read_le64(&r);
    uint64_t size = clo_read_le64(&r);
    image.device_path = clo_read_bytes(&r, size > data.size ? data.size + 1 : (size_t)size);
    *out = image;
    return clo_reader_ok(&r);
}

bool event_read_tag(struct clo_bytes data, struct event_tag *out)
{
    struct clo_reader r = clo_reader(data);
    struct event_tag tag = { .tag = clo_read_le32(&r) };
    uint32_t size = clo_read_le32(&r);

    tag.data = clo_read_bytes(&r, size);
    *out = tag;
    return clo_reader_ok(&r);
}

bool event_text(struct clo_bytes data, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    bool is_wide = data.size >= 4 && data.data[1] == 0 && data.data[3] == 0;

    /* systemd-boot of old leaves out the last byte of the NUL. */
    if (is_wide && data.size % 2 != 0) {
        is_wide = data.data[data.size - 1] == 0;
        data.size--;
    }
    if (is_wide) {
        while (data.size >= 2 && data.data[data.size - 1] == 0 && data.data[data.size - 2] == 0)
            data.size -= 2;
        clo_utf16_text(data, &text);
    } else {
        while (data.size > 0 && data.data[data.size - 1] == 0)
            data.size--;
        for (size_t i = 0; i < data.size; i++)
            if (data.data[i] < 0x20 && data.data[i] != '\n' && data.data[i] != '\t')
                return false;
        clo_buffer_append(&text, data);
    }
    const char *string = clo_buffer_string(&text);
    if (string == NULL || text.size == 0 || memchr(text.data, 0, text.size) != NULL)
        return false;
    clo_buffer_append(out, clo_buffer_bytes(&text));
    return true;
}
