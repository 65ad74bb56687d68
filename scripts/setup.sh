#!/usr/bin/env bash
# Make the checkout ready: Python 3.11+, system packages, and .venv with ppcdeps in it.
#
#   scripts/setup.sh run     what ppcdeps needs
#   scripts/setup.sh test    that, and what its tests need
#
# May be run again at any time; what is there is left alone. System packages are installed as root; for anybody else
# one line says what to have installed. pip takes its index, certificates and so on from the machine's own configuration.
# PPCDEPS_PYTHON names the interpreter to use.
set -euo pipefail

mode=${1:-run}
case $mode in run | test) ;; *)
    echo "usage: scripts/setup.sh run|test" >&2
    exit 2
    ;;
esac

cd "$(dirname "$0")/.."
venv=$PWD/.venv
arch=$(uname -m)

say() { echo "setup: $*" >&2; }

lack() { # ends with the one line that says what is missing, and the exit code that ppcdeps has for it
    echo "setup: $*" >&2
    exit 20
}

# --- what the machine is ---------------------------------------------------------------------------------

family=unknown
if [ -r /etc/os-release ]; then
    # shellcheck source=/dev/null
    ids=$(. /etc/os-release && echo " ${ID:-} ${ID_LIKE:-} ")
    case $ids in
    *" debian "* | *" ubuntu "*) family=debian ;;
    *" fedora "* | *" rhel "* | *" centos "*) family=redhat ;;
    esac
fi

has_package() {
    case $family in
    debian) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    redhat) rpm -q --quiet --whatprovides "$1" ;;
    *) false ;;
    esac
}

install_command() {
    case $family in
    debian) echo "apt-get install --no-install-recommends" ;;
    redhat) echo "dnf install" ;;
    *) echo "install" ;;
    esac
}

install_packages() { # as root only
    case $family in
    debian)
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "$@" >/dev/null
        ;;
    redhat) dnf install -y -q "$@" >/dev/null ;;
    esac
}

# Install what is missing of the named packages; fails, having said nothing, where that may not be done.
missing=()
want_packages() {
    local name
    missing=()
    for name in "$@"; do
        has_package "$name" || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] && return
    [ "$(id -u)" -eq 0 ] && [ $family != unknown ] || return 1
    say "installing ${missing[*]}"
    install_packages "${missing[@]}" || lack "could not install ${missing[*]}; run: $(install_command) ${missing[*]}"
}

# --- Python ----------------------------------------------------------------------------------------------

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
makes_venvs() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

candidates() {
    [ -z "${PPCDEPS_PYTHON:-}" ] || { echo "$PPCDEPS_PYTHON" && return; }
    printf '%s\n' python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3
}

find_python() { # the first that is new enough and can make environments
    local python
    for python in $(candidates); do
        is_new_enough "$python" && makes_venvs "$python" && echo "$python" && return
    done
    return 1
}

python_packages() {
    case $family in
    debian) echo python3 python3-venv ;;
    redhat)
        # EL8 and EL9 have an older python3, and newer ones beside it.
        if [ "$(rpm -E '%{?rhel}')" ] && [ "$(rpm -E '%{rhel}')" -lt 10 ]; then
            echo python3.11 python3.11-pip
        else
            echo python3 python3-pip
        fi
        ;;
    esac
}

if ! python=$(find_python); then
    [ -z "${PPCDEPS_PYTHON:-}" ] ||
        lack "PPCDEPS_PYTHON=$PPCDEPS_PYTHON is not a Python 3.11 or newer that can make environments"
    [ $family != unknown ] || lack "there is no Python 3.11 or newer with its venv and ensurepip modules; please install one"
    # shellcheck disable=SC2046  # package names are words
    want_packages $(python_packages) ||
        lack "there is no Python 3.11 or newer that can make environments; run: $(install_command) $(python_packages)"
    python=$(find_python) || lack "this system has no Python 3.11; name one with PPCDEPS_PYTHON=/path/to/python3"
fi

# --- libsolv ---------------------------------------------------------------------------------------------
# The index has wheels of solv for x86_64 and aarch64. Elsewhere (ppc64le): the distribution's build where it is for
# this very Python, else one from source.

solv_packages() { # what the distribution's build of the bindings is called
    case $family in
    debian) echo python3-solv ;;
    redhat) echo python3-solv ;;
    esac
}

solv_build_packages() { # what building them from source needs, beside the swig and cmake that pip brings
    local version
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    case $family in
    debian) echo gcc g++ make python3-dev libxml2-dev zlib1g-dev ;;
    redhat)
        local devel=python3-devel
        [ "$version" = "$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" ] ||
            devel=python$version-devel
        echo gcc gcc-c++ make "$devel" libxml2-devel zlib-devel
        ;;
    esac
}

