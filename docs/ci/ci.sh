#!/bin/sh
# Did connection handling get slower? Compares two builds of a server, run in turn on this machine, so
# that no figure of another machine or another day is needed.
#
# usage: ci.sh SCENARIO BASE CANDIDATE
#   SCENARIO   a scenario of loadgen
#   BASE       command that starts the server as it was; it listens at 127.0.0.1:$PORT
#   CANDIDATE  command that starts it as it is now
#
# environment, each with its default:
#   LOADGEN=loadgen  OUT=loadgen-ci  PAIRS=6  MOST_PAIRS=24  PORTS="18081 18082"
#   FAIL_ON=         such as 'request.p99>15%,outcomes.timeout>1%'; empty: what counts by itself
#
# Writes the folder OUT, which must not be there, OUT.junit.xml and OUT.md.
# Exit status: 0 not slower, or nobody can tell (it says so: that is no fault of the change);
# 1 slower; anything else: the comparison could not be made.
set -eu

if [ "$#" -ne 3 ]; then
    sed -n '5,8p' "$0" | cut -c3- >&2
    exit 2
fi
scenario=$1 base=$2 candidate=$3
loadgen=${LOADGEN:-loadgen} out=${OUT:-loadgen-ci} ports=${PORTS:-18081 18082}
base_port=${ports% *} candidate_port=${ports#* }

started=
# shellcheck disable=SC2317 # the trap calls it
stop() {
    # shellcheck disable=SC2086 # one word a process
    [ -z "$started" ] || kill $started 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT TERM

# Starts a server, and waits until it listens.
start() {
    PORT=$1 sh -c "exec $2" &
    started="$started $!"
    for _ in $(seq 100); do
        [ -z "$(ss -Hltn "sport = :$1")" ] || return 0
        kill -0 $! 2>/dev/null || break
        sleep 0.1
    done
    echo "ci.sh: nobody listens at port $1: $2" >&2
    exit 3
}
start "$base_port" "$base"
start "$candidate_port" "$candidate"

# 0, 1 and 4 are verdicts; all else is an error, and ends the job.
verdict() {
    status=0
    "$@" || status=$?
    case $status in
    0 | 1 | 4) ;;
    *) exit "$status" ;;
    esac
}

set --
[ -z "${FAIL_ON:-}" ] || set -- --fail-on "$FAIL_ON"
verdict "$loadgen" run "$scenario" "$@" --out "$out" \
    --set "target.address=127.0.0.1:$base_port" \
    --versus-set "target.address=127.0.0.1:$candidate_port" \
    --pairs "${PAIRS:-6}" --until-conclusive --max-pairs "${MOST_PAIRS:-24}"
result=$status

# What CI systems show, from the same folder: this measures nothing.
verdict "$loadgen" compare "$out" "$@" --format junit --out "$out.junit.xml"
verdict "$loadgen" compare "$out" "$@" --format markdown --out "$out.md"
if [ "${GITHUB_ACTIONS:-}" = true ]; then
    verdict "$loadgen" compare "$out" "$@" --format github
fi

if [ "$result" -eq 4 ]; then
    echo "ci.sh: these runs do not tell: see $out.md" >&2
    exit 0
fi
exit "$result"
