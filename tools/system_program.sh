#!/bin/sh
# Install a Debian package if possible. Otherwise print what is missing. This never fails by itself.
package=$1
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing the system package $package …"
    export DEBIAN_FRONTEND=noninteractive
    if { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$package"; } >/dev/null
    then
        exit 0
    fi
fi
echo "Missing on this machine: $package. Please install it with the system's package manager." \
    "Tests that need it cannot run." >&2
