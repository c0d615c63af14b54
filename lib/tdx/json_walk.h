/* Strict JSON read in one pass, without building anything (RFC 8259): for signed documents of a
 * known shape, whose exact bytes matter. Duplicate members, escapes in names, numbers with signs,
 * fractions or too many digits, and whatever does not belong are errors with the byte they are at.
 * Members that nobody knows are checked for being JSON, skipped and listed. */
#ifndef CLOISTER_LIB_TDX_JSON_WALK_H
#define CLOISTER_LIB_TDX_JSON_WALK_H

#include "cloister/base.h"

#define WALK_UNKNOWN_MAX 16 /* in one object */

/* Names of unknown members, for a warning. */
struct walk_unknown {
    char text[400]; /* comma separated */
    size_t count;
};

struct walk {
    struct clo_bytes text;
    size_t at;
    struct walk_unknown *unknown; /* NULL: unknown members are errors */
    struct clo_error *err;
    bool failed; /* latches, with err set */
};

struct walk_object {
    const char *const *names; /* known members, NULL-terminated, at most 32 */
    uint32_t seen;            /* bit n: names[n] was there */
    struct clo_bytes unknown[WALK_UNKNOWN_MAX];
    size_t unknown_count;
    bool started;
};

struct walk walk_begin(struct clo_bytes text, struct walk_unknown *unknown, struct clo_error *err);
/* As walk_fail(), for what is well formed and of another kind than ours: CLO_ERR_REFUSED. */
bool walk_refuse(struct walk *w, const char *format, ...) CLO_PRINTF(2, 3);
/* Nothing but white space may be left. */
bool walk_end(struct walk *w);
/* Sets the error, with the byte, and latches; false. */
bool walk_fail(struct walk *w, const char *format, ...) CLO_PRINTF(2, 3);

/* for (walk_object(w, &o, names); (i = walk_member(w, &o)) >= 0;) switch (i) ...
 * Each known member's value must then be read. */
void walk_object(struct walk *w, struct walk_object *o, const char *const *names);
int walk_member(struct walk *w, struct walk_object *o);
/* All of `mask` must have been seen. */
bool walk_has(struct walk *w, const struct walk_object *o, uint32_t mask);
/* for (walk_array(w); walk_item(w, &first);) */
void walk_array(struct walk *w, bool *first);
bool walk_item(struct walk *w, bool *first);

/* A string of printable ASCII without escapes; the view is what stands between the quotes. */
struct clo_bytes walk_string(struct walk *w);
uint64_t walk_number(struct walk *w, uint64_t max);
/* A string of exactly `size` bytes in hex. */
void walk_hex(struct walk *w, uint8_t *out, size_t size);
/* A string like "2026-03-16T22:06:09Z", as Unix time. */
int64_t walk_time(struct walk *w);
/* Appends a value as an array of one, for clo_json_parse(); NULs at a string's end are left out. */
void walk_wrap(struct clo_bytes value, struct clo_buffer *out);
/* Any value, checked for being JSON; gives its exact bytes. */
struct clo_bytes walk_value(struct walk *w);
/* What the next value begins with; 0 at the end. */
char walk_peek(struct walk *w);

#endif
