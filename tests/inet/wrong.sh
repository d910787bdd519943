#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The runner of scripts itself: each script of tests/inet/wrong has to fail in the line that is marked "#!", and the
# message has to name it.
set -u
runner=$CARACAL_BUILD_DIR/tests/test-inet_script

for file in "$CARACAL_SOURCE_DIR"/tests/inet/wrong/*.txt; do
    base=$(basename "$file")
    "$runner" "$file" >said 2>&1
    status=$?
    if [ $status -eq 0 ]; then
        echo "not ok the runner says that $base passed"
    fi
    name='' number=0
    while IFS= read -r line; do
        number=$((number + 1))
        case $line in
        '= '*) name=${line#= } ;;
        *'#!')
            if [ "$(grep -c "^wrong/$base:$number: " said)" -eq 1 ]; then
                echo "ok finds $name"
            else
                echo "not ok finds $name"
                grep -A 8 "FAILED\|not ok" said | head -n 40
            fi
            ;;
        esac
    done <"$file"
    wrong=$(grep -c '#!$' "$file")
    found=$(grep -c "^wrong/.*:[0-9]*: " said)
    [ "$wrong" -eq "$found" ] || echo "not ok $base: $found failures are said, $wrong scripts are wrong"
done
