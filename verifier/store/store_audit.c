/* The audit trail: rows in a chain, checkpoints that are signed, and whether all of it is as it was written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/crypto.h"
#include "cloister/encoding.h"

#include "verifier/store/store_internal.h"

#define CHAIN_SIZE       32
#define CHECKPOINT_EVERY 64 /* rows */
#define POINT_DOMAIN     "cloister audit checkpoint 1"
#define ROW_DOMAIN       "cloister audit row 1"

#define ROW_COLUMNS "id, time, action, verdict, session, tee, resource, detail, vm, chain"

/* --- The chain --- */

static void add_text(struct clo_buffer *out, const char *text)
{
    if (text == NULL) {
        clo_buffer_be32(out, UINT32_MAX);
        return;
    }
    clo_buffer_be32(out, (uint32_t)strlen(text));
    clo_buffer_text(out, text);
}

struct row {
    int64_t id, time;
    const char *texts[7]; /* in the order of the columns; NULL: none */
};

static bool chain_row(const uint8_t before[CHAIN_SIZE], const struct row *row,
                      uint8_t out[CHAIN_SIZE], struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_digest digest;

    clo_buffer_text(&bytes, ROW_DOMAIN);
    clo_buffer_append(&bytes, clo_bytes(before, CHAIN_SIZE));
    clo_buffer_be64(&bytes, (uint64_t)row->id);
    clo_buffer_be64(&bytes, (uint64_t)row->time);
    for (size_t i = 0; i < CLO_COUNT(row->texts); i++)
        add_text(&bytes, row->texts[i]);
    if (!clo_buffer_ok(&bytes))
        return clo_out_of_memory(err);
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&bytes), &digest);
    memcpy(out, digest.bytes, CHAIN_SIZE);
    return true;
}

static const char *text_or_null(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL ? NULL
                                                                 : column_text(statement, column);
}

static void read_row(sqlite3_stmt *statement, struct row *out)
{
    out->id = sqlite3_column_int64(statement, 0);
    out->time = sqlite3_column_int64(statement, 1);
    for (int i = 0; i < (int)CLO_COUNT(out->texts); i++)
        out->texts[i] = text_or_null(statement, 2 + i);
}

static bool read_chain(sqlite3_stmt *statement, int column, uint8_t out[CHAIN_SIZE])
{
    const void *bytes = sqlite3_column_blob(statement, column);

    if (bytes == NULL || sqlite3_column_bytes(statement, column) != CHAIN_SIZE)
        return false;
    memcpy(out, bytes, CHAIN_SIZE);
    return true;
}

static bool read_head(struct clo_store *store, struct clo_audit_point *out, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    *out = (struct clo_audit_point){ 0 };
    if (!store_prepare(store, "SELECT row, chain FROM audit_head", &statement, err))
        return false;
    int result = sqlite3_step(statement);
    if (result == SQLITE_DONE)
        return true;
    if (result != SQLITE_ROW)
        return fail_sql(store, err);
    out->row = sqlite3_column_int64(statement, 0);
    return read_chain(statement, 1, out->chain) ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: audit trail: its end is not a digest", store->folder);
}

static bool write_head(struct clo_store *store, const struct clo_audit_point *head,
                       struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store,
                       "INSERT INTO audit_head (id, row, chain) VALUES (1, ?, ?)"
                       " ON CONFLICT DO UPDATE SET row = excluded.row, chain = excluded.chain",
                       &statement, err))
        return false;
    sqlite3_bind_int64(statement, 1, head->row);
    sqlite3_bind_blob(statement, 2, head->chain, CHAIN_SIZE, SQLITE_STATIC);
    if (!run(store, statement, err))
        return false;
    store->trail.head = *head;
    return true;
}

static bool set_chain(struct clo_store *store, int64_t id, const uint8_t chain[CHAIN_SIZE],
                      struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, "UPDATE audit SET chain = ? WHERE id = ?", &statement, err))
        return false;
    sqlite3_bind_blob(statement, 1, chain, CHAIN_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, id);
    return run(store, statement, err);
}

