#include "lib/disk/lvm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR      512U
#define CRC_START   0xf597a6cfU
#define PLACES_MAX  16 /* of data, and of metadata, in a label */
#define IGNORED     1U
#define NODES_MAX   16384 /* a group has some hundreds */
#define DEPTH_MAX   8
#define EXTENTS_MAX ((uint64_t)1 << 40) /* sectors and extents: their products stay in a word */

static bool corrupt(struct clo_error *err, const char *what)
{
    return clo_fail(err, CLO_ERR_FORMAT, "LVM: %s", what);
}

/* CRC-32 with a start of its own, and without the last inversion. */
static uint32_t crc(struct clo_bytes in)
{
    return ~clo_crc32(~CRC_START, in);
}

/* --- The label --- */

static bool find_label(struct clo_bytes head, struct clo_bytes *sector, uint64_t *number)
{
    for (*number = 0; *number < 4; ++*number) {
        *sector = clo_bytes_slice(head, (size_t)*number * SECTOR, SECTOR);
        if (sector->size == SECTOR &&
            clo_bytes_equal(clo_bytes_slice(*sector, 0, 8), clo_bytes("LABELONE", 8)))
            return true;
    }
    return false;
}

/* Pairs of place and size, up to one that is zero. */
static bool read_places(struct clo_reader *r, uint64_t first[2])
{
    first[0] = first[1] = 0;
    for (int i = 0; i < PLACES_MAX; i++) {
        uint64_t at = clo_read_le64(r), size = clo_read_le64(r);
        if (at == 0)
            return clo_reader_ok(r);
        if (i == 0) {
            first[0] = at;
            first[1] = size;
        }
    }
    return false;
}

bool clo_lvm_label(struct clo_bytes head, struct clo_lvm_label *out, struct clo_error *err)
{
    struct clo_bytes sector;
    uint64_t number, data[2], areas[2];

    if (!find_label(head, &sector, &number))
        return corrupt(err, "no label in its first four sectors");
    struct clo_reader r = clo_reader(clo_bytes_slice(sector, 8, SECTOR));
    uint64_t its_number = clo_read_le64(&r);
    uint32_t sum = clo_read_le32(&r), at = clo_read_le32(&r);
    struct clo_bytes type = clo_read_bytes(&r, 8);
    if (its_number != number || sum != crc(clo_bytes_slice(sector, 20, SECTOR)))
        return corrupt(err, "a label with a wrong checksum");
    if (!clo_bytes_equal(type, clo_bytes("LVM2 001", 8)))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "LVM: a label that is not LVM2's");
    struct clo_reader header = clo_reader(clo_bytes_slice(sector, at, SECTOR));
    struct clo_bytes id = clo_read_bytes(&header, CLO_LVM_ID - 1);
    clo_read_skip(&header, 8);
    if (!read_places(&header, data) || !read_places(&header, areas) ||
        memchr(id.data, '\0', id.size) != NULL)
        return corrupt(err, "a label that is cut short");
    *out = (struct clo_lvm_label){ .area_at = areas[0], .area_size = areas[1] };
    memcpy(out->id, id.data, id.size);
    return true;
}

bool clo_lvm_area(struct clo_bytes header, const struct clo_lvm_label *label,
                  struct clo_lvm_place *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(header);
    uint32_t sum = clo_read_le32(&r);
    struct clo_bytes magic = clo_read_bytes(&r, 16);
    uint32_t version = clo_read_le32(&r);
    uint64_t start = clo_read_le64(&r), size = clo_read_le64(&r);

    *out = (struct clo_lvm_place){ .at = clo_read_le64(&r) };
    uint64_t text = clo_read_le64(&r);
    out->sum = clo_read_le32(&r);
    uint32_t flags = clo_read_le32(&r);
    if (!clo_reader_ok(&r) || header.size != CLO_LVM_AREA ||
        sum != crc(clo_bytes_slice(header, 4, SIZE_MAX)))
        return corrupt(err, "metadata with a wrong checksum");
    if (!clo_bytes_equal(magic, clo_bytes(" LVM2 x[5A%r0N*>", 16)) || version != 1 ||
        start != label->area_at || size != label->area_size)
        return corrupt(err, "metadata that is not where its label says");
    if (out->at == 0 || (flags & IGNORED) != 0)
        return true;
    if (text == 0 || text > CLO_LVM_TEXT_MAX || out->at < CLO_LVM_AREA || out->at >= size ||
        text > size - CLO_LVM_AREA)
        return corrupt(err, "metadata beyond its area");
    out->size = text;
    out->wrapped = text > size - out->at ? text - (size - out->at) : 0;
    return true;
}

/* --- The text --- */

enum kind {
    SECTION,
    NUMBER,
    STRING,
    LIST
};

