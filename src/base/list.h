/* list: an intrusive doubly linked list with a head; an unlinked node points to itself. */
#pragma once
#include "base/base.h"

struct list {
    struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->next == l;
}

/* At the end of `head`. */
static inline void list_push(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_push(head->next, node);
}

/* Harmless on an unlinked, initialised node. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* The first node, unlinked; NULL when empty. */
static inline struct list *list_pop(struct list *head)
{
    struct list *first = head->next;
    if (first == head)
        return NULL;
    list_remove(first);
    return first;
}

/* `node` may be removed within the body. */
#define list_each(node, head)                                                                      \
    for (struct list *node = (head)->next, *node##_next_ = node->next; node != (head);             \
         node = node##_next_, node##_next_ = node->next)
