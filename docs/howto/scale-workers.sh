#!/bin/sh
# Starts and stops fluxhouse-worker@N by the number of open jobs: one worker for each JOBS_PER_WORKER, from MIN to MAX.
set -eu
: "${METRICS:=http://127.0.0.1:8000/metrics}" "${JOBS_PER_WORKER:=4}" "${MIN:=0}" "${MAX:=1}"

open=$(curl -fsS --max-time 10 "$METRICS" | awk '/^fluxhouse_jobs_open[{]/ { open += $2; seen = 1 }
    END { if (!seen) exit 1; print int(open) }') || { echo "no number of open jobs: nothing is changed" >&2; exit 1; }

wanted=$(( (open + JOBS_PER_WORKER - 1) / JOBS_PER_WORKER ))
[ "$wanted" -ge "$MIN" ] || wanted=$MIN
[ "$wanted" -le "$MAX" ] || wanted=$MAX

number=0
while [ "$number" -lt "$MAX" ]; do
    # Without waiting: a stop lasts as long as the running jobs' grace, a start as long as the weights load.
    if [ "$number" -lt "$wanted" ]; then
        systemctl start --no-block "fluxhouse-worker@$number"
    else
        systemctl stop --no-block "fluxhouse-worker@$number"
    fi
    number=$((number + 1))
done
