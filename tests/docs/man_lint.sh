#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The manual says what the code does: pages are clean mdoc, each call of the public headers has one with the same
# prototype, code in pages and in the guide compiles, cross references lead somewhere, keys have their defaults, options
# are those of the programs' --help.
set -u

root=${CARACAL_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${CARACAL_BUILD_DIR:-$root/build}
cc=${CC:-cc}
man=$root/docs/man
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

# verdict STATUS NAME: STATUS 0 is ok; what $tmp/log holds is shown otherwise.
verdict()
{
    if [ "$1" -eq 0 ]; then
        echo "ok $2"
    else
        echo "not ok $2"
        sed 's/^/# /' "$tmp/log"
        failed=1
    fi
}

# The text of a page as a terminal without attributes shows it.
plain()
{
    mandoc -T ascii -O width=78 "$1" | sed 's/.\x08//g'
}

# Does `man SECTION NAME` find a page? As a file, or as a link that docs/man/meson.build installs.
resolves()
{
    local target

    [ -f "$man/$1.$2" ] && return 0
    target=$(sed -n "s/^ *'$1\.$2': '\(.*\)',\$/\1/p" "$man/meson.build")
    [ -n "$target" ] && [ -f "$man/$target" ]
}

# The page, by file, that documents the call or command NAME of SECTION.
page_of()
{
    local target

    target=$(sed -n "s/^ *'$1\.$2': '\(.*\)',\$/\1/p" "$man/meson.build")
    echo "$man/${target:-$1.$2}"
}

lint_pages()
{
    local page status

    for page in "$man"/*.[1-9]; do
        mandoc -T lint -W warning "$page" >"$tmp/log" 2>&1
        status=$?
        [ -s "$tmp/log" ] && status=1
        if ! grep -q "^ *'$(basename "$page")'[,)]" "$man/meson.build"; then
            echo "docs/man/meson.build does not install it" >>"$tmp/log"
            status=1
        fi
        verdict "$status" "page/$(basename "$page")"
    done
}

calls()
{
    sed -n 's/^extern [^(]*[ *]\(demi_[a-z_]*\)(.*/\1/p' "$root"/include/demi/*.h
}

# A call's page resolves, names the call in NAME, and declares it as the header does: its SYNOPSIS, as shown, compiles.
lint_call()
{
    local page
    page=$(page_of "$1" 3)

    : >"$tmp/log"
    if ! resolves "$1" 3; then
        echo "there is no page $1(3)" >"$tmp/log"
        return 1
    fi
    if ! sed -n '/^\.Sh NAME/,/^\.Nd/p' "$page" | grep -Eq "^\.Nm $1( ,)?\$"; then
        echo "$page does not name it" >"$tmp/log"
        return 1
    fi
    plain "$page" | sed -n '/^SYNOPSIS/,/^DESCRIPTION/p' | sed '1d;$d' >"$tmp/synopsis.c"
    if ! grep -q "\<$1(" "$tmp/synopsis.c"; then
        echo "the SYNOPSIS of $page lacks it" >"$tmp/log"
        return 1
    fi
    "$cc" -std=c17 -Wall -Werror -fsyntax-only -I"$root/include" "$tmp/synopsis.c" >"$tmp/log" 2>&1
}

lint_calls()
{
    local call stale=0

    for call in $(calls); do
        lint_call "$call"
        verdict $? "call/$call"
    done
    sed -n '/^\.Sh NAME/,/^\.Nd/s/^\.Nm \([a-z_]*\).*/\1/p' "$man"/*.3 | sort >"$tmp/paged"
    calls | sort | comm -13 - "$tmp/paged" >"$tmp/log" # what no header declares
    [ -s "$tmp/log" ] && stale=1
    verdict "$stale" "call/no-stale-names"
}

# Writes the N-th literal display of a page, as C, to stdout; a comment `.\" excerpt` before it marks lines of a header.
display()
{
    awk -v want="$2" '
        /^\.Bd -literal/ { n++; on = n == want; if (on && excerpt) print "/*excerpt*/"; next }
        /^\.Ed/ { on = 0 }
        { excerpt = /^\.\\" excerpt/ }
        on { gsub(/\\e/, "\\"); gsub(/\\-/, "-"); gsub(/\\&/, ""); print }' "$1"
}

# Writes the N-th fenced block of C of a Markdown file.
fenced()
{
    awk -v want="$2" '/^```c$/ { n++; on = n == want; next } /^```/ { on = 0 } on' "$1"
}

preamble()
{
    printf '#include <%s>\n' arpa/inet.h errno.h poll.h pthread.h signal.h stdio.h stdlib.h string.h sys/epoll.h \
        unistd.h demi/ext.h demi/libos.h demi/sga.h demi/storage.h demi/wait.h
}

# Without comments, blanks and attributes, so that an excerpt can be laid out anew.
bare()
{
    sed -zE 's@/\*([^*]|\*+[^*/])*\*+/@@g' "$1" | sed 's/DEMI_PACKED([0-9]) //; s/[[:space:]]*//g; /^$/d'
}

# Is every line of the excerpt $1 a line of the public headers?
lint_excerpt()
{
    local line

    cat "$root"/include/demi/*.h >"$tmp/headers"
    bare "$tmp/headers" >"$tmp/headers.bare"
    bare "$1" >"$tmp/excerpt.bare"
    while read -r line; do
        if ! grep -Fqx "$line" "$tmp/headers.bare"; then
            echo "no header has: $line"
            return 1
        fi
    done <"$tmp/excerpt.bare"
    [ -s "$tmp/excerpt.bare" ]
}

# lint_code NAME: does $tmp/code compile, alone if it begins with an #include, behind the preamble otherwise?
lint_code()
{
    if grep -q '^/\*excerpt\*/' "$tmp/code"; then
        lint_excerpt "$tmp/code" >"$tmp/log"
        verdict $? "$1"
        return
    fi
    {
        head -n 1 "$tmp/code" | grep -q '^#include' || preamble
        cat "$tmp/code"
    } >"$tmp/code.c"
    "$cc" -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -I"$root/include" "$tmp/code.c" >"$tmp/log" 2>&1
    verdict $? "$1"
}

lint_examples()
{
    local page n

    for page in "$man"/*.[37]; do
        n=1
        while display "$page" "$n" >"$tmp/code" && [ -s "$tmp/code" ]; do
            lint_code "code/$(basename "$page")-$n"
            n=$((n + 1))
        done
    done
    page=$root/docs/pdpix-guide.md
    n=1
    [ -f "$page" ] || return
    while fenced "$page" "$n" >"$tmp/code" && [ -s "$tmp/code" ]; do
        lint_code "code/$(basename "$page")-$n"
        n=$((n + 1))
    done
}

lint_references()
{
    local name section lost=0

    : >"$tmp/log"
    while read -r name section; do
        case $name in
        demi | demi_* | caracal* | pdpix)
            if ! resolves "$name" "$section"; then
                echo "$name($section) is referred to and does not exist" >>"$tmp/log"
                lost=1
            fi
            ;;
        esac
    done < <(grep -ohE '\<Xr [a-z_.-]+ [0-9]' "$man"/*.[1-9] | cut -d' ' -f2- | sort -u)
    verdict "$lost" "references"
}

# One line a key: name, default, what it takes, as caracal.yaml.5 has them.
config_keys()
{
    printf '%s\n' '#include "config_keys.h"' 'CONFIG_KEYS(UINT, BOOL, ENUM, STR)' |
        "$cc" -E -P -xc -I"$root/src/core" '-DUINT(n,d,a,b,h)=@ n d a to b' '-DBOOL(n,d,h)=@ n d bool' \
            '-DENUM(n,d,w,h)=@ n d w' '-DSTR(n,d,h)=@ n d text' - |
        tr '\n@' ' \n' | grep -E '^ [a-z_]+ [^ ]+ ' |
        sed -E -e 's/^ //; s/ +$//; s/ "" / empty /; s/"//g' -e 's/^([a-z_]+) [A-Z]+_([A-Z_]+) /\1 \L\2\E /'
}

lint_config()
{
    local name def takes shown page=$man/caracal.yaml.5

    config_keys >"$tmp/keys"
    [ -s "$tmp/keys" ] || echo "src/core/config_keys.h cannot be read" >"$tmp/log"
    verdict "$([ -s "$tmp/keys" ]; echo $?)" "keys/list"
    while read -r name def takes; do
        : >"$tmp/log"
        shown=$(sed -n "/^\.It Cm $name : No /,/^Default/p" "$page")
        grep -q "^Default $def\( .*\)\?\.\$" <<<"$shown" || echo "the default of $name is $def" >>"$tmp/log"
        head -n 1 <<<"$shown" | sed 's/ | /|/g' | grep -qF "$takes" || echo "$name takes $takes" >>"$tmp/log"
        verdict "$([ ! -s "$tmp/log" ]; echo $?)" "key/$name"
    done <"$tmp/keys"
    sed -n 's/^\.It Cm \([a-z_]*\) : No .*/\1/p' "$page" | sort >"$tmp/paged"
    cut -d' ' -f1 "$tmp/keys" | sort | comm -13 - "$tmp/paged" >"$tmp/log"
    verdict "$([ ! -s "$tmp/log" ]; echo $?)" "keys/no-stale-names"
}

# Long options in a text, sorted. The pages need not name those that every program has.
options()
{
    grep -oE -- '(^|[^[:alnum:]-])--[a-z][a-z0-9-]*' | grep -oE -- '--.*' | grep -vxE -- '--(help|version)' | sort -u
}

# The help of a program, with that of its commands where it has a command `help`.
help_of()
{
    local command

    "$1" --help
    for command in $("$1" --help | sed -n 's/^  \([a-z]\{1,\}\)  *.*/\1/p'); do
        "$1" help "$command"
    done
}

# The page of a program and its --help have the same long options.
lint_program()
{
    local name=$1 binary=$2

    if [ ! -f "$man/$name.1" ]; then
        echo "there is no page $name(1)" >"$tmp/log"
        verdict 1 "program/$name"
    elif [ ! -x "$binary" ]; then
        echo "skip program/$name not built"
    else
        help_of "$binary" 2>&1 | options >"$tmp/help"
        plain "$man/$name.1" | options >"$tmp/paged"
        diff "$tmp/help" "$tmp/paged" >"$tmp/log" # <: only in --help, >: only in the page
        verdict $? "program/$name"
    fi
}

if ! command -v mandoc >/dev/null; then
    echo "skip man mandoc is not installed"
    exit 0
fi
lint_pages
lint_calls
lint_examples
lint_references
lint_config
for program in caracal-echo caracal-relay caracal-httpd caracal-kv caracal-kvload demi nanopu; do
    lint_program "$program" "$(find "$build/apps" "$build/tools" -type f -name "$program" 2>/dev/null | head -n 1)"
done
exit "$failed"
