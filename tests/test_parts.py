"""Finding, checking, building and naming parts."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.encoders.hashing import Hashing
from harness.indexes.flat import Flat
from harness.metrics.ndcg import Ndcg
from harness.metrics.recall import Recall
from harness.parts import available, build, describe, did_you_mean, digest, find, identity, is_part, name_of, place
from harness.poolings.mean import Mean
from harness.quantizers.int8 import Int8
from harness.reductions.truncate import Truncate
from harness.retrievers.dense import Dense
from harness.tasktypes.retrieval import Retrieval
from harness.types import HarnessError


@dataclass(frozen=True)
class Sized:
    """A part of the user's own."""

    width: float
    where: str = place("")
    tags: tuple[str, ...] = ()
    named: dict[str, int] = field(default_factory=dict)


@dataclass
class Mutable:
    width: int = 1


MINE = {"_target_": f"{__name__}.Sized"}
TRUSTED = (__name__.split(".", maxsplit=1)[0],)
DENSE = Dense(Hashing(), Mean(), Truncate(8), Int8(), Flat())


def refused(node: Any, trusted: tuple[str, ...] = ()) -> str:
    with pytest.raises(HarnessError) as caught:
        build(node, trusted)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "target",
    [
        "os.system", "subprocess.Popen", "builtins.eval", "pathlib.Path", "harness.cli.main", "harness.types.EvalSet",
        "harness.encoders", "harnessx.encoders.hashing.Hashing", "harness_encoders.x.Y", "Hashing", "", ".", "..os.system",
    ],
)  # fmt: skip
def test_a_target_outside_the_rooms_is_refused(target: str) -> None:
    assert "is not a part of this harness" in refused({"_target_": target, "args": ["true"]})


