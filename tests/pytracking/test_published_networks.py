"""Files of the original TransT, of pytracking and of SPOT, as those programs wrote them, load for
tracking.
"""

import functools
import pickle
from collections import OrderedDict

import pytest
import torch

import ltr.admin.loading
from ltr.admin.errors import BadInput
from ltr.admin.model_constructor import NetConstructor
from ltr.admin.settings import Settings
from ltr.admin.stats import AverageMeter
from ltr.models.tracking import transt
from pytracking.utils import loading

SIZES = {
    "hidden_dim": 32,
    "nheads": 8,
    "dim_feedforward": 16,
    "dropout": 0.1,
    "position_embedding": "sine",
}
SPOT, ORIGINAL = "ltr.models.tracking.transt_model", "ltr.models.tracking.transt"


@functools.cache
def network(layers=4, iou_head=True):
    torch.manual_seed(layers)
    return transt.transt_resnet50(featurefusion_layers=layers, iou_head=iou_head, **SIZES).eval()


def settings(**values):
    """As pickled by the machine that trained: its GPU, options of the recipe, no local.py of this
    machine.
    """
    made = Settings.__new__(Settings)
    vars(made).update(
        device="cuda", batch_size=38, description="TransT with default settings.", **values
    )
    return made


def content(net, module, layers=4, kwds=None, **more):
    """A checkpoint whose constructor and settings are pickled objects."""
    call = NetConstructor(
        "transt_resnet50", module, (settings(featurefusion_layers=layers, **SIZES),), kwds or {}
    )
    return {
        "net_type": "TransT",
        "net": OrderedDict(net.state_dict()),
        "net_info": None,
        "constructor": call,
        **more,
    }


def student(net):
    meter = AverageMeter()
    meter.update(2.5)
    return content(
        net,
        SPOT,
        kwds={"network": "student"},
        epoch=25,
        actor_type="TranstSparseActor",
        optimizer={"state": {}, "param_groups": []},
        settings=settings(),
        stats=OrderedDict(train=OrderedDict({"Loss/total": meter})),
    )


FILES = {
    "TransT N4": (4, False, lambda net: content(net, ORIGINAL)),
    "TransT N2": (2, False, lambda net: content(net, ORIGINAL, layers=2)),
    "SPOT student": (4, True, student),
    "SPOT teacher": (4, True, lambda net: content(net, SPOT, kwds={"network": "teacher"})),
    "SPOT without the IoU head's weights": (
        4,
        False,
        lambda net: content(net, SPOT, kwds={"network": "teacher"}),
    ),
    "several GPUs": (
        4,
        True,
        lambda net: {
            **student(net),
            "net": {f"module.{k}": v for k, v in net.state_dict().items()},
        },
    ),
    "settings of another number of layers": (2, True, lambda net: content(net, SPOT, layers=4)),
    "settings without sizes": (
        3,
        False,
        lambda net: {
            **content(net, ORIGINAL),
            "constructor": NetConstructor("transt_resnet50", ORIGINAL, (settings(),), {}),
        },
    ),
    "weights only": (2, False, lambda net: dict(net.state_dict())),
    "weights under another name": (2, True, lambda net: {"state_dict": net.state_dict()}),
    "constructor of unknown code": (
        4,
        True,
        lambda net: {
            **content(net, SPOT),
            "constructor": NetConstructor("my_net", "ltr.models.tracking.mine", (), {}),
        },
    ),
}


@pytest.mark.parametrize(("layers", "iou_head", "wrap"), FILES.values(), ids=FILES)
def test_published_forms(machine, layers, iou_head, wrap):
    net = network(layers, iou_head)
    machine.network_path.mkdir()
    file = machine.network_path / "transt.pth"
    torch.save(
        wrap(net), file, _use_new_zipfile_serialization=layers != 2
    )  # older files are one pickle
    by_name, (from_ltr, _) = (
        loading.load_network("transt.pth"),
        ltr.admin.loading.load_network(str(file)),
    )
    for loaded in (by_name, from_ltr):
        state = loaded.state_dict()
        assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())
        assert loaded.zf is None and next(loaded.parameters()).device.type == "cpu"
    template, search = torch.randn(1, 3, 64, 64), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected, outputs = net(search, template), by_name.eval()(search, template)
    assert all(torch.equal(outputs[name], value) for name, value in expected.items())


