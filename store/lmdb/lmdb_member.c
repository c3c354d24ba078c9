/* lmdb_member: see the header. One line of text: the cluster id in hex. */
#include "store/lmdb/lmdb_member.h"

#include "runtime/base/text.h"
#include "store/lmdb/lmdb_line.h"

#include <stdio.h>
#include <string.h>

enum { ID_DIGITS = 16 };

bool lmdb_member_parse(const char *line, uint64_t *out_id)
{
    char digits[ID_DIGITS + 1];
    uint8_t bytes[ID_DIGITS / 2];
    uint64_t id = 0;
    (void)snprintf(digits, sizeof digits, "%s", line);
    if (strlen(digits) != ID_DIGITS || !text_from_hex(bytes, sizeof bytes, digits)) return false;
    for (size_t i = 0; i < sizeof bytes; i++) {
        id = id << 8 | bytes[i];
    }
    *out_id = id;
    return id != 0;
}

enum status lmdb_member_read(const char *directory, uint64_t *out_cluster_id, struct error *error)
{
    char line[LMDB_LINE_MAX];
    *out_cluster_id = 0;
    enum status status = lmdb_line_read(directory, "member", line, error);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK || lmdb_member_parse(line, out_cluster_id)) return status;
    return error_set(error, STATUS_IO, "%s/member names no cluster", directory);
}

enum status lmdb_member_write(const char *directory, uint64_t cluster_id, struct error *error)
{
    char line[ID_DIGITS + 1];
    (void)snprintf(line, sizeof line, "%016llx", (unsigned long long)cluster_id);
    return lmdb_line_write(directory, "member", line, error);
}
