#!/usr/bin/env bash
# Builds, shows and tests the appliance. ./build-image.sh help says how; docs/image.md says why.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
readonly CACHE=$PWD/.cache MKOSI_VERSION=25

usage() {
  cat <<'TEXT'
./build-image.sh [--profile container|ipc] [build]    build the image (default: container)
./build-image.sh demo [--check] [--minutes N] [--live] boot it with a simulated plant; Ctrl-C ends it
./build-image.sh test [--slow] [PYTEST ARGS]          the whole test suite
./build-image.sh bench ...                            streamforge bench ... with a throw-away broker
./build-image.sh campaign [frames] [--cuts N] ...     many faults, or mutated frames, and a table (docs/testing.md)
./build-image.sh shell                                a root shell in the running demo
TEXT
}

say() { printf '== %s\n' "$*" >&2; }
fail() { printf 'build-image.sh: %s\n' "$*" >&2; exit 1; }

# --- what the host must have ---------------------------------------------------------------------------------

case $(uname -m) in
  x86_64) MACHINE=amd64 ARCHITECTURE=x86-64 ;;
  aarch64) MACHINE=arm64 ARCHITECTURE=arm64 ;;
  *) fail "this machine is $(uname -m); images are built on amd64 and arm64" ;;
esac

as_root() {
  [ "$(id -u)" = 0 ] && return
  command -v sudo >/dev/null || fail "needs root (containers and disk images), and there is no sudo here"
  say "building and booting images needs root: asking sudo once"
  exec sudo --preserve-env=CI,http_proxy,https_proxy,no_proxy -- "$PWD/build-image.sh" "$@"
}

# packages NAME=PROGRAM|/PATH ...: ask apt for those whose program or file is not there
packages() {
  local missing=() pair
  for pair in "$@"; do
    [ -e "${pair#*=}" ] || command -v "${pair#*=}" >/dev/null || missing+=("${pair%%=*}")
  done
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || fail "missing: ${missing[*]}; this host has no apt-get to install them with"
  say "installing ${missing[*]}"
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null </dev/null
}

need_space() {
  local free_mib
  free_mib=$(df --output=avail -BM . | tr -dc 0-9)
  [ "$free_mib" -ge "$1" ] || fail "needs $1 MiB of free disk here, there are $free_mib"
}

# repository LABEL: where the host's own apt takes that Debian archive from
repository() {
  # shellcheck disable=SC2016 # apt fills these in
  apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' |
    awk -v label="$1" '$2 == label { sub("/$", "", $1); print $1; exit }'
}

# The image comes from trixie, from the mirror that the host itself uses.
trixie_sources() {
  local main security
  [ -n "$(repository Debian)" ] || apt-get -qq update
  main=${DEBIAN_MIRROR:-$(repository Debian)}
  security=${DEBIAN_SECURITY_MIRROR:-$(repository Debian-Security)}
  [ -n "$main" ] || fail "this host's apt knows no Debian archive: say DEBIAN_MIRROR=URL (and DEBIAN_SECURITY_MIRROR=URL)"
  mkdir -p mkosi.sandbox/etc/apt/sources.list.d mkosi.sandbox/etc/apt/apt.conf.d
  printf 'Types: deb\nURIs: %s\nSuites: trixie trixie-updates\nComponents: main non-free-firmware\nSigned-By: %s\n\n' \
    "$main" /usr/share/keyrings/debian-archive-keyring.gpg >"$CACHE/mkosi.sources"
  [ -z "$security" ] ||
    printf 'Types: deb\nURIs: %s\nSuites: trixie-security\nComponents: main non-free-firmware\nSigned-By: %s\n' \
      "$security" /usr/share/keyrings/debian-archive-keyring.gpg >>"$CACHE/mkosi.sources"
  cmp -s "$CACHE/mkosi.sources" mkosi.sandbox/etc/apt/sources.list.d/mkosi.sources ||
    cp "$CACHE/mkosi.sources" mkosi.sandbox/etc/apt/sources.list.d/mkosi.sources
  apt-config dump | grep -E '^Acquire::(http|https)::(Proxy|CaInfo)' >mkosi.sandbox/etc/apt/apt.conf.d/50proxy || true
}

# mkosi of trixie beside the host's own packages, unless the host's is new enough
mkosi() {
  local own=$CACHE/mkosi/root/usr/lib/python3/dist-packages
  if [ "$(command mkosi --version 2>/dev/null | tr -dc '0-9 ' | awk '{print int($1)}')" = "$MKOSI_VERSION" ]; then
    command mkosi "$@"
  else
    [ -d "$own" ] || download_mkosi
    PYTHONPATH=$own /usr/bin/python3 -B -m mkosi "$@"
  fi
}