struct node {
    unsigned parent;
    enum kind kind;
    struct clo_bytes name, value; /* a list's members are nodes without a name */
};

struct config {
    struct node *nodes;
    unsigned count, room;
    struct clo_bytes in;
    size_t at;
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != 0 && strchr("+_.-/", c) != NULL);
}

/* The next character that counts; 0 at the end. Comments reach to the line's end. */
static uint8_t peek(struct config *config)
{
    for (; config->at < config->in.size; config->at++) {
        uint8_t c = config->in.data[config->at];
        if (c == '#')
            while (config->at + 1 < config->in.size && config->in.data[config->at + 1] != '\n')
                config->at++;
        else if (!is_blank(c))
            return c;
    }
    return 0;
}

static struct clo_bytes take_word(struct config *config)
{
    size_t start = config->at;

    while (config->at < config->in.size && is_word(config->in.data[config->at]))
        config->at++;
    return clo_bytes_slice(config->in, start, config->at - start);
}

static bool add(struct config *config, unsigned parent, enum kind kind, struct clo_bytes name,
                struct clo_bytes value, struct clo_error *err)
{
    if (config->count == NODES_MAX)
        return corrupt(err, "a text of more than any group has");
    if (config->count == config->room) {
        unsigned room = config->room * 2 + 256;
        struct node *more = realloc(config->nodes, room * sizeof *more);
        if (more == NULL)
            return clo_out_of_memory(err);
        config->nodes = more;
        config->room = room;
    }
    config->nodes[config->count++] = (struct node){ parent, kind, name, value };
    return true;
}

/* A string in quotes or a number. What has an escape in it is not a name of ours. */
static bool take_value(struct config *config, unsigned parent, struct clo_bytes name,
                       struct clo_error *err)
{
    uint8_t c = peek(config);

    if (c != '"') {
        struct clo_bytes word = take_word(config);
        return word.size > 0 ? add(config, parent, NUMBER, name, word, err)
                             : corrupt(err, "a text that is not LVM's");
    }
    size_t start = ++config->at;
    while (config->at < config->in.size && config->in.data[config->at] != '"')
        config->at += config->in.data[config->at] == '\\' ? 2 : 1;
    if (config->at >= config->in.size)
        return corrupt(err, "a text that is cut short");
    struct clo_bytes value = clo_bytes_slice(config->in, start, config->at - start);
    config->at++;
    return add(config, parent, STRING, name, value, err);
}

static bool take_list(struct config *config, unsigned parent, struct clo_bytes name,
                      struct clo_error *err)
{
    unsigned list = config->count;

    if (!add(config, parent, LIST, name, clo_bytes(NULL, 0), err))
        return false;
    config->at++;
    for (uint8_t c; (c = peek(config)) != ']';) {
        if (c == ',')
            config->at++;
        else if (!take_value(config, list, clo_bytes(NULL, 0), err))
            return false;
    }
    config->at++;
    return true;
}

/* One section inside of another: a stack of which one is open. */
static bool parse_text(struct config *config, struct clo_error *err)
{
    unsigned open[DEPTH_MAX] = { 0 }, depth = 0;

    if (!add(config, 0, SECTION, clo_bytes(NULL, 0), clo_bytes(NULL, 0), err))
        return false;
    for (uint8_t c; (c = peek(config)) != 0;) {
        if (c == '}' && depth > 0) {
            config->at++;
            depth--;
            continue;
        }
        struct clo_bytes name = take_word(config);
        c = peek(config);
        if (name.size == 0 || (c != '{' && c != '='))
            return corrupt(err, "a text that is not LVM's");
        config->at++;
        if (c == '{') {
            if (depth + 1 == DEPTH_MAX)
                return corrupt(err, "sections in sections without an end");
            open[++depth] = config->count;
            if (!add(config, open[depth - 1], SECTION, name, clo_bytes(NULL, 0), err))
                return false;
        } else if (!(peek(config) == '[' ? take_list : take_value)(config, open[depth], name,
                                                                   err)) {
            return false;
        }
    }
    return depth == 0 || corrupt(err, "a text that is cut short");
}

/* --- What is in it --- */

/* The next member of a section after `after`, 0 for the first; 0: there are no more. */
static unsigned next_in(const struct config *config, unsigned parent, unsigned after)
{
    for (unsigned i = (after == 0 ? parent : after) + 1; i < config->count; i++)
        if (config->nodes[i].parent == parent)
            return i;
    return 0;
}

static const struct node *find(const struct config *config, unsigned parent, const char *name)
{
    for (unsigned i = parent + 1; i < config->count; i++)
        if (config->nodes[i].parent == parent &&
            clo_bytes_equal(config->nodes[i].name, clo_bytes_text(name)))
            return &config->nodes[i];
    return NULL;
}

