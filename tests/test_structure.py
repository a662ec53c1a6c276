"""The house itself: who imports whom, how large things are, what only cli.py may do."""

import ast
from pathlib import Path

import pytest

from harness.parts import ROOMS

ROOT = Path(__file__).parent.parent
HARNESS = ROOT / "harness"
FILES = sorted(p for p in HARNESS.rglob("*.py"))

# What each room or file may import of ours, beside `types`. Rooms with plug-ins never import one another.
MAP = {
    "types": set(),
    "protocols": set(),
    "parts": set(),
    "execution": set(),
    "ranking": {"protocols"},
    "codes": {"corpus", "protocols", "ranking"},
    "prompts": {"modelfolder"},
    "assembly": {"account", "launch", "parts", "precision", "prompts", "protocols"},
    "pipelines": {"parts", "protocols", "ranking"},
    "corpus": {"protocols", "ranking"},
    "shortlist": set(),
    "projection": {"ranking"},
    "scalar": {"protocols"},
    "codebooks": {"protocols"},
    "approximate": {"corpus", "protocols", "ranking"},
    "sampling": {"parts", "ranking", "splits"},
    "columns": {"complaints", "parts", "reading"},
    "splits": {"reading", "saved"},
    "saved": {"reading"},
    "classes": {"cases", "columns", "complaints", "duplicates", "reading"},
    "flaws": {"checks"},
    "checks": {"cases", "duplicates", "parts", "protocols", "ranking", "tongues"},
    "cases": set(),
    "tongues": set(),
    "complaints": set(),
    "places": {"reading", "splits"},
    "breakage": {"cases", "complaints"},
    "mending": {"sampling"},
    "thinning": {"mending"},
    "health": {"parts", "store", "validate"},
    "repair": {
        "complaints", "evalsets", "markdown", "mending", "reading", "splits", "store", "terminal", "thinning", "validate",
    },
    "scaffold": {"launch", "manifests", "parts", "reading"},
    "pairing": {"cases", "columns", "complaints", "reading", "sampling", "splits"},
    "archives": {"parts", "reading", "wording"},
    "downloads": {"archives", "cause", "reading", "wording"},
    "beirsets": {"downloads", "parts", "wording"},
    "manifests": {"archives", "parts", "reading", "registry"},
    "spaces": {"codes", "parts", "protocols", "ranking"},
    "search_model": {"protocols"},
    "influence": set(),
    "geometry": set(),
    "survey": {"ranking", "sampling"},
    "chart": {"geometry", "sampling", "survey"},
    "maps": {"geometry", "svg"},
    "atlas": {"chart", "forward", "parts", "plan", "protocols", "run", "sampling", "survey", "timing", "wording"},
    "adapter": {"spaces"},
    "modelfolder": set(),
    "completeness": set(),
    "batching": set(),
    "features": {"tokenizing"},
    "packed": set(),
    "halved": {"ranking"},
    "tokenizing": {"modelfolder"},
    "graphfolder": {"batching", "modelfolder", "parts", "protocols", "tokenizing"},
    "windows": {"protocols"},
    "reading": {"complaints"},
    "rawsets": {"columns", "complaints", "reading"},
    "duplicates": set(),
    "store": set(),
    "subjects": {"protocols"},
    "turns": {"energy", "subjects", "timing"},
    "timingoptions": {"parts", "subjects"},
    "bench": {"fingerprint", "parts", "plan", "protocols", "subjects"},
    "staging": {"bench", "forward", "memory", "parts", "protocols", "subjects"},
    "timer": {"bench", "forward", "meters", "staging", "subjects"},
    "clocking": {"bench", "execution", "run", "timer", "timing", "wording", "worker"},
    "timing": set(),
    "fingerprint": {"timing"},
    "energy": set(),
    "memory": set(),
    "meters": {"timing"},
    "secret": set(),
    "account": set(),
    "courier": {"account"},
    "cause": set(),
    "endpoint": {"cause", "courier", "secret"},
    "answers": {"courier"},
    "service": {"account", "answers", "courier", "endpoint", "parts", "protocols"},
    "stats": set(),
    "policy": {"manifests", "parts"},
    "summary": {"candidates", "table", "wording"},
    "launch": {"parts", "timingoptions"},
    "grid": {"launch", "parts"},
    "shard": {"store"},
    "shelf": {"shard", "store", "wording"},
    "ragged": {"shelf"},
    "home": {"parts", "ragged", "shelf", "store", "timing"},
    "filling": {"ragged", "shelf"},
    "pairs": {"filling", "home", "protocols", "shelf"},
    "recent": set(),
    "encoded": {"protocols"},
    "cache": {"parts", "ragged", "shard", "shelf", "store", "wording"},
    "process": {"execution"},
    "progress": {"wording"},
    "precision": {"cards", "parts", "protocols", "sparse", "store", "timing"},
    "superseded": set(),
    "worker": {
        "account", "bench", "cards", "execution", "forward", "parts", "plan", "precision", "protocols", "spaces", "subjects",
        "timer", "timing",
    },
    "run": {
        "assembly", "bench", "cards", "evalsets", "execution", "expansion", "forward", "halved", "launch", "parts", "plan",
        "policy", "precision", "progress", "protocols", "sampling", "shelf", "store", "timingoptions", "wording", "worker",
    },
    "rehearsal": {"forward", "parts", "plan", "protocols", "spaces"},
    "forecast": {"forward", "parts", "plan", "progress", "protocols", "rehearsal", "wording", "worker"},
    "preview": {"bench", "execution", "forecast", "launch", "parts", "plan", "progress", "run", "shelf", "store", "worker"},
    "evalsets": {
        "archives", "beirsets", "complaints", "judgements", "manifests", "parts", "protocols", "public", "reading",
        "registry", "splits",
    },
    "judgements": {"complaints", "parts"},
    "registry": {"parts", "store"},
    "portions": {"registry"},
    "hub": {"adapter", "registry"},
    "public": {"classes", "hub", "judgements", "parts", "portions", "rawsets", "reading", "registry", "splits"},
    "expansion": {"launch", "plan", "portions", "registry"},
    "validate": {
        "archives", "breakage", "complaints", "evalsets", "flaws", "manifests", "parts", "places", "splits",
    },
    "forward": {"encoded", "filling", "home", "pairs", "parts", "protocols", "recent", "shelf"},
    "labels": {"assembly", "launch", "parts", "protocols"},
    "plan": {"account", "assembly", "cards", "grid", "labels", "launch", "parts", "policy", "precision", "protocols", "timingoptions", "timing"},
    "manifest": {"fingerprint", "health", "launch", "plan", "policy", "store", "superseded"},
    "alignment": set(),
    "shape": {"manifests"},
    "speeds": {"timing"},
    "table": {"alignment", "shape", "speeds", "store", "wording"},
    "machines": {"table"},
    "pricing": set(),
    "batches": {"policy", "table"},
    "candidates": {"alignment", "batches", "machines", "parts", "policy", "pricing", "speeds", "table", "wording"},
    "ruling": {"candidates", "policy", "stats", "table"},
    "limits": {"batches", "candidates", "policy", "wording"},
    "stated": set(),
    "flips": {"candidates", "evidence", "limits", "policy", "ruling", "stated", "wording"},
    "evidence": {"candidates", "policy", "ruling", "stats"},
    "confirmation": {"evidence", "policy", "ruling", "stats"},
    "entries": {"candidates", "limits", "policy", "ruling", "stats", "wording"},
    "sensitivity": {"evidence", "policy", "ruling", "stats"},
    "wording": set(),
    "narrative": {"wording"},
    "measurements": {"wording"},
    "agreement": {"wording"},
    "doubts": {"candidates", "meters", "table"},
    "noise": {"doubts", "wording"},
    "disturbance": {"meters"},
    "curves": {"disturbance", "measurements", "report", "table"},
    "warned": {"disturbance", "measurements", "meters", "wording"},
    "caveats": {"doubts", "narrative", "noise", "precision", "wording"},
    "decide": {
        "candidates", "caveats", "confirmation", "doubts", "entries", "evidence", "flips", "limits", "machines", "narrative",
        "policy", "ruling", "sensitivity", "summary", "table", "wording",
    },
    "page": {"wording"},
    "shapes": set(),
    "svg": {"wording"},
    "placing": set(),
    "plots": {"placing", "svg", "wording"},
    "markdown": {"wording"},
    "grounds": {"markdown", "wording"},
    "record": {"grounds", "markdown", "narrative", "wording"},
    "overrides": {"launch", "policy"},
    "acceptance": {"decide", "policy", "store", "table"},
    "rollback": {"store"},
    "overview": {"acceptance", "page", "store", "wording"},
    "noninferiority": {"policy", "ruling", "stats"},
    "ratios": {"candidates", "machines", "table"},
    "regression": {
        "acceptance", "candidates", "decide", "limits", "noninferiority", "policy", "ratios", "ruling", "table",
        "wording",
    },
    "gate": {
        "markdown", "noninferiority", "overrides", "policy", "ratios", "regression", "store", "table", "wording",
    },
    "leaderboard": set(),
    "published": {"leaderboard", "table", "wording"},
    "taskresult": {"adapter", "leaderboard", "published", "reading", "store"},
    "importing": {"published", "reading", "taskresult", "wording"},
    "export": {
        "evalsets", "launch", "leaderboard", "published", "store", "table", "taskresult", "terminal", "wording",
    },
    "excerpts": {"store", "table"},
    "items": {"excerpts", "wording"},
    "querywise": {"excerpts", "items", "policy", "ruling", "stats", "table", "wording"},
    "comparison": {
        "candidates", "decide", "excerpts", "items", "page", "policy", "querywise", "store", "table", "terminal",
        "wording",
    },
    "unjudged": {"judgements", "sampling", "table"},
    "sheet": {"judgements", "parts", "reading"},
    "relabelled": {"reading", "sheet", "store"},
    "judging": {
        "decide", "evalsets", "launch", "parts", "policy", "reading", "relabelled", "sheet", "store", "table", "unjudged",
        "wording",
    },
    "review": {"commands", "comparison", "gate", "judging", "options", "overview", "table"},
    "figures": {"page", "store", "svg"},
    "report": {
        "candidates", "excerpts", "figures", "published", "page", "parts", "record", "store", "svg", "table", "wording",
    },
    "cards": {"modelfolder", "parts", "store"},
    "catalogue": {"hub", "launch", "manifests", "parts", "registry"},
    "similarity": {"codes", "forward", "launch", "parts", "plan", "protocols", "ranking"},
    "glance": {"progress", "similarity", "terminal", "wording"},
    "terminal": {"launch", "markdown", "parts", "progress", "table", "wording"},
    "doctor": {"energy", "fingerprint", "forward", "halved", "memory", "meters", "timing", "wording"},
    "runner": {
        "atlas", "clocking", "excerpts", "execution", "launch", "manifest", "parts", "plan", "precision", "progress", "run",
        "shelf", "store",
        "wording", "worker",
    },
    "options": set(),
    "cutting": {"codes"},
    "sparse": set(),
    "tokenrows": {"ranking"},
    "weights": {"batching", "modelfolder", "parts", "protocols", "tokenizing"},
    "commands": {
        "cache", "catalogue", "doctor", "export", "importing", "launch", "options", "published", "repair", "scaffold", "table",
        "terminal", "validate", "wording",
    },
    "cli": {
        "acceptance", "commands", "decide", "glance", "launch", "options", "overrides", "overview", "parts", "policy",
        "preview", "progress", "published", "report", "review", "rollback", "runner", "similarity", "store", "table",
        "terminal", "verify",
    },
    "verify": {"launch", "reading", "runner", "table"},
    "plugins": {"grid"},
}  # fmt: skip
ROOM_MAY = {"parts", "protocols"}
ROOM_EXTRAS = {
    "indexes": {"approximate", "corpus", "halved", "ranking", "shortlist"},
    "reductions": {"projection"},
    "quantizers": {"codebooks", "projection", "ranking", "scalar"},
    "retrievers": {"codes", "cutting", "pipelines", "ranking", "shortlist", "spaces", "sparse", "tokenrows"},
    "tasktypes": {"adapter", "influence", "ranking", "spaces"},
    "encoders": {
        "account",
        "batching",
        "completeness",
        "courier",
        "endpoint",
        "features",
        "graphfolder",
        "modelfolder",
        "packed",
        "secret",
        "service",
        "sparse",
        "tokenizing",
        "weights",
    },
    "chunkings": {"windows"},
    "rerankers": {
        "answers",
        "batching",
        "completeness",
        "courier",
        "endpoint",
        "modelfolder",
        "packed",
        "secret",
        "tokenizing",
        "weights",
    },
    "executors": {"execution", "process"},
    "scenarios": {"energy", "memory", "subjects", "timing", "turns"},
    "formats": {"columns", "complaints", "reading", "rawsets", "saved"},
    "layouts": {"cases", "classes", "columns", "complaints", "duplicates", "pairing", "reading", "sampling", "splits"},
    "sections": {
        "agreement",
        "candidates",
        "curves",
        "disturbance",
        "excerpts",
        "geometry",
        "items",
        "maps",
        "measurements",
        "page",
        "plots",
        "querywise",
        "report",
        "shapes",
        "speeds",
        "stats",
        "svg",
        "table",
        "timing",
        "warned",
        "wording",
    },
}


