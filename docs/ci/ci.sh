#!/bin/sh
# Did connection handling get slower? Compares two builds of a server, run in turn on this machine, so
# that no figure of another machine or another day is needed.
#
# usage: ci.sh SCENARIO BASE CANDIDATE
#   SCENARIO   a scenario of loadgen
#   BASE       shell command that starts the server as it was, listens at 127.0.0.1:$PORT, and stays
#   CANDIDATE  shell command that starts it as it is now
#
# environment, each with its default:
#   LOADGEN=loadgen  OUT=loadgen-ci  MOST_PAIRS=24  PORTS="18081 18082"
#   FAIL_ON=         such as 'request.p99>15%,outcomes.timeout>1%'; empty: what counts by itself
#
# Writes the folder OUT, which must not be there, OUT.junit.xml and OUT.md. Needs ss and setsid.
# Exit status: 0 not slower, or nobody can tell (it says so: that is no fault of the change);
# 1 slower, or a limit of the scenario is broken; 3 no server at its port, or another's;
# 130 and 143 interrupted; anything else: the comparison could not be made.
set -eu

if [ "$#" -ne 3 ]; then
    sed -n '5,8p' "$0" | cut -c3- >&2
    exit 2
fi
scenario=$1 base=$2 candidate=$3
loadgen=${LOADGEN:-loadgen} out=${OUT:-loadgen-ci} ports=${PORTS:-18081 18082}
base_port=${ports% *} candidate_port=${ports#* }

fail() {
    status=$1
    shift
    echo "ci.sh: $*" >&2
    exit "$status"
}
[ "$base_port" != "$candidate_port" ] || fail 2 "PORTS is to name two ports, not: $ports"
for program in ss setsid "$loadgen"; do
    command -v "$program" >/dev/null || fail 3 "$program is not here"
done

# The servers, and `$!`, what was started last: loadgen, while it runs. Each is a session, so that
# a signal reaches all that a command has started.
servers=

# shellcheck disable=SC2317 # stop calls it
signal() {
    left=
    for session in $servers $!; do
        # It may not be one yet.
        if kill -s "$1" -- "-$session" 2>/dev/null || kill -s "$1" "$session" 2>/dev/null; then
            left=yes
        fi
    done
}
# shellcheck disable=SC2317 # the trap calls it
stop() {
    set +eu
    trap '' HUP INT TERM
    signal TERM
    for _ in $(seq 50); do
        signal 0
        [ -n "$left" ] || return 0
        sleep 0.1
    done
    signal KILL
}
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

listens() {
    [ -n "$(ss -Hltn "sport = :$1")" ]
}

# Starts a server, and waits until it listens.
start() {
    if listens "$1"; then
        ss -Hltnp "sport = :$1" >&2
        fail 3 "port $1 is taken, see above: stop what listens there, or name two free ports in PORTS"
    fi
    PORT=$1 setsid sh -c "$2" &
    server=$!
    servers="$servers $server"
    for _ in $(seq 300); do
        if listens "$1"; then
            # One that found the port taken a moment ago has ended by then.
            sleep 0.2
            ! kill -0 "$server" 2>/dev/null || return 0
            fail 3 "it ended, and another listens at port $1: $2"
        fi
        kill -0 "$server" 2>/dev/null || fail 3 "it ended without listening at port $1: $2"
        sleep 0.1
    done
    fail 3 "nobody listens at port $1: $2"
}

# A server that is gone shows as failed attempts, which are judged as they are.
tell_if_ended() {
    kill -0 "$1" 2>/dev/null || echo "ci.sh: it ended while it was measured: $2" >&2
}

# Runs loadgen beside this shell, which would hear no signal until a child before it has ended.
call() {
    setsid "$loadgen" "$@" &
    status=0
    wait "$!" || status=$?
}

# 0, 1 and 4 are verdicts; all else is an error, and ends the job.
verdict() {
    case $status in
    0 | 1 | 4) ;;
    *) exit "$status" ;;
    esac
}

start "$base_port" "$base"
base_server=$server
start "$candidate_port" "$candidate"
candidate_server=$server

set --
[ -z "${FAIL_ON:-}" ] || set -- --fail-on "$FAIL_ON"
call run "$scenario" "$@" --out "$out" \
    --set "target.address=127.0.0.1:$base_port" \
    --versus-set "target.address=127.0.0.1:$candidate_port" \
    --until-conclusive --max-pairs "${MOST_PAIRS:-24}"
tell_if_ended "$base_server" "$base"
tell_if_ended "$candidate_server" "$candidate"
verdict
result=$status

# What CI systems show, from the same folder: this measures nothing.
call compare "$out" "$@" --format junit --out "$out.junit.xml"
verdict
compared=$status
call compare "$out" "$@" --format markdown --out "$out.md"
verdict
if [ "${GITHUB_ACTIONS:-}" = true ]; then
    call compare "$out" "$@" --format github
    verdict
fi

case $result in
4)
    echo "ci.sh: these runs do not tell: see the log above and $out.md" >&2
    exit 0
    ;;
1) [ "$compared" -eq 1 ] || fail 1 "a limit of $scenario is broken: see the log above" ;;
esac
exit "$result"
