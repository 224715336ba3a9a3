#!/usr/bin/env bash
# Rehearses with a simulated Xero, on containers and volumes of its own, what has to hold in production: payments are booked, workers that
# are killed in the middle of it lose nothing, and containers that are made anew find everything again. Takes about ten minutes, most of
# them waiting until the leases of the dead run out. Ends with 0 when all of it held. What it made is removed, whatever happens.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

# Ports that are free, so that it can run beside what is running.
export PAYMENTSYNC_LISTEN=127.0.0.1:0 SIMULATOR_LISTEN=127.0.0.1:0
compose() { docker compose -p paymentsync-rehearsal --env-file infra/demo.env "$@"; }
demo() { compose exec -T web paymentsync demo "$@"; }
simulator() { curl -fsS -H 'Content-Type: application/json' "http://$(compose port simulator 8090)/simulator/$1" "${@:2}"; }
retrying() { compose exec -T web paymentsync status --json | sed -n 's/.*"RETRYING": \([0-9]*\).*/\1/p'; }
trap 'compose down --volumes --timeout 30 >/dev/null 2>&1' EXIT

echo 'Starting…'
compose up -d --build --wait --quiet-pull
demo

echo 'Again, with a slow Xero; the workers are killed while payments are on their way…'
slow_organisation=c0ffee00-0000-4000-8000-00000000de30
simulator "organisations/$slow_organisation" -X PATCH -d '{"latencyMilliseconds":4000}' >/dev/null
demo --patience 900 &
playing=$!
for _ in $(seq 300); do
    in_flight=$(retrying)
    [[ ${in_flight:-0} -eq 0 ]] || break
    sleep 0.2
done
if [[ ${in_flight:-0} -eq 0 ]]; then
    echo 'No sync was seen on its way: there was nothing to interrupt.' >&2
    exit 1
fi
compose kill worker
echo "Killed with $in_flight syncs on their way. Starting the workers again…"
simulator "organisations/$slow_organisation" -X PATCH -d '{"latencyMilliseconds":0}' >/dev/null
compose up -d --wait worker
wait "$playing"
if ! simulator ledger | grep -q '"sentAgain":\[\]'; then
    echo 'Something was sent to Xero that Xero had already:' >&2
    simulator ledger | grep -o '"sentAgain":\[[^]]*\]' >&2
    exit 1
fi

echo 'Making all containers anew…'
compose down
compose up -d --wait
demo
echo 'All of it held.'
