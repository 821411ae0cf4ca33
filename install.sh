#!/usr/bin/env bash
# Set up this project: a private Python environment in .venv, or a conda environment. Safe to run again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$PWD

usage() {
    cat <<'HELP'
usage: bash install.sh [--cpu] [--no-dev] [--conda NAME] [--help]

Installs this project and what it needs into .venv (about a minute; a second run takes seconds). Asks nothing and
changes nothing outside this folder, except with --conda and the package cache. PyTorch is the build for this machine's
GPU driver; on a machine without an NVIDIA driver it is the one for CPUs.

  --cpu         PyTorch without GPU support even where there is a GPU: a much smaller download
  --no-dev      leave out pytest, ruff, and the packages of the optional tools
  --conda NAME  create or update the conda environment NAME from environment.yml instead of .venv
  --help        show this text
HELP
}

say() { printf '%s\n' "install.sh: $*" >&2; }
fail() { say "$1"; exit "${2:-1}"; }

cpu= dev=1 conda_name= backend=()
while [ $# -gt 0 ]; do
    case $1 in
        --cpu) cpu=1 ;;
        --no-dev) dev= ;;
        --conda)
            case ${2:-} in '' | -*) fail "--conda needs the name of an environment, as in: bash install.sh --conda spot" 2 ;; esac
            conda_name=$2
            shift
            ;;
        -h | --help) usage; exit 0 ;;
        *) fail "unknown option '$1', see bash install.sh --help" 2 ;;
    esac
    shift
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Trust the certificates that this machine's other tools trust: company networks often need it.
for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
    if [ -s "$bundle" ]; then export UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1; fi # newer and older name of the setting
done

# Whether $1 is a Python that we can use.
python_fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; }

# Whether $1 is a uv that knows every option used below.
uv_fits() { "$1" pip install --help 2>/dev/null | grep -q -e --torch-backend; }

# Print the path of the first Python on this machine that fits.
find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11 python3.10 python3.14 python; do
        if python_fits "$name"; then
            "$name" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    return 1
}

# Print the path of a uv, installed through pip with the Python $1 when the machine has none that fits.
find_uv() {
    local candidate tools=$root/.venv-tools
    for candidate in uv "$tools/bin/uv" "${HOME:-}/.local/bin/uv"; do
        if uv_fits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    say "getting uv, the package installer"
    # A private environment first; some Linux distributions ship Python without what that takes.
    if "$1" -m venv "$tools" >"$scratch/log" 2>&1; then
        echo '*' >"$tools/.gitignore"
        if "$tools/bin/python" -m pip install --quiet --upgrade uv >>"$scratch/log" 2>&1; then
            echo "$tools/bin/uv"
            return
        fi
    fi
    rm -rf "$tools"
    if "$1" -m pip install --quiet --user --upgrade uv >>"$scratch/log" 2>&1; then
        "$1" -c 'import sysconfig; print(sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user")) + "/uv")'
        return
    fi
    cat "$scratch/log" >&2
    return 1
}

# Install packages into .venv with the build of PyTorch that was chosen; arguments are those of uv pip install.
install_packages() {
    "$uv" pip install --quiet --python .venv/bin/python ${backend[@]+"${backend[@]}"} "$@"
}

# Install this project with the comma-separated extras $1 into .venv.
add() {
    install_packages --build-constraints "$scratch/build" -e ".${1:+[$1]}"
}

# Whether this machine has an NVIDIA driver.
has_gpu_driver() { command -v nvidia-smi >/dev/null || [ -e /proc/driver/nvidia/version ]; }

# Whether .venv holds a PyTorch that cannot use a GPU.
torch_is_for_cpus() {
    .venv/bin/python -c 'import sys, torch; sys.exit(torch.version.cuda is not None)' >/dev/null 2>&1
}

