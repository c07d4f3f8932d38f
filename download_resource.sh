#!/usr/bin/env bash
# Downloads the weights and the data that train.yaml names, and checks that they are complete. docs/data.md says what each set is.
# Nothing is converted: every set is read as its hub stores it. Safe to run again: finished files are kept, an interrupted download goes on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
trap 'exit 130' INT

TRIES="${DOWNLOAD_TRIES:-5}"
WAIT_SECONDS="${DOWNLOAD_WAIT_SECONDS:-10}"

MODELS=(qwen3 smolvlm2)
DATA=(cauldron docmatix zh_llava zh_text tools tools_zh)

SUBSETS=(textcaps cocoqa screen2words textvqa aokvqa)

SOURCE=modelscope
CHOSEN=()
DRY_RUN=no
PROBLEMS=()

# describe SET: what one set is, in HF_ID, MS_ID ("-" where no copy is known), FOLDER, MB, LICENCE, PATTERNS (files to fetch) and
# EXPECTED (files that must then be there: PATTERN=NUMBER, or PATTERN=all for as many as names like ...-00002-of-00005... speak of).
describe() {
    case "$1" in
        qwen3)
            HF_ID=Qwen/Qwen3-0.6B MS_ID=Qwen/Qwen3-0.6B
            FOLDER=model/Qwen3-0.6B MB=1500 LICENCE=Apache-2.0
            describe_weights ;;
        smolvlm2)
            HF_ID=HuggingFaceTB/SmolVLM2-256M-Video-Instruct MS_ID=HuggingFaceTB/SmolVLM2-256M-Video-Instruct
            FOLDER=model/SmolVLM2-256M-Video-Instruct MB=1000 LICENCE=Apache-2.0
            describe_weights ;;
        cauldron)
            HF_ID=HuggingFaceM4/the_cauldron MS_ID=AI-ModelScope/the_cauldron
            FOLDER=data/the_cauldron MB=17100 LICENCE="its subsets' own"
            PATTERNS=("${SUBSETS[@]/%//*}") EXPECTED=("${SUBSETS[@]/%//*.parquet=all}") ;;
        docmatix)    # the first 10 of 1,106 parts
            HF_ID=HuggingFaceM4/Docmatix MS_ID=HuggingFaceM4/Docmatix
            FOLDER=data/docmatix MB=4000 LICENCE=MIT
            PATTERNS=("data/train-0000*-of-01106*") EXPECTED=("data/*.parquet=10") ;;
        zh_llava)    # the first 10 of the 59 Chinese parts
            HF_ID=BUAADreamer/llava-en-zh-300k MS_ID=-
            FOLDER=data/zh_llava MB=4400 LICENCE=Apache-2.0
            PATTERNS=("zh/train-0000*-of-00059*") EXPECTED=("zh/*.parquet=10") ;;
        zh_text)     # without its preference and reasoning parts
            HF_ID=Mxode/I_Wonder_Why-Chinese MS_ID=-
            FOLDER=data/zh_text MB=2500 LICENCE=CC-BY-SA-4.0
            PATTERNS=("general/*") EXPECTED=("general/*.parquet=1") ;;
        tools)
            HF_ID=hiyouga/glaive-function-calling-v2-sharegpt MS_ID=-
            FOLDER=data/tools MB=300 LICENCE=Apache-2.0
            PATTERNS=("glaive_toolcall.json") EXPECTED=("glaive_toolcall.json=1") ;;
        tools_zh)
            HF_ID=llamafactory/glaive_toolcall_zh MS_ID=-
            FOLDER=data/tools_zh MB=3 LICENCE=Apache-2.0
            PATTERNS=("glaive_toolcall_zh_1k.json") EXPECTED=("glaive_toolcall_zh_1k.json=1") ;;
    esac
}

# The repository of SmolVLM2 also holds 3 GB of ONNX files that training does not need.
describe_weights() {
    PATTERNS=("*.json" "*.txt" "*.jinja" "*.safetensors")
    EXPECTED=(config.json=1 tokenizer.json=1 tokenizer_config.json=1 "*.safetensors=1")
}

