# shellcheck shell=bash
# The checks of documentation for auto/lint: what an operator can set, call or read is in a README and in a test.

# in_doc NAME FILE...: whether a README has the name as code
in_doc() {
    local name=$1
    shift
    grep -qE "\`([^\`]*[^A-Za-z0-9_\`])?$(sed 's/[][\.*^$(){}?+|/]/\\&/g' <<<"$name")([^A-Za-z0-9_\`][^\`]*)?\`" "$@"
}

# in_tests NAME FOLDER...: whether a test has the name
in_tests() {
    local name=$1
    shift
    grep -rqwF --include='*.mjs' --include='*.c' --exclude-dir=node_modules -e "$name" "$@"
}

# module_names KIND FILE...: what stands in the table of directives or of variables of a module
module_names() {
    local kind=$1
    shift
    awk -v kind="$kind" '
        /^static ngx_command_t / { table = "directive" }
        /^static ngx_http_variable_t / { table = "variable" }
        /^};/ { table = "" }
        table == kind && match($0, /ngx_string\("[a-z0-9_]+"\)/) { print substr($0, RSTART + 12, RLENGTH - 14) }' "$@" | sort -u
}

modules_are_documented() {
    local folder name
    for folder in modules/*/; do
        for name in $(module_names directive "$folder"*.c); do
            in_doc "$name" "${folder}README.md" || echo "${folder}README.md does not know the directive $name"
            in_tests "$name" tests/edge tests/lib || echo "no test of tests/edge uses the directive $name"
        done
        for name in $(module_names variable "$folder"*.c); do
            in_doc "\$$name" "${folder}README.md" || echo "${folder}README.md does not know the variable \$$name"
            grep -rqF --include='*.mjs' -e "\$$name" tests/edge tests/lib || echo "no test of tests/edge uses the variable \$$name"
        done
    done
}

# The rows of docs/settings.md as the program itself tells them: name, default, meaning and bounds.
settings_rows() {
    build/firstbell settings | sed -E 's/^([a-z0-9_]+) = (.*)  # (.*)$/| `\1` | `\2` | \3 |/; s/\| `` \|/| |/'
}

settings_are_documented() {
    local name
    diff <(grep '^| `' docs/settings.md) <(settings_rows) | sed -nE 's/^> /docs\/settings.md lacks: /p; s/^< /docs\/settings.md has too much: /p'
    for name in $(settings_rows | cut -d '`' -f 2); do
        grep -q "^$name = " conf/firstbell/firstbell.conf.in || # what the tests with servers run with
            in_tests "$name" tests/origin tests/e2e tests/unit tests/chaos tests/lib 2>/dev/null || echo "no test uses the setting $name"
    done
}

commands_are_documented() {
    local command
    while IFS= read -r command; do
        grep -qE "firstbell( -c [A-Z]+)? $command( |\`|$)" docs/commands.md || echo "docs/commands.md does not know the command firstbell $command"
        grep -rqE --include='*.mjs' "'${command// /\', \'}'" tests/origin tests/e2e tests/lib tests/chaos 2>/dev/null || echo "no test runs firstbell $command"
    done < <(tr '\n' ' ' <origin/main.c | grep -oE '\{\{"[a-z]+"(, *"[a-z-]+")*' | sed -E 's/^\{\{"//; s/", *"/ /g; s/"$//')
}

# A route's pattern as a test writes it: up to the first {, which a number or a template's ${ stands for.
routes_are_documented() {
    local pattern
    while IFS= read -r pattern; do
        grep -qE "\`([A-Z, ]+ )?$(sed -E 's/[.*+?^$|(){}]/\\&/g' <<<"$pattern")\`" docs/api.md || echo "docs/api.md does not know the route $pattern"
        in_any_test "$pattern" || echo "no test asks for the route $pattern"
    done < <(sed -nE 's/^ *(ROUTE\([^"]*|FORM\([^"]*|OPEN\(|PAGE\(|[A-Z_]+\([^"]*)"(\/[^"]*)".*/\2/p' origin/registry.c | sort -u)
}

in_any_test() {
    local expression
    expression=$(sed -E 's/[.*+?^$|()]/\\&/g; s/\{(id|path)\}/[^`'\''" ]+/g' <<<"$1")
    grep -rqE --include='*.mjs' -e "(^|[^A-Za-z0-9_-])$expression([\`'\"?# ]|\$)" tests/origin tests/e2e tests/lib tests/chaos 2>/dev/null
}

# What a page points to is a file of the checkout.
links_lead_somewhere() {
    local file link target
    for file in $(our_files -name '*.md'); do
        while IFS= read -r link; do
            target=$(realpath -m "$(dirname "$file")/${link%%#*}")
            case $target in
            "$TOP"/*) [ -e "$target" ] || echo "$file points to $link, which is not there" ;;
            *) echo "$file points to $link, outside of the checkout" ;;
            esac
        done < <(grep -oE '\]\([^)]+\)' "$file" | sed 's/^](//; s/)$//' | grep -vE '^(https?:|mailto:|#)')
    done
}
