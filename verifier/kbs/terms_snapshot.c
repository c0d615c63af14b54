/* A state of all terms, and which of them evidence can fulfil at all. */
#include <stdlib.h>
#include <string.h>

#include "verifier/kbs/terms_internal.h"

void terms_snapshot_free(struct terms_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    for (size_t i = 0; i < snapshot->count; i++)
        clo_pins_free(&snapshot->rows[i].pins);
    for (size_t i = 0; i < CLO_PIN_CLASSES; i++)
        free(snapshot->unpinned[i]);
    free(snapshot->rows);
    free(snapshot->leads);
    free(snapshot);
}

static void free_snapshot(struct terms_snapshot **snapshot)
{
    terms_snapshot_free(*snapshot);
    *snapshot = NULL;
}

/* --- Reading --- */

static bool copy_pins(const struct clo_pins *from, struct clo_pins *to, struct clo_error *err)
{
    *to = *from;
    to->items = NULL;
    to->capacity = from->count;
    if (from->count == 0)
        return true;
    to->items = malloc(from->count * sizeof *to->items);
    if (to->items == NULL) {
        *to = (struct clo_pins){ 0 };
        return clo_out_of_memory(err);
    }
    memcpy(to->items, from->items, from->count * sizeof *to->items);
    return true;
}

/* Rows have rising ids in both states, and the same digest is the same terms. */
static const struct terms_row *find_row(const struct terms_snapshot *snapshot,
                                        const struct clo_store_terms_row *row)
{
    size_t low = 0;
    size_t high = snapshot == NULL ? 0 : snapshot->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (snapshot->rows[middle].id < row->id)
            low = middle + 1;
        else
            high = middle;
    }
    if (snapshot == NULL || low == snapshot->count || snapshot->rows[low].id != row->id ||
        strcmp(snapshot->rows[low].digest, row->digest) != 0)
        return NULL;
    return &snapshot->rows[low];
}

static bool read_row(struct clo_store *store, const struct terms_snapshot *before,
                     const struct clo_store_terms_row *from, struct terms_row *row,
                     struct clo_error *err)
{
    const struct terms_row *known = find_row(before, from);
    CLO_CLEANUP(clo_terms_free) struct clo_terms terms = { 0 };

    row->id = from->id;
    memcpy(row->digest, from->digest, sizeof row->digest);
    if (known != NULL)
        return copy_pins(&known->pins, &row->pins, err);
    if (!clo_store_terms(store, from->id, &terms, err))
        return false;
    const struct clo_appraise_terms demanded = {
        .policy = terms.policy,
        .references = (const struct clo_reference *const *)terms.references,
        .reference_count = terms.reference_count,
    };
    return clo_pins_demand(&demanded, &row->pins, err);
}

static bool read_rows(struct clo_store *store, const struct terms_snapshot *before,
                      struct terms_snapshot *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_store_terms_row *rows = NULL;
    size_t count;

    if (!clo_store_terms_rows(store, &out->version, &rows, &count, err))
        return false;
    out->rows = calloc(count + 1, sizeof *out->rows);
    if (out->rows == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < count; i++) {
        struct terms_row *row = &out->rows[out->count];
        if (read_row(store, before, &rows[i], row, err))
            out->count++;
        else if (err->status !=
                 CLO_ERR_REFUSED) /* removed meanwhile: the next state is without it */
            return false;
    }
    return true;
}

/* --- Leads --- */

static int by_name(const void *a, const void *b)
{
    const struct terms_lead *first = a;
    const struct terms_lead *second = b;

    if (first->name != second->name)
        return first->name < second->name ? -1 : 1;
    return first->row < second->row ? -1 : first->row > second->row;
}

