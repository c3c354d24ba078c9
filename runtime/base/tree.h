/* tree: ordered map from byte-wise compared strings to pointers, for ranges and prefixes. Balanced (no worst
 * case from outside keys). Not thread-safe. A zeroed tree is empty and valid. */
#ifndef AETHER_RUNTIME_BASE_TREE_H
#define AETHER_RUNTIME_BASE_TREE_H

#include <stdbool.h>
#include <stddef.h>

struct tree_node;

struct tree {
    struct tree_node *root; /* Private. */
    size_t count;
};

void *tree_get(const struct tree *tree, const char *key); /* NULL: absent. */
void *tree_put(struct tree *tree, const char *key,
               void *value); /* Copies the key; the former value, or NULL. */
void *tree_remove(struct tree *tree, const char *key);
/* An entry, for who looks it up once and changes it later: good until it is removed. NULL: absent. */
struct tree_node *tree_find(const struct tree *tree, const char *key);
void *tree_node_value(const struct tree_node *node);
void *tree_node_replace(struct tree_node *node, void *value); /* The former value. value is not NULL. */
/* The first entry with key >= `from` (tree_at_or_after) or > `from` (tree_after). false: none. */
bool tree_at_or_after(const struct tree *tree, const char *from, const char **out_key, void **out_value);
bool tree_after(const struct tree *tree, const char *from, const char **out_key, void **out_value);
/* The last entry with key < `from`. */
bool tree_before(const struct tree *tree, const char *from, const char **out_key, void **out_value);
void tree_fini(struct tree *tree); /* Frees the tree, not the values. */

#endif
