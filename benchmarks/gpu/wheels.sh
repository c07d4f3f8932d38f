#!/usr/bin/env bash
# Gathers what a card's machine without a network may lack for run.sh and nano.sh, as wheels for CPython 3.12 on x86-64 Linux: those that
# training needs in WHEELS/train, those that drawing scenes needs in WHEELS/scenes, those that quantizing needs in WHEELS/quantize
# (transformers loads them at every start where it finds them).
#
#   benchmarks/gpu/wheels.sh WHEELS        # here, where there is an index; then, there:
#   for part in train scenes quantize; do python3 -m pip install --no-index --no-deps --target SITE/$part WHEELS/$part/*.whl; done
#   SMVL_SITE=SITE/train SMVL_QUANTIZE=SITE/quantize benchmarks/gpu/run.sh OUT
#   SMVL_SITE=SITE/train:SITE/scenes benchmarks/gpu/nano.sh OUT 8
#
# Expected there: torch, transformers, accelerate, peft, safetensors, tokenizers, numpy, pillow, opencv, psutil, pyyaml, jinja2, pyarrow,
# pandas, xxhash. Of bitsandbytes only the library for CUDA 13 is kept, a tenth of it. All together at most 64 MB.
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
TRAIN=(datasets==5.2.0 dill==0.4.1 multiprocess==0.70.19)
SCENES=(manimgx-fonts-cjk==2026.9.26.post1 fonttools==4.68.0 cn2an==0.5.24 proces==0.1.7 python-barcode==0.16.1)
QUANTIZE=(torchao==0.18.0 bitsandbytes==0.50.2)
KEPT_LIBRARIES='libbitsandbytes_(cpu|cuda130)\.so$'
MOST_BYTES=$((64 << 20))
PLATFORMS=(manylinux_2_28_x86_64 manylinux_2_27_x86_64 manylinux_2_24_x86_64 manylinux_2_17_x86_64 manylinux2014_x86_64)

gather() {
  python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
    "${PLATFORMS[@]/#/--platform=}" --dest "$@"
}

mkdir -p "$1" && cd "$1"
gather train "${TRAIN[@]}"
gather scenes "${SCENES[@]}"
gather quantize "${QUANTIZE[@]}"
python3 - "$KEPT_LIBRARIES" <<'PYTHON'
import re, sys, zipfile
from pathlib import Path

[wheel] = Path("quantize").glob("bitsandbytes-*.whl")
slim = wheel.with_suffix(".slim")
with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(slim, "w", zipfile.ZIP_DEFLATED) as target:
    for entry in source.infolist():
        if not entry.filename.endswith(".so") or re.search(sys.argv[1], entry.filename):
            target.writestr(entry, source.read(entry))
slim.replace(wheel)
PYTHON
stat --format '%s %n' {train,scenes,quantize}/*.whl
size=$(cat {train,scenes,quantize}/*.whl | wc -c)
echo "$size bytes together"
[ "$size" -le "$MOST_BYTES" ] || { echo "wheels.sh: more than $MOST_BYTES bytes" >&2; exit 1; }
