/* Files of an ext file system that is open: read, and changed in place, so that owner, mode, labels and ACLs of what is
 * there stay. Paths are relative to its root; links are followed inside of it. */
#ifndef CLOISTER_IMAGE_EXT_FILES_H
#define CLOISTER_IMAGE_EXT_FILES_H

#include <ext2fs/ext2fs.h>

#include "cloister/base.h"

/* Whose fault libext2fs's answer is: of what lies on the disk, of a file system that is full, or of the disk. */
enum clo_status ext_error_status(errcode_t why);

bool ext_exists(ext2_filsys fs, const char *path);
/* A regular file. */
CLO_MUST_USE bool ext_read(ext2_filsys fs, const char *path, size_t limit, struct clo_buffer *out,
                           struct clo_error *err);
/* Calls `each` for the names in a folder but . and ..; no such folder: no call. */
typedef bool ext_each(void *context, const char *name, struct clo_error *err);
CLO_MUST_USE bool ext_list(ext2_filsys fs, const char *path, ext_each *each, void *context,
                           struct clo_error *err);

/* Other bytes in a file that is there. */
CLO_MUST_USE bool ext_replace(ext2_filsys fs, const char *path, struct clo_bytes bytes,
                              struct clo_error *err);
/* A new file, root's, in a folder that is there; with the folder's SELinux label, as the kernel would give it. */
CLO_MUST_USE bool ext_create(ext2_filsys fs, const char *folder, const char *name, uint16_t mode,
                             struct clo_bytes bytes, struct clo_error *err);
CLO_MUST_USE bool ext_symlink(ext2_filsys fs, const char *folder, const char *name,
                              const char *target, struct clo_error *err);
/* A folder, root's, unless it is there. */
CLO_MUST_USE bool ext_folder(ext2_filsys fs, const char *path, struct clo_error *err);
/* Takes these bits out of its mode. */
CLO_MUST_USE bool ext_drop_mode(ext2_filsys fs, const char *path, uint16_t bits,
                                struct clo_error *err);

#endif
