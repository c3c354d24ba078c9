/* tables: a small SQL database, to show how an ordinary C library becomes a slice. SQLite keeps it in the
 * instance's memory: a scratch pad for questions, not a store. `snapshot` and `restore` carry it over a
 * restart in order; after a crash, or a move that starts the successor first, it is empty. (What must survive
 * goes through host->kv_put.) So run one instance of it, and load it again when it has no tables.
 *
 *     query    {"sql": "select name from item where price < ?", "arguments": [20]}
 *           -> {"columns":["name"],"rows":[["lamp"]]}          (reads only)
 *     change   {"sql": "insert into item values (?, ?)", "arguments": ["lamp", 12.5]}
 *           -> {"changes":1}
 *
 * What it takes to wrap a library that knows nothing of deadlines: SQLite asks `is_time_up` every few
 * thousand steps, so a statement that would run for ever ends with its call, and the instance's one thread is
 * free. */
#include <aether/slice.h>

#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRY_QUERY = 1, ENTRY_CHANGE = 2 };
enum { STEPS_BETWEEN_LOOKS = 10000, ANSWER_MAX = AETHER_PAYLOAD_MAX, VARIABLES_MAX = 100 };

struct tables {
    const struct aether_host *host;
    sqlite3 *database;
    sqlite3_stmt *take_sql;      /* The request's JSON to its "sql", */
    sqlite3_stmt *take_argument; /* and to one of its "arguments": SQLite reads JSON itself. */
    int64_t deadline_ns;         /* Of the call that is carried out. */
};

static struct aether_bytes bytes_of(const char *text)
{
    return (struct aether_bytes){ text, strlen(text) };
}

static int is_time_up(void *context)
{
    const struct tables *tables = context;
    return tables->host->now_ns(tables->host) > tables->deadline_ns;
}

/* --- the life of an instance ---------------------------------------------------------------------------- */

static void destroy(void *instance)
{
    struct tables *tables = instance;
    (void)sqlite3_finalize(tables->take_sql);
    (void)sqlite3_finalize(tables->take_argument);
    (void)sqlite3_close(tables->database);
    free(tables);
}

