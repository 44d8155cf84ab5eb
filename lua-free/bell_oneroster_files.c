/* The tables of bell_oneroster.h: the files of OneRoster 1.1, their columns, and the words that may stand in them. */
#include "bell_oneroster.h"

/* ---- words ---- */

static const bell_oneroster_word status_words[] = {{"active", BELL_ONEROSTER_ACTIVE}, {"tobedeleted", BELL_ONEROSTER_TO_BE_DELETED}, {NULL, 0}};
static const bell_oneroster_word session_types[] = {{"gradingPeriod", 1}, {"semester", 2}, {"schoolYear", 3}, {"term", 4}, {NULL, 0}};
static const bell_oneroster_word org_types[] = {{"department", 1}, {"school", 2},   {"district", 3}, {"local", 4},
                                                {"state", 5},      {"national", 6}, {NULL, 0}};
static const bell_oneroster_word class_types[] = {{"homeroom", 1}, {"scheduled", 2}, {NULL, 0}};
static const bell_oneroster_word user_roles[] = {{"administrator", 1}, {"aide", 2},    {"guardian", 3}, {"parent", 4}, {"proctor", 5},
                                                 {"relative", 6},      {"student", 7}, {"teacher", 8},  {NULL, 0}};
static const bell_oneroster_word enrollment_roles[] = {{"administrator", 1}, {"proctor", 2}, {"student", 3}, {"teacher", 4}, {NULL, 0}};
static const bell_oneroster_word sexes[] = {{"male", 1}, {"female", 2}, {NULL, 0}};
static const bell_oneroster_word importances[] = {{"primary", 1}, {"secondary", 2}, {NULL, 0}};
static const bell_oneroster_word score_statuses[] = {{"exempt", 1},           {"fully graded", 2}, {"not submitted", 3},
                                                     {"partially graded", 4}, {"submitted", 5},    {NULL, 0}};

/* ---- files and columns ---- */

/* The first three columns of every file. */
#define SOURCED_ID    "sourcedId", BELL_ONEROSTER_GUID, true, false, NULL
#define STATUS        "status", BELL_ONEROSTER_WORD, false, false, status_words
#define LAST_MODIFIED "dateLastModified", BELL_ONEROSTER_DATETIME, false, false, NULL
/* The same where sourcedId is a person's own. */
#define PERSON_SOURCED_ID "sourcedId", BELL_ONEROSTER_GUID, true, true, NULL

static const bell_oneroster_column academic_sessions[] = {
    {SOURCED_ID},
    {STATUS},
    {LAST_MODIFIED},
    {"title", BELL_ONEROSTER_TEXT, true, false, NULL},
    {"type", BELL_ONEROSTER_WORD, true, false, session_types},
    {"startDate", BELL_ONEROSTER_DATE, true, false, NULL},
    {"endDate", BELL_ONEROSTER_DATE, true, false, NULL},
    {"parentSourcedId", BELL_ONEROSTER_GUID, false, false, NULL},
    {"schoolYear", BELL_ONEROSTER_YEAR, true, false, NULL},
};

static const bell_oneroster_column categories[] = {
    {SOURCED_ID},
    {STATUS},
    {LAST_MODIFIED},
    {"title", BELL_ONEROSTER_TEXT, true, false, NULL},
};

static const bell_oneroster_column classes[] = {
    {SOURCED_ID},
    {STATUS},
    {LAST_MODIFIED},
    {"title", BELL_ONEROSTER_TEXT, true, false, NULL},
    {"grades", BELL_ONEROSTER_TEXT_LIST, false, false, NULL},
    {"courseSourcedId", BELL_ONEROSTER_GUID, true, false, NULL},
    {"classCode", BELL_ONEROSTER_TEXT, false, false, NULL},
    {"classType", BELL_ONEROSTER_WORD, true, false, class_types},
    {"location", BELL_ONEROSTER_TEXT, false, false, NULL},
    {"schoolSourcedId", BELL_ONEROSTER_GUID, true, false, NULL},
    {"termSourcedIds", BELL_ONEROSTER_GUID_LIST, true, false, NULL},
    {"subjects", BELL_ONEROSTER_TEXT_LIST, false, false, NULL},
    {"subjectCodes", BELL_ONEROSTER_TEXT_LIST, false, false, NULL},
    {"periods", BELL_ONEROSTER_TEXT_LIST, false, false, NULL},
};

