/* lmdb_meta: see the header. The layout is that of LMDB 0.9 on 64-bit machines (data version 1): a page
 * header of 16 bytes (flags at 10), then u32 magic, u32 version, address, map size, two tables of 48 bytes
 * (the first one's first word is the page size), last page, transaction number. */
#include "store/lmdb/lmdb_meta.h"

#include "store/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
    META_COUNT = 2,
    FLAGS_AT = 10,
    MAGIC_AT = 16,
    PAGE_SIZE_AT = 40,
    TRANSACTION_AT = 144,
    FLAG_META = 8,
    DATA_VERSION = 1,
    PAGE_SIZE_MIN = 512,
    PAGE_SIZE_MAX = 32768,
};
static const uint32_t MAGIC = UINT32_C(0xBEEFC0DE);

bool lmdb_meta_parse(const uint8_t page[LMDB_META_SIZE], struct lmdb_meta *out_meta)
{
    struct pack_reader flags = { .at = page + FLAGS_AT, .left = 2 };
    struct pack_reader head = { .at = page + MAGIC_AT, .left = 8 };
    struct pack_reader size = { .at = page + PAGE_SIZE_AT, .left = 4 };
    struct pack_reader transaction = { .at = page + TRANSACTION_AT, .left = 8 };
    bool is_meta = (unpack_u16(&flags) & FLAG_META) != 0;
    bool ours = unpack_u32(&head) == MAGIC;
    bool known = unpack_u32(&head) == DATA_VERSION;
    out_meta->page_size = unpack_u32(&size);
    out_meta->transaction = unpack_u64(&transaction);
    bool sized = out_meta->page_size >= PAGE_SIZE_MIN && out_meta->page_size <= PAGE_SIZE_MAX;
    return is_meta && ours && known && sized;
}

static enum status check(int fd, const char *file, struct error *error)
{
    struct lmdb_meta metas[META_COUNT] = { { 0, 0 } };
    for (size_t i = 0; i < META_COUNT; i++) {
        uint8_t page[LMDB_META_SIZE];
        ssize_t got = pread(fd, page, sizeof page, (off_t)i * metas[0].page_size);
        if (got < 0) return error_set(error, STATUS_IO, "read %s: %s", file, strerror(errno));
        bool parsed = got == (ssize_t)sizeof page && lmdb_meta_parse(page, &metas[i]);
        if (!parsed || metas[i].page_size != metas[0].page_size) {
            return error_set(error, STATUS_CORRUPT, "meta page %zu of %s is damaged", i, file);
        }
    }
    uint64_t first = metas[0].transaction;
    uint64_t second = metas[1].transaction;
    bool adjacent = first == second + 1 || second == first + 1;
    if (adjacent || (first == 0 && second == 0)) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "the meta pages of %s are of transactions %llu and %llu", file,
                     (unsigned long long)first, (unsigned long long)second);
}

enum status lmdb_meta_check(const char *file, struct error *error)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return error_set(error, STATUS_CORRUPT, "%s is missing", file);
    if (fd < 0) return error_set(error, STATUS_IO, "open %s: %s", file, strerror(errno));
    enum status status = check(fd, file, error);
    (void)close(fd);
    return status;
}
