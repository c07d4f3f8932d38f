#!/usr/bin/env bash
# Everything that only a card can show, in eight minutes on one H100 or H200.
#
#   benchmarks/gpu/run.sh OUT                      # all steps, the most valuable first
#   benchmarks/gpu/run.sh OUT throughput profile   # these alone
#   benchmarks/gpu/run.sh OUT --tiny               # the smallest sizes, on a CPU: shows that every step runs
#
# Each step is a process with a limit of its own: one that fails or hangs costs no other its time. OUT receives a JSON file a step, written
# after each figure, and log.txt. The exit status is 1 where a step did not end well. In the environment:
#   PYTHON         the interpreter (python3)
#   SMVL_SITE      a folder of packages that are missing there (benchmarks/gpu/wheels.sh gathers them, and says how to unpack them)
#   SMVL_QUANTIZE  another, of those that only generation and adapters load
#   SMVL_COMMIT    what the results say of the code, where it is no git checkout
#   SMVL_SECONDS   for all steps together (480; 360 with --tiny)
#   SMVL_LIMIT     seconds for each step, in the place of its own limit
set -u
cd "$(dirname "$0")/../.."

STEPS=(environment throughput sweep demo generation adapters profile)
declare -A LIMITS=([environment]=40 [throughput]=140 [sweep]=90 [demo]=120 [generation]=70 [adapters]=60 [profile]=40)
declare -A TINY_LIMITS=([environment]=40 [throughput]=80 [sweep]=120 [demo]=150 [generation]=60 [adapters]=60 [profile]=40)
declare -A QUANTIZES=([generation]=1 [adapters]=1)

usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }

out="" tiny="" chosen=()
for argument in "$@"; do
  case "$argument" in
    --tiny) tiny=--tiny ;;
    -*) usage ;;
    *) if [ -z "$out" ]; then out=$argument
       elif [ -n "${LIMITS[$argument]:-}" ]; then chosen+=("$argument")
       else echo "run.sh: there is no step $argument; the steps are ${STEPS[*]}" >&2; exit 2; fi ;;
  esac
done
[ -n "$out" ] || usage
[ ${#chosen[@]} -gt 0 ] || chosen=("${STEPS[@]}")

seconds=${SMVL_SECONDS:-$([ -n "$tiny" ] && echo 360 || echo 480)}
for number in "$seconds" "${SMVL_LIMIT:-0}"; do
  [[ $number =~ ^[0-9]+$ ]] || { echo "run.sh: SMVL_SECONDS and SMVL_LIMIT are whole seconds, found $number" >&2; exit 2; }
done

mkdir -p "$out" && out=$(cd "$out" && pwd)
work=$(mktemp -d)
log=$out/log.txt
: > "$log"
tail -n 0 -F "$log" 2>/dev/null &
tail=$!
trap 'sleep 0.3; kill $tail; rm -rf "$work"' EXIT

python=${PYTHON:-python3}
export PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-3000}
own_path=$PWD${SMVL_SITE:+:$SMVL_SITE}${PYTHONPATH:+:$PYTHONPATH}
export SMVL_COMMIT=${SMVL_COMMIT:-$(git rev-parse HEAD 2>/dev/null || echo unknown)}
[ -n "$tiny" ] && export CUDA_VISIBLE_DEVICES=
end=$((SECONDS + seconds))

failed=()
for step in "${chosen[@]}"; do
  [ -n "$tiny" ] && limit=${TINY_LIMITS[$step]} || limit=${LIMITS[$step]}
  limit=${SMVL_LIMIT:-$limit}
  left=$((end - SECONDS))
  [ "$left" -lt "$limit" ] && limit=$left
  if [ "$limit" -lt 5 ]; then
    echo "== $step: left out, the time is over" >> "$log"; failed+=("$step"); continue
  fi
  echo "== $step, at most $limit s" >> "$log"
  began=$SECONDS
  export PYTHONPATH=$own_path${QUANTIZES[$step]:+${SMVL_QUANTIZE:+:$SMVL_QUANTIZE}}
  timeout -k 3 "$limit" "$python" -m benchmarks.gpu "$step" --out "$out" --work "$work" $tiny >> "$log" 2>&1 < /dev/null
  status=$?
  case $status in
    0) echo "== $step: done in $((SECONDS - began)) s" >> "$log" ;;
    124 | 137) echo "== $step: cut off after $((SECONDS - began)) s" >> "$log"; failed+=("$step") ;;
    *) echo "== $step: failed with status $status after $((SECONDS - began)) s" >> "$log"; failed+=("$step") ;;
  esac
done
"$python" -m benchmarks.gpu.table "$out" >> "$log" 2>&1
[ ${#failed[@]} -eq 0 ] || { echo "run.sh: did not end well: ${failed[*]}" >> "$log"; exit 1; }
