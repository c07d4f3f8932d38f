#!/usr/bin/env bash
# Trains nano on a card, the whole way within MINUTES; goes on from models/nano where that is there.
#
#   benchmarks/gpu/nano.sh OUT MINUTES                    # 7 to 9 minutes on one H100 or H200 with 16 cores
#   benchmarks/gpu/nano.sh OUT MINUTES --start FOLDER     # goes on from an OUT or a nano; --start nothing begins anew
#   benchmarks/gpu/nano.sh OUT MINUTES --fonts FOLDER     # more fonts for the tower, as nano/make_fonts.py lays them out
#   benchmarks/gpu/nano.sh OUT MINUTES --tiny             # on a CPU, price tags alone: shows that every step runs
#
# OUT receives at most 8 files: the weights in parts of at most 15 MB in bfloat16, their index, rest.tar.gz with everything else, log.txt. They
# are written on the way, first the two halves, so that what was learned is there when the time is cut off. `tar xzf rest.tar.gz` in OUT makes
# it a folder that infer.py loads. In the environment, as for run.sh: PYTHON, SMVL_SITE.
set -u
cd "$(dirname "$0")/../.."

usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }

[ $# -ge 2 ] || usage
out=$1 minutes=$2 start=models/nano options=()
shift 2
while [ $# -gt 0 ]; do
  case "$1" in
    --tiny) export CUDA_VISIBLE_DEVICES=; options+=(--kinds price_tag) ;;
    --start) [ $# -ge 2 ] || usage; start=$2; shift ;;
    --fonts) [ $# -ge 2 ] || usage; options+=(--fonts "$2"); shift ;;
    *) usage ;;
  esac
  shift
done
[[ $minutes =~ ^[0-9]+$ ]] && [ "$minutes" -ge 2 ] || { echo "nano.sh: MINUTES are whole minutes, 2 at least, found $minutes" >&2; exit 2; }

mkdir -p "$out" && out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -d "$start" ]; then
  cp -r "$start" "$work/start"
  [ -f "$work/start/rest.tar.gz" ] && tar xzf "$work/start/rest.tar.gz" -C "$work/start"
  options+=(--start "$work/start")
elif [ "$start" != models/nano ] && [ "$start" != nothing ]; then
  echo "nano.sh: there is no folder $start" >&2; exit 2
fi

export PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-3000}
export PYTHONPATH=$PWD${SMVL_SITE:+:$SMVL_SITE}${PYTHONPATH:+:$PYTHONPATH}
# Twenty seconds less than the limit: what is over then is the last report's and the parts'.
timeout -k 5 $((60 * minutes)) "${PYTHON:-python3}" -m nano "$work/run" \
  --minutes "$(awk "BEGIN { print $minutes - 0.35 }")" --parts "$out" ${options[@]+"${options[@]}"} < /dev/null 2>&1 | tee "$out/log.txt"
status=${PIPESTATUS[0]}
[ "$status" -eq 124 ] && echo "nano.sh: cut off after $minutes minutes; OUT holds what was there" | tee -a "$out/log.txt"
exit "$status"
