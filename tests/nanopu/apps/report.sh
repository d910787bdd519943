#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The evaluation's report in a browser: figures are drawn, and can be read in light and dark, wide and narrow.
set -u
# shellcheck source=tests/nanopu/command/lib.bash
. "$CARACAL_SOURCE_DIR/tests/nanopu/command/lib.bash"

# looked SCHEME WIDTH: what report.js has to say; SCHEME is the browser's number of it.
looked() {
    timeout -s KILL 60 chromium --headless=new --no-sandbox --disable-gpu --no-first-run --disable-extensions \
        --disable-background-networking --disable-component-update --host-resolver-rules="MAP * ~NOTFOUND" \
        --user-data-dir="$PWD/profile" --blink-settings=preferredColorScheme="$1" --window-size="$2,1000" \
        --dump-dom "file://$PWD/page.html" 2>browser.log | sed -n '/<title>/ { s,.*<title>\(.*\)</title>.*,\1,p; q; }'
}

make_page() {
    nanopu 0 bench --quick --out ev dot rdma_latency stream
    { cat ev/report.html && echo "<script>" && cat "$CARACAL_SOURCE_DIR/tests/nanopu/apps/report.js" &&
        echo "</script>"; } >page.html
    fine="3 figures, $(grep -vc ^experiment ev/errors.csv) published points, wrong: nothing"
}

test_the_report_is_readable_in_light_and_dark() {
    same "in light" "light: $fine" "$(looked 1 1200)"
    same "in dark" "dark: $fine" "$(looked 0 1200)"
}

test_the_report_fits_a_narrow_window() {
    same "in a narrow window" "light: $fine" "$(looked 1 700)"
}

all="the_report_is_readable_in_light_and_dark the_report_fits_a_narrow_window"
# shellcheck disable=SC2086
need_guests $all
if ! command -v chromium >/dev/null; then
    for t in $all; do
        echo "skip test_$t there is no chromium"
    done
    exit 0
fi
make_page
for t in $all; do
    run_test "test_$t"
done
exit $((failures > 0))
