/* CRC-32C (Castagnoli), as VHDX, XFS and ext4 sum their headers: against accidents, never against people. */
#ifndef CLOISTER_LIB_CRC32C_H
#define CLOISTER_LIB_CRC32C_H

#include "cloister/base.h"

/* Begins at 0; its own result goes on. */
uint32_t clo_crc32c(uint32_t sum, struct clo_bytes in);

#endif