/* The first lead with that name, or where it would stand. */
static size_t find_lead(const struct terms_lead *leads, size_t count, uint64_t name)
{
    size_t low = 0;

    while (low < count) {
        size_t middle = low + (count - low) / 2;
        if (leads[middle].name < name)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

static size_t count_leads(const struct terms_lead *leads, size_t count, uint64_t name)
{
    size_t first = find_lead(leads, count, name);

    return (name == UINT64_MAX ? count : find_lead(leads, count, name + 1)) - first;
}

static struct terms_lead *all_leads(const struct terms_snapshot *snapshot, size_t *count)
{
    size_t total = 0;

    for (size_t i = 0; i < snapshot->count; i++)
        total += snapshot->rows[i].pins.count;
    struct terms_lead *leads = calloc(total + 1, sizeof *leads);
    *count = 0;
    for (size_t i = 0; leads != NULL && i < snapshot->count; i++)
        for (size_t k = 0; k < snapshot->rows[i].pins.count; k++)
            leads[(*count)++] =
                    (struct terms_lead){ snapshot->rows[i].pins.items[k].name, (uint32_t)i };
    if (leads != NULL)
        qsort(leads, *count, sizeof *leads, by_name);
    return leads;
}

/* The field by which these terms are found: the one whose values lead to the fewest others. */
static int choose_field(const struct clo_pins *pins, unsigned evidence,
                        const struct terms_lead *all, size_t count)
{
    size_t worst[CLO_PIN_FIELDS] = { 0 };
    int best = -1;

    for (size_t i = 0; i < pins->count; i++) {
        const struct clo_pin *pin = &pins->items[i];
        if (pin->evidence != evidence)
            continue;
        size_t shared = count_leads(all, count, pin->name);
        if (shared > worst[pin->field])
            worst[pin->field] = shared;
    }
    for (int field = 0; field < CLO_PIN_FIELDS; field++)
        if (worst[field] > 0 && (best < 0 || worst[field] < worst[best]))
            best = field;
    return best;
}

static bool add_unpinned(struct terms_snapshot *snapshot, unsigned evidence, uint32_t row,
                         struct clo_error *err)
{
    size_t count = snapshot->unpinned_count[evidence];

    /* Room for twice as many whenever the number is a power of two. */
    if ((count & (count - 1)) == 0) {
        uint32_t *rows = reallocarray(snapshot->unpinned[evidence], count == 0 ? 1 : 2 * count,
                                      sizeof *rows);
        if (rows == NULL)
            return clo_out_of_memory(err);
        snapshot->unpinned[evidence] = rows;
    }
    snapshot->unpinned[evidence][snapshot->unpinned_count[evidence]++] = row;
    return true;
}

static bool lead_to(struct terms_snapshot *snapshot, uint32_t row, unsigned evidence,
                    const struct terms_lead *all, size_t all_count, struct clo_error *err)
{
    const struct clo_pins *pins = &snapshot->rows[row].pins;
    int field = choose_field(pins, evidence, all, all_count);

    if (field < 0)
        return add_unpinned(snapshot, evidence, row, err);
    for (size_t i = 0; i < pins->count; i++)
        if (pins->items[i].evidence == evidence && pins->items[i].field == field)
            snapshot->leads[snapshot->lead_count++] =
                    (struct terms_lead){ pins->items[i].name, row };
    return true;
}

static bool make_leads(struct terms_snapshot *snapshot, struct clo_error *err)
{
    size_t count;
    CLO_CLEANUP(clo_freep) struct terms_lead *all = all_leads(snapshot, &count);

    snapshot->leads = calloc(count + 1, sizeof *snapshot->leads);
    if (all == NULL || snapshot->leads == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < snapshot->count; i++)
        for (unsigned evidence = 0; evidence < CLO_PIN_CLASSES; evidence++)
            if ((snapshot->rows[i].pins.classes >> evidence & 1) != 0 &&
                !lead_to(snapshot, (uint32_t)i, evidence, all, count, err))
                return false;
    qsort(snapshot->leads, snapshot->lead_count, sizeof *snapshot->leads, by_name);
    return true;
}

bool terms_snapshot_load(struct clo_store *store, const struct terms_snapshot *before,
                         struct terms_snapshot **out, struct clo_error *err)
{
    CLO_CLEANUP(free_snapshot) struct terms_snapshot *snapshot = calloc(1, sizeof *snapshot);

    if (snapshot == NULL)
        return clo_out_of_memory(err);
    if (!read_rows(store, before, snapshot, err) || !make_leads(snapshot, err))
        return false;
    *out = CLO_TAKE(snapshot);
    return true;
}

/* --- Finding --- */

static int by_row(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a;
    uint32_t second = *(const uint32_t *)b;

    return first < second ? -1 : first > second;
}

bool terms_snapshot_find(const struct terms_snapshot *snapshot, const struct clo_evidence *evidence,
                         uint32_t **out, size_t *count, struct clo_error *err)
{
    struct clo_pins_shown shown;
    size_t found = 0;

    *out = NULL;
    *count = 0;
    if (!clo_pins_show(evidence, &shown))
        return true;
    size_t total = snapshot->unpinned_count[shown.evidence];
    for (size_t i = 0; i < shown.count; i++)
        total += count_leads(snapshot->leads, snapshot->lead_count, shown.items[i].name);
    uint32_t *rows = calloc(total + 1, sizeof *rows);
    if (rows == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < snapshot->unpinned_count[shown.evidence]; i++)
        rows[found++] = snapshot->unpinned[shown.evidence][i];
    for (size_t i = 0; i < shown.count; i++) {
        uint64_t name = shown.items[i].name;
        for (size_t k = find_lead(snapshot->leads, snapshot->lead_count, name);
             k < snapshot->lead_count && snapshot->leads[k].name == name; k++)
            rows[found++] = snapshot->leads[k].row;
    }
    qsort(rows, found, sizeof *rows, by_row);
    *count = 0;
    for (size_t i = 0; i < found; i++)
        if (*count == 0 || rows[*count - 1] != rows[i])
            rows[(*count)++] = rows[i];
    *out = rows;
    return true;
}
