"""Network files with sound weights and an odd description are one sentence that names the file."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from ltr.admin.errors import BadInput
from ltr.admin.loading import load_network
from ltr.io.checkpoint import write_checkpoint
from ltr.models.tracking.transt_light import transt_light

MODULE = "ltr.models.tracking.transt_light"
CONSTRUCTOR = {"fun_name": "transt_light", "fun_module": MODULE, "args": (), "kwds": {}}


def holding_itself():
    own: list = []
    own.append(own)
    return own


@pytest.fixture(scope="module")
def weights():
    return transt_light().state_dict()


def described(**changes):
    return lambda net: {"net": net, "constructor": {**CONSTRUCTOR, **changes}}


def weighing(change):
    """A file whose weights are changed one by one."""
    return lambda net: {
        "net": {name: change(value) for name, value in net.items()},
        "constructor": CONSTRUCTOR,
    }


ODD = {
    "a value that holds itself": lambda net: {"net": net, "x": holding_itself()},
    "a module that is a number": described(fun_module=5),
    "no module": described(fun_module=None),
    "an empty module": described(fun_module=""),
    "a function that is a list": described(fun_name=[]),
    "args that are a number": described(args=5),
    "args that are text": described(args="abc"),
    "too many args": described(args=tuple(range(30))),
    "kwds that are a list": described(kwds=[1]),
    "kwds with numbers as names": described(kwds={1: 2}),
    "an unknown keyword": described(kwds={"zzz": 1}),
    "a keyword of another type": described(kwds={"nheads": "many"}),
    "no heads": described(kwds={"nheads": 0}),
    "a net_info that is a number": lambda net: {
        "net": net,
        "constructor": CONSTRUCTOR,
        "net_info": 5,
    },
    "names that are numbers": lambda net: {"net": {1: torch.ones(1)}, "constructor": CONSTRUCTOR},
    "entries that are numbers": lambda net: {1: torch.ones(1)},
    "weights that are text": weighing(lambda value: "x"),
    "no weights": lambda net: {"net": {}, "constructor": CONSTRUCTOR},
    "flat weights": weighing(lambda value: value.reshape(-1)[:1]),
    "sparse weights": weighing(lambda value: value.to_sparse() if value.dim() == 2 else value),
    "weights in a list": lambda net: {"net": list(net.values()), "constructor": CONSTRUCTOR},
    "one weight missing": lambda net: {
        "net": dict(list(net.items())[1:]),
        "constructor": CONSTRUCTOR,
    },
}


def check_is_a_sentence(path):
    with pytest.raises(BadInput) as caught:
        load_network(path)
    text = str(caught.value)
    assert text.count(str(path)) == 1 and "\n" not in text and len(text) < 600, text


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ODD)
def test_an_odd_description_is_a_sentence(name, weights, tmp_path):
    path = tmp_path / "net.pth.tar"
    torch.save(ODD[name](weights), path)
    check_is_a_sentence(path)


HEADERS = {
    "100,000 brackets": "[" * 100_000,
    "brackets that close": "[" * 100_000 + "]" * 100_000,
    "no JSON": "{",
    "a constructor without names": json.dumps({**CONSTRUCTOR, "kwds": [1]}),
    "a module that is a number": json.dumps({**CONSTRUCTOR, "fun_module": 5}),
}


@pytest.mark.parametrize("name", HEADERS)
def test_an_odd_header_of_a_weight_file_is_a_sentence(name, weights, tmp_path):
    path = tmp_path / "net.safetensors"
    save_file(dict(weights), path, {"constructor": HEADERS[name]})
    check_is_a_sentence(path)


@pytest.mark.parametrize("suffix", [".pth.tar", ".safetensors"])
def test_one_flipped_bit_is_told(suffix, weights, tmp_path):
    path = tmp_path / f"net{suffix}"
    write_checkpoint(path, {"net": weights, "constructor": CONSTRUCTOR})
    load_network(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)
    check_is_a_sentence(path)


def test_a_weight_file_of_another_program_has_no_checksums_and_is_read(weights, tmp_path):
    path = tmp_path / "net.safetensors"
    for metadata in ({}, {"crc32": "[]"}, {"crc32": "{}"}):
        save_file(dict(weights), path, {"constructor": json.dumps(CONSTRUCTOR), **metadata})
        load_network(path)
