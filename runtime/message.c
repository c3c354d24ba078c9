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
    CHAIN_LENGTH = 256,   /* Blocks move between threads in chains of this many, */
    POOL_BLOCKS = 512,    /* and a thread has at most two such chains. */
    SLAB_BLOCKS = 64,
};

struct block {
    _Alignas(LINE) struct message message;
    _Alignas(16) uint8_t body[BODY_INLINE_MAX];
};

_Static_assert(sizeof(struct block) == (size_t)4 * LINE, "four lines");

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

/* A thread's free blocks, the last given back on top: it is still warm. Chains of them move between threads
 * through one shared list: linked by message.next, and to the next chain by its first block's message.body.
 */
struct pool {
    uint32_t count;
    struct message *blocks[POOL_BLOCKS];
};

static _Thread_local __attribute__((tls_model("local-exec"))) struct pool pool;
static pthread_key_t pool_key; /* Its destructor returns an ending thread's blocks. */
static pthread_once_t pool_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static struct message *shared_chains;

static void share_chain(struct message *chain)
{
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

/* The blocks that were given first, and are the coldest: at most a chain's length. */
static void share_oldest(void)
{
    uint32_t count = pool.count < CHAIN_LENGTH ? pool.count : CHAIN_LENGTH;
    if (count == 0) return;
    for (uint32_t i = 0; i < count; i++) {
        pool.blocks[i]->next = i + 1 < count ? pool.blocks[i + 1] : NULL;
    }
    share_chain(pool.blocks[0]);
    pool.count -= count;
    memmove(pool.blocks, pool.blocks + count, pool.count * sizeof pool.blocks[0]);
}

static void return_blocks(void *unused)
{
    (void)unused;
    while (pool.count > 0) {
        share_oldest();
    }
}

static void pool_key_create(void)
{
    CHECK(pthread_key_create(&pool_key, return_blocks) == 0);
}

static void provide_for_end(void)
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
    return &slab->message;
}

__attribute__((noinline, cold)) static void pool_fill(void)
{
    struct message *chain = take_shared_chain();
    if (chain == NULL) chain = slab_cut();
    for (; chain != NULL; chain = chain->next) {
        pool.blocks[pool.count++] = chain;
    }
    provide_for_end();
}

__attribute__((noinline, cold)) static void pool_drain(void)
{
    if (pool.count > 0) share_oldest();
    else provide_for_end();
}

static inline bool block_at_hand(void)
{
    return pool.count > 0;
}

static void block_provide(void)
{
    if (pool.count == 0) pool_fill();
}

static inline struct message *block_take(void)
{
    return pool.blocks[--pool.count];
}

static inline void block_give(struct message *message)
{
    if (__builtin_expect(pool.count - 1 >= POOL_BLOCKS - 1, 0)) pool_drain(); /* Full, or empty. */
    pool.blocks[pool.count++] = message;
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

/* A block in the pool is clean from kept_by on: whoever gives one back has cleared what few messages have
 * there. So a new message begins with few stores, of which a thread can do no more than one or two at a time.
 */
enum { CLEAN_FROM = offsetof(struct message, kept_by), BODY_SMALL = 16 };

static inline struct message *block_begin(uint32_t kind, size_t body_size)
{
    struct message *message = block_take();
    struct block *block = CONTAINER_OF(message, struct block, message);
    message->next = NULL;
    message->body = body_size > 0 ? block->body : NULL;
    message->kind = kind;
    message->generation = 0;
    message->sender = (struct actor_id){ 0, 0 };
    memset(&message->ask_id, 0, CLEAN_FROM - offsetof(struct message, ask_id));
    memset(block->body, 0, BODY_SMALL);
    if (body_size > BODY_SMALL) memset(block->body + BODY_SMALL, 0, BODY_INLINE_MAX - BODY_SMALL);
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
    return ((uintptr_t)message->kept_by | (uintptr_t)message->release | (uintptr_t)message->attachment |
            (uintptr_t)message->arena.chunks | (uintptr_t)message->from_node | message->from_replica) == 0;
}

__attribute__((cold, noinline)) static void release_all(struct message *message)
{
    message_unlist(message);
    if (message->release != NULL) message->release(message);
    bytes_unref(&message->attachment);
    arena_fini(&message->arena);
    memset(&message->kept_by, 0, sizeof *message - CLEAN_FROM);
}

void message_strip(struct message *message)
{
    if (!holds_nothing(message)) release_all(message);
}

void message_recycle(struct message *message)
{
    block_give(message);
}

void message_give_back(struct message *message)
{
    message_strip(message);
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

__attribute__((cold, noinline)) void message_leave_list(struct message *message)
{
    *message->kept_by = message->next;
    if (message->next != NULL) message->next->kept_by = message->kept_by;
    message->kept_by = NULL;
    message->next = NULL;
}
