# SPDX-License-Identifier: MIT
# Functions shared by scripts/test and .ci/run; to be sourced.

# configure FOLDER OPTION...: set a build folder up, or bring it up to date.
configure() {
    local folder=$1
    shift
    if [ -f "$folder/build.ninja" ]; then
        meson configure "$folder" "$@" >/dev/null
    else
        meson setup "$folder" "$@" >"$folder.log" 2>&1 || {
            cat "$folder.log" >&2
            return 1
        }
        rm -f "$folder.log"
    fi
}

# run_tests FOLDER ARG...: build and run tests; sets passed and failed to what
# was so far plus this run's. Returns non-zero when anything failed.
passed=0
failed=0
run_tests() {
    local folder=$1 log rc=0 counts
    shift
    log=$(mktemp)
    meson test -C "$folder" --print-errorlogs "$@" 2>&1 | tee "$log" || rc=$?
    counts=$(awk '/^(Ok|Expected Fail):/ { ok += $NF }
        /^(Fail|Unexpected Pass|Timeout):/ { bad += $NF }
        END { print ok + 0, bad + 0 }' "$log")
    rm -f "$log"
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
    if [ "$rc" -ne 0 ] && [ "${counts#* }" -eq 0 ]; then
        failed=$((failed + 1)) # it did not get as far as running tests
    fi
    return "$rc"
}
