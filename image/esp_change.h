/* The UKI on an image's ESP, exchanged so that at any moment firmware finds a whole one under the usual name: killed between
 * two writes, it is the one of before or the new one, and the next call ends what was begun.
 *
 * Two places next to the usual one: NEXT.EFI gets a new UKI while nothing leads to it, PREVIOUS.EFI keeps the one of before. The
 * exchange is of the three directory entries, each of which lies in one sector: no byte of a file is moved. */
#ifndef CLOISTER_IMAGE_ESP_CHANGE_H
#define CLOISTER_IMAGE_ESP_CHANGE_H

#include "lib/disk/gpt.h"
#include "lib/predict/boot_disk.h"

#define CLO_ESP_NEXT     "EFI/CLOISTER/NEXT.EFI"
#define CLO_ESP_PREVIOUS "EFI/CLOISTER/PREVIOUS.EFI"

struct clo_esp {
    int fd;                         /* of the image, borrowed */
    uint64_t offset;                /* in it */
    struct clo_gpt_partition entry; /* of the table */
    struct clo_buffer head;         /* of the disk */
    struct clo_buffer bytes;        /* as the image has them */
    char path[CLO_BOOT_PATH_SIZE];  /* of the UKI that firmware starts */
};
/* The ESP alone, whatever is on it; `path` stays empty. */
CLO_MUST_USE bool clo_esp_read(int fd, struct clo_esp *out, struct clo_error *err);
/* Ends what an earlier run began, where the image is open for writing. A loader between firmware and UKI is CLO_ERR_UNSUPPORTED. */
CLO_MUST_USE bool clo_esp_open(int fd, bool for_writing, struct clo_esp *out,
                               struct clo_error *err);
void clo_esp_close(struct clo_esp *esp); /* for CLO_CLEANUP */
/* The UKI that firmware starts; and that of before, CLO_ERR_REFUSED where there is none. */
CLO_MUST_USE bool clo_esp_uki(const struct clo_esp *esp, struct clo_buffer *out,
                              struct clo_error *err);
CLO_MUST_USE bool clo_esp_previous(const struct clo_esp *esp, struct clo_buffer *out,
                                   struct clo_error *err);

/* Has it room for a further UKI, once that of before the present one is gone? Nothing is changed. */
CLO_MUST_USE bool clo_esp_has_room(const struct clo_esp *esp, size_t size, struct clo_error *err);
/* The new UKI lies in its place, and nothing starts it. That of before is gone. */
CLO_MUST_USE bool clo_esp_place(struct clo_esp *esp, struct clo_bytes uki, struct clo_error *err);
/* From here on firmware starts it. */
CLO_MUST_USE bool clo_esp_switch(struct clo_esp *esp, struct clo_error *err);
/* The present one and that of before change places. */
CLO_MUST_USE bool clo_esp_back(struct clo_esp *esp, struct clo_error *err);
/* That of before goes, and what was placed and not switched to. */
CLO_MUST_USE bool clo_esp_forget(struct clo_esp *esp, struct clo_error *err);

#endif