/* Everything below a statement is its own: no other file, no extension. */
static int open_database(struct tables *tables)
{
    int code =
        sqlite3_open_v2(":memory:", &tables->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(tables->database, "select json_extract(?1, '$.sql')", -1, &tables->take_sql,
                                  NULL);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(tables->database, "select json_extract(?1, '$.arguments[' || ?2 || ']')",
                                  -1, &tables->take_argument, NULL);
    if (code != SQLITE_OK) return code;
    sqlite3_progress_handler(tables->database, STEPS_BETWEEN_LOOKS, is_time_up, tables);
    (void)sqlite3_limit(tables->database, SQLITE_LIMIT_ATTACHED, 0);
    (void)sqlite3_limit(tables->database, SQLITE_LIMIT_VARIABLE_NUMBER, VARIABLES_MAX);
    return SQLITE_OK;
}

static int32_t create(const struct aether_host *host, struct aether_bytes config, void **out_instance)
{
    (void)config;
    struct tables *tables = calloc(1, sizeof *tables);
    if (tables == NULL) return AETHER_OVERLOADED;
    tables->host = host;
    tables->deadline_ns = INT64_MAX;
    if (open_database(tables) != SQLITE_OK) {
        host->explain(host, sqlite3_errmsg(tables->database));
        destroy(tables);
        return AETHER_OVERLOADED;
    }
    *out_instance = tables;
    return AETHER_OK;
}

static int32_t snapshot(void *instance, int32_t (*write)(void *context, struct aether_bytes part),
                        void *context)
{
    struct tables *tables = instance;
    sqlite3_int64 size = 0;
    unsigned char *image = sqlite3_serialize(tables->database, "main", &size, 0);
    if (image == NULL && size > 0) return AETHER_OVERLOADED;
    int32_t status = size > 0 ? write(context, (struct aether_bytes){ image, (size_t)size }) : AETHER_OK;
    sqlite3_free(image);
    return status;
}

/* SQLite wants memory of its own allocator, frees it, and looks at the image only when it is first used. */
static int32_t restore(void *instance, struct aether_bytes state)
{
    enum { FLAGS = SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE };
    struct tables *tables = instance;
    if (state.size == 0) return AETHER_OK;
    unsigned char *image = sqlite3_malloc64(state.size);
    if (image == NULL) return AETHER_OVERLOADED;
    memcpy(image, state.data, state.size);
    sqlite3_int64 size = (sqlite3_int64)state.size;
    int code = sqlite3_deserialize(tables->database, "main", image, size, size, FLAGS);
    if (code == SQLITE_OK) code = sqlite3_exec(tables->database, "pragma quick_check", NULL, NULL, NULL);
    if (code == SQLITE_OK) return AETHER_OK;
    tables->host->explain(tables->host, sqlite3_errmsg(tables->database));
    return AETHER_CORRUPT;
}

/* --- a statement ---------------------------------------------------------------------------------------- */

/* "sql" of the request, prepared; NULL: the call was answered. */
static sqlite3_stmt *prepare(struct tables *tables, struct aether_call *call,
                             const struct aether_request *request)
{
    const struct aether_host *host = tables->host;
    sqlite3_stmt *statement = NULL;
    const char *rest = "";
    (void)sqlite3_reset(tables->take_sql);
    (void)sqlite3_bind_text(tables->take_sql, 1, request->payload.data, (int)request->payload.size,
                            SQLITE_STATIC);
    bool has_row = sqlite3_step(tables->take_sql) == SQLITE_ROW;
    if (!has_row || sqlite3_column_type(tables->take_sql, 0) != SQLITE_TEXT) {
        host->reply(host, call, AETHER_INVALID, bytes_of("send {\"sql\": TEXT, \"arguments\": [...]}"));
        return NULL;
    }
    const char *sql = (const char *)sqlite3_column_text(tables->take_sql, 0);
    if (sqlite3_prepare_v2(tables->database, sql, -1, &statement, &rest) != SQLITE_OK || statement == NULL) {
        const char *why = statement == NULL ? sqlite3_errmsg(tables->database) : "";
        host->reply(host, call, AETHER_INVALID, bytes_of(why));
        return NULL;
    }
    if (rest[strspn(rest, " \t\r\n;")] == '\0') return statement;
    (void)sqlite3_finalize(statement);
    host->reply(host, call, AETHER_INVALID, bytes_of("one statement at a time"));
    return NULL;
}

/* Lists and objects arrive as JSON text, a missing argument as null. */
static void bind(struct tables *tables, sqlite3_stmt *statement, const struct aether_request *request)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(statement); i++) {
        (void)sqlite3_reset(tables->take_argument);
        (void)sqlite3_bind_text(tables->take_argument, 1, request->payload.data, (int)request->payload.size,
                                SQLITE_STATIC);
        (void)sqlite3_bind_int(tables->take_argument, 2, i - 1);
        if (sqlite3_step(tables->take_argument) == SQLITE_ROW)
            (void)sqlite3_bind_value(statement, i, sqlite3_column_value(tables->take_argument, 0));
    }
}

static void add_json_text(sqlite3_str *out, const char *text)
{
    sqlite3_str_appendchar(out, 1, '"');
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\') sqlite3_str_appendf(out, "\\%c", byte);
        else if (byte < 0x20) sqlite3_str_appendf(out, "\\u%04x", byte);
        else sqlite3_str_appendchar(out, 1, (char)byte);
    }
    sqlite3_str_appendchar(out, 1, '"');
}

/* A blob is told as its size: JSON has no bytes. */
static void add_value(sqlite3_str *out, sqlite3_stmt *statement, int column)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER: sqlite3_str_appendf(out, "%lld", sqlite3_column_int64(statement, column)); break;
    case SQLITE_FLOAT: sqlite3_str_appendf(out, "%!.17g", sqlite3_column_double(statement, column)); break;
    case SQLITE_TEXT: add_json_text(out, (const char *)sqlite3_column_text(statement, column)); break;
    case SQLITE_BLOB:
        sqlite3_str_appendf(out, "\"%d bytes\"", sqlite3_column_bytes(statement, column));
        break;
    default: sqlite3_str_appendall(out, "null"); break;
    }
}

static void add_columns(sqlite3_str *out, sqlite3_stmt *statement)
{
    sqlite3_str_appendall(out, "{\"columns\":[");
    for (int i = 0; i < sqlite3_column_count(statement); i++) {
        if (i > 0) sqlite3_str_appendchar(out, 1, ',');
        add_json_text(out, sqlite3_column_name(statement, i));
    }
    sqlite3_str_appendall(out, "],\"rows\":[");
}

