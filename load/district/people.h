/* People, invented: the same number of the same seed is the same person. */
#ifndef LOAD_DISTRICT_PEOPLE_H
#define LOAD_DISTRICT_PEOPLE_H

#include <stdint.h>

/* A name as it is written, and as a login has it. */
typedef struct {
    const char *name, *login;
} a_name;

typedef struct {
    a_name given, family;
} person;

person a_person(uint64_t seed, uint64_t number);

/* A number for each place, without a state to carry. */
uint64_t mix(uint64_t x);

#endif
