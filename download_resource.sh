#!/usr/bin/env bash
# Downloads the weights and the data that train.yaml names, and checks that they are complete.
# Safe to run again: finished files are kept, an interrupted download goes on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
trap 'exit 130' INT

TRIES="${DOWNLOAD_TRIES:-5}"
WAIT_SECONDS="${DOWNLOAD_WAIT_SECONDS:-10}"

MODELS=(Qwen/Qwen3-0.6B HuggingFaceTB/SmolVLM2-256M-Video-Instruct)
MODEL_SIZES=("1.5 GB" "1.0 GB")
# The repository of SmolVLM2 also holds 3 GB of ONNX files that training does not need.
MODEL_PATTERNS=("*.json" "*.txt" "*.jinja" "*.safetensors")
MODEL_FILES=(config.json tokenizer.json tokenizer_config.json)

SUBSETS=(textcaps cocoqa screen2words textvqa aokvqa iam ai2d)
SUBSET_SIZES=("6.2 GB" "2.4 GB" "1.4 GB" "6.2 GB" "0.9 GB" "1.1 GB" "0.4 GB")
CAULDRON_FOLDER=data/the_cauldron

CHINESE_TEXT_PARQUET=data/zh_text_parquet
CHINESE_TEXT=data/zh_text/train.jsonl
CHINESE_TEXT_SIZE="0.5 GB"

SOURCE=modelscope
ONLY=all
DRY_RUN=no
PROBLEMS=()

usage() {
    cat <<'USAGE'
Usage: bash download_resource.sh [--source modelscope|hf] [--only model|data] [--dry-run] [--help]

Downloads the weights to model/ and the data to data/, beside this script, as train.yaml expects them.

  --source modelscope|hf   where to download from (default: modelscope)
  --only model|data        only the weights (2.5 GB) or only the data (19.1 GB)
  --dry-run                say what would be downloaded, and stop
  --help                   this text

Environment:
  HF_ENDPOINT              address for --source hf, for example https://hf-mirror.com
  DOWNLOAD_TRIES           tries for each repository (default: 5)
  DOWNLOAD_WAIT_SECONDS    pause between tries (default: 10)

Exit status: 0 all files are there, 1 something failed or is missing, 2 wrong usage.
USAGE
}

wrong_usage() {
    echo "download_resource.sh: $1" >&2
    usage >&2
    exit 2
}

read_options() {
    while (($# > 0)); do
        case "$1" in
            --source) SOURCE="${2-}"; shift ;;
            --only) ONLY="${2-}"; shift ;;
            --dry-run) DRY_RUN=yes ;;
            --help | -h) usage; exit 0 ;;
            *) wrong_usage "unknown option '$1'" ;;
        esac
        (($# == 0)) || shift
    done
    case "$SOURCE" in modelscope | hf) ;; *) wrong_usage "--source is '$SOURCE', expected modelscope or hf" ;; esac
    case "$ONLY" in all | model | data) ;; *) wrong_usage "--only is '$ONLY', expected model or data" ;; esac
    case "$TRIES" in '' | 0 | *[!0-9]*) wrong_usage "DOWNLOAD_TRIES is '$TRIES', expected a number from 1" ;; esac
}

wants() { [[ "$ONLY" == all || "$ONLY" == "$1" ]]; }

model_folder() { echo "model/${1##*/}"; }

cauldron_id() { if [[ "$SOURCE" == hf ]]; then echo HuggingFaceM4/the_cauldron; else echo AI-ModelScope/the_cauldron; fi; }

chinese_text_id() {
    local name=Magpie-Qwen2-Pro-200K-Chinese
    if [[ "$SOURCE" == hf ]]; then echo "Magpie-Align/$name"; else echo "AI-ModelScope/$name"; fi
}

plan_line() { printf '  %-48s -> %-38s about %s\n' "$1" "$2" "$3"; }

show_plan() {
    local index
    if [[ "$SOURCE" == hf ]]; then
        echo "From Hugging Face at ${HF_ENDPOINT:-https://huggingface.co} (HF_ENDPOINT=https://hf-mirror.com uses a mirror)"
    else
        echo "From ModelScope (--source hf uses Hugging Face)"
    fi
    echo "To $PWD"
    if wants model; then
        for index in "${!MODELS[@]}"; do
            plan_line "${MODELS[index]}" "$(model_folder "${MODELS[index]}")" "${MODEL_SIZES[index]}"
        done
    fi
    if wants data; then
        for index in "${!SUBSETS[@]}"; do
            plan_line "$(cauldron_id)" "$CAULDRON_FOLDER/${SUBSETS[index]}" "${SUBSET_SIZES[index]}"
        done
        plan_line "$(chinese_text_id)" "$CHINESE_TEXT_PARQUET" "$CHINESE_TEXT_SIZE"
        echo "  then $CHINESE_TEXT_PARQUET is rewritten as JSON Lines in $CHINESE_TEXT"
    fi
    case "$ONLY" in
        model) echo "Together about 2.5 GB" ;;
        data) echo "Together about 19.1 GB" ;;
        all) echo "Together about 21.6 GB" ;;
    esac
}