def test_teacher_goes_before_the_student(machine):
    folder = machine.network_path / "run"
    folder.mkdir(parents=True)
    nets = {"s": network(1), "t": network(2)}
    for which, net in nets.items():
        torch.save(content(net, SPOT), folder / f"TransT_ep0025_{which}.pth.tar")
    assert len(loading.load_network("run").featurefusion_network.encoder.layers) == 2


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, trace):
        self.trace = str(trace)

    def __reduce__(self):
        return open, (self.trace, "w")


EVIL = {
    "an extra entry": lambda payload: {**content(torch.nn.Linear(1, 1), SPOT), "extra": payload},
    "the constructor": lambda payload: {
        **content(torch.nn.Linear(1, 1), SPOT),
        "constructor": payload,
    },
    "an argument of the network": lambda payload: {
        **content(torch.nn.Linear(1, 1), SPOT),
        "constructor": NetConstructor("transt_resnet50", SPOT, (payload,), {}),
    },
    "an attribute of the settings": lambda payload: content(
        torch.nn.Linear(1, 1), SPOT, settings=settings(schedule=payload)
    ),
    "a weight": lambda payload: {**content(torch.nn.Linear(1, 1), SPOT), "net": {"w": payload}},
    "the whole file": lambda payload: payload,
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old pickle"])
@pytest.mark.parametrize("build", EVIL.values(), ids=EVIL)
def test_nothing_in_a_file_is_executed(machine, build, zipped):
    machine.network_path.mkdir()
    file, trace = machine.network_path / "evil.pth", machine.root / "trace"
    torch.save(build(Payload(trace)), file, _use_new_zipfile_serialization=zipped)
    for load in (loading.load_network, ltr.admin.loading.load_network):
        with pytest.raises(BadInput, match=r"evil\.pth") as caught:
            load(str(file))
        assert "\n" not in str(caught.value)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("module", "function"),
    [("os", "system"), ("subprocess", "run"), ("builtins", "exec"), ("torch.hub", "load")],
)
def test_a_constructor_cannot_name_any_function(machine, module, function):
    """Weights that are TransT's are used all the same, through their shapes."""
    machine.network_path.mkdir()
    file, trace = machine.network_path / "evil.pth", machine.root / "trace"
    net = network(1)
    torch.save(
        {
            **content(net, SPOT),
            "constructor": NetConstructor(function, module, (f"touch {trace}",), {}),
        },
        file,
    )
    assert torch.equal(loading.load_network("evil.pth").input_proj.weight, net.input_proj.weight)
    torch.save(
        {
            "net": {"w": torch.zeros(1)},
            "constructor": NetConstructor(function, module, (f"touch {trace}",), {}),
        },
        file,
    )
    with pytest.raises(BadInput, match=r"evil\.pth: .*(not trusted|not a factory)"):
        loading.load_network("evil.pth")
    assert not trace.exists()


def cut(file):
    file.write_bytes(file.read_bytes()[:-20_000])


def without_a_layer(file):
    net = network(1)
    state = {name: value for name, value in net.state_dict().items() if "bbox_embed" not in name}
    torch.save({"net": state}, file)


DAMAGE = {
    "cut": (cut, "damaged"),
    "text": (lambda file: file.write_text("<html>Not found</html>"), "damaged"),
    "empty": (lambda file: file.write_bytes(b""), "damaged"),
    "a picture": (lambda file: file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(5000)), "damaged"),
    "no weights": (
        lambda file: torch.save({"epoch": 3}, file),
        "holds no weights: it has the entries epoch",
    ),
    "another network": (
        lambda file: torch.save({"net": {"conv1.weight": torch.zeros(1)}}, file),
        "No constructor",
    ),
    "a pickle of another program": (
        lambda file: file.write_bytes(pickle.dumps({"net": OrderedDict()})),
        "net.pth",
    ),
    "a list": (
        lambda file: torch.save([torch.zeros(1)], file),
        "holds a list instead of a dict of weights",
    ),
    "half a network": (without_a_layer, "bbox_embed"),
}


@pytest.mark.parametrize(("damage", "sentence"), DAMAGE.values(), ids=DAMAGE)
def test_wrong_files_are_one_sentence(machine, damage, sentence):
    machine.network_path.mkdir()
    file = machine.network_path / "net.pth"
    torch.save(content(network(1), SPOT), file)
    damage(file)
    for load in (loading.load_network, ltr.admin.loading.load_network):
        with pytest.raises(BadInput, match=r"net\.pth") as caught:
            load(str(file))
        assert sentence in str(caught.value) and "\n" not in str(caught.value)