static const bell_oneroster_column class_resources[] = {
    {SOURCED_ID},
    {STATUS},
    {LAST_MODIFIED},
    {"title", BELL_ONEROSTER_TEXT, false, false, NULL},
    {"classSourcedId", BELL_ONEROSTER_GUID, true, false, NULL},
    {"resourceSourcedId", BELL_ONEROSTER_GUID, true, false, NULL},
};

static const bell_oneroster_column courses[] = {
    {SOURCED_ID},
    {STATUS},
    {LAST_MODIFIED},
    {"schoolYearSourcedId", BELL_ONEROSTER_GUID, false, false, NULL},
    {"title", BELL_ONEROSTER_TEXT, true, false, NULL},
    {"courseCode", BELL_ONEROSTER_TEXT, false, false, NULL},
    {"grades", BELL_ONEROSTER_TEXT_LIST, false, false, NULL},
    {"orgSourcedId", BELL_ONEROSTER_GUID, true, false, NULL},
    {"subjects", BELL_ONEROSTER_TEXT_LIST, false, false, NULL},
    {"subjectCodes", BELL_ONEROSTER_TEXT_LIST, false, false, NULL},
};

static const bell_oneroster_column course_resources[] = {
    {SOURCED_ID},
    {STATUS},
    {LAST_MODIFIED},
    {"title", BELL_ONEROSTER_TEXT, false, false, NULL},
    {"courseSourcedId", BELL_ONEROSTER_GUID, true, false, NULL},
    {"resourceSourcedId", BELL_ONEROSTER_GUID, true, false, NULL},
};

static const bell_oneroster_column demographics[] = {
    {PERSON_SOURCED_ID},
    {STATUS},
    {LAST_MODIFIED},
    {"birthDate", BELL_ONEROSTER_DATE, false, true, NULL},
    {"sex", BELL_ONEROSTER_WORD, false, true, sexes},
    {"americanIndianOrAlaskaNative", BELL_ONEROSTER_BOOLEAN, false, true, NULL},
    {"asian", BELL_ONEROSTER_BOOLEAN, false, true, NULL},
    {"blackOrAfricanAmerican", BELL_ONEROSTER_BOOLEAN, false, true, NULL},
    {"nativeHawaiianOrOtherPacificIslander", BELL_ONEROSTER_BOOLEAN, false, true, NULL},
    {"white", BELL_ONEROSTER_BOOLEAN, false, true, NULL},
    {"demographicRaceTwoOrMoreRaces", BELL_ONEROSTER_BOOLEAN, false, true, NULL},
    {"hispanicOrLatinoEthnicity", BELL_ONEROSTER_BOOLEAN, false, true, NULL},
    {"countryOfBirthCode", BELL_ONEROSTER_TEXT, false, true, NULL},
    {"stateOfBirthAbbreviation", BELL_ONEROSTER_TEXT, false, true, NULL},
    {"cityOfBirth", BELL_ONEROSTER_TEXT, false, true, NULL},
    {"publicSchoolResidenceStatus", BELL_ONEROSTER_TEXT, false, true, NULL},
};

static const bell_oneroster_column enrollments[] = {
    {SOURCED_ID},
    {STATUS},
    {LAST_MODIFIED},
    {"classSourcedId", BELL_ONEROSTER_GUID, true, false, NULL},
    {"schoolSourcedId", BELL_ONEROSTER_GUID, true, false, NULL},
    {"userSourcedId", BELL_ONEROSTER_GUID, true, true, NULL},
    {"role", BELL_ONEROSTER_WORD, true, false, enrollment_roles},
    {"primary", BELL_ONEROSTER_BOOLEAN, false, false, NULL},
    {"beginDate", BELL_ONEROSTER_DATE, false, false, NULL},
    {"endDate", BELL_ONEROSTER_DATE, false, false, NULL},
};

static const bell_oneroster_column line_items[] = {
    {SOURCED_ID},
    {STATUS},
    {LAST_MODIFIED},
    {"title", BELL_ONEROSTER_TEXT, true, false, NULL},
    {"description", BELL_ONEROSTER_TEXT, false, false, NULL},
    {"assignDate", BELL_ONEROSTER_DATE, true, false, NULL},
    {"dueDate", BELL_ONEROSTER_DATE, true, false, NULL},
    {"classSourcedId", BELL_ONEROSTER_GUID, true, false, NULL},
    {"categorySourcedId", BELL_ONEROSTER_GUID, true, false, NULL},
    {"gradingPeriodSourcedId", BELL_ONEROSTER_GUID, true, false, NULL},
    {"resultValueMin", BELL_ONEROSTER_NUMBER, true, false, NULL},
    {"resultValueMax", BELL_ONEROSTER_NUMBER, true, false, NULL},
};

