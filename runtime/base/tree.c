/* tree: see the header. An AVL tree (Adelson-Velsky and Landis, 1962): the heights of siblings differ by at
 * most one, so the depth is below 1.45 log2(count) whatever keys come, and recursion on it is safe. */
#include "runtime/base/tree.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <string.h>

struct tree_node {
    struct tree_node *left;
    struct tree_node *right;
    void *value;
    int height;
    char key[];
};

static int height_of(const struct tree_node *node)
{
    return node == NULL ? 0 : node->height;
}

static void height_update(struct tree_node *node)
{
    int left = height_of(node->left);
    int right = height_of(node->right);
    node->height = 1 + (left > right ? left : right);
}

static struct tree_node *rotate_right(struct tree_node *node)
{
    struct tree_node *top = node->left;
    node->left = top->right;
    top->right = node;
    height_update(node);
    height_update(top);
    return top;
}

static struct tree_node *rotate_left(struct tree_node *node)
{
    struct tree_node *top = node->right;
    node->right = top->left;
    top->left = node;
    height_update(node);
    height_update(top);
    return top;
}

/* Returns the new top of a subtree whose children are balanced and differ by at most two. */
static struct tree_node *balance(struct tree_node *node)
{
    height_update(node);
    int lean = height_of(node->left) - height_of(node->right);
    if (lean > 1) {
        if (height_of(node->left->left) < height_of(node->left->right)) node->left = rotate_left(node->left);
        return rotate_right(node);
    }
    if (lean < -1) {
        if (height_of(node->right->right) < height_of(node->right->left))
            node->right = rotate_right(node->right);
        return rotate_left(node);
    }
    return node;
}

static struct tree_node *node_create(const char *key, void *value)
{
    size_t size = strlen(key) + 1;
    struct tree_node *node = memory_alloc(sizeof *node + size);
    *node = (struct tree_node){ .value = value, .height = 1 };
    memcpy(node->key, key, size);
    return node;
}

static struct tree_node *insert(struct tree_node *node, const char *key, void *value, void **out_former)
{
    if (node == NULL) return node_create(key, value);
    int order = strcmp(key, node->key);
    if (order == 0) {
        *out_former = node->value;
        node->value = value;
        return node;
    }
    if (order < 0) node->left = insert(node->left, key, value, out_former);
    else node->right = insert(node->right, key, value, out_former);
    return balance(node);
}

/* Unlinks the leftmost node of a subtree; returns the subtree's new top. */
static struct tree_node *detach_first(struct tree_node *node, struct tree_node **out_first)
{
    if (node->left == NULL) {
        *out_first = node;
        return node->right;
    }
    node->left = detach_first(node->left, out_first);
    return balance(node);
}

static struct tree_node *unlink_top(struct tree_node *node)
{
    if (node->left == NULL) return node->right;
    if (node->right == NULL) return node->left;
    struct tree_node *top = NULL;
    struct tree_node *right = detach_first(node->right, &top);
    top->left = node->left;
    top->right = right;
    return balance(top);
}

static struct tree_node *extract(struct tree_node *node, const char *key, struct tree_node **out_node)
{
    if (node == NULL) return NULL;
    int order = strcmp(key, node->key);
    if (order == 0) {
        *out_node = node;
        return unlink_top(node);
    }
    if (order < 0) node->left = extract(node->left, key, out_node);
    else node->right = extract(node->right, key, out_node);
    return balance(node);
}

struct tree_node *tree_find(const struct tree *tree, const char *key)
{
    struct tree_node *node = tree->root;
    while (node != NULL) {
        int order = strcmp(key, node->key);
        if (order == 0) return node;
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

void *tree_node_value(const struct tree_node *node)
{
    return node->value;
}

void *tree_node_replace(struct tree_node *node, void *value)
{
    CHECK(value != NULL);
    void *former = node->value;
    node->value = value;
    return former;
}

void *tree_get(const struct tree *tree, const char *key)
{
    const struct tree_node *node = tree_find(tree, key);
    return node == NULL ? NULL : node->value;
}

void *tree_put(struct tree *tree, const char *key, void *value)
{
    CHECK(value != NULL);
    void *former = NULL;
    tree->root = insert(tree->root, key, value, &former);
    if (former == NULL) tree->count++;
    return former;
}

void *tree_remove(struct tree *tree, const char *key)
{
    struct tree_node *node = NULL;
    tree->root = extract(tree->root, key, &node);
    if (node == NULL) return NULL;
    void *value = node->value;
    memory_free(node);
    tree->count--;
    return value;
}

/* The first node whose key compares above `from`, or equal where `or_equal`. */
static bool seek(const struct tree *tree, const char *from, bool or_equal, const char **out_key,
                 void **out_value)
{
    const struct tree_node *best = NULL;
    for (const struct tree_node *node = tree->root; node != NULL;) {
        int order = strcmp(node->key, from);
        bool fits = order > 0 || (or_equal && order == 0);
        if (fits) best = node;
        node = fits ? node->left : node->right;
    }
    if (best == NULL) return false;
    if (out_key != NULL) *out_key = best->key;
    if (out_value != NULL) *out_value = best->value;
    return true;
}

bool tree_at_or_after(const struct tree *tree, const char *from, const char **out_key, void **out_value)
{
    return seek(tree, from, true, out_key, out_value);
}

bool tree_after(const struct tree *tree, const char *from, const char **out_key, void **out_value)
{
    return seek(tree, from, false, out_key, out_value);
}

bool tree_before(const struct tree *tree, const char *from, const char **out_key, void **out_value)
{
    const struct tree_node *best = NULL;
    for (const struct tree_node *node = tree->root; node != NULL;) {
        bool fits = strcmp(node->key, from) < 0;
        if (fits) best = node;
        node = fits ? node->right : node->left;
    }
    if (best == NULL) return false;
    if (out_key != NULL) *out_key = best->key;
    if (out_value != NULL) *out_value = best->value;
    return true;
}

static void free_subtree(struct tree_node *node)
{
    if (node == NULL) return;
    free_subtree(node->left);
    free_subtree(node->right);
    memory_free(node);
}

void tree_fini(struct tree *tree)
{
    free_subtree(tree->root);
    *tree = (struct tree){ 0 };
}
