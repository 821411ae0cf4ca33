"""ltr.io.checkpoint, loading, model_constructor."""

import os
import pickle
import sys
import types
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ltr.admin import loading, model_constructor
from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.admin.model_constructor import NetConstructor
from ltr.admin.settings import Settings
from ltr.admin.stats import AverageMeter, StatValue
from ltr.io.checkpoint import (
    checkpoint_files,
    from_plain,
    read_checkpoint,
    to_plain,
    write_checkpoint,
)


def save(net, path, **more):
    constructor = getattr(net, "constructor", None)
    write_checkpoint(
        path,
        {
            "net": net.state_dict(),
            "net_type": type(net).__name__,
            "net_info": None,
            "constructor": constructor,
            **more,
        },
    )
    return path


def same_weights(a, b):
    return all(
        torch.equal(x, y)
        for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


# What a file holds

PLAIN = {
    "numpy scalar": (np.float64(1.5), 1.5),
    "numpy int": (np.int32(3), 3),
    "bool": (np.bool_(True), True),
    "path": (Path("/a/b"), "/a/b"),
    "device": (torch.device("cuda:0"), "cuda:0"),
    "set": ({3}, [3]),
    "tuple": ((1, [np.float32(2)]), (1, [2.0])),
    "size": (torch.Size([1, 2]), (1, 2)),
    "none": (None, None),
    "text array": (np.array(["a"]), ["a"]),
}


@pytest.mark.parametrize(("value", "plain"), PLAIN.values(), ids=PLAIN)
def test_to_plain(value, plain, tmp_path):
    assert to_plain(value) == plain and type(to_plain(value)) is type(plain)
    write_checkpoint(tmp_path / "x", {"value": value})
    assert torch.load(tmp_path / "x", weights_only=True) == {"value": plain}


def test_objects_become_plain_and_back(local_py, tmp_path):
    settings, meter, value = Settings(), AverageMeter(), StatValue()
    settings.sizes = {"search": 256}
    meter.update(2.0)
    meter.new_epoch()
    value.update(1)
    write_checkpoint(tmp_path / "x", {"s": settings, "m": [meter, value], "f": len})
    stored = torch.load(tmp_path / "x", weights_only=True)
    assert "env" not in stored["s"] and str(tmp_path) not in str(
        stored["s"]
    )  # no machine paths in files people share
    assert stored["f"]["description"] == "<built-in function len>"
    back = from_plain({"s": stored["s"], "m": stored["m"]})
    assert (
        back["s"].sizes == {"search": 256}
        and back["s"].env.workspace_dir == settings.env.workspace_dir
    )
    assert back["m"][0].history == [2.0] and type(back["m"][1]) is StatValue
    with pytest.raises(BadValue, match="builtin_function"):
        from_plain(stored["f"])


def test_state_dict_keeps_order_and_versions(tmp_path):
    state = nn.BatchNorm1d(2).state_dict()
    write_checkpoint(tmp_path / "x", {"net": state})
    back = read_checkpoint(tmp_path / "x")["net"]
    assert list(back) == list(state) and back._metadata == state._metadata


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    write_checkpoint(tmp_path / "x", {"epoch": 1})

    def fail(content, file):
        file.write(b"half")
        raise RuntimeError("no space left")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(BadInput, match="no space left"):
        write_checkpoint(tmp_path / "x", {"epoch": 2})
    assert read_checkpoint(tmp_path / "x") == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


# Files of pytracking, which pickle objects


class _Old:
    """Classes named as in old files, so that torch.save pickles those names."""

    def __init__(self, monkeypatch, prefix):
        self.classes = {}
        parts = prefix.split(".")
        for package in (".".join(parts[:n]) for n in range(1, len(parts) + 1)):
            if package not in sys.modules:
                monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
        for module, name in (
            ("model_constructor", "NetConstructor"),
            ("stats", "AverageMeter"),
            ("settings", "Settings"),
            ("local", "EnvironmentSettings"),
        ):
            place = f"{prefix}.{module}"
            made = type(name, (), {"__module__": place})
            monkeypatch.setitem(sys.modules, place, types.ModuleType(place))
            setattr(sys.modules[place], name, made)
            self.classes[name] = made

    def make(self, class_name, **attributes):
        made = self.classes[class_name]()
        made.__dict__.update(attributes)
        return made


@pytest.mark.parametrize("prefix", ["ltr.admin", "dlframework.common.utils"])
@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_checkpoints_are_read(toy_networks, tmp_path, local_py, prefix, zipped):
    net = toy_networks.toy_net(k=5)
    with pytest.MonkeyPatch.context() as patch:
        old = _Old(patch, prefix)
        env = old.make("EnvironmentSettings", workspace_dir="/elsewhere")
        settings = old.make("Settings", env=env, device="cuda", hidden_dim=5)
        constructor = old.make(
            "NetConstructor",
            fun_name="toy_net",
            fun_module="dlframework.toy_networks",
            args=(),
            kwds={"k": 5},
        )
        meter = old.make(
            "AverageMeter", avg=0, val=0, sum=0, count=0, history=[np.float64(2)], has_new_data=True
        )
        torch.save(
            {
                "net": net.state_dict(),
                "net_info": None,
                "constructor": constructor,
                "settings": settings,
                "stats": OrderedDict(train=OrderedDict(loss=meter)),
            },
            tmp_path / "old.pth.tar",
            _use_new_zipfile_serialization=zipped,
        )
    loaded, content = loading.load_network(tmp_path / "old.pth.tar")
    assert same_weights(loaded, net) and loaded.constructor.kwds["k"] == 5
    content = loading.torch_load_legacy(tmp_path / "old.pth.tar")
    assert content["settings"].hidden_dim == 5 and isinstance(
        content["constructor"], NetConstructor
    )
    assert content["stats"]["train"]["loss"].history == [2.0]


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_unknown_pickles_are_refused_unless_trusted(tmp_path):
    path, trace = tmp_path / "evil.pth.tar", tmp_path / "trace"
    torch.save({"net": {"w": torch.zeros(1)}, "extra": Payload(str(trace))}, path)
    with pytest.raises(
        BadValue,
        match=r"evil.pth.tar holds a pickled object of type posix.mkdir,.*convert_checkpoint",
    ):
        read_checkpoint(path)
    assert not trace.exists()
    loading.convert_checkpoint(path, tmp_path / "new.pth.tar", trust_pickle=True)
    assert read_checkpoint(tmp_path / "new.pth.tar")["net"]["w"] == 0
    assert trace.exists()  # which is what trusting it means


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "pickle", "list"])
def test_damaged_files_are_named(tmp_path, damage):
    path = tmp_path / "a.pth.tar"
    write_checkpoint(path, {"net": {"w": torch.zeros(1000)}})
    {
        "cut": lambda: path.write_bytes(path.read_bytes()[:800]),
        "empty": lambda: path.write_bytes(b""),
        "text": lambda: path.write_text("hello"),
        "pickle": lambda: path.write_bytes(pickle.dumps(object())),
        "list": lambda: torch.save([1], path),
    }[damage]()
    with pytest.raises(BadValue, match=r"a\.pth\.tar") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)


