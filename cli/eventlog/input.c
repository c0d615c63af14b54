#include "cli/eventlog/input.h"

#include "cli/cli.h"
#include "cli/stranger.h"
#include "device/file.h"
#include "lib/evidence/import.h"

void eventlog_input_free(struct eventlog_input *input)
{
    clo_eventlog_free(input->log);
    clo_ima_free(input->ima);
    clo_buffer_free(&input->file);
}

static bool parse(const char *path, struct clo_buffer *file, struct clo_eventlog **out,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer binary = { 0 };
    bool is_header_made = false;

    if (!clo_import_eventlog(clo_buffer_bytes(file), &binary, &is_header_made, err))
        return clo_wrap(err, "%s", path);
    clo_buffer_free(file);
    *file = binary;
    binary = (struct clo_buffer){ 0 };
    if (!clo_eventlog_parse(clo_buffer_bytes(file), out, err))
        return clo_wrap(err, "%s", path) ||
               cli_stranger(path, "a TCG event log", "a TCG event log", err);
    if (is_header_made)
        clo_eventlog_drop_header(*out);
    return true;
}

bool eventlog_load(const char *path, struct clo_buffer *file, struct clo_eventlog **out,
                   struct clo_error *err)
{
    return clo_file_read(path, CLO_FILE_LIMIT, file, err) && parse(path, file, out, err);
}

bool ima_load(const char *path, struct clo_buffer *file, struct clo_ima **out,
              struct clo_error *err)
{
    return clo_file_read(path, CLO_FILE_LIMIT, file, err) &&
           (clo_ima_parse(clo_buffer_bytes(file), out, err) || clo_wrap(err, "%s", path));
}

bool eventlog_open(const char *path, struct eventlog_input *out, struct clo_error *err)
{
    if (!clo_file_read(path, CLO_FILE_LIMIT, &out->file, err))
        return false;
    if (clo_ima_is_list(clo_buffer_bytes(&out->file)))
        return clo_ima_parse(clo_buffer_bytes(&out->file), &out->ima, err) ||
               clo_wrap(err, "%s", path);
    return parse(path, &out->file, &out->log, err);
}

bool eventlog_open_start(const char *path, struct eventlog_input *out, struct clo_error *cut,
                         struct clo_error *err)
{
    cut->status = CLO_OK;
    if (eventlog_open(path, out, err))
        return true;
    struct clo_bytes in = clo_buffer_bytes(&out->file);
    struct clo_error ignored;
    return !clo_ima_is_list(in) && clo_eventlog_parse_start(in, &out->log, cut, &ignored) &&
           (cut->status == CLO_OK || !clo_wrap(cut, "%s", path));
}

bool userlog_load(const char *path, struct clo_userlog **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };

    return clo_file_read(path, CLO_FILE_LIMIT, &file, err) &&
           (clo_userlog_parse(clo_buffer_bytes(&file), out, err) || clo_wrap(err, "%s", path));
}

json_t *eventlog_algorithms_json(const struct clo_eventlog *log)
{
    json_t *list = json_array();

    for (size_t i = 0; i < clo_eventlog_algorithm_count(log); i++)
        json_array_append_new(list, json_string(clo_eventlog_algorithm_name(log, i)));
    return list;
}
