#!/bin/sh
# Installs the Debian packages of the named groups (scripts/packages.txt) that are missing. When
# nothing is missing it changes nothing, asks for nothing and ends within a few milliseconds.
# No database cluster is made and no service is started by what it installs.
# Usage: scripts/install.sh GROUP...      install
#        scripts/install.sh --check GROUP...   only say what is missing; exit 1 when something is
set -eu

here=$(cd "$(dirname "$0")" && pwd)
check_only=
if [ "${1:-}" = --check ]; then
    check_only=yes
    shift
fi
[ $# -gt 0 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }

say() { printf 'install: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

wanted=$(awk -v groups=" $* " 'NF == 2 && index(groups, " " $1 " ") { print $2 }' \
    "$here/packages.txt")
if ! command -v dpkg-query >/dev/null; then
    say "this is no Debian system; these packages, or what they are called here, are needed:"
    # shellcheck disable=SC2086 # one word a package
    printf '  %s\n' $wanted >&2
    say "the programs are expected on PATH; going on"
    exit 0
fi

# shellcheck disable=SC2086
missing=$(dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' $wanted 2>/dev/null |
    awk -v wanted="$wanted" '
        $1 == "installed" { sub(/:.*/, "", $2); have[$2] = 1 }
        END { n = split(wanted, w, "\n")
              for (i = 1; i <= n; i++) if (!(w[i] in have)) printf "%s ", w[i] }')
[ -n "$missing" ] || exit 0
[ -z "$check_only" ] || die "missing packages: ${missing% } (make deps installs them)"

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
        die "not root and no sudo here; as root run: apt-get install --no-install-recommends ${missing% }"
    as_root=sudo
    say "administrator rights are needed to install: ${missing% }"
    sudo true || die "sudo was refused"
fi

log=$(mktemp)
guards=
cluster_conf=/etc/postgresql-common/createcluster.conf
service_policy=/usr/sbin/policy-rc.d
undo() {
    case $guards in *policy*) $as_root rm -f "$service_policy" ;; esac
    case $guards in *cluster*) $as_root mv -f "$cluster_conf.before-windlass" "$cluster_conf" ;; esac
    rm -f "$log"
}
trap undo EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# PostgreSQL's package would make and start a cluster of its own on port 5432.
case " $missing " in *" postgresql"*)
    if [ ! -e "$cluster_conf" ]; then
        $as_root mkdir -p "${cluster_conf%/*}"
        echo 'create_main_cluster = false' | $as_root tee "$cluster_conf" >/dev/null
    elif ! grep -Eq '^[[:space:]]*create_main_cluster[[:space:]]*=[[:space:]]*(false|off|no|0)' \
        "$cluster_conf"; then
        # Somebody else's settings: changed for this installation only.
        $as_root cp -p "$cluster_conf" "$cluster_conf.before-windlass"
        guards="$guards cluster"
        echo 'create_main_cluster = false' | $as_root tee -a "$cluster_conf" >/dev/null
    fi ;;
esac
if [ ! -e "$service_policy" ]; then
    printf '#!/bin/sh\n# no service is started while Windlass installs packages\nexit 101\n' |
        $as_root tee "$service_policy" >/dev/null
    $as_root chmod 755 "$service_policy"
    guards="$guards policy"
fi

# Shows how far apt is: one line that is rewritten on a terminal, else a line every 20 %. Everything
# apt says goes to the log.
progress() {
    tty=
    [ -t 2 ] && tty=yes
    awk -v tty="$tty" -v log_file="$log" '
        function show(phase, done, what) {
            percent = total ? int(100 * done / total) : 0
            if (percent > 100) percent = 100
            if (tty) printf "\r\033[K  %-9s %3d %%  %s", phase, percent, substr(what, 1, 50)
            else if (phase != shown_phase || percent >= shown + 20) {
                printf "  %s %d %%\n", phase, percent
                shown_phase = phase; shown = percent - percent % 20
            }
            fflush()
        }
        { print >log_file; fflush(log_file) }
        / newly installed/ { for (i = 2; i <= NF; i++) if ($i == "newly") total = $(i - 1) }
        /^Get:/ && total { show("download", ++fetched, $5) }
        /^(Unpacking|Setting up) / { show("install", ++steps / 2, $1 == "Setting" ? $3 : $2) }
        END { if (tty) printf "\r\033[K" }' >&2
}
apt() {
    status=$(mktemp)
    {
        # shellcheck disable=SC2086
        $as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -y -q \
            -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" 2>&1 && echo ok >"$status"
    } | progress
    if [ ! -s "$status" ]; then
        rm -f "$status"
        # The first complaint with what came before it; what follows is mostly its consequence.
        grep -E -m 1 -B 20 -A 10 '^(dpkg: error|E:|Err:|sudo:)' "$log" >&2 || tail -n 30 "$log" >&2
        die "apt-get $1 failed, see above"
    fi
    rm -f "$status"
}

# shellcheck disable=SC2086
set -- $missing
say "[1/2] reading the package lists"
apt update
say "[2/2] installing $# packages: $*"
apt install --no-install-recommends "$@"
case " $missing " in *" pgbouncer "*)
    # The tests start their own; nothing shall start one when the machine does.
    $as_root update-rc.d pgbouncer disable >/dev/null 2>&1 || true ;;
esac
say "done"
