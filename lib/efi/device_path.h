/* EFI device paths as text (UEFI 2.10, sections 10.3 and 10.6): where firmware says that an image or a
 * boot option lies. */
#ifndef CLOISTER_LIB_DEVICE_PATH_H
#define CLOISTER_LIB_DEVICE_PATH_H

#include "cloister/encoding.h"

/* Appends one line of text: "PciRoot(0x0)/Pci(0x1F,0x2)/HD(1,GPT,…)/\EFI\BOOT\BOOTX64.EFI". Nodes that
 * we do not know become Path(TYPE,SUBTYPE,HEX). False if the path breaks off or has a node that is
 * shorter than its kind: what came before it has been appended. Control characters are replaced. */
bool clo_device_path_text(struct clo_bytes path, struct clo_buffer *out);

#endif
