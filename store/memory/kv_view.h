/* kv_view: the records with some of them replaced or hidden: what a transaction has staged, or what was there
 * at an earlier revision. */
#ifndef AETHER_STORE_MEMORY_KV_VIEW_H
#define AETHER_STORE_MEMORY_KV_VIEW_H

#include "runtime/base/tree.h"
#include "store/memory/kv_item.h"

struct kv_view {
    const struct tree *below; /* key -> kv_item; borrowed. */
    struct tree over;         /* key -> struct kv_cover, in the arena. */
    struct arena *arena;      /* Borrowed. */
};
struct kv_cover {
    struct tree_node *place; /* In the tree below; NULL: it is not there. */
    struct kv_item *base;    /* What lies there; borrowed. */
    struct kv_item *now;     /* A reference of ours; NULL: not there. */
};
struct kv_found { /* Where a key stands, until the view or what lies below changes. */
    struct kv_cover *cover;
    struct tree_node *place;
};

void kv_view_init(struct kv_view *view, const struct tree *below, struct arena *arena);
void kv_view_fini(struct kv_view *view);
struct kv_item *kv_view_get(const struct kv_view *view, const char *key); /* Borrowed; NULL: not there. */
void kv_view_cover(struct kv_view *view, const char *key, struct kv_item *item); /* Takes item. */
/* The same in two steps, with one look for the key. */
struct kv_item *kv_view_find(const struct kv_view *view, const char *key, struct kv_found *out_found);
void kv_view_cover_found(struct kv_view *view, const struct kv_found *found, const char *key,
                         struct kv_item *item);
bool kv_view_covers(const struct kv_view *view, const char *key);
/* The first one with key > from, or >= from; the last one with key < from. NULL: none. */
struct kv_item *kv_view_next(const struct kv_view *view, const char *from, bool or_equal);
struct kv_item *kv_view_before(const struct kv_view *view, const char *from);
/* for (const char *key = NULL; (cover = kv_view_each(view, &key)) != NULL;) in key order. */
struct kv_cover *kv_view_each(const struct kv_view *view, const char **key);

#endif
