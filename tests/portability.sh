#!/bin/sh
# The native engine without TensorFlow, see native_checks.cc, as other compilers and other processors have it: the
# same bits from any number of threads, and products of bfloat16 numbers.
# From the root of the repository:  sh tests/portability.sh [python]
# A failure ends the run. What is not installed is named and left out: clang++, and for aarch64
# aarch64-linux-gnu-g++ with qemu-aarch64 (Debian: clang, g++-aarch64-linux-gnu, qemu-user).
set -eu
python=${1:-python}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
include=$("$python" -c "import tensorflow as tf; print(tf.sysconfig.get_include())" 2>/dev/null)
flags="-std=c++17 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math -pthread -Izoo/engines/native -I$include"

# check NAME RUNNER COMPILER [FLAG …]
check() {
    name=$1 runner=$2 compiler=$3
    shift 3
    if ! command -v "$compiler" > /dev/null || ! { [ -z "$runner" ] || command -v ${runner%% *} > /dev/null; }; then
        echo "$name: left out, expected $compiler${runner:+ and ${runner%% *}}"
        return
    fi
    $compiler $flags "$@" -DZOO_FORWARD='"Forward"' -DZOO_BACKWARD='"Backward"' -DZOO_ADAM='"Adam"' \
        tests/zoo/engines/native_checks.cc zoo/engines/native/*.cc -o "$folder/checks"
    unit=$($runner "$folder/checks" halves)
    $runner "$folder/checks" agree
    echo "$name: passed, bfloat16 by $unit"
}

case $(uname -m) in
x86_64)
    check "g++ native" "" g++ -march=native
    check "g++ AVX-512" "" g++ -march=native -mno-amx-bf16 -mno-avx512bf16
    check "g++ AVX2" "" g++ -march=x86-64-v3
    check "g++ generic x86-64, SSE2" "" g++ -march=x86-64
    check "clang++ native" "" clang++ -march=native
    check "clang++ AVX2" "" clang++ -march=x86-64-v3
    check "clang++ generic x86-64, SSE2" "" clang++ -march=x86-64
    check "g++ aarch64" "qemu-aarch64 -L /usr/aarch64-linux-gnu" aarch64-linux-gnu-g++ ;;
*)
    check "g++ native" "" g++ -march=native
    check "clang++ native" "" clang++ -march=native ;;
esac
