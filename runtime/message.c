/* message: see the header. A message is one block of four cache lines with room for a small body. Blocks are
 * cut from slabs and come from a pool of the calling thread; those that gather where messages end go back in
 * chains through one shared list, so two threads never meet over one message's memory. Slabs are kept: what
 * the busiest moment needed is there for the next. Under ASan every message is a block of its own, so that a
 * use after the end is seen. */
#include "runtime/message.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum {
    LINE = 64,
    BODY_INLINE_MAX = 96, /* Larger bodies come from the arena. */
    BODY_THIRD_LINE = 48, /* Up to here a body ends with the third line. */
    CHAIN_LENGTH = 256,   /* Blocks move between threads in chains of this many. */
    SLAB_BLOCKS = 64,
};

struct block {
    _Alignas(LINE) struct message message;
    _Alignas(16) uint8_t body[BODY_INLINE_MAX];
};

_Static_assert(sizeof(struct block) == (size_t)4 * LINE, "four lines");
_Static_assert(offsetof(struct block, body) + BODY_THIRD_LINE == (size_t)3 * LINE,
               "where the third line ends");

#if defined(__SANITIZE_ADDRESS__)
#define POOLING 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOLING 0
#endif
#endif
#ifndef POOLING
#define POOLING 1
#endif

#if POOLING

/* Free blocks are linked by message.next. A chain on the shared list is linked to the next chain by its first
 * block's message.body; message.tag says how long it is. */
struct pool {
    struct message *current; /* At most CHAIN_LENGTH. */
    uint32_t count;
    struct message *spare; /* One full chain, or NULL: keeps a thread at the border off the shared list. */
};

/* A thread that has none yet looks like one that is full, so that its first block, taken or given, comes by
 * the slow way, where its end is provided for. */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct pool pool = { .count = CHAIN_LENGTH };
static pthread_key_t pool_key; /* Its destructor returns an ending thread's blocks. */
static pthread_once_t pool_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static struct message *shared_chains;

static void share_chain(struct message *chain, uint32_t count)
{
    if (chain == NULL) return;
    chain->tag = count;
    pthread_mutex_lock(&shared_lock);
    chain->body = shared_chains;
    shared_chains = chain;
    pthread_mutex_unlock(&shared_lock);
}

static struct message *take_shared_chain(void)
{
    pthread_mutex_lock(&shared_lock);
    struct message *chain = shared_chains;
    if (chain != NULL) shared_chains = chain->body;
    pthread_mutex_unlock(&shared_lock);
    return chain;
}

static void return_blocks(void *unused)
{
    (void)unused;
    share_chain(pool.spare, CHAIN_LENGTH);
    share_chain(pool.current, pool.count);
    pool = (struct pool){ .count = CHAIN_LENGTH };
}

static void pool_key_create(void)
{
    CHECK(pthread_key_create(&pool_key, return_blocks) == 0);
}

static void watch_thread_end(void)
{
    (void)pthread_once(&pool_once, pool_key_create);
    (void)pthread_setspecific(pool_key, &pool);
}

static struct message *slab_cut(void)
{
    struct block *slab = memory_aligned_array(LINE, SLAB_BLOCKS, sizeof *slab);
    for (uint32_t i = 0; i + 1 < SLAB_BLOCKS; i++) {
        slab[i].message.next = &slab[i + 1].message;
    }
    slab->message.tag = SLAB_BLOCKS;
    return &slab->message;
}

__attribute__((noinline, cold)) static void pool_fill(void)
{
    if (pool.spare != NULL) {
        pool.current = pool.spare;
        pool.spare = NULL;
        pool.count = CHAIN_LENGTH;
        return;
    }
    pool.current = take_shared_chain();
    if (pool.current == NULL) pool.current = slab_cut();
    pool.count = (uint32_t)pool.current->tag;
    watch_thread_end();
}

__attribute__((noinline, cold)) static void pool_drain(void)
{
    bool is_new = pool.current == NULL;
    if (!is_new) {
        share_chain(pool.spare, CHAIN_LENGTH);
        pool.spare = pool.current;
    }
    pool.current = NULL;
    pool.count = 0;
    watch_thread_end();
}

static inline bool block_at_hand(void)
{
    return pool.current != NULL;
}

static void block_provide(void)
{
    if (pool.current == NULL) pool_fill();
}

static inline struct message *block_take(void)
{
    struct message *message = pool.current;
    pool.current = message->next;
    pool.count--;
    return message;
}

static void block_give(struct message *message)
{
    if (__builtin_expect(pool.count == CHAIN_LENGTH, 0)) pool_drain();
    message->next = pool.current;
    pool.current = message;
    pool.count++;
}

#else

static bool block_at_hand(void)
{
    return true;
}

static void block_provide(void)
{
}

static struct message *block_take(void)
{
    struct block *block = memory_aligned_array(LINE, 1, sizeof *block);
    return &block->message;
}

static void block_give(struct message *message)
{
    memory_free(message);
}

#endif

/* By lines: the compiler's own choice for a whole message is a string instruction, which takes longer to
 * begin than this takes in all; and a loop counts. */
static inline void clear_line(void *from, uint32_t number)
{
    memset((uint8_t *)from + (size_t)number * LINE, 0, LINE);
}

static inline struct message *block_begin(uint32_t kind, size_t body_size)
{
    struct message *message = block_take();
    struct block *block = CONTAINER_OF(message, struct block, message);
    clear_line(block, 0);
    clear_line(block, 1);
    clear_line(block, 2);
    if (body_size > BODY_THIRD_LINE) clear_line(block, 3);
    message->kind = kind;
    if (body_size > 0) message->body = block->body;
    return message;
}

__attribute__((cold, noinline)) static struct message *create_slowly(uint32_t kind, size_t body_size)
{
    block_provide();
    struct message *message = block_begin(kind, body_size);
    if (body_size > BODY_INLINE_MAX) message->body = arena_alloc(&message->arena, body_size);
    return message;
}

struct message *message_create(uint32_t kind, size_t body_size)
{
    if (!block_at_hand() || body_size > BODY_INLINE_MAX) return create_slowly(kind, body_size);
    return block_begin(kind, body_size);
}

static inline bool holds_nothing(const struct message *message)
{
    return message->kept_by == NULL && message->release == NULL && message->attachment == NULL &&
           message->arena.chunks == NULL;
}

__attribute__((cold, noinline)) static void release_all(struct message *message)
{
    message_unlist(message);
    if (message->release != NULL) message->release(message);
    bytes_unref(&message->attachment);
    arena_fini(&message->arena);
}

void message_strip(struct message *message)
{
    if (!holds_nothing(message)) release_all(message);
}

void message_recycle(struct message *message)
{
    block_give(message);
}

void message_destroy(struct message **message)
{
    struct message *taken = *message;
    *message = NULL;
    if (taken == NULL) return;
    message_strip(taken);
    block_give(taken);
}

void message_attach(struct message *message, struct bytes **bytes)
{
    CHECK(message->attachment == NULL);
    message->attachment = *bytes;
    *bytes = NULL;
}

void message_list_as_kept(struct message *message, struct message **list)
{
    CHECK(message->kept_by == NULL);
    message->next = *list;
    if (message->next != NULL) message->next->kept_by = &message->next;
    message->kept_by = list;
    *list = message;
}

void message_unlist(struct message *message)
{
    if (message->kept_by == NULL) return;
    *message->kept_by = message->next;
    if (message->next != NULL) message->next->kept_by = message->kept_by;
    message->kept_by = NULL;
    message->next = NULL;
}
