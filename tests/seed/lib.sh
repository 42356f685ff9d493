# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
# lib.sh - for the scripts of tests/seed: searching code without its comments,
# compiling what must and what must not compile. Each script gets the name of
# one test; every search is proven on a planted line first.
cd "$(dirname "$0")/../.." || exit 2
CC=${CC:-cc}
rooms='lib compactor include examples'
owner_rooms='lib/zspage lib/balloon lib/store'
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

fail() {
    printf 'FAILED: %s\n' "$*"
    failed=1
}

skip() {
    printf 'skipped: %s\n' "$*"
    exit 77
}

# run_test NAME: the function of that name; no such function is an error.
run_test() {
    if [ "$(type -t "${1:-}")" != function ] ||
        [[ "$1" != seed_[0-9][0-9]__* ]]; then
        echo "${1:-}: no such test"
        exit 2
    fi
    "$1"
    [ "$failed" -eq 0 ] && echo "passed: $1"
    exit "$failed"
}

# sources WHERE...: the C files in folders and files.
sources() {
    find "$@" -name '*.[ch]' | LC_ALL=C sort
}

# code_of FILE...: file:line:text, without comments and empty lines.
code_of() {
    awk '
        FNR == 1 { comment = 0 }
        {
            out = ""
            rest = $0
            while (rest != "") {
                mark = comment ? "*/" : "/*"
                at = index(rest, mark)
                part = at ? substr(rest, 1, at - 1) : rest
                rest = at ? substr(rest, at + 2) : ""
                out = out (comment ? "" : part)
                if (at) { comment = !comment }
            }
            if (out !~ /^[ \t]*$/) { print FILENAME ":" FNR ":" out }
        }' "$@"
}

# find_code PATTERN WHERE...: lines of code that match (grep -E).
find_code() {
    local pattern=$1
    shift
    # shellcheck disable=SC2046 # no blanks in our names
    code_of $(sources "$@") | grep -E "^[^:]*:[0-9]+.*($pattern)"
}

# finds PATTERN LINE: does the search find a planted line, and in code only?
finds() {
    printf '/* %s\n * %s */\n' "$2" "$2" >"$tmp/planted.c"
    if find_code "$1" "$tmp/planted.c" >/dev/null; then
        fail "the search for '$1' finds comments"
    fi
    printf '/* a\n * comment */ int x;\n%s\n' "$2" >"$tmp/planted.c"
    [ "$(find_code "$1" "$tmp/planted.c" | wc -l)" -eq 1 ] ||
        fail "the search for '$1' does not find '$2'"
}

# absent PATTERN PLANTED WHERE...
absent() {
    local pattern=$1 found
    finds "$pattern" "$2"
    shift 2
    found=$(find_code "$pattern" "$@") && fail "there is: $found"
}

# only_in FILES PATTERN PLANTED WHERE...: found in those files (a pattern), and
# there it is.
only_in() {
    local files=$1 pattern=$2 found
    finds "$pattern" "$3"
    shift 3
    found=$(find_code "$pattern" "$@" | grep -Ev "^($files):") &&
        fail "not only in $files: $found"
    find_code "$pattern" "$@" | grep -qE "^($files):" ||
        fail "'$pattern' is nowhere, not even in $files"
}

# times N PATTERN PLANTED WHERE...: exactly so many lines.
times() {
    local n=$1 pattern=$2 found
    finds "$pattern" "$3"
    shift 3
    found=$(find_code "$pattern" "$@")
    [ "$(printf '%s' "$found" | grep -c .)" -eq "$n" ] ||
        fail "not $n times '$pattern': $found"
}

# flags ROOT: how the library's files are compiled, as far as names go.
flags() {
    printf '%s ' -std=c17 -D_GNU_SOURCE -DZS_CHECKS=1 "-I$1/include" \
        "-I$1/lib/base" "-I$1/lib/page" "-I$1/lib/migrate" \
        "-I$1/lib/zspage" "-I$1/lib/balloon" "-I$1/lib/store" \
        "-I$1/compactor"
}

# compiles FLAGS FILE; what the compiler says is in $tmp/said.
compiles() {
    # shellcheck disable=SC2086 # CC and flags are words
    LC_ALL=C $CC $1 -Werror=implicit-function-declaration -fsyntax-only "$2" \
        >"$tmp/said" 2>&1
}

# refuses FLAGS INCLUDES NAME GOOD BAD: in a function of a file with those
# headers GOOD compiles and BAD does not, and it is for NAME.
refuses() {
    local includes=$2 name=$3
    write_c() {
        # shellcheck disable=SC2086 # headers are words
        printf '#include "%s"\n' $includes
        printf 'void f(struct zs_arena *a);\nvoid f(struct zs_arena *a)\n{\n'
        printf '    (void)a;\n    %s\n}\n' "$1"
    }
    write_c "$4" >"$tmp/good.c"
    write_c "$5" >"$tmp/bad.c"
    compiles "$1" "$tmp/good.c" ||
        fail "control does not compile: $4: $(head -n 3 "$tmp/said")"
    if compiles "$1" "$tmp/bad.c"; then
        fail "with $includes this compiles: $5"
    else
        grep -qE "error:.*$name" "$tmp/said" ||
            fail "refused for another reason: $(head -n 3 "$tmp/said")"
    fi
}