usage() {
    cat <<USAGE
Usage: bash download_resource.sh [--source modelscope|hf] [--only NAME]... [--dry-run] [--help]

Downloads the weights to model/ and the data to data/, beside this script, as train.yaml expects them.

  --source modelscope|hf   where to download from (default: modelscope); a set that only the other hub has comes from there
  --only NAME              only this: model, data, or one of
                           ${MODELS[*]} ${DATA[*]}
                           (may be given several times)
  --dry-run                say what would be downloaded, and stop
  --help                   this text

Environment:
  HF_ENDPOINT              address for Hugging Face, for example https://hf-mirror.com
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
            --only) choose "${2-}"; shift ;;
            --dry-run) DRY_RUN=yes ;;
            --help | -h) usage; exit 0 ;;
            *) wrong_usage "unknown option '$1'" ;;
        esac
        (($# == 0)) || shift
    done
    case "$SOURCE" in modelscope | hf) ;; *) wrong_usage "--source is '$SOURCE', expected modelscope or hf" ;; esac
    case "$TRIES" in '' | 0 | *[!0-9]*) wrong_usage "DOWNLOAD_TRIES is '$TRIES', expected a number from 1" ;; esac
    ((${#CHOSEN[@]})) || CHOSEN=("${MODELS[@]}" "${DATA[@]}")
}

choose() {
    local known="${MODELS[*]} ${DATA[*]}" name names=("$1")
    case "$1" in
        model) names=("${MODELS[@]}") ;;
        data) names=("${DATA[@]}") ;;
        *)
            [[ -n "$1" && "$1" != *" "* && " $known " == *" $1 "* ]] ||
                wrong_usage "--only is '$1', expected model, data or one of $known" ;;
    esac
    for name in "${names[@]}"; do
        [[ " ${CHOSEN[*]-} " == *" $name "* ]] || CHOSEN+=("$name")
    done
}

# The hub that the set just described comes from.
hub() {
    if [[ "$SOURCE" == modelscope && "$MS_ID" == - ]]; then echo hf
    elif [[ "$SOURCE" == hf && "$HF_ID" == - ]]; then echo modelscope
    else echo "$SOURCE"; fi
}

id() { if [[ "$(hub)" == hf ]]; then echo "$HF_ID"; else echo "$MS_ID"; fi; }

hub_in_words() {
    if [[ "$1" == hf ]]; then echo "Hugging Face at ${HF_ENDPOINT:-https://huggingface.co}"; else echo "ModelScope"; fi
}

size_in_words() { if (($1 < 100)); then echo "$1 MB"; else echo "$(($1 / 1000)).$(($1 % 1000 / 100)) GB"; fi; }

show_plan() {
    local name total=0 elsewhere=()
    if [[ "$SOURCE" == hf ]]; then
        echo "From $(hub_in_words hf) (HF_ENDPOINT=https://hf-mirror.com uses a mirror)"
    else
        echo "From ModelScope (--source hf uses Hugging Face)"
    fi
    echo "To $PWD"
    for name in "${CHOSEN[@]}"; do
        describe "$name"
        printf '  %-9s %-48s -> %-38s about %s, licence: %s\n' "$name" "$(id)" "$FOLDER" "$(size_in_words "$MB")" "$LICENCE"
        total=$((total + MB))
        [[ "$(hub)" == "$SOURCE" ]] || elsewhere+=("$name")
    done
    echo "Together about $(size_in_words "$total")"
    for name in ${elsewhere[@]+"${elsewhere[@]}"}; do
        describe "$name"
        echo "Note: no copy of $(id) on $(hub_in_words "$SOURCE") is known: it comes from $(hub_in_words "$(hub)")"
    done
}