bool store_audit_chain_all(struct clo_store *store, struct clo_error *err)
{
    struct clo_audit_point head = { 0 };

    for (;;) {
        CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
        struct row row;
        if (!store_prepare(store,
                           "SELECT " ROW_COLUMNS " FROM audit WHERE id > ? ORDER BY id LIMIT 1",
                           &statement, err))
            return false;
        sqlite3_bind_int64(statement, 1, head.row);
        int result = sqlite3_step(statement);
        if (result == SQLITE_DONE)
            return write_head(store, &head, err);
        if (result != SQLITE_ROW)
            return fail_sql(store, err);
        read_row(statement, &row);
        if (!chain_row(head.chain, &row, head.chain, err) ||
            !set_chain(store, row.id, head.chain, err))
            return false;
        head.row = row.id;
    }
}

/* --- A row more --- */

/* What is known of the VM, as one member of the row: the same words in the same order. */
static bool vm_text(const struct clo_audit_vm *vm, struct clo_buffer *out, struct clo_error *err)
{
    const struct {
        const char *name, *value;
    } members[] = {
        { "chip", vm->chip },       { "report_id", vm->report_id }, { "instance", vm->instance },
        { "address", vm->address }, { "image", vm->image },
    };
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();

    for (size_t i = 0; i < CLO_COUNT(members); i++)
        if (members[i].value[0] != '\0' &&
            json_object_set_new(json, members[i].name, clo_json_text(members[i].value)) != 0)
            return clo_out_of_memory(err);
    return clo_json_write(json, out, err);
}

static bool insert_row(struct clo_store *store, const struct row *row,
                       const uint8_t chain[CHAIN_SIZE], struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store,
                       "INSERT INTO audit (" ROW_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                       &statement, err))
        return false;
    sqlite3_bind_int64(statement, 1, row->id);
    sqlite3_bind_int64(statement, 2, row->time);
    for (int i = 0; i < (int)CLO_COUNT(row->texts); i++)
        if (row->texts[i] != NULL)
            bind_text(statement, 3 + i, row->texts[i]);
    sqlite3_bind_blob(statement, 10, chain, CHAIN_SIZE, SQLITE_STATIC);
    return run(store, statement, err);
}

/* --- Where the trail ends --- */

/* The row that was signed last; 0: none was. */
static bool find_last_signed(struct clo_store *store, int64_t *out, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, "SELECT coalesce(max(row), 0) FROM audit_checkpoints", &statement,
                       err))
        return false;
    if (sqlite3_step(statement) != SQLITE_ROW)
        return fail_sql(store, err);
    *out = sqlite3_column_int64(statement, 0);
    return true;
}

/* Counts what was committed to the database, by ourselves and by others. */
static unsigned version_of(const struct clo_store *store)
{
    unsigned version = 0;

    sqlite3_file_control(store->database, "main", SQLITE_FCNTL_DATA_VERSION, &version);
    return version;
}

void store_trail_ended(struct clo_store *store, bool is_committed)
{
    struct store_trail *trail = &store->trail;

    trail->is_known = trail->is_used && is_committed;
    trail->is_used = false;
    trail->version = version_of(store);
}

/* Within a transaction, in which nobody else writes. */
static bool know_trail(struct clo_store *store, struct clo_error *err)
{
    struct store_trail *trail = &store->trail;
    unsigned version = version_of(store);

    if (trail->is_known && trail->version == version) {
        trail->is_used = true;
        return true;
    }
    trail->is_known = trail->is_used = false;
    if (!read_head(store, &trail->head, err) || !find_last_signed(store, &trail->signed_row, err))
        return false;
    trail->is_known = trail->is_used = true;
    trail->version = version;
    return true;
}

/* --- Checkpoints --- */

static bool point_bytes(const struct clo_audit_point *point, struct clo_buffer *out,
                        struct clo_error *err)
{
    clo_buffer_text(out, POINT_DOMAIN);
    clo_buffer_be64(out, (uint64_t)point->row);
    clo_buffer_be64(out, (uint64_t)point->time);
    clo_buffer_append(out, clo_bytes(point->chain, CHAIN_SIZE));
    clo_buffer_be32(out, point->dropped);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static bool sign_point(struct clo_store *store, const struct clo_audit_point *point,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!point_bytes(point, &bytes, err) ||
        !clo_signature_make(store->audit_key, CLO_ECDSA_RAW, CLO_HASH_SHA256,
                            clo_buffer_bytes(&bytes), &signature, err) ||
        !store_prepare(store,
                       "INSERT INTO audit_checkpoints (row, time, chain, dropped, signature)"
                       " VALUES (?, ?, ?, ?, ?) ON CONFLICT (row) DO UPDATE SET"
                       " time = excluded.time, chain = excluded.chain,"
                       " dropped = excluded.dropped, signature = excluded.signature",
                       &statement, err))
        return false;
    sqlite3_bind_int64(statement, 1, point->row);
    sqlite3_bind_int64(statement, 2, point->time);
    sqlite3_bind_blob(statement, 3, point->chain, CHAIN_SIZE, SQLITE_STATIC);
    sqlite3_bind_int(statement, 4, point->dropped);
    sqlite3_bind_blob(statement, 5, signature.data, (int)signature.size, SQLITE_STATIC);
    if (!run(store, statement, err))
        return false;
    if (point->row > store->trail.signed_row)
        store->trail.signed_row = point->row;
    return true;
}

