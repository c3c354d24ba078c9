/* message: see the header. A message is one block with room for a small body; blocks come from a pool of the
 * calling thread, and those that gather where messages end go back in chains through one shared list. Under
 * ASan every message is a block of its own, so that a use after the end is seen. */
#include "runtime/message.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

enum {
    BODY_INLINE_MAX = 96, /* Larger bodies come from the arena. */
    CHAIN_LENGTH = 256,   /* Blocks move between threads in chains of this many. */
};

struct block {
    struct message message;
    _Alignas(16) uint8_t body[BODY_INLINE_MAX];
};

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

/* Free blocks are linked by message.next; chains of CHAIN_LENGTH by the first one's message.body. */
struct pool {
    struct message *current; /* At most CHAIN_LENGTH. */
    uint32_t count;
    struct message *spare; /* One full chain, or NULL: keeps a thread at the border off the shared list. */
};

static _Thread_local struct pool pool;
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

static void return_blocks(void *unused)
{
    (void)unused;
    if (pool.spare != NULL) share_chain(pool.spare);
    while (pool.current != NULL) {
        struct message *next = pool.current->next;
        memory_free(pool.current);
        pool.current = next;
    }
    pool = (struct pool){ 0 };
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

static struct message *block_take(void)
{
    if (pool.current == NULL) {
        pool.current = pool.spare != NULL ? pool.spare : take_shared_chain();
        pool.spare = NULL;
        pool.count = pool.current != NULL ? CHAIN_LENGTH : 0;
        watch_thread_end();
    }
    if (pool.current == NULL) return memory_alloc(sizeof(struct block));
    struct message *message = pool.current;
    pool.current = message->next;
    pool.count--;
    return message;
}

static void block_give(struct message *message)
{
    if (pool.count == CHAIN_LENGTH) {
        if (pool.spare != NULL) share_chain(pool.spare);
        pool.spare = pool.current;
        pool.current = NULL;
        pool.count = 0;
        watch_thread_end();
    }
    message->next = pool.current;
    pool.current = message;
    pool.count++;
}

#else

static struct message *block_take(void)
{
    return memory_alloc(sizeof(struct block));
}

static void block_give(struct message *message)
{
    memory_free(message);
}

#endif

struct message *message_create(uint32_t kind, size_t body_size)
{
    struct message *message = block_take();
    *message = (struct message){ .kind = kind };
    if (body_size == 0) return message;
    if (body_size > BODY_INLINE_MAX) {
        message->body = arena_alloc(&message->arena, body_size);
        return message;
    }
    struct block *block = CONTAINER_OF(message, struct block, message);
    message->body = memset(block->body, 0, (body_size + 15) & ~(size_t)15);
    return message;
}

void message_destroy(struct message **message)
{
    struct message *taken = *message;
    *message = NULL;
    if (taken == NULL) return;
    message_unlist(taken);
    if (taken->release != NULL) taken->release(taken);
    bytes_unref(&taken->attachment);
    arena_fini(&taken->arena);
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