static unsigned find_section(const struct config *config, unsigned parent, const char *name)
{
    const struct node *node = find(config, parent, name);

    return node != NULL && node->kind == SECTION ? (unsigned)(node - config->nodes) : 0;
}

static bool to_number(const struct node *node, uint64_t *out)
{
    *out = 0;
    if (node == NULL || node->kind != NUMBER || node->value.size > 15)
        return false;
    for (size_t i = 0; i < node->value.size; i++) {
        if (node->value.data[i] < '0' || node->value.data[i] > '9')
            return false;
        *out = *out * 10 + (uint64_t)(node->value.data[i] - '0');
    }
    return *out <= EXTENTS_MAX;
}

static bool get_number(const struct config *config, unsigned section, const char *name,
                       uint64_t *out)
{
    return to_number(find(config, section, name), out);
}

/* Without the hyphens between its groups. */
static bool get_id(const struct config *config, unsigned section, char out[CLO_LVM_ID])
{
    const struct node *node = find(config, section, "id");
    size_t used = 0;

    for (size_t i = 0; node != NULL && node->kind == STRING && i < node->value.size; i++) {
        if (node->value.data[i] == '-')
            continue;
        if (used == CLO_LVM_ID - 1 || !is_word(node->value.data[i]))
            return false;
        out[used++] = (char)node->value.data[i];
    }
    out[used] = '\0';
    return used == CLO_LVM_ID - 1;
}

static bool set_name(struct clo_bytes name, char out[CLO_LVM_NAME])
{
    snprintf(out, CLO_LVM_NAME, "%.*s", (int)name.size, (const char *)name.data);
    return name.size < CLO_LVM_NAME && out[0] != '.' && strchr(out, '/') == NULL;
}

static bool read_disks(const struct config *config, unsigned group, uint64_t extent,
                       uint64_t starts[CLO_LVM_DISKS], unsigned sections[CLO_LVM_DISKS],
                       struct clo_lvm *out, struct clo_error *err)
{
    unsigned all = find_section(config, group, "physical_volumes");

    for (unsigned i = 0; all != 0 && (i = next_in(config, all, i)) != 0;) {
        struct clo_lvm_disk *disk = &out->disks[out->disk_count];
        uint64_t start, count;
        if (out->disk_count == CLO_LVM_DISKS)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "LVM: more than %d physical volumes",
                            CLO_LVM_DISKS);
        if (config->nodes[i].kind != SECTION || !get_id(config, i, disk->id) ||
            !get_number(config, i, "pe_start", &start) ||
            !get_number(config, i, "pe_count", &count) || count > EXTENTS_MAX / extent)
            return corrupt(err, "a physical volume that is not one");
        disk->size = (start + count * extent) * SECTOR;
        starts[out->disk_count] = start;
        sections[out->disk_count++] = i;
    }
    return out->disk_count > 0 || corrupt(err, "a group without physical volumes");
}

struct group {
    const struct config *config;
    uint64_t extent; /* sectors */
    uint64_t starts[CLO_LVM_DISKS];
    unsigned sections[CLO_LVM_DISKS];
    struct clo_lvm *out;
};

static bool find_disk(const struct group *group, const struct node *name, unsigned *out)
{
    for (*out = 0; *out < group->out->disk_count; ++*out)
        if (name->kind == STRING &&
            clo_bytes_equal(group->config->nodes[group->sections[*out]].name, name->value))
            return true;
    return false;
}

/* One stripe of one physical volume. */
static bool read_segment(struct group *group, unsigned section, struct clo_lvm_volume *volume,
                         struct clo_error *err)
{
    const struct config *config = group->config;
    struct clo_lvm *out = group->out;
    const struct node *type = find(config, section, "type");
    const struct node *stripes = find(config, section, "stripes");
    struct clo_lvm_segment segment;
    uint64_t start, count, stripe_count, place;

