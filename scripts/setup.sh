#!/bin/sh
# Installs the Debian packages that building (and, with "test", testing) needs and that are missing. Says what it
# installs, goes through sudo if it must, and is silent when all is there.
set -eu

packages=""
for what in "$@"; do
    case $what in
    build)
        packages="$packages gcc libc6-dev make binutils libcjson-dev libxxhash-dev"
        packages="$packages libpcre2-dev libisal-dev libzstd-dev liblz4-dev libbz2-dev"
        ;;
    test) packages="$packages g++ libcmocka-dev python3 python3-cffi pkg-config procps cmake zstd lz4" ;;
    *)
        echo "setup.sh: \"$what\" is neither build nor test" >&2
        exit 2
        ;;
    esac
done

missing=""
for package in $packages; do
    status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    case $status in
    ii*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup.sh: these packages are missing and there is no apt-get to install them:$missing" >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "setup.sh: these packages are missing; install them as root:$missing" >&2
        exit 1
    fi
    sudo="sudo"
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
    $sudo apt-get update -qq
    $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
