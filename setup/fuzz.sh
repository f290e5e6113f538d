#!/bin/sh
# fuzz.sh [SECONDS]: let libFuzzer loose on each C part that reads what others wrote, a minute each; needs clang.
set -eu
seconds=${1:-60}
try=$(mktemp --suffix=.c)
trap 'rm -f "$try" "$try.out"' EXIT
echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return !d && n; }' > "$try"
if ! clang -fsanitize=fuzzer,address -o "$try.out" "$try" 2> /dev/null; then
    echo "fuzz: skipped: no clang with libFuzzer; apt-get install clang and its libclang-rt-NN-dev" >&2
    exit 0
fi
make --silent -C testbed/link/core fuzz
make --silent -C testbed/traces/core fuzz
for target in link segments control irttscan; do
    mkdir -p "build/corpus/$target"
    echo "fuzz: $target, $seconds s"
    "build/$target-fuzz" -max_total_time="$seconds" -max_len=4096 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="build/corpus/$target-" "build/corpus/$target" 2> "build/corpus/$target.log" || {
        cat "build/corpus/$target.log" >&2
        echo "fuzz: $target: what it cannot take is in build/corpus/$target-*" >&2
        exit 1
    }
    sed -n 's/^stat::number_of_executed_units: */fuzz: inputs tried: /p' "build/corpus/$target.log"
done
