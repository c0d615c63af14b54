#include "lib/disk/recovery.h"

#include <ctype.h>
#include <string.h>

#define GROUPS  CLO_RECOVERY_GROUPS
#define LETTERS CLO_RECOVERY_LETTERS
#define TYPED   ((GROUPS + 1) * LETTERS)

static const char alphabet[] = "cbdefghijklnrtuv";

/* --- Check letters --- */

/* Times the generator of GF(16), x^4 + x + 1. */
static uint8_t times_x(uint8_t value)
{
    return (uint8_t)((value << 1 ^ (value & 8 ? 0x13 : 0)) & 15);
}

/* Each place has a weight of its own: one wrong letter always shows, and so do two that changed places. */
static uint8_t check_of(const uint8_t digits[LETTERS])
{
    uint8_t sum = 0;

    for (size_t i = 0; i < LETTERS; i++)
        sum = times_x((uint8_t)(sum ^ digits[i]));
    return sum;
}

/* --- Writing --- */

static bool write_digits(const uint8_t digits[GROUPS * LETTERS], struct clo_secret **out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *text = NULL;
    size_t at = 0;

    if (!clo_secret_new(CLO_RECOVERY_SIZE, &text, err))
        return false;
    for (size_t i = 0; i < (size_t)GROUPS * LETTERS; i++) {
        if (i != 0 && i % LETTERS == 0)
            clo_secret_data(text)[at++] = '-';
        clo_secret_data(text)[at++] = (uint8_t)alphabet[digits[i]];
    }
    *out = CLO_TAKE(text);
    return true;
}

bool clo_recovery_write(const uint8_t bytes[CLO_RECOVERY_BYTES], struct clo_secret **out,
                        struct clo_error *err)
{
    uint8_t digits[GROUPS * LETTERS];

    for (size_t i = 0; i < CLO_RECOVERY_BYTES; i++) {
        digits[2 * i] = bytes[i] >> 4;
        digits[2 * i + 1] = bytes[i] & 15;
    }
    bool ok = write_digits(digits, out, err);
    clo_wipe(digits, sizeof digits);
    return ok;
}

static bool digit_of(uint8_t letter, uint8_t *out)
{
    const char *found = strchr(alphabet, tolower(letter));

    if (letter == '\0' || found == NULL)
        return false;
    *out = (uint8_t)(found - alphabet);
    return true;
}

void clo_recovery_check(const struct clo_secret *key, char out[GROUPS + 1])
{
    const uint8_t *text = clo_secret_bytes(key).data;
    uint8_t digits[LETTERS] = { 0 };

    for (size_t group = 0; group < GROUPS; group++) {
        for (size_t i = 0; i < LETTERS; i++)
            if (!digit_of(text[group * (LETTERS + 1) + i], &digits[i]))
                digits[i] = 0;
        out[group] = alphabet[check_of(digits)];
    }
    out[GROUPS] = '\0';
    clo_wipe(digits, sizeof digits);
}

/* --- Reading --- */

struct typed {
    uint8_t digits[TYPED];
    size_t count;  /* letters */
    size_t groups; /* runs of letters */
    size_t size;   /* of the present run */
    size_t odd;    /* the first run of another size than a group's, from 1; 0: none */
    size_t odd_size;
};

static void end_group(struct typed *typed)
{
    if (typed->size == 0)
        return;
    typed->groups++;
    if (typed->size != LETTERS && typed->odd == 0) {
        typed->odd = typed->groups;
        typed->odd_size = typed->size;
    }
    typed->size = 0;
}

static bool read_letters(struct clo_bytes in, struct typed *typed, struct clo_error *err)
{
    for (size_t i = 0; i < in.size; i++) {
        uint8_t digit;
        if (memchr("- \t\r\n", in.data[i], 5) != NULL) {
            end_group(typed);
            continue;
        }
        if (typed->count == TYPED)
            return clo_fail(err, CLO_ERR_FORMAT,
                            "more letters than eight groups and their check letters have");
        typed->size++;
        if (!digit_of(in.data[i], &digit))
            return clo_fail(err, CLO_ERR_FORMAT, "group %zu, letter %zu: not one of %s",
                            typed->count / LETTERS + 1, typed->count % LETTERS + 1, alphabet);
        typed->digits[typed->count++] = digit;
    }
    end_group(typed);
    return true;
}

/* All in one run, nobody has to have counted. */
static bool check_groups(const struct typed *typed, struct clo_error *err)
{
    bool is_whole = typed->count == (size_t)GROUPS * LETTERS || typed->count == TYPED;

    if (typed->groups == 1 && is_whole)
        return true;
    if (typed->odd != 0 && typed->groups > 1)
        return clo_fail(err, CLO_ERR_FORMAT, "group %zu: %zu letters, expected %d", typed->odd,
                        typed->odd_size, LETTERS);
    return is_whole ||
           clo_fail(err, CLO_ERR_FORMAT, "%zu letters, expected %d, or %d with the check letters",
                    typed->count, GROUPS * LETTERS, TYPED);
}

static bool check_letters(const struct typed *typed, struct clo_error *err)
{
    for (size_t group = 0; typed->count == TYPED && group < GROUPS; group++)
        if (check_of(typed->digits + group * LETTERS) !=
            typed->digits[(size_t)GROUPS * LETTERS + group])
            return clo_fail(err, CLO_ERR_FORMAT,
                            "group %zu does not fit check letter %zu: one of the two has a typo",
                            group + 1, group + 1);
    return true;
}

bool clo_recovery_parse(struct clo_bytes in, struct clo_secret **out, bool *is_checked,
                        struct clo_error *err)
{
    struct typed typed = { .count = 0 };

    bool ok = read_letters(in, &typed, err) && check_groups(&typed, err) &&
              check_letters(&typed, err) && write_digits(typed.digits, out, err);
    if (ok)
        *is_checked = typed.count == TYPED;
    clo_wipe(&typed, sizeof typed);
    return ok;
}