# Which file


def test_files_are_ordered_by_number(tmp_path):
    for name in (
        "Net_ep9999.pth.tar",
        "Net_ep10000.pth.tar",
        "Net_ep0002_s.pth.tar",
        "a.txt",
        ".Net_ep3.pth.tar.tmp",
    ):
        (tmp_path / name).touch()
    assert [(f.epoch, f.suffix) for f in checkpoint_files(tmp_path)] == [
        (2, "_s"),
        (9999, ""),
        (10000, ""),
    ]


FOUND = {
    "newest by number": (["N_ep0009", "N_ep10000", "N_ep9999"], None, "N_ep10000"),
    "teacher first": (["N_ep0002_s", "N_ep0002_t", "N_ep0001_t"], None, "N_ep0002_t"),
    "student without teacher": (["N_ep0002_s", "N_ep0001_t"], None, "N_ep0002_s"),
    "epoch": (["N_ep0001", "N_ep0002"], 1, "N_ep0001"),
    "epoch of SPOT": (["N_ep0025_s", "N_ep0025_t", "N_ep0050_t"], 25, "N_ep0025_t"),
    "names of their own": (["transt", "dimp"], None, "transt"),
}


@pytest.mark.parametrize(("names", "checkpoint", "expected"), FOUND.values(), ids=FOUND)
def test_find_checkpoint(tmp_path, names, checkpoint, expected):
    for name in names:
        (tmp_path / f"{name}.pth.tar").touch()
    assert loading.find_checkpoint(tmp_path, checkpoint).name == f"{expected}.pth.tar"


NOT_FOUND = {
    "empty folder": ([], None, MissingFile, "^No matching checkpoint file found"),
    "other epoch": (
        ["N_ep0001"],
        7,
        MissingFile,
        "^No matching checkpoint file found.* epoch 7; it has epochs 1",
    ),
    "two networks": (
        ["A_ep0001", "B_ep0001"],
        1,
        BadInput,
        "^Multiple matching checkpoint files found",
    ),
    "type": (["N_ep0001"], 1.5, TypeError, "float"),
}


