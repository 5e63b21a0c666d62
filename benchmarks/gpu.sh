#!/usr/bin/env bash
# Runs on one GPU each path that docs/hardware.md calls not run, beside TRL and Unsloth, in at most 40 minutes.
#   scripts/install.sh dev && .venv/bin/pip install "ft-platform[benchmarks,gpu]" liger-kernel flash-attn
#   benchmarks/gpu.sh [--cpu] [--list] [--limit SECONDS] [--out FOLDER] [PART...]
# --cpu    a tiny random model on a CPU: whether the script works, not how fast anything is
# --list   names of the parts with their time limits in seconds; nothing is run
# --limit  no part may take longer than so many seconds
# --out    folder for PART.json, PART.log and summary.json; default: gpu-results
# Each part has a time limit and a process of its own. A part that fails stops no other, and the script ends with 1.
# Settings by environment variable:
#   FT_GPU_PYTHON      interpreter with the platform; default: .venv/bin/python
#   FT_UNSLOTH_PYTHON  interpreter with Unsloth; default: one is made in the folder, if pip can install it
#   FT_VLLM_PYTHON     interpreter with vLLM; the same
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

PYTHON="${FT_GPU_PYTHON:-.venv/bin/python}"
OUT=gpu-results DEVICE=gpu LIMIT=2400 LIST="" ONLY=()
while [ $# -gt 0 ]; do
  case "$1" in
    --cpu) DEVICE=cpu ;;
    --list) LIST=yes ;;
    --limit) LIMIT="$2"; shift ;;
    --out) OUT="$2"; shift ;;
    -*) printf 'gpu: %s is no option\n' "$1" >&2; exit 2 ;;
    *) ONLY+=("$1") ;;
  esac
  shift
done

PARTS=(device:30 unsloth_install:240 lora:280 qlora:150 full:150 dpo:150 sharded:120 compile:220 liger:120 flash:120
  evaluation:180 serving:180 vllm_install:300 vllm:160)
if [ -n "$LIST" ]; then printf '%s\n' "${PARTS[@]/:/ }"; exit 0; fi
for name in ${ONLY[@]+"${ONLY[@]}"}; do
  case " ${PARTS[*]}" in *" $name:"*) ;; *) printf 'gpu: %s is no part; see --list\n' "$name" >&2; exit 2 ;; esac
done

