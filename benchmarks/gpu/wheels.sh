#!/usr/bin/env bash
# Gathers what a card's machine without a network may lack for run.sh, as wheels for CPython 3.12 on x86-64 Linux.
#
#   benchmarks/gpu/wheels.sh WHEELS                      # here, where there is an index
#   python3 -m pip install --no-index --no-deps --target SITE WHEELS/*.whl && SMVL_SITE=SITE benchmarks/gpu/run.sh OUT      # there
#
# Expected there: torch, transformers, accelerate, peft, safetensors, tokenizers, numpy, pillow, opencv, psutil, pyyaml, jinja2, pyarrow,
# pandas, xxhash. Of bitsandbytes only the library for CUDA 13 is kept, a tenth of it. All together at most 64 MB.
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
PACKAGES=(datasets==5.2.0 dill==0.4.1 multiprocess==0.70.19 torchao==0.18.0 bitsandbytes==0.50.2)
KEPT_LIBRARIES='libbitsandbytes_(cpu|cuda130)\.so$'
MOST_BYTES=$((64 << 20))

mkdir -p "$1" && cd "$1"
platforms=(manylinux_2_28_x86_64 manylinux_2_27_x86_64 manylinux_2_24_x86_64 manylinux_2_17_x86_64 manylinux2014_x86_64)
python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
  "${platforms[@]/#/--platform=}" --dest . "${PACKAGES[@]}"
python3 - "$KEPT_LIBRARIES" <<'PYTHON'
import re, sys, zipfile
from pathlib import Path

[wheel] = Path().glob("bitsandbytes-*.whl")
slim = wheel.with_suffix(".slim")
with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(slim, "w", zipfile.ZIP_DEFLATED) as target:
    for entry in source.infolist():
        if not entry.filename.endswith(".so") or re.search(sys.argv[1], entry.filename):
            target.writestr(entry, source.read(entry))
slim.replace(wheel)
PYTHON
size=$(du -sb . | cut -f1)
ls -l --block-size=KB ./*.whl | awk '{print $5, $NF}'
echo "$size bytes together"
[ "$size" -le "$MOST_BYTES" ] || { echo "wheels.sh: more than $MOST_BYTES bytes" >&2; exit 1; }
