#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What linux.sh tests, over AF_XDP: with the program in the interface's driver, and behind it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
[ -e "$CARACAL_MODULES/caracal-xdp.so" ] || { echo "skip catpowder_on_xdp the module is not built"; exit 0; }
[ "$(id -u)" = 0 ] || { echo "skip catpowder_on_xdp not root"; exit 0; }
command -v ethtool >/dev/null || { echo "skip catpowder_on_xdp there is no ethtool"; exit 0; }
status=0
for mode in native generic; do
    PREFIX=${mode}_ DRIVER=xdp XDP_MODE=$mode "$here/linux.sh" || status=1
done
exit $status
