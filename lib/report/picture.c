/* The pictures, as SVG 2 inside the page. Their boxes take the page's width and their words keep their size,
 * so that both can be read on a telephone; each has a title and a description, and nothing is said by colour
 * alone. */
#include <stdio.h>
#include <string.h>

#include "lib/disk/gpt.h"
#include "page.h"

#define LINK_HEIGHT 64
#define LINK_STEP   84
#define DISK_TOP    36
#define DISK_SIZE   300 /* of a whole disk */
#define PART_MIN    58  /* room for two lines */
#define STEP_TOP    56
#define STEP_HEIGHT 54

static void begin(const struct page *page, const char *id, int height, const char *title,
                  const char *description)
{
    clo_buffer_printf(page->out,
                      "<svg width=\"100%%\" height=\"%d\" role=\"img\" aria-labelledby=\"%s-t "
                      "%s-d\" xmlns=\"http://www.w3.org/2000/svg\">\n<title id=\"%s-t\">",
                      height, id, id, id);
    page_text(page, title);
    clo_buffer_printf(page->out, "</title>\n<desc id=\"%s-d\">", id);
    page_text(page, description);
    page_markup(page, "</desc>\n");
}

/* `x` is a length of SVG: "16", "50%". */
static void words(const struct page *page, const char *x, int dx, int y, const char *class,
                  const char *text)
{
    clo_buffer_printf(page->out, "<text x=\"%s\" dx=\"%d\" y=\"%d\" class=\"%s\">", x, dx, y,
                      class);
    page_text(page, text);
    page_markup(page, "</text>\n");
}

/* --- From silicon to disk --- */