require_commands() {
    if [[ "$SOURCE" == hf ]]; then
        command -v hf >/dev/null || { echo "The command 'hf' is missing: pip install -U huggingface_hub" >&2; exit 1; }
    else
        command -v modelscope >/dev/null || { echo "The command 'modelscope' is missing: pip install modelscope" >&2; exit 1; }
    fi
    if wants data && ! python3 -c 'import pyarrow' 2>/dev/null; then
        echo "The Python package 'pyarrow' is missing: pip install -r requirements.txt" >&2
        exit 1
    fi
}

# download_once model|dataset ID FOLDER PATTERN...
download_once() {
    local kind="$1" id="$2" folder="$3" pattern includes=()
    shift 3
    if [[ "$SOURCE" == hf ]]; then
        for pattern in "$@"; do includes+=(--include "$pattern"); done
        hf download "$id" --repo-type "$kind" --local-dir "$folder" "${includes[@]}"
    else
        modelscope download "$id" --repo-type "$kind" --local-dir "$folder" --include "$@"
    fi
}

# A broken connection is the rule with files this large, so one failure means little.
download() {
    local try
    for ((try = 1; try <= TRIES; try++)); do
        echo "Downloading $2 to $3 (try $try of $TRIES)"
        if download_once "$@"; then return 0; fi
        if ((try < TRIES)); then sleep "$WAIT_SECONDS"; fi
    done
    PROBLEMS+=("$2: the download failed $TRIES times")
}

has_files() { [[ -n "$(find "$1" -name "$2" -size +0c -print 2>/dev/null | head -n 1)" ]]; }

check_model() {
    local folder="$1" file
    for file in "${MODEL_FILES[@]}"; do
        has_files "$folder" "$file" || PROBLEMS+=("$folder/$file is missing")
    done
    has_files "$folder" "*.safetensors" || PROBLEMS+=("$folder/*.safetensors is missing")
}

# Parquet parts are named ...-00002-of-00005...: the name of any one tells how many there must be.
check_parquet() {
    local folder="$1" parts expected
    if ! has_files "$folder" '*.parquet'; then
        PROBLEMS+=("$folder/*.parquet is missing")
        return
    fi
    parts="$(find "$folder" -name '*.parquet' -size +0c | wc -l | tr -d ' ')"
    expected="$(find "$folder" -name '*-of-*.parquet' | sed -nE 's/.*-of-0*([0-9]+).*/\1/p' | sort -n | tail -n 1)"
    if ((parts < ${expected:-0})); then
        PROBLEMS+=("$folder holds $parts of $expected parquet files")
    fi
}

# Written beside the target and renamed, so that an interrupted run leaves no half file.
write_chinese_text() {
    if [[ -s "$CHINESE_TEXT" ]]; then return 0; fi
    python3 - "$CHINESE_TEXT_PARQUET" "$CHINESE_TEXT" <<'PYTHON'
import json
import sys
from pathlib import Path

import pyarrow.parquet as parquet

source, target = Path(sys.argv[1]), Path(sys.argv[2])
target.parent.mkdir(parents=True, exist_ok=True)
partial = target.with_suffix(".partial")
written = empty = 0
with partial.open("w", encoding="utf-8") as output:
    for path in sorted(source.rglob("*.parquet")):
        table = parquet.ParquetFile(path)
        missing = {"instruction", "response"} - set(table.schema_arrow.names)
        if missing:
            sys.exit(f"{path} has no column {' and '.join(sorted(missing))}, only {', '.join(table.schema_arrow.names)}")
        for batch in table.iter_batches(columns=["instruction", "response"]):
            for row in batch.to_pylist():
                if not (row["instruction"] and row["response"]):
                    empty += 1
                    continue
                messages = [{"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["response"]}]
                output.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
                written += 1
partial.replace(target)
print(f"Wrote {written} conversations to {target}; {empty} rows without a question or an answer were left out")
PYTHON
}

get_models() {
    local id
    for id in "${MODELS[@]}"; do
        download model "$id" "$(model_folder "$id")" "${MODEL_PATTERNS[@]}"
        check_model "$(model_folder "$id")"
    done
}

get_data() {
    local subset patterns=()
    for subset in "${SUBSETS[@]}"; do patterns+=("$subset/*"); done
    download dataset "$(cauldron_id)" "$CAULDRON_FOLDER" "${patterns[@]}"
    for subset in "${SUBSETS[@]}"; do check_parquet "$CAULDRON_FOLDER/$subset"; done
    get_chinese_text
}

get_chinese_text() {
    local problems_before="${#PROBLEMS[@]}"
    download dataset "$(chinese_text_id)" "$CHINESE_TEXT_PARQUET" "*.parquet"
    check_parquet "$CHINESE_TEXT_PARQUET"
    if ((${#PROBLEMS[@]} > problems_before)); then return; fi
    write_chinese_text || PROBLEMS+=("$CHINESE_TEXT could not be written from $CHINESE_TEXT_PARQUET")
}

report() {
    if ((${#PROBLEMS[@]} == 0)); then
        echo "All files are there. Next: python train.py train.yaml"
        return 0
    fi
    {
        echo "Not complete:"
        printf '  %s\n' "${PROBLEMS[@]}"
        echo "Run the same command again; it goes on where it stopped."
    } >&2
    return 1
}

read_options "$@"
show_plan
if [[ "$DRY_RUN" == yes ]]; then exit 0; fi
require_commands
if wants model; then get_models; fi
if wants data; then get_data; fi
report
