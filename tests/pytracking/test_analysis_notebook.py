"""The analysis notebook: clean as stored, and every cell runs on results of the toy videos."""

from pathlib import Path

import numpy as np
import pytest

import pytracking

NOTEBOOK = Path(pytracking.__file__).parent / "notebooks/analyze_results.ipynb"


@pytest.fixture
def nbformat():
    return pytest.importorskip("nbformat", reason="nbformat is not installed (extra 'notebook')")


def test_notebook_holds_no_outputs(nbformat):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 5 and all(
        cell.outputs == [] and cell.execution_count is None for cell in code
    )


def test_notebook_runs(nbformat, machine, trees, monkeypatch, tmp_path):
    nbclient = pytest.importorskip(
        "nbclient", reason="nbclient is not installed (extra 'notebook')"
    )
    pytest.importorskip("ipykernel", reason="ipykernel is not installed (extra 'notebook')")
    names = ("GOT-10k_Val_000001", "GOT-10k_Val_000002")
    trees.write_got10k(machine.toy_path / "test", names=names)
    folder = machine.results_path / "transt/spot_quickstart"
    folder.mkdir(parents=True)
    for shift, name in enumerate(names):
        np.savetxt(
            folder / f"{name}.txt",
            np.tile([10 + 6 * shift, 10, 20, 20], (5, 1)),
            delimiter="\t",
            fmt="%d",
        )
    monkeypatch.delenv("MPLBACKEND")
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", allow_errors=False
    ).execute(cwd=str(tmp_path))
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output.get("text", "") for output in outputs)
    assert (
        "\nSPOT, quickstart      | " in text
        and "SPOT, quickstart (pysot)" in text
        and "\\toprule" in text
    )
    assert "GOT-10k_Val_000002 (ID=1)" in text and "GOT-10k_Val_000001 (ID=0)" not in text
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    assert (machine.result_plot_path / "toy/success_plot.pdf").is_file()
