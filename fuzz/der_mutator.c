/* Mutates DER as a tree, for libFuzzer: bytes changed anywhere mostly break a length, and then nothing after it
 * is reached. One element is changed, removed, doubled, given another tag or replaced by another; the lengths
 * around it are made to fit. Every second time libFuzzer's own mutations are used. */
#include <string.h>

#include "fuzz.h"

#define ELEMENTS_MAX 512
#define DEPTH_MAX    16
#define PLAIN_MAX    65536

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

struct element {
    size_t at, header, size; /* of the contents */
};

struct tree {
    struct clo_bytes in;
    struct element items[ELEMENTS_MAX];
    size_t count;
};

enum change {
    CHANGE_CONTENTS,
    CHANGE_TAG,
    REMOVE,
    TWICE,
    REPLACE,
    CHANGES,
};

struct plan {
    const struct tree *tree;
    size_t target, other;
    enum change change;
    uint8_t tag;
    size_t room;
};

static bool read_element(struct clo_bytes in, size_t at, struct element *out)
{
    if (in.size - at < 2)
        return false;
    size_t size = in.data[at + 1];
    size_t more = size < 0x80 ? 0 : size & 0x7f;
    if (more > 3 || in.size - at - 2 < more)
        return false;
    if (more > 0)
        size = 0;
    for (size_t i = 0; i < more; i++)
        size = size << 8 | in.data[at + 2 + i];
    if (size > in.size - at - 2 - more)
        return false;
    *out = (struct element){ at, 2 + more, size };
    return true;
}

/* Constructed, or an OCTET STRING or BIT STRING with one element in it. */
static size_t inner_offset(struct clo_bytes in, const struct element *element)
{
    size_t start = element->at + element->header;
    uint8_t tag = in.data[element->at];
    size_t skip = tag == 0x03 ? 1 : 0;
    struct element inner;

    if (tag & 0x20)
        return start;
    if ((tag != 0x03 && tag != 0x04) || element->size < 2 + skip || in.data[start + skip] != 0x30 ||
        !read_element(clo_bytes(in.data, start + element->size), start + skip, &inner) ||
        inner.header + inner.size + skip != element->size)
        return 0;
    return start + skip;
}

static void read_all(struct tree *tree, size_t at, size_t end, unsigned depth)
{
    struct element element;

    while (at < end && tree->count < ELEMENTS_MAX &&
           read_element(clo_bytes(tree->in.data, end), at, &element)) {
        tree->items[tree->count++] = element;
        size_t inner = inner_offset(tree->in, &element);
        if (inner != 0 && depth < DEPTH_MAX)
            read_all(tree, inner, at + element.header + element.size, depth + 1);
        at += element.header + element.size;
    }
}

static void write_element(uint8_t tag, struct clo_bytes contents, struct clo_buffer *out)
{
    clo_buffer_u8(out, tag);
    if (contents.size >= 0x80)
        clo_buffer_u8(out, contents.size < 0x100 ? 0x81 : contents.size < 0x10000 ? 0x82 : 0x83);
    for (unsigned shift = 24; shift > 0; shift -= 8)
        if (contents.size >= 0x80 && contents.size >> (shift - 8) != 0)
            clo_buffer_u8(out, (uint8_t)(contents.size >> (shift - 8)));
    if (contents.size < 0x80)
        clo_buffer_u8(out, (uint8_t)contents.size);
    clo_buffer_append(out, contents);
}

static void write_changed(const struct plan *plan, struct clo_bytes whole, uint8_t tag,
                          struct clo_bytes contents, struct clo_buffer *out)
{
    const struct element *other = &plan->tree->items[plan->other];
    uint8_t plain[PLAIN_MAX];
    size_t size = contents.size < 4096 ? contents.size : 4096;

    switch (plan->change) {
    case CHANGE_CONTENTS:
        if (size != 0)
            memcpy(plain, contents.data, size);
        size = LLVMFuzzerMutate(plain, size, size + 16);
        write_element(tag, clo_bytes(plain, size), out);
        break;
    case CHANGE_TAG:
        write_element(plan->tag, contents, out);
        break;
    case TWICE:
        clo_buffer_append(out, whole);
        clo_buffer_append(out, whole);
        break;
    case REPLACE:
        clo_buffer_append(out,
                          clo_bytes(plan->tree->in.data + other->at, other->header + other->size));
        break;
    default:
        break;
    }
}

/* Everything from `at` to `end` again, with the one change in it. */
static void rewrite(const struct plan *plan, size_t at, size_t end, unsigned depth,
                    struct clo_buffer *out)
{
    struct clo_bytes in = plan->tree->in;
    struct element element;

    while (at < end && read_element(clo_bytes(in.data, end), at, &element)) {
        size_t start = at + element.header;
        size_t after = start + element.size;
        struct clo_bytes whole = clo_bytes(in.data + at, after - at);
        size_t inner = inner_offset(in, &element);
        size_t target = plan->tree->items[plan->target].at;
        if (target == at) {
            write_changed(plan, whole, in.data[at], clo_bytes(in.data + start, element.size), out);
        } else if (inner != 0 && target > at && target < after && depth < DEPTH_MAX) {
            struct clo_buffer contents = { 0 };
            clo_buffer_append(&contents, clo_bytes(in.data + start, inner - start));
            rewrite(plan, inner, after, depth + 1, &contents);
            write_element(in.data[at], clo_buffer_bytes(&contents), out);
            clo_buffer_free(&contents);
        } else {
            clo_buffer_append(out, whole);
        }
        at = after;
    }
    if (at < end)
        clo_buffer_append(out, clo_bytes(in.data + at, end - at));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static const uint8_t tags[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x12,
                                    0x13, 0x14, 0x16, 0x17, 0x18, 0x1a, 0x1c, 0x1e, 0x30,
                                    0x31, 0x80, 0x81, 0x82, 0xa0, 0xa1, 0xa2, 0xa3 };
    static struct tree tree;
    struct clo_buffer out = { 0 };

    tree = (struct tree){ .in = clo_bytes(data, size) };
    read_all(&tree, 0, size, 0);
    if (tree.count == 0 || seed % 2 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    seed /= 2;
    struct plan plan = { .tree = &tree,
                         .target = seed % tree.count,
                         .other = seed / 7 % tree.count,
                         /* Most often the contents: there dates, numbers and flags are. */
                         .change = seed / 11 % 8 < CHANGES ? seed / 11 % 8 : CHANGE_CONTENTS,
                         .tag = tags[seed / 13 % sizeof tags] };
    rewrite(&plan, 0, size, 0, &out);
    size_t made = out.size;
    if (clo_buffer_ok(&out) && made <= max_size && made > 0)
        memcpy(data, out.data, made);
    else
        made = LLVMFuzzerMutate(data, size, max_size);
    clo_buffer_free(&out);
    return made;
}
