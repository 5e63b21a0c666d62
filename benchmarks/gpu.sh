#!/usr/bin/env bash
# Runs on one GPU each path that docs/hardware.md calls not run, beside TRL and Unsloth, in at most 40 minutes.
#   scripts/install.sh dev && .venv/bin/pip install "ft-platform[benchmarks,gpu]" liger-kernel flash-attn
#   benchmarks/gpu.sh [--cpu | --write] [--list] [--only PART]... [--limit SECONDS] [--out FOLDER]
# --cpu    a tiny random model on a CPU: whether the script works, not how fast anything is. What needs a GPU is not run
# --write  puts the table into docs/hardware.md
# --list   names of the parts with their time limits in seconds; nothing is run
# --only   runs this part, and keeps what the others came to; several: --only lora --only dpo
# --limit  seconds for each part, in place of its own limit
# --out    folder for PART.json, PART.log and summary.json; default: gpu-results
# Each part has a time limit and a process of its own. A part that fails stops no other, and the script ends with 1.
# Settings by environment variable:
#   FT_GPU_PYTHON      interpreter with the platform; default: .venv/bin/python
#   FT_UNSLOTH_PYTHON  interpreter with Unsloth; default: one is made in the folder, if pip can install it
#   FT_VLLM_PYTHON     interpreter with vLLM; the same
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

PYTHON="${FT_GPU_PYTHON:-.venv/bin/python}"
OUT=gpu-results DEVICE=gpu LIMIT="" LIST="" WRITE=() ONLY=()
TOTAL=2400 GRACE=10
while [ $# -gt 0 ]; do
  case "$1" in
    --cpu) DEVICE=cpu ;;
    --write) WRITE=(--write) ;;
    --list) LIST=yes ;;
    --only | --limit | --out)
      [ $# -gt 1 ] || { printf 'gpu: %s needs a value\n' "$1" >&2; exit 2; }
      case "$1" in --only) ONLY+=("$2") ;; --limit) LIMIT="$2" ;; --out) OUT="$2" ;; esac
      shift ;;
    *) printf 'gpu: %s is no option\n' "$1" >&2; exit 2 ;;
  esac
  shift
done

PARTS=(device:30 unsloth_install:240 lora:280 qlora:150 full:150 dpo:150 sharded:110 compile:210 liger:110 flash:110
  evaluation:170 serving:170 vllm_install:290 vllm:150)
if [ -n "$LIST" ]; then printf '%s\n' "${PARTS[@]/:/ }"; exit 0; fi
for name in ${ONLY[@]+"${ONLY[@]}"}; do
  case " ${PARTS[*]}" in *" $name:"*) ;; *) printf 'gpu: %s is no part; see --list\n' "$name" >&2; exit 2 ;; esac
done
case "$LIMIT" in *[!0-9]*) printf 'gpu: --limit must be seconds, got %s\n' "$LIMIT" >&2; exit 2 ;; esac
if [ "$DEVICE" = cpu ] && [ ${#WRITE[@]} -gt 0 ]; then
  printf 'gpu: --write is for figures of a GPU, not with --cpu\n' >&2; exit 2
fi

mkdir -p "$OUT" && OUT="$(cd "$OUT" && pwd)" || exit 2
if [ ${#ONLY[@]} -gt 0 ] && [ -e "$OUT/of" ] && [ "$(cat "$OUT/of")" != "$DEVICE" ]; then
  printf 'gpu: %s holds results of a %s; name another folder with --out\n' "$OUT" "$(cat "$OUT/of")" >&2; exit 2
fi
if [ ${#ONLY[@]} -eq 0 ]; then rm -f "$OUT"/*.json "$OUT"/*.log "$OUT"/*.state; fi
printf '%s\n' "$DEVICE" >"$OUT/of"
export PYTHONPATH="$PWD"
COMMIT="$(git rev-parse --short=9 HEAD 2>/dev/null || echo unknown)"
[ -z "$(git status --porcelain --untracked-files=no -- . ':!docs/hardware.md' 2>/dev/null)" ] || COMMIT="$COMMIT+"
MODEL=() SIZE=(--rows 256 --steps 16 --seeds 1) EVALUATION=(--prompts 64) SERVING=()
if [ "$DEVICE" = cpu ]; then
  TOTAL=86400
  [ -e "$OUT/tiny" ] || { rm -rf "$OUT/tiny.new" && "$PYTHON" -c 'import sys
from ft_platform_tests.tiny_models import tiny_model, tiny_tokenizer
# Its tokens are bytes: the longest prompt of serving has 714.
tiny_model(max_position_embeddings=1024).save_pretrained(sys.argv[1])
tiny_tokenizer().save_pretrained(sys.argv[1])' "$OUT/tiny.new" && mv "$OUT/tiny.new" "$OUT/tiny"; } || exit 2
  MODEL=(--base-model "$OUT/tiny")
  SIZE=(--rows 2 --validation-rows 1 --steps 1 --seeds 1)
  EVALUATION=(--prompts 2 --rows 100)
  SERVING=(--tokens 2 --repeats 1 --dtype float32)
fi

has() { "$PYTHON" -c 'import sys; from importlib.util import find_spec; sys.exit(find_spec(sys.argv[1]) is None)' "$1"; }

# Why nothing of a part can be run here; empty: it can.
missing() {
  case "$1" in
    unsloth_install | vllm_install | liger | flash)
      if [ "$DEVICE" = cpu ]; then echo "needs a CUDA device"; return; fi ;;
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

# What of a part was left out although it went through; empty: nothing.
left_out() {
  case "$1" in
    lora)
      if [ "$DEVICE" = cpu ] && ! has trl; then echo "without TRL, which is not installed"; return; fi
      [ "$DEVICE" = cpu ] || [ -n "${FT_UNSLOTH_PYTHON:-}" ] || echo "without Unsloth, which is not installed" ;;
  esac
}

# The parts whose kernels for a GPU are another library's than those for a CPU: on a CPU they never pass.
other_kernels() { [ "$DEVICE" = cpu ] && case "$1" in qlora | vllm) true ;; *) false ;; esac; }

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
      said="$("$PYTHON" -m pytest -m "" -p no:cacheprovider ft_platform_tests/serving/targets/test_vllm_real.py)"
      code=$?
      printf '%s\n' "$said" >&2
      # pytest also ends with 0 where every test was skipped.
      case "$code $said" in 0*skipped*) return 1 ;; 0*passed*) echo '{"tests": "passed"}' ;; *) return "$code" ;; esac ;;
  esac
}
# A system beside plain LoRA; on a CPU there is nothing to compare.
beside() { if [ "$DEVICE" = cpu ]; then training "$1"; else training ours "$1"; fi; }
training() { "$PYTHON" benchmarks/training.py "${MODEL[@]}" "${SIZE[@]}" --json --systems "$@"; }
install() { # folder, package
  "$PYTHON" -m venv "$OUT/$1" && "$OUT/$1/bin/python" -m pip install --quiet "$2" >&2 && echo '{"installed": true}'
}

