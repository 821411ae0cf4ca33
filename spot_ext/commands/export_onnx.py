"""The verb `export-onnx`: write a network as ONNX graphs."""

from __future__ import annotations

import argparse
import sys

from ltr.admin.places import input_name, output_folder
from spot_ext.commands import verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `export-onnx`."""
    parser.add_argument(
        "network",
        type=input_name,
        metavar="NET",
        help="checkpoint, or a name in network_path of local.py; `light`: the one "
        "that comes with the package",
    )
    parser.add_argument("out", type=output_folder, metavar="OUT", help="folder")


@verb(
    "export-onnx",
    "Write a network as ONNX graphs: template.onnx, track.onnx and network.json.",
    examples=["export-onnx spot_quickstart.pth.tar onnx"],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> None:
    """Export the network and print the files that were written."""
    from pytracking.features.onnx_export import export, load_for_export

    for path in export(load_for_export(options.network), options.out):
        sys.stdout.write(f"{path}\n")
