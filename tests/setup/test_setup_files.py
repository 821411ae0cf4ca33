"""The set-up files agree with each other, and install.sh says plainly what it does and what it
cannot do.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, where pytest brings it
    import tomli as tomllib

REPO = Path(__file__).resolve().parents[2]
FOR_CLUSTERS = {"ray"}  # 200 MB that one machine has no use for: installed by hand
PYPI_NAMES = {
    "pytorch": "torch",
    "py-opencv": "opencv-python",
}  # where conda-forge has another name
BASH = shutil.which("bash")

pytestmark = pytest.mark.skipif(BASH is None, reason="needs bash")


def package(requirement: str) -> str:
    """`torch` of `torch>=2.6`, `- torch >=2.6  # dev` and the like."""
    return re.match(r"[\s-]*([A-Za-z0-9_-]+)", requirement).group(1).lower().strip("-")


def conda_packages(text: str) -> set[str]:
    lines = text.split("dependencies:")[1].splitlines()
    names = {
        package(line)
        for line in lines
        if line.strip().startswith("-") and not line.rstrip().endswith("pip:")
    }
    return {PYPI_NAMES.get(name, name) for name in names} - {"python", "pip"}


def run(*arguments: str, folder: Path = REPO, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [BASH, str(folder / "install.sh"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
        cwd="/",
        timeout=60,
    )


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def with_conda(tmp_path: Path) -> Path:
    """A copy of the set-up files beside a `conda` that only writes down how it was called."""
    for name in ("install.sh", "environment.yml"):
        shutil.copy(REPO / name, tmp_path)
    fake = tmp_path / "bin" / "conda"
    fake.parent.mkdir()
    fake.write_text(f"""#!{BASH}
echo "$* cuda=${{CONDA_OVERRIDE_CUDA-unset}}" >>"{tmp_path}/calls"
while [ $# -gt 0 ]; do [ "$1" = --file ] && cp "$2" "{tmp_path}/asked.yml"; shift; done
echo "there    /somewhere/there"
""")
    fake.chmod(0o755)
    return tmp_path


def test_conda_and_pip_install_the_same_packages(project):
    wanted = {package(name) for name in project["dependencies"]}
    for extra in project["optional-dependencies"].keys() - FOR_CLUSTERS:
        wanted |= {package(name) for name in project["optional-dependencies"][extra]}
    assert conda_packages((REPO / "environment.yml").read_text()) == wanted


def test_install_sh_knows_every_extra(project):
    script = (REPO / "install.sh").read_text()
    always, with_dev = (
        re.search(pattern, script).group(1).split()
        for pattern in (r'local extras="([\w ]+)"', r'then extras="\$extras ([\w ]+)"')
    )
    assert {*always, *with_dev, "dev", *FOR_CLUSTERS} == set(project["optional-dependencies"])


def test_python_versions_agree(project):
    low = re.fullmatch(r">=3\.(\d+)", project["requires-python"]).group(1)
    assert f"version_info < (3, {low})" in (REPO / "install.sh").read_text()
    assert f"python >=3.{low}" in (REPO / "environment.yml").read_text()


@pytest.mark.parametrize("script", ["install.sh", ".ci/run"])
def test_scripts_are_bash(script):
    assert subprocess.run([BASH, "-n", str(REPO / script)], check=False).returncode == 0
    assert os.access(REPO / script, os.X_OK)


def test_help_names_every_option():
    shown = run("--help")
    assert shown.returncode == 0 and shown.stderr == ""
    for option in re.findall(
        r"^\s+(?:-h \| )?(--[\w-]+)\)", (REPO / "install.sh").read_text(), re.MULTILINE
    ):
        assert re.search(rf"^  {option}\s", shown.stdout, re.MULTILINE), option


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nope"], "unknown option '--nope'"),
        (["gpu"], "unknown option 'gpu'"),
        (["--conda"], "--conda needs the name of an environment"),
        (["--conda", "--cpu"], "--conda needs the name of an environment"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_option_is_one_sentence(arguments, message):
    shown = run(*arguments)
    assert shown.returncode == 2 and shown.stdout == ""
    assert message in shown.stderr and len(shown.stderr.splitlines()) == 1


@pytest.mark.parametrize(("name", "verb"), [("spot", "create"), ("there", "update")])
def test_conda_environment_is_created_or_updated(with_conda, name, verb):
    shown = run("--conda", name, folder=with_conda, PATH=f"{with_conda}/bin:{os.environ['PATH']}")
    calls = (with_conda / "calls").read_text().splitlines()
    assert shown.returncode == 0, shown.stderr
    assert f"env {verb} --name {name} --file {with_conda}/environment.yml cuda=unset" in calls
    assert calls[-2].startswith(f"run --name {name} python -m pip install")
    assert calls[-1].startswith(f"run --live-stream --name {name} python /")
    assert f"--name {name} python -m spot_ext quickstart" in shown.stdout.splitlines()[-2]


def test_conda_leaves_out_what_was_not_asked_for(with_conda, project):
    run(
        "--conda",
        "spot",
        "--cpu",
        "--no-dev",
        folder=with_conda,
        PATH=f"{with_conda}/bin:{os.environ['PATH']}",
    )
    whole, asked = (
        conda_packages(path.read_text())
        for path in (REPO / "environment.yml", with_conda / "asked.yml")
    )
    left_out = (
        set(project["optional-dependencies"])
        - {"visdom", "jpeg4py", "video", "annotate"}
        - FOR_CLUSTERS
    )
    assert whole - asked == {
        package(name) for extra in left_out for name in project["optional-dependencies"][extra]
    }
    assert "cuda=unset" not in (with_conda / "calls").read_text()


FAKE_UV = """#!{bash}
# Knows --torch-backend, writes down how it was called, and installs nothing. The file `offline`
# stands for an index of PyTorch that cannot be reached.
case "$*" in
    "pip install --help") echo "--torch-backend" ;;
    *--torch-backend*)
        echo "$*" >>"{folder}/calls"
        if [ -e "{folder}/offline" ]; then echo "no route" >&2; exit 2; fi
        ;;
    *) echo "$*" >>"{folder}/calls" ;;
