/* The pictures, as SVG 2 inside the page. Narrow, so that their words stay readable on a telephone; each has
 * a title and a description, and nothing is said by colour alone. */
#include <stdio.h>
#include <string.h>

#include "cloister/gpt.h"
#include "page.h"

#define WIDTH      360
#define BOX_HEIGHT 62
#define BOX_STEP   84
#define DISK_TOP   40
#define DISK_SIZE  300 /* of a whole disk */
#define PART_MIN   58  /* room for two lines */
#define COLUMN     166

static const struct {
    const char *fill, *line;
} colors[] = {
    [STATE_GOOD] = { "#e3f3e6", "#1b6b2f" },
    [STATE_BAD] = { "#fbe4e1", "#9b1c1c" },
    [STATE_OPEN] = { "#f4f0dc", "#6b5200" },
};

static void begin(const struct page *page, const char *id, int height, const char *title,
                  const char *description)
{
    clo_buffer_printf(page->out,
                      "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"%s-t %s-d\" "
                      "xmlns=\"http://www.w3.org/2000/svg\">\n<title id=\"%s-t\">",
                      WIDTH, height, id, id, id);
    page_text(page, title);
    clo_buffer_printf(page->out, "</title>\n<desc id=\"%s-d\">", id);
    page_text(page, description);
    page_markup(page, "</desc>\n");
}