@pytest.mark.parametrize(
    ("names", "checkpoint", "error", "text"), NOT_FOUND.values(), ids=NOT_FOUND
)
def test_find_checkpoint_errors(tmp_path, names, checkpoint, error, text):
    for name in names:
        (tmp_path / f"{name}.pth.tar").touch()
    with pytest.raises(error, match=text):
        loading.find_checkpoint(tmp_path, checkpoint)


# Rebuilding


def test_info_and_overrides(toy_networks, tmp_path, capsys):
    net = toy_networks.toy_net(k=3)
    path = save(net, tmp_path / "ToyNet_ep0002.pth.tar", net_info={"size": 4})
    loaded, _ = loading.load_network(path)
    assert loaded.info == {"size": 4} and capsys.readouterr().out == ""
    assert loaded.was_pretrained is False  # nothing is downloaded that the file replaces
    with pytest.raises(BadValue, match="of another shape"):
        loading.load_network(
            path, k=5
        )  # the override reaches the factory: the weights no longer fit


def test_override_of_a_positional_argument(toy_networks, tmp_path):
    path = save(toy_networks.toy_net(5), tmp_path / "a.pth.tar")
    assert loading.load_network(path)[0].fc[0].out_features == 5
    with pytest.raises(BadValue, match="of another shape"):
        loading.load_network(path, k=4)


