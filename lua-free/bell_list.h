/* Doubly linked lists whose links live in what they link: a ring through the list's head. Who is in no list has links that say nothing. */
#ifndef BELL_LIST_H
#define BELL_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct bell_list bell_list;

struct bell_list {
    bell_list *next, *prev;
};

/* What a link is a member of; and the first of a list, NULL: it is empty. */
#define BELL_LIST_OF(link, type, member)    ((type *)(void *)((char *)(link)-offsetof(type, member)))
#define BELL_LIST_FIRST(list, type, member) (bell_list_is_empty(list) ? NULL : BELL_LIST_OF((list)->next, type, member))

static inline void bell_list_init(bell_list *list) {
    list->next = list->prev = list;
}

static inline bool bell_list_is_empty(const bell_list *list) {
    return list->next == list;
}

/* At the end. */
static inline void bell_list_add(bell_list *list, bell_list *link) {
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

static inline void bell_list_remove(bell_list *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
}

/* All of another list, which is empty then; `list` was none before. */
static inline void bell_list_take(bell_list *list, bell_list *other) {
    bell_list_init(list);
    if (!bell_list_is_empty(other)) {
        *list = *other;
        list->next->prev = list->prev->next = list;
        bell_list_init(other);
    }
}

#endif