/* Returns what the last step did. */
static int add_rows(sqlite3_str *out, sqlite3_stmt *statement)
{
    int code;
    for (int row = 0; (code = sqlite3_step(statement)) == SQLITE_ROW; row++) {
        if (sqlite3_str_length(out) > ANSWER_MAX) return SQLITE_TOOBIG;
        sqlite3_str_appendall(out, row > 0 ? ",[" : "[");
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            if (i > 0) sqlite3_str_appendchar(out, 1, ',');
            add_value(out, statement, i);
        }
        sqlite3_str_appendchar(out, 1, ']');
    }
    sqlite3_str_appendall(out, "]}");
    return code == SQLITE_DONE && sqlite3_str_length(out) > ANSWER_MAX ? SQLITE_TOOBIG : code;
}

static void refuse(struct tables *tables, struct aether_call *call, int code)
{
    const struct aether_host *host = tables->host;
    const char *why = sqlite3_errmsg(tables->database);
    switch (code) {
    case SQLITE_INTERRUPT:
        host->reply(host, call, AETHER_DEADLINE, bytes_of("the statement took too long"));
        break;
    case SQLITE_NOMEM: host->reply(host, call, AETHER_OVERLOADED, bytes_of("out of memory")); break;
    case SQLITE_TOOBIG:
        host->reply(host, call, AETHER_APP_ERROR, bytes_of("the answer is larger than 1 MiB: use limit"));
        break;
    default: host->reply(host, call, AETHER_APP_ERROR, bytes_of(why)); break;
    }
}

static void query(struct tables *tables, struct aether_call *call, sqlite3_stmt *statement)
{
    const struct aether_host *host = tables->host;
    if (!sqlite3_stmt_readonly(statement)) {
        host->reply(host, call, AETHER_INVALID, bytes_of("query reads only; use change"));
        return;
    }
    sqlite3_str *out = sqlite3_str_new(tables->database);
    add_columns(out, statement);
    int code = add_rows(out, statement);
    size_t size = (size_t)sqlite3_str_length(out);
    char *answer = sqlite3_str_finish(out);
    if (code != SQLITE_DONE) refuse(tables, call, code);
    else if (answer == NULL) refuse(tables, call, SQLITE_NOMEM);
    else host->reply(host, call, AETHER_OK, (struct aether_bytes){ answer, size });
    sqlite3_free(answer);
}

static void change(struct tables *tables, struct aether_call *call, sqlite3_stmt *statement)
{
    const struct aether_host *host = tables->host;
    int before = sqlite3_total_changes(tables->database);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) /* `returning` has rows; they aren't asked for. */
        ;
    if (code != SQLITE_DONE) {
        refuse(tables, call, code);
        return;
    }
    char *answer = sqlite3_mprintf("{\"changes\":%d}", sqlite3_total_changes(tables->database) - before);
    if (answer == NULL) refuse(tables, call, SQLITE_NOMEM);
    else host->reply(host, call, AETHER_OK, bytes_of(answer));
    sqlite3_free(answer);
}

static void handle(void *instance, struct aether_call *call, const struct aether_request *request)
{
    struct tables *tables = instance;
    tables->deadline_ns = request->deadline_ns;
    sqlite3_stmt *statement = prepare(tables, call, request);
    if (statement != NULL) {
        bind(tables, statement, request);
        if (request->entry == ENTRY_QUERY) query(tables, call, statement);
        else change(tables, call, statement);
        (void)sqlite3_finalize(statement);
    }
    if (!sqlite3_get_autocommit(tables->database)) /* A transaction is one call's, or it would hold up all. */
        (void)sqlite3_exec(tables->database, "rollback", NULL, NULL, NULL);
    tables->deadline_ns = INT64_MAX;
}

static const struct aether_entry entries[] = {
    { "query", ENTRY_QUERY, AETHER_READONLY, 5000, 0 },
    { "change", ENTRY_CHANGE, 0, 5000, 0 },
};

const struct aether_slice AETHER_SLICE_DESCRIPTOR = {
    AETHER_SLICE_HEAD,       .group = "org.example", .artifact = "tables", .version = "1.0.0",
    AETHER_ENTRIES(entries), AETHER_NO_DEPENDENCIES, .create = create,     .handle = handle,
    .destroy = destroy,      .snapshot = snapshot,   .restore = restore,
};