def test_a_refused_target_is_not_even_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "imported"
    (tmp_path / "sly_module.py").write_text(f"open({str(trace)!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "trusted=[sly_module]" in refused({"_target_": "sly_module.Part"})
    assert not trace.exists()
    assert "sly_module" not in sys.modules


def test_refusing_a_target_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    refused({"_target_": "subprocess.Popen", "args": ["true"]})


def test_a_nested_target_is_refused_before_its_part_is_built() -> None:
    node = describe(DENSE) | {"index": {"_target_": "os.system", "command": "true"}}
    assert "os.system" in refused(node)
    assert "os.system" in refused(
        {"_target_": "harness.tasktypes.retrieval.Retrieval", "metrics": [{"_target_": "os.system"}]}
    )


@pytest.mark.parametrize(
    "name",
    [
        "harness.encoders.hashing.Encoded", "harness.encoders.hashing.OpenHashing", "harness.encoders.hashing.np",
        "harness.encoders.hashing.replace", "harness.tasktypes.retrieval.EvalSet",
    ],
)  # fmt: skip
def test_only_a_rooms_own_part_can_be_built(name: str) -> None:
    assert "is not a part" in refused({"_target_": name})


@pytest.mark.parametrize(
    "name", ["harness.encoders.hashing.", "harness.encoders.nothing.Part", "harness.encoders.hashing.No"]
)
def test_a_target_that_does_not_exist_is_named(name: str) -> None:
    assert repr(name) in refused({"_target_": name})


def test_a_trusted_package_of_the_users_is_built() -> None:
    assert build(MINE | {"width": 2.5, "tags": ["a"]}, TRUSTED) == Sized(2.5, tags=("a",))
    assert "trusted=" in refused(MINE | {"width": 2.5})


def test_trusting_a_package_does_not_make_its_functions_parts() -> None:
    assert "not a part" in refused({"_target_": "os.system"}, ("os",))
    assert "not a part" in refused({"_target_": f"{__name__}.Mutable"}, TRUSTED)
    assert "not a part" in refused({"_target_": f"{__name__}.refused"}, TRUSTED)


@pytest.mark.parametrize("node", [None, 3, "Mean", [], {}, {"k": 10}])
def test_a_node_without_a_target_is_no_part(node: Any) -> None:
    assert "_target_" in refused(node)


def test_an_unknown_parameter_is_answered_with_the_nearest_one() -> None:
    assert "no parameter 'clp'. Did you mean clip?" in refused({"_target_": "harness.quantizers.int8.Int8", "clp": 0.9})
    assert "no parameter '_args_'" in refused({"_target_": "harness.metrics.ndcg.Ndcg", "_args_": [3]})


def test_a_missing_parameter_is_named() -> None:
    assert refused(MINE, TRUSTED) == "Sized needs 'width'; give width=..."


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ({"_target_": "harness.metrics.ndcg.Ndcg", "k": "ten"}, "Ndcg.k = 'ten': expected a whole number"),
        ({"_target_": "harness.metrics.ndcg.Ndcg", "k": 10.5}, "Ndcg.k = 10.5"),
        ({"_target_": "harness.metrics.ndcg.Ndcg", "k": True}, "Ndcg.k = True"),
        ({"_target_": "harness.metrics.ndcg.Ndcg", "k": None}, "Ndcg.k = None"),
        ({"_target_": "harness.reductions.truncate.Truncate", "dim": "half"}, "Truncate.dim = 'half'"),
        (
            {"_target_": "harness.encoders.hashing.Hashing", "prompts": {"query": "q: ", "document": 3}},
            "Hashing.prompts",
        ),
        (
            {"_target_": "harness.encoders.hashing.Hashing", "prompts": {"query": "q: ", "documnet": "d: "}},
            "Hashing.prompts",
        ),
        (describe(Retrieval((Ndcg(),))) | {"metrics": [describe(Ndcg()), "recall"]}, "Retrieval.metrics"),
        (describe(DENSE) | {"quantizer": "int8"}, "Dense.quantizer"),
        (describe(DENSE) | {"quantizer": describe(Flat())}, "Dense.quantizer"),
        (describe(DENSE) | {"similarity": "cosinus"}, "Dense.similarity"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(node: Any, says: str) -> None:
    assert says in refused(node)


def test_nested_parts_are_built_from_their_nodes() -> None:
    node = describe(DENSE)
    assert node["quantizer"] == {"_target_": "harness.quantizers.int8.Int8", "clip": 1.0, "symmetric": False}
    assert build(node) == DENSE
    both = Retrieval((Ndcg(3), Recall(7)))
    assert build(describe(both)) == both


def test_building_leaves_the_node_as_it_was_and_does_not_share_it() -> None:
    node = {"_target_": "harness.encoders.hashing.Hashing", "prompts": {"query": "q: "}}
    part = build(node)
    node["prompts"]["query"] = "changed"  # type: ignore[index]
    assert part.prompt("query") == "q: "


def test_equal_parts_have_one_identity_however_the_number_is_written() -> None:
    whole, broken = (build({"_target_": "harness.quantizers.int8.Int8", "clip": clip}) for clip in (1, 1.0))
    assert whole == broken
    assert identity(whole) == identity(broken)


def test_an_identity_ignores_places_at_any_depth_and_nothing_else() -> None:
    assert identity(Sized(1.0, "here")) == identity(Sized(1.0, "there"))
    assert identity(Retrieval((Sized(1.0, "here"),))) == identity(Retrieval((Sized(1.0, "there"),)))  # type: ignore[arg-type]
    assert identity(Sized(1.0)) != identity(Sized(2.0))
    assert len({identity(Sized(1.0, tags=t)) for t in ((), ("a",), ("b",), ("a", "b"), ("b", "a"))}) == 5


def mine(folder: Path, code: str, value: int = 1) -> Any:
    """A part of a user's package whose file holds `code`, imported anew."""
    package = folder / "inhouse_parts"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text("from dataclasses import dataclass\n")
    head = "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Part:\n    value: int = 1\n"
    (package / "part.py").write_text(head + f"    def pooled(self): return {code}\n")
    for name in [n for n in sys.modules if n.startswith("inhouse_parts")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    return build({"_target_": "inhouse_parts.part.Part", "value": value}, ("inhouse_parts",))


def test_changed_code_of_a_users_part_is_another_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    first = mine(tmp_path, "'mean'")
    before, within = identity(first), identity(Retrieval((first,)))
    (tmp_path / "inhouse_parts" / "part.py").write_text("edited after the import")
    assert identity(first) == before, "what was imported runs, whatever lies there by now"
    changed = mine(tmp_path, "'last'")
    assert describe(changed) == describe(first)
    assert identity(changed) != before
    assert identity(Retrieval((changed,))) != within
    assert identity(mine(tmp_path, "'mean'")) == before
    assert identity(mine(tmp_path, "'mean'", value=2)) != before


def test_the_identity_of_a_built_in_part_is_its_description_and_content_alone() -> None:
    node = {"_target_": "harness.metrics.ndcg.Ndcg", "content": {}, "k": 10}
    assert identity(Ndcg(10)) == digest(node)


def test_an_identity_does_not_depend_on_the_order_of_keys_or_the_process() -> None:
    a, b = Hashing(prompts={"query": "x", "document": "y"}), Hashing(prompts={"document": "y", "query": "x"})
    assert identity(a) == identity(b)
    code = "from harness.parts import identity; from harness.metrics.ndcg import Ndcg; print(identity(Ndcg(3)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "5"}
    )
    assert done.stdout.strip() == identity(Ndcg(3))


def test_metrics_with_equal_parameters_are_told_apart_by_their_class() -> None:
    assert identity(Ndcg(10)) != identity(Recall(10))


def test_a_digest_is_32_hex_digits_of_the_value() -> None:
    assert re.fullmatch("[0-9a-f]{32}", digest({"a": 1}))
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 2, "b": 1})


def test_a_part_is_found_by_its_file_and_a_typo_gets_the_nearest_names() -> None:
    assert find("poolings", "mean") is Mean
    assert name_of(Mean()) == "mean"
    with pytest.raises(HarnessError, match="quantizers: no part named 'int9'. Did you mean int8"):
        find("quantizers", "int9")
    assert set(available("poolings")) >= {"native", "mean", "cls", "max", "last"}


def test_only_instances_of_frozen_dataclasses_are_parts() -> None:
    assert is_part(Mean())
    assert not is_part(Mean)
    assert not is_part(Mutable())
    assert not is_part({"_target_": "x"})


def test_the_nearest_names_are_offered_and_all_of_them_where_none_is_near() -> None:
    assert did_you_mean("ndgc", ["ndcg", "recall"]) == "Did you mean ndcg?"
    assert did_you_mean("zzz", ["b", "a"]) == "Known: a, b."
    assert did_you_mean("zzz", []) == ""
