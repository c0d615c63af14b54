/* What parsing and measuring of IGVM files share. */
#ifndef CLOISTER_LIB_IGVM_INTERNAL_H
#define CLOISTER_LIB_IGVM_INTERNAL_H

#include "cloister/igvm.h"

/* Types of variable headers (igvm_defs, IgvmVariableHeaderType). */
enum {
    IGVM_SUPPORTED_PLATFORM = 0x1,
    IGVM_GUEST_POLICY = 0x101,
    IGVM_RELOCATABLE_REGION = 0x102,
    IGVM_PAGE_TABLE_RELOCATION = 0x103,
    IGVM_PARAMETER_AREA = 0x301,
    IGVM_PAGE_DATA = 0x302,
    IGVM_PARAMETER_INSERT = 0x303,
    IGVM_VP_CONTEXT = 0x304,
    IGVM_REQUIRED_MEMORY = 0x305,
    IGVM_VP_COUNT = 0x307,
    IGVM_SRAT = 0x308,
    IGVM_MADT = 0x309,
    IGVM_MMIO_RANGES = 0x30a,
    IGVM_SNP_ID_BLOCK = 0x30b,
    IGVM_MEMORY_MAP = 0x30c,
    IGVM_ERROR_RANGE = 0x30d,
    IGVM_COMMAND_LINE = 0x30e,
    IGVM_SLIT = 0x30f,
    IGVM_PPTT = 0x310,
    IGVM_VBS_MEASUREMENT = 0x311,
    IGVM_DEVICE_TREE = 0x312,
    IGVM_ENVIRONMENT_INFO = 0x313,
    IGVM_CORIM_MEASUREMENT = 0x314,
};
#define IGVM_MAY_BE_IGNORED 0x80000000U

enum {
    IGVM_DATA_NORMAL = 0,
    IGVM_DATA_SECRETS = 1,
    IGVM_DATA_CPUID = 2,
    IGVM_DATA_CPUID_XF = 3,
};

#define IGVM_FLAG_2MB        0x1U
#define IGVM_FLAG_UNMEASURED 0x2U
#define IGVM_FLAG_SHARED     0x4U
#define IGVM_2MB             0x200000
#define IGVM_AREA_MAX        ((uint64_t)64 << 20)

struct igvm_header {
    uint32_t type;
    size_t at; /* in the file */
    struct clo_bytes data;
};
/* Walks the variable headers from *at, an offset in them; false at their end. They were parsed. */
bool igvm_next(const struct clo_igvm *igvm, size_t *at, struct igvm_header *out);

struct igvm_page {
    uint64_t gpa;
    uint32_t mask, file_offset, flags;
    uint16_t data_type, reserved;
};
struct igvm_page igvm_read_page(struct clo_bytes data);

struct igvm_area {
    uint64_t size;
    uint32_t index, file_offset;
};
struct igvm_area igvm_read_area(struct clo_bytes data);

struct igvm_insert {
    uint64_t gpa;
    uint32_t mask, index;
};
struct igvm_insert igvm_read_insert(struct clo_bytes data);

struct igvm_vp {
    uint64_t gpa;
    uint32_t mask, file_offset;
    uint16_t index, reserved;
};
struct igvm_vp igvm_read_vp(struct clo_bytes data);

#endif
