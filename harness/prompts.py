"""Which text is put before queries, documents and plain texts: the run's choice, the eval set's, the model's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args

from harness.modelfolder import TYPES_PROMPTED, own_prompt
from harness.types import EvalSet, HarnessError, Role

# Keys of a model's YAML that are no parameters of its part.
APART = ("card", "caution", "instruction", "task_prompts", "task_role_options", "prompts")
_ROLES: tuple[Role, ...] = get_args(Role)
_BLANK = "{instruction}"


def prompted(
    node: Mapping[str, Any], config: Mapping[str, Any], evalset: EvalSet | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """`prompts` for a model's part, and a warning for each prompt of its YAML that this run leaves out or replaces.

    For each role the first that says something: the option `prompt`, the eval set's manifest, the YAML's
    `task_prompts` for this task, those for the set's type, its `prompts`; where none does, the model's own files decide
    (see `read_as`). `{instruction}` in a prompt is filled from the option `instruction`, the manifest, the YAML's
    `task_prompts`, or, where documents are searched, its `instruction`. `role_options` of a service are completed
    from the YAML's `task_role_options` in the same way. HarnessError for an unknown role, or a template without an
    instruction.
    """
    own = _checked(node.get("prompts"), "prompts", str)
    apart = _of_set(node, "task_prompts", config, evalset)
    instruction = _instruction(node, config, evalset, apart.pop("instruction", ""))
    expected = own | _checked(apart, "task_prompts", str)
    chosen = {role: text for role in _ROLES if (text := (config["prompt"] or {}).get(role)) is not None}
    used = expected | dict(evalset.prompts if evalset else {}) | chosen
    read = {role for role, _ in evalset.sides} if evalset else set(_ROLES)
    filled = {
        role: _filled(text, instruction) for role, text in used.items() if role in read or _fills(text, instruction)
    }
    warnings = tuple(
        f"the {role} prompt is {filled[role]!r}; the model's YAML has {text!r}"
        for role, text in expected.items()
        if role in read and text.replace(_BLANK, instruction) != filled[role]
    )
    return ({"prompts": filled} if filled else {}) | _options(node, config, evalset), warnings


def read_as(part: Any, evalset: EvalSet | None) -> tuple[Any, tuple[str, ...]]:
    """The model with the prompt that its own files name after the eval set's type, where plain texts are read.

    A prompt that was given for texts stays; a warning says where the model's own is another.
    """
    if evalset is None or evalset.searched or not _reads_files(part):
        return part, ()
    given, own = part.prompts or {}, own_prompt(part.folder(), "text", evalset.type) or ""
    if own == part.prompt("text"):
        return part, ()
    if "text" not in given:
        return dataclasses.replace(part, prompts={**given, "text": own}), ()
    return part, ((f"the text prompt {given['text']!r} overrides the model's own {own!r}",) if own else ())


def plain(part: Any) -> Any:
    """The part without prompts that say what its own do: one candidate, however it was written."""
    if not hasattr(part, "bare"):
        return part
    bare = part.bare()
    try:
        return bare if all(bare.prompt(role) == part.prompt(role) for role in _ROLES) and _adds_no_text(part) else part
    except HarnessError:
        return part  # its files cannot be read, which is said when they are


def _adds_no_text(part: Any) -> bool:
    """Whether a prompt for texts, if one is given, is what the model's own files have for every type of task."""
    if not _reads_files(part) or "text" not in (part.prompts or {}):
        return True
    return all((own_prompt(part.folder(), "text", kind) or "") == part.prompt("text") for kind in TYPES_PROMPTED)


def _reads_files(part: Any) -> bool:
    return hasattr(part, "folder") and hasattr(part, "prompts")


def _instruction(node: Mapping[str, Any], config: Mapping[str, Any], evalset: EvalSet | None, for_task: str) -> str:
    """What fills a template; a model's instruction for searches says nothing of other tasks."""
    searching = node.get("instruction") if evalset is None or evalset.searched else ""
    return str(config["instruction"] or (evalset.instruction if evalset else "") or for_task or searching or "")


def _options(node: Mapping[str, Any], config: Mapping[str, Any], evalset: EvalSet | None) -> dict[str, Any]:
    apart = _checked(_of_set(node, "task_role_options", config, evalset), "task_role_options", Mapping)
    return {"role_options": dict(node.get("role_options") or {}) | apart} if apart else {}


def _of_set(node: Mapping[str, Any], key: str, config: Mapping[str, Any], evalset: EvalSet | None) -> dict[str, Any]:
    """What a model's YAML says under a key for the eval set: by its type, then by the task's name."""
    given, names = node.get(key) or {}, (evalset.type if evalset else "", str(config["task"]))
    if not isinstance(given, Mapping) or not all(isinstance(v, Mapping) for v in given.values()):
        raise HarnessError(f"{key} of the model: expected {{TASK: {{text: ...}}}} with the name or type of a task")
    return {role: value for name in names for role, value in given.get(name, {}).items()}


def _checked(given: Any, name: str, kind: type) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(v, kind) for v in given.values()):
        wanted = "texts" if kind is str else "options"
        raise HarnessError(f"{name} of the model: expected {{query: ..., document: ...}} with {wanted}")
    for role in given:
        if role not in _ROLES:
            raise HarnessError(f"{name} of the model has no role {role!r}; the roles are {', '.join(_ROLES)}")
    return dict(given)


def _fills(text: str, instruction: str) -> bool:
    return bool(instruction) or _BLANK not in text


def _filled(text: str, instruction: str) -> str:
    if not _fills(text, instruction):
        raise HarnessError(
            "this prompt is a template and the eval set says nothing of its task: add `instruction:` to its manifest, "
            "or instruction='Given a question, retrieve passages that answer it'"
        )
    return text.replace(_BLANK, instruction)
