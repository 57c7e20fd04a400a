#!/bin/bash
# Installs what some tests need beside a Rust toolchain, where that is cheap and allowed: as root on
# Debian. Whatever cannot be had is left out; the tests that need it list themselves as skipped.
# Never fails. LOADGEN_INSTALL=no keeps it from installing anything.
set -u

target=${1:-target}
[ "${LOADGEN_INSTALL:-yes}" = no ] && exit 0
[ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] || exit 0

PATH=$PATH:/usr/sbin:/sbin
packages=()
command -v nginx >/dev/null || packages+=(nginx-light)
command -v redis-server >/dev/null || packages+=(redis-server)
command -v strace >/dev/null || packages+=(strace)
command -v iperf3 >/dev/null || packages+=(iperf3)
command -v linux.uml >/dev/null || packages+=(user-mode-linux)
command -v runsc >/dev/null || packages+=(runsc)
command -v chromium >/dev/null || packages+=(chromium)
command -v tshark >/dev/null || packages+=(tshark)
command -v xmllint >/dev/null || packages+=(libxml2-utils)
command -v python3 >/dev/null || packages+=(python3 python3-pip)

if [ "${#packages[@]}" -gt 0 ] && command -v apt-get >/dev/null; then
    echo "installing for the tests (LOADGEN_INSTALL=no to leave it): ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # Debian starts what it installs. A policy of 101 means "not now".
    policy=/usr/sbin/policy-rc.d
    [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && ours=yes; }
    timeout 60 apt-get update -qq >/dev/null 2>&1
    for package in "${packages[@]}"; do
        timeout 300 apt-get install -qq -y --no-install-recommends "$package" >/dev/null 2>&1 ||
            echo "could not install $package: tests that need it are skipped"
    done
    [ "${ours:-}" = yes ] && rm -f $policy
fi

if command -v python3 >/dev/null &&
    ! PYTHONPATH=$target/pyenv python3 -c 'import hdrh' 2>/dev/null; then
    timeout 60 python3 -m pip install --quiet --retries 0 --timeout 10 --root-user-action=ignore \
        --disable-pip-version-check --target "$target/pyenv" hdrhistogram >/dev/null 2>&1 ||
        echo "could not install the Python package hdrhistogram: tests that need it are skipped"
fi

# A schema of JUnit (Jenkins's, MIT) that is not ours to keep: pytest's source package carries it.
schema=$target/junit/junit-10.xsd
if command -v python3 >/dev/null && ! [ -e "$schema" ]; then
    mkdir -p "$target/junit"
    timeout 120 python3 -m pip download --quiet --retries 0 --timeout 10 --no-deps --no-binary :all: \
        --disable-pip-version-check --dest "$target/junit" pytest==8.4.2 >/dev/null 2>&1 &&
        tar -xzf "$target"/junit/pytest-8.4.2.tar.gz -C "$target/junit" --strip-components=3 \
            pytest-8.4.2/testing/example_scripts/junit-10.xsd ||
        echo "could not fetch a schema of JUnit: the test that needs it is skipped"
fi
exit 0