bool clo_store_audit_sign(struct clo_store *store, struct clo_error *err)
{
    if (store->audit_key != NULL)
        return true;
    return clo_store_key(store, CLO_AUDIT_KEY, CLO_KEY_P256, &store->audit_key, err);
}

/* Signs the end of the chain if that many rows follow the last that was signed, or none ever was. */
static bool checkpoint(struct clo_store *store, int64_t now, int64_t after, struct clo_error *err)
{
    if (!know_trail(store, err))
        return false;
    struct clo_audit_point head = store->trail.head;
    int64_t last = store->trail.signed_row;
    head.time = now;
    if (head.row == 0 || (last > 0 && head.row - last < after))
        return true;
    return clo_store_audit_sign(store, err) && sign_point(store, &head, err);
}

bool clo_store_audit_checkpoint(struct clo_store *store, int64_t now, struct clo_error *err)
{
    return clo_store_begin(store, err) && clo_store_end(store, checkpoint(store, now, 1, err), err);
}

static json_t *point_json(const struct clo_audit_point *point, struct clo_bytes signature)
{
    struct clo_json_object o = { .json = json_object() };

    clo_json_set(&o, "row", json_integer(point->row));
    clo_json_set(&o, "time", json_integer(point->time));
    clo_json_set_hex(&o, "chain", clo_bytes(point->chain, CHAIN_SIZE));
    clo_json_set(&o, "dropped", json_boolean(point->dropped));
    clo_json_set_hex(&o, "signature", signature);
    return clo_json_finish(&o);
}

/* The row that the statement stands on. */
static bool read_point(const struct clo_store *store, sqlite3_stmt *statement,
                       struct clo_audit_point *out, struct clo_bytes *signature,
                       struct clo_error *err)
{
    out->row = sqlite3_column_int64(statement, 0);
    out->time = sqlite3_column_int64(statement, 1);
    out->dropped = sqlite3_column_int(statement, 3) != 0;
    *signature = clo_bytes(sqlite3_column_blob(statement, 4),
                           (size_t)sqlite3_column_bytes(statement, 4));
    return read_chain(statement, 2, out->chain) ||
           clo_fail(err, CLO_ERR_REFUSED, "%s: audit trail: the checkpoint of row %lld is damaged",
                    store->folder, (long long)out->row);
}

bool clo_store_audit_last_checkpoint(struct clo_store *store, json_t **out, struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    struct clo_audit_point point;
    struct clo_bytes signature;

    if (!store_prepare(store,
                       "SELECT row, time, chain, dropped, signature FROM audit_checkpoints"
                       " ORDER BY row DESC LIMIT 1",
                       &statement, err))
        return false;
    int result = sqlite3_step(statement);
    if (result == SQLITE_DONE)
        return clo_fail(err, CLO_ERR_REFUSED, "audit trail: nothing was signed yet");
    if (result != SQLITE_ROW)
        return fail_sql(store, err);
    if (!read_point(store, statement, &point, &signature, err))
        return false;
    *out = point_json(&point, signature);
    return *out != NULL || clo_out_of_memory(err);
}

/* --- Appending --- */

/* Who writes rows signs them, or a trail without any signature would be as good as another. */
static bool append(struct clo_store *store, const struct clo_audit *entry, int64_t sign_after,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer vm = { 0 };

    if (!know_trail(store, err) || (entry->vm != NULL && !vm_text(entry->vm, &vm, err)))
        return false;
    struct clo_audit_point head = store->trail.head;
    struct row row = { .id = head.row + 1,
                       .time = entry->time,
                       .texts = { entry->action, entry->verdict, entry->session, entry->tee,
                                  entry->resource, entry->detail,
                                  entry->vm == NULL ? NULL : clo_buffer_string(&vm) } };
    if (!chain_row(head.chain, &row, head.chain, err) || !insert_row(store, &row, head.chain, err))
        return false;
    head.row = row.id;
    return write_head(store, &head, err) && checkpoint(store, entry->time, sign_after, err);
}