require_commands() {
    local name
    for name in "${CHOSEN[@]}"; do
        describe "$name"
        if [[ "$(hub)" == hf ]]; then
            command -v hf >/dev/null || { echo "The command 'hf' is missing: pip install -U huggingface_hub" >&2; exit 1; }
        else
            command -v modelscope >/dev/null || { echo "The command 'modelscope' is missing: pip install modelscope" >&2; exit 1; }
        fi
    done
}

# require_room FOLDER NEEDED FREE, both in MB
require_room() {
    (($2 > $3)) || return 0
    echo "Not enough room in $PWD/$1: $(size_in_words "$2") to fetch, $(size_in_words "$3") free." \
        "Free some, make it a link to a larger disk, or choose with --only." >&2
    exit 1
}

# missing_mb model|data: MB of the chosen sets that are not on the disk yet.
missing_mb() {
    local name there missing=0
    for name in "${CHOSEN[@]}"; do
        describe "$name"
        [[ "$FOLDER" == "$1"/* ]] || continue
        there=0
        if [[ -d "$FOLDER" ]]; then read -r there _ < <(du -sk "$FOLDER"); fi
        if ((there / 1000 < MB)); then missing=$((missing + MB - there / 1000)); fi
    done
    echo "$missing"
}

# The file system of a folder, or of this one where it is yet to be made, and the MB free on it.
free_mb() {
    local place="$1/." system free _
    if [[ ! -d "$place" ]]; then place=.; fi
    read -r system _ _ free _ < <(df -Pk "$place" | tail -n 1)
    echo "$system $((free / 1000))"
}

# Refuses before the first byte what could not be finished.
require_disk() {
    local models data models_on data_on models_free data_free
    models="$(missing_mb model)" data="$(missing_mb data)"
    read -r models_on models_free < <(free_mb model)
    read -r data_on data_free < <(free_mb data)
    if [[ "$models_on" == "$data_on" ]]; then
        require_room "" "$((models + data))" "$data_free"
    else
        require_room model "$models" "$models_free"
        require_room data "$data" "$data_free"
    fi
}

# download_once HUB model|dataset ID FOLDER PATTERN...
download_once() {
    local hub="$1" kind="$2" id="$3" folder="$4" pattern includes=()
    shift 4
    if [[ "$hub" == hf ]]; then
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
        echo "Downloading $3 to $4 (try $try of $TRIES)"
        if download_once "$@"; then return 0; fi
        if ((try < TRIES)); then sleep "$WAIT_SECONDS"; fi
    done
    PROBLEMS+=("$3: the download failed $TRIES times")
}

# find_files FOLDER PATTERN: files with something in them; a pattern without / is looked for in all of the folder.
find_files() {
    local folder="$1"
    if [[ "$2" == */* ]]; then folder="$1/${2%/*}"; fi
    find "$folder" -name "${2##*/}" -not -path '*/.*' -size +0c -print 2>/dev/null || true
}

check_files() {
    local entry pattern expected found
    for entry in "${EXPECTED[@]}"; do
        pattern="${entry%=*}" expected="${entry##*=}"
        found="$(find_files "$FOLDER" "$pattern" | wc -l | tr -d ' ')"
        if [[ "$expected" == all ]]; then
            expected="$(find_files "$FOLDER" "$pattern" | sed -nE 's/.*-of-0*([0-9]+).*/\1/p' | sort -n | tail -n 1)"
        fi
        if ((found == 0)); then
            PROBLEMS+=("$FOLDER/$pattern is missing")
        elif ((found < ${expected:-1})); then
            PROBLEMS+=("$FOLDER/$pattern: $found of $expected files are there")
        fi
    done
}

get() {
    local kind=dataset
    describe "$1"
    if [[ "$FOLDER" == model/* ]]; then kind=model; fi
    download "$(hub)" "$kind" "$(id)" "$FOLDER" "${PATTERNS[@]}"
    check_files
}

report() {
    if ((${#PROBLEMS[@]} == 0)); then
        echo "All files are there: ${CHOSEN[*]}"
        echo "Next: python train.py train.yaml"
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
require_disk
for name in "${CHOSEN[@]}"; do get "$name"; done
report
