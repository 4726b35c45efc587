#!/bin/sh
# setup.sh [GO]: sees to what a build needs besides git, make and Go: a C and a
# C++ compiler, for the embedded database. Installs them where it may, and
# names them where it may not.
set -eu
go=${1:-go}

if ! command -v "$go" >/dev/null 2>&1; then
	echo "weir needs Go 1.26 or newer, and '$go' is not on the PATH: see go.dev/doc/install" >&2
	exit 1
fi
if command -v g++ >/dev/null 2>&1 && command -v gcc >/dev/null 2>&1; then
	exit 0
fi

install='apt-get install -y --no-install-recommends gcc g++ libc6-dev'
if ! command -v apt-get >/dev/null 2>&1; then
	echo "weir needs a C++ compiler (gcc and g++) for its embedded database: install it with this system's package manager" >&2
	exit 1
fi
as=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null 2>&1 || ! sudo -n true 2>/dev/null; then
		echo "weir needs a C++ compiler for its embedded database, and installing it needs rights you have not got here. As root: $install" >&2
		exit 1
	fi
	as='sudo -n'
fi
echo "installing a C++ compiler for the embedded database: $install" >&2
export DEBIAN_FRONTEND=noninteractive
$as apt-get update -qq && $as $install >/dev/null