# Install PyTorch, and set `backend` to the options that all later installations take.
install_torch() {
    local choice=auto renew=() build
    if [ -n "$cpu" ]; then
        choice=cpu
    elif has_gpu_driver && torch_is_for_cpus; then
        # It was installed on a machine without a GPU, or with --cpu.
        renew=(--reinstall-package torch --reinstall-package torchvision)
    fi
    # --upgrade-package asks PyTorch's index also when torch is there already. Every run decides in this way, so that
    # one after an interruption, or after another run had to do without the index, ends as a first one does.
    for build in "--torch-backend $choice" ""; do
        read -ra backend <<<"$build"
        if UV_HTTP_RETRIES=0 install_packages --dry-run --upgrade-package torch --upgrade-package torchvision torch torchvision 2>"$scratch/log" &&
            install_packages ${renew[@]+"${renew[@]}"} torch torchvision 2>"$scratch/log"; then
            return
        fi
        [ -z "$build" ] || say "PyTorch's own builds cannot be reached, going on with the default build"
    done
    # Its messages are uv's, and the installation of everything that follows repeats them.
}

install_venv() {
    local python extra
    python=$(find_python) || fail "no Python 3.10 or newer found, install one (for example 3.12) and run this again"
    uv=$(find_uv "$python") || fail "uv cannot be installed with $python: see pip's messages above, then run this again"
    if ! python_fits .venv/bin/python; then
        "$uv" venv --quiet --clear --python "$python" .venv
    fi
    echo 'setuptools<81' >"$scratch/build" # visdom's set-up still uses pkg_resources, which later versions lack
    install_torch
    local extras="visdom jpeg4py video annotate"
    if [ -n "$dev" ]; then extras="$extras coco vot got10k notebook tune onnx light render docs"; fi # what tests use when it is there
    if ! add "${extras// /,}${dev:+,dev}" 2>"$scratch/log"; then
        # One of the optional packages may be the reason: without them first, then each for itself.
        add "${dev:+dev}"
        for extra in $extras; do
            add "$extra" 2>"$scratch/log" ||
                say "optional package $extra cannot be installed here, going on without it"
        done
    fi
    run=.venv/bin/python
}

install_conda() {
    local conda= name file=$root/environment.yml verb=create
    for name in mamba conda; do
        if command -v "$name" >/dev/null; then conda=$name && break; fi
    done
    [ -n "$conda" ] || fail "neither conda nor mamba found, install one of them or run bash install.sh without --conda"
    if [ -z "$dev" ]; then
        grep -v '# dev$' environment.yml >"$scratch/environment.yml"
        file=$scratch/environment.yml
    fi
    if [ -n "$cpu" ]; then export CONDA_OVERRIDE_CUDA=; fi # no GPU as far as the solver can see
    if "$conda" env list | awk '{print $1}' | grep -qxF -e "$conda_name"; then verb=update; fi
    "$conda" env "$verb" --name "$conda_name" --file "$file"
    "$conda" run --name "$conda_name" python -m pip install --quiet --no-deps --editable "$root"
    run="$conda run --live-stream --name $conda_name python"
}

# Print the device that training will use, and the reason where it is not a GPU.
print_device() {
    cat >"$scratch/device.py" <<'PYTHON'
import torch

if torch.cuda.is_available():
    print(f"Training will use:  {torch.cuda.get_device_name()} (CUDA {torch.version.cuda})")
elif torch.version.cuda is None:
    print("Training will use:  the CPU; this build of PyTorch has no GPU support. On a machine with a GPU, run bash install.sh there")
else:
    print("Training will use:  the CPU; PyTorch sees no GPU. python -m spot_ext doctor says what is missing")
PYTHON
    $run "$scratch/device.py"
}

if [ -n "$conda_name" ]; then install_conda; else install_venv; fi
print_device || say "PyTorch cannot be loaded: see its message above"
echo "Installed. A tracker trained in minutes on rendered videos:  $run -m spot_ext quickstart"
echo "Everything that can be done, with examples:                  $run -m spot_ext --help"