has_solv() { "$1" -c 'import solv; solv.Pool' >/dev/null 2>&1; }

venv_options=()
build_solv=no
case $arch in
x86_64 | aarch64) ;;
*)
    if ! has_solv "$python" && is_new_enough /usr/bin/python3 && [ "$family" != unknown ]; then
        # shellcheck disable=SC2046
        want_packages $(solv_packages) || true
        if has_solv /usr/bin/python3 && makes_venvs /usr/bin/python3; then python=/usr/bin/python3; fi
    fi
    if has_solv "$python"; then
        venv_options=(--system-site-packages)
    elif ! { [ -x "$venv/bin/python" ] && has_solv "$venv/bin/python"; }; then
        # shellcheck disable=SC2046
        want_packages $(solv_build_packages) ||
            lack "libsolv for Python is missing and has no wheel for $arch; run: $(install_command) ${missing[*]}"
        build_solv=yes
    fi
    ;;
esac

# --- what the tests need beside Python -------------------------------------------------------------------

if [ "$mode" = test ]; then
    case $family in
    debian)
        tools=(rpm rpmlint dnf dnf-plugins-core createrepo-c libsolv-tools gpgv gnupg git groff-base procps)
        # To write an RPM database of EL8's format.
        tools+=(db-util)
        # A hypervisor for pseries guests under emulation; seabios has the ROM of its VGA.
        tools+=(qemu-system-ppc seabios libvirt-daemon-system libvirt-clients)
        # What compiling one file of libvirt takes. Older releases use yajl, newer ones json-c.
        tools+=(gcc libc6-dev meson ninja-build patch pkg-config libxml2-utils xsltproc)
        tools+=(libglib2.0-dev libgnutls28-dev libtirpc-dev libxml2-dev libyajl-dev libjson-c-dev)
        # What builds the packages of recipes on this machine.
        tools+=(make cmake python3-dev)
        # Debian buildroots, and the cross compiler that works in the emulated one.
        tools+=(mmdebstrap)
        [ "$arch" = ppc64le ] || tools+=(gcc-powerpc64le-linux-gnu g++-powerpc64le-linux-gnu qemu-user-static)
        # What opens the pages that plans are written as.
        tools+=(chromium chromium-driver)
        # What the play for Ansible installs distributions with.
        tools+=(python3-pip)
        # Packages with programs for ppc64le, and what they are compared with.
        tools+=(binutils rpm2cpio)
        [ "$arch" = ppc64le ] || tools+=(libc6-dev-ppc64el-cross)
        # The container engines. runc is what podman runs on where crun does not do; catatonit is podman's --init.
        tools+=(podman runc crun catatonit bubblewrap docker.io uidmap openssh-server)
        ;;
    redhat) tools=(rpm rpm-build rpm-sign rpmlint binutils patch dnf dnf-plugins-core createrepo_c libsolv-tools gnupg2) ;;
    *) tools=() ;;
    esac
    if [ ${#tools[@]} -eq 0 ]; then
        say "this system is not known: tests that need rpm, dnf, createrepo_c, gpg or a compiler are skipped where these are missing"
    elif ! want_packages "${tools[@]}"; then
        say "tests that need ${missing[*]} are skipped; to run them: $(install_command) ${missing[*]}"
    fi
fi

# --- the environment -------------------------------------------------------------------------------------

if [ -e "$venv" ] && ! [ -w "$venv" ]; then
    lack "$venv belongs to somebody else; remove it, or run this as its owner"
fi
if ! { [ -x "$venv/bin/python" ] && is_new_enough "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; }; then
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear ${venv_options[@]+"${venv_options[@]}"} "$venv"
fi

# What was installed last, so that a second run is quick: the same declaration, the same Python, at least this mode.
declared="$(cksum <pyproject.toml) $("$venv/bin/python" --version) $PWD"
done_for() { [ -f "$venv/ppcdeps-setup" ] && [ "$(cat "$venv/ppcdeps-setup")" = "$1 $declared" ]; }
if done_for test || done_for "$mode"; then
    exit 0
fi

pip() { "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }

say "installing ppcdeps and what it needs"
pip install --upgrade 'pip>=25.1' # older ones do not know --group
case $mode in
run) pip install --editable . ;;
test) pip install --editable . --group dev ;;
esac
if [ $build_solv = yes ]; then
    say "building libsolv for Python from source"
    # EL has swig in a repository that is off by default; the index has it, as cmake and ninja, for ppc64le.
    pip install swig cmake ninja
    PATH="$venv/bin:$PATH" pip install --no-binary solv 'solv>=0.7.28,!=0.7.38,!=0.7.39'
fi
has_solv "$venv/bin/python" || lack "libsolv for Python does not load in .venv; see docs/install.md"
echo "$mode $declared" >"$venv/ppcdeps-setup"