static bool audit(struct clo_store *store, const struct clo_audit *entry, int64_t sign_after,
                  struct clo_error *err)
{
    STORE_LOCK(store);

    /* Part of a decision, or one of its own. */
    bool is_within = sqlite3_get_autocommit(store->database) == 0;
    bool ok = is_within ? append(store, entry, sign_after, err)
                        : clo_store_begin(store, err) &&
                                  clo_store_end(store, append(store, entry, sign_after, err), err);
    return ok || clo_wrap(err, "audit trail");
}

bool clo_store_audit(struct clo_store *store, const struct clo_audit *entry, struct clo_error *err)
{
    return audit(store, entry, CHECKPOINT_EVERY, err);
}

bool clo_store_audit_last(struct clo_store *store, const struct clo_audit *entry,
                          struct clo_error *err)
{
    return audit(store, entry, 1, err);
}

/* --- Verifying --- */

static bool fail_row(const struct clo_store *store, int64_t row, const char *why,
                     struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_REFUSED, "%s: audit trail: row %lld: %s", store->folder,
                    (long long)row, why);
}

static bool check_signature(const struct clo_store *store, const struct clo_audit_point *point,
                            struct clo_bytes signature, const struct clo_public_key *key,
                            struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_error refused;

    if (!point_bytes(point, &bytes, err))
        return false;
    return clo_signature_verify(key, CLO_ECDSA_RAW, CLO_HASH_SHA256, clo_buffer_bytes(&bytes),
                                signature, &refused) ||
           fail_row(store, point->row, "its checkpoint is not signed by this key", err);
}

/* While a trail is walked. */
struct walk {
    struct clo_store *store;
    const struct clo_public_key *key;
    struct clo_audit_point at; /* where it stands: the chain up to this row */
    struct clo_audit_point kept;
    bool has_kept;
    struct clo_audit_verdict verdict;
};

/* Where the rows that are there begin: after the last that were dropped. */
static bool find_start(struct walk *w, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    struct clo_bytes signature;

    if (!store_prepare(w->store,
                       "SELECT row, time, chain, dropped, signature FROM audit_checkpoints"
                       " WHERE dropped = 1 ORDER BY row DESC LIMIT 1",
                       &statement, err))
        return false;
    int result = sqlite3_step(statement);
    if (result == SQLITE_DONE)
        return true;
    if (result != SQLITE_ROW)
        return fail_sql(w->store, err);
    if (!read_point(w->store, statement, &w->at, &signature, err) ||
        !check_signature(w->store, &w->at, signature, w->key, err))
        return false;
    w->verdict.covered = w->at.row;
    return true;
}

/* Before the first row: what was dropped must end where the checkpoint that was kept does, or before. */
static bool check_kept_start(const struct walk *w, struct clo_error *err)
{
    if (!w->has_kept || w->kept.row > w->at.row)
        return true; /* the rows will tell */
    if (w->kept.row < w->at.row)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "%s: audit trail: the rows of the checkpoint that was kept were dropped",
                        w->store->folder);
    return memcmp(w->kept.chain, w->at.chain, CHAIN_SIZE) == 0 ||
           fail_row(w->store, w->at.row, "what was dropped up to here is not what was kept", err);
}

static bool check_point(struct walk *w, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    struct clo_audit_point point;
    struct clo_bytes signature;

    if (w->has_kept && w->kept.row == w->at.row &&
        memcmp(w->kept.chain, w->at.chain, CHAIN_SIZE) != 0)
        return fail_row(w->store, w->at.row, "the trail up to here is not the one that was kept",
                        err);
    if (!store_prepare(w->store,
                       "SELECT row, time, chain, dropped, signature FROM audit_checkpoints"
                       " WHERE row = ?",
                       &statement, err))
        return false;
    sqlite3_bind_int64(statement, 1, w->at.row);
    int result = sqlite3_step(statement);
    if (result == SQLITE_DONE)
        return true;
    if (result != SQLITE_ROW)
        return fail_sql(w->store, err);
    if (!read_point(w->store, statement, &point, &signature, err) ||
        !check_signature(w->store, &point, signature, w->key, err))
        return false;
    if (memcmp(point.chain, w->at.chain, CHAIN_SIZE) != 0)
        return fail_row(w->store, point.row, "the trail up to here is not the one that was signed",
                        err);
    w->verdict.checkpoints++;
    w->verdict.covered = point.row;
    return true;
}

