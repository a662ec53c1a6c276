"""BEIR's public data sets by name, `beir/scifact`: where each lies, how long it is, and what it is called elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from harness.downloads import Remote, download, told
from harness.parts import did_you_mean
from harness.types import HarnessError, Note
from harness.wording import size

HOST = "https://public.ukp.informatik.tu-darmstadt.de/thakur/BEIR/datasets"


class Published(NamedTuple):
    """An archive: its bytes and md5, mteb's name of the set in it, its licence where one could be found."""

    size: int
    md5: str
    public: str
    licence: str = ""
    split: str = "test"


_UNSTATED = "none that its authors state"
# md5: README of github.com/beir-cellar/beir; bytes: etc/downloads.json of github.com/allenai/ir_datasets, which has
# the same md5s. Licences: mteb's metadata (MS MARCO, HotpotQA, CQADupStack), allenai.org/data/scifact, the card of
# Intel/intel-optimized-model-for-embeddings-v1 (NQ, DBPedia, SCIDOCS, Touché), Thakur et al. 2021, appendix E (none).
SETS = {
    "msmarco": Published(
        1_082_258_632, "444067daf65d982533ea17ebd59501e4", "MSMARCO", "for research that is not commercial", "dev"
    ),
    "trec-covid": Published(73_876_720, "ce62140cb23feb9becf6270d0d1fe6d1", "TRECCOVID"),
    "nfcorpus": Published(2_448_432, "a89dba18a62ef92f7d323ec890a0d38d", "NFCorpus", _UNSTATED),
    "nq": Published(498_307_926, "d4d3d2e48787a744b6f6e691ff534307", "NQ", "CC BY-SA 3.0"),
    "hotpotqa": Published(654_025_350, "f412724f78b0d91183a0e86805e16114", "HotpotQA", "CC BY-SA 4.0"),
    "fiqa": Published(17_948_027, "17918ed23cd04fb15047f73e6c3bd9d9", "FiQA2018", _UNSTATED),
    "arguana": Published(3_773_617, "8ad3e3c2a5867cdced806d6503f29b99", "ArguAna"),
    "webis-touche2020": Published(227_132_363, "46f650ba5a527fc69e0a6521c5a23563", "Touche2020", "CC BY 4.0"),
    "cqadupstack": Published(5_343_728_040, "4e41456d7df8ee7760a7f866133bda78", "CQADupstack", "Apache-2.0"),
    "quora": Published(15_853_968, "18fb154900ba42a600f84b839c173167", "QuoraRetrieval", _UNSTATED),
    "dbpedia-entity": Published(639_285_131, "c2a39eb420a3164af735795df012ac2c", "DBPedia", "CC BY-SA 3.0"),
    "scidocs": Published(142_471_588, "38121350fc3a4d2f48850f6aff52e4a9", "SCIDOCS", "GPL-3.0"),
    "fever": Published(1_236_988_269, "5a818580227bfb4b35bb6fa46d9b6c03", "FEVER"),
    "climate-fever": Published(1_228_666_652, "8b66f0a9126c521bae2bde127b4dc99d", "ClimateFEVER", _UNSTATED),
    "scifact": Published(2_816_079, "5f7d1de60b170fc8027bb7898e2efca1", "SciFact", "CC BY-NC 2.0"),
}
FORUMS = (
    "android", "english", "gaming", "gis", "mathematica", "physics", "programmers", "stats", "tex", "unix",
    "webmasters", "wordpress",
)  # fmt: skip
# examples/dataset/README.md of github.com/beir-cellar/beir
PRIVATE = {
    "bioasq": "bioasq.org", "signal1m": "research.signal-ai.com", "trec-news": "trec.nist.gov/data/wapost",
    "robust04": "trec.nist.gov/data/cd45",
}  # fmt: skip


class Found(NamedTuple):
    """The archive on this disk, the manifest that reads the set in it, and what to know of its licence."""

    archive: Path
    manifest: dict[str, Any]
    licence: Note


def names() -> tuple[str, ...]:
    """Every set that can be named, as `beir/scifact` or `beir/cqadupstack/android`."""
    plain = [name for name in SETS if name != "cqadupstack"]
    return tuple(f"beir/{name}" for name in (*plain, *(f"cqadupstack/{forum}" for forum in FORUMS)))


def fetched(task: str, store: Path, say: Callable[[str], None]) -> Found:
    """The set that a task `beir/NAME` or `beir/NAME@SPLIT` names, downloaded to `store`/beir unless it is there.

    The split is test, of MS MARCO dev, as in BEIR. `say` gets a line before and lines during a download. A name that
    BEIR does not know, or does not publish, is a HarnessError; for the download see `downloads.download`.
    """
    name, _, split = task.removeprefix("beir/").lower().partition("@")
    _check_name(name)
    archive, _, forum = name.partition("/")
    about = SETS[archive]
    path = store.absolute() / "beir" / f"{archive}.zip"
    if not path.exists():
        say(f"beir/{name}: downloading {size(about.size)} from {HOST}/{path.name}")
    download(Remote(f"{HOST}/{path.name}", about.size, about.md5), path, told(say, path.name))
    split = split or about.split
    public = f"CQADupstack{forum.capitalize()}Retrieval" if forum else about.public
    manifest = {
        "name": task, "format": "beir", "path": str(path / forum), "split": split, "languages": ["en"],
        "public": public if split == "test" else f"{public}@{split}",
    }  # fmt: skip
    return Found(path, manifest, _licence(about))


def _check_name(name: str) -> None:
    if f"beir/{name}" in names():
        return
    if name in PRIVATE:
        advice = f"Ask {PRIVATE[name]} for it and name its folder in a manifest: path: ./{name}"
        raise HarnessError(f"BEIR does not publish {name}. {advice}")
    if name == "cqadupstack":
        raise HarnessError(f"beir/cqadupstack holds {len(FORUMS)} sets. Name one: beir/cqadupstack/{', '.join(FORUMS)}")
    raise HarnessError(f"BEIR has no data set {name!r}. {did_you_mean(f'beir/{name}', names())}")


def _licence(about: Published) -> Note:
    named = f"licence: {about.licence}" if about.licence else "licence: not looked up"
    fix = "See the set's own page; BEIR hands it on without a grant of its own."
    return Note("licence", "info", "", f"{about.public}, {named}", "none on the score", fix)
