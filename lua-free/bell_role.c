#include "bell_role.h"

static const struct {
    uint32_t number;
    const char *name;
} roles[] = {
    {1, "school_admin"},                  /* OneRoster 1.1 does not say whether of a school or of the district: the less of the two */
    {2, "teacher"},                       /* aide */
    {3, "guardian"},     {4, "guardian"}, /* parent */
    {6, "guardian"},                      /* relative */
    {7, "student"},      {8, "teacher"},  {20, "operator"}, {21, "district_admin"},
};

const char *bell_role_name(uint32_t role) {
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (roles[i].number == role) {
            return roles[i].name;
        }
    }
    return "none";
}

bool bell_role_is_name(bell_str name) {
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (bell_str_eq(name, bell_str_of(roles[i].name))) {
            return true;
        }
    }
    return false;
}