static bool check_row(struct walk *w, sqlite3_stmt *statement, struct clo_error *err)
{
    uint8_t written[CHAIN_SIZE];
    struct row row;

    read_row(statement, &row);
    if (row.id != w->at.row + 1)
        return fail_row(w->store, w->at.row + 1, "is missing", err);
    if (!chain_row(w->at.chain, &row, w->at.chain, err))
        return false;
    if (!read_chain(statement, 9, written) || memcmp(written, w->at.chain, CHAIN_SIZE) != 0)
        return fail_row(w->store, row.id, "was changed, or a row before it was", err);
    w->at.row = row.id;
    if (w->verdict.first == 0)
        w->verdict.first = row.id;
    w->verdict.last = row.id;
    return check_point(w, err);
}

static bool walk_rows(struct walk *w, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    int result;

    if (!store_prepare(w->store, "SELECT " ROW_COLUMNS " FROM audit ORDER BY id", &statement, err))
        return false;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW)
        if (!check_row(w, statement, err))
            return false;
    return result == SQLITE_DONE || fail_sql(w->store, err);
}

/* The trail must reach as far as was ever said of it. */
static bool check_end(struct walk *w, struct clo_error *err)
{
    struct clo_audit_point head;
    int64_t last;

    if (!read_head(w->store, &head, err) || !find_last_signed(w->store, &last, err))
        return false;
    if (head.row != w->at.row || memcmp(head.chain, w->at.chain, CHAIN_SIZE) != 0)
        return fail_row(w->store, w->at.row + 1, "is missing: the trail was cut off", err);
    if (w->has_kept && w->kept.row > w->at.row)
        return fail_row(w->store, w->at.row + 1,
                        "is missing: the checkpoint that was kept covers more", err);
    if (last > w->at.row)
        return fail_row(w->store, w->at.row + 1, "is missing: a checkpoint covers more", err);
    /* The chain has no key: only what is signed shows that the rows are those of a broker. */
    if (w->at.row > 0 &&
        (w->verdict.covered == 0 || w->at.row - w->verdict.covered >= CHECKPOINT_EVERY))
        return fail_row(w->store, w->verdict.covered + 1,
                        "and what follows is not signed ('audit-log checkpoint' signs a trail of "
                        "an older release)",
                        err);
    return true;
}

