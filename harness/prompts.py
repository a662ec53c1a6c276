"""Which text is put before queries and documents: the run's choice, the eval set's, the model's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from harness.types import EvalSet, HarnessError, Role

# Keys of a model's YAML that are no parameters of its part.
APART = ("card", "caution", "instruction", "task_prompts", "prompts")
_ROLES: tuple[Role, ...] = get_args(Role)
_BLANK = "{instruction}"


def prompted(
    node: Mapping[str, Any], config: Mapping[str, Any], evalset: EvalSet | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """`prompts` for a model's part, and a warning for each prompt of its YAML that this run leaves out or replaces.

    For each role the first that says something: the option `prompt`, the eval set's manifest, the YAML's
    `task_prompts` for this task, its `prompts`; where none does, the model's own files decide. `{instruction}` in a
    prompt is filled from the option `instruction`, the manifest or the YAML. HarnessError for an unknown role, or a
    template without an instruction.
    """
    own = _checked(node.get("prompts"), "prompts")
    for_task = _checked((node.get("task_prompts") or {}).get(str(config["task"])), "task_prompts")
    chosen = {role: text for role in _ROLES if (text := (config["prompt"] or {}).get(role)) is not None}
    used = own | for_task | dict(evalset.prompts if evalset else {}) | chosen
    instruction = config["instruction"] or (evalset.instruction if evalset else "") or node.get("instruction") or ""
    filled = {role: _filled(text, instruction) for role, text in used.items()}
    warnings = tuple(
        f"the {role} prompt is {filled[role]!r}; the model's YAML has {text!r}"
        for role, text in own.items()
        if _filled(text, instruction, False) != filled[role]
    )
    return ({"prompts": filled} if filled else {}), warnings


def _checked(given: Any, name: str) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(v, str) for v in given.values()):
        raise HarnessError(f"{name} of the model: expected {{query: ..., document: ...}} with texts")
    for role in given:
        if role not in _ROLES:
            raise HarnessError(f"{name} of the model has no role {role!r}; the roles are query and document")
    return dict(given)


def _filled(text: str, instruction: str, needed: bool = True) -> str:
    if _BLANK not in text:
        return text
    if not instruction and needed:
        raise HarnessError(
            "this prompt is a template and the eval set says nothing of its task: add `instruction:` to its manifest, "
            "or instruction='Given a question, retrieve passages that answer it'"
        )
    return text.replace(_BLANK, instruction)
