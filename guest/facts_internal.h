/* How the files of facts*.c read their tree. */
#ifndef CLOISTER_GUEST_FACTS_INTERNAL_H
#define CLOISTER_GUEST_FACTS_INTERNAL_H

#include <sys/stat.h>

#include "guest/facts.h"

#define FACT_LIMIT ((size_t)4 << 20)
#define LIST_LIMIT 512

struct clo_tree {
    int fd; /* the root */
    json_t *out;
};

/* `path` without a slash in front; its links stay below the root. -1: it cannot be opened. */
int clo_tree_open(const struct clo_tree *tree, const char *path, int flags);
bool clo_tree_exists(const struct clo_tree *tree, const char *path);
bool clo_tree_stat(const struct clo_tree *tree, const char *path, struct stat *out);
/* The whole of a file; false: not readable. The buffer is new. */
bool clo_tree_read(const struct clo_tree *tree, const char *path, struct clo_buffer *out);
/* The same as text, the line ends after it taken off; NULL: not readable. The buffer owns. */
const char *clo_tree_text(const struct clo_tree *tree, const char *path, struct clo_buffer *out);
/* The last part of where a link leads; false if there is none. */
bool clo_tree_link(const struct clo_tree *tree, const char *path, char *out, size_t size);
/* Calls `each` with the names in a folder, sorted; none if it is not there. */
typedef void (*clo_tree_each)(const struct clo_tree *tree, const char *folder, const char *name,
                              void *context);
void clo_tree_list(const struct clo_tree *tree, const char *folder, clo_tree_each each,
                   void *context);

void clo_fact_set(const struct clo_tree *tree, const char *name, const char *value);
/* Adds to a list of names with commas between. */
void clo_fact_list(char list[LIST_LIMIT], const char *format, ...) CLO_PRINTF(2, 3);
const char *clo_fact_or_none(const char *list);
/* The next line of a text, without its end; false at the end. */
bool clo_fact_line(const char **at, char *out, size_t size);

void clo_facts_platform(const struct clo_tree *tree, const char *platform);
void clo_facts_storage(const struct clo_tree *tree);
void clo_facts_devices(const struct clo_tree *tree);

#endif