static const bell_oneroster_column orgs[] = {
    {SOURCED_ID},
    {STATUS},
    {LAST_MODIFIED},
    {"name", BELL_ONEROSTER_TEXT, true, false, NULL},
    {"type", BELL_ONEROSTER_WORD, true, false, org_types},
    {"identifier", BELL_ONEROSTER_TEXT, false, false, NULL},
    {"parentSourcedId", BELL_ONEROSTER_GUID, false, false, NULL},
};

static const bell_oneroster_column resources[] = {
    {SOURCED_ID},
    {STATUS},
    {LAST_MODIFIED},
    {"vendorResourceId", BELL_ONEROSTER_TEXT, true, false, NULL},
    {"title", BELL_ONEROSTER_TEXT, false, false, NULL},
    {"roles", BELL_ONEROSTER_TEXT_LIST, false, false, NULL},
    {"importance", BELL_ONEROSTER_WORD, false, false, importances},
    {"vendorId", BELL_ONEROSTER_TEXT, false, false, NULL},
    {"applicationId", BELL_ONEROSTER_TEXT, false, false, NULL},
};

static const bell_oneroster_column results[] = {
    {SOURCED_ID},
    {STATUS},
    {LAST_MODIFIED},
    {"lineItemSourcedId", BELL_ONEROSTER_GUID, true, false, NULL},
    {"studentSourcedId", BELL_ONEROSTER_GUID, true, true, NULL},
    {"scoreStatus", BELL_ONEROSTER_WORD, true, false, score_statuses},
    {"score", BELL_ONEROSTER_NUMBER, true, true, NULL},
    {"scoreDate", BELL_ONEROSTER_DATE, true, true, NULL},
    {"comment", BELL_ONEROSTER_TEXT, false, true, NULL},
};

static const bell_oneroster_column users[] = {
    {PERSON_SOURCED_ID},
    {STATUS},
    {LAST_MODIFIED},
    {"enabledUser", BELL_ONEROSTER_BOOLEAN, true, false, NULL},
    {"orgSourcedIds", BELL_ONEROSTER_GUID_LIST, true, false, NULL},
    {"role", BELL_ONEROSTER_WORD, true, false, user_roles},
    {"username", BELL_ONEROSTER_TEXT, true, true, NULL},
    {"userIds", BELL_ONEROSTER_TEXT_LIST, false, true, NULL},
    {"givenName", BELL_ONEROSTER_TEXT, true, true, NULL},
    {"familyName", BELL_ONEROSTER_TEXT, true, true, NULL},
    {"middleName", BELL_ONEROSTER_TEXT, false, true, NULL},
    {"identifier", BELL_ONEROSTER_TEXT, false, true, NULL},
    {"email", BELL_ONEROSTER_TEXT, false, true, NULL},
    {"sms", BELL_ONEROSTER_TEXT, false, true, NULL},
    {"phone", BELL_ONEROSTER_TEXT, false, true, NULL},
    {"agentSourcedIds", BELL_ONEROSTER_GUID_LIST, false, true, NULL},
    {"grades", BELL_ONEROSTER_TEXT_LIST, false, false, NULL},
    {"password", BELL_ONEROSTER_SECRET, false, true, NULL},
};

#define A_FILE(name, columns)                                                                                                                        \
    { name, columns, sizeof(columns) / sizeof((columns)[0]) }

const bell_oneroster_file bell_oneroster_files[BELL_ONEROSTER_FILES] = {
    A_FILE("academicSessions", academic_sessions),
    A_FILE("categories", categories),
    A_FILE("classResources", class_resources),
    A_FILE("classes", classes),
    A_FILE("courseResources", course_resources),
    A_FILE("courses", courses),
    A_FILE("demographics", demographics),
    A_FILE("enrollments", enrollments),
    A_FILE("lineItems", line_items),
    A_FILE("orgs", orgs),
    A_FILE("resources", resources),
    A_FILE("results", results),
    A_FILE("users", users),
};