def _room(path):
    return path.relative_to(HARNESS).parts[0].removesuffix(".py")


def _imports(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name and name.startswith("harness."):
                yield name.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HARNESS)))
def test_every_file_imports_only_what_the_map_allows(path):
    room = _room(path)
    if room == "__init__":
        return
    allowed = ROOM_MAY | ROOM_EXTRAS.get(room, set()) if room in ROOMS else MAP[room]
    used = set(_imports(path)) - {"types"}
    if room in ("checks", "page", "stats"):
        used -= {room}
    assert used <= allowed, f"{path.name} imports {sorted(used - allowed)}"


def test_the_map_names_no_file_that_is_gone():
    present = {_room(p) for p in FILES} - {"__init__"} - set(ROOMS)
    assert set(MAP) == present


def _functions(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_files_and_functions_keep_to_the_size_card():
    lengths = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in FILES}
    assert {str(p): n for p, n in lengths.items() if n > 300} == {}
    sizes = [f.end_lineno - f.lineno + 1 for p in FILES for f in _functions(p)]
    assert max(sizes) <= 80
    assert sorted(sizes)[len(sizes) // 2] <= 10
    real = sorted(n for p, n in lengths.items() if p.name != "__init__.py")
    assert real[len(real) // 2] <= 150


def test_functions_take_at_most_six_parameters():
    over = []
    for path in FILES:
        for f in _functions(path):
            names = [
                a.arg for a in (*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs) if a.arg not in ("self", "cls")
            ]
            if len(names) > 6:
                over.append(f"{path.name}:{f.name}")
    assert over == []


def test_only_the_command_line_prints_exits_and_reads_the_environment():
    found = []
    for path in FILES:
        if path.name in ("cli.py", "secret.py"):  # secret.py: a key must be no parameter of a part
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = ast.unparse(node) if isinstance(node, ast.Call | ast.Attribute) else ""
            if text.startswith("print(") or text in ("sys.exit", "os.environ"):
                found.append(f"{path.name}:{node.lineno} {text}")
    assert found == []


def test_one_broad_except_writes_the_traceback_of_a_failed_record():
    broad = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            ):
                broad.append(path.name)
    assert broad == ["worker.py"]


def test_no_file_has_a_name_that_says_nothing():
    empty = {"utils", "helpers", "manager", "base", "common", "misc"}
    assert [p.name for p in FILES if p.stem in empty] == []
