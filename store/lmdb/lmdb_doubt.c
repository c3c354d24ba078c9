/* lmdb_doubt: see the header. */
#include "store/lmdb/lmdb_doubt.h"

#include "runtime/base/failpoint.h"
#include "runtime/base/text.h"
#include "store/lmdb/lmdb_line.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 4096, ID_DIGITS = 16, ASIDE_MAX = 1000 };

bool lmdb_doubt_parse(const char *text, struct lmdb_retired *out_retired)
{
    char digits[ID_DIGITS + 1];
    uint8_t bytes[ID_DIGITS / 2];
    size_t length = strlen(text);
    if (length < ID_DIGITS + 2 || text[ID_DIGITS] != ' ') return false;
    memcpy(digits, text, ID_DIGITS);
    digits[ID_DIGITS] = '\0';
    if (!text_from_hex(bytes, sizeof bytes, digits)) return false;
    *out_retired = (struct lmdb_retired){ .replica_id = 0 };
    for (size_t i = 0; i < sizeof bytes; i++) {
        out_retired->replica_id = out_retired->replica_id << 8 | bytes[i];
    }
    (void)text_copy(out_retired->reason, sizeof out_retired->reason, text + ID_DIGITS + 1);
    return true;
}

enum status lmdb_doubt_read(const char *directory, struct lmdb_retired *out_retired, struct error *error)
{
    char line[LMDB_LINE_MAX];
    *out_retired = (struct lmdb_retired){ .replica_id = 0 };
    enum status status = lmdb_line_read(directory, "retired", line, error);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK || lmdb_doubt_parse(line, out_retired)) return status;
    return error_set(error, STATUS_IO, "%s/retired says nothing", directory);
}

enum status lmdb_doubt_write(const char *directory, const struct lmdb_retired *retired, struct error *error)
{
    char line[LMDB_LINE_MAX];
    (void)snprintf(line, sizeof line, "%016llx %s", (unsigned long long)retired->replica_id, retired->reason);
    return lmdb_line_write(directory, "retired", line, error);
}

/* A name that nothing has yet; there were doubts before. */
static enum status find_name(const char *directory, replica_id id, char path[PATH_SIZE], struct error *error)
{
    struct stat entry;
    for (int i = 1; i < ASIDE_MAX; i++) {
        char number[8] = "";
        if (i > 1) (void)snprintf(number, sizeof number, ".%d", i);
        int length =
            snprintf(path, PATH_SIZE, "%s/store.doubt-%016llx%s", directory, (unsigned long long)id, number);
        if (length < 0 || length >= PATH_SIZE) break;
        if (lstat(path, &entry) != 0 && errno == ENOENT) return STATUS_OK;
    }
    return error_set(error, STATUS_IO, "there is no name in %s to move the store to", directory);
}

enum status lmdb_doubt_set_aside(const char *directory, replica_id id, struct error *error)
{
    char from[PATH_SIZE];
    char to[PATH_SIZE];
    int length = snprintf(from, sizeof from, "%s/store", directory);
    if (length < 0 || length >= PATH_SIZE) return error_set(error, STATUS_IO, "the path is too long");
    enum status status = find_name(directory, id, to, error);
    if (status != STATUS_OK) return status;
    FAILPOINT("doubt.before_rename");
    if (rename(from, to) != 0) return error_set(error, STATUS_IO, "move %s: %s", from, strerror(errno));
    FAILPOINT("doubt.renamed");
    return lmdb_line_sync_directory(directory, error);
}