download_mkosi() {
  local state=$CACHE/mkosi options
  say "fetching mkosi from trixie (kept apart from the host's packages)"
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
  options=(-qq -o "Dir::Etc::sourcelist=$PWD/mkosi.sandbox/etc/apt/sources.list.d/mkosi.sources" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$state/lists" -o "Dir::Cache=$state/cache" -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update
  (cd "$state" && apt-get "${options[@]}" download mkosi && dpkg-deb -x mkosi_*.deb root)
}

python_tools() {
  packages python3-venv=/usr/share/python-wheels
  [ -x "$CACHE/venv/bin/python" ] || python3 -m venv "$CACHE/venv"
  cmp -s hw-profiles/python/requirements-test.lock "$CACHE/venv/installed.lock" && return
  say "installing the locked Python tools into .cache/venv"
  "$CACHE/venv/bin/pip" install -q --disable-pip-version-check --require-hashes -r hw-profiles/python/requirements-test.lock
  cp hw-profiles/python/requirements-test.lock "$CACHE/venv/installed.lock"
}

# --- build ----------------------------------------------------------------------------------------------------

build() {
  local profile=$1
  [ -f "hw-profiles/$profile/mkosi.conf" ] || fail "no profile '$profile'; there are: $(cd hw-profiles && echo */mkosi.conf | sed 's,/mkosi.conf,,g')"
  need_space 8000
  [ "$profile" != container ] || ! is_running || fail "an appliance runs from the container image; end it first (Ctrl-C)"
  mkdir -p "$CACHE/build" mkosi.output mkosi.cache/ipc mkosi.pkgcache
  packages apt=apt-get uidmap=newuidmap debian-archive-keyring=/usr/share/keyrings/debian-archive-keyring.gpg zstd=zstd \
    gpg=gpg gpgv=gpgv mtools=mcopy dosfstools=mkfs.vfat python3-minimal=/usr/bin/python3
  trixie_sources
  python_tools
  "$CACHE/venv/bin/python" hw-profiles/python/wheels.py "$MACHINE" "$CACHE/wheels/$MACHINE"
  compgen -G "$CACHE/kafka/libs-$MACHINE/*.jar" >/dev/null || packages openjdk-17-jre-headless=java maven=mvn
  python3 hw-profiles/kafka/fetch.py "$CACHE/kafka/libs-$MACHINE" --machine "$MACHINE"
  say "building the $profile image"
  mkosi --architecture "$ARCHITECTURE" --profile "$profile" --image-version "$(image_version)" --force build
}

# Rebuilding would take the files away below whatever runs from them.
is_running() { pgrep -f "systemd-nspawn .*--directory $PWD/mkosi.output/container " >/dev/null; }

image_version() { sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml; }

# --- demo, tests ----------------------------------------------------------------------------------------------

container_tools() {
  packages systemd-container=systemd-nspawn iproute2=ip util-linux=nsenter python3=python3
}

# One build at a time in a checkout.
build_alone() {
  mkdir -p "$CACHE"
  (flock 9; build "$1") 9>"$CACHE/lock"
}

demo() {
  container_tools
  python3 -B -m tests.appliance.demo "$@" --probe
  build_alone container >&2
  exec python3 -B -m tests.appliance.demo "$@"
}

shell() {
  [ -s "$CACHE/demo.pid" ] || fail "no demo is running: ./build-image.sh demo"
  exec nsenter --target "$(cat "$CACHE/demo.pid")" --mount --uts --ipc --net --pid --cgroup --root --wd -- /bin/bash --login
}

run_tests() {
  container_tools
  packages shellcheck=shellcheck chromium=chromium postgresql=/usr/lib/postgresql openjdk-17-jre-headless=java maven=mvn git=git \
    btrfs-progs=mkfs.btrfs e2fsprogs=mkfs.ext4 gcc=cc libc6-dev=/usr/include/dlfcn.h libmodbus-dev=/usr/include/modbus mosquitto=/usr/sbin/mosquitto
  case " $* " in *" --slow "*)
    packages qemu-system-x86=qemu-system-x86_64 ovmf=/usr/share/OVMF qemu-utils=qemu-img
    build_alone ipc
    ;;
  esac
  build_alone container
  exec "$CACHE/venv/bin/python" -m tests.lanes "$@"
}

bench() {
  python_tools
  packages openjdk-17-jre-headless=java maven=mvn
  python3 hw-profiles/kafka/fetch.py "$CACHE/kafka/libs-$MACHINE" --machine "$MACHINE"
  STREAMFORGE_KAFKA_LIBS=$CACHE/kafka/libs-$MACHINE exec "$CACHE/venv/bin/python" -m streamforge bench "$@"
}

campaign() {
  python_tools
  packages openjdk-17-jre-headless=java maven=mvn btrfs-progs=mkfs.btrfs e2fsprogs=mkfs.ext4 gcc=cc libc6-dev=/usr/include/dlfcn.h
  case " $* " in *" --appliance-kills"*) container_tools; build_alone container >&2 ;; esac
  exec "$CACHE/venv/bin/python" -m tests.faults.campaign "$@"
}

case ${1:-build} in
  help | -h | --help) usage; exit ;;
esac
as_root "$@"
PROFILE=container
if [ "${1:-}" = --profile ]; then PROFILE=${2:?--profile NAME}; shift 2; fi
COMMAND=${1:-build}
[ $# = 0 ] || shift
case $COMMAND in
  build) build_alone "$PROFILE" ;;
  demo) demo "$@" ;;
  test) run_tests "$@" ;;
  bench | campaign) "$COMMAND" "$@" ;;
  shell) shell ;;
  *) usage >&2; exit 2 ;;
esac
