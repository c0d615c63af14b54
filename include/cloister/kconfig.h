/* A kernel's configuration (kernel, Documentation/kbuild/kconfig.rst; scripts/kconfig/confdata.c): the
 * text of .config, /boot/config-*, /proc/config.gz, and where a kernel image carries it (IKCONFIG,
 * kernel/configs.c).
 *
 * It says what a kernel was built with, as its builder tells it: a claim, unless it was taken from a
 * kernel image that is itself measured. */
#ifndef CLOISTER_KCONFIG_H
#define CLOISTER_KCONFIG_H

#include "cloister/base.h"

CLO_BEGIN_C

#define CLO_KCONFIG_LIMIT ((size_t)8 << 20) /* the text */

struct clo_kconfig;

struct clo_kconfig_counts {
    size_t y, m, n; /* n: "is not set" */
    size_t other;   /* texts, numbers, and =n, as fragments write it */
    size_t again;   /* set before: the last one counts, as with the kernel's own tools */
};

/* Lines that are neither a comment nor an option nor blank are refused. */
CLO_API CLO_MUST_USE bool clo_kconfig_parse(struct clo_bytes in, struct clo_kconfig **out,
                                            struct clo_error *err);
CLO_API void clo_kconfig_free(struct clo_kconfig *config);
CLO_API void clo_kconfig_freep(struct clo_kconfig **config); /* for CLO_CLEANUP */
/* By the name without "CONFIG_": "y", "m", "n", a number, or a text without its quotes; NULL if it is
 * not mentioned. */
CLO_API const char *clo_kconfig_get(const struct clo_kconfig *config, const char *name);
/* From the header that Kconfig writes, "6.12.0-144.el10.x86_64"; NULL if there is none. */
CLO_API const char *clo_kconfig_version(const struct clo_kconfig *config);
CLO_API const struct clo_kconfig_counts *clo_kconfig_counts(const struct clo_kconfig *config);
/* Does it answer for every option, or is it a fragment or defconfig, where what is not mentioned takes
 * Kconfig's default? Full ones begin with Kconfig's "Automatically generated file", or say "is not set" of many options and name
 * the compiler or 64BIT. */
CLO_API bool clo_kconfig_is_full(const struct clo_kconfig *config);
/* Walks the options by name: gives the n-th one; false at the end. */
CLO_API bool clo_kconfig_at(const struct clo_kconfig *config, size_t index, const char **name,
                            const char **value);

/* Does it look like the text of a configuration? */
CLO_API bool clo_kconfig_is(struct clo_bytes in);

CLO_END_C

#endif