mkdir -p "$OUT" && OUT="$(cd "$OUT" && pwd)" || exit 2
rm -f "$OUT"/*.json "$OUT"/*.log "$OUT"/*.state
export PYTHONPATH="$PWD"
MODEL=() SIZE=(--rows 256 --steps 16 --seeds 1) EVALUATION=(--prompts 64) SERVING=()
if [ "$DEVICE" = cpu ]; then
  [ -e "$OUT/tiny/config.json" ] || "$PYTHON" -c 'import sys; from pathlib import Path
from ft_platform_tests.tiny_models import save_tiny_model
save_tiny_model(Path(sys.argv[1]))' "$OUT/tiny" || exit 2
  MODEL=(--base-model "$OUT/tiny")
  SIZE=(--rows 8 --validation-rows 2 --steps 2 --seeds 1)
  EVALUATION=(--prompts 2 --rows 100)
  SERVING=(--tokens 4 --repeats 1 --dtype float32)
fi

# A system beside plain LoRA; on a CPU there is nothing to compare.
beside() { if [ "$DEVICE" = cpu ]; then training "$1"; else training ours "$1"; fi; }
training() { "$PYTHON" benchmarks/training.py "${MODEL[@]}" "${SIZE[@]}" --json --systems "$@"; }
has() { "$PYTHON" -c 'import sys; from importlib.util import find_spec; sys.exit(find_spec(sys.argv[1]) is None)' "$1"; }

install() { # folder, package
  "$PYTHON" -m venv "$OUT/$1" && "$OUT/$1/bin/python" -m pip install --quiet "$2" >&2 && echo '{"installed": true}'
}

# Why a part cannot be run here, or nothing.
missing() {
  case "$1" in
    unsloth_install | vllm_install | liger | flash) [ "$DEVICE" = cpu ] && echo "needs a CUDA device" && return ;;
  esac
  case "$1" in
    unsloth_install) [ -z "${FT_UNSLOTH_PYTHON:-}" ] || echo "FT_UNSLOTH_PYTHON names one" ;;
    vllm_install) [ -z "${FT_VLLM_PYTHON:-}" ] || echo "FT_VLLM_PYTHON names one" ;;
    qlora) has bitsandbytes || echo "bitsandbytes is not installed" ;;
    liger) has liger_kernel || echo "liger-kernel is not installed" ;;
    flash) has flash_attn || echo "flash-attn is not installed" ;;
    vllm) [ -n "${FT_VLLM_PYTHON:-}" ] || echo "there is no vLLM" ;;
  esac
}

run() {
  case "$1" in
    device) "$PYTHON" benchmarks/gpu_table.py --device "$DEVICE" ;;
    unsloth_install) install unsloth unsloth ;;
    lora)
      systems=(trl_default trl_packing transformers_trainer ours)
      [ "$DEVICE" = gpu ] || has trl || systems=(ours)
      [ -z "${FT_UNSLOTH_PYTHON:-}" ] || systems+=(unsloth)
      training "${systems[@]}" ;;
    compile) beside ours_compiled ;;
    qlora | full | dpo | sharded | liger | flash) beside "ours_$1" ;;
    evaluation) "$PYTHON" benchmarks/evaluation.py "${MODEL[@]}" "${EVALUATION[@]}" --json ;;
    serving) "$PYTHON" benchmarks/serving_engine.py "${MODEL[@]}" "${SERVING[@]}" --json ;;
    vllm_install) install vllm vllm ;;
    vllm)
      "$PYTHON" -m pytest -m "" -p no:cacheprovider ft_platform_tests/serving/targets/test_vllm_real.py >&2 &&
        echo '{"tests": "passed"}' ;;
  esac
}

export -f training beside has install run
export PYTHON OUT DEVICE
for part in "${PARTS[@]}"; do
  name="${part%:*}" limit="${part#*:}"
  [ "${#ONLY[@]}" -eq 0 ] || case " ${ONLY[*]} " in *" $name "*) ;; *) continue ;; esac
  [ "$limit" -le "$LIMIT" ] || limit="$LIMIT"
  [ -x "$OUT/unsloth/bin/python" ] && [ -e "$OUT/unsloth_install.json" ] && export FT_UNSLOTH_PYTHON="$OUT/unsloth/bin/python"
  [ -x "$OUT/vllm/bin/python" ] && [ -e "$OUT/vllm_install.json" ] && export FT_VLLM_PYTHON="$OUT/vllm/bin/python"
  why="$(missing "$name")"
  if [ -n "$why" ]; then printf 'not run\t0\t%s\n' "$why" >"$OUT/$name.state"; continue; fi
  printf 'gpu: %s, at most %s s\n' "$name" "$limit" >&2
  started=$SECONDS
  # Arrays do not go through the environment: their words do.
  timeout --kill-after=10 "$limit" bash -c "$(declare -p MODEL SIZE EVALUATION SERVING); run $name" \
    >"$OUT/$name.out" 2>"$OUT/$name.log"
  code=$?
  # The figures are the last line.
  if [ "$code" -eq 0 ] && tail -n 1 "$OUT/$name.out" | "$PYTHON" -m json.tool --compact >"$OUT/$name.json" 2>>"$OUT/$name.log"; then
    state=passed why=""
  elif [ "$code" -eq 124 ] || [ "$code" -eq 137 ]; then
    state=failed why="took longer than $limit s"
  else
    state=failed why="ended with $code: $name.log"
  fi
  [ "$state" = passed ] || rm -f "$OUT/$name.json"
  rm -f "$OUT/$name.out"
  printf '%s\t%s\t%s\n' "$state" "$((SECONDS - started))" "$why" >"$OUT/$name.state"
done
"$PYTHON" benchmarks/gpu_table.py "$OUT"