static const char *stage_says(const struct page *page, enum stage stage)
{
    switch (stage) {
    case STAGE_PROCESSOR:
        return T("encrypts memory, signs the evidence");
    case STAGE_FIRMWARE:
        return T("is measured, and starts the boot file");
    case STAGE_BOOT:
        return T("kernel, start programs, options");
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
        used += (size_t)snprintf(out + used, size - used, "%s%s%s%s", i == 0 ? "" : "; ",
                                 page_stage_name(page, (enum stage)i), T(": "),
                                 page_state_word(page, page->stages[i]));
}

/* From one link to the next; broken where nothing can be concluded any more. */
static void put_tie(const struct page *page, int i, int y)
{
    bool holds = page->stages[i] == STATE_GOOD;

    clo_buffer_printf(page->out, "<line x1=\"34\" x2=\"34\" y1=\"%d\" y2=\"%d\" class=\"%s\"/>\n",
                      y + LINK_HEIGHT / 2 + 16, y + LINK_STEP + LINK_HEIGHT / 2 - 16,
                      holds ? "good" : "broken");
}

static void put_link(const struct page *page, int i, int y)
{
    enum state state = page->stages[i];
    const char *class = page_state_class(state);
    char sign[16], end[16];

    snprintf(sign, sizeof sign, "sign %s", class);
    snprintf(end, sizeof end, "end %s", class);
    clo_buffer_printf(page->out,
                      "<rect x=\"1\" y=\"%d\" width=\"100%%\" height=\"%d\" rx=\"10\" "
                      "class=\"box %s\" style=\"width:calc(100%% - 2px)\"/>\n"
                      "<circle cx=\"34\" cy=\"%d\" r=\"15\" class=\"dot %s\"/>\n",
                      y, LINK_HEIGHT, class, y + LINK_HEIGHT / 2, class);
    words(page, "34", 0, y + LINK_HEIGHT / 2 + 6, sign, page_state_symbol(state));
    words(page, "64", 0, y + 28, "strong", page_stage_name(page, (enum stage)i));
    words(page, "64", 0, y + 49, "small", stage_says(page, (enum stage)i));
    words(page, "100%", -16, y + 28, end, page_state_word(page, state));
}

void page_chain(const struct page *page)
{
    char description[600];

    describe_chain(page, description, sizeof description);
    begin(page, "chain", (STAGES - 1) * LINK_STEP + LINK_HEIGHT + 2,
          T("The chain from the processor to the disk"), description);
    for (int i = 0; i < STAGES; i++)
        put_link(page, i, 1 + i * LINK_STEP);
    for (int i = 0; i + 1 < STAGES; i++)
        put_tie(page, i, 1 + i * LINK_STEP);
    page_markup(page, "</svg>\n");
}

/* --- The two disks --- */

struct part {
    const char *name;
    uint64_t bytes; /* 0: not said */
    uint64_t weight;
    enum state state;
    bool is_plain; /* as it has to be: no verdict */
    const char *says;
};

#define PARTS_MAX 8

static void put_part(const struct page *page, const char *x, const struct part *part, int y,
                     int height)
{
    const char *class = part->is_plain ? "plain" : page_state_class(part->state);
    char label[200], size[32] = "", small[24];

    clo_buffer_printf(page->out,
                      "<rect x=\"%s\" y=\"%d\" width=\"47%%\" height=\"%d\" rx=\"8\" "
                      "class=\"box %s\"/>\n",
                      x, y, height, class);
    if (part->bytes > 0)
        snprintf(size, sizeof size, ", %llu MiB", (unsigned long long)(part->bytes >> 20));
    snprintf(label, sizeof label, "%.14s%s", part->name, size);
    snprintf(small, sizeof small, "small %s", part->is_plain ? "" : class);
    words(page, x, 14, y + 23, "strong", label);
    snprintf(label, sizeof label, "%s%s%s", part->is_plain ? "" : page_state_symbol(part->state),
             part->is_plain ? "" : " ", part->says);
    words(page, x, 14, y + 43, small, label);
}

static void draw_disk(const struct page *page, const char *x, const char *title,
                      const struct part *parts, size_t count)
{
    uint64_t all = 0;
    int y = DISK_TOP;

    words(page, x, 2, 22, "strong", title);
    for (size_t i = 0; i < count; i++)
        all += parts[i].weight;
    for (size_t i = 0; i < count; i++) {
        int left = DISK_SIZE - (int)count * PART_MIN;
        int height =
                PART_MIN - 6 +
                (left > 0 && all > 0 ? (int)((double)parts[i].weight / (double)all * left) : 0);
        put_part(page, x, &parts[i], y, height);
        y += height + 6;
    }
}

static size_t ordinary_disk(const struct page *page, struct part parts[PARTS_MAX])
{
    parts[0] = (struct part){ "esp", 0, 1, STATE_BAD, false, T("readable, changeable") };
    parts[1] = (struct part){ "boot", 0, 1, STATE_BAD, false, T("readable, changeable") };
    parts[2] = (struct part){ "root", 0, 8, STATE_BAD, false, T("readable, changeable") };
    return 3;
}

static void judge(const struct page *page, const char *type, struct part *part)
{
    bool is_fit = json_is_true(json_object_get(json_object_get(page->in->image, "root"), "fit"));
    char esp[CLO_GUID_TEXT], root[CLO_GUID_TEXT];

    clo_guid_text(&clo_gpt_type_esp, esp);
    clo_guid_text(&clo_gpt_type_root_x86_64, root);
    if (strcmp(type, esp) == 0) {
        part->is_plain = true;
        part->says = T("readable, is measured");
    } else if (strcmp(type, root) == 0) {
        part->state = is_fit ? STATE_GOOD : STATE_BAD;
        part->says = is_fit ? T("encrypted") : T("not safely encrypted");
    }
}

static size_t this_disk(const struct page *page, struct part parts[PARTS_MAX])
{
    json_t *partition;
    size_t i, count = 0;

    json_array_foreach (json_object_get(page->in->image, "partitions"), i, partition) {
        json_int_t bytes = json_integer_value(json_object_get(partition, "bytes"));
        if (count == PARTS_MAX)
            break;
        struct part *part = &parts[count++];
        *part = (struct part){ .name = page_string(partition, "name"),
                               .bytes = bytes > 0 ? (uint64_t)bytes : 0,
                               .weight = bytes > 0 ? (uint64_t)bytes : 0,
                               .state = STATE_OPEN,
                               .says = T("not looked into") };
        judge(page, page_string(partition, "type"), part);
    }
    return count;
}

static void describe_disk(const struct page *page, const struct part *parts, size_t count,
                          char *out, size_t size)
{
    size_t used = strlen(out);

    for (size_t i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s%s%s", i == 0 ? "" : ", ",
                                 parts[i].name, T(": "), parts[i].says);
}

void page_disks(const struct page *page)
{
    struct part ordinary[PARTS_MAX], ours[PARTS_MAX];
    size_t ordinary_count = ordinary_disk(page, ordinary);
    size_t our_count = page->in->image == NULL ? 0 : this_disk(page, ours);
    int height = DISK_TOP + DISK_SIZE + 4;
    char description[1024];

    if (our_count * PART_MIN > DISK_SIZE)
        height = DISK_TOP + (int)our_count * PART_MIN + 4;
    snprintf(description, sizeof description, "%s%s", T("An ordinary disk"), T(": "));
    describe_disk(page, ordinary, ordinary_count, description, sizeof description);
    if (our_count > 0) {
        size_t used = strlen(description);
        snprintf(description + used, sizeof description - used, ". %s%s", T("This disk"), T(": "));
        describe_disk(page, ours, our_count, description, sizeof description);
    }
    begin(page, "disks", height, T("An ordinary disk next to this one"), description);
    draw_disk(page, "0.5%", T("An ordinary disk"), ordinary, ordinary_count);
    if (our_count > 0)
        draw_disk(page, "52.5%", T("This disk"), ours, our_count);
    page_markup(page, "</svg>\n");
    if (our_count == 0)
        page_element(page, "p class=\"note\"",
                     T("No look into a disk image was given, so only the ordinary one is drawn."));
}

/* --- How the key travels --- */

struct step {
    const char *says;
    int direction; /* 1: to the broker; -1: to the machine; 0: within one of them */
    bool is_brokers;
};

/* Both ends are at a fixed place from the edges: the host, between them, only carries. */
static void put_arrow(const struct page *page, const struct step *step, int y)
{
    clo_buffer_printf(page->out, "<line x1=\"12%%\" x2=\"88%%\" y1=\"%d\" y2=\"%d\"/>\n", y, y);
    clo_buffer_printf(page->out,
                      "<svg x=\"%s\" y=\"%d\" overflow=\"visible\"><path class=\"head\" d=\"%s\"/>"
                      "</svg>\n",
                      step->direction > 0 ? "88%" : "12%", y,
                      step->direction > 0 ? "M 0 0 l -11 -6 v 12 z" : "M 0 0 l 11 -6 v 12 z");
}

static void put_step(const struct page *page, const struct step *step, int number, int y)
{
    char text[300];

    snprintf(text, sizeof text, "%d. %s", number, step->says);
    if (step->direction != 0) {
        words(page, "50%", 0, y - 9, "middle", text);
        put_arrow(page, step, y);
        return;
    }
    clo_buffer_printf(page->out, "<circle cx=\"%s\" cy=\"%d\" r=\"6\" class=\"head\"/>\n",
                      step->is_brokers ? "88%" : "12%", y - 4);
    words(page, step->is_brokers ? "88%" : "12%", step->is_brokers ? -14 : 14, y + 1,
          step->is_brokers ? "end" : "", text);
}

void page_journey(const struct page *page)
{
    const struct step steps[] = {
        { T("starts, with its disk closed"), 0, false },
        { T("asks for a fresh number"), 1, false },
        { T("a number used only once"), -1, false },
        { T("the processor's signed statement"), 1, false },
        { T("checks it, and decides"), 0, true },
        { T("the key, sealed for this machine"), -1, false },
        { T("opens its disk"), 0, false },
    };
    int height = STEP_TOP + (int)CLO_COUNT(steps) * STEP_HEIGHT;

    begin(page, "journey", height, T("How the key travels"),
          T("The steps between the machine and the owner's key broker, which the text below "
            "tells."));
    clo_buffer_printf(page->out,
                      "<line class=\"life\" x1=\"12%%\" x2=\"12%%\" y1=\"40\" y2=\"%d\"/>\n"
                      "<line class=\"life\" x1=\"88%%\" x2=\"88%%\" y1=\"40\" y2=\"%d\"/>\n",
                      height, height);
    words(page, "0", 2, 20, "strong", T("The machine"));
    words(page, "50%", 0, 20, "small middle", T("the host carries"));
    words(page, "100%", -2, 20, "strong end", T("The key broker"));
    for (size_t i = 0; i < CLO_COUNT(steps); i++)
        put_step(page, &steps[i], (int)i + 1, STEP_TOP + 30 + (int)i * STEP_HEIGHT);
    page_markup(page, "</svg>\n");
}
