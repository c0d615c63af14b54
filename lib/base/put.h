/* Little-endian numbers into bytes that are there already: a field known only once what follows it was
 * written. */
#ifndef CLOISTER_LIB_PUT_H
#define CLOISTER_LIB_PUT_H

#include <stdint.h>

void clo_put_le16(uint8_t *at, uint16_t value);
void clo_put_le32(uint8_t *at, uint32_t value);
void clo_put_le64(uint8_t *at, uint64_t value);

#endif
