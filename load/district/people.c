#include "load/district/people.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* splitmix64's finalizer (Steele, Lea, Flood 2014). */
uint64_t mix(uint64_t x) {
    x += 0x9E3779B97F4A7C15;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    return x ^ (x >> 31);
}

static const a_name given_names[] = {
    {"Amara", "amara"},     {"Mateo", "mateo"},         {"Zoë", "zoe"},
    {"Søren", "soren"},     {"Linh", "linh"},           {"José", "jose"},
    {"Aaliyah", "aaliyah"}, {"Noah", "noah"},           {"Emma", "emma"},
    {"Yusuf", "yusuf"},     {"Ines", "ines"},           {"Björn", "bjorn"},
    {"Wei", "wei"},         {"Priya", "priya"},         {"Kofi", "kofi"},
    {"Aoife", "aoife"},     {"Łukasz", "lukasz"},       {"Ana Sofía", "anasofia"},
    {"Hana", "hana"},       {"Omar", "omar"},           {"Tuấn", "tuan"},
    {"Chloé", "chloe"},     {"Dimitri", "dimitri"},     {"Fatima", "fatima"},
    {"Gabriel", "gabriel"}, {"Ximena", "ximena"},       {"Kai", "kai"},
    {"Leilani", "leilani"}, {"Marek", "marek"},         {"Nia", "nia"},
    {"Olivia", "olivia"},   {"Pelé", "pele"},           {"Quinn", "quinn"},
    {"Rania", "rania"},     {"Samuel", "samuel"},       {"Tomás", "tomas"},
    {"Uma", "uma"},         {"Valentina", "valentina"}, {"William", "william"},
    {"Xavier", "xavier"},   {"Yara", "yara"},           {"Žofie", "zofie"},
    {"Abel", "abel"},       {"Beatriz", "beatriz"},     {"Çağla", "cagla"},
    {"Dauda", "dauda"},     {"Eszter", "eszter"},       {"Finn", "finn"},
    {"Giulia", "giulia"},   {"Haruto", "haruto"},       {"Isla", "isla"},
    {"Jin-woo", "jinwoo"},  {"Katarzyna", "katarzyna"}, {"Luca", "luca"},
    {"Maya", "maya"},       {"Nasrin", "nasrin"},       {"Ólafur", "olafur"},
    {"Paulo", "paulo"},     {"Rosa", "rosa"},           {"Thandiwe", "thandiwe"},
};

static const a_name family_names[] = {
    {"Okafor", "okafor"},       {"García", "garcia"},
    {"Nguyễn", "nguyen"},       {"Smith", "smith"},
    {"O'Brien", "obrien"},      {"Müller", "muller"},
    {"de la Cruz", "delacruz"}, {"Kim", "kim"},
    {"Patel", "patel"},         {"Hernández", "hernandez"},
    {"Johansson", "johansson"}, {"Kowalski", "kowalski"},
    {"Chen", "chen"},           {"Al-Hassan", "alhassan"},
    {"Silva", "silva"},         {"Johnson", "johnson"},
    {"Dubois", "dubois"},       {"Yılmaz", "yilmaz"},
    {"Novák", "novak"},         {"Rossi", "rossi"},
    {"Tanaka", "tanaka"},       {"Begum", "begum"},
    {"Fernández", "fernandez"}, {"Ivanova", "ivanova"},
    {"King, Jr.", "king"},      {"Li", "li"},
    {"Mbeki", "mbeki"},         {"Nielsen", "nielsen"},
    {"Ortiz", "ortiz"},         {"Popescu", "popescu"},
    {"Quispe", "quispe"},       {"Ramírez", "ramirez"},
    {"Singh", "singh"},         {"Torres", "torres"},
    {"Umarov", "umarov"},       {"van den Berg", "vandenberg"},
    {"Williams", "williams"},   {"Xiong", "xiong"},
    {"Young", "young"},         {"Zapata", "zapata"},
    {"Abdi", "abdi"},           {"Brown", "brown"},
    {"Castillo", "castillo"},   {"Davis", "davis"},
    {"Erdoğan", "erdogan"},     {"Flores", "flores"},
    {"Gonzales", "gonzales"},   {"Haddad", "haddad"},
    {"Jones", "jones"},         {"Kaya", "kaya"},
    {"Lindqvist", "lindqvist"}, {"Moreau", "moreau"},
    {"Nakamura", "nakamura"},   {"Owusu", "owusu"},
    {"Pérez", "perez"},         {"Reyes", "reyes"},
    {"Sánchez", "sanchez"},     {"Tran", "tran"},
    {"Vargas", "vargas"},       {"Washington", "washington"},
};

person a_person(uint64_t seed, uint64_t number) {
    uint64_t r = mix(seed * 0x100000001B3 + number);

    return (person){given_names[r % COUNT(given_names)], family_names[(r >> 32) % COUNT(family_names)]};
}
