# shellcheck shell=bash
# What contrib/quickstart, contrib/install and contrib/test share: Debian's packages, and the virtual environment with the program in it.

say() { printf '%s\n' "$*"; }

# Where the virtual environment lies: in the clone, or in the user's home when the clone is another's.
venv_path() { # CLONE
    local venv=$1/.venv holder=$1
    [ ! -e "$venv" ] || holder=$venv
    [ -w "$holder" ] || venv=${XDG_DATA_HOME:-$HOME/.local/share}/pod-quickstart/venv
    say "${POD_VENV:-$venv}"
}

# Print those of the Debian packages that are not installed.
missing_packages() {
    local package
    for package; do
        dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || say "$package"
    done
}

# Install Debian packages; the mirror gets three tries.
install_packages() {
    local try
    export DEBIAN_FRONTEND=noninteractive
    for try in 1 2 3; do
        if apt-get update -q && apt-get install -yq --no-install-recommends "$@" </dev/null; then
            return 0
        fi
        say "apt-get failed (try $try of 3)" >&2
        sleep $((try * 5))
    done
    return 1
}

# Tell what the interpreter lacks, and what mends it.
check_python() {
    local version python=/usr/bin/python3
    if ! version=$($python -c 'import sys; print("%d.%d" % sys.version_info[:2]); sys.exit(sys.version_info < (3, 11))' 2>/dev/null); then
        say "Python 3.11 or newer is needed, and $python is ${version:-not there}. On Debian 12 or newer, as root: apt-get install -y python3 python3-venv" >&2
        return 1
    fi
    if ! $python -c 'import ensurepip, venv' 2>/dev/null; then
        say "Python's venv is missing. As root: apt-get install -y python3-venv" >&2
        return 1
    fi
}

# Make the virtual environment unless it is there and works.
make_venv() { # VENV
    local error
    if ! "$1/bin/python" -m pip --version >/dev/null 2>&1; then
        check_python || return 1
        if ! error=$(mkdir -p "$1" 2>&1); then
            say "${error#mkdir: }. Name a place that you may write to: POD_VENV=/some/where $0" >&2
            return 1
        fi
        /usr/bin/python3 -m venv --clear "$1"
    fi
}

# Install this clone into the virtual environment, and write its commands there.
install_program() { # CLONE VENV
    install_packages_of "$1" "$2"
    "$1/contrib/launcher" "$2/bin/python" "$2/bin" "$("$2/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
}

# Have pip install this clone and what it depends on, by way of a copy: the clone may not be writable.
install_packages_of() { # CLONE VENV
    local copy extra
    copy=$(mktemp -d)
    cp -R "$1/pyproject.toml" "$1/README.md" "$1/LICENSE" "$1/pod" "$1/storage" "$1/runtime" "$copy"
    extra='[fast]' # optional: wheels of isal do not exist for every machine
    "$2/bin/python" -m pip install -qq --disable-pip-version-check "$copy$extra" ||
        "$2/bin/python" -m pip install -qq --disable-pip-version-check "$copy"
    rm -rf "$copy"
}
