#!/bin/sh
# The native engine, and Adam with it, under the sanitisers: address and undefined behaviour in TensorFlow, over every
# shape its tests know; then those and threads (data races) without TensorFlow, see native_checks.cc.
# From the root of the repository:  sh tests/sanitize.sh [python]
# A finding ends the run with the sanitiser's report. Needs g++ and its sanitiser libraries.
set -eu
python=${1:-python}
folder=$(mktemp -d)
trap 'cat "$folder"/report* 2>/dev/null || true; rm -rf "$folder"' EXIT

cat > "$folder/sanitising-g++" <<'END'
#!/bin/sh
exec g++ "$@" -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
END
chmod +x "$folder/sanitising-g++"

# TensorFlow itself is not instrumented: its leaks are not ours, and its allocator must stay its own.
LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)" \
ASAN_OPTIONS="detect_leaks=0:alloc_dealloc_mismatch=0:log_path=$folder/report" \
UBSAN_OPTIONS="print_stacktrace=1:log_path=$folder/report" \
CXX="$folder/sanitising-g++" XDG_CACHE_HOME="$folder" \
"$python" -m pytest -p no:cacheprovider -m "slow or not slow" tests/zoo/engines/test_native.py tests/tasks/training/test_update.py \
    -k "not checks and (agree or share_out or sharing or same_time or empty or no_steps or odd or not_a_number or depend or traced or \
state or steps_are or of_nothing or finite or not_fit)"

# The thread sanitiser would take TensorFlow's own locks, which it does not see, for missing ones.
include=$("$python" -c "import tensorflow as tf; print(tf.sysconfig.get_include())")
for sanitiser in address,undefined thread; do
    g++ -std=c++17 -O1 -g -march=native -ffp-contract=fast -fno-math-errno -fno-trapping-math -pthread \
        -fsanitize=$sanitiser -fno-sanitize-recover=all -Izoo/engines/native -I"$include" \
        -DZOO_FORWARD='"Forward"' -DZOO_BACKWARD='"Backward"' -DZOO_ADAM='"Adam"' \
        tests/zoo/engines/native_checks.cc zoo/engines/native/*.cc -o "$folder/checks"
    for check in agree memory; do
        "$folder/checks" $check
        echo "$sanitiser: $check passed"
    done
done
