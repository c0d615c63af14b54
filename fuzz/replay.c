/* Stands in for libFuzzer: runs the target on each corpus file, on every truncation of the small
 * ones, and on a fixed sequence of mutations, so that each test run is the same. */
#include <dirent.h>
#include <string.h>

#include "fuzz.h"

#define TRUNCATE_MAX 4096
#define MUTATIONS    400
#define INPUT_MAX    ((size_t)4 << 20)

static uint64_t state = 0x9e3779b97f4a7c15;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* An allocation of exactly the size, so that a sanitizer sees one byte too many. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);

    if (copy == NULL)
        abort();
    if (size != 0)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void mutate(uint8_t *data, size_t size)
{
    static const uint8_t edges[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };

    for (uint64_t n = 1 + next_random() % 4; n > 0; n--) {
        size_t at = next_random() % size;
        switch (next_random() % 3) {
        case 0:
            data[at] = (uint8_t)(data[at] ^ 1U << next_random() % 8);
            break;
        case 1:
            data[at] = edges[next_random() % sizeof edges];
            break;
        default:
            data[at] = (uint8_t)next_random();
            break;
        }
    }
}

static void run_file(const char *path)
{
    uint8_t *data = malloc(INPUT_MAX);
    FILE *file = fopen(path, "rb");

    if (data == NULL || file == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        abort();
    }
    size_t size = fread(data, 1, INPUT_MAX, file);
    fclose(file);
    run(data, size);
    for (size_t cut = 0; cut < size && size <= TRUNCATE_MAX; cut++)
        run(data, cut);
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    if (copy == NULL)
        abort();
    unsigned mutations = &fuzz_mutations == NULL ? MUTATIONS : fuzz_mutations;
    for (unsigned i = 0; i < mutations && size > 0; i++) {
        memcpy(copy, data, size);
        mutate(copy, size);
        run(copy, size);
    }
    free(copy);
    free(data);
}

int main(int argc, char **argv)
{
    size_t files = 0;

    for (int i = 1; i < argc; i++) {
        struct dirent **names;
        int count = scandir(argv[i], &names, NULL, alphasort);
        for (int k = 0; k < count; k++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], names[k]->d_name);
            if (names[k]->d_name[0] != '.') {
                run_file(path);
                files++;
            }
            free(names[k]);
        }
        if (count >= 0)
            free(names);
    }
    printf("%zu corpus files\n", files);
    return files == 0; /* a corpus that is not there tests nothing */
}