def test_weights_that_do_not_fit_are_one_sentence(toy_networks, tmp_path):
    net = toy_networks.toy_net()
    state = net.state_dict()
    state["extra.weight"] = state.pop("fc.0.weight")
    path = tmp_path / "a.pth.tar"
    write_checkpoint(path, {"net": state, "constructor": net.constructor})
    with pytest.raises(
        BadValue, match=r"1 missing \(fc.0.weight\); 1 unexpected \(extra.weight\)"
    ) as caught:
        loading.load_network(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_missing_iou_head_is_allowed(toy_networks, tmp_path, monkeypatch):
    def with_head():
        net = toy_networks.plain_net()
        net.iou_embed = nn.Linear(2, 2)
        return net

    with_head.__module__ = "toy_networks"
    monkeypatch.setattr(
        toy_networks, "with_head", model_constructor.model_constructor(with_head), raising=False
    )
    net = toy_networks.toy_net()
    net.constructor = NetConstructor("with_head", "toy_networks", (), {})
    loaded, _ = loading.load_network(save(net, tmp_path / "a.pth.tar"))
    assert torch.equal(loaded.fc[0].weight, net.fc[0].weight)


CONSTRUCTORS = {
    "not decorated": (
        NetConstructor("plain_net", "ltr.models.layers.blocks", (), {}),
        "not a factory decorated",
    ),
    "function of a library": (
        NetConstructor("system", "os", ("true",), {}),
        "not trusted",
    ),
    "unknown module": (NetConstructor("f", "nosuch_module", (), {}), "not trusted"),
    "missing module": (NetConstructor("f", "ltr.models.nosuch", (), {}), "does not exist here"),
}


@pytest.mark.parametrize(("constructor", "text"), CONSTRUCTORS.values(), ids=CONSTRUCTORS)
def test_constructors_that_are_refused(toy_networks, tmp_path, constructor, text):
    net = toy_networks.plain_net()
    net.constructor = constructor
    with pytest.raises(RuntimeError, match=text):
        loading.load_network(save(net, tmp_path / "a.pth.tar"))
    loaded, _ = loading.load_network(
        tmp_path / "a.pth.tar",
        constructor_fun_name="toy_net",
        constructor_module="toy_networks",
        **({"k": 3}),
    )
    assert same_weights(loaded, net)


class _Answering:
    """Answers every name with something true, as mocks and lazy modules do."""

    is_model_constructor = True

    def __getattr__(self, name):
        return self

    def __call__(self, *_, **__):
        raise AssertionError("code of the file's choice ran")


def _marked(*_, **__):
    raise AssertionError("code of the file's choice ran")


_marked.is_model_constructor = True


@pytest.mark.parametrize(
    ("module", "value"),
    [
        ("happens_to_be_imported", _marked),
        ("happens_to_be_imported", _Answering()),
        ("ltr.models.happens_to_be_imported", _Answering()),
        ("ltr.models.happens_to_be_imported", type("Net", (), {"is_model_constructor": True})),
        ("ltr.models.happens_to_be_imported", 1),
    ],
)
def test_only_our_own_mark_on_a_function_counts(module, value, tmp_path, monkeypatch):
    holder = types.ModuleType(module)
    holder.net = value
    monkeypatch.setitem(sys.modules, module, holder)
    net = nn.Linear(2, 2)
    net.constructor = NetConstructor("net", module, (), {})
    with pytest.raises(RuntimeError, match=r"not trusted|not a factory decorated"):
        loading.load_network(save(net, tmp_path / "a.pth.tar"))


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_trusted_modules(tmp_path, monkeypatch, how):
    (tmp_path / "my_networks.py").write_text(
        "from torch import nn\nfrom ltr import model_constructor\n"
        "@model_constructor\ndef net(n=2):\n    return nn.Linear(n, n)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    net = nn.Linear(2, 2)
    net.constructor = NetConstructor("net", "my_networks", (), {})
    path = save(net, tmp_path / "a.pth.tar")
    with pytest.raises(RuntimeError, match="not trusted"):
        loading.load_network(path)
    if how == "variable":
        monkeypatch.setenv("LTR_TRUSTED_MODULES", "other, my_networks")
    trusted = ["my_networks"] if how == "argument" else []
    try:
        assert same_weights(loading.load_network(path, trusted_modules=trusted)[0], net)
    finally:
        sys.modules.pop("my_networks", None)


def test_settings_argument_is_rebuilt_on_the_cpu(toy_networks, tmp_path, local_py, monkeypatch):
    def from_settings(settings):
        assert (settings.device, settings.backbone_pretrained) == ("cpu", False)
        return toy_networks.plain_net()

    from_settings.__module__ = "toy_networks"
    settings = Settings()
    settings.device, settings.backbone_pretrained = "cpu", False
    decorated = model_constructor.model_constructor(from_settings)
    monkeypatch.setattr(toy_networks, "from_settings", decorated, raising=False)
    net = toy_networks.from_settings(settings)
    settings.device, settings.backbone_pretrained = "cuda", True
    loaded, _ = loading.load_network(save(net, tmp_path / "a.pth.tar"))
    assert same_weights(loaded, net)


TRANST = {
    "original": lambda state: {"net": state},
    "bare": lambda state: state,
    "several GPUs": lambda state: {"net": {f"module.{k}": v for k, v in state.items()}},
    "lost module": lambda state: {
        "net": state,
        "constructor": NetConstructor("f", "ltr.models.nosuch", (), {}),
    },
}


@pytest.mark.parametrize("wrap", TRANST.values(), ids=TRANST)
def test_transt_weights_need_no_constructor(tmp_path, wrap):
    transt = pytest.importorskip("ltr.models.tracking.transt")
    net = transt.transt_small(hidden_dim=32, width=8, iou_head=False)
    write_checkpoint(tmp_path / "transt.pth", wrap(net.state_dict()))
    loaded, content = loading.load_network(tmp_path / "transt.pth")
    assert same_weights(loaded, net) and content["constructor"].fun_name == "transt_small"


def test_load_weights(toy_networks, tmp_path):
    net = toy_networks.toy_net()
    path = save(net, tmp_path / "a.pth.tar")
    assert same_weights(loading.load_weights(toy_networks.toy_net(), path), net)
    with pytest.raises(BadValue):
        loading.load_weights(toy_networks.toy_net(k=7), path)
    partly = loading.load_weights(toy_networks.toy_net(k=7), path, strict=False)
    assert torch.equal(partly.fc[2].bias, net.fc[2].bias)


def test_load_pretrained(toy_networks, tmp_path, local_py):
    net = toy_networks.toy_net()
    save(net, tmp_path / "ws" / "checkpoints" / "ltr" / "mod" / "name" / "ToyNet_ep0001.pth.tar")
    assert same_weights(loading.load_pretrained("mod", "name")[0], net)
    assert same_weights(loading.load_trained_network(str(tmp_path / "ws"), "ltr/mod/name"), net)


def test_multi_gpu_forwards_attributes(toy_networks):
    from ltr import MultiGPU
    from ltr.admin.multigpu import is_multi_gpu, unwrapped

    net = toy_networks.toy_net(k=5)
    wrapped = MultiGPU(net)
    assert is_multi_gpu(wrapped) and not is_multi_gpu(net) and unwrapped(wrapped) is net
    assert wrapped.fc is net.fc and wrapped.constructor.kwds == {"k": 5}
    with pytest.raises(AttributeError, match="nosuch"):
        wrapped.nosuch  # noqa: B018
