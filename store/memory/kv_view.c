/* kv_view: see the header. Two ordered trees are walked side by side; where both have a key, the upper one
 * counts. */
#include "store/memory/kv_view.h"

#include <string.h>

void kv_view_init(struct kv_view *view, const struct tree *below, struct arena *arena)
{
    *view = (struct kv_view){ .below = below, .arena = arena };
}

void kv_view_fini(struct kv_view *view)
{
    struct kv_cover *cover = NULL;
    for (const char *key = NULL; (cover = kv_view_each(view, &key)) != NULL;) {
        kv_item_unref(&cover->now);
    }
    tree_fini(&view->over);
}

struct kv_cover *kv_view_each(const struct kv_view *view, const char **key)
{
    void *cover = NULL;
    bool found = *key == NULL ? tree_at_or_after(&view->over, "", key, &cover)
                              : tree_after(&view->over, *key, key, &cover);
    return found ? cover : NULL;
}

struct kv_item *kv_view_find(const struct kv_view *view, const char *key, struct kv_found *out_found)
{
    *out_found = (struct kv_found){ .cover = tree_get(&view->over, key) };
    if (out_found->cover != NULL) return out_found->cover->now;
    out_found->place = tree_find(view->below, key);
    return out_found->place == NULL ? NULL : tree_node_value(out_found->place);
}

struct kv_item *kv_view_get(const struct kv_view *view, const char *key)
{
    struct kv_found found;
    return kv_view_find(view, key, &found);
}

bool kv_view_covers(const struct kv_view *view, const char *key)
{
    return tree_get(&view->over, key) != NULL;
}

void kv_view_cover_found(struct kv_view *view, const struct kv_found *found, const char *key,
                         struct kv_item *item)
{
    struct kv_cover *cover = found->cover;
    if (cover == NULL) {
        cover = arena_alloc(view->arena, sizeof *cover);
        cover->place = found->place;
        cover->base = found->place == NULL ? NULL : tree_node_value(found->place);
        (void)tree_put(&view->over, key, cover);
    }
    kv_item_unref(&cover->now);
    cover->now = item;
}

void kv_view_cover(struct kv_view *view, const char *key, struct kv_item *item)
{
    struct kv_found found;
    (void)kv_view_find(view, key, &found);
    kv_view_cover_found(view, &found, key, item);
}

/* Of two candidates the one nearer to `from`: the lower key forwards, the higher one backwards; of equal ones
 * the upper tree's. false: there is none. */
static bool choose(const struct kv_view *view, bool forwards,
                   bool (*seek)(const struct tree *, const char *, const char **, void **), const char **from,
                   struct kv_item **out_item)
{
    const char *below_key = NULL;
    const char *over_key = NULL;
    void *below = NULL;
    void *over = NULL;
    bool has_below = seek(view->below, *from, &below_key, &below);
    bool has_over = seek(&view->over, *from, &over_key, &over);
    if (!has_below && !has_over) return false;
    int order = has_below && has_over ? strcmp(over_key, below_key) : 0;
    bool take_over = has_over && (!has_below || order == 0 || (order < 0) == forwards);
    *from = take_over ? over_key : below_key;
    *out_item = take_over ? ((const struct kv_cover *)over)->now : below;
    return true;
}

struct kv_item *kv_view_next(const struct kv_view *view, const char *from, bool or_equal)
{
    struct kv_item *item = NULL;
    bool found = choose(view, true, or_equal ? tree_at_or_after : tree_after, &from, &item);
    while (found && item == NULL) {
        found = choose(view, true, tree_after, &from, &item);
    }
    return item;
}

struct kv_item *kv_view_before(const struct kv_view *view, const char *from)
{
    struct kv_item *item = NULL;
    while (item == NULL && choose(view, false, tree_before, &from, &item)) {
    }
    return item;
}