# How a part ended, whole or not at all: this script may be killed at any time.
note() { printf '%s\t%s\t%s\t%s\n' "$2" "$3" "$COMMIT" "$4" >"$OUT/$1.new" && mv "$OUT/$1.new" "$OUT/$1.state"; }

started_process=""
interrupted() {
  [ -z "$started_process" ] || { kill -TERM "$started_process"; wait "$started_process"; } 2>/dev/null
  "$PYTHON" benchmarks/gpu_table.py "$OUT" --parts "${PARTS[@]%:*}"
  printf 'gpu: interrupted; go on with --only\n' >&2
  exit 130
}
trap interrupted INT TERM

export -f training beside has install run
export PYTHON OUT DEVICE
for part in "${PARTS[@]}"; do
  name="${part%:*}" limit="${LIMIT:-${part#*:}}"
  [ "${#ONLY[@]}" -eq 0 ] || case " ${ONLY[*]} " in *" $name "*) ;; *) continue ;; esac
  rm -f "$OUT/$name".*
  [ -x "$OUT/unsloth/bin/python" ] && [ -e "$OUT/unsloth_install.json" ] && export FT_UNSLOTH_PYTHON="$OUT/unsloth/bin/python"
  [ -x "$OUT/vllm/bin/python" ] && [ -e "$OUT/vllm_install.json" ] && export FT_VLLM_PYTHON="$OUT/vllm/bin/python"
  why="$(missing "$name")"
  if [ -n "$why" ]; then note "$name" "not run" 0 "$why"; continue; fi
  left=$((TOTAL - SECONDS - GRACE))
  [ "$limit" -le "$left" ] || limit="$left"
  if [ "$limit" -lt 1 ]; then note "$name" "not run" 0 "the $((TOTAL / 60)) minutes are over: --only $name"; continue; fi
  printf 'gpu: %s, at most %s s\n' "$name" "$limit" >&2
  began=$SECONDS
  # Arrays do not go through the environment: their words do.
  timeout --kill-after="$GRACE" "$limit" bash -c "$(declare -p MODEL SIZE EVALUATION SERVING); run $name" \
    >"$OUT/$name.out" 2>"$OUT/$name.log" &
  started_process=$!
  wait "$started_process"
  code=$? started_process=""
  # The figures are the last line.
  if [ "$code" -eq 0 ] && tail -n 1 "$OUT/$name.out" | "$PYTHON" -m json.tool --compact >"$OUT/$name.json" 2>>"$OUT/$name.log"; then
    state=passed why="$(left_out "$name")"
    if other_kernels "$name"; then state="not run" why="its kernels need a CUDA device; with those for a CPU it went through"; fi
  elif [ "$code" -eq 124 ] || [ "$code" -eq 137 ]; then
    state=failed why="took longer than $limit s"
  else
    state=failed why="ended with $code: $name.log"
  fi
  [ "$state" != failed ] || rm -f "$OUT/$name.json"
  rm -f "$OUT/$name.out"
  note "$name" "$state" "$((SECONDS - began))" "$why"
done
"$PYTHON" benchmarks/gpu_table.py "$OUT" --parts "${PARTS[@]%:*}" ${WRITE[@]+"${WRITE[@]}"}
