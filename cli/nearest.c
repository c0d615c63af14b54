/* "Did you mean": the known word that is fewest typing mistakes away. */
#include "cli/help.h"

#include <string.h>

#define WORD_MAX 48

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters added, dropped, exchanged for others, or swapped with their neighbour (optimal string alignment). */
static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t k = 0; k <= b_size; k++)
        last[k] = k;
    memset(before, 0, sizeof rows[0]);
    for (size_t i = 1; i <= a_size; i++) {
        row[0] = i;
        for (size_t k = 1; k <= b_size; k++) {
            row[k] = least(least(last[k], row[k - 1]) + 1, last[k - 1] + (a[i - 1] != b[k - 1]));
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                row[k] = least(row[k], before[k - 2] + 1);
        }
        size_t *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[b_size];
}

const char *cli_nearest(const char *word, const char *(*words)(const void *context, size_t i),
                        const void *context)
{
    size_t size = strlen(word), best = 1 + least(3, size / 3);
    const char *nearest = NULL, *known;

    if (size > WORD_MAX)
        return NULL;
    for (size_t i = 0; (known = words(context, i)) != NULL; i++) {
        size_t known_size = strlen(known);
        if (known_size > WORD_MAX)
            continue;
        /* The beginning of a word is as good as a small mistake in it. */
        size_t far = size >= 3 && strncmp(known, word, size) == 0
                             ? 1
                             : distance(word, size, known, known_size);
        if (far < best) {
            best = far;
            nearest = known;
        }
    }
    return nearest;
}
