/* Firmware volumes (UEFI Platform Initialization 1.8, volume 3, chapters 2 and 3), and what OVMF's hold
 * when they are unpacked: the volumes of PEI and DXE, which firmware measures into PCR 0.
 *
 * Views into what was given or unpacked, which must outlive them. */
#ifndef CLOISTER_LIB_FIRMWARE_H
#define CLOISTER_LIB_FIRMWARE_H

#include "cloister/encoding.h"

#define CLO_FIRMWARE_LIMIT ((size_t)64 << 20) /* unpacked */

struct clo_volume {
    struct clo_bytes bytes;
    size_t first_file; /* where it begins */
};

struct clo_volume_file {
    struct clo_guid name;
    uint8_t type;
    size_t offset;         /* of its content, in the volume */
    struct clo_bytes data; /* its sections */
};

struct clo_volume_section {
    uint8_t type;
    size_t header;         /* its size, 4 or 8 */
    size_t offset;         /* of its content, in the file's */
    struct clo_bytes data; /* without its header */
};

enum {
    CLO_SECTION_GUIDED = 0x02,
    CLO_SECTION_PE32 = 0x10,
    CLO_SECTION_VOLUME = 0x17,
};

/* `in` begins with a volume; what lies beyond it is not looked at. */
CLO_MUST_USE bool clo_volume_parse(struct clo_bytes in, struct clo_volume *out,
                                   struct clo_error *err);
/* Walks a volume's files, and a file's sections, from *at = 0 on. */
CLO_MUST_USE enum clo_next clo_volume_file_next(const struct clo_volume *volume, size_t *at,
                                                struct clo_volume_file *out, struct clo_error *err);
CLO_MUST_USE enum clo_next clo_volume_section_next(struct clo_bytes file, size_t *at,
                                                   struct clo_volume_section *out,
                                                   struct clo_error *err);
/* The one file of this name; false: it is not there, or the volume is malformed before it. */
bool clo_volume_find(const struct clo_volume *volume, const struct clo_guid *name,
                     struct clo_volume_file *out);

/* Unpacks what the image's volume for it packed, whatever that is: builds for TDX alone have no PEI. */
CLO_MUST_USE bool clo_firmware_unpack_stream(struct clo_bytes image, struct clo_buffer *unpacked,
                                             struct clo_error *err);

struct clo_firmware {
    struct clo_volume pei;
    struct clo_volume dxe;
};

/* Finds the packed volumes of an OVMF image (code alone, or variables and code), and unpacks them into
 * `unpacked`. */
CLO_MUST_USE bool clo_firmware_unpack(struct clo_bytes image, struct clo_buffer *unpacked,
                                      struct clo_firmware *out, struct clo_error *err);

#endif
