#!/usr/bin/env bash
# Start a SLURM of one node on this machine and run the smoke pipeline through the profile. One running job is cancelled
# with scancel and must run again. Needs root, Debian's slurm-wlm, and workflow/profiles/requirements.txt.
#
#     workflow/profiles/slurm/try.sh [target...]        (default: results/smoke/table1.csv)
#
# Exit code 0: the target exists and the cancelled job ran again; 77: this machine lacks a prerequisite.
set -euo pipefail
cd "$(dirname "$0")/../../.."

skip() {
    echo "skipped: $1" >&2
    exit 77
}
[ "$(id -u)" = 0 ] || skip "only root can start SLURM"
for program in munged slurmctld slurmd sbatch; do
    command -v "$program" >/dev/null || skip "$program is not installed (apt-get install slurm-wlm)"
done
python -c "import snakemake_executor_plugin_slurm" 2>/dev/null ||
    skip "snakemake-executor-plugin-slurm is not installed (workflow/profiles/requirements.txt)"

place=$(mktemp -d)
host=$(hostname -s)
started=()
pipeline=
finish() {
    [ -z "$pipeline" ] || kill -KILL "$pipeline" 2>/dev/null || true # SIGTERM would wait for the terminated SLURM
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait || true
    rm -rf "$place"
}
trap finish EXIT

mkdir -p "$place/state" "$place/spool" "$place/munge"
dd if=/dev/urandom of="$place/munge/key" bs=1024 count=1 status=none
chmod 711 "$place"
chmod 700 "$place/munge"
chmod 600 "$place/munge/key"
cat >"$place/slurm.conf" <<CONF
ClusterName=try
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$place/munge.socket
CryptoType=crypto/munge
StateSaveLocation=$place/state
SlurmdSpoolDir=$place/spool
SlurmctldPidFile=$place/slurmctld.pid
SlurmdPidFile=$place/slurmd.pid
SlurmctldLogFile=$place/slurmctld.log
SlurmdLogFile=$place/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
MinJobAge=86400
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc --all) RealMemory=1024 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF="$place/slurm.conf"

munged --foreground --force --key-file="$place/munge/key" --socket="$place/munge.socket" --pid-file="$place/munge.pid" \
    --log-file="$place/munge.log" --seed-file="$place/munge/seed" 2>"$place/munged.err" &
started+=($!)
for _ in $(seq 50); do [ -S "$place/munge.socket" ] && break || sleep 0.1; done
slurmctld -D 2>"$place/slurmctld.err" &
started+=($!)
slurmd -D -N "$host" 2>"$place/slurmd.err" &
started+=($!)
for _ in $(seq 100); do
    sinfo -h -o %t 2>/dev/null | grep -q idle && break || sleep 0.2
done
sinfo -h -o %t | grep -q idle || {
    cat "$place"/*.err "$place"/slurm*.log >&2
    exit 1
}

# This node has less memory and fewer GPUs than the profile requests.
snakemake --workflow-profile workflow/profiles/slurm --configfile config/smoke.yaml --default-resources mem_mb=0 runtime=30 \
    --set-resources train:mem_mb=0 train:gpu=0 videos:mem_mb=0 videos:gpu=0 --slurm-status-command squeue \
    --slurm-init-seconds-before-status-checks 5 --latency-wait 10 --slurm-no-account \
    -- "${@:-results/smoke/table1.csv}" >"$place/snakemake.log" 2>&1 &
pipeline=$!

cancelled=
while [ -z "$cancelled" ] && kill -0 "$pipeline" 2>/dev/null; do
    cancelled=$(squeue -h -t running -o "%i %k" | awk '/train/ {print $1; exit}')
    sleep 0.5
done
[ -n "$cancelled" ] && sleep 3 && scancel "$cancelled" && echo "cancelled job $cancelled"
code=0
wait "$pipeline" || code=$?
cat "$place/snakemake.log"
[ -n "$cancelled" ] || { echo "no training job was running" >&2 && exit 1; }
grep -q "Trying to restart job" "$place/snakemake.log" || { echo "the cancelled job did not run again" >&2 && exit 1; }
[ "$code" = 0 ] && echo "done: job $cancelled was cancelled and ran again"
exit "$code"