static bool read_kept(const json_t *json, struct walk *w, struct clo_error *err)
{
    static const char *const keys[] = { "row", "time", "chain", "dropped", "signature", NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer chain = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    uint64_t row, time;

    if (json == NULL)
        return true;
    if (!clo_json_only(json, keys, err) || !clo_json_get_u64(json, "row", &row, err) ||
        !clo_json_get_u64(json, "time", &time, err) ||
        !clo_json_get_bytes(json, "chain", CLO_JSON_HEX, CHAIN_SIZE, &chain, err) ||
        !clo_json_get_bool_optional(json, "dropped", false, &w->kept.dropped, err) ||
        !clo_json_get_bytes(json, "signature", CLO_JSON_HEX, 128, &signature, err))
        return clo_wrap(err, "checkpoint");
    if (chain.size != CHAIN_SIZE || row > INT64_MAX || time > INT64_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "checkpoint: not one of a trail");
    w->kept.row = (int64_t)row;
    w->kept.time = (int64_t)time;
    memcpy(w->kept.chain, chain.data, CHAIN_SIZE);
    w->has_kept = true;
    return check_signature(w->store, &w->kept, clo_buffer_bytes(&signature), w->key, err);
}

bool clo_store_audit_verify(struct clo_store *store, const struct clo_public_key *key,
                            const json_t *kept, struct clo_audit_verdict *out,
                            struct clo_error *err)
{
    struct walk w = { .store = store, .key = key };
    struct clo_error ignored;

    if (!read_kept(kept, &w, err) || !clo_store_begin(store, err))
        return false;
    bool ok = find_start(&w, err) && check_kept_start(&w, err) && walk_rows(&w, err) &&
              check_end(&w, err);
    (void)!clo_store_end(store, false, &ignored);
    if (!ok)
        return false;
    *out = w.verdict;
    return true;
}

/* --- For people --- */

static json_t *row_json(sqlite3_stmt *statement)
{
    static const char *const names[] = {
        "action", "verdict", "session", "tee", "resource", "detail"
    };
    struct clo_json_object o = { .json = json_object() };
    struct clo_error ignored;
    struct row row;
    json_t *vm;

    read_row(statement, &row);
    clo_json_set(&o, "row", json_integer(row.id));
    clo_json_set(&o, "time", clo_json_time(row.time));
    for (size_t i = 0; i < CLO_COUNT(names); i++)
        if (row.texts[i] != NULL && row.texts[i][0] != '\0')
            clo_json_set(&o, names[i], clo_json_text(row.texts[i]));
    if (row.texts[6] != NULL && clo_json_parse(clo_bytes_text(row.texts[6]), &vm, &ignored))
        clo_json_set(&o, "vm", vm);
    return clo_json_finish(&o);
}

bool clo_store_audit_rows(struct clo_store *store, int64_t after, size_t limit,
                          const char *resource, json_t **out, struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *list = json_array();
    int result;

    if (!store_prepare(store,
                       "SELECT " ROW_COLUMNS " FROM audit WHERE id > ?1"
                       " AND (?2 IS NULL OR resource = ?2) ORDER BY id LIMIT ?3",
                       &statement, err))
        return false;
    sqlite3_bind_int64(statement, 1, after);
    if (resource != NULL)
        bind_text(statement, 2, resource);
    sqlite3_bind_int64(statement, 3, (int64_t)limit);
    while ((result = sqlite3_step(statement)) == SQLITE_ROW)
        if (json_array_append_new(list, row_json(statement)) != 0)
            return clo_out_of_memory(err);
    if (result != SQLITE_DONE)
        return fail_sql(store, err);
    *out = CLO_TAKE(list);
    return true;
}

/* --- Retention --- */

/* The last row of before that time, and what it hashes to; row 0: none. */
static bool find_last_before(struct clo_store *store, int64_t before, struct clo_audit_point *out,
                             struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    *out = (struct clo_audit_point){ 0 };
    /* Times may stand still or go back: only what no older row follows. */
    if (!store_prepare(store,
                       "SELECT id, chain FROM audit WHERE id <"
                       " coalesce((SELECT min(id) FROM audit WHERE time >= ?), 9223372036854775807)"
                       " ORDER BY id DESC LIMIT 1",
                       &statement, err))
        return false;
    sqlite3_bind_int64(statement, 1, before);
    int result = sqlite3_step(statement);
    if (result == SQLITE_DONE)
        return true;
    if (result != SQLITE_ROW)
        return fail_sql(store, err);
    out->row = sqlite3_column_int64(statement, 0);
    return read_chain(statement, 1, out->chain) || fail_row(store, out->row, "was changed", err);
}

static bool drop(struct clo_store *store, int64_t before, int64_t now, size_t *count,
                 struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *rows = NULL;
    CLO_CLEANUP(put_back) sqlite3_stmt *points = NULL;
    struct clo_audit_point last;

    *count = 0;
    if (!find_last_before(store, before, &last, err))
        return false;
    if (last.row == 0)
        return true;
    last.time = now;
    last.dropped = true;
    if (!sign_point(store, &last, err) ||
        !store_prepare(store, "DELETE FROM audit_checkpoints WHERE row < ?", &points, err) ||
        !store_prepare(store, "DELETE FROM audit WHERE id <= ?", &rows, err))
        return false;
    sqlite3_bind_int64(points, 1, last.row);
    sqlite3_bind_int64(rows, 1, last.row);
    if (!run(store, points, err) || !run(store, rows, err))
        return false;
    *count = (size_t)sqlite3_changes64(store->database);
    return true;
}

bool clo_store_audit_drop(struct clo_store *store, int64_t before, int64_t now, size_t *count,
                          struct clo_error *err)
{
    if (!clo_store_audit_sign(store, err))
        return false;
    return clo_store_begin(store, err) &&
           clo_store_end(store, drop(store, before, now, count, err), err);
}
