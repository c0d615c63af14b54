#include "lib/predict/stub_archive.h"

#include <stdio.h>
#include <string.h>

#define MODE_FOLDER 0040000U
#define MODE_FILE   0100000U

static void append_entry(struct clo_buffer *out, unsigned inode, unsigned mode, const char *folder,
                         const char *name, struct clo_bytes data)
{
    size_t name_size = strlen(folder) + (name == NULL ? 0 : 1 + strlen(name)) + 1;

    clo_buffer_printf(out, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", inode,
                      mode, 0U, 0U, 1U, 0U, (unsigned)data.size, 0U, 0U, 0U, 0U,
                      (unsigned)name_size, 0U);
    clo_buffer_text(out, folder);
    if (name != NULL) {
        clo_buffer_text(out, "/");
        clo_buffer_text(out, name);
    }
    clo_buffer_u8(out, 0);
    clo_buffer_align(out, 4);
    clo_buffer_append(out, data);
    clo_buffer_align(out, 4);
}

/* The folder's parents, from the root on, then itself. */
static unsigned append_folders(struct clo_buffer *out, const struct stub_folder *target)
{
    char parent[64];
    unsigned inode = 1;

    for (const char *slash = strchr(target->folder, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        snprintf(parent, sizeof parent, "%.*s", (int)(slash - target->folder), target->folder);
        append_entry(out, inode++, MODE_FOLDER | 0555, parent, NULL, clo_bytes(NULL, 0));
    }
    append_entry(out, inode++, MODE_FOLDER | target->folder_mode, target->folder, NULL,
                 clo_bytes(NULL, 0));
    return inode;
}

void stub_archive_append(struct clo_buffer *out, const struct stub_folder *target,
                         const struct stub_file *files, size_t count)
{
    /* Magic, 4 empty fields, one link, 6 empty fields, the name's size (in upper case), no sum. */
    static const char trailer[] = "070701"
                                  "00000000000000000000000000000000"
                                  "00000001"
                                  "000000000000000000000000000000000000000000000000"
                                  "0000000B"
                                  "00000000"
                                  "TRAILER!!!";

    if (count == 0)
        return;
    /* The stub pads relative to the start of its archive. */
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer archive = { 0 };
    unsigned inode = append_folders(&archive, target);
    for (size_t i = 0; i < count; i++)
        append_entry(&archive, inode++, MODE_FILE | target->file_mode, target->folder,
                     files[i].name, files[i].data);
    clo_buffer_append(&archive, clo_bytes(trailer, sizeof trailer));
    clo_buffer_align(&archive, 4);
    clo_buffer_append(out, clo_buffer_bytes(&archive));
    out->failed = out->failed || !clo_buffer_ok(&archive);
}