    if (type == NULL || type->kind != STRING ||
        !get_number(config, section, "start_extent", &start) ||
        !get_number(config, section, "extent_count", &count) || count == 0 ||
        count > EXTENTS_MAX / group->extent || start > EXTENTS_MAX / group->extent)
        return corrupt(err, "a segment that is not one");
    segment.at = start * group->extent * SECTOR;
    segment.size = count * group->extent * SECTOR;
    if (segment.at != volume->size)
        return corrupt(err, "segments that are not in order");
    volume->size += segment.size;
    bool is_striped = clo_bytes_equal(type->value, clo_bytes_text("striped"));
    if (!is_striped || !get_number(config, section, "stripe_count", &stripe_count) ||
        stripe_count != 1 || stripes == NULL || stripes->kind != LIST) {
        snprintf(volume->refusal, sizeof volume->refusal, "%.*s", (int)type->value.size,
                 (const char *)type->value.data);
        clo_sanitize(volume->refusal);
        return true;
    }
    unsigned list = (unsigned)(stripes - config->nodes), name = next_in(config, list, 0);
    unsigned number = name == 0 ? 0 : next_in(config, list, name);
    if (number == 0 || !find_disk(group, &config->nodes[name], &segment.disk) ||
        !to_number(&config->nodes[number], &place) || place > EXTENTS_MAX / group->extent)
        return corrupt(err, "a segment on a physical volume that is not the group's");
    segment.place = (group->starts[segment.disk] + place * group->extent) * SECTOR;
    uint64_t end = out->disks[segment.disk].size;
    if (segment.place > end || segment.size > end - segment.place)
        return corrupt(err, "a segment beyond its physical volume's end");
    if (out->segment_count == CLO_LVM_SEGMENTS)
        return corrupt(err, "more segments than are read");
    out->segments[out->segment_count++] = segment;
    volume->count++;
    return true;
}

static bool has_status(const struct config *config, unsigned section, const char *wanted)
{
    const struct node *status = find(config, section, "status");
    unsigned list = status == NULL ? 0 : (unsigned)(status - config->nodes);

    for (unsigned i = 0; list != 0 && (i = next_in(config, list, i)) != 0;)
        if (clo_bytes_equal(config->nodes[i].value, clo_bytes_text(wanted)))
            return true;
    return false;
}

static bool read_volume(struct group *group, unsigned section, struct clo_error *err)
{
    const struct config *config = group->config;
    struct clo_lvm *out = group->out;
    struct clo_lvm_volume *volume = &out->volumes[out->volume_count];
    uint64_t count;

    if (out->volume_count == CLO_LVM_VOLUMES)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "LVM: more than %d logical volumes",
                        CLO_LVM_VOLUMES);
    *volume = (struct clo_lvm_volume){ .segments = &out->segments[out->segment_count] };
    if (config->nodes[section].kind != SECTION ||
        !set_name(config->nodes[section].name, volume->name) ||
        !get_number(config, section, "segment_count", &count) || count > CLO_LVM_SEGMENTS)
        return corrupt(err, "a logical volume that is not one");
    volume->is_hidden = !has_status(config, section, "VISIBLE");
    for (uint64_t i = 1; i <= count; i++) {
        char name[32];
        snprintf(name, sizeof name, "segment%" PRIu64, i);
        unsigned segment = find_section(config, section, name);
        if (segment == 0)
            return corrupt(err, "a logical volume without its segments");
        if (!read_segment(group, segment, volume, err))
            return clo_wrap(err, "volume %s", volume->name);
    }
    out->volume_count++;
    return true;
}

static bool read_group(const struct config *config, struct clo_lvm *out, struct clo_error *err)
{
    struct group group = { .config = config, .out = out };
    unsigned section = 0, volumes;

    while ((section = next_in(config, 0, section)) != 0 && config->nodes[section].kind != SECTION)
        continue;
    if (section == 0 || !set_name(config->nodes[section].name, out->name) ||
        !get_id(config, section, out->id) ||
        !get_number(config, section, "seqno", &out->sequence) ||
        !get_number(config, section, "extent_size", &group.extent) || group.extent == 0)
        return corrupt(err, "a text without a group");
    if (!read_disks(config, section, group.extent, group.starts, group.sections, out, err))
        return false;
    volumes = find_section(config, section, "logical_volumes");
    for (unsigned i = 0; volumes != 0 && (i = next_in(config, volumes, i)) != 0;)
        if (!read_volume(&group, i, err))
            return false;
    return true;
}

bool clo_lvm_parse(struct clo_bytes text, const struct clo_lvm_place *place, struct clo_lvm *out,
                   struct clo_error *err)
{
    struct config config = { .in = text };

    if (text.size != place->size || crc(text) != place->sum)
        return corrupt(err, "a text with a wrong checksum");
    while (config.in.size > 0 && config.in.data[config.in.size - 1] == '\0')
        config.in.size--;
    memset(out, 0, sizeof *out);
    bool ok = parse_text(&config, err) && read_group(&config, out, err);
    free(config.nodes);
    return ok;
}

static char *put_name(char *at, const char *name)
{
    for (; *name != '\0'; name++) {
        *at++ = *name;
        if (*name == '-')
            *at++ = '-';
    }
    *at = '\0';
    return at;
}

void clo_lvm_mapped_name(const char *group, const char *volume, char out[2 * CLO_LVM_NAME * 2])
{
    char *at = put_name(out, group);

    *at++ = '-';
    put_name(at, volume);
}