esac
"""
FAKE_PYTHON = """#!{bash}
# Stands for the Python of .venv: fits, and prints what the device script would.
case "$*" in *device.py*) echo "Training will use:  the CPU" ;; esac
"""


@pytest.fixture
def with_uv(tmp_path: Path) -> Path:
    """A copy of install.sh beside a `uv` and a .venv that do nothing but write down calls."""
    shutil.copy(REPO / "install.sh", tmp_path)
    for name, text in (("bin/uv", FAKE_UV), (".venv/bin/python", FAKE_PYTHON)):
        file = tmp_path / name
        file.parent.mkdir(parents=True)
        file.write_text(text.format(bash=BASH, folder=tmp_path))
        file.chmod(0o755)
    return tmp_path


def installed(folder: Path, *arguments: str) -> list[str]:
    """Run install.sh; returns the installations that it asked for, without its own options."""
    calls = folder / "calls"
    calls.unlink(missing_ok=True)
    shown = run(*arguments, folder=folder, PATH=f"{folder}/bin:{os.environ['PATH']}")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("Training will use:  the CPU\n")
    return [line for line in calls.read_text().splitlines() if "--dry-run" not in line]


@pytest.mark.parametrize(("option", "backend"), [((), "auto"), (("--cpu",), "cpu")])
def test_torch_is_the_build_for_the_machine(with_uv, option, backend):
    for call in installed(with_uv, *option):
        assert f"--torch-backend {backend}" in call


@pytest.mark.parametrize("option", [(), ("--cpu",)])
def test_a_second_run_without_the_index_ends_as_the_first(with_uv, option):
    (with_uv / "offline").touch()
    first = [line for line in installed(with_uv, *option) if "--torch-backend" not in line]
    again = [line for line in installed(with_uv, *option) if "--torch-backend" not in line]
    scratch = re.compile(r"/tmp\S*|/var\S*")
    assert [scratch.sub("", line) for line in first] == [scratch.sub("", line) for line in again]
    # Torch, then the project with its extras.
    assert len(first) == 2
    assert "[" in first[1]


def test_a_run_after_the_index_came_back_uses_it(with_uv):
    (with_uv / "offline").touch()
    installed(with_uv)
    (with_uv / "offline").unlink()
    assert all("--torch-backend auto" in line for line in installed(with_uv))


def test_no_python_that_fits_is_one_sentence(tmp_path):
    for tool in ("dirname", "mktemp", "rm", "cat"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    shown = run(PATH=str(tmp_path))
    assert shown.returncode == 1 and len(shown.stderr.splitlines()) == 1
    assert "no Python 3.10 or newer found" in shown.stderr


def test_no_file_names_this_machine():
    """Paths of the machine a file was written on mean nothing to whoever clones it."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    folders = "|".join(re.escape(str(folder)) for folder in (Path.home(), REPO))
    pattern = re.compile(rf"(?<![\w.$}}~-])({folders})/")
    found = []
    for name in listed.stdout.splitlines():
        path = REPO / name
        if path.is_file() and path.suffix not in {
            ".jpg",
            ".png",
            ".pdf",
            ".npz",
            ".npy",
            ".safetensors",
        }:
            for number, line in enumerate(
                path.read_text(encoding="utf-8", errors="ignore").splitlines(), start=1
            ):
                if match := pattern.search(line):
                    found.append(f"{name}:{number}: {match.group()}")
    assert found == []


@pytest.mark.parametrize("name", ["install.sh", "environment.yml", "pyproject.toml", ".ci/run"])
def test_set_up_leaves_the_choice_of_servers_to_the_machine(name):
    """Package clients are configured where they run; an address in here would override a mirror or
    a proxy.
    """
    assert "://" not in (REPO / name).read_text()