static void words(const struct page *page, int x, int y, const char *class, const char *text)
{
    clo_buffer_printf(page->out, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
    page_text(page, text);
    page_markup(page, "</text>\n");
}

static void box(const struct page *page, int x, int y, int width, int height, enum state state)
{
    clo_buffer_printf(page->out,
                      "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\" fill=\"%s\" "
                      "stroke=\"%s\" stroke-width=\"2\"%s/>\n",
                      x, y, width, height, colors[state].fill, colors[state].line,
                      state == STATE_OPEN ? " stroke-dasharray=\"6 4\"" : "");
}

/* --- From silicon to disk --- */

static const char *stage_says(const struct page *page, enum stage stage)
{
    switch (stage) {
    case STAGE_PROCESSOR:
        return T("encrypts memory, signs the evidence");
    case STAGE_FIRMWARE:
        return T("is measured, starts only what is signed");
    case STAGE_BOOT:
        return T("kernel, start programs and options in one");
    case STAGE_KERNEL:
        return T("is built to distrust the host");
    default:
        return T("is opened with a key that comes last");
    }
}

static void describe_chain(const struct page *page, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (int i = 0; i < STAGES && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s: %s", i == 0 ? "" : "; ",
                                 page_stage_name(page, (enum stage)i),
                                 page_state_word(page, page->stages[i]));
}

void page_chain(const struct page *page)
{
    char description[512];
    char label[128];

    describe_chain(page, description, sizeof description);
    begin(page, "chain", STAGES * BOX_STEP, T("The chain from the processor to the disk"),
          description);
    for (int i = 0; i < STAGES; i++) {
        int y = 2 + i * BOX_STEP;
        box(page, 2, y, WIDTH - 4, BOX_HEIGHT, page->stages[i]);
        words(page, 16, y + 26, "strong", page_stage_name(page, (enum stage)i));
        words(page, 16, y + 48, "small", stage_says(page, (enum stage)i));
        snprintf(label, sizeof label, "%s %s", page_state_symbol(page->stages[i]),
                 page_state_word(page, page->stages[i]));
        words(page, WIDTH - 16, y + 26, "end", label);
        if (i + 1 < STAGES)
            clo_buffer_printf(page->out,
                              "<path d=\"M %d %d v 16 m -6 -6 l 6 6 l 6 -6\" fill=\"none\" "
                              "stroke=\"#333\" stroke-width=\"2\"/>\n",
                              WIDTH / 2, y + BOX_HEIGHT + 2);
    }
    page_markup(page, "</svg>\n");
}

/* --- The two disks --- */

struct part {
    const char *name;
    uint64_t bytes; /* 0: not said */
    uint64_t weight;
    enum state state;
    const char *says;
};

#define PARTS_MAX 8

static void draw_disk(const struct page *page, int x, const char *title, const struct part *parts,
                      size_t count)
{
    uint64_t all = 0;
    int y = DISK_TOP;

    words(page, x + 2, 26, "strong", title);
    for (size_t i = 0; i < count; i++)
        all += parts[i].weight;
    for (size_t i = 0; i < count; i++) {
        char label[160], size[32] = "";
        int left = DISK_SIZE - (int)count * PART_MIN;
        int height =
                PART_MIN - 6 +
                (left > 0 && all > 0 ? (int)((double)parts[i].weight / (double)all * left) : 0);
        box(page, x + 2, y, COLUMN - 4, height, parts[i].state);
        if (parts[i].bytes > 0)
            snprintf(size, sizeof size, ", %llu MiB", (unsigned long long)(parts[i].bytes >> 20));
        snprintf(label, sizeof label, "%s %.14s%s", page_state_symbol(parts[i].state),
                 parts[i].name, size);
        words(page, x + 12, y + 22, "strong", label);
        words(page, x + 12, y + 42, "small", parts[i].says);
        y += height + 6;
    }
}

static size_t ordinary_disk(const struct page *page, struct part parts[PARTS_MAX])
{
    parts[0] = (struct part){ "esp", 0, 1, STATE_BAD, T("readable, changeable") };
    parts[1] = (struct part){ "boot", 0, 1, STATE_BAD, T("readable, changeable") };
    parts[2] = (struct part){ "root", 0, 8, STATE_BAD, T("readable, changeable") };
    return 3;
}

static size_t this_disk(const struct page *page, struct part parts[PARTS_MAX])
{
    const json_t *root = json_object_get(page->in->image, "root");
    bool is_fit = json_is_true(json_object_get(root, "fit"));
    char esp[CLO_GUID_TEXT], root_type[CLO_GUID_TEXT];
    json_t *partition;
    size_t i, count = 0;

    clo_guid_text(&clo_gpt_type_esp, esp);
    clo_guid_text(&clo_gpt_type_root_x86_64, root_type);
    json_array_foreach (json_object_get(page->in->image, "partitions"), i, partition) {
        const char *type = page_string(partition, "type");
        json_int_t bytes = json_integer_value(json_object_get(partition, "bytes"));
        if (count == PARTS_MAX)
            break;
        struct part *part = &parts[count++];
        *part = (struct part){ page_string(partition, "name"), bytes > 0 ? (uint64_t)bytes : 0,
                               bytes > 0 ? (uint64_t)bytes : 0, STATE_OPEN, T("not looked into") };
        if (strcmp(type, esp) == 0) {
            part->state = STATE_OPEN;
            part->says = T("open, must be signed");
        } else if (strcmp(type, root_type) == 0) {
            part->state = is_fit ? STATE_GOOD : STATE_BAD;
            part->says = is_fit ? T("encrypted") : T("not safely encrypted");
        }
    }
    return count;
}

static void describe_disk(const struct part *parts, size_t count, char *out, size_t size)
{
    size_t used = strlen(out);

    for (size_t i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s: %s", i == 0 ? "" : ", ",
                                 parts[i].name, parts[i].says);
}

void page_disks(const struct page *page)
{
    struct part ordinary[PARTS_MAX], ours[PARTS_MAX];
    size_t ordinary_count = ordinary_disk(page, ordinary);
    size_t our_count = page->in->image == NULL ? 0 : this_disk(page, ours);
    int height = DISK_TOP + DISK_SIZE + 10;
    char description[1024];

    if (our_count * PART_MIN > DISK_SIZE)
        height = DISK_TOP + (int)our_count * PART_MIN + 10;
    snprintf(description, sizeof description, "%s: ", T("An ordinary disk"));
    describe_disk(ordinary, ordinary_count, description, sizeof description);
    if (our_count > 0) {
        size_t used = strlen(description);
        snprintf(description + used, sizeof description - used, ". %s: ", T("This disk"));
        describe_disk(ours, our_count, description, sizeof description);
    }
    begin(page, "disks", height, T("An ordinary disk beside this one"), description);
    draw_disk(page, 0, T("An ordinary disk"), ordinary, ordinary_count);
    if (our_count > 0)
        draw_disk(page, WIDTH - COLUMN, T("This disk"), ours, our_count);
    page_markup(page, "</svg>\n");
    if (our_count == 0)
        page_element(page, "p class=\"note\"",
                     T("No look into a disk image was given, so only the ordinary one is drawn."));
}
